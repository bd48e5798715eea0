package tui

import (
	"bytes"
	"io"
	"runtime"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"
	xterm "github.com/charmbracelet/x/term"

	"github.com/your-org/ai-api-gateway/tui/unasked"
)

func init() { unasked.Restore() }

const (
	askBackground    = "\x1b]11;?\x1b\\" // xterm's OSC 11
	answerBackground = "\x1b]11;"
	longestAnswer    = 64 // "rgba:" and four numbers of four digits are 30
)

// A backgroundMsg is what the terminal says of its background.
type backgroundMsg struct{ dark bool }

// setBackground looks right on a background from now on.
func (a *App) setBackground(dark bool) {
	a.r.SetHasDarkBackground(dark)
	lipgloss.SetHasDarkBackground(dark) // of fields and forms that bring their own styles
	a.th = newTheme(a.r, a.th.name)
	a.chat.restyle()
}

// An answers is a terminal's input without the answer to askBackground, which is told
// instead. Nothing waits for it: some terminals do not answer, and some are far away.
type answers struct {
	terminal
	tell func(dark bool)
	held []byte // what may be the beginning of the answer
	told bool
}

// A terminal is what bubbletea (term.File) and the reader that it can interrupt
// (cancelreader.File) need to treat an input as one; an *os.File.
type terminal interface {
	xterm.File
	Name() string
}

// listening returns in without the answer; in as it is, and false, where none can be heard.
func listening(in io.Reader, tell func(dark bool)) (io.Reader, bool) {
	f, ok := in.(terminal)
	if !ok || runtime.GOOS == "windows" || !xterm.IsTerminal(f.Fd()) { // Windows tells keys as records, not as bytes
		return in, false
	}
	return &answers{terminal: f, tell: tell}, true
}

// Read hands on what is typed: nothing, without an error, where only the answer came.
func (s *answers) Read(p []byte) (int, error) {
	if s.told || len(p) <= longestAnswer {
		return s.terminal.Read(p)
	}
	n := copy(p, s.held)
	m, err := s.terminal.Read(p[n:])
	if err != nil {
		return 0, err
	}
	return s.split(p[:n+m]), nil
}

// split leaves what was typed at the beginning of b, and says how much that is.
func (s *answers) split(b []byte) int {
	s.held = s.held[:0]
	start := bytes.Index(b, []byte(answerBackground[:2])) // Escape alone is a key
	if start < 0 {
		return len(b)
	}
	rest := b[start:]
	color, ours := bytes.CutPrefix(rest, []byte(answerBackground))
	if !ours {
		if !strings.HasPrefix(answerBackground, string(rest)) {
			return len(b)
		}
		color = nil
	}
	end := bytes.IndexAny(color, "\a\x1b") // the end is BEL, or Escape and a backslash
	switch {
	case end >= 0 && color[end] == '\a':
		rest = color[end+1:]
	case end >= 0 && end+1 < len(color):
		rest = color[end+2:]
	case len(rest) > longestAnswer:
		return len(b)
	default:
		s.held = append(s.held, rest...)
		return start
	}
	s.told = true
	if dark, ok := darkColor(string(color[:end])); ok {
		s.tell(dark)
	}
	return start + copy(b[start:], rest)
}

// darkColor tells whether a colour as terminals name it is dark: "rgb:1e1e/1e1e/2e2e",
// with one to four hexadecimal digits a part, or "rgba:" with one part more.
func darkColor(name string) (dark, ok bool) {
	_, parts, ok := strings.Cut(name, ":")
	rgb := strings.Split(parts, "/")
	if !ok || !strings.HasPrefix(name, "rgb") || len(rgb) < 3 {
		return false, false
	}
	luma := 0.0
	for i, weight := range []float64{0.299, 0.587, 0.114} { // ITU-R BT.601
		v, err := strconv.ParseUint(rgb[i], 16, 16)
		if err != nil {
			return false, false
		}
		luma += weight * float64(v) / float64(uint64(1)<<(4*len(rgb[i]))-1)
	}
	return luma < 0.5, true
}

// darkByEnv reads COLORFGBG, in which some terminals tell the numbers of their colours,
// as "15;0": of the sixteen, 0 to 6 and 8 are dark (as Vim takes them).
func darkByEnv(colors string) (dark, ok bool) {
	n, err := strconv.Atoi(colors[strings.LastIndexByte(colors, ';')+1:])
	return n <= 6 || n == 8, err == nil && n >= 0 && strings.Contains(colors, ";")
}
