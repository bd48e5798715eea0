package main_test

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRemoteMedia: a caller cannot make the gateway reach into its own network, in
// whatever way he writes the address, and an operator can forbid all fetching.
func TestRemoteMedia(t *testing.T) {
	inside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var reached atomic.Int32
	go func() {
		for {
			c, err := inside.Accept()
			if err != nil {
				return
			}
			reached.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = inside.Close() })
	_, port, _ := net.SplitHostPort(inside.Addr().String())
	up := startStage(t)
	config := converseConfig(t, up.url)
	f := func(g *gateway, key, address, why string) {
		t.Helper()
		for _, c := range []struct{ path, body string }{
			{"/v1/chat/completions", `{"model":"any","provider":"rec-bedrock","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":%q}}]}]}`},
			{"/v1/messages", `{"model":"any","provider":"rec-bedrock","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":%q}}]}]}`},
		} {
			sc := &scene{}
			got, err := play(g, up, key, c.path, fmt.Sprintf(c.body, address), sc)
			if err != nil || got.status != 400 || !strings.Contains(got.body, why) || !strings.Contains(got.body, `"invalid_media_url"`) || sc.got != nil {
				t.Errorf("%s %s: %d %.400s, %v; the upstream got %s", c.path, address, got.status, got.body, err, sc.got)
			}
		}
	}
	g := serve(t, "", nil, "--config", config)
	key := g.newKey(`{"name":"media"}`)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0x7f000001", "2130706433", "127.1"} {
		f(g, key, "http://"+host+"/a.png", "cannot fetch")
		f(g, key, "http://"+host+":"+port+"/a.png", "cannot fetch")
	}
	f(g, key, "http://169.254.169.254/latest/meta-data/iam", "never dialled")
	f(g, key, "http://10.0.0.1/a.png", "never dialled")
	f(g, key, "file:///etc/passwd", "scheme")
	f(g, key, "https://user:hunter2@example.com/a.png", "user or password")
	if n := reached.Load(); n != 0 {
		t.Errorf("%d connections into the network", n)
	}

	g = serve(t, "", []string{"AI_GATEWAY_MEDIA_FETCH=never"}, "--config", config)
	f(g, g.newKey(`{"name":"media"}`), "https://example.com/a.png", "media.fetch")
}
