package tui

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/textarea"
	"github.com/charmbracelet/bubbles/viewport"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/your-org/ai-api-gateway/server/api"
)

// chatFrame is how often an answer that comes is drawn.
const chatFrame = 150 * time.Millisecond

// chatPage talks to a model.
type chatPage struct {
	a     *App
	store Sessions
	cur   *Session
	parts []api.ChatPart // to go with the next message
	names []string       // of their files
	text  textarea.Model
	vp    viewport.Model
	md    *markdown
	mdW   int
	drawn []string // each turn as shown, for the width mdW

	run *answer // the answer that comes; nil: none
}

// An answer is one that is coming. Its goroutine writes, the loop reads.
type answer struct {
	cancel context.CancelFunc
	start  time.Time

	mu        sync.Mutex
	content   strings.Builder
	reasoning int // bytes of it
	ttft      time.Duration
}

func newChatPage(a *App) *chatPage {
	t := textarea.New()
	t.Prompt, t.ShowLineNumbers, t.CharLimit, t.MaxHeight = "> ", false, 1<<20, 1000
	t.KeyMap.InsertNewline.SetEnabled(false)
	t.Cursor.SetMode(cursor.CursorStatic)
	t.Focus()
	c := &chatPage{a: a, store: Sessions{Dir: a.o.StateDir}, text: t, vp: viewport.New(80, 10)}
	c.fresh()
	return c
}

// fresh begins an empty conversation with the model in use.
func (c *chatPage) fresh() {
	model := c.a.o.Model
	if c.cur != nil {
		model = c.cur.Model
	}
	var id [6]byte
	_, _ = rand.Read(id[:])
	c.cur = &Session{ID: c.a.o.Now().UTC().Format("20060102-150405-") + hex.EncodeToString(id[:]), Model: cmp.Or(model, "demo")}
	if c.a.o.System != "" {
		c.cur.Turns = []Turn{{Message: api.ChatMessage{Role: "system", Content: c.a.o.System}}}
	}
	c.parts, c.names, c.drawn = nil, nil, nil
}

func (c *chatPage) open() tea.Cmd {
	c.text.Placeholder = c.a.t("tui.chat.placeholder")
	c.restyle()
	return nil
}

func (c *chatPage) typing() bool    { return c.text.Focused() }
func (c *chatPage) streaming() bool { return c.run != nil }

func (c *chatPage) stop() {
	if c.run != nil {
		c.run.cancel()
	}
}

// restyle draws all turns anew.
func (c *chatPage) restyle() {
	c.md, c.drawn = nil, nil
	s := textarea.Style{Base: c.a.th.text, CursorLine: c.a.th.text, Placeholder: c.a.th.muted, Prompt: c.a.th.accent, Text: c.a.th.text, EndOfBuffer: c.a.th.muted}
	c.text.FocusedStyle, c.text.BlurredStyle = s, s
}

func (c *chatPage) binds() []bind {
	a := c.a
	return []bind{
		a.on("enter", "enter", "send", c.enter).whileTyping(),
		a.on("alt+enter ctrl+j", "alt+enter ctrl+j", "newline", func() tea.Cmd { c.text.InsertString("\n"); return nil }).whileTyping().hidden(),
		a.on("esc", "esc", "stop", c.escape).whileTyping(),
		a.on("ctrl+o", "ctrl+o", "model", func() tea.Cmd { return c.pickModel(c.use) }).whileTyping(),
		a.on("ctrl+r", "ctrl+r", "retry", c.retry).whileTyping(),
		a.on("ctrl+s", "ctrl+s", "sessions", c.sessions).whileTyping(),
		a.on("ctrl+n", "ctrl+n", "new_chat", c.begun).whileTyping(),
		a.on("ctrl+t", "ctrl+t", "attach", c.attach).whileTyping(),
		a.on("ctrl+y", "ctrl+y", "copy_answer", c.copyLast).whileTyping().hidden(),
		a.on("ctrl+e", "ctrl+e", "editor", c.edit).whileTyping().hidden(),
		a.on("pgup", "pgup", "scroll_up", func() tea.Cmd { c.vp.HalfPageUp(); return nil }).whileTyping().hidden(),
		a.on("pgdown", "pgdown", "scroll_down", func() tea.Cmd { c.vp.HalfPageDown(); return nil }).whileTyping().hidden(),
		a.on("i", "i", "write", func() tea.Cmd { return c.text.Focus() }).hidden(),
	}
}

