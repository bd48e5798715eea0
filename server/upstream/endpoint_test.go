package upstream

import (
	"strings"
	"testing"
	"time"
)

// Endpoints are told apart by their proxies, bounded, and gone with their hosts.
func TestEndpoints(t *testing.T) {
	base := listen(t, always(ok))
	c := newClient(t, Options{IdleTimeout: 50 * time.Millisecond})
	for range 2 {
		direct, err := c.endpoint(base+"/v1", "direct")
		if err != nil {
			t.Fatal(err)
		}
		proxied, err := c.endpoint(base+"/v1", "http://user:pass@127.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		if again, err := c.endpoint(base+"/v1", "direct"); err != nil || again != direct {
			t.Errorf("made anew: %v", err)
		}
		host := base[len("http://"):]
		if want := " /v1 HTTP/1.1\r\nhost: " + host + "\r\n"; direct.start != want {
			t.Errorf("got %q, want %q", direct.start, want)
		}
		if want := " " + base + "/v1 HTTP/1.1\r\nhost: " + host + "\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n"; proxied.start != want {
			t.Errorf("got %q, want %q", proxied.start, want)
		}
	}
	for i := range 2 * maxEndpoints {
		if _, err := c.endpoint(base+"/"+strings.Repeat("x", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.endpoints); n == 0 || n > maxEndpoints || c.remembered > maxEndpoints {
		t.Errorf("%d endpoints are remembered, %d with those by other proxies", n, c.remembered)
	}
	req := post(base)
	if _, _, _, err := fetch(c, req, 0); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		n := len(c.endpoints)
		c.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d endpoints of hosts that are gone", n)
		}
	}
	if _, body, _, err := fetch(c, req, 0); err != nil || body != "hello" {
		t.Errorf("got %q %v", body, err)
	}
	c.Close()
	if _, err := c.Start(req); kindOf(err) != Dial {
		t.Errorf("after Close: %v, want Dial", err)
	}
}

// An exchange that is used again finds its endpoint anew where that is another, or was forgotten.
func TestEndpointOfExchange(t *testing.T) {
	base := listen(t, always(ok))
	c, other := newClient(t, Options{}), newClient(t, Options{})
	x := new(Exchange)
	f := func(c *Client, url, proxy string, same bool) {
		t.Helper()
		before := x.endpoint
		req := post(url)
		req.Proxy = proxy
		if err := c.StartIn(x, req); err != nil {
			t.Fatal(err)
		}
		if err := x.Header(time.Time{}); err != nil || x.Status() != 200 {
			t.Errorf("%d %v", x.Status(), err)
		}
		x.Close()
		if want, err := c.endpoint(req.URL, proxy); err != nil || x.endpoint != want || x.host.c != c || same != (x.endpoint == before) {
			t.Errorf("endpoint %p, want %p, before %p, %v", x.endpoint, want, before, err)
		}
	}
	f(c, base+"/a", "", false)
	f(c, base+"/a", "", true)
	f(c, base+"/b", "", false)
	f(c, base+"/b", "direct", false)
	f(other, base+"/b", "direct", false)
	f(c, base+"/b", "direct", false)
	c.mu.Lock()
	c.forgetEndpoints()
	c.mu.Unlock()
	f(c, base+"/b", "direct", false)
	f(c, base+"/b", "direct", true)
	c.Close()
	if err := c.StartIn(x, post(base+"/b")); kindOf(err) != Dial {
		t.Errorf("after Close: %v, want Dial", err)
	}
}
