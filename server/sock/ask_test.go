package sock

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

type asker interface {
	net.Conn
	Ask(p, dst []byte) (sent, n int, err error)
}

// askers returns the two ends of a connection, the near one of which asks.
func askers(t *testing.T) (asker, *net.TCPConn) {
	t.Helper()
	near, far := pair(t)
	c, ok := Direct(near).(asker)
	if !ok {
		t.Skip("what Direct returns is net's own")
	}
	return c, far
}

// echo answers n questions of a size, each after a while.
func echo(far net.Conn, n, size int, after time.Duration) <-chan error {
	ended := make(chan error, 1)
	go func() {
		buf := make([]byte, size)
		for range n {
			if _, err := io.ReadFull(far, buf); err != nil {
				ended <- err
				return
			}
			time.Sleep(after)
			if _, err := far.Write(buf); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	return ended
}

// A question and its answer may lie in the same buffer, whether the answer is there at
// once or takes its time.
func TestAsk(t *testing.T) {
	c, far := askers(t)
	for _, after := range []time.Duration{0, time.Millisecond, 20 * time.Millisecond} {
		ended := echo(far, 50, 8, after)
		buf := make([]byte, 64)
		for i := range 50 {
			want := []byte{'q', 'u', 'e', 's', 't', 'i', 'o', byte(i)}
			copy(buf, want)
			sent, n, err := c.Ask(buf[:8], buf)
			if sent != 8 || n != 8 || err != nil || !bytes.Equal(buf[:8], want) {
				t.Fatalf("%v: sent %d, got %q %v", after, sent, buf[:n], err)
			}
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// A connection that is no longer idle is asked nothing.
func TestAskStale(t *testing.T) {
	f := func(name string, spoil func(far *net.TCPConn)) {
		t.Helper()
		c, far := askers(t)
		spoil(far)
		time.Sleep(20 * time.Millisecond) // loopback delivers at once, but says so to nobody
		if sent, n, err := c.Ask([]byte("question"), make([]byte, 8)); sent != 0 || n != 0 || !errors.Is(err, ErrStale) {
			t.Errorf("%s: sent %d, got %d %v", name, sent, n, err)
		}
	}
	f("text", func(far *net.TCPConn) { _, _ = far.Write([]byte("x")) })
	f("end", func(far *net.TCPConn) { _ = far.CloseWrite() })
	f("closed", func(far *net.TCPConn) { _ = far.Close() })
	f("reset", func(far *net.TCPConn) { _ = far.SetLinger(0); _ = far.Close() })
}

// A question that the system does not take at once goes out whole.
func TestAskLarge(t *testing.T) {
	c, far := askers(t)
	_ = far.SetReadBuffer(64 << 10)
	p := bytes.Repeat([]byte("question"), 1<<20)
	ended := make(chan error, 1)
	go func() {
		time.Sleep(20 * time.Millisecond)
		buf := make([]byte, len(p))
		_, err := io.ReadFull(far, buf)
		if err == nil && !bytes.Equal(buf, p) {
			err = errors.New("another question came")
		}
		_, _ = far.Write([]byte("answer"))
		ended <- err
	}()
	dst := make([]byte, 8)
	if sent, n, err := c.Ask(p, dst); sent != len(p) || err != nil || string(dst[:n]) != "answer" {
		t.Errorf("sent %d, got %q %v", sent, dst[:n], err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// Nobody reads: the deadline of writes ends it.
	_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	sent, n, err := c.Ask(p, dst)
	if sent == 0 || sent == len(p) || n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix(err.Error(), "write tcp ") {
		t.Errorf("sent %d, got %d %v", sent, n, err)
	}
}

// A deadline before the question sends nothing; one behind it loses nothing.
func TestAskDeadline(t *testing.T) {
	c, far := askers(t)
	dst := make([]byte, 8)
	_ = c.SetReadDeadline(time.Now().Add(-time.Second))
	if sent, n, err := c.Ask([]byte("question"), dst); sent != 0 || n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix(err.Error(), "read tcp ") {
		t.Fatalf("before: sent %d, got %d %v", sent, n, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if sent, n, err := c.Ask([]byte("question"), dst); sent != 8 || n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix(err.Error(), "read tcp ") {
		t.Fatalf("behind: sent %d, got %d %v", sent, n, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	ended := echo(far, 1, 8, 0)
	if n, err := c.Read(dst); err != nil || string(dst[:n]) != "question" {
		t.Errorf("got %q %v", dst[:n], err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An end instead of an answer, and a close from elsewhere, are told as by Read.
func TestAskEnds(t *testing.T) {
	c, far := askers(t)
	go func() { _, _ = io.ReadFull(far, make([]byte, 8)); _ = far.Close() }()
	if sent, n, err := c.Ask([]byte("question"), make([]byte, 8)); sent != 8 || n != 0 || err != io.EOF {
		t.Errorf("sent %d, got %d %v", sent, n, err)
	}
	c, _ = askers(t)
	time.AfterFunc(10*time.Millisecond, func() { _ = c.Close() })
	if sent, n, err := c.Ask([]byte("question"), make([]byte, 8)); sent != 8 || n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while asking: sent %d, got %d %v", sent, n, err)
	}
	if sent, n, err := c.Ask([]byte("question"), make([]byte, 8)); sent != 0 || n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed before: sent %d, got %d %v", sent, n, err)
	}
}

func TestAskAllocatesNothing(t *testing.T) {
	c, far := askers(t)
	ended := echo(far, 102, 8, 0)
	buf := make([]byte, 8)
	ask := func() {
		if _, _, err := c.Ask(buf, buf); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	if n := testing.AllocsPerRun(100, ask); n > 0 {
		t.Errorf("a question allocates %.1f times", n)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
