package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
)

// answering starts a gateway that answers all calls by h, and a client of it.
func answering(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &Client{BaseURL: srv.URL, Key: " sk-gw-k\n", UserAgent: "test/1"}
}

func TestBase(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got, err := (&Client{BaseURL: in}).Base(); err != nil || got != want {
			t.Errorf("Base(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	f("http://h:8080", "http://h:8080")
	f("http://h:8080/", "http://h:8080")
	f("http://h:8080/v1", "http://h:8080")
	f("http://h:8080/v1/", "http://h:8080")
	f("http://h/v1/v1", "http://h")
	f("https://h/gw/v1", "https://h/gw")
	f("localhost:8080", "http://localhost:8080")
	bad := func(in string) {
		t.Helper()
		if got, err := (&Client{BaseURL: in}).Base(); err == nil {
			t.Errorf("Base(%q) = %q, want an error", in, got)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Base(%q) shows the password: %v", in, err)
		}
	}
	bad("")
	bad("ftp://h")
	bad("http://")
	bad("http://u:hunter2@h")
	bad("ftp://u:hunter2@h")
	bad("http://h?x=1")
	bad("http://h/%zz")
}

// TestCalls checks method, path, query and body of every call.
func TestCalls(t *testing.T) {
	var got, body string
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.URL.RequestURI()
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		if a := r.Header.Get("Authorization"); a != "Bearer sk-gw-k" {
			t.Errorf("%s: Authorization is %q", got, a)
		}
		if r.Header.Get("User-Agent") != "test/1" {
			t.Errorf("%s: User-Agent is %q", got, r.Header.Get("User-Agent"))
		}
		_, _ = io.WriteString(w, "{}")
	})
	ctx := context.Background()
	at := time.Date(2026, 11, 1, 2, 3, 4, 0, time.FixedZone("", 3600))
	off := false
	f := func(err error, want, wantBody string) {
		t.Helper()
		if err != nil || got != want || body != wantBody {
			t.Errorf("got  %s %s (%v)\nwant %s %s", got, body, err, want, wantBody)
		}
	}
	call := func(_ any, err error) error { return err }
	f(call(c.CreateKey(ctx, KeyCreate{Name: "n", Scopes: []string{"chat"}})), "POST /v1/admin/api-keys", `{"name":"n","scopes":["chat"]}`)
	f(call(c.Keys(ctx, Page{Limit: 5, Cursor: "c", Query: "a b"})), "GET /v1/admin/api-keys?cursor=c&limit=5&q=a+b", "")
	f(call(c.KeyByID(ctx, "a/b")), "GET /v1/admin/api-keys/a%2Fb", "")
	f(call(c.UpdateKey(ctx, "k", KeyPatch{Models: &[]string{}})), "PATCH /v1/admin/api-keys/k", `{"models":[]}`)
	f(call(c.RevokeKey(ctx, "k")), "PATCH /v1/admin/api-keys/k", `{"revoked":true}`)
	f(c.DeleteKey(ctx, "k"), "DELETE /v1/admin/api-keys/k", "")
	f(call(c.RotateKey(ctx, "k", "24h")), "POST /v1/admin/api-keys/k/rotate", `{"grace":"24h"}`)
	f(call(c.CreateAccount(ctx, AccountCreate{Provider: "openai", Name: "n", APIKey: "s", Models: AccountModels{{"a", "b"}}})), "POST /v1/admin/provider-accounts",
		`{"provider":"openai","account_name":"n","api_key":"s","models":{"a":"b"}}`)
	f(call(c.Accounts(ctx, Page{})), "GET /v1/admin/provider-accounts", "")
	f(call(c.Account(ctx, "OpenAI Production")), "GET /v1/admin/provider-accounts/OpenAI%20Production", "")
	f(call(c.UpdateAccount(ctx, "a", AccountPatch{Enabled: &off})), "PATCH /v1/admin/provider-accounts/a", `{"enabled":false}`)
	f(c.DeleteAccount(ctx, "a"), "DELETE /v1/admin/provider-accounts/a", "")
	f(call(c.TestAccount(ctx, "a", "")), "POST /v1/admin/provider-accounts/a/test", `{}`)
	f(call(c.Providers(ctx)), "GET /v1/admin/providers", "")
	f(call(c.CreateMapping(ctx, MappingCreate{Alias: "x", Targets: []MappingTarget{{Model: "m"}}})), "POST /v1/admin/model-mappings", `{"alias":"x","targets":[{"model":"m"}]}`)
	f(call(c.Mappings(ctx, Page{})), "GET /v1/admin/model-mappings", "")
	f(call(c.Mapping(ctx, "m")), "GET /v1/admin/model-mappings/m", "")
	f(call(c.UpdateMapping(ctx, "m", MappingPatch{})), "PATCH /v1/admin/model-mappings/m", `{}`)
	f(c.DeleteMapping(ctx, "m"), "DELETE /v1/admin/model-mappings/m", "")
	f(call(c.CatalogueModels(ctx, true)), "GET /v1/admin/models?refresh=true", "")
	f(call(c.Usage(ctx, UsageAsk{StartDate: "2026-11-01", EndDate: "2026-11-02", GroupBy: []string{"model", "day"}, Zone: "Asia/Shanghai", Key: "k"})),
		"GET /v1/admin/usage?end_date=2026-11-02&group_by=model%2Cday&key=k&start_date=2026-11-01&tz=Asia%2FShanghai", "")
	f(call(c.Logs(ctx, LogsAsk{Limit: 3, Status: "4xx", Since: at})), "GET /v1/admin/usage/logs?limit=3&since=2026-11-01T01%3A03%3A04Z&status=4xx", "")
	f(call(c.Log(ctx, "01ABC")), "GET /v1/admin/usage/logs/01ABC", "")
	f(call(c.Explain(ctx, ExplainAsk{Model: "gpt-4", Key: "k"})), "GET /v1/admin/explain?key=k&model=gpt-4", "")
	f(call(c.Audit(ctx, AuditAsk{Page: Page{Limit: 2}})), "GET /v1/admin/audit?limit=2", "")
	f(call(c.Config(ctx)), "GET /v1/admin/config", "")
	f(call(c.Self(ctx)), "GET /v1/key", "")
	f(call(c.Models(ctx)), "GET /v1/models", "")
	f(call(c.Health(ctx)), "GET /health", "")
}

