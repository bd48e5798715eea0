package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/server/telemetry"
)

// plainly is a request as raw text, with lines between its Host and its Content-Length.
func plainly(path, key, lines, body string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\n" + lines + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// slow is a line that makes a plain request fasthttp's, and else says nothing.
const slow = "Trailer: x-none\r\n"

// dialed is a connection to the bench and its side on the server.
func (b *bench) dialed(t *testing.T) (c net.Conn, answered func() answer, plains func() int) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	br := bufio.NewReader(c)
	answered = func() answer {
		t.Helper()
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Close {
			resp.Header.Set("Connection", "close")
		}
		return answer{resp.StatusCode, string(body), resp.Header}
	}
	plains = func() int {
		b.s.conns.mu.Lock()
		defer b.s.conns.mu.Unlock()
		for sc := range b.s.conns.open {
			if sc.RemoteAddr().String() == c.LocalAddr().String() && sc.idle.Load() {
				return sc.plains
			}
		}
		return -1
	}
	return c, answered, plains
}

var idText = regexp.MustCompile("01[0-9A-Z]{24}")

// TestPlainAsFasthttp: a plain request is answered as the same one is that fasthttp has
// read, whatever comes of it: the header, its order aside, and the body.
func TestPlainAsFasthttp(t *testing.T) {
	b := newBench(t)
	b.upstream = func(w http.ResponseWriter, r *http.Request) {
		ask, _ := io.ReadAll(r.Body)
		switch {
		case bytes.Contains(ask, []byte("fail")):
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"error":{"message":"no","type":"invalid_request_error"}}`)
		case bytes.Contains(ask, []byte(`"stream":true`)):
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, streamed+"data: [DONE]\n\n", `"stop"`)
		case bytes.Contains(ask, []byte("large")):
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Openai-Processing-Ms", "7")
			fmt.Fprintf(w, `{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}`, strings.Repeat("word ", 20_000))
		default:
			scripted(w, r)
		}
	}
	key, narrow := b.key(nil), b.key([]string{"usage.read"})
	ask := func(text string) string {
		return `{"model":"gpt-x","messages":[{"role":"user","content":"` + text + `"}]}`
	}
	for _, one := range []struct {
		name, path, key, lines, body string
		closes                       bool // fasthttp's closes the connection over a body that was not read
	}{
		{"whole", "/v1/chat/completions", key, "", ask("hi"), false},
		{"kept alive", "/v1/chat/completions", key, "Connection: Keep-Alive\r\nX-Request-Id: mine\r\n", ask("hi"), false},
		{"large", "/v1/chat/completions", key, "Content-Type: application/json\r\n", ask("large"), false},
		{"large ask", "/v1/chat/completions", key, "", ask(strings.Repeat("word ", 5_000)), false},
		{"larger ask", "/v1/chat/completions", key, "", ask(strings.Repeat("word ", 50_000)), false},
		{"streamed", "/v1/chat/completions", key, "", `{"model":"gpt-x","stream":true,"messages":[{"role":"user","content":"hi"}]}`, false},
		{"translated", "/v1/messages", key, "Anthropic-Version: 2023-06-01\r\n", `{"model":"gpt-x","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`, false},
		{"counted", "/v1/messages/count_tokens", key, "", messagesAsk, false},
		{"embedded", "/v1/embeddings", key, "", `{"model":"gpt-x","input":"hi"}`, false},
		{"failed", "/v1/chat/completions", key, "", ask("fail"), false},
		{"no model", "/v1/chat/completions", key, "", `{"model":"nobody","messages":[]}`, false},
		{"no JSON", "/v1/messages", key, "", `{"model":`, false},
		{"nothing", "/v1/chat/completions", key, "", "", false},
		{"no key", "/v1/chat/completions", "sk-gw-unknown", "", ask("hi"), true},
		{"no scope", "/v1/messages", narrow, "", messagesAsk, true},
		{"no host", "/v1/chat/completions", key, "Host: a b\r\n", ask("hi"), false},
	} {
		t.Run(one.name, func(t *testing.T) {
			c, answered, plains := b.dialed(t)
			_, _ = io.WriteString(c, plainly(one.path, one.key, one.lines, one.body))
			fast := answered()
			if n := plains(); n == 0 && one.name != "larger ask" && one.name != "no host" {
				t.Error("it was fasthttp's")
			}
			c, answered, plains = b.dialed(t)
			_, _ = io.WriteString(c, plainly(one.path, one.key, slow+one.lines, one.body))
			want := answered()
			if n := plains(); n > 0 {
				t.Error("both were plain")
			}
			for _, differs := range []string{"X-Request-Id", "X-Gateway-Overhead-Us", "Date"} {
				if (fast.head.Get(differs) == "") != (want.head.Get(differs) == "") {
					t.Errorf("%s: %q, fasthttp's %q", differs, fast.head.Get(differs), want.head.Get(differs))
				}
				fast.head.Del(differs)
				want.head.Del(differs)
			}
			if one.closes {
				want.head.Del("Connection")
			}
			ids := func(a answer) string { return idText.ReplaceAllString(a.body, "ID") }
			if fast.status != want.status || ids(fast) != ids(want) || fmt.Sprint(fast.head) != fmt.Sprint(want.head) {
				t.Errorf("%v\n%v\nfasthttp's: %v\n%v", fast, fast.head, want, want.head)
			}
		})
	}
}

// TestPlainPieces: requests of both kinds come behind each other, at once and in pieces of
// any size, and each has its answer, in their order.
func TestPlainPieces(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	var all []byte
	var want []string
	for i, kind := range []string{"", "", slow, "", slow, slow, "", ""} {
		id := "request-" + strconv.Itoa(i)
		want = append(want, id)
		all = append(all, plainly("/v1/chat/completions", key, kind+"X-Request-Id: "+id+"\r\n", chatAsk)...)
	}
	for _, size := range []int{len(all), 1000, 333, 100, 61} {
		c, answered, _ := b.dialed(t)
		from := len(b.rows.served())
		go func() {
			for rest := all; len(rest) > 0; {
				n := min(size, len(rest))
				_, _ = c.Write(rest[:n])
				rest = rest[n:]
				time.Sleep(100 * time.Microsecond)
			}
		}()
		for range want {
			if a := answered(); a.status != 200 || !strings.Contains(a.body, "Hi.") {
				t.Fatal(a)
			}
		}
		for i, row := range b.rows.served()[from:] {
			if row.ClientRequestID != want[i] {
				t.Errorf("pieces of %d: the %d. row is of %s", size, i, row.ClientRequestID)
			}
		}
	}
}

// TestPlainEnds: a plain answer says when the connection ends, after as many requests as fasthttp
// takes and while the gateway drains; what ends without a request is told nothing.
func TestPlainEnds(t *testing.T) {
	b := newBench(t, func(o *Options) { o.KeepAlive = 200 * time.Millisecond })
	key := b.key(nil)
	ask := plainly("/v1/chat/completions", key, "", chatAsk)
	ended := func(c net.Conn) {
		t.Helper()
		if rest, err := io.ReadAll(c); err != nil || len(rest) > 0 {
			t.Errorf("%q %v", rest, err)
		}
	}
	c, answered, _ := b.dialed(t)
	_, _ = io.WriteString(c, ask)
	if a := answered(); a.status != 200 || a.head.Get("Connection") != "" {
		t.Error(a, a.head)
	}
	ended(c) // it was idle for too long

	b.s.http.MaxRequestsPerConn = 3
	c, answered, _ = b.dialed(t)
	_, _ = io.WriteString(c, ask+ask+ask)
	for i, close := range []string{"", "", "close"} {
		if a := answered(); a.status != 200 || a.head.Get("Connection") != close {
			t.Error(i, a, a.head)
		}
	}
	ended(c)

	c, answered, _ = b.dialed(t)
	b.s.draining.Store(true)
	_, _ = io.WriteString(c, ask)
	if a := answered(); a.status != 200 || a.head.Get("Connection") != "close" {
		t.Error(a, a.head)
	}
	ended(c)
}

// FuzzPlain: of what is taken for a plain request fasthttp says the same: that it is one, where it ends, and
// what its header holds.
func FuzzPlain(f *testing.F) {
	s := New(Options{Now: time.Now, NewID: NewULID(), Surfaces: allSurfaces(), MaxBody: 1 << 20, Metrics: telemetry.NewMetrics("test")})
	f.Add([]byte(plainly("/v1/chat/completions", "sk-gw-1", "", chatAsk)))
	f.Add([]byte(plainly("/v1/messages", "sk-gw-1", "User-Agent: a/1\r\nConnection: keep-alive\r\nx-custom: y\r\n", messagesAsk)))
	f.Add([]byte(plainly("/v1/embeddings", "", "Via: 1.1 a\r\ncontent-type: application/json\r\n", "{}") + "POST"))
	f.Add([]byte(plainly("/v1/embeddings", "", slow, "{}")))
	f.Add([]byte("POST /v1/completions HTTP/1.1\r\nhost:\r\nContent-Length:2\r\n\r\n{}"))
	f.Add([]byte("POST /v1/completions HTTP/1.1\r\nhost:x\r\nContent-Length:2\r\n(: a\r\n\r\n{}"))
	f.Add([]byte("POST /v1/completions HTTP/1.1\r\nhost:x\r\nContent-Length:2\r\na: \x7f\r\n\r\n{}"))
	before := [][]byte{
		[]byte(plainly("/v1/chat/completions", "sk-gw-1", "", chatAsk)),
		[]byte(plainly("/v1/messages", "sk-gw-1", "User-Agent: a/1\r\nConnection: keep-alive\r\nx-custom: y\r\n", messagesAsk)),
		[]byte("POST /v1/completions HTTP/1.1\r\nhost:x\r\nContent-Length:2\r\n\r\n{}"),
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > readBuffer {
			return
		}
		c, body, size := s.plain(&conn{}, p)
		for _, kept := range before { // whatever came before makes no difference
			cn := &conn{}
			if h, _, _ := s.plain(cn, kept); h == nil {
				t.Fatalf("not plain: %q", kept)
			}
			h, b, n := s.plain(cn, p)
			if n != size || b != body || h != nil && !bytes.Equal(h.target, c.target) {
				t.Fatalf("behind %q the body is at %d to %d, else at %d to %d:\n%q", kept, b, n, body, size, p)
			}
			if h == nil {
				continue
			}
			for x := otherField + 1; x < numFields; x++ {
				if x != fieldContentLength && !bytes.Equal(h.fields.get(x), c.fields.get(x)) {
					t.Errorf("behind %q %s is %q, else %q:\n%q", kept, fieldNames[x], h.fields.get(x), c.fields.get(x), p)
				}
			}
		}
		if size == 0 {
			return
		}
		var h fasthttp.RequestHeader
		in := bytes.NewReader(p)
		br := bufio.NewReaderSize(in, readBuffer)
		if err := h.Read(br); err != nil {
			t.Fatalf("fasthttp refuses it: %v\n%q", err, p)
		}
		if read := len(p) - in.Len() - br.Buffered(); read != body || size != body+h.ContentLength() || !h.IsHTTP11() || h.ConnectionClose() {
			t.Errorf("the body is at %d to %d, fasthttp says at %d, of %d; closing %v\n%q", body, size, read, h.ContentLength(), h.ConnectionClose(), p)
		}
		if string(h.Method()) != "POST" || !bytes.Equal(h.RequestURI(), c.target) || c.listed[0].path != string(c.target) {
			t.Errorf("fasthttp says %s %s\n%q", h.Method(), h.RequestURI(), p)
		}
		var f fields
		if e := f.read(h.RawHeaders()); e != nil {
			t.Errorf("refused: %v\n%q", e, p)
		}
		sameAsPeek(t, &c.fields, &h)
	})
}
