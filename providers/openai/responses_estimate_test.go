package openai

import (
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// TestEstimateNeverUnderstates compares the estimate with what vendors counted,
// where all that was counted stands in the request.
func TestEstimateNeverUnderstates(t *testing.T) {
	seen, sum, counted := 0, int64(0), int64(0)
	for _, endpoint := range []string{"openai_responses", "openai_responses_input_tokens"} {
		for _, c := range providertest.Cassettes(t, providertest.Filter{Endpoint: endpoint}) {
			if !c.OK() || hidden(c.Request.Body) {
				continue
			}
			var u providers.Usage
			body := []byte(c.Response.Body)
			if c.Response.SSE != "" {
				body = lastResponse(c.Response.SSE)
			}
			want := int64(0)
			if (responsesEgress{}).Usage(body, &u) {
				want = u.Prompt()
			}
			if n := at(body, "input_tokens"); n != nil {
				want = 0
				for _, d := range n {
					want = want*10 + int64(d-'0')
				}
			}
			if want == 0 {
				continue
			}
			seen++
			got := EstimateResponses(c.Request.Body)
			sum, counted = sum+got, counted+want
			if got < want {
				t.Errorf("%s: %d estimated, %d counted", c.ID, got, want)
			}
		}
	}
	t.Logf("%d requests: %d tokens estimated, %d counted", seen, sum, counted)
	if seen < 150 {
		t.Errorf("only %d requests were compared", seen)
	}
}

// hidden reports whether more goes into a request than it shows: what is stored,
// what the vendor's own tools find, and what xAI puts before each conversation.
func hidden(body []byte) bool {
	for _, name := range []string{"previous_response_id", "prompt", "conversation"} {
		if at(body, name) != nil {
			return true
		}
	}
	r, err := ResponsesIngress().DecodeRequest(body)
	if err != nil {
		return true
	}
	for i := range r.Tools {
		if r.Tools[i].Raw != nil && !r.Tools[i].Custom {
			return true
		}
	}
	return false
}
