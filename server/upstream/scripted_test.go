package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A script answers the n-th connection (from 0) of a scripted upstream.
type script func(nc net.Conn, br *bufio.Reader, n int)

// listen starts a scripted upstream on loopback and returns its base URL.
func listen(t testing.TB, play script) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	wg.Add(1)
	go func() {
		defer wg.Done()
		for n := 0; ; n++ {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, nc)
			mu.Unlock()
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer nc.Close()
				play(nc, bufio.NewReader(nc), n)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, nc := range conns {
			nc.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + l.Addr().String()
}

// request reads one request whole.
func request(br *bufio.Reader) (*http.Request, string, error) {
	req, err := http.ReadRequest(br)
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(req.Body)
	return req, string(body), err
}

// answer reads one request and writes raw, then lets the connection be closed.
func answer(raw string) script {
	return func(nc net.Conn, br *bufio.Reader, _ int) {
		if _, _, err := request(br); err == nil {
			io.WriteString(nc, raw)
		}
	}
}

// always answers every request on a connection with raw.
func always(raw string) script {
	return func(nc net.Conn, br *bufio.Reader, _ int) {
		for {
			if _, _, err := request(br); err != nil {
				return
			}
			if _, err := io.WriteString(nc, raw); err != nil {
				return
			}
		}
	}
}

func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// fetch runs an exchange to its end with steps of tick (0: no ticks).
func fetch(c *Client, req *Request, tick time.Duration) (status int, body string, ticks int, err error) {
	x, err := c.Start(req)
	if err != nil {
		return 0, "", 0, err
	}
	defer x.Close()
	until := func() time.Time {
		if tick == 0 {
			return time.Time{}
		}
		return time.Now().Add(tick)
	}
	for {
		err = x.Header(until())
		if !errors.Is(err, ErrTick) {
			break
		}
		ticks++
	}
	if err != nil {
		return 0, "", ticks, err
	}
	var out []byte
	buf := make([]byte, 700)
	for {
		n, err := x.Read(buf, until())
		out = append(out, buf[:n]...)
		switch {
		case errors.Is(err, io.EOF):
			return x.Status(), string(out), ticks, nil
		case errors.Is(err, ErrTick):
			ticks++
		case err != nil:
			return x.Status(), string(out), ticks, err
		}
	}
}

func kindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func post(base string) *Request {
	return &Request{Method: "POST", URL: base + "/v1/chat?a=b", Body: []byte(`{"model":"m"}`)}
}
