//go:build !unix

package main_test

import (
	"os/exec"
	"testing"
)

// ownGroup would have a command run in a process group of its own; here kill ends the
// command alone.
func ownGroup(cmd *exec.Cmd) (kill func()) { return func() { _ = cmd.Process.Kill() } }

// allowDescriptors returns what a process may open: there is no limit of that kind here.
func allowDescriptors(_ *testing.T, n int) int { return n + 1000 }
