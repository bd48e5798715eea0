package demo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestErrorStatuses(t *testing.T) {
	p := newPeer(t, instant)
	types := map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error", 500: "api_error", 502: "api_error", 503: "overloaded_error", 529: "overloaded_error"}
	for _, status := range errorStatuses {
		model := "demo-error-" + strconv.Itoa(status)
		for _, stream := range []string{"", `,"stream":true`} {
			res := p.post("/v1/chat/completions", chatAsk(model, "x", stream))
			b, _ := io.ReadAll(res.Body)
			e := parse[struct {
				Error struct{ Message, Type string }
			}](t, string(b))
			if res.StatusCode != status || e.Error.Message == "" || e.Error.Type == "" {
				t.Errorf("%s chat: %d %s", model, res.StatusCode, b)
			}
			if (res.Header.Get("Retry-After") != "") != (status == 429) {
				t.Errorf("%s: Retry-After %q", model, res.Header.Get("Retry-After"))
			}
			res = p.post("/v1/messages", messagesAsk(model, "x", stream))
			b, _ = io.ReadAll(res.Body)
			m := parse[struct {
				Type      string
				Error     struct{ Type string }
				RequestID string `json:"request_id"`
			}](t, string(b))
			if res.StatusCode != status || m.Type != "error" || m.Error.Type != types[status] || m.RequestID == "" {
				t.Errorf("%s messages: %d %s", model, res.StatusCode, b)
			}
		}
	}
}

func TestRateLimitAndErrorRate(t *testing.T) {
	p := newPeer(t, instant)
	var got []int
	for range 4 {
		status, _ := p.body("/v1/chat/completions", chatAsk("demo-ratelimit", "x", ""))
		got = append(got, status)
	}
	if got[0] != 429 || got[1] != 200 || got[2] != 429 || got[3] != 200 {
		t.Errorf("demo-ratelimit: %v", got)
	}
	half := newPeer(t, Options{TTFT: -1, TPS: -1, ErrorRate: 0.5})
	failed := 0
	for range 100 {
		if status, _ := half.body("/v1/chat/completions", chatAsk("gpt-4", "x", "")); status == 500 {
			failed++
		}
	}
	if failed < 45 || failed > 55 {
		t.Errorf("an error rate of 0.5 failed %d of 100", failed)
	}
}

// TestStreamFaults: what a caller sees of each way to break a stream.
func TestStreamFaults(t *testing.T) {
	p := newPeer(t, Options{TTFT: -1, TPS: -1, MaxHang: 50 * time.Millisecond})
	for _, c := range []struct {
		model           string
		broken          bool // the connection ends in the middle
		text, done, bad bool // some text; the terminal event; an error event
	}{
		{"demo-cut", true, true, false, false},
		{"demo-stall", true, true, false, false},
		{"demo-truncate", false, true, false, false},
		{"demo-error-stream", false, true, false, true},
		{"demo-error-first", false, false, false, true},
		{"demo-empty", false, false, true, false},
		{"demo-no-done", false, true, false, false},
	} {
		for path, body := range map[string]string{"/v1/chat/completions": chatAsk(c.model, "x", `,"stream":true`), "/v1/messages": messagesAsk(c.model, "x", `,"stream":true`)} {
			res := p.post(path, body)
			list, err := events(res.Body)
			if c.broken != (err != nil) || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s %s: ended with %v", c.model, path, err)
			}
			text, done, bad := false, false, false
			for _, e := range list {
				text = text || strings.Contains(e.data, `"text_delta"`) || strings.Contains(e.data, `"delta":{"content":"`)
				done = done || e.data == "[DONE]" || e.event == "message_stop"
				bad = bad || strings.HasPrefix(e.data, `{"error":`) || e.event == "error"
			}
			if res.StatusCode != 200 || text != c.text || done != c.done || bad != c.bad {
				t.Errorf("%s %s: status %d, text %v, done %v, error %v", c.model, path, res.StatusCode, text, done, bad)
			}
		}
	}
}

func TestBodyFaults(t *testing.T) {
	p := newPeer(t, Options{TTFT: -1, TPS: -1, MaxHang: 50 * time.Millisecond})
	for _, stream := range []string{"", `,"stream":true`} {
		if status, b := p.body("/v1/chat/completions", chatAsk("demo-empty-body", "x", stream)); status != 200 || b != "" {
			t.Errorf("demo-empty-body: %d %q", status, b)
		}
		if status, b := p.body("/v1/chat/completions", chatAsk("demo-garbage", "x", stream)); status != 200 || b == "" || strings.HasSuffix(b, "}") {
			t.Errorf("demo-garbage: %d %q", status, b)
		}
		res := p.post("/v1/chat/completions", chatAsk("demo-html", "x", stream))
		if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || !strings.HasPrefix(ct, "text/html") {
			t.Errorf("demo-html: %d %s", res.StatusCode, ct)
		}
		for _, model := range []string{"demo-hang", "demo-cut-header"} {
			if res, err := p.http.Post("http://"+Host+"/v1/chat/completions", "application/json", strings.NewReader(chatAsk(model, "x", stream))); err == nil {
				res.Body.Close()
				t.Errorf("%s answered with %d", model, res.StatusCode)
			}
		}
	}
	for _, model := range []string{"demo-cut", "demo-stall"} {
		res := p.post("/v1/chat/completions", chatAsk(model, "x", ""))
		if b, err := io.ReadAll(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) || len(b) == 0 {
			t.Errorf("%s buffered: %d bytes, %v", model, len(b), err)
		}
	}
	if status, b := p.body("/v1/chat/completions", chatAsk("demo-error-first", "x", "")); status != 200 || !strings.HasPrefix(b, `{"error":`) {
		t.Errorf("demo-error-first buffered: %d %s", status, b)
	}
	if status, _ := p.body("/v1/chat/completions", chatAsk("demo-error-stream", "x", "")); status != 500 {
		t.Errorf("demo-error-stream buffered: %d", status)
	}
	if _, b := p.body("/v1/chat/completions", chatAsk("demo-no-usage", "x", "")); strings.Contains(b, "usage") && strings.Contains(b, "total_tokens") {
		t.Errorf("demo-no-usage: %s", b)
	}
}

