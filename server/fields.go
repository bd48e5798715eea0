package server

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/your-org/ai-api-gateway/providers"
)

// A field is a header that the gateway asks for in requests that may be relayed.
type field uint8

// Fields. Those between firstSession and lastSession name a conversation, the most
// deliberate first: of gateways in general, Codex and its kin (session_id, thread_id),
// Claude Code, opencode.
const (
	otherField field = iota
	fieldAccept
	fieldAnthropicBeta
	fieldAnthropicVersion
	fieldAPIKey
	fieldAuthorization
	fieldConnection
	fieldContentEncoding
	fieldContentLength
	fieldContentType
	fieldCookie
	fieldExpect
	fieldForwardedFor
	fieldHost
	fieldIdempotencyKey
	fieldOpenAIBeta
	fieldOrigin
	fieldRequestID
	fieldTraceparent
	fieldTracestate
	fieldTrailer
	fieldTransferEncoding
	fieldUserAgent
	fieldVia
	fieldXAPIKey
	fieldXGoogAPIKey
	fieldXSessionAffinity
	fieldXSessionID
	fieldSessionID
	fieldSessionIDLow
	fieldThreadID
	fieldThreadIDLow
	fieldXThreadID
	fieldClaudeSession
	fieldOpencodeSession
	fieldConversationIDLow
	fieldConversationID
	fieldXConversationID
	numFields

	firstSession, lastSession = fieldXSessionAffinity, fieldXConversationID
)

// fieldOf returns the field of a header's name in lower case.
func fieldOf(name []byte) field {
	switch string(name) {
	case "accept":
		return fieldAccept
	case "anthropic-beta":
		return fieldAnthropicBeta
	case "anthropic-version":
		return fieldAnthropicVersion
	case "api-key":
		return fieldAPIKey
	case "authorization":
		return fieldAuthorization
	case "connection":
		return fieldConnection
	case "content-encoding":
		return fieldContentEncoding
	case "content-length":
		return fieldContentLength
	case "content-type":
		return fieldContentType
	case "cookie":
		return fieldCookie
	case "expect":
		return fieldExpect
	case "x-forwarded-for":
		return fieldForwardedFor
	case "host":
		return fieldHost
	case "idempotency-key":
		return fieldIdempotencyKey
	case "openai-beta":
		return fieldOpenAIBeta
	case "origin":
		return fieldOrigin
	case "x-request-id":
		return fieldRequestID
	case "traceparent":
		return fieldTraceparent
	case "tracestate":
		return fieldTracestate
	case "trailer":
		return fieldTrailer
	case "transfer-encoding":
		return fieldTransferEncoding
	case "user-agent":
		return fieldUserAgent
	case "via":
		return fieldVia
	case "x-api-key":
		return fieldXAPIKey
	case "x-goog-api-key":
		return fieldXGoogAPIKey
	case "x-session-affinity":
		return fieldXSessionAffinity
	case "x-session-id":
		return fieldXSessionID
	case "session-id":
		return fieldSessionID
	case "session" + under + "id":
		return fieldSessionIDLow
	case "thread-id":
		return fieldThreadID
	case "thread" + under + "id":
		return fieldThreadIDLow
	case "x-thread-id":
		return fieldXThreadID
	case "x-claude-code-session-id":
		return fieldClaudeSession
	case "x-opencode-session":
		return fieldOpencodeSession
	case "conversation" + under + "id":
		return fieldConversationIDLow
	case "conversation-id":
		return fieldConversationID
	case "x-conversation-id":
		return fieldXConversationID
	}
	return otherField
}

// longestField is how long names of fields are at most, in bytes.
const longestField = 24

// fields say where in the header block of a request the values of its fields lie. One
// pass over the block finds them all: fasthttp looks at each header for each that is
// asked for.
type fields struct {
	raw   []byte
	at    [numFields]span
	again uint64 // a bit for each field that came more than once
}

// A span is a value in the block: where it begins, never at 0, and ends.
type span struct{ from, to uint32 }

// get returns a field's value, without the white space around it: of one that came
// more than once the first, as fasthttp does; of User-Agent the last.
func (f *fields) get(x field) []byte {
	s := f.at[x]
	return f.raw[s.from:s.to]
}

func (f *fields) repeated(x field) bool { return f.again&(1<<x) != 0 }

func (f *fields) has(x field) bool { return f.at[x].from > 0 }

// read looks at the header block as it came, before anybody merged or normalised it.
func (f *fields) read(raw []byte) *providers.Error {
	_, e := f.scan(raw)
	return e
}

