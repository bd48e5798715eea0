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

var errNotHTTP = errors.New("not an HTTP/1 status line")

// A head is the header of an answer, as received.
type head struct {
	status    int
	fields    []field
	keep      bool // the connection may be used again
	closes    bool // connection: close was said, which beats keep-alive
	chunked   bool
	length    int64 // content-length; -1: none
	coding    string
	minorZero bool // HTTP/1.0
}

// A field is one header line.
type field struct{ name, value string }

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

// parseHead reads a header block. It is strict where framing is at stake. The
// fields are kept in room, as far as they fit.
func parseHead(block []byte, room []field) (head, error) {
	text := string(block)
	h := head{length: -1, keep: true, fields: room[:0]}
	line, rest := cutHeadLine(text)
	// HTTP-version SP 3DIGIT SP [reason]; many leave out the space where there is no reason
	if len(line) < 12 || line[:7] != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return h, errNotHTTP
	}
	for _, c := range []byte(line[9:12]) {
		if c < '0' || c > '9' {
			return h, errors.New("malformed status")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 {
		return h, errors.New("malformed status")
	}
	h.minorZero = line[7] == '0'
	h.keep = !h.minorZero
	coded := false
	for n := 0; ; n++ {
		line, rest = cutHeadLine(rest)
		if line == "" {
			break
		}
		if n == maxFields {
			return h, fmt.Errorf("more than %d header fields", maxFields)
		}
		name, value, err := cutField(line)
		if err != nil {
			return h, err
		}
		if err := h.frame(name, value, &coded); err != nil {
			return h, err
		}
		h.fields = append(h.fields, field{name, value})
	}
	h.keep = h.keep && !h.closes
	if h.chunked && h.length >= 0 {
		return h, errors.New("both transfer-encoding and content-length")
	}
	if h.chunked && h.minorZero {
		return h, errors.New("transfer-encoding in HTTP/1.0")
	}
	return h, nil
}

// frame notes a header field that says how the body is framed.
func (h *head) frame(name, value string, coded *bool) error {
	switch len(name) {
	case len("connection"):
		if strings.EqualFold(name, "connection") {
			for word := range strings.SplitSeq(value, ",") {
				if word = strings.TrimSpace(word); strings.EqualFold(word, "close") {
					h.closes = true
				} else if strings.EqualFold(word, "keep-alive") {
					h.keep = true
				}
			}
		}
	case len("content-length"):
		if strings.EqualFold(name, "content-length") {
			if h.length >= 0 {
				return errors.New("more than one content-length")
			}
			n, ok := parseLength(value)
			if !ok {
				return errors.New("malformed content-length")
			}
			h.length = n
		}
	case len("content-encoding"):
		if strings.EqualFold(name, "content-encoding") {
			if *coded {
				return errors.New("more than one content-encoding")
			}
			*coded = true
			h.coding = value
		}
	case len("transfer-encoding"):
		if strings.EqualFold(name, "transfer-encoding") {
			if h.chunked || !strings.EqualFold(value, "chunked") {
				return errors.New("transfer-encoding other than chunked")
			}
			h.chunked = true
		}
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

// cutHeadLine returns the first line without its end, and what follows.
func cutHeadLine(s string) (line, rest string) {
	i := strings.IndexByte(s, '\n')
	if i < 0 {
		i, rest = len(s), ""
	} else {
		rest = s[i+1:]
	}
	if i > 0 && s[i-1] == '\r' {
		i--
	}
	return s[:i], rest
}

// cutField splits a header line. A folded line, white space before the colon and control characters are refused.
func cutField(line string) (name, value string, err error) {
	colon := strings.IndexByte(line, ':')
	if colon < 0 || !isToken(line[:colon]) {
		return "", "", errors.New("malformed header field")
	}
	name, value = line[:colon], trimBlanks(line[colon+1:])
	for i := 0; i < len(value); i++ {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "", "", errors.New("control character in a header value")
		}
	}
	return name, value, nil
}

func trimBlanks(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
