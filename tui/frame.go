package tui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/your-org/ai-api-gateway/server/api"
)

const (
	chrome    = 4 // lines around a page: head, tabs, note, keys
	leastWide = 40
	leastHigh = 10
)

// View draws the head, the tabs, the page or what stands over it, a note and the
// keys that act now.
func (a *App) View() string {
	if a.ending {
		return ""
	}
	if a.w < leastWide || a.h < leastHigh {
		return block(strings.Join(wrapped(a.t("tui.enlarge", a.w, a.h), a.w), "\n"), a.w, a.h)
	}
	body := ""
	if a.over != nil {
		body = a.over.view(a.w, a.h-chrome)
	} else {
		body = a.pages[a.page].view(a.w, a.h-chrome)
	}
	return a.head() + "\n" + a.tabs() + "\n" + block(body, a.w, a.h-chrome) + "\n" + a.noteLine() + "\n" + a.keyLine()
}

// head tells where this is and how it goes: address, uptime, rate, p95, cost of today.
func (a *App) head() string {
	base, err := a.o.Client.Base()
	if err != nil {
		base = a.o.Client.BaseURL
	}
	_, host, _ := strings.Cut(base, "://")
	parts := []string{a.th.strong.Render("ai-gateway"), clean(host)}
	spare := []int{1} // what goes first where the line is too short
	if strings.HasPrefix(base, "https:") {
		parts[1] = clean(base)
	}
	if a.health != nil && a.connected {
		parts = append(parts, clean(a.health.Version), a.t("tui.head.up", lasting(time.Duration(a.health.Uptime)*time.Second)))
		spare = []int{2, 3, 1}
	}
	rate := a.pulse.rate(a.o.Now())
	format := "%.0f"
	if rate > 0 && rate < 9.95 {
		format = "%.1f"
	}
	parts = append(parts, fmt.Sprintf(format+"/s", rate))
	if p := a.pulse.p95(); p > 0 {
		parts = append(parts, "p95 "+took(p))
	}
	parts = append(parts, a.t("tui.head.today", money(a.today+a.pulse.spent-a.todaySpan)))
	state := a.th.ok.Render("● " + a.t("tui.head.live"))
	switch {
	case !a.connected && a.downErr != nil:
		state = a.th.bad.Render("✗ " + a.t("tui.head.down"))
	case !a.connected:
		state = a.th.muted.Render("○ " + a.t("tui.head.connecting"))
	}
	join := func() string {
		kept := slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" })
		return " " + strings.Join(kept, a.th.muted.Render(" · "))
	}
	for _, i := range spare {
		if ansi.StringWidth(join())+ansi.StringWidth(state)+2 > a.w {
			parts[i] = ""
		}
	}
	return spread(join(), state+" ", a.w)
}

func (a *App) tabs() string {
	var b strings.Builder
	for i, name := range Pages {
		text := fmt.Sprintf(" %d %s ", i+1, a.t("tui.page."+name))
		if i == a.page {
			b.WriteString(a.th.tab.Render(text))
		} else {
			b.WriteString(a.th.muted.Render(text))
		}
	}
	return cut(b.String(), a.w)
}

// noteLine says what is wrong first, else what happened last.
func (a *App) noteLine() string {
	switch {
	case a.note != "" && a.noteBad:
		return a.th.bad.Render(cut(" ✗ "+a.note, a.w))
	case !a.connected && a.downErr != nil:
		return a.th.warn.Render(cut(" ▲ "+a.downWords(), a.w))
	case a.note != "":
		return cut(" "+a.note, a.w)
	}
	return ""
}

// downWords tells why nothing comes. A key that may not look is not reconnected.
func (a *App) downWords() string {
	var refused *api.Error
	if errors.As(a.downErr, &refused) && (refused.Status == 401 || refused.Status == 403) {
		return a.words(a.downErr)
	}
	return a.t("tui.down", lasting(a.o.Now().Sub(a.downSince)), clean(a.downErr.Error()))
}

// keyLine shows the keys that act now.
func (a *App) keyLine() string {
	if a.over != nil {
		return a.th.muted.Render(cut(" "+a.over.help(), a.w))
	}
	typing := a.pages[a.page].typing()
	var parts []string
	add := func(binds []bind) {
		for _, b := range binds {
			if !b.quiet && (!typing || b.typing) {
				parts = append(parts, b.Help().Key+" "+b.Help().Desc)
			}
		}
	}
	own := a.pages[a.page].binds()
	add(own)
	right := ""
	if !typing {
		right = "? " + a.t("tui.key.help")
		for _, b := range a.global() {
			if !b.quiet && b.Help().Key != "?" {
				right += "  " + b.Help().Key + " " + b.Help().Desc
			}
		}
	}
	room := a.w - ansi.StringWidth(right) - 3
	left := ""
	for _, p := range parts {
		if ansi.StringWidth(left)+ansi.StringWidth(p)+2 > room {
			break
		}
		left += p + "  "
	}
	return a.th.muted.Render(spread(" "+left, right+" ", a.w))
}

