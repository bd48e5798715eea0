package cmd

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The thread that is told is one of this process, and has been told.
func TestCalmMonitor(t *testing.T) {
	err := calmMonitor()
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("SKIPPED: only root and CAP_SYS_NICE may")
	}
	if err != nil {
		t.Fatal(err)
	}
	tid, err := monitorThread()
	if err != nil || tid == os.Getpid() {
		t.Fatal(tid, err)
	}
	b, err := os.ReadFile(slackFile(tid))
	if got := strings.TrimSpace(string(b)); err != nil || got != strconv.FormatInt(monitorSlack.Nanoseconds(), 10) {
		t.Errorf("its slack is %s ns: %v", got, err)
	}
}
