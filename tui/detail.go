package tui

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aymanbagabas/go-osc52/v2"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// detail opens what is known of a request: facts, the waterfall of its attempts and
// how it was decided.
func (l *livePage) detail(r *request) tea.Cmd {
	if r == nil {
		return nil
	}
	a := l.a
	box := newTextBox(a, a.t("tui.detail.title", tail(r.id())), l.flyingFacts(r))
	box.extra = []bind{
		a.on("c", "c", "copy_curl", func() tea.Cmd { return l.copyCurl(r) }),
		a.on("P", "P", "replay", func() tea.Cmd { a.over = nil; return l.replay(r) }),
		a.on("y", "y", "copy_id", func() tea.Cmd { return a.copy(r.id(), r.id()) }),
	}
	a.over = box
	if r.flying() {
		box.extra = append(box.extra, a.on("X", "X", "cancel_request", func() tea.Cmd { l.anchor, l.follow = r, false; return l.cancel() }))
		return nil
	}
	return call(a, func(ctx context.Context) (*api.LogReply, error) { return a.o.Client.Log(ctx, r.id()) }, func(row *api.LogReply, err error) tea.Cmd {
		if err != nil {
			a.fail(err)
			return nil
		}
		box.lines = a.facts(row, cmp.Or(row.Node, r.e.Node)) // an older row is known by the store alone
		return nil
	})
}

func (l *livePage) flyingFacts(r *request) []string {
	e, t := r.e, l.a.t
	return pairs(l.a, [][2]string{
		{t("tui.col.id"), e.RequestID}, {t("tui.col.state"), l.state(r).text}, {t("tui.fact.accepted"), e.Accepted.Local().Format("2006-01-02 15:04:05.000")},
		{t("tui.col.key"), e.KeyName}, {t("tui.col.model"), e.Model}, {t("tui.fact.operation"), asked(e.Operation, e.Dialect)},
		{t("tui.fact.served"), strings.Trim(e.Provider+" / "+e.Account+" / "+e.UpstreamModel, " /")}, {t("tui.fact.node"), e.Node},
	})
}

// pairs writes names and values below each other; empty values are left out.
func pairs(a *App, list [][2]string) []string {
	w := 0
	for _, p := range list {
		w = max(w, len([]rune(p[0]))*2)
	}
	w = min(w, 16)
	var out []string
	for _, p := range list {
		if strings.TrimSpace(p[1]) == "" {
			continue
		}
		for i, part := range wrapped(clean(p[1]), max(20, a.w-w-6)) {
			name := ""
			if i == 0 {
				name = p[0]
			}
			out = append(out, a.th.muted.Render(pad(name, w, false))+" "+part)
		}
	}
	return out
}

// asked names an operation, and the format it was asked in.
func asked(operation, dialect string) string {
	if dialect == "" || dialect == operation {
		return operation
	}
	return operation + " (" + dialect + ")"
}

// facts writes a row for people, and the node that it ran on where that is known.
func (a *App) facts(r *api.LogReply, node string) []string {
	t := a.t
	tokens := t("tui.fact.tokens", locales.Thousands(r.PromptTokens), locales.Thousands(r.CacheReadTokens), locales.Thousands(r.CompletionTokens), locales.Thousands(r.ReasoningTokens), r.UsageSource)
	ttft := ""
	if r.TTFTMs != nil {
		ttft = took(*r.TTFTMs)
	}
	out := pairs(a, [][2]string{
		{t("tui.col.id"), r.RequestID}, {t("tui.fact.client_id"), r.ClientRequestID}, {t("tui.fact.accepted"), r.Time.Local().Format("2006-01-02 15:04:05.000")},
		{t("tui.col.key"), r.KeyName}, {t("tui.fact.group"), r.Group}, {t("tui.col.model"), r.Model}, {t("tui.fact.operation"), asked(r.Operation, r.Dialect)},
		{t("tui.fact.served"), strings.Trim(r.Provider+" / "+r.Account+" / "+r.UpstreamModel, " /")}, {t("tui.fact.node"), node},
		{t("tui.col.state"), strconv.Itoa(r.Status) + " " + r.EndReason}, {t("tui.fact.tokens_name"), tokens},
		{t("tui.col.cost"), money(r.CostUSD) + " (" + r.PriceSource + ")"}, {t("tui.fact.flags"), strings.Join(r.Flags, ", ")},
		{"TTFT", ttft}, {t("tui.col.took"), took(r.DurationMs)}, {t("tui.fact.overhead"), locales.Took(time.Duration(r.OverheadUs) * time.Microsecond)}, {t("tui.fact.error"), r.Error},
	})
	if len(r.Attempts) > 0 {
		out = append(out, "", a.th.strong.Render(t("tui.fact.attempts")))
	}
	for i, at := range r.Attempts {
		sign, look := "●", a.th.ok
		if at.Outcome != "ok" {
			sign, look = "✗", a.th.bad
		}
		status := at.Outcome
		if at.Status != 0 {
			status += " " + strconv.Itoa(at.Status)
		}
		if at.CostUSD != 0 || at.UsageSource != "" {
			status += "  " + short(at.PromptTokens) + " → " + short(at.CompletionTokens) + "  " + money(at.CostUSD)
		}
		out = append(out, fmt.Sprintf("%d %s %s %s  %s %s  %s", i+1, look.Render(sign), pad(clean(at.Account), 14, false), pad(clean(at.Model), 18, false),
			a.th.accent.Render(waterfall(at.StartMs, at.DurationMs, r.DurationMs, max(8, min(40, a.w-72)))), pad(took(at.DurationMs), 8, true), look.Render(clean(status))))
		if at.Error != "" {
			for _, l := range wrapped(clean(at.Error), max(20, a.w-10)) {
				out = append(out, "    "+a.th.muted.Render(l))
			}
		}
	}
	if len(r.Trace) > 0 {
		out = append(out, "", a.th.strong.Render(t("tui.fact.trace")))
	}
	for _, l := range r.Trace {
		out = append(out, wrapped(clean(l), max(20, a.w-6))...)
	}
	return out
}

