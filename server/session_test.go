package server

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// A browser is signed in to a bench.
type browser struct {
	b            *bench
	cookie, csrf string
}

func (b *bench) signIn(key string, header ...string) (browser, answer) {
	b.t.Helper()
	got := b.call("POST", "/admin/session", "", `{"key":"`+key+`"}`, append([]string{"Content-Type", "application/json"}, header...)...)
	var v sessionView
	_ = json.Unmarshal([]byte(got.body), &v)
	cookie, _, _ := strings.Cut(got.head.Get("Set-Cookie"), ";")
	return browser{b, cookie, v.CSRF}, got
}

func (w browser) call(method, path, body string, header ...string) answer {
	w.b.t.Helper()
	return w.b.call(method, path, "", body, append([]string{"Cookie", w.cookie}, header...)...)
}

// TestSession: a key is exchanged for a cookie that scripts cannot read; what the
// session may do is what the key may, and changes need the token.
func TestSession(t *testing.T) {
	b := newBench(t)
	key := b.key([]string{"admin"})
	w, got := b.signIn(key)
	set := got.head.Get("Set-Cookie")
	if got.status != 201 || w.csrf == "" || strings.Contains(got.body, key) {
		t.Fatal(got)
	}
	for _, attribute := range []string{"ai-gateway-session=", "HttpOnly", "SameSite=Strict", "path=/"} {
		if !strings.Contains(set, attribute) {
			t.Errorf("the cookie lacks %s: %s", attribute, set)
		}
	}
	f := func(want int, code, method, path, body string, header ...string) {
		t.Helper()
		got := w.call(method, path, body, header...)
		if got.status != want || code != "" && got.errorOf().Error.Code != code {
			t.Errorf("%s %s %v: %v, want %d %s", method, path, header, got, want, code)
		}
	}
	json := []string{"Content-Type", "application/json", "X-CSRF-Token", w.csrf}
	f(200, "", "GET", "/admin/session", "")
	f(200, "", "GET", "/v1/admin/api-keys", "")
	f(403, "csrf", "POST", "/v1/admin/api-keys", `{"name":"x"}`, "Content-Type", "application/json")
	f(403, "csrf", "POST", "/v1/admin/api-keys", `{"name":"x"}`, "Content-Type", "application/json", "X-CSRF-Token", "x")
	f(403, "content_type", "POST", "/v1/admin/api-keys", `{"name":"x"}`, "Content-Type", "text/plain", "X-CSRF-Token", w.csrf)
	f(403, "cross_site", "POST", "/v1/admin/api-keys", `{"name":"x"}`, append(json, "Origin", "https://evil.example")...)
	f(403, "cross_site", "POST", "/v1/admin/api-keys", `{"name":"x"}`, append(json, "Origin", "null")...)
	f(403, "cross_site", "GET", "/v1/admin/api-keys", "", "Sec-Fetch-Site", "cross-site")
	f(403, "host_not_allowed", "GET", "/v1/admin/api-keys", "", "Host", "evil.example")
	if n := b.keys.Len(); n != 1 {
		t.Errorf("%d keys after refusals", n)
	}
	f(201, "", "POST", "/v1/admin/api-keys", `{"name":"x"}`, append(json, "Origin", b.url)...)
	f(200, "", "POST", "/v1/chat/completions", `{"model":"gpt-x","messages":[]}`, json...)
	f(403, "csrf", "DELETE", "/admin/session", "")
	f(204, "", "DELETE", "/admin/session", "", json...)
	f(401, "session_ended", "GET", "/v1/admin/api-keys", "")
}

// TestSessionRights: a session can do what its key can, as long as the key can.
func TestSessionRights(t *testing.T) {
	b := newBench(t)
	var k *store.Key
	w, _ := b.signIn(b.key([]string{"viewer"}, func(key *store.Key) { k = key }))
	if got := w.call("POST", "/v1/admin/api-keys", `{"name":"x"}`, "Content-Type", "application/json", "X-CSRF-Token", w.csrf); got.status != 403 || got.errorOf().Error.Code != "missing_scope" {
		t.Errorf("a viewer made a key: %v", got)
	}
	revoked := *k
	revoked.RevokedAt = time.Now().Add(-time.Second)
	b.keys.Put(&revoked)
	if got := w.call("GET", "/v1/admin/api-keys", ""); got.status != 401 {
		t.Errorf("the session outlived its key: %v", got)
	}
	env, got := b.signIn(adminEnv)
	if got.status != 201 || env.call("GET", "/v1/admin/api-keys", "").status != 200 {
		t.Errorf("the key of the environment: %v", got)
	}
	// A key in a header goes before the cookie, and needs no token.
	if got := env.call("GET", "/v1/key", "", "Authorization", "Bearer "+b.key([]string{"chat"})); got.status != 200 || !strings.Contains(got.body, `"chat"`) {
		t.Errorf("header beside a cookie: %v", got)
	}
}

