package server

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// surfaces are the two dialects callers speak here.
var surfaces = []struct{ path, ask string }{
	{"/v1/chat/completions", chatAsk},
	{"/v1/messages", messagesAsk},
}

// TestKeyCarriers: every header the clients use carries a key, on each surface.
func TestKeyCarriers(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	for _, sf := range surfaces {
		f := func(name string, want int, code string, header ...string) {
			t.Helper()
			got := b.call("POST", sf.path, "", sf.ask, header...)
			if got.status != want || !strings.Contains(got.body, code) {
				t.Errorf("%s, %s: %v, want %d %s", sf.path, name, got, want, code)
			}
			if strings.Contains(got.body, key) {
				t.Errorf("%s, %s: the key is echoed", sf.path, name)
			}
		}
		f("bearer", 200, "", "Authorization", "Bearer "+key)
		f("bearer in capitals", 200, "", "Authorization", "BEARER "+key)
		f("x-api-key", 200, "", "X-Api-Key", key)
		f("api-key", 200, "", "Api-Key", key)
		f("x-goog-api-key", 200, "", "X-Goog-Api-Key", key)
		f("two equal", 200, "", "X-Api-Key", key, "Authorization", "Bearer "+key)
		f("all four equal", 200, "", "X-Api-Key", key, "Authorization", "Bearer "+key, "Api-Key", key, "X-Goog-Api-Key", key)
		f("two different", 400, "several different API keys", "X-Api-Key", key, "Api-Key", key+"x")
		f("basic", 401, "Bearer", "Authorization", "Basic "+key)
		f("none", 401, "no API key was sent")
		f("too long", 401, "not valid", "X-Api-Key", strings.Repeat("k", maxCredential+1))
		got := b.call("POST", sf.path+"?key="+key, "", sf.ask)
		if got.status != 400 || !strings.Contains(got.body, "URL") {
			t.Errorf("%s, key in the URL: %v", sf.path, got)
		}
	}
	if strings.Contains(b.log.String(), key) {
		t.Error("the log holds the key")
	}
	if challenge := b.call("POST", "/v1/messages", "", messagesAsk).head.Get("WWW-Authenticate"); challenge != "Bearer" {
		t.Errorf("WWW-Authenticate is %q", challenge)
	}
}

// TestKeysEnd: what ends a key ends it for the very next request.
func TestKeysEnd(t *testing.T) {
	b := newBench(t)
	f := func(name string, key string, want int, word string) {
		t.Helper()
		for _, sf := range surfaces {
			if got := b.call("POST", sf.path, key, sf.ask); got.status != want || !strings.Contains(got.body, word) {
				t.Errorf("%s at %s: %v, want %d %q", name, sf.path, got, want, word)
			}
		}
	}
	f("expired", b.key(nil, func(k *store.Key) { k.ExpiresAt = time.Now().Add(-time.Second) }), 401, "expired at")
	f("not yet expired", b.key(nil, func(k *store.Key) { k.ExpiresAt = time.Now().Add(time.Hour) }), 200, "")
	f("revoked", b.key(nil, func(k *store.Key) { k.RevokedAt = time.Now().Add(-time.Second) }), 401, "revoked")
	f("address not allowed", b.key(nil, func(k *store.Key) { k.IPAllow = []string{"10.0.0.0/8", "2001:db8::/32"} }), 403, "127.0.0.1")
	f("address allowed", b.key(nil, func(k *store.Key) { k.IPAllow = []string{"10.0.0.0/8", "127.0.0.0/8"} }), 200, "")

	root := b.key([]string{"admin"})
	var made struct{ ID, Key string }
	create := func() {
		t.Helper()
		got := b.call("POST", "/v1/admin/api-keys", root, `{"name":"short-lived"}`)
		if got.status != 201 || json.Unmarshal([]byte(got.body), &made) != nil {
			t.Fatal(got)
		}
	}
	create()
	f("new", made.Key, 200, "")
	for _, p := range []struct {
		body string
		want int
		word string
	}{{`{"paused":true}`, 403, "is paused: `ai-gateway api-key resume"}, {`{"paused":false}`, 200, ""}} {
		if got := b.call("PATCH", "/v1/admin/api-keys/"+made.ID, root, p.body); got.status != 200 {
			t.Fatal(got)
		}
		f("after "+p.body, made.Key, p.want, p.word)
	}
	if got := b.call("PATCH", "/v1/admin/api-keys/"+made.ID, root, `{"revoked":true}`); got.status != 200 {
		t.Fatal(got)
	}
	f("revoked through the API", made.Key, 401, "revoked")
	create()
	f("another", made.Key, 200, "")
	if got := b.call("DELETE", "/v1/admin/api-keys/"+made.ID, root, ""); got.status != 200 {
		t.Fatal(got)
	}
	f("deleted through the API", made.Key, 401, "not valid")
}

