package wire

import (
	"bytes"
	"errors"
	"strings"
)

// Limits of an event stream: what exceeds them is refused, not cut.
const (
	MaxLine  = 16 << 20 // bytes of one line, its end not counted
	MaxEvent = 32 << 20 // bytes of one event as received
)

// Faults of an event stream.
var (
	ErrLineTooLong  = errors.New("event stream line exceeds 16 MiB")
	ErrEventTooLong = errors.New("event stream event exceeds 32 MiB")
)

// keep is the capacity up to which an idle reader holds on to its buffers;
// keepBusy, where the last event filled at least a quarter of them: a stream of
// large events shall not allocate each anew.
const (
	keep     = 16 << 10
	keepBusy = 256 << 10
)

var bom = []byte("\xef\xbb\xbf")

// An Event is one block of an event stream (WHATWG HTML, server-sent events):
// the lines up to and including a blank one.
type Event struct {
	Name []byte // value of the last event field; empty: none
	Data []byte // values of the data fields, joined by LF
	// Raw holds the very bytes received, separators and comments included: the
	// Raw of all events, End's too, concatenate to the input. (An LF that the
	// feed cut from the CR before it leads the next Raw.)
	Raw []byte
	// At is the offset of Data in Raw; -1 where Data was joined from several lines.
	At int
	// Comment: the block has no data field, so a client dispatches nothing for it
	// (comments, blank lines, retry, id, an event name alone).
	Comment bool
	// Partial: from End only: even the last line lacks its end.
	Partial bool
}

// SSE reads an event stream that arrives in pieces cut anywhere. The zero value
// is ready. Feed it, then call Next until it reports false; when the input has
// ended, call End. Events that lie whole in one piece are not copied.
type SSE struct {
	chunk   []byte // what was fed
	pos     int    // how far chunk is scanned
	start   int    // where the block at hand starts in chunk
	lf, cr  int    // the next LF and CR in chunk at or behind pos, as far as searched
	pending []byte // the block's bytes from earlier pieces
	yielded bool   // pending was handed out as Raw and is free now
	joined  []byte // Data of several lines

	line    int   // bytes of the line at hand
	afterCR bool  // the byte before pos was a CR at the end of a piece: an LF belongs to it
	bomSeen uint8 // bytes of a leading byte order mark seen; noBOM: past the start
	begun   bool  // the first block was parsed
	err     error
}

const noBOM = 4

// Reset readies the reader for another stream and keeps small buffers.
func (s *SSE) Reset() {
	*s = SSE{pending: idle(s.pending), joined: idle(s.joined)}
}

func idle(b []byte) []byte {
	if cap(b) > keepBusy || cap(b) > keep && len(b) < cap(b)/4 {
		return nil
	}
	return b[:0]
}

// Feed takes the next bytes of the stream. p must stay unchanged until Next has
// reported false, and as long as the events that point into it are used.
func (s *SSE) Feed(p []byte) {
	s.reclaim()
	if s.pos < len(s.chunk) || s.start < len(s.chunk) { // fed before Next reported false
		rest := append(bytes.Clone(s.chunk[s.start:]), p...)
		s.chunk, s.pos, s.start = rest, s.pos-s.start, 0
	} else {
		s.chunk, s.pos, s.start = p, 0, 0
	}
	s.lf, s.cr = -1, -1
}

// reclaim makes pending usable again after its event was handed out.
func (s *SSE) reclaim() {
	if s.yielded {
		s.pending, s.yielded = idle(s.pending), false
	}
	if len(s.joined) > 0 {
		s.joined = idle(s.joined)
	}
}

// Next returns the next event. Its slices are valid until the next call of Next,
// Feed or End. It reports false when more input is needed, or after a fault: see Err.
func (s *SSE) Next() (ev Event, ok bool) {
	s.reclaim()
	if s.start == len(s.chunk) {
		s.chunk, s.pos, s.start = nil, 0, 0
		return Event{}, false
	}
	if s.err != nil {
		return Event{}, false
	}
	if ev, ok = s.whole(); ok {
		return ev, true
	}
	end, found := s.scan()
	if s.err == nil && len(s.pending)+end-s.start > MaxEvent {
		s.err = ErrEventTooLong
	}
	if s.err != nil {
		s.chunk, s.pending = nil, nil
		s.pos, s.start = 0, 0
		return Event{}, false
	}
	piece := s.chunk[s.start:end]
	s.start = end
	if !found {
		s.pending = append(s.pending, piece...)
		s.chunk, s.pos, s.start = nil, 0, 0
		return Event{}, false
	}
	raw := piece
	if len(s.pending) > 0 {
		s.pending = append(s.pending, piece...)
		raw, s.yielded = s.pending, true
	}
	return s.parse(raw), true
}

