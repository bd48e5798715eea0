package openai

import (
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// A whole answer says at which tier it was served, and is priced by that, however it is read.
func TestTierOfWholeAnswers(t *testing.T) {
	const chat = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"service_tier":`
	const responses = `{"id":"r","object":"response","created_at":1,"model":"m","status":"completed","output":[{"type":"message","id":"i","role":"assistant","status":"completed",` +
		`"content":[{"type":"output_text","text":"Hi","annotations":[]}]}],"usage":{"input_tokens":1,"output_tokens":1,"total_tokens":2},"service_tier":`
	for said, want := range map[string]string{`"flex"`: "flex", `"priority"`: "priority", `"batch"`: "batch", `"default"`: "", `"auto"`: "", `null`: ""} {
		for body, e := range map[string]providers.Egress{chat: &chatEgress{}, responses: &responsesEgress{}} {
			body := []byte(body + said + `}`)
			var u providers.Usage
			if _, err := e.(providers.AnswerReader).ReadAnswer(body, &u); err != nil {
				t.Fatalf("%s: %s", body, err.Message)
			}
			r, err := e.DecodeResponse(body)
			if err != nil {
				t.Fatal(err)
			}
			if u.Kind != want || r.Usage.Kind != want || u.Input != 1 {
				t.Errorf("tier %s: read as %q, decoded as %q, want %q (%+v)", said, u.Kind, r.Usage.Kind, want, u)
			}
		}
	}
}