// TestSessionEnds: after half an hour of rest, and after twelve hours in any case.
func TestSessionEnds(t *testing.T) {
	var ahead atomic.Int64
	b := newBench(t, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) } })
	key := b.key([]string{"viewer"})
	w, _ := b.signIn(key)
	f := func(after time.Duration, want int) {
		t.Helper()
		ahead.Add(int64(after))
		if got := w.call("GET", "/v1/admin/api-keys", ""); got.status != want {
			t.Errorf("after %v more: %v, want %d", after, got, want)
		}
	}
	f(29*time.Minute, 200)
	f(29*time.Minute, 200)
	f(31*time.Minute, 401)
	w, _ = b.signIn(key)
	for range 24 {
		f(29*time.Minute, 200)
	}
	f(29*time.Minute, 401)
}

// TestSignInThrottle: who guesses keys is stopped; who is signed in is not, and a
// minute later all may try again.
func TestSignInThrottle(t *testing.T) {
	var ahead atomic.Int64
	start := time.Now().Truncate(time.Minute)
	b := newBench(t, func(o *Options) { o.Now = func() time.Time { return start.Add(time.Duration(ahead.Load())) } })
	key := b.key([]string{"viewer"})
	w, _ := b.signIn(key)
	statuses := map[int]int{}
	for range 1000 {
		_, got := b.signIn("sk-gw-guess")
		statuses[got.status]++
	}
	if statuses[401] != loginsPerIP || statuses[429] != 1000-loginsPerIP {
		t.Errorf("1,000 guesses were answered %v", statuses)
	}
	if got := w.call("GET", "/v1/admin/api-keys", ""); got.status != 200 {
		t.Errorf("the open session: %v", got)
	}
	ahead.Store(int64(time.Minute))
	if _, got := b.signIn(key); got.status != 201 {
		t.Errorf("a minute later: %v", got)
	}
	for i := range 3 * maxSessions {
		b.s.sessions.begin([32]byte{byte(i)}, start)
	}
	if n := len(b.s.sessions.open); n > maxSessions {
		t.Errorf("%d sessions are kept", n)
	}
}

// TestSignInBodies: what is no key is refused and opens nothing.
func TestSignInBodies(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	f := func(want int, body string, header ...string) {
		t.Helper()
		got := b.call("POST", "/admin/session", "", body, append([]string{"Content-Type", "application/json"}, header...)...)
		if got.status != want || got.head.Get("Set-Cookie") != "" {
			t.Errorf("%.40q %v: %v, want %d", body, header, got, want)
		}
	}
	f(400, "")
	f(400, "null")
	f(400, `{"key":""}`)
	f(400, `{"key":"`+strings.Repeat("x", 600)+`"}`)
	f(413, `{"key":"`+strings.Repeat("x", 8000)+`"}`)
	f(400, `{"key":"`+key+`"}`, "Content-Type", "text/plain")
	f(403, `{"key":"`+key+`"}`, "Origin", "https://evil.example")
	f(403, `{"key":"`+key+`"}`, "Host", "rebound.example")
	for _, path := range []string{"/admin/", "/admin/index.html"} {
		if got := b.call("GET", path, "", "", "Host", "rebound.example"); got.status != http.StatusForbidden {
			t.Errorf("%s under a foreign name: %v", path, got)
		}
	}
}

// TestPublicHost: a name that the configuration gives is allowed.
func TestPublicHost(t *testing.T) {
	b := newBench(t, func(o *Options) { o.PublicHosts = []string{"gw.example.com"} })
	for host, want := range map[string]bool{
		"gw.example.com": true, "GW.example.com:8443": true, "gw.example.com.evil.net": false, "localhost:8080": true, "127.0.0.1": true, "[::1]:8080": true, "10.1.2.3:80": true, "example.com": false, "": false,
	} {
		if b.s.ownHost(host) != want {
			t.Errorf("host %q: %v", host, !want)
		}
	}
}

// TestDeniedIsAudited: refused calls of the admin API are in the audit trail, but
// who knocks in a loop does not fill it.
func TestDeniedIsAudited(t *testing.T) {
	b := newBench(t)
	viewer := b.key([]string{"viewer"})
	if got := b.call("DELETE", "/v1/admin/api-keys/x", viewer, ""); got.status != 403 {
		t.Fatal(got)
	}
	for range 100 {
		b.call("GET", "/v1/admin/api-keys", "sk-gw-wrong", "")
	}
	got := b.call("GET", "/v1/admin/audit?limit=200", viewer, "")
	if n := strings.Count(got.body, `"denied"`); n < 20 || n > 60 {
		t.Errorf("%d refusals are in the audit trail", n)
	}
	for _, part := range []string{"DELETE /v1/admin/api-keys/x", "missing_scope", "invalid_api_key", "127.0.0.1"} {
		if !strings.Contains(got.body, part) {
			t.Errorf("%s is not in the audit trail", part)
		}
	}
}
