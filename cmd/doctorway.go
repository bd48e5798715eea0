package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// Signatures of requests (AWS) are refused when the clocks are 5 minutes apart.
const (
	clockWorth = 30 * time.Second
	clockFails = 5 * time.Minute
)

// clock compares the clock here with the gateway's. With vendors it is compared by
// testAccount.
func (p *patient) clock() {
	base, _ := p.client.Base()
	ctx, cancel := p.within()
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/livez", nil)
	if err != nil {
		return // gateway has told
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	_ = res.Body.Close()
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		p.tell("clock", stateSkipped, "", "the gateway does not tell its time")
		return
	}
	p.judgeClock(phrase("the clock of this machine"), base, p.now().Sub(date).Truncate(time.Second))
}

// judgeClock tells of a clock that is ahead of another.
func (p *patient) judgeClock(whose locales.Phrase, other string, ahead time.Duration) {
	state, where := stateOK, phrase("ahead of")
	if ahead < 0 {
		ahead, where = -ahead, phrase("behind")
	}
	if ahead > clockFails {
		state = stateProblem
	} else if ahead > clockWorth {
		state = stateWarning
	}
	if state == stateOK {
		p.tell("clock", state, "", "%s agrees with that of %s", whose, other)
		return
	}
	p.tell("clock", state, mendClock(runtime.GOOS), "%s is %s %s that of %s: signed requests are refused above 5 min, and periods of budgets are off", whose, ahead, where, other)
}

func mendClock(system string) string {
	switch system {
	case "windows":
		return "w32tm /resync"
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	}
	return "sudo timedatectl set-ntp true"
}

// streamWords takes the demo a moment to say.
const streamWords = "one two three four"

// stream asks the built-in model and looks whether its words come one by one, or
// all at the end: then something in between holds them back.
func (p *patient) stream() {
	ctx, cancel := p.within()
	defer cancel()
	start := p.now()
	var first, last time.Duration
	n := 0
	reply, err := p.client.ChatStream(ctx, api.ChatRequest{Model: demoModel, Messages: []api.ChatMessage{{Role: "user", Content: streamWords}}}, func(d api.ChatDelta) error {
		if d.Content != "" {
			n++
			if last = p.now().Sub(start); first == 0 {
				first = last
			}
		}
		return nil
	})
	if err != nil {
		p.tell("stream", stateSkipped, "", "the built-in model cannot be asked: %s", err)
		return
	}
	whole, spread := p.now().Sub(start), last-first
	said := whole - whole/4 // what the model's own pace leaves at least, where the record cannot be read
	if row, err := p.client.Log(ctx, reply.Gateway.RequestID); err == nil && row.TTFTMs != nil {
		said = time.Duration((row.DurationMs - *row.TTFTMs) * float64(time.Millisecond))
	}
	const enough = 100 * time.Millisecond
	switch {
	case said < enough || n < 4:
		p.tell("stream", stateSkipped, "", "too fast to tell")
	case spread < said/4:
		base, _ := p.client.Base()
		p.tell("stream", stateProblem, "ai-gateway doctor --gateway-url http://GATEWAY:8080    # past the proxy",
			"answers arrive whole, not as they are made (first word after %s of %s): something before %s buffers them. nginx: proxy_buffering off; Cloudflare, Apache: switch off compression of text/event-stream", took(first), took(whole), base)
	default:
		p.tell("stream", stateOK, "", "words arrive as they are made, the first after %s", took(first))
	}
}

// formats asks the built-in model in each format.
func (p *patient) formats() {
	asks := []struct{ name, path, body string }{
		{"chat", "/v1/chat/completions", `{"model":"demo-fast","messages":[{"role":"user","content":"hi"}]}`},
		{"responses", "/v1/responses", `{"model":"demo-fast","input":"hi"}`},
		{"messages", "/v1/messages", `{"model":"demo-fast","max_tokens":16,"messages":[{"role":"user","content":"hi"}]}`},
		{"gemini", "/v1beta/models/demo-fast:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`},
	}
	var good, bad []string
	for _, ask := range asks {
		ctx, cancel := p.within()
		_, err := p.client.Replay(ctx, &api.Bodies{Path: ask.path, Request: ask.body}, io.Discard)
		cancel()
		var refused *api.Error
		switch {
		case err == nil:
			good = append(good, ask.name)
		case errors.As(err, &refused) && (refused.Status == 403 || refused.Status == 404 || refused.Status == 429):
			p.tell("formats", stateSkipped, "", "the built-in model cannot be asked: %s", err)
			return
		case errors.Is(err, context.Canceled):
			return
		default:
			bad = append(bad, fmt.Sprintf("%s: %s", ask.name, err))
		}
	}
	if len(bad) > 0 {
		p.tell("formats", stateProblem, "ai-gateway logs --errors --last 5m", "%s", strings.Join(bad, "; "))
		return
	}
	p.tell("formats", stateOK, "", "%s answer", strings.Join(good, ", "))
}
