//go:build unix

package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

// balanced starts what a file of deploy/balancer configures, with its addresses
// replaced, and returns where it listens. wrap makes of the file's text what the
// program is given, in a folder of its own.
func balanced(t *testing.T, file, listens string, nodes []string, wrap func(dir, text string) (string, []string)) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "balancer", file))
	if err != nil {
		t.Fatal(err)
	}
	text, port := string(b), freeAddr(t)
	replace := func(old, with string) {
		t.Helper()
		if strings.Count(text, old) != 1 {
			t.Fatalf("%s has %q %d times", file, old, strings.Count(text, old))
		}
		text = strings.Replace(text, old, with, 1)
	}
	replace(listens, strings.NewReplacer(":80", port, "80", port).Replace(listens))
	for i, node := range nodes {
		replace(fmt.Sprintf("10.0.0.1%d:8080", i+1), node)
	}
	dir := t.TempDir()
	program, args := wrap(dir, text)
	path, err := exec.LookPath(program)
	if err != nil {
		path = "/usr/sbin/" + program
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: apt-get install %[1]s", program)
		}
		t.Skipf("%s is missing: apt-get install %[1]s", program)
	}
	cmd := exec.Command(path, args...)
	log := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			s := log.String()
			t.Logf("%s says:\n%s", program, s[max(0, len(s)-3000):])
		}
	})
	awaitPort(t, port)
	return "http://" + port
}

func startNginx(t *testing.T, nodes []string) string {
	return balanced(t, "nginx.conf", "listen 80;", nodes, func(dir, text string) (string, []string) {
		site, conf := filepath.Join(dir, "ai-gateway.conf"), filepath.Join(dir, "nginx.conf")
		_ = os.WriteFile(site, []byte(text), 0o644)
		_ = os.WriteFile(conf, []byte(`daemon off; user root; pid `+dir+`/pid; worker_processes 1; error_log stderr warn; events {}
http { access_log off; client_body_temp_path `+dir+`/body; proxy_temp_path `+dir+`/proxy; fastcgi_temp_path `+dir+`/f; uwsgi_temp_path `+dir+`/u; scgi_temp_path `+dir+`/s; include `+site+`; }`), 0o644)
		return "nginx", []string{"-c", conf, "-e", "stderr"}
	})
}

func startHAProxy(t *testing.T, nodes []string) string {
	return balanced(t, "haproxy.cfg", "bind :80\n", nodes, func(dir, text string) (string, []string) {
		conf := filepath.Join(dir, "haproxy.cfg")
		_ = os.WriteFile(conf, []byte(text), 0o644)
		return "haproxy", []string{"-db", "-f", conf}
	})
}

// stamper answers buffered requests after a moment, and streams a word each 100 ms
// that says when it was sent.
func stamper(t *testing.T, words int) string {
	return startHandler(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(b), `"stream":true`) {
			time.Sleep(20 * time.Millisecond)
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","created":1,"model":"gpt-4","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		chunk := func(inner string) {
			fmt.Fprintf(w, "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4\",\"choices\":[{\"index\":0,%s}]}\n\n", inner)
			w.(http.Flusher).Flush()
		}
		for range words {
			chunk(fmt.Sprintf(`"delta":{"content":"at %d "}`, time.Now().UnixNano()))
			time.Sleep(100 * time.Millisecond)
		}
		chunk(`"delta":{},"finish_reason":"stop"`)
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	})
}

// stream has n callers of url read streams of stamper, one after the other: took are
// the times from the upstream's word to the caller's.
func (c *crowd) stream(url, key string, n, words int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n}, Timeout: time.Minute}
	for range n {
		c.wg.Go(func() {
			for {
				select {
				case <-c.stop:
					return
				default:
				}
				c.streamOnce(client, url, key, words)
			}
		})
	}
}

func (c *crowd) streamOnce(client *http.Client, url, key string, words int) {
	req, _ := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(`{"model":"gpt-4","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := client.Do(req)
	if err != nil {
		c.fail(err.Error())
		time.Sleep(50 * time.Millisecond)
		return
	}
	defer resp.Body.Close()
	seen, done, last := 0, false, ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if lines.Text() == "" {
			continue
		}
		last = lines.Text()
		done = last == "data: [DONE]"
		if _, after, ok := strings.Cut(last, `"at `); ok {
			digits, _, _ := strings.Cut(after, " ")
			sent, _ := strconv.ParseInt(digits, 10, 64)
			c.took1(time.Unix(0, sent))
			seen++
		}
	}
	if resp.StatusCode != 200 || seen != words || !done {
		c.fail(fmt.Sprintf("a stream: %d, %d words, the end %.200s", resp.StatusCode, seen, last))
		return
	}
	c.mu.Lock()
	c.whole = append(c.whole, resp.Header.Get("X-Request-Id"))
	c.mu.Unlock()
}

