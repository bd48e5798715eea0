package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// TestStreamedListsAreNumbered: openai-python refuses the second entry of a list in
// the deltas of a stream that has no index, and so the whole answer.
func TestStreamedListsAreNumbered(t *testing.T) {
	start := func(i int, k providers.BlockKind) providers.Event {
		return providers.Event{Kind: providers.EventBlockStart, Index: i, Block: providers.Block{Kind: k}, Origin: providers.Messages}
	}
	delta := func(i int, b providers.Block) providers.Event {
		return providers.Event{Kind: providers.EventBlockDelta, Index: i, Block: b, Origin: providers.Messages}
	}
	cited := func(url string, origin providers.Dialect) providers.Event {
		return providers.Event{Kind: providers.EventBlockDelta, Index: 2, Origin: origin, Block: providers.Block{Kind: providers.KindText, Text: "a", Origin: origin, Citations: json.RawMessage(url)}}
	}
	enc := ChatIngress().NewEncoder(providers.EncodeOptions{Model: "m", RequestID: "r"})
	var out []byte
	for _, ev := range []providers.Event{
		{Kind: providers.EventStart, ID: "i", Model: "m"},
		start(0, providers.KindRedacted), delta(0, providers.Block{Kind: providers.KindRedacted, Data: []byte("E"), SignatureOrigin: providers.Messages}), {Kind: providers.EventBlockStop, Index: 0},
		start(1, providers.KindThinking), delta(1, providers.Block{Kind: providers.KindThinking, Text: "t", Signature: "S", SignatureOrigin: providers.Messages}), {Kind: providers.EventBlockStop, Index: 1},
		start(2, providers.KindText), cited(`{"type":"web_search_result_location","url":"u1","title":"t"}`, providers.Messages),
		cited(`[{"type":"x"},{"type":"web_search_result_location","url":"u2"}]`, providers.Messages),
		cited(`[{"type":"url_citation","url_citation":{"url":"u3"}}]`, providers.Chat), {Kind: providers.EventBlockStop, Index: 2},
		start(3, providers.KindImage), delta(3, providers.Block{Kind: providers.KindImage, URL: "https://a/1"}), delta(3, providers.Block{Kind: providers.KindImage, URL: "https://a/2"}),
		{Kind: providers.EventFinish, Finish: providers.FinishStop},
	} {
		out = enc.Append(out, &ev)
	}
	out = enc.End(out)
	next := map[string]int{}
	for _, block := range strings.Split(string(out), "\n\n") {
		var chunk struct {
			Choices []struct {
				Delta map[string]json.RawMessage
			}
		}
		data := strings.TrimPrefix(block, "data: ")
		if data == "" || data == "[DONE]" {
			continue
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		for name, v := range chunk.Choices[0].Delta {
			var list []struct{ Index *int }
			if json.Unmarshal(v, &list) != nil {
				continue
			}
			for _, entry := range list {
				if entry.Index == nil || *entry.Index != next[name] {
					t.Errorf("entry %d of %s: %s", next[name], name, v)
				}
				next[name]++
			}
		}
	}
	if next["annotations"] != 3 || next["thinking_blocks"] != 2 || next["reasoning_details"] != 2 || next["images"] != 2 {
		t.Errorf("lists %v of\n%s", next, out)
	}
}

// TestCitationsBeforeTheirText: Anthropic tells the citations of a text before the
// text. They are about all of it, once it is there.
func TestCitationsBeforeTheirText(t *testing.T) {
	text := func(i int, s, cited string) []providers.Event {
		b := func(text string, c json.RawMessage) providers.Event {
			return providers.Event{Kind: providers.EventBlockDelta, Index: i, Origin: providers.Messages, Block: providers.Block{Kind: providers.KindText, Text: text, Origin: providers.Messages, Citations: c}}
		}
		out := []providers.Event{{Kind: providers.EventBlockStart, Index: i, Block: providers.Block{Kind: providers.KindText}}}
		if cited != "" {
			out = append(out, b("", json.RawMessage(cited)))
		}
		return append(out, b(s[:2], nil), b(s[2:], nil), providers.Event{Kind: providers.EventBlockStop, Index: i})
	}
	events := []providers.Event{{Kind: providers.EventStart, ID: "i", Model: "m"}}
	events = append(events, text(0, "Äh: ", "")...)
	events = append(events, text(1, "Paris", `{"type":"web_search_result_location","url":"https://a","title":"A"}`)...)
	events = append(events, providers.Event{Kind: providers.EventFinish, Finish: providers.FinishStop})
	f := func(in providers.Ingress, want string) {
		t.Helper()
		enc := in.NewEncoder(providers.EncodeOptions{Model: "m", RequestID: "r"})
		var out []byte
		for i := range events {
			out = enc.Append(out, &events[i])
		}
		if out = enc.End(out); !strings.Contains(string(out), want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	f(ChatIngress(), `"url_citation":{"url":"https://a","title":"A","start_index":4,"end_index":9}`)
	f(ResponsesIngress(), `"annotation":{"type":"url_citation","url":"https://a","title":"A","start_index":0,"end_index":5}`)
}

// TestCallsWithoutIDs: a whole answer whose calls have no ids gets some, no two alike.
func TestCallsWithoutIDs(t *testing.T) {
	r, err := ChatEgress(providers.Quirks{}).DecodeResponse([]byte(`{"id":"c","choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}},{"id":"own","function":{"name":"f"}},{"function":{"name":"f"}}]},"finish_reason":"tool_calls"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, b := range r.Choices[0].Blocks {
		ids = append(ids, b.ID)
	}
	if strings.Join(ids, " ") != "call_c_0 own call_c_2" {
		t.Error(ids)
	}
}

// TestAnswerBeforeTools: a whole answer with the function_call of old.
func TestAnswerBeforeTools(t *testing.T) {
	r, err := ChatEgress(providers.Quirks{}).DecodeResponse([]byte(`{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"x\":1}"}},"finish_reason":"function_call"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := r.Choices[0]
	if len(c.Blocks) != 1 || c.Blocks[0].ToolName != "f" || string(c.Blocks[0].Args) != `{"x":1}` || c.Blocks[0].ID != "call_c" || c.Finish != providers.FinishToolCalls {
		t.Errorf("%+v", c)
	}
}
