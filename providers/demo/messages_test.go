package demo

import (
	"encoding/json"
	"strings"
	"testing"
)

type messagesObject struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Model   string `json:"model"`
	Content []struct {
		Type      string          `json:"type"`
		Text      string          `json:"text"`
		Thinking  string          `json:"thinking"`
		Signature string          `json:"signature"`
		ID        string          `json:"id"`
		Name      string          `json:"name"`
		Input     json.RawMessage `json:"input"`
	} `json:"content"`
	StopReason   string `json:"stop_reason"`
	StopSequence string `json:"stop_sequence"`
	Usage        *struct {
		Input  int `json:"input_tokens"`
		Output int `json:"output_tokens"`
	} `json:"usage"`
}

func messagesAsk(model, said, more string) string {
	b, _ := json.Marshal(said)
	return `{"model":"` + model + `","max_tokens":4096,"messages":[{"role":"user","content":` + string(b) + `}]` + more + `}`
}

// gather puts a messages stream together, checking the order of its events.
func gather(t *testing.T, list []sse) (m messagesObject, stopped bool) {
	t.Helper()
	open, partial := -1, ""
	for i, e := range list {
		ev := parse[struct {
			Type    string          `json:"type"`
			Index   int             `json:"index"`
			Message messagesObject  `json:"message"`
			Content json.RawMessage `json:"content_block"`
			Delta   struct {
				Type      string `json:"type"`
				Text      string `json:"text"`
				Thinking  string `json:"thinking"`
				Signature string `json:"signature"`
				Partial   string `json:"partial_json"`
				Reason    string `json:"stop_reason"`
				Sequence  string `json:"stop_sequence"`
			} `json:"delta"`
			Usage *struct {
				Input  int `json:"input_tokens"`
				Output int `json:"output_tokens"`
			} `json:"usage"`
		}](t, e.data)
		if ev.Type != e.event {
			t.Errorf("event %d is named %q and typed %q", i, e.event, ev.Type)
		}
		if (ev.Type == "message_start") != (i == 0) {
			t.Fatalf("event %d is %s", i, ev.Type)
		}
		switch ev.Type {
		case "message_start":
			m = ev.Message
		case "content_block_start":
			if open >= 0 || ev.Index != len(m.Content) {
				t.Fatalf("block %d starts while %d is open and %d are done", ev.Index, open, len(m.Content))
			}
			open, partial = ev.Index, ""
			m.Content = append(m.Content, parse[messagesObject](t, `{"content":[`+string(ev.Content)+`]}`).Content[0])
		case "content_block_delta":
			if ev.Index != open {
				t.Fatalf("delta of block %d while %d is open", ev.Index, open)
			}
			b := &m.Content[open]
			b.Text += ev.Delta.Text
			b.Thinking += ev.Delta.Thinking
			b.Signature += ev.Delta.Signature
			partial += ev.Delta.Partial
		case "content_block_stop":
			if b := &m.Content[open]; b.Type == "tool_use" {
				b.Input = json.RawMessage(partial)
			}
			open = -1
		case "message_delta":
			m.StopReason, m.StopSequence = ev.Delta.Reason, ev.Delta.Sequence
			if ev.Usage != nil {
				m.Usage = ev.Usage
			}
		case "message_stop":
			stopped = i == len(list)-1
		case "ping":
		default:
			t.Errorf("event %d is %s", i, ev.Type)
		}
	}
	return m, stopped
}

