package bolt

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTrim reads a file, lets its pages go, and reads them again.
func TestTrim(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if err := s.Append(t.Context(), traffic(40_000, 10, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), time.Second)); err != nil {
		t.Fatal(err)
	}
	read := func() {
		if v := verify(t, s); v.Rows != 40_000 || v.Fault != "" {
			t.Errorf("%+v", v)
		}
	}
	read()
	before := filePages(t)
	if err := s.Trim(); err != nil {
		t.Fatal(err)
	}
	after := filePages(t)
	t.Logf("resident pages of files: %d KB, %d KB after", before, after)
	if after > before-4<<10 {
		t.Errorf("%d KB of files are resident, %d KB after", before, after)
	}
	read()
}

// filePages reads how much of the process's memory is pages of files, in KB.
func filePages(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "RssFile:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
