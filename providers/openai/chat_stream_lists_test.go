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
