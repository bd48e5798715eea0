package openai

import (
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// Signed thinking comes in fragments and once more whole, from gateways such as
// this one: it is one thought.
func TestThinkingIsHeardOnce(t *testing.T) {
	f := func(text, signature, redacted string, deltas ...string) {
		t.Helper()
		sse := ""
		for _, d := range deltas {
			sse += `data: {"id":"1","choices":[{"index":0,"delta":` + d + "}]}\n\n"
		}
		events, err := providertest.Decode(ChatEgress(providers.Quirks{}).NewDecoder(), [][]byte{[]byte(sse + "data: [DONE]\n\n")})
		if err != nil {
			t.Fatal(err)
		}
		var gotText, gotSignature, gotRedacted string
		for _, ev := range events {
			if ev.Kind == providers.EventBlockDelta {
				gotText += ev.Block.Text
				gotSignature += ev.Block.Signature
				gotRedacted += string(ev.Block.Data)
			}
		}
		if gotText != text || gotSignature != signature || gotRedacted != redacted {
			t.Errorf("%s: %q, %q, %q", sse, gotText, gotSignature, gotRedacted)
		}
	}
	const a, b = `{"reasoning_content":"ab"}`, `{"reasoning_content":"cd"}`
	const proof = `{"reasoning_details":[{"type":"reasoning.text","signature":"S","format":"anthropic-claude-v1","index":0}]}`
	const whole = `{"thinking_blocks":[{"type":"thinking","thinking":"abcd","signature":"S"}]}`
	f("abcd", "S", "", a, b, proof, whole)
	f("abcd", "S", "", a, b, whole)
	f("abcd", "S", "", whole)
	f("abcdab", "S", "", a, b, proof, whole, a)
	f("haha", "", "", `{"thinking_blocks":[{"type":"thinking","thinking":"ha"}]}`, `{"thinking_blocks":[{"type":"thinking","thinking":"ha"}]}`)
	const hidden = `{"reasoning_details":[{"type":"reasoning.encrypted","data":"E","format":"anthropic-claude-v1"}]}`
	f("", "", "E", hidden, `{"thinking_blocks":[{"type":"redacted_thinking","data":"E"}]}`)
}
