//go:build unix

package main_test

import (
	"os/exec"
	"syscall"
	"testing"
)

// ownGroup has a command run in a process group of its own, which kill ends: a script
// goes with the programs it has started.
func ownGroup(cmd *exec.Cmd) (kill func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// allowDescriptors raises what a process and its children may open to n, if the system
// lets it, and returns what they may open.
func allowDescriptors(t *testing.T, n int) int {
	t.Helper()
	var had syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &had); err != nil {
		t.Fatal(err)
	}
	most := max(had.Max, uint64(n))
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
		return int(had.Max)
	}
	return int(most)
}