// TestTrustedProxies: X-Forwarded-For counts only from proxies that are named, and
// only up to the first hop that is not one.
func TestTrustedProxies(t *testing.T) {
	f := func(trusted []netip.Prefix, forwarded, allow string, want int) {
		t.Helper()
		b := newBench(t, func(o *Options) { o.Trusted = trusted })
		key := b.key(nil, func(k *store.Key) { k.IPAllow = []string{allow} })
		req, err := http.NewRequest("GET", b.url+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header["X-Forwarded-For"] = strings.Split(forwarded, "|") // a line each
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("forwarded %q, allowed %s: %d, want %d", forwarded, allow, resp.StatusCode, want)
		}
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	f(nil, "203.0.113.9", "203.0.113.9/32", 403) // nobody is trusted: the peer counts
	f(nil, "203.0.113.9", "127.0.0.1/32", 200)
	f(loopback, "203.0.113.9", "203.0.113.9/32", 200)
	f(loopback, "203.0.113.9", "127.0.0.1/32", 403)
	f(loopback, "198.51.100.7, 203.0.113.9", "203.0.113.9/32", 200) // what stands left of it, the caller wrote
	f(loopback, "198.51.100.7, 203.0.113.9", "198.51.100.7/32", 403)
	f(loopback, "198.51.100.7|203.0.113.9", "203.0.113.9/32", 200) // a proxy that adds a line
	f(loopback, "198.51.100.7|203.0.113.9", "198.51.100.7/32", 403)
	f(loopback, "nonsense", "127.0.0.1/32", 200)
}

// TestAllowList: a key with an allow list gets those models by any name, and no
// other by any name.
func TestAllowList(t *testing.T) {
	b := newBench(t)
	f := func(models []string, body string, want int) {
		t.Helper()
		key := b.key(nil, func(k *store.Key) { k.Models = models })
		before := b.calls()
		got := b.call("POST", "/v1/chat/completions", key, body)
		if got.status != want {
			t.Errorf("models %q, %s: %v, want %d", models, body, got, want)
		}
		if want == 403 && (got.errorOf().Error.Code != "model_not_allowed" || b.calls() != before) {
			t.Errorf("models %q, %s: %v, or it was sent on", models, body, got)
		}
	}
	ask := func(model, more string) string {
		return `{"model":"` + model + `","messages":[{"role":"user","content":"hi"}]` + more + `}`
	}
	f(nil, ask("gpt-x", ""), 200)
	f([]string{"*"}, ask("gpt-x", ""), 200)
	f([]string{"gpt-*"}, ask("gpt-x", ""), 200)
	f([]string{"gpt-x"}, ask("claude-x", ""), 403)
	f([]string{"gpt-x"}, ask("GPT-X", ""), 403)
	f([]string{"fast"}, ask("fast", ""), 200)  // the alias is what was asked for
	f([]string{"fast"}, ask("gpt-x", ""), 403) // and not what it leads to
	f([]string{"gpt-x"}, ask("fast", ""), 403) // nor the other way
	f([]string{"gpt-x"}, ask("claude-x", `,"provider":"anthropic"`), 403)
	f([]string{"gpt-x"}, ask("anthropic/claude-x", ""), 403)
	f([]string{"gpt-x"}, ask("ant/claude-x", ""), 403)
	f([]string{"gpt-x"}, ask("claude/claude-x", ""), 403)
	f([]string{"claude-x"}, ask("ant/claude-x", ""), 403) // "account/model" is a name of its own: it must be on the list
	f([]string{"ant/*"}, ask("ant/claude-x", ""), 200)
	f([]string{"gpt-x"}, ask("gpt-x", `,"fallbacks":["anthropic/claude-x"]`), 403)
	f([]string{"gpt-x"}, ask("gpt-x", `,"fallbacks":["claude-x"]`), 403)
	f([]string{"gpt-x", "claude-x"}, ask("gpt-x", `,"fallbacks":["claude-x"]`), 200)
}

// TestModels: the list is the key's own, in the shape of the caller's dialect.
func TestModels(t *testing.T) {
	b := newBench(t)
	list := func(key string, header ...string) []string {
		t.Helper()
		got := b.call("GET", "/v1/models", key, "", header...)
		var l struct {
			Object string
			Data   []struct {
				ID, Object, Type string
				OwnedBy          string `json:"owned_by"`
			}
		}
		if got.status != 200 || json.Unmarshal([]byte(got.body), &l) != nil {
			t.Fatal(got)
		}
		var ids []string
		for _, m := range l.Data {
			ids = append(ids, m.ID)
			if len(header) == 0 && (m.Object != "model" || m.OwnedBy == "" || l.Object != "list") || len(header) > 0 && m.Type != "model" {
				t.Errorf("%v: %s", header, got.body)
			}
		}
		return ids
	}
	all := []string{"fast", "claude-x", "gpt-x", "team/gpt-y"}
	if got := list(b.key(nil)); !slices.Equal(got, all) {
		t.Errorf("all: %q", got)
	}
	if got := list(b.key([]string{"viewer"}), "anthropic-version", "2023-06-01"); !slices.Equal(got, all) {
		t.Errorf("all in Anthropic's shape: %q", got)
	}
	few := b.key(nil, func(k *store.Key) { k.Models = []string{"gpt-*", "team/*"} })
	if got := list(few); !slices.Equal(got, []string{"gpt-x", "team/gpt-y"}) {
		t.Errorf("few: %q", got)
	}

	// pages in Anthropic's shape
	key := b.key(nil)
	type page struct {
		Data    []struct{ ID, DisplayName string }
		HasMore bool    `json:"has_more"`
		FirstID *string `json:"first_id"`
		LastID  *string `json:"last_id"`
	}
	var ids []string
	for after := ""; ; {
		got := b.call("GET", "/v1/models?limit=3&after_id="+after, key, "", "anthropic-version", "2023-06-01")
		var p page
		if got.status != 200 || json.Unmarshal([]byte(got.body), &p) != nil || len(p.Data) == 0 || p.FirstID == nil || *p.FirstID != p.Data[0].ID || *p.LastID != p.Data[len(p.Data)-1].ID {
			t.Fatalf("page after %q: %v", after, got)
		}
		for _, m := range p.Data {
			ids = append(ids, m.ID)
		}
		if after = *p.LastID; !p.HasMore {
			break
		}
	}
	if !slices.Equal(ids, all) {
		t.Errorf("the pages hold %q", ids)
	}

	// one model, its name with a slash spelled either way
	for _, path := range []string{"gpt-x", "fast", "team%2Fgpt-y", "team%2fgpt-y", "team/gpt-y"} {
		got := b.call("GET", "/v1/models/"+path, key, "")
		want := strings.NewReplacer("%2F", "/", "%2f", "/").Replace(path)
		var m struct{ ID, Object string }
		if got.status != 200 || json.Unmarshal([]byte(got.body), &m) != nil || m.ID != want || m.Object != "model" {
			t.Errorf("%s: %v", path, got)
		}
	}
	// but no way out of there: what looks at paths in front of the gateway sees models
	for _, path := range []string{"..%2fadmin%2fapi-keys", "..%2F..%2fhealth", "x%2f..%2f..%2f..%2fmetrics", "a%2f.%2fb", "%2f..", "..%2f"} {
		if got := b.call("GET", "/v1/models/"+path, key, ""); got.status != 400 || got.errorOf().Error.Code != "bad_path" {
			t.Errorf("%s: %v", path, got)
		}
	}
	if got := b.call("GET", "/v1/models/claude-x", key, "", "anthropic-version", "2023-06-01"); !strings.Contains(got.body, `"type":"model"`) {
		t.Errorf("in Anthropic's shape: %v", got)
	}
	if got := b.call("GET", "/v1/models/nothing", key, ""); got.status != 404 || got.errorOf().Error.Code != "model_not_found" {
		t.Errorf("unknown: %v", got)
	}
	if got := b.call("GET", "/v1/models/claude-x", few, ""); got.status != 403 {
		t.Errorf("not allowed: %v", got)
	}
	if got := b.call("HEAD", "/v1/models", key, ""); got.status != 200 || got.body != "" {
		t.Errorf("HEAD: %v", got)
	}
}

// TestKeyFilter: "key" is a filter of the admin API, and refused where it may be a key itself.
func TestKeyFilter(t *testing.T) {
	f := func(path, value string, want bool) {
		t.Helper()
		if got := isFilter([]byte(path), []byte(value)); got != want {
			t.Errorf("isFilter(%s, %s) = %v, want %v", path, value, got, want)
		}
	}
	f("/v1/admin/usage", "ab12cd34", true)
	f("/v1/admin/usage", "", true)
	f("/v1/admin/usage", "sk-gw-ab12cd34", false)
	f("/v1/admin/usage", "0123456789012345678901234567890123456789", false)
	f("/v1/models", "ab12cd34", false)
}
