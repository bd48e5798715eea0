package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are and returns every status answered until the
// gateway closes, the first body, and whether it closed within the patience.
func raw(t *testing.T, addr, send string, patience time.Duration) (statuses []int, body string, closed bool) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	go func() { _, _ = io.WriteString(c, send) }()
	r := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			ne, timeout := err.(net.Error)
			return statuses, body, !(timeout && ne.Timeout()) && !strings.Contains(err.Error(), "timeout")
		}
		b, _ := io.ReadAll(resp.Body)
		if len(statuses) == 0 {
			body = string(b)
		}
		if resp.StatusCode != 100 {
			statuses = append(statuses, resp.StatusCode)
		} else {
			statuses = append(statuses, 100)
		}
	}
}

// TestBadInput is the table of inputs that must be refused, each row by its
// number in the project's list of faults, with what is required.
func TestBadInput(t *testing.T) {
	t.Parallel()
	up := startUpstream(t)
	g := serve(t, "", []string{"OPENAI_API_KEY=sk-upstream", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up.url + "/v1", "ANTHROPIC_API_KEY=sk-up-ant", "AI_GATEWAY_PROVIDER_ANTHROPIC_BASE_URL=" + up.url})
	key := g.newKey(`{"name":"t"}`)
	addr := strings.TrimPrefix(g.url, "http://")
	const ok = `{"model":"gpt-4","messages":[{"role":"user","content":"x"}]}`
	head := "POST /v1/chat/completions HTTP/1.1\r\nHost: " + addr + "\r\nContent-Type: application/json\r\n"
	auth := "Authorization: Bearer " + key + "\r\n"
	length := func(b string) string { return "Content-Length: " + strconv.Itoa(len(b)) + "\r\n" }

	rows := 0
	f := func(row int, name, send string, want ...int) string {
		t.Helper()
		rows++
		before := up.count()
		statuses, body, closed := raw(t, addr, send, 12*time.Second)
		good := len(statuses) <= 1
		status := 0
		if len(statuses) == 1 {
			status = statuses[0]
		}
		match := false
		for _, w := range want {
			match = match || w == status
		}
		if !good || !match {
			t.Errorf("row %d, %s: got %v, want one of %v\n%s", row, name, statuses, want, body)
		}
		if status != 0 && status != 200 && !strings.Contains(body, `"error"`) {
			t.Errorf("row %d, %s: the body is no error: %s", row, name, body)
		}
		_ = closed
		if up.count() != before && status != 200 {
			t.Errorf("row %d, %s: the request reached the upstream", row, name)
		}
		return body
	}
	end := "Connection: close\r\n\r\n"
	// HTTP
	f(1, "CL and TE", head+auth+length(ok)+"Transfer-Encoding: chunked\r\n"+end+ok, 400)
	f(2, "two equal CL", head+auth+length(ok)+length(ok)+end+ok, 400)
	f(2, "two different CL", head+auth+length(ok)+"Content-Length: 3\r\n"+end+ok, 400)
	for _, v := range []string{"+2", "-1", "0x2", "2, 2", "18446744073709551618"} {
		f(2, "CL "+v, head+auth+"Content-Length: "+v+"\r\n"+end+"{}", 400)
	}
	f(4, "folded header", head+auth+"X-A: b\r\n c\r\n"+length(ok)+end+ok, 400)
	f(4, "space before colon", head+auth+"X-A : b\r\n"+length(ok)+end+ok, 400)
	f(4, "empty name", head+auth+": b\r\n"+length(ok)+end+ok, 400)
	f(4, "NUL in value", head+auth+"X-A: a\x00b\r\n"+length(ok)+end+ok, 400)
	f(4, "CR in value", head+auth+"X-A: a\rb\r\n"+length(ok)+end+ok, 400)
	f(5, "bare LF", strings.ReplaceAll(head+auth+length(ok)+end, "\r\n", "\n")+ok, 400, 408, 0)
	f(7, "no Host", "POST /v1/chat/completions HTTP/1.1\r\n"+auth+length(ok)+end+ok, 400)
	f(7, "two Hosts", head+"Host: other\r\n"+auth+length(ok)+end+ok, 400)
	for _, h := range []string{"x:4000/#@evil", "x/?", "x y", "x@y"} {
		f(7, "Host "+h, "GET /v1/admin/api-keys HTTP/1.1\r\nHost: "+h+"\r\n"+end, 400)
	}
	f(8, "absolute form", "POST http://evil/v1/admin/api-keys HTTP/1.1\r\nHost: "+addr+"\r\n"+auth+length("{}")+end+"{}", 400)
	f(10, "40 KB of headers", head+auth+"X-A: "+strings.Repeat("a", 40<<10)+"\r\n"+length(ok)+end+ok, 431)
	f(10, "200 headers", head+auth+strings.Repeat("X-A: b\r\n", 200)+length(ok)+end+ok, 431)
	f(11, "CL 34 MiB", head+auth+"Content-Length: 35651584\r\n"+end, 413)
	f(12, "compressed body", head+auth+"Content-Encoding: gzip\r\n"+length("xx")+end+"xx", 415)
	f(13, "100-continue, too big", head+auth+"Expect: 100-continue\r\nContent-Length: 35651584\r\n"+end, 413)
	f(13, "100-continue, bad key", head+"Authorization: Bearer nope\r\nExpect: 100-continue\r\n"+length(ok)+end, 401)
	f(16, "HTTP/1.2", strings.Replace(head, "HTTP/1.1", "HTTP/1.2", 1)+auth+length(ok)+end+ok, 400, 505)
	f(16, "lower-case method", strings.Replace(head, "POST", "post", 1)+auth+length(ok)+end+ok, 400, 405)
	f(16, "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 405, 505, 0)
	f(16, "TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x00", 200)+"\r\n\r\n", 400, 0)
	f(18, "two Authorizations", head+auth+"Authorization: Bearer other\r\n"+length(ok)+end+ok, 400)
	if b := f(18, "two carriers", head+auth+"X-Api-Key: other\r\n"+length(ok)+end+ok, 400); !strings.Contains(b, "ambiguous_credentials") {
		t.Errorf("row 18: %s", b)
	}
	f(18, "two equal carriers", head+auth+"X-Api-Key: "+key+"\r\n"+length(ok)+end+ok, 200)
	f(20, "key in the query", strings.Replace(head, "completions", "completions?api_key=canary-in-query", 1)+length(ok)+end+ok, 400)
	f(20, "key= outside Gemini", strings.Replace(head, "completions", "completions?key=canary-in-query", 1)+length(ok)+end+ok, 400)
	for _, k := range []string{"' OR '1'='1", strings.Repeat("k", 20<<10), "sk-gw-аbc"} {
		if b := f(21, "odd key", head+"Authorization: Bearer "+k+"\r\n"+length(ok)+end+ok, 401); strings.Contains(b, k) {
			t.Errorf("row 21: the key is echoed")
		}
	}
	// bodies
	post := func(b string) string { return head + auth + length(b) + end + b }
	for _, b := range []string{"", "null", "[]", `"x"`, ok[:len(ok)-3], ok + "x", "\xef\xbb\xbf" + ok} {
		f(23, fmt.Sprintf("body %.20q", b), post(b), 400)
	}
	if b := f(23, "truncated", post(`{"model":"gpt-4",`), 400); !strings.Contains(b, "byte 17") {
		t.Errorf("row 23: no offset: %s", b)
	}
	messages := func(n int) string {
		return `{"model":"gpt-4","messages":[` + strings.Repeat(`{},`, n-1) + `{}]}`
	}
	f(25, "depth", post(`{"model":"gpt-4","messages":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+`}`), 400)
	f(25, "messages", post(messages(100_001)), 400)
	f(25, "tools", post(`{"model":"gpt-4","messages":[{"role":"user","content":"x"}],"tools":[`+strings.Repeat(`{},`, 4096)+`{}]}`), 400)
	f(26, "invalid UTF-8", post("{\"model\":\"gpt-4\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}"), 400)
	f(26, "surrogate in model", post(`{"model":"gpt\ud800","messages":[{"role":"user","content":"x"}]}`), 400)
	f(26, "surrogate in user", post(`{"model":"gpt-4","user":"a\ud800\u0000b","messages":[{"role":"user","content":"x"}]}`), 200)
	for _, m := range []string{"api_base", "base_url", "api_key", "custom_llm_provider", "extra_headers", "organization"} {
		if b := f(28, m, post(`{"model":"gpt-4","`+m+`":"http://127.0.0.1:1/x","messages":[{"role":"user","content":"x"}]}`), 400); !strings.Contains(b, m) {
			t.Errorf("row 28: %s is not named: %s", m, b)
		}
	}
	for _, m := range []string{"../../etc", "{{7*7}}", "${env:HOME}", strings.Repeat("m", 10<<10)} {
		f(30, "model "+m[:min(len(m), 12)], post(`{"model":"`+m+`","messages":[{"role":"user","content":"x"}]}`), 404)
	}
	f(30, "model with newline", post(`{"model":"x\nlevel=ERROR fake","messages":[{"role":"user","content":"x"}]}`), 400, 404)
	f(0, "model smuggled", post(`{"model":"gpt-4","MODEL":"gpt-4","messages":[{"role":"user","content":"x"}]}`), 400)
	f(0, "model twice", post(`{"model":"gpt-4","model":"gpt-4o","messages":[{"role":"user","content":"x"}]}`), 400)
	f(0, "unknown provider", post(`{"model":"gpt-4","provider":"nobody","messages":[{"role":"user","content":"x"}]}`), 400)
	f(0, "unknown path", "GET /v1/nothing HTTP/1.1\r\nHost: "+addr+"\r\n"+auth+end, 404)
	f(0, "wrong method", "GET /v1/chat/completions HTTP/1.1\r\nHost: "+addr+"\r\n"+auth+end, 405)
	for _, p := range []string{"//v1/models", "/v1/../v1/models", "/v1/%2e%2e/models", "/v1%2fmodels", "/v1/models\\x", "/v1/./models"} {
		f(0, "path "+p, "GET "+p+" HTTP/1.1\r\nHost: "+addr+"\r\n"+auth+end, 400)
	}
	// Anthropic's surface answers in its own shape
	b := f(23, "messages", strings.Replace(head, "chat/completions", "messages", 1)+auth+length("[]")+end+"[]", 400)
	var shape struct {
		Type  string
		Error struct{ Type string }
	}
	if json.Unmarshal([]byte(b), &shape) != nil || shape.Type != "error" || shape.Error.Type != "invalid_request_error" {
		t.Errorf("the error on /v1/messages is not Anthropic's: %s", b)
	}
	t.Logf("%d refusals tried", rows)

	t.Run("31 request id", func(t *testing.T) {
		for _, id := range []string{strings.Repeat("a", 10<<10), "\x1b[2J", "a b"} {
			s, _, _ := raw(t, addr, "GET /livez HTTP/1.1\r\nHost: "+addr+"\r\nX-Request-Id: "+id+"\r\n"+end, 5*time.Second)
			if len(s) != 1 || s[0] != 200 && s[0] != 400 {
				t.Errorf("%.10q: %v", id, s)
			}
		}
	})
	t.Run("32 no CORS", func(t *testing.T) {
		for _, p := range []string{"/v1/chat/completions", "/v1/admin/api-keys"} {
			_, _, h := g.call("OPTIONS", p, "", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
			if h.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s allows a foreign origin", p)
			}
		}
	})
	t.Run("11 chunked without length", func(t *testing.T) {
		chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, bytes.Repeat([]byte(" "), 1<<20))
		before := rss(t, g)
		s, body, _ := raw(t, addr, head+auth+"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat(chunk, 34)+"0\r\n\r\n", 20*time.Second)
		if len(s) != 1 || s[0] != 413 {
			t.Errorf("got %v %s", s, body)
		}
		if grown := rss(t, g) - before; grown > 40<<20 {
			t.Errorf("the process grew by %d MB", grown>>20)
		}
	})
	t.Run("14 slow", func(t *testing.T) { slowCallers(t, g, head, auth) })
	t.Run("17 pipelined", func(t *testing.T) {
		one := "GET /livez HTTP/1.1\r\nHost: " + addr + "\r\n\r\n"
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, strings.Repeat(one, 1000))
		_ = c.Close()
	})
	// nothing of it changed what follows, and no canary is in the log
	if status, body, _ := g.call("POST", "/v1/chat/completions", key, ok); status != 200 {
		t.Errorf("afterwards an ordinary request got %d %s", status, body)
	}
	for _, canary := range []string{"canary-in-query", "sk-upstream", key} {
		if strings.Contains(g.log.String(), canary) {
			t.Errorf("the log holds %q", canary)
		}
	}
	if strings.Contains(g.log.String(), "panic") {
		t.Errorf("a panic was contained:\n%s", g.log)
	}
}

// rss returns the resident bytes of the gateway.
func rss(t *testing.T, g *gateway) int64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(g.cmd.Process.Pid), "statm"))
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux has /proc")
	}
	if err != nil {
		t.Fatalf("the gateway has ended: %v", err)
	}
	var size, resident int64
	_, _ = fmt.Sscan(string(b), &size, &resident)
	return resident * int64(os.Getpagesize())
}

// slowCallers opens many connections that drip their headers, and one that drips its body.
func slowCallers(t *testing.T, g *gateway, head, auth string) {
	if testing.Short() {
		t.Skip("takes 15 s")
	}
	addr := strings.TrimPrefix(g.url, "http://")
	const n = 200
	cut := make(chan time.Duration, n+1)
	drip := func(first, each string, pause time.Duration) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			cut <- 0
			return
		}
		defer func() { _ = c.Close() }()
		start := time.Now()
		_, _ = io.WriteString(c, first)
		got := make(chan struct{})
		go func() { _, _ = io.Copy(io.Discard, c); close(got) }()
		for time.Since(start) < 40*time.Second {
			select {
			case <-got:
				cut <- time.Since(start)
				return
			case <-time.After(pause):
				_, _ = io.WriteString(c, each)
			}
		}
		cut <- time.Since(start)
	}
	for range n {
		go drip("GET /livez HTTP/1.1\r\nX: ", "a", time.Second)
	}
	go drip(head+auth+"Content-Length: 100000\r\n\r\n", "a", 100*time.Millisecond)
	time.Sleep(time.Second)
	start := time.Now()
	if status, _, _ := g.call("GET", "/livez", "", ""); status != 200 || time.Since(start) > 5*time.Second {
		t.Errorf("others are held up: %d after %v", status, time.Since(start))
	}
	for range n + 1 {
		if d := <-cut; d > 15*time.Second {
			t.Errorf("a slow caller was kept for %v", d)
		}
	}
}
