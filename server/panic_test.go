package server

import (
	"io"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

const canary = "sk-canary-in-a-panic"

// explosive is a dialect with a defect: it panics on bodies that hold "boom".
type explosive struct{ providers.Ingress }

func (e explosive) Peek(body []byte) (providers.Peek, error) {
	if strings.Contains(string(body), "boom") {
		explode(canary, body)
	}
	return e.Ingress.Peek(body)
}

//go:noinline
func explode(secret string, body []byte) { panic("cannot go on with " + secret + string(body)) }

// TestPanicInHandler: a panic costs its own request a 500 in the caller's shape,
// is counted and logged once, and shows nobody what it was about.
func TestPanicInHandler(t *testing.T) {
	b := newBench(t, func(o *Options) {
		o.Surfaces.Chat.In, o.Surfaces.Messages.In = explosive{o.Surfaces.Chat.In}, explosive{o.Surfaces.Messages.In}
	})
	key := b.key(nil)
	for range 4 {
		for _, sf := range surfaces {
			got := b.call("POST", sf.path, key, strings.Replace(sf.ask, "hi", "boom", 1))
			e := got.errorOf()
			if got.status != 500 || got.head.Get("X-Request-Id") == "" || e.Error.Message != "internal error" || (sf.path == "/v1/messages") != (e.Type == "error") {
				t.Errorf("%s: %v", sf.path, got)
			}
			if strings.Contains(got.body, canary) {
				t.Errorf("%s shows the panic: %s", sf.path, got.body)
			}
			if got := b.call("POST", sf.path, key, sf.ask); got.status != 200 {
				t.Errorf("afterwards: %v", got)
			}
		}
	}
	if got := b.call("GET", "/metrics", "", ""); !strings.Contains(got.body, "ai_gateway_panics_total 8\n") {
		t.Errorf("the counter is not 8: %s", regexp.MustCompile(`.*panics.*`).FindAllString(got.body, -1))
	}
	logged := b.log.String()
	if strings.Contains(logged, canary) || strings.Contains(logged, key) {
		t.Errorf("the log holds a secret: %s", logged)
	}
	if !strings.Contains(logged, "server.explode(…)") || !strings.Contains(logged, "panic_test.go:") {
		t.Errorf("the log has no stack: %s", logged)
	}
	if m := regexp.MustCompile(`\w\([^)…]*0x[0-9a-f]+`).FindString(logged); m != "" {
		t.Errorf("the stack has arguments: %s", m)
	}
	if n := strings.Count(logged, "panic contained"); n != 4 { // the 1st, 2nd, 4th and 8th
		t.Errorf("%d lines tell of 8 panics of one kind", n)
	}
	for _, row := range b.rows.all() {
		if row.Status != 200 {
			t.Errorf("a row says %d %s", row.Status, row.Error)
		}
	}
}

// TestPanicOutsideTheHandler: what runs before a handler does must not end the process
// either: here what an expectation, and a request that is no HTTP, are answered by.
func TestPanicOutsideTheHandler(t *testing.T) {
	var armed atomic.Bool
	b := newBench(t, func(o *Options) {
		newID := o.NewID
		o.NewID = func(at time.Time) string {
			if armed.Load() {
				explode(canary, nil)
			}
			return newID(at)
		}
	})
	key := b.key(nil)
	raw := func(text string) string {
		t.Helper()
		c, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, text)
		out, _ := io.ReadAll(c)
		return string(out)
	}
	armed.Store(true)
	for _, text := range []string{
		"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer sk-wrong\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
		"no HTTP at all\r\n\r\n",
	} {
		if out := raw(text); strings.Contains(out, canary) || strings.Contains(out, " 200 ") || strings.Contains(out, " 100 ") {
			t.Errorf("%q is answered with %q", text, out)
		}
	}
	armed.Store(false)
	if got := b.call("POST", surfaces[0].path, key, surfaces[0].ask); got.status != 200 {
		t.Errorf("afterwards: %v", got)
	}
	if got := b.call("GET", "/metrics", "", ""); strings.Contains(got.body, "ai_gateway_panics_total 0\n") {
		t.Error("no panic was counted: none was made")
	}
}
