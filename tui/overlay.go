package tui

import (
	"strings"

	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/huh"
	"github.com/sahilm/fuzzy"
)

// An overlay stands in the page's place and has the keys until it is done.
type overlay interface {
	update(tea.Msg) (cmd tea.Cmd, done bool)
	view(w, h int) string
	help() string
}

// A confirmBox asks before something is done. Where word is set it must be typed.
type confirmBox struct {
	a        *App
	question string
	word     string
	input    textinput.Model
	do       func() tea.Cmd
}

func (a *App) confirm(question string, do func() tea.Cmd) overlay {
	return &confirmBox{a: a, question: question, do: do}
}

// confirmTyped asks for a word, where a slip would be dear.
func (a *App) confirmTyped(question, word string, do func() tea.Cmd) overlay {
	in := newInput("> ")
	in.Focus()
	return &confirmBox{a: a, question: question, word: word, input: in, do: do}
}

func (c *confirmBox) update(msg tea.Msg) (tea.Cmd, bool) {
	m, ok := msg.(tea.KeyMsg)
	if !ok {
		return nil, false
	}
	if m.String() == "esc" {
		return nil, true
	}
	if c.word == "" {
		switch m.String() {
		case "y", "Y":
			return c.do(), true
		case "n", "N", "q":
			return nil, true
		}
		return nil, false
	}
	if m.String() == "enter" {
		if strings.TrimSpace(c.input.Value()) == c.word {
			return c.do(), true
		}
		return nil, false
	}
	var cmd tea.Cmd
	c.input, cmd = c.input.Update(m)
	return cmd, false
}

func (c *confirmBox) view(w, h int) string {
	lines := append([]string{""}, wrapped(c.question, w-4)...)
	if c.word != "" {
		lines = append(lines, "", c.a.t("tui.confirm.type", clean(c.word)), c.input.View())
	}
	return indent(lines)
}

func (c *confirmBox) help() string {
	if c.word != "" {
		return "enter " + c.a.t("tui.confirm.yes") + "  esc " + c.a.t("common.cancel")
	}
	return "y " + c.a.t("tui.confirm.yes") + "  n esc " + c.a.t("common.cancel")
}

func indent(lines []string) string { return "  " + strings.Join(lines, "\n  ") }

// A textBox shows lines to scroll through.
type textBox struct {
	a      *App
	title  string
	lines  []string
	top, h int
	extra  []bind // keys that act here besides
}

func newTextBox(a *App, title string, lines []string) *textBox {
	return &textBox{a: a, title: title, lines: lines}
}

func (t *textBox) update(msg tea.Msg) (tea.Cmd, bool) {
	m, ok := msg.(tea.KeyMsg)
	if !ok {
		return nil, false
	}
	if cmd, ok := t.a.dispatch(m, t.extra, false); ok {
		return cmd, false
	}
	switch m.String() {
	case "esc", "q", "enter", "?":
		return nil, true
	}
	g := grid{cursor: t.top, rows: t.h}
	g.move(m.String(), len(t.lines))
	t.top = max(0, min(g.cursor, len(t.lines)-t.h))
	return nil, false
}

func (t *textBox) view(w, h int) string {
	t.h = max(1, h-1)
	t.top = max(0, min(t.top, len(t.lines)-t.h))
	more := ""
	if len(t.lines) > t.h {
		more = t.a.t("tui.lines", t.top+1, min(len(t.lines), t.top+t.h), len(t.lines))
	}
	out := []string{spread(" "+t.a.th.strong.Render(t.title), t.a.th.muted.Render(more)+" ", w)}
	for _, l := range t.lines[t.top:min(len(t.lines), t.top+t.h)] {
		out = append(out, "  "+l)
	}
	return strings.Join(out, "\n")
}

func (t *textBox) help() string {
	s := ""
	for _, b := range t.extra {
		s += b.Help().Key + " " + b.Help().Desc + "  "
	}
	return s + "esc " + t.a.t("tui.key.back") + "  j/k " + t.a.t("tui.key.move")
}

// A pickBox chooses one of many by a few of its letters.
type pickBox struct {
	a     *App
	title string
	all   []string // what is searched
	side  []string // what stands beside each
	found []int
	input textinput.Model
	g     grid
	free  bool // what was typed may be chosen too
	then  func(i int, typed string) tea.Cmd
}

// pick opens a pickBox over items. then gets the index, or -1 and what was typed
// where free is set.
func (a *App) pick(title string, items, side []string, free bool, then func(int, string) tea.Cmd) {
	in := newInput("> ")
	in.Focus()
	p := &pickBox{a: a, title: title, all: items, side: side, input: in, free: free, then: then}
	p.search()
	a.over = p
}

func (p *pickBox) search() {
	p.found = p.found[:0]
	q := strings.TrimSpace(p.input.Value())
	if q == "" {
		for i := range p.all {
			p.found = append(p.found, i)
		}
	} else {
		for _, m := range fuzzy.Find(q, p.all) {
			p.found = append(p.found, m.Index)
		}
	}
	p.g = grid{rows: p.g.rows}
}

