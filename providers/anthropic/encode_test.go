package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func start(index int, b providers.Block) providers.Event {
	return providers.Event{Kind: providers.EventBlockStart, Index: index, Block: b}
}

func delta(index int, kind providers.BlockKind, text string) providers.Event {
	return providers.Event{Kind: providers.EventBlockDelta, Index: index, Block: providers.Block{Kind: kind, Text: text}}
}

func stop(index int) providers.Event {
	return providers.Event{Kind: providers.EventBlockStop, Index: index}
}

func finish(f providers.Finish) providers.Event {
	return providers.Event{Kind: providers.EventFinish, Finish: f, RawFinish: "x", Origin: providers.Chat}
}

// outline checks a stream the way a strict client does and says it in short:
// one line a block, then the stop reason.
func outline(t *testing.T, sse string) string {
	t.Helper()
	var out strings.Builder
	open, next, started, ended := -1, 0, false, false
	var kind string
	var content strings.Builder
	for _, p := range payloads(t, sse) {
		var e struct {
			Type         string
			Index        int
			Message      json.RawMessage
			ContentBlock struct {
				Type, Name, ID, Text, Thinking, Data string
				Input                                json.RawMessage
			} `json:"content_block"`
			Delta struct {
				Type, Text, Thinking, Signature string
				PartialJSON                     string `json:"partial_json"`
				StopReason                      string `json:"stop_reason"`
				Citation                        json.RawMessage
			}
			Error struct{ Type, Message string }
		}
		if err := json.Unmarshal(p, &e); err != nil {
			t.Fatal(err)
		}
		if ended {
			t.Errorf("%s behind the end", p)
		}
		if !started && e.Type != "message_start" && e.Type != "error" {
			t.Errorf("%s before message_start", e.Type)
		}
		switch e.Type {
		case "message_start":
			if started {
				t.Errorf("a second message_start")
			}
			started = true
		case "content_block_start":
			if open != -1 || e.Index != next {
				t.Errorf("block %d starts while %d is open and %d is next", e.Index, open, next)
			}
			open, kind = e.Index, e.ContentBlock.Type
			content.Reset()
			if kind == "tool_use" {
				fmt.Fprintf(&content, "%s %s ", e.ContentBlock.ID, e.ContentBlock.Name)
			}
			content.WriteString(e.ContentBlock.Data)
		case "content_block_delta":
			if e.Index != open {
				t.Errorf("delta of block %d while %d is open", e.Index, open)
			}
			want := map[string]string{"text_delta": "text", "citations_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking", "input_json_delta": "tool_use"}[e.Delta.Type]
			if want != kind {
				t.Errorf("%s in a block of type %s", e.Delta.Type, kind)
			}
			content.WriteString(e.Delta.Text + e.Delta.Thinking + e.Delta.PartialJSON)
			if e.Delta.Signature != "" {
				content.WriteString(" [" + e.Delta.Signature + "]")
			}
			if e.Delta.Citation != nil {
				content.WriteString(" " + string(e.Delta.Citation))
			}
		case "content_block_stop":
			if e.Index != open {
				t.Errorf("block %d stops while %d is open", e.Index, open)
			}
			fmt.Fprintf(&out, "%s: %s\n", kind, content.String())
			open, next = -1, open+1
		case "message_delta":
			if open != -1 {
				t.Errorf("message_delta while block %d is open", open)
			}
			fmt.Fprintf(&out, "stop: %s\n", e.Delta.StopReason)
		case "message_stop":
			ended = true
		case "error":
			fmt.Fprintf(&out, "error: %s: %s\n", e.Error.Type, e.Error.Message)
			ended = true
		}
	}
	if !ended {
		t.Errorf("the stream has no end")
	}
	return out.String()
}

