package main_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A wire speaks to a gateway over a bare socket, as one caller with a key.
type wire struct {
	t               *testing.T
	g               *gateway
	up              *upstream
	addr, key, head string
}

func newWire(t *testing.T) *wire {
	t.Helper()
	up := startUpstream(t)
	g := serve(t, "", []string{"OPENAI_API_KEY=sk-upstream", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up.url + "/v1"})
	w := &wire{t: t, g: g, up: up, addr: strings.TrimPrefix(g.url, "http://"), key: g.newKey(`{"name":"wire"}`)}
	w.head = "POST /v1/chat/completions HTTP/1.1\r\nHost: " + w.addr + "\r\nContent-Type: application/json\r\nAuthorization: Bearer " + w.key + "\r\n"
	return w
}

// post is a request with body and more header lines.
func (w *wire) post(body, header string) string {
	return w.head + header + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

const plainAsk = `{"model":"gpt-4","messages":[{"role":"user","content":"x"}]}`

// TestFramingIsFinal (rows 1, 2, 4, 5, 7, 8, 16): a request whose ends cannot be told
// is answered once and its connection closed, whatever else is on it: what follows
// may be the tail of a body.
func TestFramingIsFinal(t *testing.T) {
	w := newWire(t)
	smuggled := w.post(plainAsk, "")
	f := func(row int, name, send string) {
		t.Helper()
		before := w.up.count()
		statuses, body, closed := raw(t, w.addr, send+smuggled, 12*time.Second)
		if len(statuses) > 1 || len(statuses) == 1 && (statuses[0] < 400 || statuses[0] > 505) || !closed {
			t.Errorf("row %d, %s: answered %v, closed %v: %s", row, name, statuses, closed, body)
		}
		if n := w.up.count() - before; n != 0 {
			t.Errorf("row %d, %s: %d requests reached the upstream", row, name, n)
		}
	}
	ok := "Content-Length: " + strconv.Itoa(len(plainAsk)) + "\r\n"
	f(1, "CL and TE", w.head+ok+"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	f(1, "TE and CL", w.head+"Transfer-Encoding: chunked\r\n"+ok+"\r\n0\r\n\r\n")
	f(1, "TE twice", w.head+"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")
	f(1, "TE that is not chunked", w.head+"Transfer-Encoding: xchunked\r\n"+ok+"\r\n"+plainAsk)
	f(1, "TE chunked, chunked", w.head+"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n")
	f(1, "chunk size with a sign", w.head+"Transfer-Encoding: chunked\r\n\r\n+3\r\n{}x\r\n0\r\n\r\n")
	f(1, "chunk size beyond 64 bits", w.head+"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n")
	f(2, "two equal CL", w.head+ok+ok+"\r\n"+plainAsk)
	f(2, "two CL", w.head+ok+"Content-Length: 0\r\n\r\n"+plainAsk)
	for _, v := range []string{"+2", "-1", "0x2", "2, 2", "18446744073709551618", "", "2 2", "2;"} {
		f(2, "CL "+v, w.head+"Content-Length: "+v+"\r\n\r\n{}")
	}
	f(4, "folded header", w.head+"X-A: b\r\n c\r\n"+ok+"\r\n"+plainAsk)
	f(4, "space before colon", w.head+"Content-Length : 5\r\n\r\n"+plainAsk)
	f(4, "empty name", w.head+": b\r\n"+ok+"\r\n"+plainAsk)
	f(4, "NUL in value", w.head+"X-A: a\x00b\r\n"+ok+"\r\n"+plainAsk)
	f(4, "CR in value", w.head+"X-A: a\rb\r\n"+ok+"\r\n"+plainAsk)
	f(5, "one line ended by LF alone", w.head+"X-A: b\n"+ok+"\r\n"+plainAsk)
	f(5, "the blank line is LF alone", w.head+ok+"\n"+plainAsk)
	f(5, "all lines", strings.ReplaceAll(w.head+ok+"\r\n", "\r\n", "\n")+plainAsk)
	f(7, "no Host", strings.Replace(w.head, "Host: "+w.addr+"\r\n", "", 1)+ok+"\r\n"+plainAsk)
	f(7, "two Hosts", w.head+"Host: other\r\n"+ok+"\r\n"+plainAsk)
	for _, h := range []string{"x:4000/#@evil", "x/?", "x y", "x@y", "x#", "x?y"} {
		for _, path := range []string{"/v1/models", "/v1/admin/api-keys", "/admin/"} {
			statuses, body, _ := raw(t, w.addr, "GET "+path+" HTTP/1.1\r\nHost: "+h+"\r\nConnection: close\r\n\r\n", 12*time.Second)
			if len(statuses) != 1 || statuses[0] != 400 {
				t.Errorf("row 7, Host %q on %s: %v %s", h, path, statuses, body)
			}
		}
	}
	f(8, "absolute form", strings.Replace(w.head, "POST /", "POST http://evil/", 1)+ok+"\r\n"+plainAsk)
	f(16, "HTTP/1.2", strings.Replace(w.head, "HTTP/1.1", "HTTP/1.2", 1)+ok+"\r\n"+plainAsk)
	f(16, "HTTP/0.9", "GET /v1/models\r\n\r\n")
	f(16, "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	f(16, "TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x00", 200)+"\r\n\r\n")
	w.unchanged()
}

// unchanged requires that an ordinary request passes, at an ordinary pace, and that
// nothing is reserved.
func (w *wire) unchanged() {
	w.t.Helper()
	start := time.Now()
	if status, body, _ := w.g.call("POST", "/v1/chat/completions", w.key, plainAsk); status != 200 {
		w.t.Errorf("afterwards an ordinary request got %d %s", status, body)
	}
	if took := time.Since(start); took > 10*time.Second { // on a busy machine
		w.t.Errorf("afterwards an ordinary request took %v", took)
	}
	if strings.Contains(w.g.log.String(), "panic") {
		w.t.Errorf("a panic was contained:\n%s", w.g.log)
	}
	_, text, _ := w.g.call("GET", "/metrics", w.g.admin, "")
	for _, line := range []string{"ai_gateway_ledger_reserved_usd 0\n", "ai_gateway_ledger_open_holds 0\n"} {
		if !strings.Contains(text, line) {
			w.t.Errorf("the metrics lack %q", line)
		}
	}
}

// TestGzipBomb (row 12): a compressed body is refused without being opened.
func TestGzipBomb(t *testing.T) {
	w := newWire(t)
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range 256 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	before := rss(t, w.g)
	for range 8 {
		statuses, body, _ := raw(t, w.addr, w.post(bomb.String(), "Content-Encoding: gzip\r\nConnection: close\r\n"), 12*time.Second)
		if len(statuses) != 1 || statuses[0] != 415 && statuses[0] != 413 {
			t.Errorf("got %v %s", statuses, body)
		}
	}
	if grown := rss(t, w.g) - before; grown > 30<<20 {
		t.Errorf("the process grew by %d MB", grown>>20)
	}
	w.unchanged()
}

// TestSlowBody (row 14): a body that drips is ended with 408.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 10 s or more")
	}
	w := newWire(t)
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	start := time.Now()
	_, _ = io.WriteString(c, w.head+"Content-Length: 100000\r\n\r\n")
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				_, _ = io.WriteString(c, "a")
			}
		}
	}()
	_ = c.SetReadDeadline(start.Add(60 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer after %v: %v", time.Since(start), err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != 408 {
		t.Errorf("%d after %v", resp.StatusCode, time.Since(start))
	}
	w.unchanged()
}