func TestErrors(t *testing.T) {
	f := func(status int, body string, want Error) {
		t.Helper()
		c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", "req1")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
		_, err := c.Self(context.Background())
		var e *Error
		if !errors.As(err, &e) || *e != want {
			t.Errorf("got %#v (%v), want %#v", e, err, want)
		}
	}
	f(403, `{"error":{"message":"no","type":"permission_error","param":"p","code":"missing_scope"}}`, Error{403, "missing_scope", "permission_error", "p", "no", "req1"})
	f(400, `{"error":{"message":"no","code":17,"param":null}}`, Error{400, "17", "", "", "no", "req1"})
	f(500, `{"error":"plain"}`, Error{500, "", "", "", "plain", "req1"})
	f(502, `bad gateway`, Error{502, "", "", "", "HTTP 502: bad gateway", "req1"})
	f(503, `{"status":"unavailable","reason":"draining"}`, Error{503, "unavailable", "", "", "the gateway cannot serve: draining", "req1"})
	f(404, `<html>`, Error{404, "", "", "", "the answer is HTTP 404 without an explanation; is this the gateway's address?", "req1"})
	f(302, ``, Error{302, "", "", "", "the answer is HTTP 302 without an explanation; is this the gateway's address?", "req1"})
}

func TestRedirectIsNotFollowed(t *testing.T) {
	seen := 0
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		seen++
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	_, err := c.Self(context.Background())
	var e *Error
	if !errors.As(err, &e) || e.Code != "redirected" || seen != 1 {
		t.Errorf("%d calls, %v; want one and a refusal", seen, err)
	}
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	srv.Close()
	_, err := (&Client{BaseURL: url + "/v1", Key: "sk-gw-secret"}).Health(context.Background())
	var u *Unreachable
	if !errors.As(err, &u) || u.URL != url || strings.Contains(err.Error(), "sk-gw-secret") || strings.Count(err.Error(), url) != 1 {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = (&Client{BaseURL: url}).Health(ctx)
	if errors.As(err, &u) && u.URL == "" || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gave up gets %v", err)
	}
}

func TestAnswerThatIsNotOurs(t *testing.T) {
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hello") })
	if _, err := c.Health(context.Background()); err == nil || !strings.Contains(err.Error(), "is this the gateway's address?") {
		t.Errorf("got %v", err)
	}
}

func TestModels(t *testing.T) {
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"demo","object":"model","created":5,"owned_by":"demo","context_window":8}]}`)
	})
	got, err := c.Models(context.Background())
	want := &ModelsReply{"list", []Model{{"demo", "model", 5, "demo", 8, 0}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}
