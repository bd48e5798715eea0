package server

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// TestErrorShapes: each refusal has the status that clients act on, in the shape of
// the surface it was made on, with the request's id.
func TestErrorShapes(t *testing.T) {
	b := newBench(t)
	good := b.key(nil)
	f := func(status int, openaiType, anthropicType, key string, change func(ask string) string) {
		t.Helper()
		for _, sf := range surfaces {
			got := b.call("POST", sf.path, key, change(sf.ask))
			e := got.errorOf()
			var members map[string]json.RawMessage
			if err := json.Unmarshal([]byte(got.body), &members); err != nil || got.status != status || e.Error.Message == "" {
				t.Errorf("%s: %v, want %d", sf.path, got, status)
				continue
			}
			id := got.head.Get("X-Request-Id")
			if len(id) != 26 || got.head.Get("Content-Type") != "application/json" {
				t.Errorf("%s %d: headers %v", sf.path, status, got.head)
			}
			if sf.path == "/v1/messages" {
				if e.Type != "error" || e.Error.Type != anthropicType || e.RequestID != id || e.Error.Code != "" && len(members) != 3 {
					t.Errorf("not Anthropic's shape: %v", got)
				}
				continue
			}
			var inner map[string]json.RawMessage
			_ = json.Unmarshal(members["error"], &inner)
			for _, name := range []string{"message", "type", "param", "code"} {
				if _, ok := inner[name]; !ok {
					t.Errorf("%d has no %q: %v", status, name, got)
				}
			}
			if e.Error.Type != openaiType || e.Type != "" {
				t.Errorf("not OpenAI's shape: %v, want type %s", got, openaiType)
			}
		}
	}
	as := func(s string) string { return s }
	f(400, "invalid_request_error", "invalid_request_error", good, func(s string) string { return s[:len(s)-2] })
	f(401, "invalid_request_error", "authentication_error", "", as)
	f(403, "invalid_request_error", "permission_error", b.key([]string{"embeddings"}), as)
	f(403, "invalid_request_error", "permission_error", b.key(nil, func(k *store.Key) { k.Models = []string{"other"} }), as)
	f(404, "invalid_request_error", "not_found_error", good, func(s string) string {
		return strings.NewReplacer("gpt-x", "no-such", "claude-x", "no-such").Replace(s)
	})
	f(413, "invalid_request_error", "request_too_large", good, func(s string) string {
		return s[:len(s)-1] + `,"metadata":{"x":"` + strings.Repeat("x", 1<<20) + `"}}`
	})
}

// TestNamesWhatIsKnown: a refusal says what would have been right.
func TestNamesWhatIsKnown(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	got := b.call("POST", "/v1/chat/completions", key, `{"model":"gpt-x","provider":"opnai","messages":[]}`)
	e := got.errorOf().Error
	if got.status != 400 || e.Code != "unknown_provider" || e.Param == nil || *e.Param != "provider" {
		t.Errorf("unknown provider: %v", got)
	}
	for _, name := range []string{`"opnai"`, "openai", "anthropic", "main", "ant"} {
		if !strings.Contains(e.Message, name) {
			t.Errorf("unknown provider: %s is not named: %s", name, e.Message)
		}
	}
	for _, sf := range surfaces {
		got := b.call("POST", sf.path, key, strings.NewReplacer("gpt-x", "gpt-zz", "claude-x", "gpt-zz").Replace(sf.ask))
		if e := got.errorOf().Error; got.status != 404 || !strings.Contains(e.Message, `"gpt-zz"`) || !strings.Contains(e.Message, "ai-gateway route explain 'gpt-zz'") {
			t.Errorf("unknown model: %v", got)
		}
	}
	if got.head.Get("X-Should-Retry") != "false" {
		t.Errorf("a mistake of the caller's is not marked as such: %v", got.head)
	}
	if b.calls() != 0 {
		t.Errorf("%d calls reached the upstream", b.calls())
	}
}

