package tui

import (
	"slices"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Themes are the names of themes, in the order that T goes through them.
var Themes = []string{"auto", "dark", "light", "high-contrast", "mono"}

// A theme is the look of each role. Colour never says anything alone: states have
// a sign and a word besides.
type theme struct {
	name   string
	text   lipgloss.Style
	muted  lipgloss.Style
	accent lipgloss.Style
	ok     lipgloss.Style
	warn   lipgloss.Style
	bad    lipgloss.Style
	strong lipgloss.Style
	chosen lipgloss.Style // the row under the cursor
	tab    lipgloss.Style // the page that is open
	series []lipgloss.Style
	mono   bool
	dark   bool
}

// palette is the page's colours: bg is not set, terminals have their own.
type palette struct{ text, muted, accent, ok, warn, bad, chosen string }

var (
	lightPalette = palette{"#14181f", "#5b6472", "#3f51d9", "#12805c", "#9a6700", "#c0262d", "#e3e6ea"}
	darkPalette  = palette{"#e6eaf0", "#95a0b0", "#8c9bff", "#3ecf9a", "#e3b341", "#ff7b72", "#262c36"}
	highLight    = palette{"#000000", "#000000", "#0000c0", "#005000", "#703c00", "#a00000", ""}
	highDark     = palette{"#ffffff", "#ffffff", "#80c0ff", "#60ff60", "#ffff40", "#ff8080", ""}
	seriesColors = []string{"#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A6FD1"}
)

// newTheme makes the theme of that name for what r can show.
func newTheme(r *lipgloss.Renderer, name string) *theme {
	if !slices.Contains(Themes, name) {
		name = Themes[0]
	}
	t := &theme{name: name, dark: name == "dark" || name != "light" && r.HasDarkBackground()}
	if name == "mono" || r.ColorProfile() == termenv.Ascii {
		t.mono = true
		plain := r.NewStyle()
		t.text, t.muted, t.accent, t.ok, t.warn = plain, plain.Faint(true), plain.Bold(true), plain, plain.Bold(true)
		t.bad, t.strong, t.chosen, t.tab = plain.Bold(true), plain.Bold(true), plain.Reverse(true), plain.Reverse(true).Bold(true)
		t.series = []lipgloss.Style{plain}
		return t
	}
	p := lightPalette
	switch {
	case name == "high-contrast" && t.dark:
		p = highDark
	case name == "high-contrast":
		p = highLight
	case t.dark:
		p = darkPalette
	}
	fg := func(c string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(c)) }
	t.text, t.muted, t.accent, t.ok, t.warn, t.bad = r.NewStyle(), fg(p.muted), fg(p.accent), fg(p.ok), fg(p.warn), fg(p.bad)
	t.strong, t.tab = r.NewStyle().Bold(true), fg(p.accent).Bold(true).Reverse(true)
	if t.chosen = r.NewStyle().Reverse(true); p.chosen != "" {
		t.chosen = fg(p.text).Background(lipgloss.Color(p.chosen)).Bold(true)
	}
	for _, c := range seriesColors {
		t.series = append(t.series, fg(c))
	}
	return t
}

// of returns the look of series i; those after the last share the muted one.
func (t *theme) of(i int) lipgloss.Style {
	if i < len(t.series) {
		return t.series[i]
	}
	return t.muted
}