// copy puts text on the clipboard of the terminal in front of the user (OSC 52),
// also over SSH, and says what.
func (a *App) copy(text, what string) tea.Cmd {
	if len(text) > 100_000 {
		a.fail(errors.New(a.t("tui.copy.large")))
		return nil
	}
	a.say(a.t("tui.copied", what))
	out := a.out
	return func() tea.Msg {
		_, _ = io.WriteString(out, osc52.New(text).String()) // a terminal that does not take it says nothing
		return nil
	}
}

// bodies asks for what is kept of a request and gives it to then; a request of
// which nothing is kept gives nil.
func (l *livePage) bodies(r *request, then func(*api.Bodies) tea.Cmd) tea.Cmd {
	return call(l.a, func(ctx context.Context) (*api.Bodies, error) { return l.a.o.Client.Bodies(ctx, r.id()) }, func(b *api.Bodies, err error) tea.Cmd {
		if err != nil || int64(len(b.Request)) < b.RequestSize {
			b = nil
		}
		return then(b)
	})
}

// copyCurl copies the request as a command: with its body if that is kept.
func (l *livePage) copyCurl(r *request) tea.Cmd {
	if r == nil {
		return nil
	}
	return l.bodies(r, func(b *api.Bodies) tea.Cmd {
		base, err := l.a.o.Client.Base()
		if err != nil {
			l.a.fail(err)
			return nil
		}
		what := "curl … " + tail(r.id())
		if b == nil {
			what += " (" + l.a.t("tui.copy.no_body") + ")"
		}
		return l.a.copy(curlOf(base, r, b), what)
	})
}

// relayPaths are where requests of each format go.
var relayPaths = map[string]string{"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}

// curlOf writes the command that makes a request like r.
func curlOf(base string, r *request, b *api.Bodies) string {
	path, body := relayPaths[r.text("dialect")], ""
	if path == "" {
		path = relayPaths["chat"]
	}
	if b != nil {
		path, body = b.Path, b.Request
	} else {
		m, _ := json.Marshal(r.text("model"))
		body = `{"model":` + string(m) + `,"messages":[{"role":"user","content":"Hello"}]`
		if path == "/v1/messages" {
			body += `,"max_tokens":256`
		}
		if path == "/v1/responses" {
			body = `{"model":` + string(m) + `,"input":"Hello"`
		}
		if r.e.Stream || r.row != nil && r.row.Stream {
			body += `,"stream":true`
		}
		body += "}"
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	return "curl -N " + quote(base+path) + " \\\n  -H \"Authorization: Bearer $AI_GATEWAY_API_KEY\" \\\n  -H 'Content-Type: application/json' \\\n  -d " + quote(body)
}

// replay opens the request's conversation in Chat, if it is kept.
func (l *livePage) replay(r *request) tea.Cmd {
	if r == nil {
		return nil
	}
	return l.bodies(r, func(b *api.Bodies) tea.Cmd {
		if b == nil {
			l.a.fail(errors.New(l.a.t("tui.live.no_bodies", clean(r.text("key")))))
			return nil
		}
		var asked struct {
			Model    string            `json:"model"`
			System   json.RawMessage   `json:"system"`
			Messages []api.ChatMessage `json:"messages"`
		}
		if err := json.Unmarshal([]byte(b.Request), &asked); err != nil || len(asked.Messages) == 0 {
			l.a.fail(errors.New(l.a.t("tui.live.no_chat", b.Path)))
			return nil
		}
		var system string
		if json.Unmarshal(asked.System, &system) == nil && system != "" {
			asked.Messages = slices.Insert(asked.Messages, 0, api.ChatMessage{Role: "system", Content: system})
		}
		return tea.Batch(l.a.show(0), l.a.chat.begin(asked.Model, asked.Messages))
	})
}
