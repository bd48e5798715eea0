package relay

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

func TestFilterBetas(t *testing.T) {
	f := func(takes []string, option, sent, want, dropped string) {
		t.Helper()
		a := &routing.Account{Provider: &providers.Provider{Betas: takes}, Account: &store.Account{}}
		if option != "" {
			a.Options = map[string]json.RawMessage{"anthropic_betas": json.RawMessage(option)}
		}
		c := &providers.Call{Header: []providers.Header{{Name: "Accept", Value: "*/*"}, {Name: betaHeader, Value: sent}, {Name: "Anthropic-Version", Value: "2023-06-01"}}}
		if sent == "" {
			c.Header = c.Header[:1]
		}
		x := &exchange{}
		x.filterBetas(c, a)
		got := ""
		for _, h := range c.Header {
			if h.Name == betaHeader {
				got = h.Value
			}
		}
		if got != want || strings.Join(x.dropped, ", ") != dropped {
			t.Errorf("of %q with %v %s: %q, dropped %q", sent, takes, option, got, x.dropped)
		}
		if sent != "" && c.Header[len(c.Header)-1].Value != "2023-06-01" {
			t.Errorf("other headers changed: %v", c.Header)
		}
	}
	f(nil, "", "a, b,c", "a, b,c", "")
	f([]string{"b", "x"}, "", "a, b,c", "b", "anthropic-beta: a, anthropic-beta: c")
	f([]string{"b", "a"}, "", "a,b", "a,b", "")
	f([]string{"x"}, "", "a", "", "anthropic-beta: a")
	f([]string{}, "", "a", "", "anthropic-beta: a")
	f([]string{"x"}, "", "", "", "")
	f([]string{"x"}, `["*"]`, "a,b", "a,b", "")
	f(nil, `["a"]`, "a,b", "a", "anthropic-beta: b")
	f([]string{"x"}, `[]`, "x", "", "anthropic-beta: x")
}
