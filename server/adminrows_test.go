package server

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// planted is a server whose admin plane has one object of each kind.
type planted struct {
	*bench
	admin string
	ids   map[string]string // by collection
}

func plant(t *testing.T, prepare ...func(*Options)) *planted {
	t.Helper()
	p := &planted{bench: newBench(t, prepare...), ids: map[string]string{}}
	p.admin = p.key([]string{"admin"})
	for path, body := range map[string]string{
		"/v1/admin/api-keys":          `{"name":"planted"}`,
		"/v1/admin/provider-accounts": `{"provider":"openai","account_name":"planted","base_url":"https://example.com/v1","api_key":"sk-planted-0123456789"}`,
		"/v1/admin/model-mappings":    `{"alias":"planted","targets":[{"model":"gpt-x"}]}`,
		"/v1/admin/quota-policies":    `{"name":"planted","scope":{"global":true},"limits":[{"kind":"requests","limit":1000000,"window":"day"}]}`,
	} {
		got := p.call("POST", path, p.admin, body)
		var made struct{ ID string }
		if json.Unmarshal([]byte(got.body), &made) != nil || got.status != 201 || made.ID == "" {
			t.Fatalf("POST %s: %v", path, got)
		}
		p.ids[path] = made.ID
	}
	return p
}

// at fills a route's path with what is planted.
func (p *planted) at(path string) string {
	for collection, id := range p.ids {
		if rest, ok := strings.CutPrefix(path, collection+"/{id}"); ok {
			return collection + "/" + id + rest
		}
	}
	return concrete(path)
}

// state is all that the admin plane shows of its objects.
func (p *planted) state() map[string]string {
	p.t.Helper()
	out := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(p.ids)) {
		got := p.call("GET", path+"?limit=1000", p.admin, "")
		if got.status != 200 {
			p.t.Fatalf("GET %s: %v", path, got)
		}
		var page struct{ Data []map[string]json.RawMessage }
		_ = json.Unmarshal([]byte(got.body), &page)
		for _, row := range page.Data {
			delete(row, "last_used_at") // the key that looks is one of them
		}
		b, _ := json.Marshal(page.Data)
		out[path] = string(b)
	}
	out["prices"] = p.call("GET", "/v1/admin/prices", p.admin, "").body
	return out
}

func (p *planted) unchanged(before map[string]string, what string) {
	p.t.Helper()
	if after := p.state(); !maps.Equal(before, after) {
		p.t.Errorf("%s: changed from\n%v\nto\n%v", what, before, after)
	}
}

// TestForeignSessions (row 86): on each route of the admin API and with each of its
// methods, a session that has ended, one of a key with too little, and none at all
// are refused, change nothing, and are in the audit trail.
func TestForeignSessions(t *testing.T) {
	var ahead atomic.Int64
	p := plant(t, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) } })
	expired, _ := p.signIn(p.admin)
	ahead.Store(int64(13 * time.Hour))
	chat, _ := p.signIn(p.key([]string{"chat"}))
	viewer, _ := p.signIn(p.key([]string{"viewer"}))
	var gone *store.Key
	revoked, _ := p.signIn(p.key([]string{"admin"}, func(k *store.Key) { gone = k }))
	ended := *gone
	ended.RevokedAt = time.Now().Add(-time.Minute)
	p.keys.Put(&ended)
	before := p.state()
	tried := 0
	for _, r := range p.s.routes.all {
		if !strings.HasPrefix(r.path, "/v1/admin") || r.scope == scopeSelf {
			continue
		}
		path := p.at(r.path)
		f := func(who string, w browser, want int) {
			t.Helper()
			tried++
			got := w.call(r.method, path, "{}", "Content-Type", "application/json", "X-CSRF-Token", w.csrf)
			if got.status != want || got.head.Get("X-Request-Id") == "" {
				t.Errorf("%s %s by %s: %v, want %d", r.method, path, who, got, want)
			}
		}
		f("a session that has ended", expired, 401)
		f("a session whose key is revoked", revoked, 401)
		f("a made-up session", browser{p.bench, "ai-gateway-session=" + strings.Repeat("A", 43), "x"}, 401)
		f("a session of a key for chat", chat, 403)
		if r.scope != "viewer" {
			f("a viewer's session", viewer, 403)
		}
	}
	if tried < 100 {
		t.Errorf("only %d were tried", tried)
	}
	p.unchanged(before, "after the refusals")
	if got := p.call("GET", "/v1/admin/audit?limit=200", p.admin, ""); strings.Count(got.body, `"denied"`) < 20 || !strings.Contains(got.body, "missing_scope") {
		t.Errorf("the audit trail: %v", got)
	}
}

