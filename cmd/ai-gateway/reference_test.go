package main_test

import (
	"encoding/json"
	"strings"
)

// recordedUsage reads what a recording reports, in OpenAI's convention, written
// apart from the gateway's own readers: the last report counts, member by member.
func recordedUsage(r *recording) (usage, bool) {
	if strings.HasPrefix(r.Endpoint, "gemini_") {
		return lastGeminiUsage(r)
	}
	var payloads []string
	if r.Response.SSE != "" {
		payloads = events(r.Response.SSE)
	} else {
		payloads = []string{string(r.Response.Body)}
	}
	merged := map[string]float64{}
	for _, p := range payloads {
		var doc struct {
			Usage    map[string]any
			Message  struct{ Usage map[string]any }
			Response struct{ Usage map[string]any }
			XGroq    struct{ Usage map[string]any } `json:"x_groq"`
			Input    *float64                       `json:"input_tokens"`
		}
		if json.Unmarshal([]byte(p), &doc) != nil {
			continue
		}
		if doc.Usage == nil {
			doc.Usage = doc.XGroq.Usage
		}
		if doc.Usage == nil && r.Endpoint == "anthropic_count_tokens" {
			return usage{}, false
		}
		for _, u := range []map[string]any{doc.Message.Usage, doc.Response.Usage, doc.Usage} {
			flatten(u, "", merged)
		}
	}
	if len(merged) == 0 {
		return usage{}, false
	}
	if r.Endpoint == "anthropic_messages" {
		out := usage{CacheRead: int64(merged["cache_read_input_tokens"]), CacheWrite: int64(merged["cache_creation_input_tokens"]), Completion: int64(merged["output_tokens"])}
		out.Prompt = int64(merged["input_tokens"]) + out.CacheRead + out.CacheWrite
		out.Reasoning = int64(merged["output_tokens_details.thinking_tokens"] + merged["output_tokens_details.reasoning_tokens"])
		return out, true
	}
	if r.Endpoint == "openai_responses" {
		return usage{Prompt: int64(merged["input_tokens"]), Completion: int64(merged["output_tokens"]), CacheRead: int64(merged["input_tokens_details.cached_tokens"]),
			CacheWrite: int64(merged["input_tokens_details.cache_write_tokens"]), Reasoning: int64(merged["output_tokens_details.reasoning_tokens"])}, true
	}
	out := usage{Prompt: int64(merged["prompt_tokens"]), Completion: int64(merged["completion_tokens"]), Reasoning: int64(merged["completion_tokens_details.reasoning_tokens"])}
	for _, name := range []string{"prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens"} {
		if v, ok := merged[name]; ok {
			out.CacheRead = int64(v)
			break
		}
	}
	for _, name := range []string{"prompt_tokens_details.cache_write_tokens", "cache_creation_input_tokens"} {
		if v, ok := merged[name]; ok {
			out.CacheWrite = int64(v)
			break
		}
	}
	total, told := merged["total_tokens"]
	if _, ok := merged["prompt_tokens"]; !ok && told { // embeddings of vendors that report a total alone
		out.Prompt = int64(total)
	}
	beyond := int64(total) - out.Prompt - out.Completion
	switch {
	case told && beyond > 0 && out.Reasoning == beyond, out.Reasoning > out.Completion:
		out.Completion += out.Reasoning // counted beside the completion, not within
	case told && beyond > 0 && out.Reasoning == 0:
		out.Reasoning = beyond // Google's compatible endpoint tells it by the total alone
		out.Completion += beyond
	}
	out.CacheRead = min(out.CacheRead, out.Prompt) // one vendor reports more than the prompt
	return out, true
}

func flatten(u map[string]any, prefix string, into map[string]float64) {
	for name, v := range u {
		switch v := v.(type) {
		case float64:
			into[prefix+name] = v
		case map[string]any:
			flatten(v, prefix+name+".", into)
		}
	}
}
