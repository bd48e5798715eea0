package upstream

import (
	"fmt"
	"sync/atomic"

	"github.com/your-org/ai-api-gateway/providers"
)

// longLine and rememberEvery bound what is remembered and how often: what does not come
// again, as a signature, must cost little more than to check and to write it.
const (
	longLine      = 1024
	rememberEvery = 8
)

// lines remembers headers of requests that were checked and written: most come again
// with every request.
type lines struct {
	slots  [256]atomic.Pointer[line]
	missed atomic.Uint32
}

// A line is a header as it is written, with its end.
type line struct {
	header providers.Header
	text   string
}

// append appends headers, but for the exchange's own. It refuses what would break the
// request apart.
func (l *lines) append(dst []byte, headers []providers.Header) (_ []byte, err error) {
	for i := range headers {
		h := &headers[i]
		slot := l.slot(h)
		if known := slot.Load(); known != nil && known.header == *h {
			dst = append(dst, known.text...)
		} else if dst, err = l.check(dst, h, slot); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// check appends a header that is not remembered.
func (l *lines) check(dst []byte, h *providers.Header, slot *atomic.Pointer[line]) ([]byte, error) {
	at, value := len(dst), len(dst)+len(h.Name)+len(": ")
	dst = append(dst, h.Name...)
	dst = append(dst, ": "...)
	if h.Name == "" || tokenEnd(dst, at) != value-len(": ") {
		return nil, badRequest(fmt.Errorf("malformed header name %q", h.Name))
	}
	dst = append(dst, h.Value...)
	for i := control(dst, value); i < len(dst); i = control(dst, i+1) {
		if dst[i] != '\t' {
			return nil, badRequest(fmt.Errorf("control character in header %q", h.Name))
		}
	}
	if dst = append(dst, "\r\n"...); isOwn(h.Name) {
		return dst[:at], nil
	}
	if len(dst)-at <= longLine && l.missed.Add(1)%rememberEvery == 0 {
		slot.Store(&line{*h, string(dst[at:])})
	}
	return dst, nil
}

// slot returns where a header is remembered. Keys of a vendor are of one length.
func (l *lines) slot(h *providers.Header) *atomic.Pointer[line] {
	n := len(h.Value)
	sum := len(h.Name)*31 + n
	if n >= 2 {
		sum = (sum*31+int(h.Value[n-1]))*31 + int(h.Value[n-2])
	}
	return &l.slots[uint8(sum)]
}

// own are the headers the exchange writes itself, by the length of their names.
var own = [...][]string{
	2: {"te"}, 3: {"via"}, 4: {"host"}, 6: {"expect"}, 7: {"upgrade", "trailer"}, 10: {"connection", "keep-alive"}, 14: {"content-length"},
	15: {"accept-encoding"}, 16: {"proxy-connection"}, 17: {"transfer-encoding"}, 19: {"proxy-authorization"},
}

func isOwn(name string) bool {
	if len(name) >= len(own) {
		return false
	}
	for _, s := range own[len(name)] {
		if sameName(name, s) {
			return true
		}
	}
	return false
}

func badRequest(err error) *Error { return &Error{Kind: BadRequest, Err: err} }