// TestMassAssignment (row 87): every route of the admin API that takes a body refuses
// members it does not know, and names the member.
func TestMassAssignment(t *testing.T) {
	p := plant(t)
	before := p.state()
	routes := 0
	for _, r := range p.s.routes.all {
		if !strings.HasPrefix(r.path, "/v1/admin") || r.method == "GET" || r.method == "HEAD" || r.method == "DELETE" {
			continue
		}
		path := p.at(r.path)
		if strings.HasSuffix(path, "/cancel") || strings.HasSuffix(path, "/rotate") || strings.HasSuffix(path, "/backup") || strings.HasSuffix(path, "/verify") || strings.HasSuffix(path, "/reload") || strings.HasSuffix(path, "/test") || strings.HasSuffix(path, "/reset") {
			continue // take no body
		}
		routes++
		for _, member := range []string{"role", "spent", "id", "created_by", "created_at", "origin", "read_only", "hash", "is_admin", "__proto__", "no_such_member"} {
			got := p.call(r.method, path, p.admin, `{"`+member+`":"x"}`)
			e := got.errorOf().Error
			if got.status != 400 || e.Code != "unknown_field" || e.Param == nil || *e.Param != member || !strings.Contains(e.Message, member) {
				t.Errorf("%s %s with %s: %v", r.method, path, member, got)
			}
		}
	}
	if routes < 10 {
		t.Errorf("only %d routes take a body", routes)
	}
	p.unchanged(before, "after mass assignment")
}

// TestNoGetChanges (row 89): no GET of the whole gateway changes anything, whatever
// it is asked for, and methods cannot be overridden by header or query.
func TestNoGetChanges(t *testing.T) {
	p := plant(t)
	w, _ := p.signIn(p.admin)
	before := p.state()
	tried := 0
	for _, r := range p.s.routes.all {
		if r.method != "GET" && r.method != "HEAD" {
			// A page elsewhere can make a browser send a GET with the cookie.
			got := w.call("GET", p.at(r.path), "", "X-HTTP-Method-Override", r.method, "Sec-Fetch-Site", "same-origin")
			if got.status == 201 || got.status == 204 {
				t.Errorf("GET %s in place of %s: %v", r.path, r.method, got)
			}
			tried++
			continue
		}
		if r.path == "/v1/admin/requests/live" { // a feed that does not end
			continue
		}
		for _, query := range []string{"", "?_method=DELETE", "?delete=true", "?name=x&scopes=admin"} {
			got := w.call(r.method, p.at(r.path)+query, "")
			if got.status >= 500 && r.path != "/readyz" {
				t.Errorf("%s %s%s: %v", r.method, r.path, query, got)
			}
			tried++
		}
	}
	if tried < 100 {
		t.Errorf("only %d were tried", tried)
	}
	p.unchanged(before, "after GETs")
	if n := len(p.rows.served()); n != 0 {
		t.Errorf("%d rows were written by GETs", n)
	}
}

// TestForgedRequests (row 89): with the cookie of a session, but without the token,
// as a form, as plain text, from another site or under another name, no route that
// changes anything answers with more than a refusal.
func TestForgedRequests(t *testing.T) {
	p := plant(t)
	w, _ := p.signIn(p.admin)
	before := p.state()
	tried := 0
	token := []string{"X-CSRF-Token", w.csrf, "Content-Type", "application/json"}
	for _, r := range p.s.routes.all {
		if !strings.HasPrefix(r.path, "/v1/admin") && r.path != "/admin/session" || r.method == "GET" || r.method == "HEAD" || r.scope == scopePublic {
			continue
		}
		path := p.at(r.path)
		for name, header := range map[string][]string{
			"no token":          {"Content-Type", "application/json"},
			"a wrong token":     {"Content-Type", "application/json", "X-CSRF-Token", strings.Repeat("A", len(w.csrf))},
			"a form":            {"Content-Type", "application/x-www-form-urlencoded", "X-CSRF-Token", w.csrf},
			"a multipart form":  {"Content-Type", "multipart/form-data; boundary=b", "X-CSRF-Token", w.csrf},
			"plain text":        {"Content-Type", "text/plain", "X-CSRF-Token", w.csrf},
			"another origin":    append([]string{"Origin", "https://evil.example"}, token...),
			"Origin null":       append([]string{"Origin", "null"}, token...),
			"a cross-site page": append([]string{"Sec-Fetch-Site", "cross-site"}, token...),
			"a rebound name":    append([]string{"Host", "evil.example"}, token...),
		} {
			tried++
			if got := w.call(r.method, path, `{"name":"forged"}`, header...); got.status != 403 {
				t.Errorf("%s %s as %s: %v", r.method, path, name, got)
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d were tried", tried)
	}
	p.unchanged(before, "after forged requests")
}
