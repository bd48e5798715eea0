package main_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A toxic is what happens to the bytes on their way from an upstream. It moves what it
// lets pass from up to down and returns when the connection is to end.
type toxic func(down, up *net.TCPConn)

// poison starts a TCP proxy before an upstream and returns its address.
func poison(t *testing.T, upstream string, do toxic) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop); _ = ln.Close(); wg.Wait() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			u, err := net.Dial("tcp", strings.TrimPrefix(upstream, "http://"))
			if err != nil {
				_ = c.Close()
				continue
			}
			down, up := c.(*net.TCPConn), u.(*net.TCPConn)
			end := func() { _ = down.Close(); _ = up.Close() }
			wg.Go(func() { // requests pass as they come
				_, _ = io.Copy(up, down)
				end()
			})
			wg.Go(func() {
				do(down, up)
				end()
			})
			wg.Go(func() {
				gone := make(chan struct{})
				go func() { <-stop; end(); close(gone) }()
				<-gone
			})
		}
	}()
	return "http://" + ln.Addr().String()
}

// parcels moves at most n bytes at a time and pauses after each.
func parcels(n int, pause func() time.Duration) toxic {
	return func(down, up *net.TCPConn) {
		b := make([]byte, n)
		for {
			k, err := up.Read(b)
			if k > 0 {
				time.Sleep(pause())
				if _, werr := down.Write(b[:k]); werr != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}

func always(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

// TestToxicConnections (row 56): what lies between the gateway and an upstream delays,
// slices, throttles, cuts or swallows what comes: what is whole in the end is answered;
// what is not is another target's to answer, else 502 or 504, and never a part of an
// answer as if it were whole. Nothing stays behind.
func TestToxicConnections(t *testing.T) {
	t.Parallel()
	up := startUpstream(t)
	toxics := []struct {
		name  string
		whole bool // the answer comes through
		do    toxic
	}{
		{"latency", true, parcels(32<<10, func() time.Duration { return time.Second + time.Duration(rand.Int64N(int64(2*time.Second))) })},
		{"slicer", true, parcels(1, always(0))},
		{"bandwidth", true, parcels(100, always(100*time.Millisecond))},
		{"slowclose", true, func(down, up *net.TCPConn) {
			parcels(32<<10, always(0))(down, up)
			time.Sleep(2 * time.Second)
		}},
		{"resetpeer", false, func(down, up *net.TCPConn) {
			_, _ = up.Read(make([]byte, 50))
			_ = down.SetLinger(0)
		}},
		{"limitdata", false, func(down, up *net.TCPConn) { _, _ = io.CopyN(down, up, 100) }},
		{"timeout", false, func(down, up *net.TCPConn) { _, _ = io.Copy(io.Discard, up); time.Sleep(20 * time.Second) }},
	}
	var accounts, mappings strings.Builder
	fmt.Fprintf(&accounts, "accounts:\n- {name: good, provider: custom, base_url: %q, api_key: sk-good, models: [m]}\n", up.url+"/v1")
	mappings.WriteString("model_mappings:\n")
	for _, x := range toxics {
		fmt.Fprintf(&accounts, "- {name: %s, provider: custom, base_url: %q, api_key: sk-bad, models: [m]}\n", x.name, poison(t, up.url, x.do)+"/v1")
		fmt.Fprintf(&mappings, "- {alias: %s, targets: [{account: %[1]s, model: m}]}\n", x.name)
		fmt.Fprintf(&mappings, "- {alias: %s-backed, targets: [{account: %[1]s, model: m, priority: 0}, {account: good, model: m, priority: 1}]}\n", x.name)
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(accounts.String()+mappings.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", []string{"AI_GATEWAY_CONFIG=" + file, "AI_GATEWAY_UNKNOWN_PRICE=zero", "AI_GATEWAY_TIMEOUTS_TTFB=5s", "AI_GATEWAY_TIMEOUTS_TTFB_STREAM=5s", "AI_GATEWAY_LOG_LEVEL=error"})
	round := func() {
		var wg sync.WaitGroup
		for _, x := range toxics {
			for _, backed := range []bool{false, true} {
				for _, stream := range []bool{false, true} {
					wg.Go(func() {
						model := x.name
						if backed {
							model += "-backed"
						}
						status, body, _ := g.call("POST", "/v1/chat/completions", g.admin, fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"x"}]}`, model, stream))
						answered := status == 200 && (stream && strings.HasSuffix(body, "data: [DONE]\n\n") && strings.Contains(body, "Hello ") || !stream && strings.Contains(body, "Hello there."))
						// A stream that is silent for long gets its 200 before it fails: then it ends in an error event.
						refused := status == 502 || status == 504 || stream && status == 200 && strings.Contains(body, `"error"`) && !strings.Contains(body, "[DONE]")
						if want := x.whole || backed; answered != want || !want && !refused {
							t.Errorf("%s, stream %v: %d %.300s", model, stream, status, body)
						}
					})
				}
			}
		}
		wg.Wait()
	}
	round()
	before := g.standing() // with the connections that are kept for the next
	round()
	g.settles(before, time.Minute)
}
