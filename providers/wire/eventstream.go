package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Bounds of one message of an AWS event stream: the limits of AWS's own readers.
const (
	maxFrameHeaders = 128 << 10
	maxFrame        = 24 << 20
	framePrelude    = 12 // total length, headers' length, their CRC
	frameOverhead   = framePrelude + 4
)

// ErrFrame is what every malformed message of an event stream is.
var ErrFrame = errors.New("malformed event-stream message")

// A Frame is one message of an AWS event stream
// (application/vnd.amazon.eventstream). Its slices are valid until the next Feed or Next.
type Frame struct {
	Type    []byte // :message-type: event, exception or error
	Name    []byte // :event-type, :exception-type or :error-code
	Message []byte // :error-message
	Payload []byte
}

// An EventStream reads an AWS event stream from pieces cut anywhere: length,
// length of the headers, CRC-32 of these, headers, payload, CRC-32 of all of it.
// The zero value is ready for use.
type EventStream struct {
	buf  []byte
	next int // of buf, what was not handed out
	err  error
}

// Feed takes the next bytes. They may be reused afterwards.
func (s *EventStream) Feed(p []byte) {
	if s.err != nil {
		return
	}
	if s.next > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.next:])]
		s.next = 0
	}
	s.buf = append(s.buf, p...)
}

// Next returns the next whole message. Once it has found a malformed one it
// returns none, and Err says why.
func (s *EventStream) Next() (Frame, bool) {
	b := s.buf[s.next:]
	if s.err != nil || len(b) < framePrelude {
		return Frame{}, false
	}
	size, headers := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	// The lengths are trusted only after their own CRC: a wrong one would wait for ever.
	switch {
	case crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:]):
		s.err = fmt.Errorf("%w: wrong checksum of its lengths", ErrFrame)
	case size < frameOverhead || headers > size-frameOverhead:
		s.err = fmt.Errorf("%w: lengths %d and %d", ErrFrame, size, headers)
	case size > maxFrame || headers > maxFrameHeaders:
		s.err = ErrEventTooLong
	}
	if s.err != nil || int64(len(b)) < size {
		return Frame{}, false
	}
	b = b[:size]
	if crc32.ChecksumIEEE(b[:size-4]) != binary.BigEndian.Uint32(b[size-4:]) {
		s.err = fmt.Errorf("%w: wrong checksum", ErrFrame)
		return Frame{}, false
	}
	f := Frame{Payload: b[framePrelude+headers : size-4]}
	if !f.readHeaders(b[framePrelude : framePrelude+headers]) {
		s.err = fmt.Errorf("%w: its headers", ErrFrame)
		return Frame{}, false
	}
	s.next += int(size)
	return f, true
}

// Err returns what broke reading.
func (s *EventStream) Err() error { return s.err }

// End tells that the input has ended: io.ErrUnexpectedEOF within a message.
func (s *EventStream) End() error {
	if s.err == nil && s.next < len(s.buf) {
		return io.ErrUnexpectedEOF
	}
	return s.err
}

// Types of header values, and the length of those that have a fixed one.
const (
	headerBytes  = 6
	headerString = 7
)

var headerSizes = [...]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}

// readHeaders reports whether b is a well-formed list of headers. Of a name given
// twice the last value counts.
func (f *Frame) readHeaders(b []byte) bool {
	for len(b) > 0 {
		n := int(b[0])
		if len(b) < n+2 {
			return false
		}
		name, kind := b[1:1+n], b[1+n]
		b = b[n+2:]
		var size int
		switch {
		case kind == headerBytes || kind == headerString:
			if len(b) < 2 {
				return false
			}
			size = int(binary.BigEndian.Uint16(b))
			b = b[2:]
		case int(kind) < len(headerSizes):
			size = headerSizes[kind]
		default:
			return false
		}
		if len(b) < size {
			return false
		}
		if kind == headerString {
			f.take(name, b[:size])
		}
		b = b[size:]
	}
	return true
}

func (f *Frame) take(name, value []byte) {
	switch string(name) {
	case ":message-type":
		f.Type = value
	case ":event-type", ":exception-type", ":error-code":
		f.Name = value
	case ":error-message":
		f.Message = value
	}
}

// AppendFrame appends one message with string headers, given as name, value pairs.
func AppendFrame(dst, payload []byte, headers ...string) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, framePrelude)...)
	for i := 0; i+1 < len(headers); i += 2 {
		dst = append(append(dst, byte(len(headers[i]))), headers[i]...)
		dst = binary.BigEndian.AppendUint16(append(dst, headerString), uint16(len(headers[i+1])))
		dst = append(dst, headers[i+1]...)
	}
	head := len(dst) - start - framePrelude
	dst = append(dst, payload...)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start+4))
	binary.BigEndian.PutUint32(dst[start+4:], uint32(head))
	binary.BigEndian.PutUint32(dst[start+8:], crc32.ChecksumIEEE(dst[start:start+8]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[start:]))
}