func TestMessagesStreamEqualsBuffered(t *testing.T) {
	p := newPeer(t, instant)
	tools := `,"tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]`
	for _, c := range []struct{ model, more string }{
		{"demo", ""}, {"demo-thinking", ""}, {"demo-tools", tools}, {"demo-no-usage", ""}, {"demo-no-done", ""}, {"demo-empty", ""},
		{"claude-sonnet-4-5", `,"stop_sequences":["network"]`},
	} {
		_, body := p.body("/v1/messages", messagesAsk(c.model, "Say something", c.more))
		whole := parse[messagesObject](t, body)
		got, stopped := gather(t, p.stream("/v1/messages", messagesAsk(c.model, "Say something", c.more+`,"stream":true`)))
		got.ID, whole.ID = "", ""
		for i := range got.Content { // ids differ between requests
			if (got.Content[i].ID == "") != (got.Content[i].Type != "tool_use") {
				t.Errorf("%s: block %d has the id %q", c.model, i, got.Content[i].ID)
			}
			got.Content[i].ID = ""
		}
		for i := range whole.Content {
			if b := whole.Content[i]; b.Type == "tool_use" && !strings.HasPrefix(b.ID, "toolu_") {
				t.Errorf("%s: call id %q", c.model, b.ID)
			}
			whole.Content[i].ID = ""
		}
		a, _ := json.Marshal(whole)
		b, _ := json.Marshal(got)
		if string(a) != string(b) {
			t.Errorf("%s: buffered and streamed differ:\n%s\n%s", c.model, a, b)
		}
		if stopped != (c.model != "demo-no-done") {
			t.Errorf("%s: message_stop seen: %v", c.model, stopped)
		}
		if (whole.Usage == nil) != (c.model == "demo-no-usage") {
			t.Errorf("%s: usage %+v", c.model, whole.Usage)
		}
		switch c.model {
		case "demo-thinking":
			if b := whole.Content[0]; b.Type != "thinking" || b.Thinking == "" || b.Signature == "" || len(whole.Content) != 2 {
				t.Errorf("thinking: %s", body)
			}
		case "demo-tools":
			if b := whole.Content[0]; whole.StopReason != "tool_use" || b.Name != "weather" || string(b.Input) != `{"city":"demo"}` {
				t.Errorf("tool: %s", body)
			}
		case "claude-sonnet-4-5":
			if whole.StopReason != "stop_sequence" || whole.StopSequence != "network" || strings.Contains(whole.Content[0].Text, "network") {
				t.Errorf("stop: %s", body)
			}
		}
	}
}

func TestMessagesBounds(t *testing.T) {
	p := newPeer(t, instant)
	ask := func(max string) messagesObject {
		_, body := p.body("/v1/messages", `{"model":"demo","max_tokens":`+max+`,"system":[{"type":"text","text":"Be brief."}],"messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image","source":{}}]}]}`)
		return parse[messagesObject](t, body)
	}
	if m := ask("5"); m.StopReason != "max_tokens" || m.Usage.Output != 5 || count(m.Content[0].Text) != 5 {
		t.Errorf("max_tokens 5: %+v", m)
	}
	if m := ask("0"); m.StopReason != "max_tokens" || m.Usage.Output != 0 || len(m.Content) != 0 {
		t.Errorf("max_tokens 0: %+v", m)
	}
}

func TestCountTokensEqualsUsage(t *testing.T) {
	p := newPeer(t, instant)
	for _, said := range []string{"hi", "How many tokens are these, then?", "这有多少个 token 呢?"} {
		_, body := p.body("/v1/messages", messagesAsk("demo", said, `,"system":"You are terse."`))
		m := parse[messagesObject](t, body)
		_, body = p.body("/v1/messages/count_tokens", messagesAsk("demo", said, `,"system":"You are terse."`))
		if n := parse[struct {
			N int `json:"input_tokens"`
		}](t, body).N; n != m.Usage.Input || n < 5 {
			t.Errorf("%q: counted %d, used %d", said, n, m.Usage.Input)
		}
	}
}

func TestMessagesToolResult(t *testing.T) {
	p := newPeer(t, instant)
	_, body := p.body("/v1/messages", `{"model":"demo-tools","max_tokens":100,"tools":[{"name":"weather","input_schema":{"type":"object"}}],"messages":[
		{"role":"user","content":"call weather"},
		{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"weather","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"22 degrees"}]}]}]}`)
	if m := parse[messagesObject](t, body); m.StopReason != "end_turn" || m.Content[0].Text != "The tool weather answered: 22 degrees" {
		t.Errorf("%s", body)
	}
	status, body := p.body("/v1/messages", `{"model":"demo","max_tokens":100,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"x"}]}]}`)
	if status != 400 || !strings.Contains(body, "tool_use_id") {
		t.Errorf("an orphan result: %d %s", status, body)
	}
}