func TestLargeAnswers(t *testing.T) {
	p := newPeer(t, instant)
	got := tell(t, p.stream("/v1/chat/completions", chatAsk("demo-big", "x", `,"stream":true,"stream_options":{"include_usage":true}`)))
	if len(got.text) != 256<<10 || !got.done || got.usage.Completion != count(got.text) {
		t.Errorf("demo-big: %d bytes, done %v, %+v for %d tokens", len(got.text), got.done, got.usage, count(got.text))
	}
	longest := 0
	for _, e := range p.stream("/v1/chat/completions", chatAsk("demo-bigline", "x", `,"stream":true`)) {
		longest = max(longest, len(e.data))
	}
	if longest < 1<<20 {
		t.Errorf("demo-bigline: the longest line has %d bytes", longest)
	}
}

// TestPace: the first token waits, the others follow one by one.
func TestPace(t *testing.T) {
	p := newPeer(t, Options{TTFT: 80 * time.Millisecond, TPS: 100})
	begin := time.Now()
	res := p.post("/v1/chat/completions", chatAsk("demo", "x", `,"stream":true,"max_tokens":10`))
	r := bufio.NewReader(res.Body)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begin); d < 80*time.Millisecond {
		t.Errorf("the first event came after %v", d)
	}
	if _, err := io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begin); d < 160*time.Millisecond || d > 5*time.Second { // this side may have been late for the first
		t.Errorf("ten tokens at 100 a second took %v", d)
	}
	p = newPeer(t, Options{TTFT: time.Minute})
	p.body("/v1/chat/completions", chatAsk("demo-fast", "x", "")) // which does not wait: the client does, for ten seconds
}

// TestCallerLeaves: the engine notices in the middle of a pause.
func TestCallerLeaves(t *testing.T) {
	for _, model := range []string{"demo-hang", "demo-stall", "demo-slow-first"} {
		for _, stream := range []string{"", `,"stream":true`} {
			s := New(Options{TTFT: -1, TPS: -1})
			tr := &http.Transport{DialContext: s.Dial}
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			req, _ := http.NewRequestWithContext(ctx, "POST", "http://"+Host+"/v1/chat/completions", strings.NewReader(chatAsk(model, "x", stream)))
			if res, err := tr.RoundTrip(req); err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
				if err == nil {
					t.Errorf("%s ended", model)
				}
			}
			cancel()
			tr.CloseIdleConnections()
			ctx, cancel = context.WithTimeout(context.Background(), 10*time.Second)
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("%s%s still runs ten seconds after the caller has left: %v", model, stream, err)
			}
			cancel()
		}
	}
}

func TestDialDeadlines(t *testing.T) {
	s := New(instant)
	defer s.Shutdown(context.Background())
	c, err := s.Dial(context.Background(), "tcp", "demo.invalid:80")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read without an answer: %v", err)
	}
	c.SetReadDeadline(time.Time{})
	io.WriteString(c, "GET /health HTTP/1.1\r\nHost: demo.invalid\r\n\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestShutdown(t *testing.T) {
	s := New(Options{TTFT: -1, TPS: -1})
	tr := &http.Transport{DialContext: s.Dial}
	defer tr.CloseIdleConnections()
	req, _ := http.NewRequest("POST", "http://"+Host+"/v1/chat/completions", strings.NewReader(chatAsk("demo-stall", "x", `,"stream":true`)))
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with an answer under way: %v", err)
	}
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the answer under way was not cut")
	}
	if _, err := s.Dial(context.Background(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial afterwards: %v", err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestServe: closing the listener ends the server after the answers under way.
func TestServe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- Serve(ln, Options{TTFT: -1, TPS: 50}) }()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	url := "http://" + ln.Addr().String()
	res, err := client.Get(url + "/v1/models") // leaves an idle connection
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	res, err = client.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(chatAsk("gpt-4o", "x", `,"stream":true,"max_tokens":10`)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	ln.Close()
	list, err := events(res.Body)
	if got := tell(t, list); err != nil || !got.done || got.finish != "length" {
		t.Errorf("the answer under way: %v, done %v", err, got.done)
	}
	select {
	case err := <-served:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("Serve did not return")
	}
}

func TestServeCutsWhatHangs(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- Serve(ln, Options{TTFT: -1, TPS: -1, Drain: 50 * time.Millisecond}) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := chatAsk("demo-hang", "x", "")
	io.WriteString(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
	time.Sleep(30 * time.Millisecond)
	ln.Close()
	select {
	case err := <-served:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Serve waits for a caller that hangs")
	}
}

func TestProvider(t *testing.T) {
	p := Provider()
	if p.Name != "demo" || !p.Local || p.BaseURL != "http://demo.invalid" {
		t.Errorf("%+v", p)
	}
}
