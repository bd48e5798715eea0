package sock

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pair returns the two ends of a TCP connection.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// What is more than the buffers hold goes both ways at a time, whole and in order,
// though both sides must wait for each other.
func TestBothWays(t *testing.T) {
	near, far := pair(t)
	for _, c := range [...]*net.TCPConn{near, far} {
		_ = c.SetReadBuffer(64 << 10)
		_ = c.SetWriteBuffer(64 << 10)
	}
	sent := make([]byte, 2<<20)
	_, _ = rand.Read(sent)
	a, b := Direct(near), Direct(far)
	errs := make(chan error, 4)
	for _, c := range [...]net.Conn{a, b} {
		go func() {
			n, err := c.Write(sent)
			if err == nil && n != len(sent) {
				err = io.ErrShortWrite
			}
			errs <- err
		}()
		go func() {
			got := make([]byte, len(sent))
			_, err := io.ReadFull(c, got)
			if err == nil && !bytes.Equal(got, sent) {
				err = errors.New("other bytes came than were sent")
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// A deadline loses nothing: the next read gets what comes.
func TestDeadline(t *testing.T) {
	near, far := pair(t)
	c := Direct(near)
	buf := make([]byte, 16)
	for range 2 {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := c.Read(buf)
		var ne net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() || !strings.HasPrefix(err.Error(), "read tcp ") {
			t.Fatalf("%v", err)
		}
	}
	_ = c.SetReadDeadline(time.Time{})
	if _, err := far.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "late" {
		t.Fatalf("%q %v", buf[:n], err)
	}
	// Writes that nobody reads end by theirs.
	large := make([]byte, 62<<20)
	_ = c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	n, err := c.Write(large)
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || !strings.HasPrefix(err.Error(), "write tcp ") {
		t.Fatalf("%d %v", n, err)
	}
}

// The ends of a connection are told as net tells them.
func TestEnds(t *testing.T) {
	near, far := pair(t)
	c := Direct(near)
	buf := make([]byte, 16)
	_ = far.CloseWrite()
	if n, err := c.Read(buf); n != 0 || err != io.EOF {
		t.Errorf("half closed: %d %v", n, err)
	}
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("no room: %d %v", n, err)
	}
	_ = far.SetLinger(0)
	_ = far.Close()
	var err error
	for end := time.Now().Add(5 * time.Second); err == nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		_, err = c.Write([]byte("x"))
	}
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}

	near, _ = pair(t)
	c = Direct(near)
	ended := make(chan error, 1)
	go func() { _, err := c.Read(buf); ended <- err }()
	time.Sleep(10 * time.Millisecond)
	_ = c.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed while reading: %v", err)
	}
	if _, err := c.Write(buf); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed before writing: %v", err)
	}
}

// Nothing but TCP is touched, and what else a connection can do it still can.
func TestDirect(t *testing.T) {
	a, _ := net.Pipe()
	if Direct(a) != a {
		t.Error("a pipe is wrapped")
	}
	near, _ := pair(t)
	c := Direct(near)
	if _, ok := c.(syscall.Conn); !ok {
		t.Error("the descriptor is hidden")
	}
	if _, ok := c.(interface{ CloseWrite() error }); !ok {
		t.Error("CloseWrite is hidden")
	}
}

// What is written with more to follow comes with it, whole.
func TestWriteMore(t *testing.T) {
	near, far := pair(t)
	w, ok := Direct(near).(interface{ WriteMore([]byte) (int, error) })
	if !ok { // what Direct returns is net's own
		return
	}
	if n, err := w.WriteMore([]byte("first ")); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := Direct(near).Write([]byte("second")); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	_ = far.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 12)
	if _, err := io.ReadFull(far, buf); err != nil || string(buf) != "first second" {
		t.Errorf("%q %v", buf, err)
	}
}

func TestAllocatesNothing(t *testing.T) {
	near, far := pair(t)
	a, b := Direct(near), Direct(far)
	buf := make([]byte, 64)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = a.Write(buf)
		_, _ = b.Read(buf)
	}); n > 0 {
		t.Errorf("a write and a read allocate %.1f times", n)
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	f := func(name string, wrap func(net.Conn) net.Conn) {
		b.Run(name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer ln.Close()
			go func() {
				nc, err := ln.Accept()
				if err == nil {
					nc = wrap(nc)
					buf := make([]byte, 1024)
					for err == nil {
						if _, err = io.ReadFull(nc, buf); err == nil {
							_, err = nc.Write(buf)
						}
					}
				}
			}()
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			nc = wrap(nc)
			buf := make([]byte, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := nc.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(nc, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f("net", func(c net.Conn) net.Conn { return c })
	f("direct", Direct)
}
