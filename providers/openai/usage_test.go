package openai

import (
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestUsage(t *testing.T) {
	q := ChatEgress(providers.Quirks{})
	f := func(data string, told bool, want providers.Usage) {
		t.Helper()
		var got providers.Usage
		if ok := q.Usage([]byte(data), &got); ok != told || got != want {
			t.Errorf("%s:\n got %v %+v\nwant %v %+v", data, ok, got, told, want)
		}
	}
	type u = providers.Usage
	f(`{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":2,"audio_tokens":1}}}`,
		true, u{Input: 2, CacheRead: 4, CacheWrite5m: 3, InputAudio: 1, Output: 2, Reasoning: 2, OutputAudio: 1})
	f(`{"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2}}`, true, u{Input: 2, CacheRead: 8, Output: 5})
	f(`{"usage":{"prompt_cache_hit_tokens":8,"prompt_cache_miss_tokens":2,"completion_tokens":1}}`, true, u{Input: 2, CacheRead: 8, Output: 1})
	f(`{"usage":{"prompt_tokens":10,"completion_tokens":5,"num_cached_tokens":6}}`, true, u{Input: 4, CacheRead: 6, Output: 5})
	f(`{"usage":{"prompt_tokens":10,"completion_tokens":5,"cached_tokens":6,"prompt_tokens_details":{"cached_tokens":6}}}`, true, u{Input: 4, CacheRead: 6, Output: 5})
	f(`{"usage":{"prompt_tokens":10,"completion_tokens":5,"cache_creation_input_tokens":6,"cache_read_input_tokens":1}}`, true, u{Input: 3, CacheRead: 1, CacheWrite5m: 6, Output: 5})
	// reasoning beside the completion: told by the total, by its size, by the total alone
	f(`{"usage":{"prompt_tokens":331,"completion_tokens":11,"total_tokens":613,"completion_tokens_details":{"reasoning_tokens":271}}}`, true, u{Input: 331, Output: 11, Reasoning: 271})
	f(`{"usage":{"prompt_tokens":40,"completion_tokens":14,"total_tokens":54,"completion_tokens_details":{"reasoning_tokens":112}}}`, true, u{Input: 40, Output: 14, Reasoning: 112})
	f(`{"usage":{"prompt_tokens":35,"completion_tokens":12,"total_tokens":109}}`, true, u{Input: 35, Output: 12, Reasoning: 62})
	f(`{"usage":{"prompt_tokens":35,"completion_tokens":12,"total_tokens":47,"completion_tokens_details":{"reasoning_tokens":12}}}`, true, u{Input: 35, Reasoning: 12})
	// cost
	f(`{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.0001232}}`, true, u{Input: 1, Output: 1, CostNano: 123_200, HasCost: true})
	f(`{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0}}`, true, u{Input: 1, Output: 1, HasCost: true})
	f(`{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.01,"is_byok":true,"cost_details":{"upstream_inference_cost":0.2}}}`, true, u{Input: 1, Output: 1, CostNano: 210_000_000, HasCost: true})
	f(`{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":{"request_cost":0.006,"total_cost":0.00614}}}`, true, u{Input: 1, Output: 1, CostNano: 6_140_000, HasCost: true})
	f(`{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost_in_usd_ticks":37756000}}`, true, u{Input: 1, Output: 1, CostNano: 3_775_600, HasCost: true})
	f(`{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost_in_usd_ticks":0}}`, true, u{Input: 1, Output: 1})
	f(`{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":-3}}`, true, u{Input: 1, Output: 1, Clamped: true})
	// places
	f(`{"x_groq":{"id":"r","usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}}}`, true, u{Input: 12, Output: 5})
	f(`{"usage":null,"x_groq":{"usage":{"prompt_tokens":12,"completion_tokens":5}}}`, true, u{Input: 12, Output: 5})
	f(`{"usage":null}`, false, u{})
	f(`{"usage":{}}`, false, u{})
	f(`{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9}}"}}]}}]}`, false, u{})
	f(`{"choices":[{"usage":{"prompt_tokens":9,"completion_tokens":9}}]}`, false, u{})
	// other operations
	f(`{"usage":{"prompt_tokens":8,"total_tokens":8}}`, true, u{Input: 8})
	f(`{"usage":{"total_tokens":18}}`, true, u{Input: 18})
	f(`{"usage":{"input_tokens":50,"output_tokens":60,"total_tokens":110,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}`, true, u{Input: 10, InputImage: 40, Output: 60})
	// what no vendor may do
	f(`{"usage":{"prompt_tokens":24,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":161}}}`, true, u{CacheRead: 24, Output: 2, Clamped: true})
	f(`{"usage":{"prompt_tokens":-5,"completion_tokens":2}}`, true, u{Output: 2, Clamped: true})
	f(`{"usage":{"prompt_tokens":1e18,"completion_tokens":2}}`, true, u{Input: providers.MaxTokensPlausible, Output: 2, Clamped: true})
	f(`{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}`, true, u{})
}

// TestUsageReplaces: what a later report tells replaces, what it does not tell stays.
func TestUsageReplaces(t *testing.T) {
	q := ChatEgress(providers.Quirks{})
	var u providers.Usage
	q.Usage([]byte(`{"usage":{"prompt_tokens":10,"completion_tokens":1,"completion_tokens_details":{"reasoning_tokens":1}}}`), &u)
	q.Usage([]byte(`{"usage":{"completion_tokens":7}}`), &u)
	if want := (providers.Usage{Input: 10, Output: 7}); u != want {
		t.Errorf("got %+v, want %+v", u, want)
	}
	q.Usage([]byte(`{"usage":{"cost":1}}`), &u)
	if want := (providers.Usage{Input: 10, Output: 7, CostNano: 1e9, HasCost: true}); u != want {
		t.Errorf("got %+v, want %+v", u, want)
	}
}
