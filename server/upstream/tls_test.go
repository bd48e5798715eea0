package upstream

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// secure starts an HTTPS upstream with a test certificate for example.com and 127.0.0.1.
func secure(t testing.TB, h http.HandlerFunc) (base string, roots *x509.CertPool, resumed *atomic.Int32) {
	t.Helper()
	resumed = new(atomic.Int32)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.DidResume {
			resumed.Add(1)
		}
		h(w, r)
	}))
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, roots, resumed
}

func TestTLS(t *testing.T) {
	base, roots, resumed := secure(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for range 20 {
			io.WriteString(w, "0123456789")
			w.(http.Flusher).Flush()
			time.Sleep(2 * time.Millisecond)
		}
	})
	want := strings.Repeat("0123456789", 20)
	c := newClient(t, Options{TLS: &tls.Config{RootCAs: roots}})
	status, body, ticks, err := fetch(c, post(base), time.Millisecond)
	if err != nil || status != 200 || body != want || ticks == 0 {
		t.Fatalf("got %d %q after %d ticks: %v", status, body, ticks, err)
	}
	if open, idle := c.count(base); open != 1 || idle != 1 {
		t.Errorf("%d open, %d idle", open, idle)
	}
	// the look at an idle TLS connection must not take a session ticket for its end
	if _, body, _, err := fetch(c, post(base), 0); err != nil || body != want {
		t.Error(body, err)
	}
	if open, _ := c.count(base); open != 1 || resumed.Load() != 0 {
		t.Errorf("%d open, %d resumed: the connection was not reused", open, resumed.Load())
	}
	for _, h := range c.hosts {
		h.retire()
		h.retired = false
	}
	if _, _, _, err := fetch(c, post(base), 0); err != nil || resumed.Load() != 1 {
		t.Errorf("%d sessions resumed, want 1: %v", resumed.Load(), err)
	}
}

func TestTLSFaults(t *testing.T) {
	base, roots, _ := secure(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := newClient(t, Options{}).Start(post(base)); kindOf(err) != TLS {
		t.Errorf("unknown root: got %v, want TLS", err)
	}
	c := newClient(t, Options{TLS: &tls.Config{RootCAs: roots}})
	_, port, _ := net.SplitHostPort(base[len("https://"):])
	if _, err := c.Start(post("https://localhost:" + port)); kindOf(err) != TLS {
		t.Errorf("wrong name: got %v, want TLS", err)
	}
	plain := listen(t, always(ok))
	if _, err := c.Start(post("https" + plain[4:])); kindOf(err) != TLS {
		t.Errorf("plain port: got %v, want TLS", err)
	}
	silent := listen(t, func(_ net.Conn, br *bufio.Reader, _ int) { io.Copy(io.Discard, br) })
	req := post("https" + silent[4:])
	req.Timeouts.TLS = 100 * time.Millisecond
	start := time.Now()
	if _, err := c.Start(req); kindOf(err) != TLS || time.Since(start) > 5*time.Second {
		t.Errorf("silent port: got %v after %v, want TLS", err, time.Since(start))
	}
}

// Cancel also ends the dial that replaces a stale connection.
func TestCancelWhileDialling(t *testing.T) {
	donor := httptest.NewUnstartedServer(nil)
	donor.StartTLS()
	defer donor.Close()
	dialled := make(chan struct{})
	base := listen(t, func(nc net.Conn, br *bufio.Reader, n int) {
		if n > 0 { // never answers the handshake
			close(dialled)
			io.Copy(io.Discard, br)
			return
		}
		tc := tls.Server(nc, donor.TLS)
		in := bufio.NewReader(tc)
		request(in)
		io.WriteString(tc, ok)
		request(in)
	})
	roots := x509.NewCertPool()
	roots.AddCert(donor.Certificate())
	c := newClient(t, Options{TLS: &tls.Config{RootCAs: roots}})
	req := post("https" + base[4:])
	if _, _, _, err := fetch(c, req, 0); err != nil {
		t.Fatal(err)
	}
	x, err := c.Start(req)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	var at atomic.Int64
	go func() {
		<-dialled
		at.Store(time.Now().UnixNano())
		x.Cancel()
	}()
	err = x.Header(time.Time{})
	if late := time.Now().UnixNano() - at.Load(); kindOf(err) != Cancelled || late > int64(2*time.Second) {
		t.Errorf("got %v, %v after Cancel", err, time.Duration(late))
	}
}

// httpProxy is a proxy that counts tunnels and absolute requests and wants the user u with password p.
func httpProxy(t *testing.T) (addr string, tunnels, forwards *atomic.Int32) {
	tunnels, forwards = new(atomic.Int32), new(atomic.Int32)
	base := listen(t, func(nc net.Conn, br *bufio.Reader, _ int) {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if req.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("u:p")) {
			io.WriteString(nc, "HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n")
			return
		}
		if req.Method != http.MethodConnect {
			forwards.Add(1)
			io.Copy(io.Discard, req.Body)
			body := req.URL.String()
			io.WriteString(nc, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+body)
			return
		}
		tunnels.Add(1)
		to, err := net.Dial("tcp", req.Host)
		if err != nil {
			io.WriteString(nc, "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")
			return
		}
		defer to.Close()
		io.WriteString(nc, "HTTP/1.1 200 Connected\r\n\r\n")
		done := make(chan struct{})
		go func() { defer close(done); io.Copy(to, br); to.(*net.TCPConn).CloseWrite() }()
		io.Copy(nc, to)
		nc.Close()
		<-done
	})
	return base[len("http://"):], tunnels, forwards
}

