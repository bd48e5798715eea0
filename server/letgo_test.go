package server

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

const streamed = `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":%s}]}` + "\n\n"

// TestStreamLetsGoOfItsBody: what a request held of memory is given back once its
// answer flows, and what it used can be estimated all the same.
func TestStreamLetsGoOfItsBody(t *testing.T) {
	b := newBench(t, func(o *Options) { o.MemoryLimit = 1 << 30 })
	begun, more, before := make(chan struct{}), make(chan struct{}), int64(0)
	b.upstream = func(w http.ResponseWriter, _ *http.Request) {
		before = b.s.gate.bodies.Load()
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, streamed, "null")
		w.(http.Flusher).Flush()
		close(begun)
		<-more
		fmt.Fprintf(w, streamed+"data: [DONE]\n\n", `"stop"`)
	}
	text := strings.Repeat("word ", 100_000)
	done := make(chan answer, 1)
	key := b.key([]string{"chat"})
	go func() {
		done <- b.call("POST", "/v1/chat/completions", key, `{"model":"fast","stream":true,"messages":[{"role":"user","content":"`+text+`"}]}`)
	}()
	<-begun
	held := before
	for end := time.Now().Add(5 * time.Second); held > 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		held = b.s.gate.bodies.Load()
	}
	close(more)
	if a := <-done; a.status != 200 || !strings.Contains(a.body, "[DONE]") {
		t.Fatal(a)
	}
	if before < int64(len(text)) || held != 0 {
		t.Errorf("a body of %d bytes held %d before its answer and %d while that flowed", len(text), before, held)
	}
	for end := time.Now().Add(5 * time.Second); len(b.rows.served()) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	rows := b.rows.served()
	if len(rows) != 1 || rows[0].UsageSource != store.SourceEstimated || rows[0].Tokens.Input < int64(len(text))/5 || rows[0].Tokens.Input > int64(len(text))/3 {
		t.Errorf("rows: %+v", rows)
	}
}

// TestConnectionRests: a connection gives back the empty memory of its reader while a
// long stream is answered, and reads the next request, as large, whole.
func TestConnectionRests(t *testing.T) {
	b := newBench(t)
	b.upstream = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 4 {
			fmt.Fprintf(w, streamed, "null")
			w.(http.Flusher).Flush()
			time.Sleep(400 * time.Millisecond)
		}
		fmt.Fprintf(w, streamed+"data: [DONE]\n\n", `"stop"`)
	}
	nc, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	r := bufio.NewReader(nc)
	key := b.key([]string{"chat"})
	for _, large := range []int{20_000, 100, 30_000} {
		body := `{"model":"fast","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("x", large) + `"}]}`
		fmt.Fprintf(nc, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Large: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", strings.Repeat("h", large), key, len(body), body)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		events := 0
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if strings.HasPrefix(s.Text(), "data: ") {
				events++
			}
		}
		if _ = resp.Body.Close(); resp.StatusCode != 200 || events != 6 {
			t.Errorf("after a header of %d bytes: status %d, %d events", large, resp.StatusCode, events)
		}
	}
}

// TestReaderBuffer: only pages of the reader's own buffer behind all that was read are
// given back, and never those of a body.
func TestReaderBuffer(t *testing.T) {
	whole, body := make([]byte, readBuffer), make([]byte, readBuffer)
	var b buffer
	f := func(p []byte, n int, first bool, filled int) {
		t.Helper()
		b.note(p, n, first)
		got := b.rest()
		from := (filled + os.Getpagesize() - 1) / os.Getpagesize() * os.Getpagesize()
		if filled < 0 {
			from = readBuffer
		}
		if len(got) != readBuffer-from || len(got) > 0 && &got[0] != &whole[from] {
			t.Errorf("%d bytes are given back, not %d", len(got), readBuffer-from)
		}
	}
	f(body, 5, false, -1) // the begin of a request was never seen
	f(whole, 700, true, 700)
	f(whole[700:], 5000, false, 5700)
	f(body, 9000, false, 5700)
	f(whole, 10, false, 5700)
	f(whole, 4096, true, 4096)
	f(whole[4096:], readBuffer-4096, false, readBuffer)
}
