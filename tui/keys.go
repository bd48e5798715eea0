package tui

import (
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// A bind is one key of a page or of all: what dispatches it, and what help and
// docs/keys.md are made of.
type bind struct {
	key.Binding
	name   string // tui.key.NAME says what it does
	do     func() tea.Cmd
	typing bool // acts also while a text field is focused
	quiet  bool // not in the footer, only in the help
}

// on makes a bind of keys (of bubbletea, with spaces between) shown as show.
func (a *App) on(keys, show, name string, do func() tea.Cmd) bind {
	names := strings.Fields(keys)
	for i, n := range names {
		if n == "space" {
			names[i] = " "
		}
	}
	return bind{Binding: key.NewBinding(key.WithKeys(names...), key.WithHelp(show, a.t("tui.key."+name))), name: name, do: do}
}

// whileTyping makes the bind act in a focused text field too.
func (b bind) whileTyping() bind { b.typing = true; return b }

// hidden leaves the bind out of the footer.
func (b bind) hidden() bind { b.quiet = true; return b }

// global are the keys of every page.
func (a *App) global() []bind {
	b := []bind{
		a.on("?", "?", "help", a.openHelp),
		a.on(":", ":", "palette", a.openPalette),
		a.on("1 2 3 4 5 6 7", "1-7", "page", nil).hidden(),
		a.on("tab ]", "tab ]", "next_page", func() tea.Cmd { return a.show(a.page + 1) }).hidden(),
		a.on("shift+tab [", "shift+tab [", "previous_page", func() tea.Cmd { return a.show(a.page - 1) }).hidden(),
		a.on("T", "T", "theme", a.nextTheme).hidden(),
		a.on("L", "L", "language", a.nextLanguage).hidden(),
		a.on("o", "o", "browser", a.openBrowser).hidden(),
		a.on("ctrl+l", "ctrl+l", "redraw", func() tea.Cmd { return tea.ClearScreen }).hidden().whileTyping(),
		a.on("ctrl+z", "ctrl+z", "suspend", func() tea.Cmd { return tea.Suspend }).hidden().whileTyping(),
		a.on("ctrl+c", "ctrl+c", "quit_now", a.quitNow).hidden().whileTyping(),
		a.on("q", "q", "quit", a.quit),
	}
	return b
}

// moving are the keys of every list, handled by grid.move; for the help alone.
func (a *App) moving() []bind {
	return []bind{
		a.on("j k up down", "j k ↑ ↓", "move", nil),
		a.on("g G home end", "g G", "ends", nil),
		a.on("ctrl+d ctrl+u pgdown pgup", "ctrl+d ctrl+u", "screens", nil),
	}
}

// dispatch runs the bind that m is for, and reports whether there is one.
func (a *App) dispatch(m tea.KeyMsg, binds []bind, typing bool) (tea.Cmd, bool) {
	for _, b := range binds {
		if b.do != nil && (!typing || b.typing) && key.Matches(m, b.Binding) {
			return b.do(), true
		}
	}
	return nil, false
}
