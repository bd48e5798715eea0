package anthropic

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// fetches reports whether a request lets server tools add input during the exchange.
func fetches(body []byte) bool {
	var r struct{ Tools []struct{ Type string } }
	if json.Unmarshal(body, &r) != nil {
		return false
	}
	for _, t := range r.Tools {
		for _, p := range []string{"web_", "code_execution_", "advisor_", "tool_search_"} {
			if strings.HasPrefix(t.Type, p) {
				return true
			}
		}
	}
	return strings.Contains(string(body), `"container_upload"`)
}

func TestEstimateNeverUnderstates(t *testing.T) {
	e := MessagesEgress(providers.Quirks{})
	var ratios []float64
	skipped, counted := 0, 0
	for _, x := range recorded(t) {
		if !wire.IsObject(x.Request.Body) || x.Response.Status > 299 {
			continue
		}
		if fetches(x.Request.Body) {
			skipped++
			continue
		}
		var u providers.Usage
		if strings.Contains(x.Endpoint, "count_tokens") {
			u.Input, _ = pathInt(x.Response.Body, "input_tokens")
			counted++
		} else {
			e.Usage(x.Response.Body, &u)
			for _, p := range payloads(t, x.Response.SSE) {
				e.Usage(p, &u)
			}
		}
		want := u.Prompt()
		if want == 0 {
			continue
		}
		got := EstimateTokens(x.Request.Body)
		if got < want {
			t.Errorf("%s: estimated %d of %d", x.ID, got, want)
		}
		if want > 500 && !strings.Contains(string(x.Request.Body), `"document"`) {
			ratios = append(ratios, float64(got)/float64(want))
		}
	}
	if len(ratios) < 40 || counted < 5 {
		t.Fatalf("only %d requests and %d counts were compared", len(ratios), counted)
	}
	slices.Sort(ratios)
	t.Logf("%d requests above 500 tokens: estimate/count from %.2f, median %.2f, to %.2f; %d with server tools left out",
		len(ratios), ratios[0], ratios[len(ratios)/2], ratios[len(ratios)-1], skipped)
	if m := ratios[len(ratios)/2]; m > 3 {
		t.Errorf("the estimate is useless: median %.2f of the count", m)
	}
}

func TestEstimateOfText(t *testing.T) {
	f := func(text string, least, most int64) {
		t.Helper()
		if n := textTokens([]byte(text)); n < least || n > most {
			t.Errorf("%q: %d tokens, expected %d to %d", text, n, least, most)
		}
	}
	f("", 0, 0)
	f("Hello", 1, 2)
	f("The quick brown fox jumps over the lazy dog.", 10, 17)
	f("你好世界", 4, 8)
	f("🙂", 2, 4)
	f("3.14159", 4, 7)
	f("getUserById", 4, 6)
	f("\n\n\n", 3, 3)
	if n := EstimateTokens([]byte("not json")); n <= 0 {
		t.Errorf("no JSON: %d", n)
	}
}
