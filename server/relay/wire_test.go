package relay

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// piped is what a caller gets of an upstream's stream that comes in these pieces.
func piped(t *testing.T, in providers.Ingress, pieces ...string) (out string, failed error) {
	t.Helper()
	chat := openai.ChatEgress(providers.Quirks{})
	x := &exchange{
		r:      &Relay{o: Options{Now: time.Now}},
		job:    &Job{ID: "r1", Op: providers.OpChat, In: in, Accepted: time.Unix(1, 0), Peek: providers.Peek{Model: "m1", Stream: true, IncludeUsage: true}},
		target: &routing.Target{Model: "m1", Egress: chat, Account: &routing.Account{Account: &store.Account{}, Provider: &providers.Provider{Name: "p"}}},
		frames: chat, same: in.Dialect() == providers.Chat,
	}
	var p pipe
	if x.same {
		p = x.newRelayPipe()
	} else {
		p = x.newTranslatePipe()
	}
	var b strings.Builder
	done := false
	put := func(piece []byte, info providers.FrameInfo) bool {
		b.Write(piece)
		done = done || info&providers.FrameTerminal != 0
		return !done
	}
	for _, piece := range pieces {
		if done {
			break
		}
		if err := p.feed([]byte(piece), put); err != nil {
			return b.String(), err
		}
	}
	if !done {
		if err := p.end(put); err != nil {
			return b.String(), err
		}
	}
	return b.String() + string(p.terminal(nil)), nil
}

// transcript is 3 KB of a stream with characters of 1 to 4 bytes, and U+2028.
func transcript() string {
	var b strings.Builder
	b.WriteString(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n")
	for i, word := range []string{"Hello", " wörld", " 快速", " 🦊", "\u2028", ` \"q\" \\`, " é", " ∑", " 👩‍👩‍👧", " end"} {
		fmt.Fprintf(&b, "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s %d %s\"},\"finish_reason\":null}]}\n\n", word, i, strings.Repeat("x", 110))
	}
	b.WriteString(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n")
	b.WriteString(`data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}` + "\n\ndata: [DONE]\n\n")
	return b.String()
}

// TestSplitAnywhere: row 41: wherever the bytes are cut, the caller gets the same.
func TestSplitAnywhere(t *testing.T) {
	text := transcript()
	if len(text) < 2900 {
		t.Fatalf("the transcript has %d bytes only", len(text))
	}
	for _, in := range []providers.Ingress{openai.ChatIngress(), anthropic.MessagesIngress()} {
		whole, err := piped(t, in, text)
		if err != nil || !strings.Contains(whole, "🦊") {
			t.Fatalf("%v %s", err, whole)
		}
		for i := 1; i < len(text); i++ {
			if got, err := piped(t, in, text[:i], text[i:]); err != nil || got != whole {
				t.Fatalf("%s, cut at %d: %v\n%s", in.Dialect(), i, err, got)
			}
		}
		single := strings.Split(text, "")
		var bytes []string
		for _, s := range single {
			for i := range len(s) {
				bytes = append(bytes, s[i:i+1])
			}
		}
		if got, err := piped(t, in, bytes...); err != nil || got != whole {
			t.Fatalf("%s, byte by byte: %v\n%s", in.Dialect(), err, got)
		}
	}
	t.Logf("row 41 → %d cuts passed", 2*(len(text)-1))
}

// TestLineEnds: row 40: all forms of an event stream mean the same.
func TestLineEnds(t *testing.T) {
	text := transcript()
	lf, _ := piped(t, anthropic.MessagesIngress(), text)
	f := func(name, form string) {
		t.Helper()
		if got, err := piped(t, anthropic.MessagesIngress(), form); err != nil || got != lf {
			t.Errorf("%s: %v\n%.300s", name, err, got)
		}
		half := len(form) / 2
		if got, err := piped(t, anthropic.MessagesIngress(), form[:half], form[half:]); err != nil || got != lf {
			t.Errorf("%s, cut: %v", name, err)
		}
		relayed, err := piped(t, openai.ChatIngress(), form)
		if err != nil || strings.Count(relayed, "finish_reason") != 12 || !strings.Contains(relayed, "[DONE]") {
			t.Errorf("%s, relayed: %v\n%.300s", name, err, relayed)
		}
		t.Logf("row 40 %s → passed", name)
	}
	f("CRLF", strings.ReplaceAll(text, "\n", "\r\n"))
	f("CR only", strings.ReplaceAll(text, "\n", "\r"))
	rnd := rand.New(rand.NewPCG(1, 2))
	var mixed strings.Builder
	for _, line := range strings.SplitAfter(text, "\n\n") {
		end := []string{"\n\n", "\r\n\r\n", "\r\r"}[rnd.IntN(3)]
		mixed.WriteString(strings.TrimSuffix(line, "\n\n"))
		if line != "" {
			mixed.WriteString(end)
		}
	}
	f("mixed", mixed.String())
	f("no space", strings.ReplaceAll(text, "data: ", "data:"))
	f("comments", ": hello\n\n"+strings.ReplaceAll(text, "\n\n", "\n: keep-alive\n\n"))
	f("event only", "event: nothing\n\n"+text)
	f("retry and id", "retry: 3000\nid: 7\n\n"+text)
	f("BOM", "\ufeff"+text)
	f("data in several lines", strings.ReplaceAll(text, `,"model"`, ",\ndata: \"model\""))
}

// TestLongLines: row 42: lines up to 16 MiB pass, longer ones end the stream.
func TestLongLines(t *testing.T) {
	for _, n := range []int{65_537, 1<<20 + 1, 8 << 20, 17 << 20} {
		if n > 8<<20 && testing.Short() {
			continue
		}
		text := transcript()
		text = strings.Replace(text, "Hello", strings.Repeat("y", n), 1)
		var pieces []string
		for s := text; len(s) > 0; {
			k := min(len(s), 1<<16)
			pieces, s = append(pieces, s[:k]), s[k:]
		}
		got, err := piped(t, openai.ChatIngress(), pieces...)
		if n <= 16<<20 && (err != nil || len(got) < n) || n > 16<<20 && (err == nil || !strings.Contains(err.Error(), "exceeds")) {
			t.Errorf("a line of %d bytes: %d bytes, %v", n, len(got), err)
		}
		t.Logf("row 42 %d bytes → passed", n)
	}
}