func TestHTTPProxy(t *testing.T) {
	proxied, tunnels, forwards := httpProxy(t)
	base, roots, _ := secure(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret") })
	c := newClient(t, Options{TLS: &tls.Config{RootCAs: roots}, Proxy: func(*url.URL) (*url.URL, error) { return url.Parse("http://u:p@" + proxied) }})
	for range 2 {
		if _, body, _, err := fetch(c, post(base), 0); err != nil || body != "secret" {
			t.Fatalf("tunnel: got %q %v", body, err)
		}
	}
	if tunnels.Load() != 1 {
		t.Errorf("%d tunnels, want 1", tunnels.Load())
	}
	if _, body, _, err := fetch(c, post("http://10.1.2.3:81"), 0); err != nil || body != "http://10.1.2.3:81/v1/chat?a=b" || forwards.Load() != 1 {
		t.Errorf("forward: got %q %v", body, err)
	}
	direct := post(base)
	direct.Proxy = "direct"
	if _, _, _, err := fetch(c, direct, 0); err != nil || tunnels.Load() != 1 {
		t.Errorf("direct: %v, %d tunnels", err, tunnels.Load())
	}
	wrong := post(base)
	wrong.Proxy = "http://u:hunter2@" + proxied
	if _, err := c.Start(wrong); kindOf(err) != Dial || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("wrong password: got %v", err)
	}
	if _, err := c.Start(post("https://169.254.169.254")); kindOf(err) != Blocked || tunnels.Load() != 1 {
		t.Errorf("metadata through the proxy: got %v", err)
	}
}

func TestSOCKS(t *testing.T) {
	base, roots, _ := secure(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret") })
	asked := make(chan string, 1)
	proxied := listen(t, func(nc net.Conn, br *bufio.Reader, _ int) {
		greet := make([]byte, 2)
		io.ReadFull(br, greet)
		io.CopyN(io.Discard, br, int64(greet[1]))
		nc.Write([]byte{5, 0})
		head := make([]byte, 5)
		io.ReadFull(br, head)
		name := make([]byte, int(head[4])+2)
		io.ReadFull(br, name)
		asked <- string(name[:head[4]])
		to, err := net.Dial("tcp", base[len("https://"):])
		if err != nil {
			return
		}
		defer to.Close()
		nc.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		done := make(chan struct{})
		go func() { defer close(done); io.Copy(to, br); to.(*net.TCPConn).CloseWrite() }()
		io.Copy(nc, to)
		nc.Close()
		<-done
	})
	c := newClient(t, Options{TLS: &tls.Config{RootCAs: roots}})
	req := post("https://example.com") // resolved by the proxy, to the test server
	req.Proxy = "socks5h" + proxied[4:]
	if _, body, _, err := fetch(c, req, 0); err != nil || body != "secret" {
		t.Fatalf("got %q %v", body, err)
	}
	if name := <-asked; name != "example.com" {
		t.Errorf("asked for %q", name)
	}
}
