package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/tui"
)

// pseudoTerminal returns the end of a program; what is written to keys is typed there.
func pseudoTerminal(t *testing.T) (keys, tty *os.File) {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatalf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	if err := unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return keys, tty
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return s.Lflag&unix.ECHO != 0
}

// TestInterruptedQuestion: Ctrl-C where a secret is asked for gives the terminal back
// its echo, and ends with the code of what was cancelled.
func TestInterruptedQuestion(t *testing.T) {
	_, tty := pseudoTerminal(t)
	var said lockedText
	a := &app{stdin: tty, stdout: &said, stderr: &said, output: "table"}
	done := make(chan error, 1)
	go func() {
		_, err := a.askSecret(tty, phrase("API key"))
		done <- err
	}()
	for end := time.Now().Add(10 * time.Second); echoes(t, tty); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing is asked")
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var err error
	select {
	case err = <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("Ctrl-C ends nothing")
	}
	if !echoes(t, tty) {
		t.Error("the terminal stays silent")
	}
	var code *exitError
	if !errors.As(err, &code) || code.code != exitUsage {
		t.Errorf("got %v", err)
	}
	if a.report(err) != 2 || !strings.HasSuffix(said.String(), "error: cancelled\n") {
		t.Errorf("said %q", said.String())
	}
}

type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// shown collects what a program shows on the terminal whose other end keys is.
func shown(keys *os.File) *lockedText {
	var all lockedText
	go func() { // it ends with the terminal
		b := make([]byte, 4096)
		for {
			n, err := keys.Read(b)
			if err != nil {
				return
			}
			_, _ = all.Write(b[:n])
		}
	}()
	return &all
}

// TestTerminalNotAsked: no verb asks the terminal for its colours, as bubbletea's init
// would, which waits for seconds where nothing answers; and TERM is as it was.
func TestTerminalNotAsked(t *testing.T) {
	if os.Getenv("AI_GATEWAY_TEST_TERM") != "" { // the process below
		fmt.Println("TERM is", os.Getenv("TERM"))
		return
	}
	keys, tty := pseudoTerminal(t)
	all := shown(keys)
	c := exec.Command(os.Args[0], "-test.run=^TestTerminalNotAsked$")
	c.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "CI=") }), "TERM=xterm-256color", "AI_GATEWAY_TEST_TERM=1")
	c.Stdin, c.Stdout, c.Stderr = tty, tty, tty
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // in the foreground, where it would ask
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	awaitText(t, all, "TERM is xterm-256color")
	if strings.Contains(all.String(), "\x1b]11") {
		t.Errorf("the terminal was asked: %q", all)
	}
}

// TestTUIUnanswered: on a terminal that answers nothing the terminal interface is there
// at once; the answer of one that does is no key.
func TestTUIUnanswered(t *testing.T) {
	t.Setenv("CI", "") // where it is set, no colours are shown
	t.Setenv("TERM", "xterm-256color")
	keys, tty := pseudoTerminal(t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	all := shown(keys)
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		done <- tui.Run(t.Context(), tui.Options{Client: &api.Client{BaseURL: "http://127.0.0.1:1"}, Page: "live"}, tty, tty)
	}()
	awaitText(t, all, "127.0.0.1:1")
	if took := time.Since(start); took > 4*time.Second { // it was five
		t.Errorf("drawn after %v", took)
	}
	awaitText(t, all, "\x1b]11;?")
	if _, err := keys.WriteString("\x1b]11;rgb:ffff/ffff/ffff\x1b\\T"); err != nil { // T: the next theme
		t.Fatal(err)
	}
	awaitText(t, all, "dark")
	if _, err := keys.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("q ends nothing")
	}
}

func awaitText(t *testing.T, all *lockedText, want string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(all.String(), want); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q is not shown: %q", want, all)
		}
	}
}
