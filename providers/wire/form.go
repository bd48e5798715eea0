package wire

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strings"
)

// Limits of a form.
const (
	maxFormParts  = 16
	maxPartHeader = 8 << 10 // bytes of the header block of one part
)

// A Form scans the body of a multipart/form-data request (RFC 7578) as it comes
// and says where its parts lie, without keeping them. It is stricter than the
// RFCs: what different servers would read differently is an error, so that no part
// that matters can be hidden from one of them.
type Form struct {
	delim  []byte // CRLF, two hyphens, boundary
	buf    []byte // bytes that are not judged yet
	off    int64  // where buf begins in the body
	at     formState
	parts  int
	part   FormPart
	events []FormEvent
	err    error
}

type formState uint8

const (
	formStart formState = iota
	formHeader
	formValue
	formEnd
)

// A FormPart is one part; positions count from the begin of the body.
type FormPart struct {
	Name, Filename string
	File           bool  // it has a file name, be it empty
	Start          int64 // of the boundary before it
	Value, End     int64 // of its content; End is 0 until the part has ended
}

// A FormEvent tells that a part has begun (its End is 0), that it has ended, or
// that the form has (its name is empty).
type FormEvent struct{ FormPart }

// NewForm returns a scanner for a body of that content type, which must be
// multipart/form-data with a boundary.
func NewForm(contentType string) (*Form, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return nil, errors.New("the content type is not multipart/form-data")
	}
	b := params["boundary"]
	if len(b) == 0 || len(b) > 70 || b[len(b)-1] == ' ' {
		return nil, errors.New("the boundary must be of 1 to 70 characters")
	}
	for _, c := range []byte(b) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("'()+_,-./:=? ", c) < 0 {
			return nil, errors.New("the boundary holds a character that boundaries may not have")
		}
	}
	return &Form{delim: []byte("\r\n--" + b)}, nil
}

// Boundary returns the boundary.
func (f *Form) Boundary() string { return string(f.delim[4:]) }

// Feed takes the next bytes, cut anywhere. Its error is final.
func (f *Form) Feed(p []byte) error {
	if f.err != nil {
		return f.err
	}
	f.buf = append(f.buf, p...)
	for {
		more, err := f.step()
		if err != nil {
			f.err = fmt.Errorf("%w at byte %d", err, f.off)
			return f.err
		}
		if !more {
			return nil
		}
	}
}

// Next returns the next event in order.
func (f *Form) Next() (ev FormEvent, ok bool) {
	if len(f.events) == 0 {
		return ev, false
	}
	ev = f.events[0]
	f.events = f.events[1:]
	return ev, true
}

// End tells that the body has ended; its error says that the form is not whole.
func (f *Form) End() error {
	switch {
	case f.err != nil:
	case f.at != formEnd:
		f.err = errors.New("the form ends before its closing boundary")
	case len(f.buf) == 1:
		f.err = errors.New("a byte follows the closing boundary")
	}
	return f.err
}

// use drops n bytes that are judged.
func (f *Form) use(n int) {
	f.off += int64(n)
	f.buf = f.buf[:copy(f.buf, f.buf[n:])]
}

// step judges the bytes there are; it reports whether it may get further with them.
func (f *Form) step() (more bool, err error) {
	switch f.at {
	case formStart:
		first := f.delim[2:]
		if f.off == 0 && bytes.HasPrefix(f.buf, f.delim[:2]) {
			f.use(2)
		}
		if n := min(len(first), len(f.buf)); !bytes.Equal(f.buf[:n], first[:n]) && (f.off > 0 || string(f.buf) != "\r") {
			return false, errors.New("the form does not begin with its boundary")
		}
		if len(f.buf) < len(first)+2 {
			return false, nil
		}
		return f.boundary(len(first), f.off)
	case formHeader:
		return f.header()
	case formValue:
		i := bytes.Index(f.buf, f.delim)
		if i < 0 {
			if n := len(f.buf) - len(f.delim) + 1; n > 0 {
				f.use(n)
			}
			return false, nil
		}
		f.use(i)
		if len(f.buf) < len(f.delim)+2 {
			return false, nil
		}
		if f.part.End = f.off; f.part.End < f.part.Value {
			return false, errors.New("a boundary follows the headers of a part at once")
		}
		f.events = append(f.events, FormEvent{f.part})
		return f.boundary(len(f.delim), f.off+2)
	}
	if len(f.buf) > 2 || !bytes.HasPrefix([]byte("\r\n"), f.buf) {
		return false, errors.New("bytes follow the closing boundary")
	}
	return false, nil
}