// TestOddKeys (row 21): what is no key is refused quickly, shown to nobody and logged nowhere.
func TestOddKeys(t *testing.T) {
	w := newWire(t)
	for _, c := range []struct {
		key  string
		want []int
	}{
		{"' OR '1'='1", []int{401}}, {"sk-gw-\u0430bc-homoglyph", []int{401}}, {strings.Repeat("k", 20<<10), []int{401}},
		{strings.Repeat("m", 1<<20), []int{431}}, {"canary\x00nul", []int{400}}, {"canary\r\nX-Injected: yes", []int{401}}, {"canary\nX-Injected: yes", []int{400}}, {"", []int{401}},
	} {
		send := "GET /v1/key HTTP/1.1\r\nHost: " + w.addr + "\r\nAuthorization: Bearer " + c.key + "\r\nConnection: close\r\n\r\n"
		statuses, body, _ := raw(t, w.addr, send, 12*time.Second)
		if len(statuses) != 1 || statuses[0] != c.want[0] {
			t.Errorf("%.30q: %v, want %v: %s", c.key, statuses, c.want, body)
		}
		if c.key != "" && strings.Contains(body, c.key) || strings.Contains(body, "canary") {
			t.Errorf("%.30q is echoed: %s", c.key, body)
		}
	}
	if strings.Contains(w.g.log.String(), "canary") || strings.Contains(w.g.log.String(), "' OR '") {
		t.Errorf("a wrong key is in the log:\n%s", w.g.log)
	}
	w.unchanged()
}

