//go:build unix

package main_test

import (
	"os/exec"
	"syscall"
)

// ownGroup has a command run in a process group of its own, which kill ends: a script
// goes with the programs it has started.
func ownGroup(cmd *exec.Cmd) (kill func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
