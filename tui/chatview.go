package tui

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/huh"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// plainFrom is the length from which an answer that still comes is not drawn as
// Markdown: each drawing takes the whole of it.
const plainFrom = 24 << 10

// view draws the conversation above the text field.
func (c *chatPage) view(w, h int) string {
	a := c.a
	rows := 3
	if h < 14 {
		rows = 1
	}
	if w != c.mdW {
		c.md, c.drawn, c.mdW = nil, nil, w
	}
	atEnd := c.vp.AtBottom()
	c.vp.Width, c.vp.Height = w, max(1, h-rows-2)
	c.vp.SetContent(c.transcript(w))
	if atEnd {
		c.vp.GotoBottom()
	}
	c.text.SetWidth(w - 1)
	c.text.SetHeight(rows)
	title := cmp.Or(clean(c.cur.Title), a.t("tui.chat.new"))
	head := spread(" "+a.th.strong.Render(title), a.th.accent.Render(clean(c.cur.Model))+" ", w)
	rule := ""
	if len(c.names) > 0 {
		rule = " + " + strings.Join(c.names, ", ") + " "
	}
	state := ""
	if c.run != nil {
		state = " ▸ " + a.t("tui.phase.answering") + " " + took(float64(a.o.Now().Sub(c.run.start).Milliseconds())) + " "
	}
	rule = rule + strings.Repeat("─", max(0, w-len([]rune(rule))-len([]rune(state))-2))
	return head + "\n" + c.vp.View() + "\n" + a.th.muted.Render(cut(rule, w)) + a.th.accent.Render(state) + "\n" + c.text.View()
}

func (c *chatPage) transcript(w int) string {
	if len(c.cur.Turns) == 0 && c.run == nil {
		return "\n" + indent(wrapped(c.a.t("tui.chat.empty", clean(c.cur.Model)), w-4))
	}
	for i := len(c.drawn); i < len(c.cur.Turns); i++ {
		c.drawn = append(c.drawn, c.turn(&c.cur.Turns[i], w))
	}
	s := strings.Join(c.drawn[:len(c.cur.Turns)], "\n")
	if c.run != nil {
		c.run.mu.Lock()
		text, thinking := c.run.content.String(), c.run.reasoning
		c.run.mu.Unlock()
		switch {
		case text == "" && thinking > 0:
			s += "\n  " + c.a.th.muted.Render(c.a.t("tui.chat.thinking", locales.Thousands(int64(thinking))))
		case text == "":
			s += "\n  " + c.a.th.muted.Render("◌ "+c.a.t("tui.phase.waiting"))
		case len(text) > plainFrom:
			s += "\n" + indent(wrapped(locales.CleanLines(text), w-4))
		default:
			s += "\n" + c.markdown(text, w)
		}
	}
	return s
}

// turn draws one message.
func (c *chatPage) turn(t *Turn, w int) string {
	a := c.a
	var b strings.Builder
	switch t.Message.Role {
	case "user":
		for i, l := range wrapped(locales.CleanLines(t.Message.Content), w-4) {
			mark := "  "
			if i == 0 {
				mark = "> "
			}
			b.WriteString(a.th.accent.Render(mark+l) + "\n")
		}
	case "assistant":
		if t.Message.Content != "" {
			b.WriteString(c.markdown(t.Message.Content, w) + "\n")
		}
	default:
		b.WriteString(a.th.muted.Render(indent(wrapped(t.Message.Role+": "+locales.CleanLines(t.Message.Content), w-4))) + "\n")
	}
	if t.Foot != "" {
		b.WriteString(a.th.muted.Render(indent(wrapped(t.Foot, w-4))) + "\n")
	}
	if t.Failed != "" {
		b.WriteString(a.th.bad.Render(indent(wrapped("✗ "+t.Failed, w-4))) + "\n")
	}
	return b.String()
}

// markdown draws text as Markdown.
func (c *chatPage) markdown(text string, w int) string {
	if c.md == nil {
		c.md = newMarkdown(c.a.th)
	}
	return indent(c.md.draw(locales.CleanLines(text), w-4))
}

// use takes a model for what is asked from now on.
func (c *chatPage) use(model string) tea.Cmd {
	c.cur.Model = model
	return nil
}