// scan is read of a block that may have something behind it, and returns where it ends.
func (f *fields) scan(raw []byte) (end int, e *providers.Error) {
	bad := func(why string) (int, *providers.Error) { return 0, refuse(400, "bad_header", why) }
	f.raw = raw
	var low [longestField]byte
	lines := 0
	for end < len(raw) {
		line := end
		length := nameOf(raw[line:], &low)
		from := line + length + 1
		to := textEnd(raw, from)
		if to+1 >= len(raw) || raw[to] != '\r' || raw[to+1] != '\n' || length == 0 || raw[from-1] != ':' {
			if string(raw[line:min(line+2, len(raw))]) == "\r\n" {
				end += 2
				break
			}
			return bad(malformed(raw[line:]))
		}
		end = to + 2
		lines++
		x := otherField
		if length <= longestField {
			x = fieldOf(low[:length])
		}
		if x == otherField {
			if !nameBytes.hold(raw[line : line+length]) {
				return bad("a malformed header line")
			}
			continue
		}
		for from < to && isBlank(raw[from]) {
			from++
		}
		for from < to && isBlank(raw[to-1]) {
			to--
		}
		switch {
		case x == fieldContentLength && !digits(raw[from:to]):
			return bad("a malformed Content-Length")
		case x == fieldTransferEncoding && !bytes.EqualFold(raw[from:to], []byte("chunked")):
			return bad("an unknown Transfer-Encoding")
		}
		if f.has(x) {
			f.again |= 1 << x
			if x != fieldUserAgent {
				continue
			}
		}
		f.at[x] = span{uint32(from), uint32(to)}
	}
	if lines > maxHeaders {
		return 0, refuse(431, "too_many_headers", "more than 100 header lines")
	}
	return end, f.ambiguous()
}

// ambiguous refuses fields of which there may be one.
func (f *fields) ambiguous() *providers.Error {
	bad := func(why string) *providers.Error { return refuse(400, "bad_header", why) }
	switch {
	case f.has(fieldContentLength) && f.has(fieldTransferEncoding):
		return bad("more than one of Content-Length and Transfer-Encoding")
	case f.again == 0:
		return nil
	case f.repeated(fieldContentLength) || f.repeated(fieldTransferEncoding):
		return bad("more than one of Content-Length and Transfer-Encoding")
	case f.repeated(fieldAuthorization):
		return refuse(400, "ambiguous_credentials", "more than one Authorization header")
	case f.repeated(fieldContentType):
		return bad("more than one Content-Type header")
	case f.repeated(fieldHost):
		return bad("more than one Host header")
	}
	return nil
}

// malformed says what is wrong with the line that raw begins with.
func malformed(raw []byte) string {
	line, _, _ := bytes.Cut(raw, []byte{'\n'})
	line, ended := bytes.CutSuffix(line, []byte{'\r'})
	if !ended { // others on the way may not see the end of a line here
		return "a line feed without a carriage return"
	}
	if len(line) > 0 && isBlank(line[0]) {
		return "a folded header line"
	}
	if name, _, ok := bytes.Cut(line, []byte{':'}); !ok || len(name) == 0 || bytes.ContainsAny(name, " \t\r\x00") {
		return "a malformed header line"
	}
	return "a control character in a header"
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// Text is read in words of eight bytes, the first of them the lowest.
const (
	ones  = 0x0101010101010101
	under = "\x7f" // _ in lower case
	del   = 0x7f
)

// below returns what has its lowest bit set in the first byte of w that is below limit, if
// that is at most 0x80; 0: none is.
func below(w uint64, limit byte) uint64 { return (w - ones*uint64(limit)) &^ w & (ones << 7) }

// nameOf returns the length of the name that line begins with, up to a colon or what no
// name may hold, and writes as much of it as there is room for into low, in lower case:
// what is written so is a letter, a digit or a dash only if it was one.
func nameOf(line []byte, low *[longestField]byte) int {
	n := 0
	for n+8 <= len(line) {
		w := binary.LittleEndian.Uint64(line[n : n+8])
		if n < len(low) {
			binary.LittleEndian.PutUint64(low[n:n+8], w|ones*0x20)
		}
		if end := below(w, ' '+1) | below(w^ones*':', 1); end != 0 {
			return n + bits.TrailingZeros64(end)/8
		}
		n += 8
	}
	for ; n < len(line) && line[n] > ' ' && line[n] != ':'; n++ {
		if n < len(low) {
			low[n] = line[n] | 0x20
		}
	}
	return n
}

// textEnd returns where the text at i ends: at the next control character that is no tab.
func textEnd(raw []byte, i int) int {
	for i < len(raw) {
		for i+8 <= len(raw) {
			w := binary.LittleEndian.Uint64(raw[i : i+8])
			if end := below(w, ' ') | below(w^ones*del, 1); end != 0 {
				i += bits.TrailingZeros64(end) / 8
				break
			}
			i += 8
		}
		if i < len(raw) && (raw[i] < ' ' && raw[i] != '\t' || raw[i] == del) {
			return i
		}
		i++
	}
	return len(raw)
}