func TestStreamForClients(t *testing.T) {
	const (
		text, thinking, tool = providers.KindText, providers.KindThinking, providers.KindToolCall
	)
	block := func(k providers.BlockKind) providers.Block { return providers.Block{Kind: k} }
	toolBlock := func(id, name string) providers.Block { return providers.Block{Kind: tool, ID: id, ToolName: name} }
	f := func(name, want string, events ...providers.Event) {
		t.Helper()
		first := providers.Event{Kind: providers.EventStart, ID: "chatcmpl-1", Model: "up", Origin: providers.Chat}
		got := outline(t, encodeStream(append([]providers.Event{first}, events...), providers.EncodeOptions{Model: "asked"}))
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	f("text", "text: Hello\nstop: end_turn\n",
		start(0, block(text)), delta(0, text, "Hel"), delta(0, text, ""), delta(0, text, "lo"), stop(0), finish(providers.FinishStop))
	f("empty text vanishes", "stop: end_turn\n", start(0, block(text)), delta(0, text, ""), stop(0), finish(providers.FinishStop))
	f("nothing at all", "stop: end_turn\n")
	f("block of the first real delta", "thinking: hm [gwsig1..]\ntext: Hi\nstop: end_turn\n",
		start(0, block(text)), delta(0, thinking, "hm"), delta(0, text, "Hi"), stop(0), finish(providers.FinishStop))
	f("text and tools open at once", "text: Let me\ntool_use: a f {\"x\":1}\ntool_use: b g {\"y\":2}\nstop: tool_use\n",
		start(0, block(text)), delta(0, text, "Let me"),
		start(1, toolBlock("a", "f")), delta(1, tool, `{"x"`),
		start(2, toolBlock("b", "g")), delta(2, tool, `{"y"`), delta(1, tool, `:1}`), delta(2, tool, `:2`), stop(1), delta(2, tool, `}`),
		stop(0), stop(2), finish(providers.FinishToolCalls))
	f("nothing is ever stopped", "text: Let me\ntool_use: a f {\"x\":1}\ntool_use: b g {}\nstop: tool_use\n",
		start(0, block(text)), delta(0, text, "Let me"), start(1, toolBlock("a", "f")), start(2, toolBlock("b", "g")),
		delta(1, tool, `{"x"`), delta(2, tool, `{}`), delta(1, tool, `:1}`), finish(providers.FinishStop))
	f("text goes on behind a call", "text: a\ntool_use: a f {}\ntext: b\nstop: tool_use\n",
		start(0, block(text)), delta(0, text, "a"), start(1, toolBlock("a", "f")), delta(0, text, "b"), stop(0), stop(1), finish(providers.FinishToolCalls))
	f("call without arguments", "tool_use: a f {}\nstop: tool_use\n", start(0, toolBlock("a", "f")), stop(0), finish(providers.FinishStop))
	f("free-form call", "tool_use: a f {\"input\":\"say \\\"hi\\\"\\n\"}\nstop: tool_use\n",
		start(0, providers.Block{Kind: tool, ID: "a", ToolName: "f", Custom: true}), delta(0, tool, `say "hi`), delta(0, tool, "\"\n"), stop(0), finish(providers.FinishToolCalls))
	f("free-form call without input", "tool_use: a f {\"input\":\"\"}\nstop: tool_use\n",
		start(0, providers.Block{Kind: tool, ID: "a", ToolName: "f", Custom: true}), stop(0), finish(providers.FinishToolCalls))
	f("foreign signature", "thinking: hm [gwsig1.gemini.abc]\ntext: x\nstop: max_tokens\n",
		start(0, block(thinking)), delta(0, thinking, "hm"),
		providers.Event{Kind: providers.EventBlockDelta, Block: providers.Block{Kind: thinking, Signature: "abc", SignatureOrigin: providers.Gemini}},
		start(1, block(text)), delta(1, text, "x"), stop(0), stop(1), finish(providers.FinishLength))
	f("refusal in an answer that stopped", "text: I cannot\nstop: refusal\n", start(0, block(providers.KindRefusal)), delta(0, providers.KindRefusal, "I cannot"), stop(0), finish(providers.FinishStop))
	f("refusal", "text: I cannot\nstop: refusal\n", start(0, block(providers.KindRefusal)), delta(0, providers.KindRefusal, "I cannot"), stop(0), finish(providers.FinishContentFilter))
	f("failure in the middle", "error: overloaded_error: busy\n",
		start(0, block(text)), delta(0, text, "Hel"),
		providers.Event{Kind: providers.EventError, Err: &providers.Error{Kind: providers.KindOverloaded, Message: "busy"}},
		delta(0, text, "lo"), finish(providers.FinishStop))
	f("another candidate", "text: x\nstop: end_turn\n",
		start(0, block(text)), delta(0, text, "x"), stop(0),
		providers.Event{Kind: providers.EventBlockStart, Index: 1, Choice: 1, Block: block(text)},
		providers.Event{Kind: providers.EventBlockDelta, Index: 1, Choice: 1, Block: providers.Block{Kind: text, Text: "other"}}, finish(providers.FinishStop))
	f("citations", `text: sky {"type":"web_search_result_location","cited_text":"","url":"https://e.example","title":"E","encrypted_index":""}`+"\nstop: end_turn\n",
		start(0, block(text)), delta(0, text, "sky"), providers.Event{Kind: providers.EventBlockDelta, Block: providers.Block{Kind: text, Origin: providers.Chat,
			Citations: json.RawMessage(`[{"type":"url_citation","url_citation":{"url":"https://e.example","title":"E","start_index":0,"end_index":3}}]`)}}, stop(0), finish(providers.FinishStop))
}

func TestStreamFrames(t *testing.T) {
	usage := providers.Usage{Input: 10, CacheRead: 5, CacheWrite5m: 2, CacheWrite1h: 1, Output: 7, Reasoning: 3}
	got := encodeStream([]providers.Event{
		{Kind: providers.EventStart, ID: "chatcmpl-1", Model: "up", Origin: providers.Chat},
		{Kind: providers.EventPing},
		start(0, providers.Block{Kind: providers.KindText}), delta(0, providers.KindText, "Hi \"you\""), stop(0),
		{Kind: providers.EventPing},
		finish(providers.FinishStop),
		{Kind: providers.EventUsage, Usage: usage, Origin: providers.Chat},
		{Kind: providers.EventEnd},
	}, providers.EncodeOptions{Model: "asked", InputTokens: 99})
	const want = `event: message_start
data: {"type":"message_start","message":{"id":"msg_chatcmpl-1","type":"message","role":"assistant","model":"asked","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":99,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi \"you\""}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: ping
data: {"type": "ping"}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":10,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":1},"output_tokens":10,"output_tokens_details":{"thinking_tokens":3}}}

event: message_stop
data: {"type":"message_stop"}

`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEncoderBoundsWhatItHolds(t *testing.T) {
	e := MessagesIngress().NewEncoder(providers.EncodeOptions{})
	var out []byte
	for _, ev := range []providers.Event{start(0, call("a", "f", "")), start(1, call("b", "g", ""))} {
		out = e.Append(out, &ev)
	}
	chunk := delta(1, providers.KindToolCall, strings.Repeat("x", 1<<20))
	for range 20 {
		out = e.Append(out, &chunk)
	}
	out = e.End(out)
	if got := outline(t, string(out)); !strings.HasPrefix(got, "error: api_error: ") || len(out) > 10_000 {
		t.Errorf("%d bytes: %.300s", len(out), got)
	}
}

func TestResponseForClients(t *testing.T) {
	r := &providers.Response{ID: "resp", Model: "gpt", Origin: providers.Chat, Usage: providers.Usage{Input: 3, CacheRead: 2, Output: 4}, HasUsage: true,
		Choices: []providers.Choice{{Finish: providers.FinishStop, RawFinish: "stop", Blocks: []providers.Block{
			{Kind: providers.KindThinking, Text: "hm"}, textBlock(""), textBlock("ok"), call("c1", "f", `{"b":1.10,"a":2}`), call("c2", "g", "")}}}}
	got, err := MessagesIngress().AppendResponse(nil, r)
	const want = `{"id":"msg_resp","type":"message","role":"assistant","model":"gpt","content":[{"type":"thinking","thinking":"hm","signature":"gwsig1.."},{"type":"text","text":"ok"},{"type":"tool_use","id":"c1","name":"f","input":{"b":1.10,"a":2}},{"type":"tool_use","id":"c2","name":"g","input":{}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":2,"output_tokens":4}}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}
