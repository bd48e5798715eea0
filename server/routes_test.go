package server

import (
	"bufio"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/server/admin"
)

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// concrete fills the parameters of a route's path.
func concrete(path string) string {
	return regexp.MustCompile(`\{[a-z_]+(\.\.\.)?\}`).ReplaceAllString(path, "x")
}

// TestEveryRouteIsGuarded walks the route table: no route is open that is not said
// to be, none can be used without the scope it names, and none is free by oversight.
func TestEveryRouteIsGuarded(t *testing.T) {
	b := newBench(t)
	// keys by the one scope they hold, and the key that has none
	held := map[string]string{"": b.key(nil)}
	for _, scope := range []string{"chat", "embeddings", "images", "viewer", "keys:write", "providers:write", "config:write", "billing", "admin"} {
		held[scope] = b.key([]string{scope})
	}
	public := map[string]bool{}
	guarded, refused := 0, 0
	for _, r := range b.s.routes.all {
		if r.scope == "" || r.meter != MeterLedger && r.meter != MeterFree {
			t.Errorf("%s %s has scope %q and meter %q", r.method, r.path, r.scope, r.meter)
		}
		if strings.HasPrefix(r.path, "/v1") && r.scope == scopePublic {
			t.Errorf("%s %s needs no key", r.method, r.path)
		}
		if strings.HasPrefix(r.path, "/v1/admin") && !strings.HasPrefix(r.path, "/v1/admin/usage") && r.scope == scopeSelf {
			t.Errorf("%s %s is open to every key", r.method, r.path)
		}
		path := concrete(r.path)
		if r.scope == scopePublic {
			public[r.path] = true
			continue
		}
		guarded++
		what := r.method + " " + path
		for name, key := range map[string]string{"no key": "", "a wrong key": "sk-gw-00000000_" + strings.Repeat("a", 49)} {
			got := b.call(r.method, path, key, "")
			if got.status != 401 || r.method != "HEAD" && got.errorOf().Error.Code != "invalid_api_key" || got.head.Get("X-Request-Id") == "" {
				t.Errorf("%s with %s: %v", what, name, got)
			}
		}
		for scope, key := range held {
			if r.scope == scopeSelf || scope == r.scope || r.scope == "viewer" && (strings.HasSuffix(scope, ":write") || scope == "billing") || scope == "admin" || scope == "" && r.meter == MeterLedger {
				continue
			}
			refused++
			got := b.call(r.method, path, key, "")
			if e := got.errorOf().Error; got.status != 403 || e.Code != "missing_scope" && e.Type != "permission_error" || !strings.Contains(e.Message, `"`+r.scope+`"`) || !strings.Contains(e.Message, "ai-gateway api-key create") {
				t.Errorf("%s with scope %q: %v", what, scope, got)
			}
		}
	}
	if guarded < 30 || refused < 100 {
		t.Errorf("only %d routes and %d refusals were tried", guarded, refused)
	}
	if len(public) != 11 {
		t.Errorf("the routes without a key are %v: is each meant to be?", public)
	}
	if b.calls() != 0 || len(b.rows.served()) != 0 {
		t.Errorf("%d calls reached the upstream, %d rows were written", b.calls(), len(b.rows.served()))
	}
}

// TestWrongMethods: every path answers methods it does not know with 405, in JSON,
// naming those it does; other paths answer 404.
func TestWrongMethods(t *testing.T) {
	b := newBench(t)
	key := b.key([]string{"admin"})
	known := map[string][]string{}
	for _, r := range b.s.routes.all {
		known[r.path] = append(known[r.path], r.method)
	}
	for path, has := range known {
		for _, m := range methods {
			if slices.Contains(has, m) {
				continue
			}
			got := b.call(m, concrete(path), key, "")
			allow := strings.Split(got.head.Get("Allow"), ", ")
			slices.Sort(has)
			if got.status != 405 || !slices.Equal(allow, has) || m != "HEAD" && got.errorOf().Error.Message == "" {
				t.Errorf("%s %s, which knows %v: %v, Allow %v", m, path, has, got, allow)
			}
		}
	}
	for _, path := range []string{"/v1", "/v1/", "/v1/chat", "/v2/models", "/v1/admin", "/v1/admin/api-keys/x/y/z", "/livez/", "/debug/pprof/", "/debug/vars"} {
		for _, m := range methods {
			got := b.call(m, path, key, "")
			if got.status != 404 || m != "HEAD" && got.errorOf().Error.Code != "unknown_path" {
				t.Errorf("%s %s: %v", m, path, got)
			}
		}
	}
}