// TestRequestIDs: the answer's id is ours and fresh; the caller's own is kept with the row if it is fit to be.
func TestRequestIDs(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	f := func(sent, kept string) {
		t.Helper()
		for _, sf := range surfaces {
			var header []string
			if sent != "" {
				header = []string{"X-Request-Id", sent}
			}
			got := b.call("POST", sf.path, key, sf.ask, header...)
			rows := b.rows.all()
			row := rows[len(rows)-1]
			if id := got.head.Get("X-Request-Id"); got.status != 200 || len(id) != 26 || id == sent || row.RequestID != id || row.ClientRequestID != kept {
				t.Errorf("sent %.40q: answered %q, the row says %q and %q", sent, id, row.RequestID, row.ClientRequestID)
			}
		}
	}
	f("", "")
	f("my-trace.42_A", "my-trace.42_A")
	f(strings.Repeat("a", 128), strings.Repeat("a", 128))
	f(strings.Repeat("a", 129), "")
	f("a b", "")
	f("<script>", "")
	f("01JDABCDEFGHJKMNPQRSTVWXYZ", "01JDABCDEFGHJKMNPQRSTVWXYZ")
}

// TestLoop: a request that this gateway has sent is refused, also when other
// proxies wrote their own names beside ours.
func TestLoop(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	for _, sf := range surfaces {
		for _, via := range []string{"1.1 ai-gateway-" + instance, "1.0 proxy, 1.1 ai-gateway-" + instance + ", 1.1 other"} {
			got := b.call("POST", sf.path, key, sf.ask, "Via", via)
			if e := got.errorOf(); got.status != 508 || e.Error.Message == "" || (sf.path == "/v1/messages") != (e.Type == "error") {
				t.Errorf("%s via %s: %v", sf.path, via, got)
			}
		}
		if got := b.call("POST", sf.path, key, sf.ask, "Via", "1.1 ai-gateway-01ANOTHER"); got.status != 200 {
			t.Errorf("through another gateway: %v", got)
		}
	}
	if b.calls() != 2 {
		t.Errorf("%d calls reached the upstream, 2 should", b.calls())
	}
}

// TestLoopInAnotherLine: a proxy between may write its own name into a line above ours.
func TestLoopInAnotherLine(t *testing.T) {
	b := newBench(t)
	req, err := http.NewRequest("POST", b.url+surfaces[0].path, strings.NewReader(surfaces[0].ask))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.key(nil))
	req.Header["Via"] = []string{"1.1 other", "1.1 ai-gateway-" + instance}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 508 {
		t.Errorf("%d, want 508", resp.StatusCode)
	}
}

// TestCountTokens: where the target cannot count, the answer is an estimate, says
// so, and does not understate.
func TestCountTokens(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	f := func(text string, least int64) {
		t.Helper()
		raw, _ := json.Marshal(text)
		got := b.call("POST", "/v1/messages/count_tokens", key, `{"model":"gpt-x","messages":[{"role":"user","content":`+string(raw)+`}]}`)
		var n struct {
			InputTokens int64 `json:"input_tokens"`
		}
		if got.status != 200 || got.head.Get("X-Gateway-Estimated") != "true" || json.Unmarshal([]byte(got.body), &n) != nil || n.InputTokens < least {
			t.Errorf("%.30q: %v, want at least %d", text, got, least)
		}
	}
	// What the tokenizers in use make of these at the least: a token for a word, for a
	// Chinese character or two, for a run of digits of three.
	f("Hello, world", 4)
	f(strings.Repeat("the quick brown fox ", 500), 2000)
	f(strings.Repeat("快速的棕色狐狸", 100), 700)
	f(strings.Repeat("123456789", 100), 300)
	f(strings.Repeat("🦊", 100), 200)
	got := b.call("POST", "/v1/messages/count_tokens", key, `{"model":"no-such","messages":[]}`)
	if got.status != 404 || got.errorOf().Type != "error" {
		t.Errorf("unknown model: %v", got)
	}
	if len(b.rows.served()) != 0 {
		t.Error("an estimate cost something")
	}
}

// TestRefusedWhileSending: a caller who sends his whole body before he reads gets
// the refusal, not a reset connection.
func TestRefusedWhileSending(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	body := strings.Repeat("x", 8<<20)
	for i := range 10 {
		c, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		who, want := key, 413
		if i%2 == 1 {
			who, want = "wrong", 401 // or 413, if the header came before any of the body
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, err = io.WriteString(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+who+"\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
		if err != nil {
			t.Fatalf("%d: while sending: %v", i, err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%d: no answer: %v", i, err)
		}
		out, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want && resp.StatusCode != 413 || !strings.Contains(string(out), `"error"`) {
			t.Errorf("%d: %d %s %v", i, resp.StatusCode, out, err)
		}
		_ = c.Close()
	}
}
