package upstream

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

// canned answers each request of known length with a fixed reply, as cheaply as can be.
func canned(b *testing.B, req *Request, reply string) string {
	return listen(b, func(nc net.Conn, br *bufio.Reader, _ int) {
		for {
			for {
				line, err := br.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := br.Discard(len(req.Body)); err != nil {
				return
			}
			if _, err := io.WriteString(nc, reply); err != nil {
				return
			}
		}
	})
}

func small() *Request {
	return &Request{Method: "POST", Body: []byte(strings.Repeat("x", 1024)), Header: []providers.Header{
		{Name: "content-type", Value: "application/json"}, {Name: "authorization", Value: "Bearer sk-0123456789"}, {Name: "user-agent", Value: "OpenAI/Python 1.0"},
	}}
}

const reply = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req_1\r\nDate: Mon, 02 Nov 2026 00:00:00 GMT\r\nContent-Length: 600\r\n\r\n"

func once(tb testing.TB, c *Client, req *Request, buf []byte) {
	onceIn(tb, new(Exchange), c, req, buf)
}

func onceIn(tb testing.TB, x *Exchange, c *Client, req *Request, buf []byte) {
	if err := c.StartIn(x, req); err != nil {
		tb.Fatal(err)
	}
	until := time.Now().Add(time.Minute)
	if err := x.Header(until); err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := x.Read(buf, until); err == io.EOF {
			break
		} else if err != nil {
			tb.Fatal(err)
		}
	}
	x.Close()
}

// One small buffered exchange, both sides over loopback.
func BenchmarkExchange(b *testing.B) {
	req := small()
	c := newClient(b, Options{})
	req.URL = canned(b, req, reply+strings.Repeat("y", 600)) + "/v1/chat/completions"
	buf := make([]byte, 4096)
	once(b, c, req, buf)
	b.ReportAllocs()
	for b.Loop() {
		once(b, c, req, buf)
	}
}

// The same without sockets: what the exchange itself costs.
func BenchmarkExchangeInMemory(b *testing.B) {
	req := small()
	c := newClient(b, Options{Dial: map[string]func() (net.Conn, error){"http://demo": func() (net.Conn, error) {
		return &echo{reply: reply + strings.Repeat("y", 600)}, nil
	}}})
	req.URL = "http://demo/v1/chat/completions"
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		once(b, c, req, buf)
	}
}

// An echo is a connection that has its answer ready.
type echo struct {
	net.Conn
	reply string
}

func (e *echo) Read(p []byte) (int, error)       { return copy(p, e.reply), nil }
func (e *echo) Write(p []byte) (int, error)      { return len(p), nil }
func (e *echo) Close() error                     { return nil }
func (e *echo) SetReadDeadline(time.Time) error  { return nil }
func (e *echo) SetWriteDeadline(time.Time) error { return nil }

func TestExchangeAllocates(t *testing.T) {
	req := small()
	c := newClient(t, Options{Dial: map[string]func() (net.Conn, error){"http://demo": func() (net.Conn, error) {
		return &echo{reply: reply + strings.Repeat("y", 600)}, nil
	}}})
	req.URL = "http://demo/v1/chat/completions"
	buf := make([]byte, 4096)
	var x Exchange
	if n := testing.AllocsPerRun(100, func() { onceIn(t, &x, c, req, buf) }); n > 1 {
		t.Errorf("an exchange allocates %v times, want at most 1, the header", n)
	}
}