// TestIncompleteRoute: a route without its scope, meter, dialect or handler cannot be registered.
func TestIncompleteRoute(t *testing.T) {
	f := func(name string, r route) {
		t.Helper()
		defer func() {
			v := recover()
			if s, ok := v.(string); !ok || !strings.HasPrefix(s, "BUG: ") {
				t.Errorf("%s: %v", name, v)
			}
		}()
		newRoutes().add(&r)
		t.Errorf("%s was registered", name)
	}
	h := func(*call) {}
	f("no scope", route{method: "GET", path: "/x", meter: MeterFree, handle: h})
	f("no meter", route{method: "GET", path: "/x", scope: "admin", handle: h})
	f("no method", route{path: "/x", scope: "admin", meter: MeterFree, handle: h})
	f("no handler", route{method: "GET", path: "/x", scope: "admin", meter: MeterFree})
	f("metered without an operation", route{method: "GET", path: "/x", scope: "chat", meter: MeterLedger, handle: h})
	newRoutes().add(&route{method: "GET", path: "/x", scope: "admin", meter: MeterFree, handle: h})
}

// TestScopesAgree: server and admin API judge the scopes alike.
func TestScopesAgree(t *testing.T) {
	all := []string{"chat", "viewer", "keys:write", "providers:write", "config:write", "billing", "admin"}
	for _, has := range all {
		for _, r := range (&admin.Admin{}).Routes() {
			want := r.Scope == "self" || has == "admin" || has == r.Scope || r.Scope == "viewer" && has != "chat"
			if got := allowed(&admin.Caller{Scopes: []string{has}, Admin: has == "admin"}, r.Scope, false) == nil; got != want {
				t.Errorf("%s %s with %s: %v", r.Method, r.Path, has, got)
			}
		}
	}
}

// TestListedPathsAreCanonical: of what is found in the table as it stands neither the
// form is checked nor the path taken from fasthttp.
func TestListedPathsAreCanonical(t *testing.T) {
	b := newBench(t)
	for path := range b.s.routes.exact {
		var uri fasthttp.URI
		if err := uri.Parse(nil, []byte(path)); err != nil || string(uri.Path()) != path || checkTarget([]byte(path)) != nil {
			t.Errorf("%s is %s to fasthttp: %v, %v", path, uri.Path(), err, checkTarget([]byte(path)))
		}
	}
}

// TestFromOutside: what loopback peers may do without a key, or with the local
// CLI's token, others may not.
func TestFromOutside(t *testing.T) {
	b := newBench(t)
	f := func(path, peer, key string, want int) {
		t.Helper()
		var req fasthttp.Request
		head := "GET " + path + " HTTP/1.1\r\nHost: gateway\r\n"
		if key != "" {
			head += "Authorization: Bearer " + key + "\r\n"
		}
		if err := req.Read(bufio.NewReader(strings.NewReader(head + "\r\n"))); err != nil {
			t.Fatal(err)
		}
		var ctx fasthttp.RequestCtx
		ctx.Init(&req, &net.TCPAddr{IP: net.ParseIP(peer), Port: 999}, nil)
		b.s.handle(&ctx)
		if got := ctx.Response.StatusCode(); got != want {
			t.Errorf("%s from %s: %d, want %d: %.200s", path, peer, got, want, ctx.Response.Body())
		}
	}
	for _, local := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"} {
		f("/metrics", local, "", 200)
		f("/v1/admin/api-keys", local, localToken, 200)
	}
	for _, foreign := range []string{"203.0.113.9", "10.0.0.2", "2001:db8::1"} {
		f("/metrics", foreign, "", 401)
		f("/metrics", foreign, b.key(nil), 403)
		f("/metrics", foreign, b.key([]string{"viewer"}), 200)
		f("/metrics", foreign, b.key([]string{"admin"}), 200)
		f("/v1/admin/api-keys", foreign, localToken, 401)
		f("/v1/admin/api-keys", foreign, adminEnv, 200)
	}
}