func (c *chatPage) update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.KeyMsg:
		if c.text.Focused() && m.Type != tea.KeyUp && m.Type != tea.KeyDown || c.text.Focused() && c.text.LineCount() > 1 {
			var cmd tea.Cmd
			c.text, cmd = c.text.Update(m)
			return cmd
		}
		switch m.String() {
		case "up", "k":
			c.vp.ScrollUp(1)
		case "down", "j":
			c.vp.ScrollDown(1)
		case "g", "home":
			c.vp.GotoTop()
		case "G", "end":
			c.vp.GotoBottom()
		case "ctrl+u":
			c.vp.HalfPageUp()
		case "ctrl+d":
			c.vp.HalfPageDown()
		}
		return nil
	case tea.MouseMsg, tickMsg, tea.WindowSizeMsg:
		return nil
	}
	var cmd tea.Cmd
	c.text, cmd = c.text.Update(msg) // the cursor's own messages
	return cmd
}

func (c *chatPage) enter() tea.Cmd {
	if !c.text.Focused() {
		return c.text.Focus()
	}
	text := strings.TrimSpace(c.text.Value())
	switch {
	case c.run != nil:
		c.a.fail(errors.New(c.a.t("tui.chat.busy")))
		return nil
	case text == "":
		return nil
	}
	m := api.ChatMessage{Role: "user", Content: text}
	if len(c.parts) > 0 {
		m.Parts = append([]api.ChatPart{{Type: "text", Text: text}}, c.parts...)
		m.Content += "\n\n+ " + strings.Join(c.names, ", ")
	}
	c.cur.Turns = append(c.cur.Turns, Turn{Message: m})
	c.cur.Title = cmp.Or(c.cur.Title, titleOf(c.cur.Turns))
	c.parts, c.names = nil, nil
	c.text.Reset()
	return c.send()
}

// escape stops an answer, else leaves the text field.
func (c *chatPage) escape() tea.Cmd {
	switch {
	case c.run != nil:
		c.run.cancel()
	case c.text.Focused():
		c.text.Blur()
	}
	return nil
}

func (c *chatPage) begun() tea.Cmd {
	if c.run != nil {
		c.a.fail(errors.New(c.a.t("tui.chat.busy")))
		return nil
	}
	c.fresh()
	return c.text.Focus()
}

// begin starts a conversation that has messages already.
func (c *chatPage) begin(model string, messages []api.ChatMessage) tea.Cmd {
	if c.run != nil {
		c.a.fail(errors.New(c.a.t("tui.chat.busy")))
		return nil
	}
	c.fresh()
	c.cur.Model, c.cur.Turns = cmp.Or(model, c.cur.Model), nil
	for _, m := range messages {
		c.cur.Turns = append(c.cur.Turns, Turn{Message: m})
	}
	if c.cur.Title = titleOf(c.cur.Turns); len(messages) > 0 && messages[len(messages)-1].Role == "user" {
		c.a.say(c.a.t("tui.chat.replayed"))
	}
	return nil
}

