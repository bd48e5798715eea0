package relay_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

// A framer writes answers in the forms that HTTP and event streams allow.
type framer struct {
	*rand.Rand
	how []string // what was chosen, to be shown
}

func (f *framer) pick(list ...string) string {
	s := list[f.IntN(len(list))]
	f.how = append(f.how, fmt.Sprintf("%.40q", s))
	return s
}

func (f *framer) yes(what string) bool {
	yes := f.IntN(3) == 0
	if yes {
		f.how = append(f.how, what)
	}
	return yes
}

// answer frames body, of that media type and status.
func (f *framer) answer(status, kind, body string) string {
	eol := f.pick("\r\n", "\r\n", "\n")
	version := f.pick("HTTP/1.1", "HTTP/1.1", "HTTP/1.0")
	head := version + " " + status + eol
	if f.yes("interim") {
		head = f.pick("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100\r\n\r\n") + head
	}
	head += f.pick("Content-Type: ", "content-type:", "CONTENT-TYPE:\t") + kind + f.pick("", "; charset=utf-8", ";charset=UTF-8; x=y") + eol
	head += f.pick("", "Connection: close"+eol, "Connection: Keep-Alive"+eol, "Connection: keep-alive, x"+eol, "Keep-Alive: timeout=5"+eol)
	head += f.pick("", "X-Odd: \t a  b \t"+eol, "X-Empty:"+eol, "Set-Cookie: a=b"+eol, "X-Gateway-Provider: other"+eol)
	if f.yes("gzip") {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, body)
		_ = z.Close()
		body = b.String()
		head += "Content-Encoding: " + f.pick("gzip", "x-gzip", "GZIP") + eol
	}
	switch framing := f.pick("length", "chunked", "close"); {
	case framing == "length":
		return head + fmt.Sprintf("Content-Length: %s%d%s%s", f.pick("", "0", "000"), len(body), eol, eol) + body
	case framing == "close" || version == "HTTP/1.0":
		return head + eol + body
	}
	return head + f.pick("Transfer-Encoding: chunked", "transfer-encoding: Chunked") + eol + eol + f.chunks(body)
}

// chunks cuts body into chunks with sizes and extensions of all forms, and a trailer.
func (f *framer) chunks(body string) string {
	var b strings.Builder
	most := 1 + f.IntN(300)
	for len(body) > 0 {
		n := min(1+f.IntN(most), len(body))
		fmt.Fprintf(&b, f.pick("%x", "%X", "000%x")+"%s\r\n%s\r\n", n, f.pick("", "", ";a=b", ` ;q="x;y"`, ";"), body[:n])
		body = body[n:]
	}
	return b.String() + f.pick("0", "000", "0;last") + "\r\n" + f.pick("", "X-Trailer: 1\r\n", "X-A: 1\r\nContent-Length: 9\r\n") + "\r\n"
}

// events writes an event stream in another form of the same meaning.
func (f *framer) events(text string) string {
	var b strings.Builder
	b.WriteString(f.pick("", "", "\ufeff", ": hi\n\n", "retry: 10\n\n", "\n\n"))
	for _, ev := range strings.SplitAfter(text, "\n\n") {
		data, ok := strings.CutPrefix(strings.TrimSuffix(ev, "\n\n"), "data: ")
		if !ok {
			continue
		}
		b.WriteString(f.pick("", "", ": ping\n", ":\n", "id: 7\n", "event\n", "unknown: x\n", ": ping\n\n"))
		if data != "[DONE]" && f.yes("lines") {
			data = strings.ReplaceAll(data, `,"choices"`, ",\ndata:\"choices\"")
		}
		b.WriteString(f.pick("data: ", "data:") + data + "\n\n")
	}
	out := b.String()
	if end := f.pick("\n", "\r\n", "\r"); end != "\n" {
		out = strings.ReplaceAll(out, "\n", end)
	}
	return out
}

// said gathers the content, the finish reason and the errors of an answer in either format.
func said(t *testing.T, body string, stream bool) string {
	t.Helper()
	var events []string
	if stream {
		var s wire.SSE
		s.Feed([]byte(body))
		for ev, ok := s.Next(); ok; ev, ok = s.Next() {
			events = append(events, string(ev.Data))
		}
	} else {
		events = []string{body}
	}
	var b strings.Builder
	for _, ev := range events {
		if ev == "" || ev == "[DONE]" {
			b.WriteString(ev)
			continue
		}
		if !wire.ValidObject([]byte(ev)) {
			t.Fatalf("no JSON: %q in %s", ev, body)
		}
		for _, path := range [][]string{
			{"choices", "0", "delta", "content"}, {"choices", "0", "message", "content"}, {"choices", "0", "finish_reason"}, {"usage", "completion_tokens"},
			{"delta", "text"}, {"content", "0", "text"}, {"stop_reason"}, {"delta", "stop_reason"}, {"usage", "output_tokens"}, {"error"},
		} {
			if i, j, ok := wire.Path([]byte(ev), path...); ok && ev[i:j] != "null" {
				fmt.Fprintf(&b, "%s=%s ", path[len(path)-1], ev[i:j])
			}
		}
	}
	return b.String()
}

