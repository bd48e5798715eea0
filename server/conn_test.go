package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCallersAreWaitedFor: for a first request, and for the rest of any, as long as a
// header may take; between two as long as a connection may be idle, whatever deadline
// the last one had.
func TestCallersAreWaitedFor(t *testing.T) {
	const header, idle = 400 * time.Millisecond, 2 * time.Second
	b := newBench(t, func(o *Options) { o.ReadHeader, o.KeepAlive = header, idle })
	key := b.key(nil)
	const get = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	long := `{"model":"gpt-x","messages":[{"role":"user","content":"` + strings.Repeat("x", 20<<10) + `"}]}`
	post := "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\nContent-Length: " + strconv.Itoa(len(long)) + "\r\n\r\n" + long
	f := func(name string, want time.Duration, talk func(c net.Conn, answered func())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", strings.TrimPrefix(b.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			from := time.Now()
			br := bufio.NewReader(c)
			talk(c, func() {
				t.Helper()
				resp, err := http.ReadResponse(br, nil)
				if err != nil || resp.StatusCode != 200 {
					t.Fatal(resp, err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				from = time.Now()
			})
			_, _ = io.Copy(io.Discard, br)
			if got := time.Since(from); got < want*9/10 || got > want+header*3 {
				t.Errorf("closed after %v, want %v", got, want)
			}
		})
	}
	say := func(c net.Conn, text string) { _, _ = io.WriteString(c, text) }
	f("a first request that does not come", header, func(net.Conn, func()) {})
	f("one that drips", header, func(c net.Conn, _ func()) {
		for range 3 {
			say(c, "GET "[:1])
			time.Sleep(header / 4)
		}
	})
	f("a second that does not come", idle, func(c net.Conn, answered func()) {
		say(c, get)
		answered()
	})
	f("after a body that had a deadline of its own", idle, func(c net.Conn, answered func()) {
		say(c, post)
		answered()
	})
	f("a second that comes late, and drips", 3*header/2+header, func(c net.Conn, answered func()) {
		say(c, get)
		answered()
		time.Sleep(3 * header / 2)
		say(c, get[:10])
	})
	f("a third", idle, func(c net.Conn, answered func()) {
		say(c, get)
		answered()
		time.Sleep(3 * header / 2)
		say(c, get[:10])
		time.Sleep(header / 4)
		say(c, get[10:])
		answered()
	})
}