// TestLargeShapes (row 25): bodies that are cheap to send and dear to read are judged quickly.
func TestLargeShapes(t *testing.T) {
	w := newWire(t)
	var keys strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&keys, `"k%d":1,`, i)
	}
	f := func(name, body string, want ...int) {
		t.Helper()
		best := time.Hour
		for range 3 { // the machine may be busy once
			start := time.Now()
			status, out, _ := w.g.call("POST", "/v1/chat/completions", w.key, body)
			best = min(best, time.Since(start))
			if status != want[0] && status != want[len(want)-1] {
				t.Errorf("%s: %d, want %v: %.300s", name, status, want, out)
			}
		}
		t.Logf("%s, %d KB: %v", name, len(body)>>10, best)
		if best > 2*time.Second {
			t.Errorf("%s took %v at best", name, best)
		}
	}
	f("depth 10,000", `{"model":"gpt-4","messages":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+`}`, 400)
	f("a million members", `{"model":"gpt-4",`+keys.String()+`"messages":[{"role":"user","content":"x"}]}`, 400, 413)
	f("a string of 10 MB", `{"model":"gpt-4","messages":[{"role":"user","content":"`+strings.Repeat("x", 10<<20)+`"}]}`, 200)
	f("a model name of 10 MB", `{"model":"`+strings.Repeat("x", 10<<20)+`","messages":[]}`, 404, 400)
	f("100,001 messages", `{"model":"gpt-4","messages":[`+strings.Repeat(`{},`, 100_000)+`{}]}`, 400)
	f("4,097 tools", `{"model":"gpt-4","messages":[{"role":"user","content":"x"}],"tools":[`+strings.Repeat(`{},`, 4096)+`{}]}`, 400)
	w.unchanged()
}

// TestOddTextIsKept (rows 26, 30, 31): half surrogates, NULs and invented models harm
// neither the ledger nor the log, and a request id of the caller's making is replaced.
func TestOddTextIsKept(t *testing.T) {
	w := newWire(t)
	for _, body := range []string{
		`{"model":"gpt-4","user":"a\ud800\u0000b","messages":[{"role":"user","content":"x"}]}`,
		`{"model":"gpt-4","metadata":{"a":"\u0000\udfff","` + `b\u0000":"c"},"messages":[{"role":"user","content":"x"}]}`,
		`{"model":"gpt-4","user":"` + strings.Repeat("u", 100<<10) + `","messages":[{"role":"user","content":"x"}]}`,
		plainAsk,
	} {
		if status, out, _ := w.g.call("POST", "/v1/chat/completions", w.key, body); status != 200 {
			t.Errorf("%.80s: %d %s", body, status, out)
		}
	}
	status, out, _ := w.g.call("GET", "/v1/admin/usage/logs?limit=100", w.g.admin, "")
	var page struct {
		Data []struct {
			Model  string
			Status int
		}
	}
	if status != 200 || json.Unmarshal([]byte(out), &page) != nil || len(page.Data) != 4 {
		t.Errorf("%d rows of 4: %d %.500s", len(page.Data), status, out)
	}
	for _, id := range []string{strings.Repeat("a", 10<<10), "\x1b[2J", "a b", "a\r\nSet-Cookie: x=y"} {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: "+w.addr+"\r\nConnection: close\r\nX-Request-Id: "+id+"\r\n\r\n")
		answer, _ := io.ReadAll(c)
		_ = c.Close()
		if len(id) > 3 && strings.Contains(string(answer), id) || strings.Contains(string(answer), "\x1b") || strings.Contains(string(answer), "Set-Cookie") {
			t.Errorf("%.20q comes back: %.400q", id, answer)
		}
	}
	time.Sleep(300 * time.Millisecond) // lines are gathered
	before := strings.Count(w.g.log.String(), "\n")
	models := []string{`x\nlevel=ERROR msg=forged`, `x\r\nlevel=ERROR msg=forged`, `${env:HOME}`, `{{7*7}}`, `../../etc/passwd`, `\u001b[2J`}
	for _, m := range models {
		status, out, _ := w.g.call("POST", "/v1/chat/completions", w.key, `{"model":"`+m+`","messages":[{"role":"user","content":"x"}]}`)
		if status != 404 && status != 400 || strings.Contains(out, w.g.home) || strings.Contains(messageOf(out), "49") || strings.Contains(out, "\x1b") {
			t.Errorf("%s: %d %s", m, status, out)
		}
	}
	log := strings.Join(strings.SplitAfter(w.g.log.String(), "\n")[before:], "")
	if n := strings.Count(log, "\n"); n > len(models) || strings.Contains(log, "\nlevel=ERROR") || strings.Contains(log, "\x1b") {
		t.Errorf("%d lines tell of %d requests:\n%s", n, len(models), log)
	}
	w.unchanged()
}

// messageOf is the message of an error; its request id may hold anything.
func messageOf(body string) string {
	var e struct{ Error struct{ Message string } }
	_ = json.Unmarshal([]byte(body), &e)
	return e.Error.Message
}
