package tui

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// A cell is one value of a table and its look.
type cell struct {
	text string
	look *lipgloss.Style // nil: as the rest
}

// A column of a table. Widths follow what is seen, between least and most cells.
type column struct {
	title       string
	least, most int
	right       bool
	drop        int // where the width does not do, the highest goes first; 0 stays
}

// A grid is a table with a cursor over rows that are drawn only where seen.
type grid struct {
	cursor, top int
	rows        int // seen at the last drawing
}

// keep holds the cursor within n rows and the cursor within what is seen.
func (g *grid) keep(n, h int) {
	g.rows = max(1, h)
	g.cursor = max(0, min(g.cursor, n-1))
	if g.cursor < g.top {
		g.top = g.cursor
	}
	if g.cursor >= g.top+g.rows {
		g.top = g.cursor - g.rows + 1
	}
	g.top = max(0, min(g.top, n-g.rows))
}

// move moves the cursor as key says and reports whether it is a key of movement.
func (g *grid) move(key string, n int) bool {
	switch key {
	case "down", "j":
		g.cursor++
	case "up", "k":
		g.cursor--
	case "g", "home":
		g.cursor = 0
	case "G", "end":
		g.cursor = n - 1
	case "pgdown":
		g.cursor += g.rows
	case "pgup":
		g.cursor -= g.rows
	case "ctrl+d":
		g.cursor += g.rows / 2
	case "ctrl+u":
		g.cursor -= g.rows / 2
	default:
		return false
	}
	g.cursor = max(0, min(g.cursor, n-1))
	return true
}

// view draws the head and h-1 rows of n in w cells.
func (g *grid) view(t *theme, cols []column, n int, row func(i int) []cell, w, h int) string {
	if w <= 0 || h <= 0 {
		return ""
	}
	g.keep(n, h-1)
	seen := make([][]cell, 0, h)
	for i := g.top; i < min(n, g.top+h-1); i++ {
		seen = append(seen, row(i))
	}
	widths := fit(cols, seen, w-2) // two for the mark of the cursor
	lines := make([]string, 0, h)
	head := make([]cell, len(cols))
	for i, c := range cols {
		head[i] = cell{text: c.title}
	}
	lines = append(lines, t.muted.Render("  "+line(nil, cols, widths, head)))
	for i, cells := range seen {
		if g.top+i == g.cursor {
			text := "> " + line(nil, cols, widths, cells)
			lines = append(lines, t.chosen.Render(pad(text, w, false)))
			continue
		}
		lines = append(lines, "  "+line(t, cols, widths, cells))
	}
	return block(strings.Join(lines, "\n"), w, h)
}

// line joins cells; t nil leaves their looks out.
func line(t *theme, cols []column, widths []int, cells []cell) string {
	var b strings.Builder
	for i, c := range cells {
		if widths[i] == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("  ")
		}
		text := pad(c.text, widths[i], cols[i].right)
		if t != nil && c.look != nil {
			text = c.look.Render(text)
		}
		b.WriteString(text)
	}
	return b.String()
}

// fit gives each column a width, so that all are within w; 0 leaves one out.
func fit(cols []column, rows [][]cell, w int) []int {
	widths, least := make([]int, len(cols)), make([]int, len(cols))
	need, total := -2, -2
	for i, c := range cols {
		least[i] = max(c.least, ansi.StringWidth(c.title))
		widths[i] = least[i]
		for _, r := range rows {
			widths[i] = max(widths[i], ansi.StringWidth(r[i].text))
		}
		if c.most > 0 {
			widths[i] = min(widths[i], max(c.most, least[i]))
		}
		need, total = need+least[i]+2, total+widths[i]+2
	}
	for need > w {
		last := -1
		for i, c := range cols {
			if widths[i] > 0 && c.drop > 0 && (last < 0 || c.drop > cols[last].drop) {
				last = i
			}
		}
		if last < 0 {
			break // what cannot go is cut at the edge
		}
		need, total = need-least[last]-2, total-widths[last]-2
		widths[last] = 0
	}
	for i := len(cols) - 1; i >= 0 && total > w; i-- { // from what is wider than it must be
		if widths[i] > least[i] {
			n := min(total-w, widths[i]-least[i])
			widths[i], total = widths[i]-n, total-n
		}
	}
	return widths
}
