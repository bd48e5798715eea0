package server

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// fieldNames are the names of the fields as they are usually written.
var fieldNames = [numFields]string{
	fieldAccept: "Accept", fieldAnthropicBeta: "Anthropic-Beta", fieldAnthropicVersion: "Anthropic-Version", fieldAPIKey: "Api-Key",
	fieldAuthorization: "Authorization", fieldConnection: "Connection", fieldContentEncoding: "Content-Encoding", fieldContentLength: "Content-Length",
	fieldContentType: "Content-Type", fieldCookie: "Cookie", fieldExpect: "Expect", fieldForwardedFor: "X-Forwarded-For", fieldHost: "Host",
	fieldIdempotencyKey: "Idempotency-Key", fieldOpenAIBeta: "OpenAI-Beta", fieldOrigin: "Origin", fieldRequestID: "X-Request-Id", fieldTraceparent: "Traceparent",
	fieldTracestate: "Tracestate", fieldTrailer: "Trailer", fieldTransferEncoding: "Transfer-Encoding", fieldUserAgent: "User-Agent", fieldVia: "Via",
	fieldXAPIKey: "X-Api-Key", fieldXGoogAPIKey: "X-Goog-Api-Key", fieldXSessionAffinity: "X-Session-Affinity",
	fieldXSessionID: "X-Session-Id", fieldSessionID: "Session-Id", fieldSessionIDLow: "Session_id", fieldThreadID: "Thread-Id",
	fieldThreadIDLow: "Thread_id", fieldXThreadID: "X-Thread-Id", fieldClaudeSession: "X-Claude-Code-Session-Id",
	fieldOpencodeSession: "X-Opencode-Session", fieldConversationIDLow: "Conversation_id", fieldConversationID: "Conversation-Id",
	fieldXConversationID: "X-Conversation-Id",
}

// sameAsPeek checks that f finds what fasthttp finds in the block that h was read from.
func sameAsPeek(t *testing.T, f *fields, h *fasthttp.RequestHeader) {
	t.Helper()
	for x := otherField + 1; x < numFields; x++ {
		got := f.get(x)
		if x == fieldContentLength && h.ContentLength() < 0 || x == fieldTransferEncoding && bytes.EqualFold(got, []byte("chunked")) || x == fieldConnection || x == fieldTrailer {
			continue // not kept, or said in fasthttp's own words
		}
		if want := h.Peek(fieldNames[x]); !bytes.Equal(got, want) {
			t.Errorf("%s: %q, fasthttp says %q of\n%q", fieldNames[x], got, want, f.raw)
		}
		if all := h.PeekAll(fieldNames[x]); x != fieldUserAgent && x != fieldContentType && f.repeated(x) != (len(all) > 1) {
			t.Errorf("%s: repeated is %v, of %q in\n%q", fieldNames[x], f.repeated(x), all, f.raw)
		}
	}
}

// readRequest has fasthttp read the header of a request with this block; nil: it refuses it.
// What lacks a Host may be of HTTP/1.0.
func readRequest(block string) *fasthttp.RequestHeader {
	for _, version := range []string{"1.1", "1.0"} {
		var h fasthttp.RequestHeader
		if h.Read(bufio.NewReaderSize(strings.NewReader("POST / HTTP/"+version+"\r\n"+block), readBuffer)) == nil {
			return &h
		}
	}
	return nil
}

// Each field is found in whatever case its name is written and with whatever white
// space there is around its value; of several the one that fasthttp gives.
func TestFields(t *testing.T) {
	f := func(block string) {
		t.Helper()
		h := readRequest(block)
		if h == nil {
			t.Fatalf("not read: %q", block)
		}
		var f fields
		if e := f.read(h.RawHeaders()); e != nil {
			t.Fatalf("%q: %v", block, e)
		}
		sameAsPeek(t, &f, h)
	}
	for x := otherField + 1; x < numFields; x++ {
		value := "value"
		switch x {
		case fieldTrailer: // no two for fasthttp, which names them in its own way
			continue
		case fieldContentLength:
			value = "5"
		case fieldTransferEncoding:
			value = "chunked"
		}
		for _, name := range []string{fieldNames[x], strings.ToLower(fieldNames[x]), strings.ToUpper(fieldNames[x])} {
			for _, line := range []string{name + ":" + value, name + ": " + value, name + ": \t" + value + " \t "} {
				if x != fieldHost {
					line = "Host: h\r\n" + line
				}
				f(line + "\r\n\r\n")
				f("x-other: 1\r\n" + line + "\r\nx-another:\t2\r\n\r\n")
			}
		}
		switch x {
		case fieldContentLength, fieldTransferEncoding, fieldAuthorization, fieldContentType, fieldHost:
		default:
			f(fieldNames[x] + ": first\r\nother: 1\r\n" + strings.ToLower(fieldNames[x]) + ": second one\r\n\r\n")
			f(fieldNames[x] + ":\r\n" + fieldNames[x] + ": second\r\n\r\n")
		}
	}
	f("\r\n")
	f("a: a\tb\r\nvia: 1.1 some-gateway\t, 1.1 ünd\xff so on and on\r\n\r\n")
	f("a-name-that-is-longer-than-that-of-any-field-and-begins-with-xvia: 1\r\nvia: 2\r\n\r\n")
}

