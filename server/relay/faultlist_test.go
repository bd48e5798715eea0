package relay_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// faults are what an upstream may do wrong that speaks like s.
func faults(t *testing.T, s *tongue) []fault {
	untrusted := httptest.NewUnstartedServer(http.HandlerFunc(silent))
	untrusted.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	words := s.first + s.hello + s.word + s.word
	answer := s.pieces()
	const unreachable, bad, cut, idle = "upstream_unreachable", "bad_upstream_response", "upstream_cut", "upstream_idle_timeout"
	big := `{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("x", 70<<20) + `"}}]}`
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(func() {
		elsewhere.Close()
		if n := followed.Load(); n > 0 {
			t.Errorf("row 52: %d redirects were followed", n)
		}
	})
	spent := "insufficient_quota"
	if s.dialect == asGemini { // says so of its limits by the minute, too
		spent = "current quota"
	}
	list := []fault{
		{row: "33", name: "refused", url: closedPort, status: 502, says: unreachable, within: 3500 * time.Millisecond},
		{row: "33", name: "NXDOMAIN", url: "http://no-such-host.invalid", status: 502, says: unreachable, within: 3500 * time.Millisecond},
		{row: "33", name: "TLS with a certificate nobody signed", url: untrusted.URL, status: 502, says: unreachable, within: 3500 * time.Millisecond},
		{row: "34", name: "accepts and is silent", do: silent, status: 504, says: "upstream_timeout"},
		{row: "35", name: "header, then silence", do: func(w http.ResponseWriter, r *http.Request) {
			rawConn(w, r, func(c net.Conn) {
				writeAll(c, sseHead+"Transfer-Encoding: chunked\r\n\r\n")
				_, _ = c.Read(make([]byte, 1))
			})
		}, status: 504, says: idle},
		{row: "35", name: "preamble, then silence", do: stalls(s.first), only: "stream", billed: s.reports, status: 504, says: idle},
		{row: "36", name: "stalls after three chunks", do: stalls(words), only: "stream", begun: true, says: idle},
		{row: "37", name: "reset after three chunks", do: resets(sseHead+"\r\n", words), only: "stream", begun: true, says: cut},
		{row: "37", name: "reset at once", do: resets(), status: 502, says: cut},
		{row: "37", name: "ends without terminal event", do: answers(words), only: "stream", begun: true, says: cut},
		{row: "37", name: "chunked body truncated", do: either(
			raw(sseHead+"Transfer-Encoding: chunked\r\n\r\n", chunked(words), "400\r\ndata: {"),
			raw(jsonHead+"Transfer-Encoding: chunked\r\n\r\n", chunked(s.whole[:90]))), begun: true, status: 502, says: cut},
		{row: "37", name: "content-length longer than the body", do: either(
			raw(sseHead+"Content-Length: 99999\r\n\r\n", words),
			raw(jsonHead+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(s.whole)+5), s.whole)), begun: true, told: true, status: 502, says: cut},
		{row: "38", name: "empty object", do: tells("application/json", "{}"), status: 502, says: bad},
		{row: "38", name: "no choices", do: tells("application/json", `{"id":"c1","object":"chat.completion"}`), status: 502, says: bad},
		{row: "38", name: "a page", do: tells("text/html", "<html>502</html>"), status: 502, says: bad},
		{row: "38", name: "a page as JSON", do: tells("application/json", "<html>502</html>"), status: 502, says: bad},
		{row: "38", name: "empty body", do: either(tells("text/event-stream", ""), tells("application/json", "")), status: 502, says: bad, streamSays: cut},
		{row: "38", name: "gzip garbage", do: status(200, "\x1f\x8b\x08garbage", "Content-Encoding", "gzip"), status: 502, says: bad, streamSays: " "},
		{row: "38", name: "70 MB of JSON", do: tells("application/json", big), only: "buffered", large: true, status: 502, says: bad, within: 20 * time.Second},
		{row: "44", name: "error event first", do: either(answers(s.errEvent), status(200, s.overload)), status: 502, streamStatus: s.overloads, says: "Overloaded"},
		{row: "44", name: "error event after the preamble", do: answers(s.first, s.errEvent, s.done), only: "stream", billed: s.reports, status: s.overloads, says: "Overloaded"},
		{row: "44", name: "error event in the middle", do: answers(s.first, s.hello, s.errEvent, s.done), only: "stream", begun: true, says: "Overloaded"},
		{row: "44", name: "error as JSON where a stream was asked for", do: status(200, s.overload), only: "stream", status: s.overloads, says: "Overloaded"},
		{row: "47", name: "429", do: status(429, `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`, "Retry-After", "120"), status: 429, says: "slow down"},
		{row: "48", name: "401", do: status(401, `{"error":{"message":"bad key sk-secret-of-p0"}}`), status: 502, says: "upstream_auth_failed"},
		{row: "48", name: "403", do: status(403, `{"error":{"message":"key sk-secret-of-p0 is disabled"}}`), status: 502, says: "upstream_auth_failed"},
		{row: "48", name: "region", do: status(403, `{"error":{"message":"Country, region, or territory not supported","code":"unsupported_country_region_territory"}}`), status: 502, says: "upstream_region_blocked"},
		{row: "48", name: "credit used up", do: status(429, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details","type":"insufficient_quota","code":"insufficient_quota"}}`), status: 429, says: spent},
		{row: "49", name: "500", do: status(500, `{"error":{"message":"boom"}}`), status: 500, says: "boom"},
		{row: "49", name: "503", do: status(503, `{"error":{"message":"busy"}}`), status: 503, says: "busy"},
		{row: "49", name: "529", do: status(529, overload), status: 529, says: "Overloaded"},
		{row: "49", name: "404 of an unknown model", do: status(404, `{"error":{"message":"The model m1 does not exist","code":"model_not_found"}}`), status: 404, says: "model_not_found"},
		{row: "49", name: "400", do: status(400, `{"error":{"message":"temperature is too high","type":"invalid_request_error"}}`), status: 400, says: "temperature", final: true},
		{row: "49", name: "413", do: status(413, `{"error":{"message":"too much"}}`), status: 413, says: "too much", final: true},
		{row: "52", name: "302 to elsewhere", do: status(302, "", "Location", elsewhere.URL+"/v1/chat/completions"), status: 502, says: "upstream_redirect"},
		{row: "52", name: "307 to the metadata service", do: status(307, "", "Location", "http://169.254.169.254/latest"), status: 502, says: "upstream_redirect"},
		{row: "55", name: "two framings", do: raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", s.whole), status: 502, says: bad},
		{row: "55", name: "a header of 1 MB", do: raw("HTTP/1.1 200 OK\r\nX-Big: "+strings.Repeat("x", 1<<20)+"\r\n\r\n", s.whole), status: 502, says: bad},
		{row: "56", name: "slow, but in time", do: either(delayed(200*time.Millisecond, answers(answer)), delayed(200*time.Millisecond, replies(200, s.whole))), answers: true, within: 3 * time.Second},
		{row: "56", name: "one byte at a time", do: either(drip(sseHead+"Connection: close\r\n\r\n"+answer, 1, 0), drip(jsonHead+"Connection: close\r\n\r\n"+s.whole, 1, 0)), answers: true, within: 5 * time.Second},
		{row: "56", name: "1 KB a second", do: either(drip(sseHead+"Connection: close\r\n\r\n"+answer, 100, 100*time.Millisecond), drip(jsonHead+"Connection: close\r\n\r\n"+s.whole, 100, 100*time.Millisecond)), answers: true, within: 5 * time.Second},
		{row: "56", name: "closes after 100 bytes", do: either(drip((sseHead + "\r\n" + s.first)[:100], 100, 0), drip((jsonHead + "\r\n" + s.whole)[:100], 100, 0)), status: 502, says: " "},
		{row: "56", name: "answers and does not close", do: either(
			func(w http.ResponseWriter, r *http.Request) {
				rawConn(w, r, func(c net.Conn) {
					writeAll(c, sseHead+"\r\n", answer)
					_, _ = c.Read(make([]byte, 1))
				})
			},
			func(w http.ResponseWriter, r *http.Request) {
				rawConn(w, r, func(c net.Conn) {
					writeAll(c, jsonHead+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(s.whole)), s.whole)
					_, _ = c.Read(make([]byte, 1))
				})
			}), answers: true, idle: soon},
	}
	return append(list, oddities(s, words)...)
}

// oddities are faults of the same kinds: of framing, of versions, of proxies in between.
func oddities(s *tongue, words string) []fault {
	const bad, cut, idle = "bad_upstream_response", "upstream_cut", "upstream_idle_timeout"
	answer := s.pieces()
	sized := func(kind, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", kind, len(body), body)
	}
	open := func(pieces ...string) http.HandlerFunc { // says this and stays
		return func(w http.ResponseWriter, r *http.Request) {
			rawConn(w, r, func(c net.Conn) {
				writeAll(c, pieces...)
				_, _ = c.Read(make([]byte, 1))
			})
		}
	}
	const chunkedSSE, chunkedJSON = sseHead + "Transfer-Encoding: chunked\r\n\r\n", jsonHead + "Transfer-Encoding: chunked\r\n\r\n"
	page := "<html><body><h1>503 Service Unavailable</h1></body></html>"
	var small strings.Builder
	for _, b := range []byte(answer) {
		small.WriteString(chunked(string(b)))
	}
	var smallWhole strings.Builder
	for _, b := range []byte(s.whole) {
		smallWhole.WriteString(chunked(string(b)))
	}
	return []fault{
		{row: "35", name: "half a head, then silence", do: open("HTTP/1.1 200 OK\r\nContent-Ty"), status: 504, says: "upstream_timeout"},
		{row: "35", name: "half a chunk size, then silence", do: either(open(chunkedSSE, "4"), open(chunkedJSON, "4")), status: 504, says: idle},
		{row: "36", name: "half an answer, then silence", do: open(jsonHead+"Content-Length: 9999\r\n\r\n", s.whole[:60]), only: "buffered", status: 504, says: idle},
		{row: "36", name: "half a chunk size after content, then silence", do: open(chunkedSSE, chunked(words), "1f"), only: "stream", begun: true, says: idle},
		{row: "37", name: "half a chunk size after content, then gone", do: raw(chunkedSSE, chunked(words), "1f"), only: "stream", begun: true, says: cut},
		{row: "37", name: "half a head, then gone", do: raw("HTTP/1.1 200 OK\r\nContent-Ty"), status: 502, says: " "},
		{row: "37", name: "reset after the head", do: resets(sseHead + "\r\n"), status: 502, says: " "},
		{row: "37", name: "a chunk size that is none", do: either(raw(chunkedSSE, chunked(words), "zz\r\n"), raw(chunkedJSON, "zz\r\n")), begun: true, status: 502, says: " "},
		{row: "37", name: "a chunk size below nothing", do: either(raw(chunkedSSE, chunked(words), "-5\r\nhello"), raw(chunkedJSON, "-5\r\nhello")), begun: true, status: 502, says: " "},
		{row: "37", name: "a chunk size beyond all bounds", do: either(raw(chunkedSSE, chunked(words), "ffffffffffffffffff\r\nhello"), raw(chunkedJSON, "ffffffffffffffffff\r\n")), begun: true, status: 502, says: " "},
		{row: "37", name: "a chunk longer than it says", do: either(raw(chunkedSSE, chunked(words), "2\r\nabcdef\r\n"), raw(chunkedJSON, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(s.whole)-9, s.whole))), begun: true, told: s.dialect == asGemini, status: 502, says: " "},
		{row: "37", name: "content-length shorter than the body", do: either(
			raw(sseHead+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(words)+7), words+s.stopped+s.done),
			raw(jsonHead+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(s.whole)-9), s.whole)), begun: true, told: s.dialect == asGemini, status: 502, says: " "},
		{row: "38", name: "204", do: raw("HTTP/1.1 204 No Content\r\n\r\n"), status: 502, says: " "},
		{row: "38", name: "no HTTP", do: raw("SSH-2.0-OpenSSH_9.6\r\n"), status: 502, says: cut},
		{row: "38", name: "a status that is none", do: raw("HTTP/1.1 abc OK\r\n\r\n"), status: 502, says: bad},
		{row: "38", name: "a status of 999", do: raw("HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"), status: 502, says: " "},
		{row: "38", name: "spaces", do: either(tells("text/event-stream", strings.Repeat("\n", 500)), tells("application/json", strings.Repeat(" ", 500))), status: 502, says: " "},
		{row: "38", name: "null", do: either(tells("text/event-stream", "data: null\n\n"), tells("application/json", "null")), status: 502, says: " "},
		{row: "38", name: "a list", do: either(tells("text/event-stream", "data: []\n\n"), tells("application/json", "[]")), status: 502, says: " "},
		{row: "38", name: "lists of nothing", do: either(tells("text/event-stream", "data: {}\n\n"), tells("application/json", `{"choices":[],"candidates":[]}`)), status: 502, says: " "},
		{row: "38", name: "text", do: either(tells("text/event-stream", "data: hello\n\n"), tells("application/json", `"hello"`)), status: 502, says: " "},
		{row: "38", name: "text after content", do: answers(s.first, s.hello, "data: <html>\n\n"), only: "stream", begun: true, says: " "},
		{row: "44", name: "error event last", do: answers(s.first, s.hello, s.word, s.errEvent), only: "stream", begun: true, says: "Overloaded"},
		{row: "44", name: "error event after the reason to stop", do: answers(s.first, s.hello, s.stopped, s.errEvent, s.done), only: "stream", begun: true, says: "Overloaded"},
		{row: "49", name: "503 with a page", do: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(503)
			_, _ = io.WriteString(w, page)
		}, status: 503, says: "503"},
		{row: "49", name: "502 with nothing", do: raw("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), status: 502, says: "502"},
		{row: "49", name: "500 with a word", do: status(500, "oops"), status: 500, says: "500"},
		{row: "49", name: "500 with half an error", do: status(500, `{"error":{"mess`), status: 500, says: "500"},
		{row: "49", name: "500 that is cut", do: raw("HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"error\":"), status: 500, says: "500"},
		{row: "49", name: "500 that stalls", do: open("HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"error\":"), status: 500, says: "500", idle: 400 * time.Millisecond},
		{row: "56", name: "one byte a chunk", do: either(raw(chunkedSSE, small.String(), "0\r\n\r\n"), raw(chunkedJSON, smallWhole.String(), "0\r\n\r\n")), answers: true},
		{row: "56", name: "early hints before the answer", do: either(
			raw("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n", sseHead+"Connection: close\r\n\r\n", answer),
			raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n", sized("application/json", s.whole))), answers: true},
		{row: "56", name: "HTTP/1.0", do: either(
			raw("HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", answer),
			raw("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n", s.whole)), answers: true},
		{row: "56", name: "trailers and extensions of chunks", do: either(
			raw(sseHead+"Trailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("%x;a=b\r\n%s\r\n", len(answer), answer), "0\r\nX-A: b\r\n\r\n"),
			raw(jsonHead+"Trailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("%x;a=b\r\n%s\r\n", len(s.whole), s.whole), "0\r\nX-A: b\r\n\r\n")), answers: true},
		{row: "38", name: "half an event after content", do: answers(s.first, s.hello, "data: {\"id\":\n\n", s.stopped, s.done), only: "stream", begun: true, says: bad},
		{row: "38", name: "half an event first", do: answers("data: {\"id\":\n\n", answer), only: "stream", status: 502, says: bad},
		{row: "44", name: "an error beside an answer", do: tells("application/json", strings.Replace(strings.Replace(s.whole, `"error":null,`, "", 1), "{", `{"error":{"message":"it broke off","type":"server_error"},`, 1)), only: "buffered", told: true, status: 502, says: "it broke off"},
		{row: "56", name: "content types in capitals", do: either(tells("Text/Event-Stream; Charset=UTF-8", answer), tells("Application/JSON", s.whole)), answers: true},
		{row: "56", name: "a stream called text", do: tells("text/plain; charset=utf-8", answer), only: "stream", answers: true},
		{row: "56", name: "a stream called bytes", do: tells("application/octet-stream", answer), only: "stream", answers: true},
		{row: "56", name: "a byte order mark", do: either(tells("text/event-stream", "\ufeff"+answer), tells("application/json", "\ufeff"+s.whole)), answers: true},
		{row: "56", name: "white space about the answer", do: either(answers(": hello\n\n\n\n", answer, "\n\n"), tells("application/json", "\r\n  "+s.whole+"\r\n\r\n")), answers: true},
	}
}
