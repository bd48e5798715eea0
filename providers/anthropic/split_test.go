package anthropic

import (
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// TestPromptSplitLate: some vendors' endpoints (Kimi, QwenCloud) put the whole
// prompt into message_start's input_tokens and its split into cached and not only
// into message_delta; what comes last counts, and nothing twice (bifrost#5355).
func TestPromptSplitLate(t *testing.T) {
	const stream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"kimi-k2\",\"content\":[],\"usage\":{\"input_tokens\":1000,\"output_tokens\":0}}}\n\n" +
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n" +
		"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":100,\"cache_read_input_tokens\":900,\"output_tokens\":7}}\n\n" +
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	want := providers.Usage{Input: 100, CacheRead: 900, Output: 7}
	events, err := providertest.Decode(egress{}.NewDecoder(), [][]byte{[]byte(stream)})
	if err != nil {
		t.Fatal(err)
	}
	var got providers.Usage
	for _, ev := range events {
		if ev.Kind == providers.EventStart || ev.Kind == providers.EventUsage {
			got = ev.Usage
		}
	}
	if got != want {
		t.Errorf("decoded %+v, want %+v", got, want)
	}
	// As the relay reads it, event by event.
	var u providers.Usage
	egress{}.Usage([]byte(`{"type":"message_start","message":{"usage":{"input_tokens":1000,"output_tokens":0}}}`), &u)
	egress{}.Usage([]byte(`{"type":"message_delta","delta":{},"usage":{"input_tokens":100,"cache_read_input_tokens":900,"output_tokens":7}}`), &u)
	if u != want {
		t.Errorf("relayed %+v, want %+v", u, want)
	}
}
