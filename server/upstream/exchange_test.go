package upstream

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Id: 7\r\n\r\nhello"

// Rows 33-38, 52, 55 and 56 of the list of upstream faults, as far as the exchange answers for them.
func TestAnswers(t *testing.T) {
	f := func(name, raw string, status int, body string, kind ErrorKind) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			c := newClient(t, Options{})
			gotStatus, gotBody, _, err := fetch(c, post(listen(t, answer(raw))), 0)
			if kindOf(err) != kind || (kind == 0) != (err == nil) {
				t.Fatalf("got error %v, want kind %v", err, kind)
			}
			if gotStatus != status || gotBody != body {
				t.Errorf("got %d %q, want %d %q", gotStatus, gotBody, status, body)
			}
		})
	}
	head := "HTTP/1.1 200 OK\r\n"
	chunked := head + "Transfer-Encoding: chunked\r\n\r\n"
	f("length", ok, 200, "hello", 0)
	f("no body", head+"Content-Length: 0\r\n\r\n", 200, "", 0)
	f("204", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0)
	f("no reason", "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", 200, "x", 0)
	f("bare LF in the header", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", 200, "x", 0)
	f("until close", head+"\r\nabc", 200, "abc", 0)
	f("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nabc", 200, "abc", 0)
	f("chunked", chunked+"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", 200, "abc0123456789", 0)
	f("interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+ok, 200, "hello", 0)
	f("leading line ends", "\r\n\r\n"+ok, 200, "hello", 0)
	f("redirect is not followed", "HTTP/1.1 307 X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", 307, "", 0)
	f("header of 60 KB", head+"X: "+strings.Repeat("x", 60<<10)+"\r\nContent-Length: 1\r\n\r\nx", 200, "x", 0)

	f("nothing", "", 0, "", Reset)
	f("cut in the header", head+"Content-Le", 0, "", Cut)
	f("cut in the status line", "HT", 0, "", Cut)
	f("length longer than body", head+"Content-Length: 9\r\n\r\nhello", 200, "hello", Cut)
	f("cut between chunks", chunked+"3\r\nabc\r\n", 200, "abc", Cut)
	f("cut in a chunk", chunked+"5\r\nabc", 200, "abc", Cut)
	f("cut behind the last chunk", chunked+"3\r\nabc\r\n0\r\n", 200, "abc", Cut)
	f("chunk longer than its size", chunked+"3\r\nabcd\r\n0\r\n\r\n", 200, "abc", BadResponse)
	f("bad chunk size", chunked+"3\r\nabc\r\nxyz\r\n", 200, "abc", BadResponse)
	f("negative chunk size", chunked+"-1\r\nabc\r\n", 200, "", BadResponse)
	f("huge chunk size", chunked+"ffffffffffffffff\r\nabc\r\n", 200, "", BadResponse)
	f("chunk line with bare LF", chunked+"3\nabc\r\n0\r\n\r\n", 200, "", BadResponse)
	f("endless chunk line", chunked+"3;"+strings.Repeat("x", 5000), 200, "", BadResponse)
	f("length and chunked", head+"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", BadResponse)
	f("two lengths", head+"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 0, "", BadResponse)
	f("list of lengths", head+"Content-Length: 5, 5\r\n\r\nhello", 0, "", BadResponse)
	f("signed length", head+"Content-Length: +5\r\n\r\nhello", 0, "", BadResponse)
	f("two transfer-encodings", head+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", BadResponse)
	f("transfer-encoding gzip", head+"Transfer-Encoding: gzip, chunked\r\n\r\n", 0, "", BadResponse)
	f("folded header", head+"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", 0, "", BadResponse)
	f("space before colon", head+"Content-Length : 0\r\n\r\n", 0, "", BadResponse)
	f("NUL in a value", head+"X: a\x00b\r\nContent-Length: 0\r\n\r\n", 0, "", BadResponse)
	f("CR before a name", head+"\rX: a\r\nContent-Length: 0\r\n\r\n", 0, "", BadResponse)
	f("no name", head+": a\r\nContent-Length: 0\r\n\r\n", 0, "", BadResponse)
	f("tab in a value", head+"X: a\tb\t\r\nContent-Length: 0\r\n\r\n", 200, "", 0)
	f("CR in a value", head+"X: a\rb\r\nContent-Length: 0\r\n\r\n", 0, "", BadResponse)
	f("not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 0, "", BadResponse)
	f("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", 0, "", BadResponse)
	f("switching protocols", "HTTP/1.1 101 Switching\r\n\r\n", 0, "", BadResponse)
	f("endless interim answers", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), 0, "", BadResponse)
	f("300 headers", head+strings.Repeat("X: y\r\n", 300)+"\r\n", 0, "", BadResponse)
	f("header of 1 MB", head+"X: "+strings.Repeat("x", 1<<20)+"\r\n\r\n", 0, "", TooLarge)
	f("brotli", head+"Content-Encoding: br\r\nContent-Length: 5\r\n\r\nhello", 0, "", BadResponse)
	f("not gzip", head+"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", 200, "", BadResponse)

	zipped := zip(strings.Repeat("hello ", 1000))
	f("gzip", head+"Content-Encoding: gzip\r\n\r\n"+zipped, 200, strings.Repeat("hello ", 1000), 0)
	f("gzip cut", head+"Content-Encoding: gzip\r\nContent-Length: 50\r\n\r\n"+zipped[:20], 200, "", Cut)
	f("gzip with a bad checksum", head+"Content-Encoding: gzip\r\n\r\n"+zipped[:len(zipped)-5]+"xxxxx", 200, strings.Repeat("hello ", 1000), BadResponse)
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func TestGzipBomb(t *testing.T) {
	zipped := zip(strings.Repeat("\x00", maxUnzipped+1))
	c := newClient(t, Options{})
	_, _, _, err := fetch(c, post(listen(t, answer("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+zipped))), 0)
	if kindOf(err) != TooLarge {
		t.Fatalf("got %v, want TooLarge", err)
	}
}

func TestRequestOnTheWire(t *testing.T) {
	got := make(chan string, 1)
	base := listen(t, func(nc net.Conn, _ *bufio.Reader, _ int) {
		buf := make([]byte, 4096)
		n, _ := nc.Read(buf)
		got <- string(buf[:n])
		io.WriteString(nc, ok)
	})
	c := newClient(t, Options{InstanceID: "i1"})
	req := post(base)
	req.Header = []providers.Header{{Name: "content-type", Value: "application/json"}, {Name: "Host", Value: "evil"}, {Name: "Accept-Encoding", Value: "br"}, {Name: "Content-Length", Value: "1"}}
	if _, _, _, err := fetch(c, req, 0); err != nil {
		t.Fatal(err)
	}
	want := "POST /v1/chat?a=b HTTP/1.1\r\nhost: " + base[7:] + "\r\ncontent-type: application/json\r\naccept-encoding: identity\r\nvia: 1.1 ai-gateway-i1\r\ncontent-length: 13\r\n\r\n{\"model\":\"m\"}"
	if s := <-got; s != want {
		t.Errorf("got  %q\nwant %q", s, want)
	}
}

func TestBadRequests(t *testing.T) {
	c := newClient(t, Options{})
	f := func(req Request, kind ErrorKind) {
		t.Helper()
		if req.Method == "" {
			req.Method = "POST"
		}
		_, err := c.Start(&req)
		if kindOf(err) != kind {
			t.Errorf("%q: got %v, want %v", req.URL, err, kind)
		}
		var e *Error
		if errors.As(err, &e) && e.Sent {
			t.Errorf("%q: says a byte was sent", req.URL)
		}
	}
	f(Request{URL: "ftp://x/"}, BadRequest)
	f(Request{URL: "http:///x"}, BadRequest)
	f(Request{URL: "http://u:p@127.0.0.1/"}, BadRequest)
	f(Request{URL: "http://127.0.0.1/a b"}, BadRequest)
	f(Request{URL: "http://127.0.0.1/\r\nx: y"}, BadRequest)
	f(Request{URL: "http://127.0.0.1:99999999/"}, BadRequest)
	f(Request{URL: "http://127.0.0.1/", Method: "PO ST"}, BadRequest)
	f(Request{URL: "http://127.0.0.1/", Header: []providers.Header{{Name: "x", Value: "a\r\nb: c"}}}, BadRequest)
	f(Request{URL: "http://127.0.0.1/", Header: []providers.Header{{Name: "x y", Value: "a"}}}, BadRequest)
	f(Request{URL: "http://169.254.169.254/latest"}, Blocked)
	f(Request{URL: "http://[::ffff:169.254.169.254]/latest"}, Blocked)
	f(Request{URL: "http://127.0.0.1/", Proxy: "ftp://x"}, Dial)
	f(Request{URL: "http://127.0.0.1/", Proxy: "http://169.254.169.254:80"}, Blocked)
}

func TestUnreachable(t *testing.T) {
	c := newClient(t, Options{})
	start := time.Now()
	if _, err := c.Start(post("http://127.0.0.1:1")); kindOf(err) != Refused { // a port that was free may be another test's now
		t.Errorf("got %v, want Refused", err)
	}
	if _, err := c.Start(post("http://no-such-host.invalid")); kindOf(err) != DNS {
		t.Errorf("got %v, want DNS", err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}

// Every byte of the answer comes alone, with ticks between.
func TestTicksLoseNothing(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		base := listen(t, func(nc net.Conn, br *bufio.Reader, _ int) {
			if _, _, err := request(br); err != nil {
				return
			}
			for i := range len(raw) {
				time.Sleep(3 * time.Millisecond)
				if _, err := nc.Write([]byte(raw[i : i+1])); err != nil {
					return
				}
			}
		})
		status, body, ticks, err := fetch(newClient(t, Options{}), post(base), time.Millisecond)
		if err != nil || status != 200 || body != want {
			t.Errorf("got %d %q %v, want %q", status, body, err, want)
		}
		if ticks == 0 { // how many depends on the scheduler
			t.Errorf("saw no ticks between %d bytes", len(raw))
		}
	}
	f("HTTP/1.1 100 C\r\n\r\n"+ok, "hello")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n", "abcde")
	f("HTTP/1.1 200 OK\r\n\r\nabc", "abc")
	f("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"+zip("abc"), "abc")
}

// A timed is an echo that minds its read deadline, and counts the reads that came too late.
type timed struct {
	echo
	by   time.Time
	late int
}

func (c *timed) SetReadDeadline(t time.Time) error { c.by = t; return nil }

func (c *timed) Read(p []byte) (int, error) {
	if !c.by.IsZero() && !time.Now().Before(c.by) {
		c.late++
		return 0, os.ErrDeadlineExceeded
	}
	return c.echo.Read(p)
}

// The deadline of an exchange that is over neither ends the next nor has it read in vain.
func TestLeftOverDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := &timed{echo: echo{reply: ok}}
		c := newClient(t, Options{Dial: map[string]func() (net.Conn, error){"http://demo": func() (net.Conn, error) { return nc, nil }}})
		for range 3 {
			if _, body, _, err := fetch(c, post("http://demo"), time.Millisecond); err != nil || body != "hello" {
				t.Fatal(body, err)
			}
			time.Sleep(time.Second)
		}
		if _, _, _, err := fetch(c, post("http://demo"), 0); err != nil || nc.late > 0 {
			t.Errorf("%d reads came too late: %v", nc.late, err)
		}
	})
}

func TestHeaderTimeout(t *testing.T) {
	base := listen(t, func(_ net.Conn, br *bufio.Reader, _ int) {
		request(br)
		br.ReadByte()
	})
	c := newClient(t, Options{})
	req := post(base)
	req.Timeouts.Header = 600 * time.Millisecond // of which this goroutine may miss the better part
	start := time.Now()
	_, _, ticks, err := fetch(c, req, 20*time.Millisecond)
	if kindOf(err) != HeaderTimeout || ticks < 1 {
		t.Errorf("got %v after %d ticks, want HeaderTimeout", err, ticks)
	}
	if d := time.Since(start); d < 600*time.Millisecond || d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestCancel(t *testing.T) {
	f := func(name, raw string, wait func(x *Exchange) error) {
		t.Helper()
		gone := make(chan struct{})
		base := listen(t, func(nc net.Conn, br *bufio.Reader, _ int) {
			request(br)
			io.WriteString(nc, raw)
			br.ReadByte()
			close(gone)
		})
		x, err := newClient(t, Options{}).Start(post(base))
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		var at atomic.Int64
		time.AfterFunc(30*time.Millisecond, func() { at.Store(time.Now().UnixNano()); x.Cancel() })
		err = wait(x)
		late := time.Now().UnixNano() - at.Load()
		if !errors.Is(err, ErrCancelled) || kindOf(err) != Cancelled {
			t.Errorf("%s: got %v, want ErrCancelled", name, err)
		}
		if late > int64(5*time.Second) { // without Cancel it would wait for ever
			t.Errorf("%s: woke after %v", name, time.Duration(late))
		}
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
			t.Errorf("%s: the upstream was not told", name)
		}
		if _, err := x.Read(make([]byte, 1), time.Time{}); !errors.Is(err, ErrCancelled) {
			t.Errorf("%s: Read after Cancel: %v", name, err)
		}
		x.Close()
		x.Close()
		x.Cancel()
	}
	f("header", "", func(x *Exchange) error { return x.Header(time.Time{}) })
	f("body", "HTTP/1.1 200 OK\r\n\r\nabc", func(x *Exchange) error {
		if err := x.Header(time.Time{}); err != nil {
			return err
		}
		for {
			if _, err := x.Read(make([]byte, 10), time.Now().Add(time.Hour)); err != nil {
				return err
			}
		}
	})
}

// A connection reset within the answer is a cut, whatever the framing is.
func TestResetWithinTheAnswer(t *testing.T) {
	for _, framing := range []string{"", "Content-Length: 99\r\n", "Transfer-Encoding: chunked\r\n"} {
		read := make(chan struct{})
		base := listen(t, func(nc net.Conn, br *bufio.Reader, _ int) {
			request(br)
			io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+framing+"\r\n3\r\nabc\r\n")
			<-read
			nc.(*net.TCPConn).SetLinger(0)
		})
		x, err := newClient(t, Options{}).Start(post(base))
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Header(time.Time{}); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, err := x.Read(buf, time.Time{})
		if n == 0 || err != nil {
			t.Fatal(n, err)
		}
		close(read)
		for err == nil {
			_, err = x.Read(buf, time.Now().Add(time.Minute))
		}
		if kindOf(err) != Cut {
			t.Errorf("%q: got %v, want Cut", framing, err)
		}
		x.Close()
	}
}

// An upstream that refuses early and stops reading is heard all the same.
func TestEarlyAnswer(t *testing.T) {
	base := listen(t, func(nc net.Conn, br *bufio.Reader, _ int) {
		br.ReadString('\n')
		io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		nc.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, io.LimitReader(br, 1<<20))
		time.Sleep(50 * time.Millisecond)
	})
	req := post(base)
	req.Body = bytes.Repeat([]byte("x"), 24<<20)
	status, body, _, err := fetch(newClient(t, Options{}), req, 0)
	if err != nil && kindOf(err) != Write && kindOf(err) != Reset && kindOf(err) != Cut {
		t.Fatalf("got %v", err)
	}
	if err == nil && (status != 413 || body != "no") {
		t.Errorf("got %d %q", status, body)
	}
}

func TestLargeBodies(t *testing.T) {
	base := listen(t, func(nc net.Conn, br *bufio.Reader, _ int) {
		for {
			_, body, err := request(br)
			if err != nil {
				return
			}
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for len(body) > 0 {
				n := min(len(body), 300_000)
				io.WriteString(nc, strings.ToUpper(hex(n))+"\r\n"+body[:n]+"\r\n")
				body = body[n:]
			}
			io.WriteString(nc, "0\r\n\r\n")
		}
	})
	c := newClient(t, Options{})
	for _, size := range []int{0, 1, 16 << 10, 16<<10 - 200, 1<<20 + 7, 5 << 20} {
		req := post(base)
		req.Body = bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		x, err := c.Start(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Header(time.Time{}); err != nil {
			t.Fatal(err)
		}
		var got []byte
		buf := make([]byte, 64<<10)
		for {
			n, err := x.Read(buf, time.Time{})
			got = append(got, buf[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		x.Close()
		if !bytes.Equal(got, req.Body) {
			t.Errorf("size %d: got %d bytes", size, len(got))
		}
	}
}

func hex(n int) string {
	const digits = "0123456789abcdef"
	if n < 16 {
		return digits[n : n+1]
	}
	return hex(n/16) + digits[n%16:n%16+1]
}

func TestResponseHeader(t *testing.T) {
	x, err := newClient(t, Options{}).Start(post(listen(t, answer("HTTP/1.1 200 OK\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 0\r\nEmpty:\r\n\r\n"))))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Header(time.Time{}); err != nil {
		t.Fatal(err)
	}
	x.Close()
	var all []string
	x.EachHeader(func(name, value string) { all = append(all, name+"="+value) })
	if got := strings.Join(all, " "); got != "X-A=1 x-a=2 Content-Length=0 Empty=" {
		t.Errorf("got %q", got)
	}
	if x.ResponseHeader("x-A") != "1" || x.ResponseHeader("none") != "" {
		t.Errorf("got %q, %q", x.ResponseHeader("x-A"), x.ResponseHeader("none"))
	}
}

// Events of all sizes, a picture and long lines of framing come through whole,
// whatever buffer the exchange waits with.
func TestStreamBuffers(t *testing.T) {
	pieces := []string{"a", strings.Repeat("b", 300), strings.Repeat("c", littleSize), strings.Repeat("d", 100_000), "e", strings.Repeat("f", littleSize+1), strings.Repeat("g", bufferSize), "h"}
	waiting := make(chan struct{}) // for the next piece
	base := listen(t, func(nc net.Conn, br *bufio.Reader, _ int) {
		if _, _, err := request(br); err != nil {
			return
		}
		io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for i, p := range pieces {
			<-waiting
			io.WriteString(nc, hex(len(p))+";"+strings.Repeat("x", i*500)+"\r\n"+p+"\r\n")
		}
		io.WriteString(nc, "0\r\n\r\n")
	})
	x, err := newClient(t, Options{}).Start(post(base))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := x.Header(time.Time{}); err != nil {
		t.Fatal(err)
	}
	var got []byte
	little, large := false, false
	for {
		p, err := x.Next(time.Now().Add(time.Millisecond))
		got = append(got, p...)
		little, large = little || len(x.buf) == littleSize, large || little && len(x.buf) == bufferSize
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, ErrTick) {
			t.Fatal(err)
		}
		if errors.Is(err, ErrTick) {
			select {
			case waiting <- struct{}{}:
			default:
			}
		}
	}
	if want := strings.Join(pieces, ""); string(got) != want || !little || !large {
		t.Errorf("got %d bytes of %d; little %v, large %v", len(got), len(want), little, large)
	}
}
