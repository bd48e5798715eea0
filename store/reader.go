package store

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// A reader walks the fields of one message, from at on. Text is cut from s without a
// copy. The first error stays and ends the walk.
type reader struct {
	s   string
	at  int
	num protowire.Number
	typ protowire.Type
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil && err != nil {
		r.err = err
		r.at = len(r.s)
	}
}

// next reads what a field begins with; false: there are no more.
func (r *reader) next() bool {
	if rest := r.s[r.at:]; len(rest) > 1 {
		tag, n := uint(rest[0]), 1
		if tag >= 0x80 {
			tag, n = tag&0x7f|uint(rest[1])<<7, 2
		}
		if tag >= 1<<3 && tag < 0x80<<7 { // nearly all
			r.num, r.typ = protowire.Number(tag>>3), protowire.Type(tag&7)
			r.at += n
			return true
		}
	}
	return r.nextSlow()
}

func (r *reader) nextSlow() bool {
	if r.at == len(r.s) {
		return false
	}
	tag := r.varint("bad tag")
	if num := tag >> 3; r.err == nil && (num == 0 || num > math.MaxInt32) {
		r.fail(fmt.Errorf("bad tag: %w", ErrCorrupt))
	}
	r.num, r.typ = protowire.Number(tag>>3), protowire.Type(tag&7)
	return r.err == nil
}

// varint reads a number; what is wrong with one that is none is said as told.
func (r *reader) varint(wrong string) (v uint64) {
	rest := r.s[r.at:]
	for i := 0; i < len(rest) && i < 10; i++ {
		c := uint64(rest[i])
		v |= c & 0x7f << (7 * i & 63)
		if c < 0x80 {
			if i == 9 && c > 1 {
				break // beyond 64 bits
			}
			r.at += i + 1
			return v
		}
	}
	r.fail(fmt.Errorf("%s: %w", wrong, ErrCorrupt))
	return 0
}

func (r *reader) skip() {
	n := protowire.ConsumeFieldValue(r.num, r.typ, []byte(r.s[r.at:]))
	if n < 0 {
		r.fail(fmt.Errorf("bad field %d: %w", r.num, ErrCorrupt))
		return
	}
	r.at += n
}

func (r *reader) uint() uint64 {
	if r.typ != protowire.VarintType {
		r.fail(fmt.Errorf("field %d is no number: %w", r.num, ErrCorrupt))
		return 0
	}
	if r.at < len(r.s) && r.s[r.at] < 0x80 {
		r.at++
		return uint64(r.s[r.at-1])
	}
	return r.varint("a number is cut short")
}

func (r *reader) uintMax(max uint64) uint64 {
	v := r.uint()
	if v > max {
		r.fail(fmt.Errorf("field %d is %d, at most %d is possible: %w", r.num, v, max, ErrCorrupt))
		return 0
	}
	return v
}

func (r *reader) int() int64              { return int64(r.uint()) }
func (r *reader) duration() time.Duration { return time.Duration(r.uint()) }
func (r *reader) bool() bool              { return r.uint() != 0 }

func (r *reader) time() time.Time {
	if r.typ != protowire.Fixed64Type || len(r.s)-r.at < 8 {
		r.fail(fmt.Errorf("field %d is no time: %w", r.num, ErrCorrupt))
		return time.Time{}
	}
	t := time.Unix(0, int64(word(r.s[r.at:]))).UTC()
	r.at += 8
	return t
}

// text reads text, and a message in its stored form.
func (r *reader) text() string {
	if r.typ != protowire.BytesType {
		r.fail(fmt.Errorf("field %d is no text: %w", r.num, ErrCorrupt))
		return ""
	}
	rest := r.s[r.at:]
	if len(rest) > 0 && rest[0] < 0x80 && int(rest[0]) < len(rest) {
		n := 1 + int(rest[0])
		r.at += n
		return rest[1:n]
	}
	return r.longText()
}

func (r *reader) longText() string {
	n := r.varint("a length is cut short")
	if n > uint64(len(r.s)-r.at) {
		r.fail(fmt.Errorf("field %d is cut short: %w", r.num, ErrCorrupt))
		return ""
	}
	s := r.s[r.at : r.at+int(n)]
	r.at += int(n)
	return s
}

func (r *reader) message() reader { return reader{s: r.text(), err: r.err} }
