package tui

import (
	"html"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// A markdown draws Markdown as GitHub has it (CommonMark with tables, tasks,
// strikethrough and bare addresses) in the looks of a theme.
type markdown struct {
	th *theme
	md goldmark.Markdown
}

func newMarkdown(th *theme) *markdown {
	return &markdown{th: th, md: goldmark.New(goldmark.WithExtensions(extension.GFM))}
}

// draw returns lines of at most w cells, without those that are empty at the ends.
func (m *markdown) draw(source string, w int) []string {
	src := []byte(source)
	d := drawing{markdown: m, src: src}
	return d.blocks(m.md.Parser().Parse(text.NewReader(src)), max(10, w), true)
}

// A drawing is of one text.
type drawing struct {
	*markdown
	src []byte
}

// deepest is how many quotes and lists within each other are indented further.
const deepest = 12

// blocks draws the blocks within n, in lists that are tight without lines between.
func (d *drawing) blocks(n ast.Node, w int, apart bool) (out []string) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		lines := d.block(c, max(10, w))
		if len(lines) == 0 {
			continue
		}
		if apart && len(out) > 0 {
			out = append(out, "")
		}
		out = append(out, lines...)
	}
	return out
}

func (d *drawing) block(n ast.Node, w int) []string {
	switch n := n.(type) {
	case *ast.Heading:
		mark := strings.Repeat("#", n.Level) + " "
		return prefixed(d.th.accent.Render(mark), "", fold(d.inline(n, d.th.accent.Bold(true)), w-len(mark)))
	case *ast.ThematicBreak:
		return []string{d.th.muted.Render(strings.Repeat("─", w))}
	case *ast.FencedCodeBlock:
		return d.code(n, string(n.Language(d.src)), w)
	case *ast.CodeBlock:
		return d.code(n, "", w)
	case *ast.HTMLBlock:
		return fold(d.th.muted.Render(d.raw(n)), w)
	case *ast.Blockquote:
		bar := d.th.muted.Render("│ ")
		return prefixed(bar, bar, d.blocks(n, w-2, true))
	case *ast.List:
		return d.list(n, w)
	case *extast.Table:
		return d.table(n, w)
	}
	if n.Type() == ast.TypeBlock && n.FirstChild() != nil && n.FirstChild().Type() == ast.TypeBlock {
		return d.blocks(n, w, true)
	}
	return fold(d.inline(n, d.th.text), w)
}

func (d *drawing) list(n *ast.List, w int) (out []string) {
	number := n.Start
	for item := n.FirstChild(); item != nil; item = item.NextSibling() {
		mark := "• "
		if n.IsOrdered() {
			mark = strconv.Itoa(number) + string(n.Marker) + " "
			number++
		}
		behind := strings.Repeat(" ", len([]rune(mark)))
		if depth(item) > 2*deepest {
			behind = ""
		}
		if !n.IsTight && len(out) > 0 {
			out = append(out, "")
		}
		lines := d.blocks(item, w-len(behind), !n.IsTight)
		if len(lines) == 0 {
			lines = []string{""}
		}
		out = append(out, prefixed(d.th.accent.Render(mark), behind, lines)...)
	}
	return out
}

func depth(n ast.Node) (k int) {
	for ; n != nil; n = n.Parent() {
		k++
	}
	return k
}

func (d *drawing) table(n *extast.Table, w int) []string {
	t := table.New().Border(lipgloss.NormalBorder()).BorderStyle(d.th.muted).BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false)
	for row := n.FirstChild(); row != nil; row = row.NextSibling() {
		_, head := row.(*extast.TableHeader)
		look := d.th.text
		if head {
			look = d.th.strong
		}
		var cells []string
		for c := row.FirstChild(); c != nil; c = c.NextSibling() {
			cells = append(cells, d.inline(c, look))
		}
		if head {
			t.Headers(cells...)
		} else {
			t.Row(cells...)
		}
	}
	t.StyleFunc(func(_, col int) lipgloss.Style {
		look := lipgloss.NewStyle().Padding(0, 1)
		if col < len(n.Alignments) {
			switch n.Alignments[col] {
			case extast.AlignRight:
				look = look.Align(lipgloss.Right)
			case extast.AlignCenter:
				look = look.Align(lipgloss.Center)
			}
		}
		return look
	})
	lines := strings.Split(t.String(), "\n")
	if lipgloss.Width(lines[0]) > w {
		lines = strings.Split(t.Width(w).String(), "\n")
	}
	return lines
}