// whole is Next for the usual block, which lies whole in what was fed, with no line that a
// CR alone ends and one data field. Anything else is left as it was, for scan and parse.
func (s *SSE) whole() (ev Event, ok bool) {
	if !s.begun || len(s.pending) > 0 || s.afterCR || s.pos != s.start {
		return Event{}, false
	}
	if s.cr < s.pos {
		s.cr = indexFrom(s.chunk, s.pos, '\r')
	}
	cr := s.cr
	for pos := s.pos; ; {
		n := bytes.IndexByte(s.chunk[pos:min(cr+2, len(s.chunk))], '\n')
		if n < 0 || n > MaxLine {
			return Event{}, false
		}
		lf := pos + n
		eol := min(cr, lf)
		if cr < lf {
			cr = indexFrom(s.chunk, lf, '\r')
		}
		line := s.chunk[pos:eol]
		if value, ok := field(line, "data"); ok {
			if ev.Data != nil {
				return Event{}, false
			}
			ev.Data, ev.At = value[:len(value):len(value)], eol-len(value)-s.start
		} else if value, ok := field(line, "event"); ok {
			ev.Name = value
		}
		if pos = lf + 1; len(line) == 0 {
			if ev.Raw, ev.Comment = s.chunk[s.start:pos], ev.Data == nil; len(ev.Raw) > MaxEvent {
				return Event{}, false
			}
			s.pos, s.start, s.cr = pos, pos, cr
			return ev, true
		}
	}
}

// field returns the value of a line, if it is the field of that name.
func field(line []byte, name string) (value []byte, ok bool) {
	if len(line) < len(name) || string(line[:len(name)]) != name {
		return nil, false
	}
	switch value = line[len(name):]; {
	case len(value) == 0:
		return value, true
	case value[0] != ':':
		return nil, false
	case len(value) > 1 && value[1] == ' ':
		return value[2:], true
	}
	return value[1:], true
}

// Err returns ErrLineTooLong or ErrEventTooLong once the stream has broken a limit.
func (s *SSE) Err() error { return s.err }

// End tells that the input has ended and returns what stood behind the last blank
// line, if anything did. A strict client drops such an event; many vendors end so.
func (s *SSE) End() (ev Event, ok bool, err error) {
	s.reclaim()
	if s.err != nil {
		return Event{}, false, s.err
	}
	raw := s.pending
	if s.start < len(s.chunk) { // Next was not called to its end
		raw = append(raw, s.chunk[s.start:]...)
		s.chunk, s.pos, s.start = nil, 0, 0
	}
	s.pending, s.yielded = raw, true
	if len(raw) == 0 {
		return Event{}, false, nil
	}
	ev = s.parse(raw)
	ev.Partial = raw[len(raw)-1] != '\n' && raw[len(raw)-1] != '\r'
	return ev, true, nil
}

// scan looks on from pos for the blank line that ends the block at hand and
// returns the index behind it; not found: the end of the chunk.
func (s *SSE) scan() (end int, found bool) {
	p := s.chunk
	for s.pos < len(p) {
		if s.afterCR {
			s.afterCR = false
			if p[s.pos] == '\n' {
				s.pos++
				continue
			}
		}
		if s.bomSeen < noBOM {
			if s.skipBOM(p[s.pos]) {
				s.pos++
				continue
			}
		}
		eol := s.lineEnd()
		s.line += eol - s.pos
		if s.line > MaxLine {
			s.err = ErrLineTooLong
			return s.pos, false
		}
		s.pos = eol
		if eol == len(p) {
			break
		}
		s.pos++
		if p[eol] == '\r' {
			if s.pos == len(p) {
				s.afterCR = true
			} else if p[s.pos] == '\n' {
				s.pos++
			}
		}
		blank := s.line == 0
		s.line = 0
		if blank {
			return s.pos, true
		}
	}
	return len(p), false
}

