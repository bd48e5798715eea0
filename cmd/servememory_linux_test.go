package cmd

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestConstantPart(t *testing.T) {
	f := func(line string, start, size uintptr, want bool) {
		t.Helper()
		if a, n, ok := constantPart(line, "/usr/bin/x y"); ok != want || a != start || n != size {
			t.Errorf("%q: %x %x %v", line, a, n, ok)
		}
	}
	f("00400000-018c6000 r-xp 00000000 fe:00 10896287                           /usr/bin/x y", 0x400000, 0x14c6000, true)
	f("018c6000-030fa000 r--p 014c6000 fe:00 10896287                           /usr/bin/x y", 0x18c6000, 0x1834000, true)
	f("030fa000-0329a000 rw-p 02cfa000 fe:00 10896287                           /usr/bin/x y", 0, 0, false) // has been written to
	f("018c6000-030fa000 r--p 014c6000 fe:00 10896287                           /usr/lib/other", 0, 0, false)
	f("3f68cc800000-3f68cd800000 rw-p 00000000 00:00 0 ", 0, 0, false)
	f("z-018c6000 r-xp 00000000 fe:00 10896287                                  /usr/bin/x y", 0, 0, false)
	f("", 0, 0, false)
}

// TestAsInFile: a part with pages that were written to is kept.
func TestAsInFile(t *testing.T) {
	smaps := `00400000-00401000 r-xp 00000000 fe:00 1                                  /bin/x
Size:                  4 kB
Anonymous:             0 kB
VmFlags: rd ex
00500000-00502000 r--p 00001000 fe:00 1                                  /bin/x
Anonymous:             4 kB
VmFlags: rd
00600000-00601000 rw-p 00003000 fe:00 1                                  /bin/x
Anonymous:             0 kB
00700000-00701000 r--p 00000000 fe:00 2                                  /lib/y
Anonymous:             0 kB
00800000-00802000 r--p 00004000 fe:00 1                                  /bin/x
Anonymous:             0 kB
`
	got := asInFile(strings.NewReader(smaps), "/bin/x")
	if want := []part{{0x400000, 0x1000}, {0x800000, 0x2000}}; !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestForgetProgram: the memory of the program becomes less, and it runs on.
func TestForgetProgram(t *testing.T) {
	file := func() string {
		b, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(b), "RssFile:")
		line, _, _ := strings.Cut(rest, "\n")
		return strings.TrimSpace(line)
	}
	before := file()
	forgetStart()
	if after := file(); len(after) > len(before) || len(after) == len(before) && after >= before {
		t.Errorf("%s of files in memory before, %s after", before, after)
	}
}
