package all

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/bedrock"
	"github.com/your-org/ai-api-gateway/providers/gemini"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// TestForeignMembers: a member that the caller's format does not have is never taken
// for one of the upstream's that the gateway writes itself: what was asked of which
// model, and what was counted of it, would not be what is sent. It is left out, and
// reported.
func TestForeignMembers(t *testing.T) {
	names := []string{"contents", "systemInstruction", "generationConfig", "toolConfig", "input", "instructions", "max_output_tokens", "max_completion_tokens", "stop_sequences", "inferenceConfig", "toolConfig", "n"}
	for _, rules := range [][]providers.Rule{openai.Rules(), openai.ResponsesRules(), anthropic.Rules(), gemini.Rules(), bedrock.Rules()} {
		for _, r := range rules {
			if !strings.ContainsAny(r.Member, ".<") {
				names = append(names, r.Member)
			}
		}
	}
	slices.Sort(names)
	// What the formats have, some in more than one spelling; and the gateway's own.
	own := map[string]string{
		"messages":  "model messages system max_tokens temperature top_p top_k stop_sequences stream tools tool_choice metadata service_tier thinking output_config container context_management mcp_servers cache_control provider fallbacks",
		"responses": "model input instructions max_output_tokens temperature top_p stream tools tool_choice parallel_tool_calls metadata service_tier reasoning text user store prompt_cache_key prompt_cache_retention prompt_cache_options safety_identifier moderation top_logprobs seed top_k provider fallbacks prompt conversation previous_response_id",
		"gemini":    "model contents systemInstruction system_instruction tools toolConfig tool_config generationConfig generation_config serviceTier service_tier safetySettings cachedContent provider fallbacks",
	}
	bodies := map[string]string{
		"messages":  `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`,
		"responses": `{"model":"m","input":"hi"}`,
		"gemini":    `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`,
	}
	known := []string{"frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "logit_bias", "modalities", "response_modalities", "audio", "verbosity", "frequencyPenalty", "presencePenalty"} // mean the same everywhere
	checked := 0
	for _, c := range benchCallers {
		body := bodies[c.name]
		if body == "" {
			continue
		}
		for _, name := range slices.Compact(names) {
			if slices.Contains(strings.Fields(own[c.name]), name) || slices.Contains(known, name) {
				continue
			}
			for _, value := range []string{`"MARK"`, `7`, `true`, `[{"role":"user","content":"MARK"}]`, `{"type":"MARK"}`} {
				with, err := c.in.DecodeRequest([]byte(body[:len(body)-1] + `,"` + name + `":` + value + `}`))
				if err != nil {
					t.Errorf("%s refuses %s: %v", c.name, name, err)
					continue
				}
				without, _ := c.in.DecodeRequest([]byte(body))
				for _, u := range benchUpstreams {
					if u.name == c.name {
						continue
					}
					with.Model, without.Model = u.model, u.model
					plain, _, err := u.out.AppendRequest(nil, without)
					if err != nil {
						t.Fatalf("%s for %s: %v", c.name, u.name, err)
					}
					out, dropped, err := u.out.AppendRequest(nil, with)
					if err != nil {
						continue // named to the caller
					}
					reported := slices.ContainsFunc(dropped, func(d string) bool {
						return strings.EqualFold(strings.ReplaceAll(d, "_", ""), strings.ReplaceAll(name, "_", ""))
					})
					if !wire.ValidObject(out) || string(out) != string(plain) || !reported {
						t.Errorf("%s of %s for %s, reported %v:\n%s\n%s", name, c.name, u.name, dropped, out, plain)
					}
					checked++
				}
			}
		}
	}
	if checked < 1000 {
		t.Errorf("only %d cases", checked)
	}
}

// TestEmptyMedia: media that hold nothing are refused with the name of the member
// that lacks it, in the caller's words, before any upstream is asked.
func TestEmptyMedia(t *testing.T) {
	bodies := map[string]string{
		"chat":     `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,"}}]}]}`,
		"messages": `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":""}}]}]}`,
		"gemini":   `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":""}}]}]}`,
	}
	members := map[string]string{"chat": "image_url.url", "messages": "source.data", "gemini": "inlineData.data"}
	for _, c := range benchCallers {
		body := bodies[c.name]
		if body == "" {
			continue
		}
		_, err := c.in.DecodeRequest([]byte(body))
		var e *providers.Error
		if !errors.As(err, &e) || e.HTTPStatus() != 400 || !strings.HasSuffix(e.Param, members[c.name]) {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := c.in.DecodeRequest([]byte(strings.NewReplacer(`base64,"`, `base64,AAAA"`, `"data":""`, `"data":"AAAA"`).Replace(body))); err != nil {
			t.Errorf("%s with data: %v", c.name, err)
		}
		delete(bodies, c.name)
	}
	if len(bodies) > 0 {
		t.Errorf("not asked: %v", bodies)
	}
}
