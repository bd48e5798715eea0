package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

func (c *Client) count(base string) (open, idle int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, h := range c.hosts {
		if key.scheme+"://"+key.host == base {
			h.mu.Lock()
			open, idle = open+h.open, idle+len(h.idle)
			h.mu.Unlock()
		}
	}
	return open, idle
}

func TestReuse(t *testing.T) {
	f := func(name, raw string, want bool) {
		t.Helper()
		base := listen(t, always(raw))
		c := newClient(t, Options{})
		if _, _, _, err := fetch(c, post(base), 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, idle := c.count(base); (idle == 1) != want {
			t.Errorf("%s: %d idle connections, want reuse %v", name, idle, want)
		}
	}
	f("length", ok, true)
	f("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", true)
	f("HTTP/1.0 keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", true)
	f("204", "HTTP/1.1 204 X\r\n\r\n", true)
	f("connection: close", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\nx", false)
	f("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false)
	f("more than the body", ok+"HTTP/1.1 200 OK\r\n", false)
}

// What was not read to its end must not be seen by the next exchange.
func TestCloseBeforeTheEnd(t *testing.T) {
	f := func(raw string, reuse bool) {
		t.Helper()
		base := listen(t, always(raw))
		c := newClient(t, Options{})
		x, err := c.Start(post(base))
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Header(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if n, err := x.Read(make([]byte, 1), time.Time{}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		x.Close()
		if _, idle := c.count(base); (idle == 1) != reuse {
			t.Errorf("%d idle, want reuse %v", idle, reuse)
		}
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc", false)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", true)
	f(ok, true)
}

// A pooled connection that has died is replaced once, unseen, if no byte of an answer came.
func TestStaleConnection(t *testing.T) {
	f := func(name string, second script, rest time.Duration, want ErrorKind, dials int32) {
		t.Helper()
		var conns atomic.Int32
		base := listen(t, func(nc net.Conn, br *bufio.Reader, n int) {
			conns.Add(1)
			if _, _, err := request(br); err != nil {
				return
			}
			if n > 0 {
				io.WriteString(nc, ok)
				br.ReadByte()
				return
			}
			io.WriteString(nc, ok)
			second(nc, br, n)
		})
		c := newClient(t, Options{})
		if _, _, _, err := fetch(c, post(base), 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rest)
		_, body, _, err := fetch(c, post(base), 0)
		if kindOf(err) != want || err == nil && body != "hello" {
			t.Errorf("%s: got %q %v, want kind %v", name, body, err, want)
		}
		if conns.Load() != dials {
			t.Errorf("%s: %d connections, want %d", name, conns.Load(), dials)
		}
	}
	reset := func(nc net.Conn) { nc.(*net.TCPConn).SetLinger(0) }
	f("closed while idle", func(net.Conn, *bufio.Reader, int) {}, 20*time.Millisecond, 0, 2)
	f("closed while idle, seen before use", func(net.Conn, *bufio.Reader, int) {}, 150*time.Millisecond, 0, 2)
	f("closed on use", func(_ net.Conn, br *bufio.Reader, _ int) { request(br) }, 0, 0, 2)
	f("reset on use", func(nc net.Conn, br *bufio.Reader, _ int) { request(br); reset(nc) }, 0, 0, 2)
	f("cut within the answer", func(nc net.Conn, br *bufio.Reader, _ int) { request(br); io.WriteString(nc, "H") }, 0, Cut, 1)
	f("answer to nobody", func(nc net.Conn, br *bufio.Reader, _ int) {
		io.WriteString(nc, "HTTP/1.1 408 Timeout\r\n\r\n")
		br.ReadByte()
	}, 150*time.Millisecond, 0, 2)
	f("told that it was idle too long, on use", func(nc net.Conn, br *bufio.Reader, _ int) {
		request(br)
		io.WriteString(nc, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye")
	}, 0, 0, 2)
}

// All connections of a pool that have died are replaced, whatever the size of the
// request, and a new one that cannot be made is told.
func TestAllStale(t *testing.T) {
	f := func(size int) {
		t.Helper()
		const conns = 3
		var asked atomic.Int32
		base := listen(t, func(nc net.Conn, br *bufio.Reader, n int) {
			if n < conns {
				request(br)
				io.WriteString(nc, ok) // and closes
				return
			}
			if _, body, err := request(br); err == nil && len(body) == size {
				asked.Add(1)
				io.WriteString(nc, ok)
				br.ReadByte()
			}
		})
		c := newClient(t, Options{})
		var all []*Exchange
		for range conns {
			x, err := c.Start(post(base))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, x)
		}
		for _, x := range all {
			if err := x.Header(time.Time{}); err != nil {
				t.Fatal(err)
			}
			x.Close()
		}
		time.Sleep(150 * time.Millisecond)
		if _, idle := c.count(base); idle != conns {
			t.Fatalf("%d idle connections, want %d", idle, conns)
		}
		req := post(base)
		req.Body = make([]byte, size)
		if _, body, _, err := fetch(c, req, 0); err != nil || body != "hello" || asked.Load() != 1 {
			t.Errorf("%d bytes: got %q %v, asked %d times", size, body, err, asked.Load())
		}
		if open, idle := c.count(base); open != 1 || idle != 1 {
			t.Errorf("%d bytes: %d connections, %d idle, want the new one alone", size, open, idle)
		}
	}
	f(10)
	f(bufferSize)
	f(1 << 20)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if nc, err := l.Accept(); err == nil {
			l.Close()
			always(ok)(&limited{Conn: nc, n: 1}, bufio.NewReader(nc), 0)
			nc.Close()
		}
	}()
	c := newClient(t, Options{})
	base := "http://" + l.Addr().String()
	if _, _, _, err := fetch(c, post(base), 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	var e *Error
	if _, _, _, err := fetch(c, post(base), 0); !errors.As(err, &e) || e.Kind != Refused || e.Sent {
		t.Errorf("got %v, want Refused with nothing sent", err)
	}
	if open, _ := c.count(base); open != 0 {
		t.Errorf("%d connections are counted", open)
	}
}

// A limited connection writes n times.
type limited struct {
	net.Conn
	n int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.n--; l.n < 0 {
		return 0, io.ErrClosedPipe
	}
	n, err := l.Conn.Write(p)
	if l.n == 0 {
		return n, io.ErrClosedPipe // the script ends
	}
	return n, err
}

// An exchange that is given up before its header is waited for leaves nothing behind,
// and one that is cancelled then says so.
func TestGivenUpBeforeHeader(t *testing.T) {
	f := func(name string, give func(x *Exchange)) {
		t.Helper()
		base := listen(t, always(ok))
		c := newClient(t, Options{})
		if _, _, _, err := fetch(c, post(base), 0); err != nil {
			t.Fatal(err)
		}
		x, err := c.Start(post(base))
		if err != nil || !x.Reused() {
			t.Fatal(err)
		}
		give(x)
		x.Close()
		if open, _ := c.count(base); open != 0 {
			t.Errorf("%s: %d connections stay", name, open)
		}
		if _, body, _, err := fetch(c, post(base), 0); err != nil || body != "hello" {
			t.Errorf("%s: got %q %v", name, body, err)
		}
	}
	f("closed", func(*Exchange) {})
	f("cancelled", func(x *Exchange) {
		x.Cancel()
		if err := x.Header(time.Time{}); !errors.Is(err, ErrCancelled) {
			t.Errorf("got %v, want ErrCancelled", err)
		}
	})
	f("no time", func(x *Exchange) {
		if err := x.Header(time.Now().Add(-time.Second)); !errors.Is(err, ErrTick) {
			t.Errorf("got %v, want ErrTick", err)
		}
	})
}

// A call that came too early for a request to be sent does not keep the next from it.
func TestHeaderAfterEarlyTick(t *testing.T) {
	base := listen(t, always(ok))
	c := newClient(t, Options{})
	if _, _, _, err := fetch(c, post(base), 0); err != nil {
		t.Fatal(err)
	}
	x, err := c.Start(post(base))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := x.Header(time.Now().Add(-time.Second)); !errors.Is(err, ErrTick) {
		t.Errorf("got %v, want ErrTick", err)
	}
	if err := x.Header(time.Now().Add(time.Minute)); err != nil || x.Status() != 200 {
		t.Errorf("got %d %v", x.Status(), err)
	}
}

// What an upstream sends behind the announced end of an answer is no part of the next one.
func TestSurplus(t *testing.T) {
	f := func(name, text string, seen bool) {
		t.Helper()
		asked, sent := make(chan bool), make(chan bool)
		base := listen(t, func(nc net.Conn, br *bufio.Reader, n int) {
			if n > 0 {
				always(ok)(nc, br, n)
				return
			}
			request(br)
			io.WriteString(nc, ok)
			if seen {
				<-asked
			} else {
				request(br) // the connection was looked at and taken
			}
			io.WriteString(nc, text)
			if seen {
				close(sent)
			} else {
				io.WriteString(nc, ok)
			}
			br.ReadByte()
		})
		c := newClient(t, Options{})
		if _, _, _, err := fetch(c, post(base), 0); err != nil {
			t.Fatal(err)
		}
		if seen {
			close(asked)
			<-sent
		}
		if _, body, _, err := fetch(c, post(base), 0); err != nil || body != "hello" {
			t.Errorf("%s: got %q %v", name, body, err)
		}
		if open, _ := c.count(base); open != 1 {
			t.Errorf("%s: %d connections are open, want the new one alone", name, open)
		}
	}
	f("text", "and more", true)
	f("another's answer", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nothers", true)
	f("text, unseen", "and more", false)
}

// A new connection that dies is not tried again: the request may have been served.
func TestNoRetryOnNewConnection(t *testing.T) {
	var conns atomic.Int32
	base := listen(t, func(_ net.Conn, br *bufio.Reader, _ int) {
		conns.Add(1)
		request(br)
	})
	_, _, _, err := fetch(newClient(t, Options{}), post(base), 0)
	if kindOf(err) != Reset || !err.(*Error).Sent || conns.Load() != 1 {
		t.Errorf("got %v after %d connections", err, conns.Load())
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	closed := make(chan struct{})
	base := listen(t, func(nc net.Conn, br *bufio.Reader, _ int) {
		request(br)
		io.WriteString(nc, ok)
		br.ReadByte()
		close(closed)
	})
	c := newClient(t, Options{IdleTimeout: 50 * time.Millisecond})
	if _, _, _, err := fetch(c, post(base), 0); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the idle connection stays")
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		hosts, timer := len(c.hosts), c.timer
		c.mu.Unlock()
		if hosts == 0 && timer == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d hosts stay, timer %v", hosts, timer)
		}
	}
}

func TestMaxConns(t *testing.T) {
	base := listen(t, always(ok))
	c := newClient(t, Options{MaxConns: 1})
	x, err := c.Start(post(base))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(post(base)); kindOf(err) != Dial {
		t.Errorf("got %v, want Dial", err)
	}
	x.Close()
	if _, _, _, err := fetch(c, post(base), 0); err != nil {
		t.Error(err)
	}
	if open, _ := c.count(base); open != 1 {
		t.Errorf("%d connections counted, want 1", open)
	}
}

func TestInMemoryHost(t *testing.T) {
	c := newClient(t, Options{Dial: map[string]func() (net.Conn, error){"http://demo": func() (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			always(ok)(theirs, bufio.NewReader(theirs), 0)
		}()
		return ours, nil
	}}})
	for range 3 {
		status, body, _, err := fetch(c, post("http://demo"), 0)
		if err != nil || status != 200 || body != "hello" {
			t.Fatal(status, body, err)
		}
	}
	if open, _ := c.count("http://demo"); open != 1 {
		t.Errorf("%d connections, want 1", open)
	}
}
