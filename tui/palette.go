package tui

import (
	"errors"
	"io"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/pkg/browser"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// openPalette finds pages, what can be done here, themes and languages by a few
// letters; `logs QUERY` filters Live.
func (a *App) openPalette() tea.Cmd {
	var names, side []string
	var run []func() tea.Cmd
	add := func(name, what string, do func() tea.Cmd) {
		names, side, run = append(names, name), append(side, what), append(run, do)
	}
	for i, p := range Pages {
		add(p, a.t("tui.page."+p), func() tea.Cmd { return a.show(i) })
	}
	for _, b := range a.pages[a.page].binds() {
		if b.do != nil && b.Help().Key != "esc" {
			add(b.name, b.Help().Desc+" ("+b.Help().Key+")", b.do)
		}
	}
	for _, name := range Themes {
		add("theme "+name, a.t("tui.key.theme"), func() tea.Cmd { return a.setTheme(name) })
	}
	for _, lang := range locales.Languages {
		add("lang "+lang, a.t("tui.key.language"), func() tea.Cmd { return a.setLanguage(lang) })
	}
	add("help", a.t("tui.key.help"), a.openHelp)
	add("quit", a.t("tui.key.quit"), a.quit)
	a.pick(a.t("tui.palette"), names, side, true, func(i int, typed string) tea.Cmd {
		if i < 0 {
			return a.command(typed, names, run)
		}
		a.over = nil // what is run may open another
		return run[i]()
	})
	return nil
}

// command runs what was typed: a name in full, or logs with a filter.
func (a *App) command(typed string, names []string, run []func() tea.Cmd) tea.Cmd {
	for i, n := range names {
		if n == typed {
			a.over = nil
			return run[i]()
		}
	}
	verb, rest, _ := strings.Cut(typed, " ")
	switch verb {
	case "logs", "live":
		a.live.setFilter(rest)
		return a.show(4)
	case "explain":
		return a.models.explain(strings.TrimSpace(rest))
	}
	a.fail(errors.New(a.t("tui.palette.unknown", clean(typed))))
	return nil
}

func (a *App) nextLanguage() tea.Cmd {
	for i, l := range locales.Languages {
		if l == a.cat.Lang {
			return a.setLanguage(locales.Languages[(i+1)%len(locales.Languages)])
		}
	}
	return nil
}

func (a *App) setLanguage(lang string) tea.Cmd {
	a.cat = locales.Load(lang)
	return a.pages[a.page].open()
}

// openBrowser opens the gateway's page, and tells its address where no browser is.
func (a *App) openBrowser() tea.Cmd {
	base, err := a.o.Client.Base()
	if err != nil {
		a.fail(err)
		return nil
	}
	url := base + "/admin/"
	return func() tea.Msg {
		browser.Stdout, browser.Stderr = io.Discard, io.Discard
		err := browser.OpenURL(url)
		return doneMsg{func() tea.Cmd {
			if err != nil {
				return a.copy(url, url)
			}
			a.say(a.t("tui.opened", url))
			return nil
		}}
	}
}