// code draws a block of code; lines that are too long go on below.
func (d *drawing) code(n ast.Node, language string, w int) (out []string) {
	source := strings.ReplaceAll(strings.TrimRight(d.raw(n), "\n"), "\t", "    ")
	for line := range strings.SplitSeq(d.highlight(source, language), "\n") {
		for part := range strings.SplitSeq(hardwrap(line, w-2), "\n") {
			out = append(out, "  "+part)
		}
	}
	return out
}

// raw returns the lines of a block as they stand.
func (d *drawing) raw(n ast.Node) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		at := n.Lines().At(i)
		b.Write(at.Value(d.src))
	}
	if h, ok := n.(*ast.HTMLBlock); ok && h.HasClosure() {
		b.Write(h.ClosureLine.Value(d.src))
	}
	return strings.TrimRight(b.String(), "\n")
}

// inline draws what stands within a block, in one line but for hard breaks.
func (d *drawing) inline(n ast.Node, look lipgloss.Style) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		d.span(&b, c, look)
	}
	return b.String()
}

func (d *drawing) span(b *strings.Builder, n ast.Node, look lipgloss.Style) {
	switch n := n.(type) {
	case *ast.Text:
		putWords(b, plain(string(n.Value(d.src))), look)
		switch {
		case n.HardLineBreak():
			b.WriteByte('\n')
		case n.SoftLineBreak():
			b.WriteByte(' ')
		}
	case *ast.String:
		putWords(b, plain(string(n.Value)), look)
	case *ast.CodeSpan:
		var code strings.Builder
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			if t, ok := c.(*ast.Text); ok {
				code.Write(t.Value(d.src))
			}
		}
		s := strings.ReplaceAll(code.String(), "\n", " ")
		if d.th.mono {
			s = "`" + s + "`"
		}
		putWords(b, s, d.th.accent)
	case *ast.Emphasis:
		if n.Level > 1 {
			look = look.Bold(true)
		} else {
			look = look.Italic(true)
		}
		b.WriteString(d.inline(n, look))
	case *extast.Strikethrough:
		b.WriteString(d.inline(n, look.Strikethrough(true)))
	case *extast.TaskCheckBox:
		b.WriteString(map[bool]string{true: "☑ ", false: "☐ "}[n.IsChecked])
	case *ast.AutoLink:
		putWords(b, string(n.Label(d.src)), look.Underline(true))
	case *ast.Link:
		d.link(b, n, string(n.Destination), look)
	case *ast.Image:
		b.WriteString("🖼 ")
		d.link(b, n, string(n.Destination), look)
	case *ast.RawHTML:
		for i := range n.Segments.Len() {
			at := n.Segments.At(i)
			putWords(b, string(at.Value(d.src)), d.th.muted)
		}
	default:
		b.WriteString(d.inline(n, look))
	}
}

// link draws the text of a link and where it leads.
func (d *drawing) link(b *strings.Builder, n ast.Node, to string, look lipgloss.Style) {
	name := d.inline(n, look.Underline(true))
	b.WriteString(name)
	if to = plain(to); to != "" && !strings.Contains(name, to) {
		if name != "" {
			b.WriteByte(' ')
		}
		putWords(b, "("+to+")", d.th.muted)
	}
}

// plain resolves entities, such as &lt;, and takes out what they may bring of control characters.
func plain(s string) string { return locales.Clean(html.UnescapeString(s)) }

// putWords draws each word by itself: lines may be broken between them, and what comes
// in front of a line then has no look of theirs.
func putWords(b *strings.Builder, s string, look lipgloss.Style) {
	for i, word := range strings.Split(s, " ") {
		if i > 0 {
			b.WriteByte(' ')
		}
		if word != "" {
			b.WriteString(look.Render(word))
		}
	}
}

// fold breaks a drawn text into lines of at most w cells.
func fold(s string, w int) []string {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return wrapped(s, w)
}

// prefixed puts first in front of the first of lines and other in front of the others.
func prefixed(first, other string, lines []string) []string {
	for i, l := range lines {
		if i == 0 {
			lines[i] = first + l
		} else {
			lines[i] = other + l
		}
	}
	return lines
}