// pressed takes a key: what stands over the page has it first, then the page's own
// keys, then those of all pages, then the page's text field or list.
func (a *App) pressed(m tea.KeyMsg) tea.Cmd {
	if m.Type == tea.KeyRunes && len(m.Runes) > 1 && !m.Paste { // keys that came together, as over a slow line
		var cmds []tea.Cmd
		for _, r := range m.Runes {
			cmds = append(cmds, a.pressed(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: m.Alt}))
		}
		return tea.Batch(cmds...)
	}
	if a.w < leastWide || a.h < leastHigh {
		if s := m.String(); s == "ctrl+c" || s == "q" {
			return a.quitNow()
		}
		return nil
	}
	if a.over != nil {
		if m.String() == "ctrl+c" {
			return a.quitNow()
		}
		return a.overlaid(m)
	}
	p := a.pages[a.page]
	typing := p.typing()
	if cmd, ok := a.dispatch(m, p.binds(), typing); ok {
		return cmd
	}
	if s := m.String(); !typing && len(s) == 1 && s >= "1" && s <= "7" {
		return a.show(int(s[0] - '1'))
	}
	if cmd, ok := a.dispatch(m, a.global(), typing); ok {
		return cmd
	}
	return p.update(m)
}

// overlaid gives a message to what stands over the page, which may go away by it.
func (a *App) overlaid(msg tea.Msg) tea.Cmd {
	was := a.over
	cmd, done := was.update(msg)
	if done && a.over == was {
		a.over = nil
	}
	return cmd
}

// moused: the wheel moves the cursor, a click opens a tab or chooses a row.
func (a *App) moused(m tea.MouseMsg) tea.Cmd {
	if a.w < leastWide || a.h < leastHigh {
		return nil
	}
	switch {
	case m.Button == tea.MouseButtonWheelDown || m.Button == tea.MouseButtonWheelUp:
		k := tea.KeyMsg{Type: tea.KeyDown}
		if m.Button == tea.MouseButtonWheelUp {
			k.Type = tea.KeyUp
		}
		if a.over != nil {
			return a.overlaid(k)
		}
		return a.pages[a.page].update(k)
	case m.Action != tea.MouseActionPress || m.Button != tea.MouseButtonLeft || a.over != nil:
		return nil
	case m.Y == 1:
		x := 0
		for i, name := range Pages {
			x += ansi.StringWidth(fmt.Sprintf(" %d %s ", i+1, a.t("tui.page."+name)))
			if m.X < x {
				return a.show(i)
			}
		}
	case m.Y >= 2 && m.Y < a.h-2:
		m.Y -= 2
		return a.pages[a.page].update(m)
	}
	return nil
}

// show brings page i to the front.
func (a *App) show(i int) tea.Cmd {
	a.page = (i + len(a.pages)) % len(a.pages)
	return a.pages[a.page].open()
}

func (a *App) nextTheme() tea.Cmd {
	i := 0
	for k, name := range Themes {
		if name == a.th.name {
			i = k + 1
		}
	}
	return a.setTheme(Themes[i%len(Themes)])
}

func (a *App) setTheme(name string) tea.Cmd {
	a.th = newTheme(a.r, name)
	a.chat.restyle()
	a.say(a.t("tui.theme", name))
	return nil
}

func (a *App) quit() tea.Cmd {
	if !a.chat.streaming() {
		return a.quitNow()
	}
	a.over = a.confirm(a.t("tui.quit.streaming"), a.quitNow)
	return nil
}

func (a *App) quitNow() tea.Cmd {
	a.ending = true
	a.chat.stop()
	return tea.Quit
}

// openHelp shows every key that acts here, from the tables that act.
func (a *App) openHelp() tea.Cmd {
	var lines []string
	section := func(title string, binds []bind) {
		lines = append(lines, a.th.strong.Render(title))
		for _, b := range binds {
			lines = append(lines, "  "+a.th.accent.Render(pad(b.Help().Key, 16, false))+" "+b.Help().Desc)
		}
		lines = append(lines, "")
	}
	section(a.t("tui.page."+Pages[a.page]), a.pages[a.page].binds())
	section(a.t("tui.help.lists"), a.moving())
	section(a.t("tui.help.everywhere"), a.global())
	a.over = newTextBox(a, a.t("tui.key.help"), lines)
	return nil
}
