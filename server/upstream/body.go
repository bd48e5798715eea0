package upstream

import (
	"bytes"
	"errors"
	"io"
)

const (
	maxChunkLine = 4<<10 - 3 // a chunk's size with its extensions, or a line of the trailer; net/http takes no longer one
	maxTrailer   = 64 << 10  // the trailer section
)

// framing says where in the body's framing an exchange is.
type framing uint8

const (
	atEnd       framing = iota // the body was read to its end
	inLength                   // left bytes remain
	inClose                    // until the connection ends
	atChunkSize                // a chunk's size line follows
	inChunk                    // left bytes of the chunk remain
	atChunkEnd                 // the line end behind a chunk follows
	inTrailer                  // trailer lines follow
)

// A body takes an answer's framing off. It holds all its state, so that input
// may stop anywhere.
type body struct {
	at      framing
	left    int64
	trailer int // bytes of trailer seen
}

// begin sets the framing (RFC 9112, section 6.3).
func (b *body) begin(h *head, method string) {
	switch {
	case method == "HEAD" || h.status == 204 || h.status == 304:
		b.at = atEnd
	case h.chunked:
		b.at = atChunkSize
	case h.length > 0:
		b.at, b.left = inLength, h.length
	case h.length == 0:
		b.at = atEnd
	default:
		b.at = inClose
	}
}

// take moves content from in to p as far as in reaches, and returns how much of
// in is used up and how much of p is filled. io.EOF: the framed end was reached
// (with n possibly > 0).
func (b *body) take(p, in []byte) (used, n int, err error) {
	for {
		rest := in[used:]
		switch b.at {
		case atEnd:
			return used, n, io.EOF
		case inClose:
			k := copy(p[n:], rest)
			return used + k, n + k, nil
		case inLength, inChunk:
			k := copy(p[n:], rest[:min(int64(len(rest)), b.left)])
			used, n, b.left = used+k, n+k, b.left-int64(k)
			if b.left > 0 {
				return used, n, nil
			}
			if b.at == inLength {
				b.at = atEnd
			} else {
				b.at = atChunkEnd
			}
		case atChunkEnd:
			if len(rest) < 2 {
				if len(rest) == 1 && rest[0] != '\r' {
					return used, n, errChunkEnd
				}
				return used, n, nil
			}
			if rest[0] != '\r' || rest[1] != '\n' {
				return used, n, errChunkEnd
			}
			used, b.at = used+2, atChunkSize
		case atChunkSize:
			line, whole, ok := cutLine(rest)
			if !ok || tooLong(line, rest, whole) {
				return used, n, errChunkSize
			}
			if !whole {
				return used, n, nil
			}
			if b.left, ok = parseChunkSize(line); !ok {
				return used, n, errChunkSize
			}
			used += len(line) + 2
			if b.at = inChunk; b.left == 0 {
				b.at = inTrailer
			}
		case inTrailer:
			line, whole, ok := cutLine(rest)
			if !ok || b.trailer+len(line) > maxTrailer || tooLong(line, rest, whole) {
				return used, n, errTrailer
			}
			if !whole {
				return used, n, nil
			}
			used, b.trailer = used+len(line)+2, b.trailer+len(line)+2
			if len(line) == 0 {
				b.at = atEnd
			}
		}
	}
}

var (
	errChunkEnd  = errors.New("chunk does not end where its size says")
	errChunkSize = errors.New("malformed chunk size")
	errTrailer   = errors.New("malformed trailer")
)

// cutLine returns the line before the first CRLF; whole: there is one. An LF
// or CR alone is an error: readers disagree on whether it ends a line.
func cutLine(b []byte) (line []byte, whole, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return nil, false, true
	}
	if i == 0 || bytes.IndexByte(b[:i], '\r') != i-1 {
		return nil, false, false
	}
	return b[:i-1], true, true
}

// tooLong tells a line of more than maxChunkLine bytes, alike whether its end
// has come or not (a CR may already stand behind it).
func tooLong(line, rest []byte, whole bool) bool {
	return len(line) > maxChunkLine || !whole && len(rest) > maxChunkLine+1
}

// parseChunkSize reads the hexadecimal size before extensions.
func parseChunkSize(line []byte) (int64, bool) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimRight(line, " \t")
	if len(line) == 0 || len(line) > 15 {
		return 0, false
	}
	var n int64
	for _, c := range line {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | int64(c)
	}
	return n, true
}
