package cmd

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram takes the program's own code and constants out of the memory of this
// process. They stay in the system's cache of files, and a page that is needed comes
// back at its next use, in about a microsecond.
func forgetProgram() {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	for _, p := range asInFile(maps, self) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, p.start, p.size, unix.MADV_DONTNEED)
	}
}

// A part of memory, in bytes.
type part struct{ start, size uintptr }

// asInFile reads smaps (proc_pid_smaps(5)) for the constant parts of the file program
// of which no page was ever written to: of a program that is made to run at any address,
// constants are set at its start, and would be lost.
func asInFile(smaps io.Reader, program string) (parts []part) {
	var p part
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 0:
		case !strings.HasSuffix(f[0], ":"):
			p.start, p.size, _ = constantPart(lines.Text(), program)
		case f[0] == "Anonymous:" && len(f) > 1 && f[1] == "0" && p.size > 0:
			parts = append(parts, p)
		}
	}
	return parts
}

// constantPart reads the first line of a part (proc_pid_maps(5)): where a part of the
// file program is that nobody writes to, and how large it is.
func constantPart(line, program string) (start, size uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) < 6 || !strings.HasSuffix(line, " "+program) || f[1] != "r-xp" && f[1] != "r--p" {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(f[0], "-")
	a, err1 := strconv.ParseUint(from, 16, strconv.IntSize)
	b, err2 := strconv.ParseUint(to, 16, strconv.IntSize)
	if err1 != nil || err2 != nil || b <= a {
		return 0, 0, false
	}
	return uintptr(a), uintptr(b - a), true
}
