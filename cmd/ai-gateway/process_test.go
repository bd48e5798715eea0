package main_test

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFewDescriptors (reliability.md, row 83): with 256 descriptors the gateway
// refuses what it cannot take, says so a few times, and serves again when there is room.
func TestFewDescriptors(t *testing.T) {
	port := freeAddr(t)
	g := serve(t, "", []string{"AI_GATEWAY_ADMIN_KEY=" + lifecycleKey}) // for its environment only
	g.stop()
	cmd := exec.Command("sh", "-c", "ulimit -n 256; exec "+filepath.Join(binary(t), "ai-gateway")+" serve --listen "+port)
	cmd.Env, cmd.Dir = g.env, g.home
	log := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the gateway ended with %v:\n%s", err, log)
		}
	}()
	g.url = "http://" + port
	g.cmd = cmd
	awaitPort(t, port)
	var open []net.Conn
	for range 400 {
		c, err := net.DialTimeout("tcp", port, 10*time.Second) // the kernel takes it; this process may have to wait for its turn
		if err != nil {
			t.Log(err)
			break // the queue of the socket is full, too
		}
		open = append(open, c)
	}
	if len(open) < 256 {
		t.Errorf("only %d connections were opened", len(open))
	}
	time.Sleep(3 * time.Second)
	for _, c := range open {
		_ = c.Close()
	}
	ask := `{"model":"demo-fast","messages":[{"role":"user","content":"hi"}]}`
	deadline := time.Now().Add(20 * time.Second)
	for {
		if status, _, err := try(g, ask); err == nil && status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not serve again:\n%s", log)
		}
		time.Sleep(200 * time.Millisecond)
	}
	if n := strings.Count(log.String(), "\n"); n > 60 {
		t.Errorf("%d lines were logged, the last ones:\n%.2000s", n, log.String()[len(log.String())-2000:])
	}
}

// awaitPort waits until something listens on addr.
func awaitPort(t *testing.T, addr string) {
	t.Helper()
	for range 500 {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_ = c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("nothing listens on %s", addr)
}

// try does one chat and returns its status; unlike call it may fail.
func try(g *gateway, body string) (int, string, error) {
	req, err := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+lifecycleKey)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}