// TestAnyFraming: however an upstream frames an answer, its caller gets the same,
// and the connection serves the next request.
func TestAnyFraming(t *testing.T) {
	text := first + chunk(`"delta":{"content":"Héllo \ud83e\udd8a"},"finish_reason":null`) + wordTwo + stopped + usageChunk + doneChunk
	n := 300
	if testing.Short() {
		n = 60
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var f *framer
	serve := func(w http.ResponseWriter, r *http.Request) {
		stream, f := streams(r), f // the last pieces may go out when the next call has its own
		rawConn(w, r, func(c net.Conn) {
			answer := f.answer(f.pick("200 OK", "200", "200 ", "201 Created", "203 Non", "206 Partial"), "application/json", whole)
			if stream {
				answer = f.answer("200 OK", "text/event-stream", f.events(text))
			}
			for len(answer) > 0 { // in pieces
				k := min(1+f.IntN(1+len(answer)/2), len(answer))
				writeAll(c, answer[:k])
				answer = answer[k:]
			}
		})
	}
	b := newBench(t, upstream.Timeouts{Header: 20 * time.Second}, target{dialect: asChat, handler: serve})
	wanted := map[string]string{}
	for i := range n {
		for _, caller := range callers[:2] { // those whose answers said reads
			for _, stream := range []bool{false, true} {
				path, body := caller.of(stream)
				f = &framer{Rand: rand.New(rand.NewPCG(seed, uint64(i)))}
				status, got, header := b.post(path, body)
				how := strings.Join(f.how, ", ")
				if status < 200 || status > 206 || header.Get("Set-Cookie") != "" || header.Get("X-Gateway-Provider") != "p0" {
					t.Fatalf("%s, stream %v, %s: %d %s %v", caller.dialect, stream, how, status, got, header)
				}
				is, key := said(t, got, stream), fmt.Sprint(caller.dialect, stream)
				if wanted[key] == "" {
					if !strings.Contains(is, "llo") || strings.Contains(is, "error=") {
						t.Fatalf("%s: %s\n%s", how, is, got)
					}
					wanted[key] = is
				}
				if is != wanted[key] {
					t.Fatalf("%s, stream %v, %s:\n%s\nwant %s\n%q", caller.dialect, stream, how, is, wanted[key], got)
				}
				b.book.mu.Lock()
				row := b.book.rows[len(b.book.rows)-1]
				b.book.mu.Unlock()
				if row.EndReason != store.EndComplete || row.UsageSource != store.SourceProvider || row.Tokens.Completion() != 4 || len(row.Attempts) != 1 {
					t.Fatalf("%s: %s, %s, %+v, %d attempts", how, row.EndReason, row.UsageSource, row.Tokens, len(row.Attempts))
				}
			}
		}
	}
}

// TestUnusualStatus: a status that is no answer is an error in the caller's form,
// with a status that clients know, and another target is asked where that may help.
func TestUnusualStatus(t *testing.T) {
	f := func(status string, second bool) {
		t.Helper()
		bad := func(w http.ResponseWriter, r *http.Request) {
			rawConn(w, r, func(c net.Conn) {
				writeAll(c, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
				time.Sleep(10 * time.Millisecond)
			})
		}
		targets := []target{{dialect: asChat, handler: bad}}
		if second {
			targets = append(targets, target{dialect: asChat, handler: good})
		}
		for _, caller := range callers {
			for _, stream := range []bool{false, true} {
				path, body := caller.of(stream)
				b := newBench(t, upstream.Timeouts{Header: 20 * time.Second}, targets...)
				code, got, _ := b.post(path, body)
				row := b.book.row(t, 1)
				if second {
					if code != 200 || !strings.Contains(got, "Hello") || len(row.Attempts) < 2 {
						t.Errorf("%s, then another target: %d %s, %d attempts", status, code, got, len(row.Attempts))
					}
					continue
				}
				if code < 400 || code > 599 || !wire.ValidObject([]byte(got)) || !strings.Contains(got, `"error"`) || row.Status != code || row.CostNano != 0 {
					t.Errorf("%s: %d %s, row %d", status, code, got, row.Status)
				}
			}
		}
	}
	for _, status := range []string{"101 Switching", "204 No Content", "205 Reset", "300 Choices", "302 Found", "304 Not Modified", "308 There",
		"402 Pay", "407 Proxy", "418 Teapot", "420 Calm", "421 Misdirected", "425 Early", "451 Law", "499 Gone", "500 ", "507 Full", "520", "529 Busy", "530 Frozen", "598 x", "600 x", "999 Denied"} {
		f(status, false)
	}
	for _, status := range []string{"101 Switching", "204 No Content", "205 Reset", "304 Not Modified", "520", "529 Busy", "530 Frozen", "999 Denied"} {
		f(status, true)
	}
}
