//go:build !unix

package main_test

import "os/exec"

// ownGroup would have a command run in a process group of its own; here kill ends the
// command alone.
func ownGroup(cmd *exec.Cmd) (kill func()) { return func() { _ = cmd.Process.Kill() } }