// TestRefusedFields: what different servers read differently is refused, and named.
func TestRefusedFields(t *testing.T) {
	f := func(block, code, why string) {
		t.Helper()
		var f fields
		e := f.read([]byte(block))
		if e == nil || e.Code != code || !strings.Contains(e.Message, why) {
			t.Errorf("%q: %v, want %s %s", block, e, code, why)
		}
	}
	const end = "\r\n\r\n"
	f("a: b\nc: d"+end, "bad_header", "a line feed without a carriage return")
	f("a: b\r\nc: d\n\r\n", "bad_header", "a line feed without a carriage return")
	f("a\n: b"+end, "bad_header", "a line feed without a carriage return")
	f("a: b", "bad_header", "a line feed without a carriage return")
	f("a: b\r\n c: d"+end, "bad_header", "a folded header line")
	f("\ta: b"+end, "bad_header", "a folded header line")
	for _, name := range []string{"a ", "a b", "a\t", "a\rb", "a\x00", ""} {
		f(name+": c"+end, "bad_header", "a malformed header line")
	}
	f("none"+end, "bad_header", "a malformed header line")
	f("a: b\rc"+end, "bad_header", "a control character")
	f("a: a long value before\x00it"+end, "bad_header", "a control character")
	f("a: b\r"+end, "bad_header", "a control character")
	f("a: value of eight and\x7f more"+end, "bad_header", "a control character")
	for _, name := range []string{"a(b", "\"a\"", "a\x7f", "ä", "a-name-that-is-longer-than-those-of-fields/"} {
		f(name+": c"+end, "bad_header", "a malformed header line")
	}
	for _, n := range []string{"", "-1", "+1", "1 2", "0x10", "1234567890123456789"} {
		f("Content-Length: "+n+end, "bad_header", "a malformed Content-Length")
	}
	f("Transfer-Encoding: gzip"+end, "bad_header", "an unknown Transfer-Encoding")
	f("Transfer-Encoding: chunked, chunked"+end, "bad_header", "an unknown Transfer-Encoding")
	for _, pair := range [][2]string{{"Content-Length: 1", "content-length: 1"}, {"Transfer-Encoding: chunked", "transfer-encoding: chunked"}, {"Content-Length: 1", "Transfer-Encoding: chunked"}} {
		f(pair[0]+"\r\n"+pair[1]+end, "bad_header", "more than one of Content-Length and Transfer-Encoding")
	}
	f("Authorization: Bearer a\r\nauthorization: Bearer a"+end, "ambiguous_credentials", "more than one Authorization")
	f("Content-Type: a\r\ncontent-type: a"+end, "bad_header", "more than one Content-Type")
	f("Host: a\r\nhost: a"+end, "bad_header", "more than one Host")
	f(strings.Repeat("a: b\r\n", maxHeaders+1)+"\r\n", "too_many_headers", "more than 100")
	var ok fields
	if e := ok.read([]byte(strings.Repeat("a: b\r\n", maxHeaders) + "\r\n")); e != nil {
		t.Error(e)
	}
}

// FuzzFields: of what passes every field is what fasthttp says it is.
func FuzzFields(f *testing.F) {
	f.Add("host: x\r\nAuthorization: Bearer sk-gw-1\r\nanthropic-beta: a\r\nAnthropic-Beta: b\r\n\r\n")
	f.Add("Via:1.1 x\r\ncookie: a=b\r\nX-Api-Key:\r\n\r\n")
	f.Add("transfer-encoding: chunked\r\nuser-agent: a\r\nuser-agent: \r\nsession_id: 1\r\n\r\n")
	f.Add("a: b\r\n c: d\r\n\r\n")
	f.Fuzz(func(t *testing.T, block string) {
		var fs fields
		_ = fs.read([]byte(block)) // whatever it is
		h := readRequest(block)
		if h == nil {
			return
		}
		fs = fields{}
		if e := fs.read(h.RawHeaders()); e == nil {
			sameAsPeek(t, &fs, h)
		}
	})
}
