package demo

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// path is where each dialect's requests go.
var path = map[providers.Dialect]string{providers.Chat: "/v1/chat/completions", providers.Messages: "/v1/messages"}

func askIn(d providers.Dialect, model, more string) string {
	if d == providers.Messages {
		return messagesAsk(model, "What is a gateway?", more)
	}
	if strings.Contains(more, `"stream"`) {
		more += `,"stream_options":{"include_usage":true}`
	}
	return chatAsk(model, "What is a gateway?", more)
}

// TestDialectsReadTheDemo: the gateway's own dialects and the engine, which were
// written apart, agree on what was said.
func TestDialectsReadTheDemo(t *testing.T) {
	p := newPeer(t, instant)
	for _, e := range Provider().Speaks {
		d := e.Dialect()
		for _, model := range []string{"demo", "demo-thinking", "demo-tools", "demo-big"} {
			more := ""
			if model == "demo-tools" && d == providers.Messages {
				more = `,"tools":[{"name":"clock","input_schema":{"type":"object"}}]`
			} else if model == "demo-tools" {
				more = `,"tools":[{"type":"function","function":{"name":"clock","parameters":{"type":"object"}}}]`
			}
			_, body := p.body(path[d], askIn(d, model, more))
			whole, err := e.DecodeResponse([]byte(body))
			if err != nil {
				t.Errorf("%s %s: %v", d, model, err)
				continue
			}
			raw, err := io.ReadAll(p.post(path[d], askIn(d, model, more+`,"stream":true`)).Body)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(e.NewDecoder(), raw)
			if err != nil {
				t.Errorf("%s %s: stream: %v", d, model, err)
			}
			var want said
			for _, b := range whole.Choices[0].Blocks {
				want.add(b.Kind, b.Text, b.ToolName, string(b.Args))
			}
			want.finish, want.usage = whole.Choices[0].Finish, whole.Usage
			if got != want {
				t.Errorf("%s %s:\nstreamed %.400s\nbuffered %.400s", d, model, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
			}
			if want.usage.Prompt() == 0 || want.usage.Completion() == 0 {
				t.Errorf("%s %s: usage %+v", d, model, want.usage)
			}
		}
		if ev := e.DecodeError(429, []byte(func() string { _, b := p.body(path[d], askIn(d, "demo-error-429", "")); return b }())); ev.Kind != providers.KindRateLimit {
			t.Errorf("%s: demo-error-429 is read as %s", d, ev.Kind)
		}
		raw, _ := io.ReadAll(p.post(path[d], askIn(d, "demo-truncate", `,"stream":true`)).Body)
		if _, err := read(e.NewDecoder(), raw); err == nil {
			t.Errorf("%s: demo-truncate is read as whole", d)
		}
	}
}

// A said is the content of an answer.
type said struct {
	text, thinking, calls string
	finish                providers.Finish
	usage                 providers.Usage
}

func (s *said) add(kind providers.BlockKind, text, tool, args string) {
	switch kind {
	case providers.KindText:
		s.text += text
	case providers.KindThinking:
		s.thinking += text
	case providers.KindToolCall:
		s.calls += tool + args
	}
}

func read(d providers.Decoder, raw []byte) (s said, err error) {
	kinds := map[int]providers.BlockKind{}
	for len(raw) > 0 {
		n := min(len(raw), 777) // cut anywhere
		d.Feed(raw[:n])
		raw = raw[n:]
		var ev providers.Event
		for d.Next(&ev) {
			switch ev.Kind {
			case providers.EventBlockStart:
				kinds[ev.Index] = ev.Block.Kind
				s.add(ev.Block.Kind, "", ev.Block.ToolName, "")
			case providers.EventBlockDelta:
				s.add(kinds[ev.Index], ev.Block.Text, "", ev.Block.Text)
			case providers.EventUsage:
				s.usage = ev.Usage
			case providers.EventStart:
				s.usage = ev.Usage
			case providers.EventFinish:
				s.finish = ev.Finish
			}
		}
	}
	return s, d.End()
}
