package admin

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/store"
)

// TestCursors: the cursor of each list leads on in it, and is refused, as any that is
// forged, in every other.
func TestCursors(t *testing.T) {
	h := newHarness(t)
	must := func(method, path, body string) string {
		t.Helper()
		status, text := h.call(h.admin, method, path, body)
		if status/100 != 2 {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
		return text
	}
	long := strings.Repeat("长", 255)
	for _, name := range []string{"a", "b"} {
		h.mint(&store.Key{Name: name})
		must("POST", "/v1/admin/model-mappings", `{"alias":"`+long+name+`","targets":[{"model":"gpt-4o"}]}`)
		must("POST", "/v1/admin/quota-policies", `{"name":"`+name+`","scope":{"global":true},"limits":[{"kind":"requests","limit":9,"window":"day"}]}`)
		must("POST", "/v1/admin/provider-accounts", `{"provider":"openai","account_name":"`+name+`","api_key":"sk-of-a-test-only"}`)
	}
	type page struct {
		Data []json.RawMessage
		Next string `json:"next_cursor"`
	}
	read := func(path, cursor string) (p page) {
		t.Helper()
		if err := json.Unmarshal([]byte(must("GET", path+"?limit=1&cursor="+url.QueryEscape(cursor), "")), &p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	lists := []string{"/v1/admin/api-keys", "/v1/admin/audit", "/v1/admin/model-mappings", "/v1/admin/quota-policies", "/v1/admin/provider-accounts"}
	cursors := map[string]string{}
	for _, list := range lists {
		first := read(list, "")
		second := read(list, first.Next)
		if cursors[list] = first.Next; len(first.Data) != 1 || len(second.Data) != 1 || string(first.Data[0]) == string(second.Data[0]) {
			t.Errorf("%s: %s and then %s", list, first.Data, second.Data)
		}
	}
	for _, list := range lists {
		for other, cursor := range cursors {
			if other != list {
				h.refused(h.admin, "GET", list+"?cursor="+cursor, "", 400, "invalid_query", "cursor")
			}
		}
		for _, forged := range []string{"!!!", "a", "01KAJJ00000000000000000001", cursors[list][:3], cursors[list] + "=", base64.RawURLEncoding.EncodeToString([]byte("1keys \x00")), base64.RawURLEncoding.EncodeToString([]byte("1audit "))} {
			h.refused(h.admin, "GET", list+"?cursor="+url.QueryEscape(forged), "", 400, "invalid_query", "cursor")
		}
	}
}
