package cmd

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// A cell is one value of a table: as people read it, and as programs do (CSV).
type cell struct {
	text, raw string
	sgr       string // colour
}

func str(s string) cell { return cell{text: cleanText(s), raw: s} }

// A column is a heading, the name of its values in CSV, and how they stand.
type column struct {
	head  string
	name  string // "": the head in lower case
	right bool
	flex  bool // shortened when the terminal is too narrow
	least int  // cells, in tables that grow (fixed)
}

// A table is what a verb shows. Total, if set, stands below the rows and is no part of CSV.
type table struct {
	columns []column
	rows    [][]cell
	total   []cell
	empty   locales.Phrase // what to say, on standard error, when there are no rows

	fixed    bool // columns are as wide as their least, so that tables fit below each other
	headless bool
}

// show writes a result in the form asked for: whole as JSON, items one a line as
// JSONL, or the table.
func show[T any](a *app, whole any, items []T, t table) error {
	switch a.output {
	case "json":
		return a.writeJSON(whole)
	case "jsonl":
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		for _, item := range items {
			if err := enc.Encode(item); err != nil {
				return errorf("cannot write the output: %w", err)
			}
		}
		return nil
	case "csv":
		return t.csv(a.stdout)
	}
	if len(t.rows) == 0 && t.empty.Format != "" {
		a.line(t.empty.Format, t.empty.Args...)
		return nil
	}
	return a.writeTable(t)
}

// removed tells that what is called name is no more.
func (a *app) removed(name string) error {
	return a.did(map[string]string{"removed": name}, phrase("Removed %s.", cleanText(name)))
}

// did tells what was done: people on standard error, programs what fact says of it.
func (a *app) did(fact any, done locales.Phrase) error {
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(fact)
	}
	a.line("%v", done)
	return nil
}

func (a *app) writeJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	if a.output != "jsonl" {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return errorf("cannot write the output: %w", err)
	}
	return nil
}

// csv writes the rows with a head of names. A value that a spreadsheet would take
// for a formula gets a quote before it.
func (t table) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	record := make([]string, len(t.columns))
	for i, c := range t.columns {
		if record[i] = c.name; c.name == "" {
			record[i] = strings.ReplaceAll(strings.ToLower(c.head), " ", "_")
		}
	}
	if !t.headless {
		_ = out.Write(record) // an error is kept and told by Error
	}
	for _, row := range t.rows {
		for i := range record {
			record[i] = row[i].raw
			if !t.columns[i].right {
				record[i] = plainCell(record[i])
			}
		}
		_ = out.Write(record)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return errorf("cannot write the output: %w", err)
	}
	return nil
}

const gap = "  "

func (a *app) writeTable(t table) error {
	head := make([]cell, len(t.columns))
	for i, c := range t.columns {
		head[i] = cell{text: a.head(c.head), sgr: dim}
	}
	lines := append([][]cell{head}, t.rows...)
	if t.headless {
		lines = t.rows
	}
	if len(t.total) > 0 {
		lines = append(lines, t.total)
	}
	widths := make([]int, len(t.columns))
	for _, line := range lines {
		for i, c := range line {
			widths[i] = max(widths[i], width(c.text))
			if t.fixed && i < len(line)-1 {
				widths[i] = t.columns[i].least
			}
		}
	}
	t.narrow(widths, a.columnsOf(a.stdout))
	var b, one strings.Builder
	for _, line := range lines {
		one.Reset()
		for i, c := range line {
			if i > 0 {
				one.WriteString(gap)
			}
			text := shorten(c.text, widths[i])
			pad := strings.Repeat(" ", widths[i]-width(text))
			if t.columns[i].right {
				one.WriteString(pad)
			}
			one.WriteString(a.paint(a.stdout, c.sgr, text))
			if !t.columns[i].right && i < len(line)-1 {
				one.WriteString(pad)
			}
		}
		b.WriteString(strings.TrimRight(one.String(), " "))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(a.stdout, b.String())
	if err != nil {
		return errorf("cannot write the output: %w", err)
	}
	return nil
}

// narrow takes from flexible columns what the terminal has not; limit 0 is no terminal.
func (t table) narrow(widths []int, limit int) {
	total := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for i := range widths {
		if limit > 0 && total > limit && t.columns[i].flex {
			cut := min(total-limit, max(0, widths[i]-10))
			widths[i] -= cut
			total -= cut
		}
	}
}

// columnsOf returns the width of the terminal w, 0 if it is none.
func (a *app) columnsOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// shorten cuts text to at most n cells, with an ellipsis.
func shorten(text string, n int) string {
	if width(text) <= n {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if w := runeWidth(r); w <= n-1 {
			b.WriteRune(r)
			n -= w
			continue
		}
		break
	}
	return b.String() + "…"
}

// width is the number of terminal cells of text.
func width(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is 2 for the wide characters of East Asia and emoji (Unicode UAX #11), 0 for marks.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0x303e, r >= 0x3041 && r <= 0xa4cf, r >= 0xa960 && r <= 0xa97c,
		r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f680 && r <= 0x1f6ff, r >= 0x1f900 && r <= 0x1faff,
		r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}