func (p *pickBox) update(msg tea.Msg) (tea.Cmd, bool) {
	m, ok := msg.(tea.KeyMsg)
	if !ok {
		return nil, false
	}
	switch m.String() {
	case "esc":
		return nil, true
	case "enter":
		typed := strings.TrimSpace(p.input.Value())
		if p.free && strings.ContainsAny(typed, " >") { // a command with its argument is meant as typed
			return p.then(-1, typed), true
		}
		if p.g.cursor < len(p.found) {
			return p.then(p.found[p.g.cursor], typed), true
		}
		if p.free && typed != "" {
			return p.then(-1, typed), true
		}
		return nil, false
	case "up", "down", "pgup", "pgdown", "ctrl+d", "ctrl+u":
		p.g.move(m.String(), len(p.found))
		return nil, false
	}
	before := p.input.Value()
	var cmd tea.Cmd
	p.input, cmd = p.input.Update(m)
	if p.input.Value() != before {
		p.search()
	}
	return cmd, false
}

func (p *pickBox) view(w, h int) string {
	cols := []column{{least: 12, most: 48}, {least: 4}}
	rows := p.g.view(p.a.th, cols, len(p.found), func(i int) []cell {
		c := []cell{{text: clean(p.all[p.found[i]])}, {look: &p.a.th.muted}}
		if k := p.found[i]; k < len(p.side) {
			c[1].text = clean(p.side[k])
		}
		return c
	}, w, max(2, h-2))
	if _, list, ok := strings.Cut(rows, "\n"); ok { // without its empty head
		rows = list
	}
	if len(p.found) == 0 {
		rows = "  " + p.a.t("tui.pick.none")
	}
	p.input.Width = max(4, w-6)
	return " " + p.a.th.strong.Render(p.title) + "\n " + p.input.View() + "\n" + rows
}

func (p *pickBox) help() string {
	return "enter " + p.a.t("tui.key.choose") + "  ↑ ↓ " + p.a.t("tui.key.move") + "  esc " + p.a.t("common.cancel")
}

// A formBox asks for several things at once.
type formBox struct {
	a    *App
	form *huh.Form
	then func() tea.Cmd
	w, h int
}

// ask opens a form; then runs when it is filled in.
func (a *App) ask(then func() tea.Cmd, groups ...*huh.Group) tea.Cmd {
	f := huh.NewForm(groups...).WithShowHelp(false).WithTheme(a.formTheme())
	b := &formBox{a: a, form: f, then: then, w: a.w, h: a.h - chrome}
	f.WithWidth(min(76, b.w-4)).WithHeight(max(3, b.h-1))
	a.over = b
	return f.Init()
}

func (f *formBox) update(msg tea.Msg) (tea.Cmd, bool) {
	if m, ok := msg.(tea.KeyMsg); ok && m.String() == "esc" {
		return nil, true
	}
	next, cmd := f.form.Update(msg)
	if n, ok := next.(*huh.Form); ok {
		f.form = n
	}
	switch f.form.State {
	case huh.StateCompleted:
		return f.then(), true
	case huh.StateAborted:
		return nil, true
	}
	return cmd, false
}

func (f *formBox) view(w, h int) string {
	if w != f.w || h != f.h {
		f.w, f.h = w, h
		f.form.WithWidth(min(76, w-4)).WithHeight(max(3, h-1))
	}
	return indent(strings.Split(f.form.View(), "\n"))
}

func (f *formBox) help() string {
	return "enter " + f.a.t("tui.key.next_field") + "  shift+tab " + f.a.t("tui.key.previous_field") + "  esc " + f.a.t("common.cancel")
}

// formTheme is huh's plain look in this theme's colours.
func (a *App) formTheme() *huh.Theme {
	t := huh.ThemeBase()
	for _, s := range []*huh.FieldStyles{&t.Focused, &t.Blurred} {
		s.Base = a.r.NewStyle()
		s.Title, s.Description = a.th.muted, a.th.muted
		s.ErrorIndicator, s.ErrorMessage = a.th.bad.SetString(" ✗"), a.th.bad
		s.SelectedOption, s.UnselectedOption = a.th.accent, a.th.text
		s.SelectSelector, s.MultiSelectSelector = a.th.accent.SetString("> "), a.th.accent.SetString("> ")
		s.SelectedPrefix, s.UnselectedPrefix = a.th.ok.SetString("[x] "), a.th.text.SetString("[ ] ")
		s.TextInput.Prompt, s.TextInput.Placeholder = a.th.accent, a.th.muted
		s.FocusedButton, s.BlurredButton = a.th.chosen.Padding(0, 1), a.th.muted.Padding(0, 1)
	}
	t.Focused.Title = a.th.strong
	return t
}

// newInput is a text field whose cursor does not blink: nothing is drawn for nothing.
func newInput(prompt string) textinput.Model {
	in := textinput.New()
	in.Prompt = prompt
	in.Cursor.SetMode(cursor.CursorStatic)
	return in
}
