package relay_test

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// A minedConn has a defect: reading it panics when what came holds the word.
type minedConn struct {
	net.Conn
	word string
}

func (c minedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if strings.Contains(string(p[:n]), c.word) {
		panic("defect at " + c.word)
	}
	return n, err
}

// TestPanicInReader: a panic while an upstream is read costs its own request a 500, or
// an error event once content has gone out, and one row.
func TestPanicInReader(t *testing.T) {
	gone := make(chan struct{}, 1) // content has gone out
	f := func(name, word, body string, events bool, h http.HandlerFunc) {
		t.Helper()
		b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: h})
		var seen panics
		base := b.table.Accounts()[0].Provider.BaseURL
		client := upstream.New(upstream.Options{InstanceID: "test", Dial: map[string]func() (net.Conn, error){base: func() (net.Conn, error) {
			c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
			return minedConn{c, word}, err
		}}})
		defer client.Close()
		b.mineWith(relay.Options{Panicked: seen.told}, "", client)
		for n := 1; n <= 3; n++ {
			status, out := b.postSeeing("/v1/chat/completions", body, "Hello", gone)
			told := strings.Count(out, `"error"`)
			if strings.Contains(out, "defect") || told != 1 || events != (status == 200) || !events && status != 500 || strings.Contains(out, "[DONE]") {
				t.Errorf("%s: %d %s", name, status, out)
			}
			if row := b.book.row(t, n); row.Status != 500 {
				t.Errorf("%s: row %+v", name, row)
			}
		}
		if seen.count() != 3 || len(b.book.holds) != 0 {
			t.Errorf("%s: contained %q, holds %v", name, seen.seen, b.book.holds)
		}
	}
	f("header of a whole answer", "HTTP/1.1 200", ask, false, replies(200, whole))
	f("header of a stream", "HTTP/1.1 200", streamAsk, false, answers(first, hello, stopped, doneChunk))
	f("behind content", `"stop"`, streamAsk, true, func(w http.ResponseWriter, r *http.Request) {
		sse(w, first, hello)
		<-gone
		sse(w, stopped, usageChunk, doneChunk)
	})
}

// TestPanicInAnotherGoroutine: what is done for a request in a goroutine that is not its
// own, the one that hears callers leave, panics: others are still heard, the request
// has its one row, and nobody else notices.
func TestPanicInAnotherGoroutine(t *testing.T) {
	stall := func(w http.ResponseWriter, r *http.Request) {
		sse(w, first, hello)
		<-r.Context().Done()
	}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asChat, handler: stall})
	var seen panics
	base := b.table.Accounts()[0].Provider.BaseURL
	var closes atomic.Int32 // the watcher is the first to close a connection that is waited for
	client := upstream.New(upstream.Options{InstanceID: "test", Dial: map[string]func() (net.Conn, error){base: func() (net.Conn, error) {
		c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		return &closing{Conn: c, panics: &closes}, err
	}}})
	defer client.Close()
	b.mineWith(relay.Options{Panicked: seen.told, Heartbeat: time.Second}, "", client)
	for n := 1; n <= 3; n++ {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(streamAsk)) + "\r\n\r\n" + streamAsk))
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // so that it is watched
		_ = c.Close()
		if row := b.book.row(t, n); row.EndReason != store.EndClientGone {
			t.Errorf("row %d: %+v", n, row)
		}
	}
	if seen.count() != 1 || !strings.HasPrefix(seen.seen[0], "hang-up watcher") || len(b.book.holds) != 0 {
		t.Errorf("contained %q, holds %v", seen.seen, b.book.holds)
	}
}

// A closing connection panics when the first of its kind is closed.
type closing struct {
	net.Conn
	panics *atomic.Int32
}

func (c *closing) Close() error {
	if c.panics.Add(1) == 1 {
		panic("defect in closing")
	}
	return c.Conn.Close()
}