// pickModel lets choose one of the models that may be asked.
func (c *chatPage) pickModel(then func(string) tea.Cmd) tea.Cmd {
	a := c.a
	return call(a, a.o.Client.Models, func(r *api.ModelsReply, err error) tea.Cmd {
		if err != nil {
			a.fail(err)
			return nil
		}
		var names, owners []string
		for _, m := range r.Data {
			names, owners = append(names, m.ID), append(owners, m.OwnedBy)
		}
		a.pick(a.t("tui.chat.pick_model"), names, owners, true, func(i int, typed string) tea.Cmd {
			if i >= 0 {
				typed = names[i]
			}
			return then(typed)
		})
		return nil
	})
}

// retry asks the last question again, of another model or the same.
func (c *chatPage) retry() tea.Cmd {
	if c.run != nil {
		c.a.fail(errors.New(c.a.t("tui.chat.busy")))
		return nil
	}
	last := -1
	for i, t := range c.cur.Turns {
		if t.Message.Role == "user" {
			last = i
		}
	}
	if last < 0 {
		c.a.fail(errors.New(c.a.t("tui.chat.nothing")))
		return nil
	}
	return c.pickModel(func(model string) tea.Cmd {
		c.cur.Model = model
		c.cur.Turns = c.cur.Turns[:last+1]
		c.drawn = c.drawn[:min(len(c.drawn), last+1)]
		return c.send()
	})
}

func (c *chatPage) sessions() tea.Cmd {
	a := c.a
	list, err := c.store.List()
	if err != nil {
		a.fail(err)
		return nil
	}
	if len(list) == 0 {
		a.say(a.t("tui.chat.no_sessions"))
		return nil
	}
	var titles, side []string
	for _, s := range list {
		when := s.Updated
		titles, side = append(titles, cmp.Or(clean(s.Title), s.ID)), append(side, a.ago(&when)+" · "+s.Model)
	}
	a.pick(a.t("tui.chat.sessions"), titles, side, false, func(i int, _ string) tea.Cmd {
		if c.run != nil {
			a.fail(errors.New(a.t("tui.chat.busy")))
			return nil
		}
		s, err := c.store.Load(list[i].ID)
		if err != nil {
			a.fail(err)
			return nil
		}
		c.cur, c.drawn, c.parts, c.names = s, nil, nil, nil
		c.vp.GotoBottom()
		return nil
	})
	return nil
}

func (c *chatPage) attach() tea.Cmd {
	var path string
	return c.a.ask(func() tea.Cmd {
		part, err := Attachment(strings.TrimSpace(path))
		if err != nil {
			c.a.fail(err)
			return nil
		}
		name := strings.TrimSpace(path)
		c.parts, c.names = append(c.parts, part), append(c.names, clean(name[strings.LastIndexByte(name, '/')+1:]))
		return nil
	}, huh.NewGroup(huh.NewInput().Title(c.a.t("tui.chat.attach")).Placeholder("~/picture.png").Value(&path)))
}

func (c *chatPage) copyLast() tea.Cmd {
	for i := len(c.cur.Turns) - 1; i >= 0; i-- {
		if m := c.cur.Turns[i].Message; m.Role == "assistant" && m.Content != "" {
			return c.a.copy(m.Content, c.a.t("tui.chat.answer"))
		}
	}
	c.a.fail(errors.New(c.a.t("tui.chat.nothing")))
	return nil
}

// edit opens what is being written in the user's editor.
func (c *chatPage) edit() tea.Cmd {
	if c.a.o.Editor == "" {
		c.a.fail(errors.New(c.a.t("tui.chat.no_editor")))
		return nil
	}
	f, err := os.CreateTemp("", "ai-gateway-*.md")
	if err == nil {
		_, err = f.WriteString(c.text.Value())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		c.a.fail(err)
		return nil
	}
	words := strings.Fields(c.a.o.Editor)
	cmd := exec.CommandContext(context.WithoutCancel(c.a.ctx), words[0], append(words[1:], f.Name())...)
	return tea.ExecProcess(cmd, func(err error) tea.Msg {
		defer os.Remove(f.Name())
		b, rerr := os.ReadFile(f.Name())
		return doneMsg{func() tea.Cmd {
			if err = errors.Join(err, rerr); err != nil {
				c.a.fail(err)
				return nil
			}
			c.text.SetValue(strings.TrimRight(string(b), "\n"))
			return nil
		}}
	})
}
