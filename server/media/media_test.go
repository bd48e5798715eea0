package media

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var png = append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 64)...)

// TestFetch reads files from a server that stands for the public internet.
func TestFetch(t *testing.T) {
	pdf := []byte("%PDF-1.7\n…")
	mux := http.NewServeMux()
	serve := func(path, contentType string, body []byte) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(body)
		})
	}
	serve("/a.png", "text/html", png) // the bytes decide, not the server
	serve("/a.pdf", "application/octet-stream", pdf)
	serve("/page", "image/png", []byte("<html>secret of an intranet</html>"))
	serve("/empty", "image/png", nil)
	serve("/most", "image/png", append(bytes.Clone(png), make([]byte, MaxBytes-len(png))...))
	serve("/big", "image/png", append(bytes.Clone(png), make([]byte, MaxBytes)...))
	mux.HandleFunc("/bigchunked", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(png)
		w.(http.Flusher).Flush()
		piece := make([]byte, 1<<20)
		for range 11 {
			_, _ = w.Write(piece)
		}
	})
	var followed atomic.Bool
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/target", http.StatusFound) })
	mux.HandleFunc("/target", func(w http.ResponseWriter, _ *http.Request) { followed.Store(true); _, _ = w.Write(png) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	f := New(func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	})
	fetch := func(path string) (File, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		if path == "/slow" {
			cancel()
			ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
		}
		defer cancel()
		return f.Fetch(ctx, "http://files.example.com"+path+"?token=hunter2")
	}
	good := func(path, typ string, data []byte) {
		t.Helper()
		got, err := fetch(path)
		if err != nil || got.Type != typ || data != nil && !bytes.Equal(got.Data, data) {
			t.Errorf("%s: %q, %d bytes, %v", path, got.Type, len(got.Data), err)
		}
	}
	good("/a.png", "image/png", png)
	good("/a.pdf", "application/pdf", pdf)
	good("/most", "image/png", nil)
	bad := func(path, why string) {
		t.Helper()
		got, err := fetch(path)
		if err == nil || !strings.Contains(err.Error(), why) || got.Data != nil {
			t.Errorf("%s: %v (%d bytes), want an error with %q", path, err, len(got.Data), why)
		} else if s := err.Error(); strings.Contains(s, "secret") || strings.Contains(s, "hunter2") {
			t.Errorf("%s: the error tells too much: %s", path, s)
		}
	}
	bad("/page", "did not answer with an image")
	bad("/empty", "did not answer with an image")
	bad("/big", "larger than 10 MiB")
	bad("/bigchunked", "larger than 10 MiB")
	bad("/moved", "redirects")
	bad("/slow", "in time")
	bad("/nothing", "answered 404")
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// TestNothingInside: no address that is not public is connected to, by whatever name.
func TestNothingInside(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var reached atomic.Bool
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			reached.Store(true)
			c.Close()
		}
	}()
	f := New(nil)
	port := ln.Addr().(*net.TCPAddr).Port
	for _, address := range []string{
		ln.Addr().String(), "http://" + ln.Addr().String() + "/a.png", "http://127.0.0.1/a.png", "https://127.0.0.1/a.png", "http://localhost/a.png",
		"http://[::1]/a.png", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://0x7f000001/", "http://2130706433/", "http://127.1/",
		"http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://192.168.1.1/", "http://100.64.0.1/", "http://[fd00::1]/", "http://[fe80::1]/",
		"http://0.0.0.0/", "http://[::]/", "file:///etc/passwd", "ftp://example.com/a.png", "gopher://example.com/", "data:text/plain,x", "", "//x", "http:///a",
		"https://user:pw@example.com/a.png", "https://example.com:8443/a.png", "https://example.com/a.png#f", "http://metadata/", "http://a b/",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if got, err := f.Fetch(ctx, address); err == nil {
			t.Errorf("%q: fetched %d bytes", address, len(got.Data))
		}
		cancel()
	}
	// Behind a name the guard sees what is really dialled.
	if err := public("tcp4", net.JoinHostPort("127.0.0.1", "80"), nil); err == nil {
		t.Error("a dial of loopback passes the guard")
	}
	if err := public("tcp4", "8.8.8.8:443", nil); err != nil {
		t.Errorf("a dial of a public address: %v", err)
	}
	if reached.Load() {
		t.Errorf("something connected to port %d", port)
	}
}

// TestAtOnce: what comes beyond the bound waits, as long as its time lasts.
func TestAtOnce(t *testing.T) {
	f := New(func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed })
	for range atOnce {
		f.slots <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := f.Fetch(ctx, "https://files.example.com/a.png"); err == nil || !strings.Contains(err.Error(), "too many files") {
		t.Errorf("beyond the bound: %v", err)
	}
	<-f.slots
	if _, err := f.Fetch(context.Background(), "https://files.example.com/a.png"); err == nil || strings.Contains(err.Error(), "too many files") {
		t.Errorf("within the bound: %v", err)
	}
	if len(f.slots) != atOnce-1 {
		t.Errorf("%d slots are taken, want %d", len(f.slots), atOnce-1)
	}
}

func TestShown(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := Shown(in); got != want {
			t.Errorf("Shown(%q) = %q, want %q", in, got, want)
		}
	}
	f("https://h.example/a?sig=secret", "https://h.example/…")
	f("https://u:pw@h.example/a", "https://h.example/…")
	f("file:///etc/passwd", "file:…")
	f("nonsense", "the address")
	f("::", "the address")
}

func FuzzFetchAddress(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1/", "https://example.com/a.png", "file:///x", "http://[::1]:80/"} {
		f.Add(s)
	}
	fetcher := New(func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed })
	f.Fuzz(func(t *testing.T, address string) {
		if _, err := fetcher.Fetch(context.Background(), address); err == nil {
			t.Errorf("%q was fetched from nowhere", address)
		}
		_ = Shown(address)
	})
}