// send asks for an answer to what is there.
func (c *chatPage) send() tea.Cmd {
	r := api.ChatRequest{Model: c.cur.Model}
	for _, t := range c.cur.Turns {
		if t.Failed == "" || t.Message.Content != "" {
			r.Messages = append(r.Messages, t.Message)
		}
	}
	ctx, cancel := context.WithCancel(c.a.ctx)
	run := &answer{cancel: cancel, start: c.a.o.Now()}
	c.run = run
	c.vp.GotoBottom()
	type result struct {
		reply *api.ChatReply
		row   *api.LogReply
	}
	ask := call(c.a, func(context.Context) (result, error) {
		defer cancel()
		reply, err := c.a.o.Client.ChatStream(ctx, r, func(d api.ChatDelta) error { run.add(d, c.a.o.Now()); return nil })
		out := result{reply: reply}
		if reply != nil && reply.Gateway.RequestID != "" { // a stream's headers came before its end: the rest is in its row
			lctx, done := context.WithTimeout(c.a.ctx, 3*time.Second)
			defer done()
			if row, lerr := c.a.o.Client.Log(lctx, reply.Gateway.RequestID); lerr == nil {
				out.row = row
			}
		}
		return out, err
	}, func(res result, err error) tea.Cmd { return c.answered(run, res.reply, res.row, err) })
	return tea.Batch(ask, c.frame(run))
}

func (n *answer) add(d api.ChatDelta, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.content.WriteString(d.Content + d.Refusal)
	n.reasoning += len(d.Reasoning)
	if n.ttft == 0 && d.Content+d.Refusal != "" {
		n.ttft = now.Sub(n.start)
	}
}

// frame draws for as long as the answer comes.
func (c *chatPage) frame(run *answer) tea.Cmd {
	return tea.Tick(chatFrame, func(time.Time) tea.Msg {
		return doneMsg{func() tea.Cmd {
			if c.run != run {
				return nil
			}
			return c.frame(run)
		}}
	})
}

// answered ends an answer: as it should, stopped, or failed.
func (c *chatPage) answered(run *answer, reply *api.ChatReply, row *api.LogReply, err error) tea.Cmd {
	c.run = nil
	t := Turn{Message: api.ChatMessage{Role: "assistant"}}
	if reply != nil {
		t.Message.Content = cmp.Or(reply.Message.Content, reply.Message.Refusal)
		t.Foot = c.foot(run, reply, row)
	}
	switch {
	case errors.Is(err, context.Canceled):
		t.Failed = c.a.t("tui.chat.stopped")
	case err != nil:
		t.Failed = c.a.words(err) + " · " + c.a.t("tui.chat.try_again")
	}
	c.cur.Turns = append(c.cur.Turns, t)
	c.cur.Updated = c.a.o.Now()
	if err := c.store.Save(c.cur); err != nil {
		c.a.fail(err)
	}
	return nil
}

// foot tells what an answer took: where it came from, tokens, cost, times, and the
// way of its attempts.
func (c *chatPage) foot(run *answer, r *api.ChatReply, row *api.LogReply) string {
	t := c.a.t
	parts := []string{clean(c.cur.Model)}
	if row != nil {
		if to := strings.Trim(row.Account+"/"+row.UpstreamModel, "/"); to != "" {
			parts[0] += " → " + clean(to)
		}
	}
	if r.Usage != nil {
		in := t("tui.chat.in", short(r.Usage.PromptTokens))
		if r.Usage.CachedTokens > 0 {
			in += " (" + t("tui.chat.cached", short(r.Usage.CachedTokens)) + ")"
		}
		parts = append(parts, in, t("tui.chat.out", short(r.Usage.CompletionTokens)))
	}
	if row != nil {
		parts = append(parts, money(row.CostUSD))
	}
	if run.ttft > 0 {
		parts = append(parts, "TTFT "+took(float64(run.ttft.Milliseconds())))
	}
	if row != nil {
		if s := speed(&row.LogRow); s > 0 {
			parts = append(parts, short(int64(s))+" tok/s")
		}
		if len(row.Attempts) > 1 {
			var trail []string
			for _, at := range row.Attempts {
				sign := "✗ "
				if at.Outcome == "ok" {
					sign = "● "
				}
				trail = append(trail, sign+clean(at.Account))
			}
			parts = append(parts, strings.Join(trail, " → "))
		}
	}
	if r.FinishReason == "length" {
		parts = append(parts, t("tui.chat.length"))
	}
	return strings.Join(parts, " · ")
}
