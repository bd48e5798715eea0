package main_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestConnectionCap (row 15): an address has as many connections as it may and no
// more; others are served, room is given back, and a reload changes the number.
func TestConnectionCap(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux has all of 127.0.0.0/8")
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write := func(most int, more string) {
		t.Helper()
		if err := os.WriteFile(file, fmt.Appendf(nil, "limits:\n  connections_per_address: %d\n%s", most, more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(20, "")
	start := time.Now()
	g := serve(t, "", []string{"AI_GATEWAY_CONFIG=" + file})
	addr := strings.TrimPrefix(g.url, "http://")
	var open []net.Conn
	closeAll := func() {
		for _, c := range open {
			_ = c.Close()
		}
		open = nil
	}
	defer closeAll()
	// served counts the connections from an address that are answered, of n that stay open.
	served := func(from string, n int) (good int) {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
		for range n {
			c, err := d.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = fmt.Fprintf(c, "GET /livez HTTP/1.1\r\nHost: %s\r\n\r\n", addr)
			b := make([]byte, 64)
			if k, _ := c.Read(b); strings.HasPrefix(string(b[:k]), "HTTP/1.1 200") {
				good++
			}
		}
		return good
	}
	// becomes waits until served says want: what was closed is noticed a moment later, as is a reload.
	becomes := func(what, from string, n, want int) {
		t.Helper()
		got := 0
		for range 50 {
			if got = served(from, n); got == want {
				return
			}
			closeAll()
			time.Sleep(100 * time.Millisecond)
		}
		t.Errorf("%s: %d of %d connections from %s were served, want %d", what, got, n, from, want)
	}
	becomes("with a cap of 20", "127.0.0.2", 60, 20)
	if n := served("127.0.0.3", 10); n != 10 {
		t.Errorf("another address: %d of 10 were served", n)
	}
	closeAll()
	becomes("after all have gone", "127.0.0.2", 20, 20)
	closeAll()
	write(5, "")
	_ = g.cmd.Process.Signal(syscall.SIGHUP)
	becomes("after a reload", "127.0.0.2", 30, 5)
	closeAll()
	write(5, "trusted_proxies: [127.0.0.2/32]\n")
	_ = g.cmd.Process.Signal(syscall.SIGHUP)
	becomes("as a trusted proxy", "127.0.0.2", 30, 30)
	closeAll()
	if n := served("127.0.0.3", 30); n != 5 {
		t.Errorf("beside a trusted proxy: %d of 30 were served, want 5", n)
	}
	closeAll()
	if m := g.counted("ai_gateway_connections_refused_total"); m < 60 {
		t.Errorf("%v refusals are counted", m)
	}
	g.stop() // the log is gathered and written in pieces: its end is there when the process has ended
	log := g.log.String()
	if n := strings.Count(log, "as many connections as it may"); n < 1 || n > 1+int(time.Since(start)/time.Minute) {
		t.Errorf("the refusals of one minute are to be told once:\n%s", log)
	}
}

// counted reads one value of /metrics.
func (g *gateway) counted(name string) (n float64) {
	g.t.Helper()
	_, text, _ := g.call("GET", "/metrics", g.admin, "")
	for line := range strings.Lines(text) {
		if k, v, _ := strings.Cut(strings.TrimSpace(line), " "); k == name {
			n, _ = strconv.ParseFloat(v, 64)
		}
	}
	return n
}
