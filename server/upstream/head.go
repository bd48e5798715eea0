package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
)

const (
	maxInterim = 64  // answers with status 1xx before the real one
	maxFields  = 256 // header fields
)

var (
	errNotHTTP = errors.New("not an HTTP/1 status line")
	errStatus  = errors.New("malformed status")
	errField   = errors.New("malformed header field")
	errControl = errors.New("control character in a header value")
	errCutHead = errors.New("header block is not whole")
)

// A head is the header of an answer, as received.
type head struct {
	status    int
	text      string // the header block
	fields    []field
	keep      bool // the connection may be used again
	closes    bool // connection: close was said, which beats keep-alive
	chunked   bool
	length    int64 // content-length; -1: none
	coding    string
	minorZero bool // HTTP/1.0
}

// A field is one header line: where in the block its name and its value begin and end.
type field struct{ name, colon, value, end int32 }

func (h *head) name(f *field) string  { return h.text[f.name:f.colon] }
func (h *head) value(f *field) string { return h.text[f.value:f.end] }

// find returns the first value of a header, "" if there is none. Names are known ones.
func (h *head) find(name string) string {
	fields := h.fields
	for i := range fields {
		if f := &fields[i]; int(f.colon-f.name) == len(name) && sameName(h.name(f), name) {
			return h.value(f)
		}
	}
	return ""
}

// findHead looks for the end of the header block in b from where it left off at
// *searched. It returns the block's length with its blank line, 0 if it is not whole.
func findHead(b []byte, searched *int) int {
	i := *searched
	for {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			*searched = i
			return 0
		}
		i += k + 1
		switch rest := b[i:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 2
		case len(rest) == 0 || len(rest) == 1 && rest[0] == '\r':
			*searched = i - 1 // look at this line end again when more has come
			return 0
		}
	}
}

// parse reads the header block that b begins with, and returns its length. It is
// strict where framing is at stake. Unless the block is whole, its errors are of no
// account. The fields are kept in room, as far as they fit.
func (h *head) parse(b []byte, room []field) (int, error) {
	*h = head{length: -1, fields: room[:0]}
	n, err := h.statusLine(b)
	if err != nil {
		return 0, err
	}
	for {
		if n == len(b) {
			return 0, errCutHead
		}
		end := n
		if b[n] == '\r' && n+1 < len(b) {
			end++
		}
		if b[end] == '\n' {
			return end + 1, h.read(string(b[:end+1]))
		}
		if len(h.fields) == maxFields {
			return 0, fmt.Errorf("more than %d header fields", maxFields)
		}
		f, next, err := cutField(b, n)
		if err != nil {
			return 0, err
		}
		h.fields = append(h.fields, f)
		n = next
	}
}

// statusLine reads HTTP-version SP 3DIGIT SP [reason], and returns where the next line
// begins. Many leave out the space where there is no reason.
func (h *head) statusLine(b []byte) (int, error) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return 0, errCutHead
	}
	line := b[:i]
	if i > 0 && b[i-1] == '\r' {
		line = b[:i-1]
	}
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return 0, errNotHTTP
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, errStatus
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 {
		return 0, errStatus
	}
	h.minorZero = line[7] == '0'
	h.keep = !h.minorZero
	return i + 1, nil
}

// cutField finds the field that begins at i, and where the next line begins. A folded
// line, white space before the colon and control characters are refused.
func cutField(b []byte, i int) (f field, next int, err error) {
	colon := tokenEnd(b, i)
	switch {
	case colon == len(b):
		return f, 0, errCutHead
	case colon == i || b[colon] != ':':
		return f, 0, errField
	}
	value := colon + 1
	for value < len(b) && isBlank(b[value]) {
		value++
	}
	end := control(b, value)
	for end < len(b) && b[end] == '\t' {
		end = control(b, end+1)
	}
	next = end + 1
	if next < len(b) && b[end] == '\r' {
		next++
	}
	switch {
	case next > len(b):
		return f, 0, errCutHead
	case b[next-1] != '\n':
		return f, 0, errControl
	}
	for end > value && isBlank(b[end-1]) {
		end--
	}
	return field{int32(i), int32(colon), int32(value), int32(end)}, next, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// read takes in what the fields of the block say of the body.
func (h *head) read(text string) error {
	h.text = text
	coded, fields := false, h.fields
	for i := range fields {
		f := &fields[i]
		switch f.colon - f.name {
		case int32(len("connection")), int32(len("content-length")), int32(len("content-encoding")), int32(len("transfer-encoding")):
			if err := h.frame(h.name(f), h.value(f), &coded); err != nil {
				return err
			}
		}
	}
	h.keep = h.keep && !h.closes
	if h.chunked && h.length >= 0 {
		return errors.New("both transfer-encoding and content-length")
	}
	if h.chunked && h.minorZero {
		return errors.New("transfer-encoding in HTTP/1.0")
	}
	return nil
}

// frame notes a header field that says how the body is framed.
func (h *head) frame(name, value string, coded *bool) error {
	switch {
	case sameName(name, "connection"):
		for word := range strings.SplitSeq(value, ",") {
			if word = strings.TrimSpace(word); strings.EqualFold(word, "close") {
				h.closes = true
			} else if strings.EqualFold(word, "keep-alive") {
				h.keep = true
			}
		}
	case sameName(name, "content-length"):
		if h.length >= 0 {
			return errors.New("more than one content-length")
		}
		n, ok := parseLength(value)
		if !ok {
			return errors.New("malformed content-length")
		}
		h.length = n
	case sameName(name, "content-encoding"):
		if *coded {
			return errors.New("more than one content-encoding")
		}
		*coded = true
		h.coding = value
	case sameName(name, "transfer-encoding"):
		if h.chunked || !strings.EqualFold(value, "chunked") {
			return errors.New("transfer-encoding other than chunked")
		}
		h.chunked = true
	}
	return nil
}

func parseLength(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	var n int64
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, n < math.MaxInt64
}