// lineEnd returns the index of the first LF or CR at or behind pos, or the
// chunk's length. Each byte is searched once, whatever the line ends are.
func (s *SSE) lineEnd() int {
	if s.lf < s.pos {
		s.lf = indexFrom(s.chunk, s.pos, '\n')
	}
	if s.cr < s.pos {
		s.cr = indexFrom(s.chunk, s.pos, '\r')
	}
	return min(s.lf, s.cr)
}

// skipBOM reports whether c belongs to a byte order mark at the start of the
// stream. Of one that breaks off, the bytes seen count as part of the line.
func (s *SSE) skipBOM(c byte) bool {
	if int(s.bomSeen) < len(bom) && c == bom[s.bomSeen] {
		s.bomSeen++
		return true
	}
	if int(s.bomSeen) < len(bom) {
		s.line += int(s.bomSeen)
	}
	s.bomSeen = noBOM
	return false
}

// parse reads the fields of a block. Empty lines are passed over: they are the
// block's end, or an LF left over from the block before.
func (s *SSE) parse(raw []byte) Event {
	ev := Event{Raw: raw, Comment: true}
	rest := raw
	if !s.begun {
		s.begun = true
		rest = bytes.TrimPrefix(rest, bom)
	}
	fields := 0
	for it := newLines(rest); it.next(); {
		line := it.line
		if value, ok := field(line, "event"); ok {
			ev.Name = value
		} else if value, ok := field(line, "data"); ok {
			if ev.Comment = false; fields == 0 {
				ev.Data = value[:len(value):len(value)]
				ev.At = len(raw) - len(rest) + it.start + len(line) - len(value)
			} else {
				ev.At = -1
				if fields == 1 {
					s.joined = append(s.joined[:0], ev.Data...)
				}
				s.joined = append(append(s.joined, '\n'), value...)
				ev.Data = s.joined
			}
			fields++
		}
	}
	return ev
}

// lines walks over the lines of a text, whatever their ends are. Each byte is searched once.
type lines struct {
	b           []byte
	pos, lf, cr int
	start       int    // where line starts in b
	line        []byte // without its end
	ended       bool   // the line had an end
}

func newLines(b []byte) lines { return lines{b: b, lf: -1, cr: -1, ended: true} }

// next takes the next line; an end at the end of the text opens no further one.
func (l *lines) next() bool {
	if l.pos >= len(l.b) {
		return false
	}
	if l.lf < l.pos {
		l.lf = indexFrom(l.b, l.pos, '\n')
	}
	if l.cr < l.pos {
		l.cr = indexFrom(l.b, l.pos, '\r')
	}
	eol := min(l.lf, l.cr)
	l.start = l.pos
	l.line, l.ended = l.b[l.pos:eol], eol < len(l.b)
	l.pos = eol + 1
	if l.cr == eol && l.lf == eol+1 {
		l.pos++
	}
	return true
}

// indexFrom returns the index of the first c in b at or behind i, or b's length.
func indexFrom(b []byte, i int, c byte) int {
	if k := bytes.IndexByte(b[i:], c); k >= 0 {
		return i + k
	}
	return len(b)
}

// AppendData appends an event: its name (left out if empty) and data, one data
// field a line. A line end inside the name ends it.
func AppendData(dst []byte, event string, data []byte) []byte {
	if event != "" {
		if i := strings.IndexAny(event, "\r\n"); i >= 0 {
			event = event[:i]
		}
		dst = append(dst, "event: "...)
		dst = append(dst, event...)
		dst = append(dst, '\n')
	}
	it := newLines(data)
	for it.next() {
		dst = appendField(dst, "data: ", it.line)
	}
	if it.ended { // no data at all, or a line end at its very end: an empty line
		dst = appendField(dst, "data: ", nil)
	}
	return append(dst, '\n')
}

func appendField(dst []byte, prefix string, value []byte) []byte {
	dst = append(dst, prefix...)
	dst = append(dst, value...)
	return append(dst, '\n')
}
