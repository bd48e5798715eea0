package wire

import "errors"

// maxElement bounds one element of a streamed array, as events are bounded.
const maxElement = 32 << 20

// Faults of a streamed array.
var (
	ErrElementTooLong = errors.New("an element of the stream exceeds the limit")
	ErrNotObjects     = errors.New("the stream is no array of objects")
)

// An Array cuts a JSON array of objects that comes in pieces into its elements,
// without reading them. The zero Array is ready for use.
type Array struct {
	buf     []byte
	at      int // scanned so far
	start   int // of the element at hand
	depth   int // within the element at hand
	quoted  bool
	escaped bool
	opened  bool
	closed  bool
	err     error
}

// Feed takes the next bytes, which may be reused afterwards.
func (r *Array) Feed(p []byte) { r.buf = append(r.buf, p...) }

// Next returns the next element, and in raw all bytes since the one before, its
// own included. Both are valid until the next call of Feed. It reports false when
// more input is needed, or after a fault: see Err.
func (r *Array) Next() (elem, raw []byte, ok bool) {
	for r.err == nil && r.at < len(r.buf) {
		c := r.buf[r.at]
		r.at++
		if r.depth == 0 {
			r.outside(c)
			continue
		}
		switch {
		case r.escaped:
			r.escaped = false
		case r.quoted:
			r.quoted, r.escaped = c != '"', c == '\\'
		case c == '"':
			r.quoted = true
		case c == '{' || c == '[':
			r.depth++
		case c == '}' || c == ']':
			if r.depth--; r.depth == 0 {
				elem, raw = r.buf[r.start:r.at], r.buf[:r.at]
				r.buf, r.at = r.buf[r.at:], 0
				return elem, raw, true
			}
		}
	}
	if r.err == nil && len(r.buf) > maxElement {
		r.err = ErrElementTooLong
	}
	return nil, nil, false
}

// outside takes a byte that belongs to no element.
func (r *Array) outside(c byte) {
	switch {
	case c == ' ' || c == '\n' || c == '\r' || c == '\t':
	case c == '[' && !r.opened:
		r.opened = true
	case c == ',' && r.opened && !r.closed:
	case c == '{' && r.opened && !r.closed:
		r.start, r.depth = r.at-1, 1
	case c == ']' && r.opened && !r.closed:
		r.closed = true
	default:
		r.err = ErrNotObjects
	}
}

// Err returns what is wrong with the input, if anything is.
func (r *Array) Err() error { return r.err }

// End tells that the input has ended. It returns what came behind the last
// element, and whether the array was closed there.
func (r *Array) End() (rest []byte, whole bool) { return r.buf, r.closed && r.err == nil }
