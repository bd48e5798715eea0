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