// boundary looks at what follows a boundary of n bytes that begins at start.
func (f *Form) boundary(n int, start int64) (bool, error) {
	switch string(f.buf[n : n+2]) {
	case "\r\n":
		if f.parts++; f.parts > maxFormParts {
			return false, fmt.Errorf("the form has more than %d parts", maxFormParts)
		}
		f.part = FormPart{Start: start}
		f.at = formHeader
	case "--":
		if f.parts == 0 {
			return false, errors.New("the form has no part")
		}
		f.events = append(f.events, FormEvent{FormPart{Start: start}})
		f.at = formEnd
	default:
		return false, errors.New("a boundary is followed by other characters")
	}
	f.use(n + 2)
	return true, nil
}

var blankLine = []byte("\r\n\r\n")

// header reads the header block of a part.
func (f *Form) header() (bool, error) {
	i := bytes.Index(f.buf[:min(len(f.buf), maxPartHeader+4)], blankLine)
	if i < 0 {
		if len(f.buf) > maxPartHeader {
			return false, errors.New("the headers of a part exceed 8 KiB")
		}
		return false, nil
	}
	if err := f.part.read(string(f.buf[:i])); err != nil {
		return false, err
	}
	f.part.Value = f.off + int64(i) + 4
	f.events = append(f.events, FormEvent{f.part})
	f.use(i + 2) // the line end that may belong to a boundary stays
	f.at = formValue
	return true, nil
}

// read takes name and file name out of a part's headers.
func (p *FormPart) read(block string) error {
	named := false
	for line := range strings.SplitSeq(block, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsFunc(name, notName) || hasControl(strings.ReplaceAll(value, "\t", " ")) {
			return errors.New("a header of a part is malformed")
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "content-disposition":
			if named {
				return errors.New("a part has two dispositions")
			}
			named = true
			if err := p.disposition(value); err != nil {
				return err
			}
		case "content-transfer-encoding":
			switch strings.ToLower(value) {
			case "7bit", "8bit", "binary":
			default:
				return errors.New("a part is encoded, which forms must not be")
			}
		}
	}
	if !named {
		return errors.New("a part has no name")
	}
	return nil
}

func (p *FormPart) disposition(value string) error {
	if strings.Contains(value, "*") {
		return errors.New("a disposition has an extended parameter")
	}
	kind, params, err := mime.ParseMediaType(value)
	if err != nil || kind != "form-data" {
		return errors.New("a part's disposition is not form-data")
	}
	for name := range params {
		if name != "name" && name != "filename" {
			return errors.New("a disposition has an unknown parameter")
		}
	}
	p.Name = params["name"]
	p.Filename, p.File = params["filename"]
	if p.Name == "" || len(p.Name) > 256 || strings.ContainsAny(p.Name, "\"\\%") || hasControl(p.Name) {
		return errors.New("a part has no proper name")
	}
	if strings.ContainsAny(p.Filename, "/\\") || p.Filename == ".." || hasControl(p.Filename) {
		return errors.New("a file name is a path or holds control characters")
	}
	return nil
}

// notName reports whether a character may not stand in a header's name.
func notName(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && (r > 0x7f || strings.IndexByte("!#$%&'*+-.^_`|~", byte(r)) < 0)
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
