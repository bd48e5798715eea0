package admin

import (
	"strings"
	"testing"
)

// TestRefusalsSayWhatIsMeant: a refusal names the kind of value that would be taken,
// not the one that was sent.
func TestRefusalsSayWhatIsMeant(t *testing.T) {
	h := newHarness(t)
	f := func(method, path, body, code, param, want string) {
		t.Helper()
		if text := h.refused(h.admin, method, path, body, 400, code, param); !strings.Contains(text, want) {
			t.Errorf("%s %s: %s lacks %q", path, body, text, want)
		}
	}
	f("POST", policies, `{"name":"p","scope":{"global":true},"limits":[{"kind":"cost_usd","limit":"5","window":"day"}]}`, "invalid_type", "limits[0].limit", "limits[0].limit must be a number")
	f("POST", policies, `{"name":"p\u202e","scope":{"global":true},"limits":[{"kind":"requests","limit":5,"window":"day"}]}`, "invalid_value", "name", "printable")
	f("POST", "/v1/admin/usage/rerate", `{"since":"2030-01-01"}`, "invalid_type", "since", "since must be a time such as 2026-")
	f("POST", "/v1/admin/api-keys", `{"name":"k","group":" a"}`, "invalid_value", "group", "without space")
	f("POST", "/v1/admin/api-keys", `{"name":"k","expires_at":"9999-12-31T23:59:59Z"}`, "invalid_value", "expires_at", "before the year 9001")
	f("GET", "/v1/admin/usage?start_date=9999-12-31", ``, "invalid_value", "start_date", "of the years 2000 to 9000")
	f("GET", "/v1/admin/usage/logs?since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", ``, "invalid_value", "since", "is after until")
	f("GET", "/v1/admin/explain?model=demo&operation=nope", ``, "invalid_value", "operation", "there are chat, count_tokens, ")
}
