package admin

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

func TestSpan(t *testing.T) {
	f := func(s string, want time.Duration) {
		t.Helper()
		if got, ok := span(s); !ok || got != want {
			t.Errorf("span(%q) = %v, %v; want %v", s, got, ok, want)
		}
	}
	const day = 24 * time.Hour
	f("90d", 90*day)
	f("2w", 14*day)
	f("1w1d", 8*day)
	f("1d12h", 36*time.Hour)
	f("24h", day)
	f("1h30m", 90*time.Minute)
	for _, s := range []string{"", "0", "0d", "-1d", "+1d", "d", "1", "soon", "1d-1h", "1d1w", "36501d", "99999999999999999999d", "1d99999999h", "1.5d"} {
		if got, ok := span(s); ok {
			t.Errorf("span(%q) = %v, want a refusal", s, got)
		}
	}
}

func FuzzSpan(f *testing.F) {
	for _, s := range []string{"90d", "1w1d1h", "-5d", "99999999d", "1h", "d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := span(s); ok && (d <= 0 || d > 100*365*24*time.Hour) {
			t.Fatalf("span(%q) = %v", s, d)
		}
	})
}

// FuzzBody reads bodies as each call would. What is accepted means the same to
// encoding/json, which knows neither duplicates nor cases.
func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"name":"a","scopes":["chat"],"metadata":{"a":"b"}}`, `{"account_name":"a","models":{"a":"b"},"api_keys":[{"key":"k"}]}`, `{"name":"a","Name":"b"}`, `{"a":[{"b":1}]}`, `null`, `{"name":null}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := &Call{Body: []byte(s)}
		if k, err := decode[api.KeyCreate](c); err == nil {
			var same api.KeyCreate
			if err := json.Unmarshal(c.Body, &same); err != nil || same.Name != k.Name || len(same.Scopes) != len(k.Scopes) {
				t.Fatalf("%s is read as %+v, by encoding/json as %+v, %v", s, k, same, err)
			}
			_ = checkKey(&store.Key{Name: k.Name, Scopes: k.Scopes, Models: k.Models, IPAllow: k.IPAllow, Metadata: k.Metadata, Markup: k.Markup})
		} else if asAPI(err) == nil {
			t.Fatalf("%s: %v is not for callers", s, err)
		}
		if _, err := decode[api.AccountCreate](c); err != nil && asAPI(err) == nil {
			t.Fatalf("%s: %v is not for callers", s, err)
		}
	})
}