// TestBalancers restarts three gateways in turn behind nginx and behind HAProxy, both
// with the files that are shipped, under load: no request fails, each has its row,
// and streams come through as they are written.
func TestBalancers(t *testing.T) {
	t.Parallel()
	rounds, words := 2, 20
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		rounds = 20
	}
	db := postgrestest.Start(t).Database(t)
	dirs, ports, nodes := make([]string, 3), make([]string, 3), make([]*gateway, 3)
	start := func(i int) {
		nodes[i] = serve(t, dirs[i], []string{
			"AI_GATEWAY_DATABASE_URL=" + db, "AI_GATEWAY_ADMIN_KEY=" + fleetAdmin, "AI_GATEWAY_MASTER_KEY=" + strings.Repeat("ab", 32),
			"AI_GATEWAY_DRAIN_DELAY=5s", // as it is where nobody sets it
		}, "--listen", ports[i])
		nodes[i].admin = fleetAdmin
	}
	for i := range nodes {
		dirs[i], ports[i] = t.TempDir(), freeAddr(t)
		start(i)
	}
	if status, body, _ := nodes[0].call("POST", "/v1/admin/provider-accounts", fleetAdmin, fmt.Sprintf(`{"provider":"openai","account_name":"mine","api_key":"sk-x-secret-1","base_url":%q}`, stamper(t, words)+"/v1")); status != 201 {
		t.Fatalf("account: %d %s", status, body)
	}
	key := nodes[0].newKey(`{"name":"team"}`)
	for _, n := range nodes {
		eventually(t, 5*time.Second, func() (bool, string) {
			status, body, _ := n.call("POST", "/v1/chat/completions", key, fleetCall)
			return status == 200, body
		})
	}
	type load struct {
		name              string
		buffered, streams *crowd
	}
	var loads []load
	for _, b := range []struct{ name, url string }{{"nginx", startNginx(t, ports)}, {"HAProxy", startHAProxy(t, ports)}} {
		l := load{b.name, &crowd{stop: make(chan struct{})}, &crowd{stop: make(chan struct{})}}
		l.buffered.call(&gateway{url: b.url}, key, fleetCall, 8, 10*time.Millisecond)
		l.streams.stream(b.url, key, 4, words)
		loads = append(loads, l)
	}
	for range rounds {
		for i := range nodes {
			nodes[i].stop()
			start(i)
			time.Sleep(1500 * time.Millisecond) // until HAProxy has seen it
		}
	}
	var ended sync.WaitGroup
	for _, l := range loads {
		ended.Go(l.buffered.end)
		ended.Go(l.streams.end)
	}
	ended.Wait()
	var ids []string
	for _, l := range loads {
		t.Logf("%s, %d restarts: %d buffered answers, p99 %v; %d streams, from the upstream's word to the caller's p50 %v, p99 %v, at most %v", l.name, rounds*len(nodes), len(l.buffered.whole), quantileOf(l.buffered.took, 0.99).Round(time.Millisecond),
			len(l.streams.whole), quantileOf(l.streams.took, 0.5).Round(10*time.Microsecond), quantileOf(l.streams.took, 0.99).Round(10*time.Microsecond), quantileOf(l.streams.took, 1).Round(time.Millisecond))
		for _, c := range []*crowd{l.buffered, l.streams} {
			if len(c.failed)+c.denied > 0 || len(c.whole) < 10*rounds {
				t.Errorf("%s: %d answers, %d denied, %d failed: %.3s", l.name, len(c.whole), c.denied, len(c.failed), c.failed)
			}
			ids = append(ids, c.whole...)
		}
		// A balancer that holds back gives a word with the next one, 100 ms late, or all at the end.
		if p50, p99 := quantileOf(l.streams.took, 0.5), quantileOf(l.streams.took, 0.99); p50 > 50*time.Millisecond || p99 > time.Second {
			t.Errorf("%s buffers streams: words are %v late, p99 %v", l.name, p50, p99)
		}
	}
	for _, n := range nodes {
		n.stop()
	}
	want := fmt.Sprintf("%d %d", len(ids), len(ids))
	if got := query(t, db, `SELECT count(*) || ' ' || count(DISTINCT request_id) FROM usage_logs WHERE status = 200 AND end_reason = 'complete' AND request_id = ANY($1)`, ids); got != want {
		t.Errorf("the rows of answers that were seen are %s, want %s", got, want)
	}
}
