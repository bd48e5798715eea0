package tui

import (
	"io"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// chunks is a terminal that delivers what is typed in these pieces.
type chunks struct {
	terminal
	pieces []string
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	c.pieces = c.pieces[1:]
	return n, nil
}

// TestBackgroundAnswer: what a terminal says of its background never reaches the keys,
// however it is cut, and nothing of what is typed is lost or held back.
func TestBackgroundAnswer(t *testing.T) {
	f := func(want, told string, pieces ...string) {
		t.Helper()
		said := ""
		s := &answers{terminal: &chunks{pieces: pieces}, tell: func(dark bool) { said += map[bool]string{true: "dark", false: "light"}[dark] }}
		var typed strings.Builder
		for {
			var b [256]byte
			n, err := s.Read(b[:])
			typed.Write(b[:n])
			if err != nil {
				break
			}
		}
		if typed.String() != want || said != told {
			t.Errorf("%q: typed %q and told %q, not %q and %q", pieces, typed.String(), said, want, told)
		}
	}
	f("", "light", "\x1b]11;rgb:ffff/ffff/ffff\x1b\\")
	f("", "dark", "\x1b]11;rgb:1e1e/1e1e/2e2e\a")
	f("", "light", "\x1b]11;rgba:fd/f6/e3/ff\a")
	f("7jk\x1b[A", "dark", "7j\x1b]11;rgb:0/0/0\x1b\\k\x1b[A")
	f("\x1b", "", "\x1b")
	f("", "", "\x1b]") // waits for what follows
	f("\x1b]0;title\ax", "", "\x1b]0;title\a", "x")
	f("\x1b]x", "", "\x1b]", "x")
	f("", "", "\x1b]11;blue\a")
	whole := "a\x1b]11;rgb:eeee/eeee/eeee\x1b\\b"
	for i := 3; i < len(whole); i++ { // behind Escape, which is a key of its own
		f("ab", "light", whole[:i], whole[i:])
	}
	endless := "\x1b]11;" + strings.Repeat("0", 100)
	f(endless, "", endless)
}

// TestBackgroundByEnv: COLORFGBG is believed where it says something.
func TestBackgroundByEnv(t *testing.T) {
	f := func(colors string, dark, known bool) {
		t.Helper()
		if d, k := darkByEnv(colors); k != known || k && d != dark {
			t.Errorf("%q: dark %v, known %v", colors, d, k)
		}
	}
	f("15;0", true, true)
	f("0;15", false, true)
	f("0;default;7", false, true)
	f("7;8", true, true)
	for _, c := range []string{"", "15", "15;default", "0;-1"} {
		f(c, false, false)
	}
}

// TestBackgroundLater: an answer that comes while the screen stands changes its colours.
func TestBackgroundLater(t *testing.T) {
	d := newDriver(t, 80, 24, Options{})
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.TrueColor)
	d.a.r = r
	d.a.setBackground(true)
	dark := d.a.View()
	d.send(backgroundMsg{dark: false})
	if d.a.th.dark || d.a.View() == dark {
		t.Error("the colours stay those of a dark background")
	}
	d.a.setTheme("dark")
	d.send(backgroundMsg{dark: false})
	if !d.a.th.dark {
		t.Error("a theme of one's choice gives way to the terminal's background")
	}
}

// TestSizeUnknown: a terminal that does not know its size gets a screen of the usual one.
func TestSizeUnknown(t *testing.T) {
	d := newDriver(t, 80, 24, Options{})
	d.send(tea.WindowSizeMsg{})
	d.sees("ai-gateway", "5 Live")
}
