package wire

import (
	"encoding/binary"
	"math/bits"
)

// What may come next inside a container. Of several, a close is allowed beside the others.
const (
	wantName  = 1 << iota
	wantValue // the bit above wantName
	wantColon
	wantComma
	wantClose

	wantEnd = wantComma | wantClose // behind a value
)

// kinds has what a character begins between tokens; 0: nothing that walk knows.
var kinds = [256]byte{
	' ': isBlank, '\n': isBlank, '\r': isBlank, '\t': isBlank,
	'"': isQuote, ':': isColon, ',': isComma, '{': isOpen, '[': isOpen, '}': isClose, ']': isClose,
	'0': isDigit, '1': isDigit, '2': isDigit, '3': isDigit, '4': isDigit, '5': isDigit, '6': isDigit, '7': isDigit, '8': isDigit, '9': isDigit,
	'n': isNull,
}

const (
	isBlank = 1 + iota
	isQuote
	isColon
	isComma
	isOpen
	isClose
	isDigit
	isNull
)

// What is open around a member's value, as walk has it.
const (
	inRoot   = 1
	inMember = inRoot<<1 | 1 // of the root, an object
)

// scanContainer validates the object or array at b[i], the value of a member within the
// objects that are open. count is the number of its members or elements, traits are those of all
// its strings. With a message, end is the offset of the fault. It neither recurses nor allocates.
func scanContainer(b []byte, i int, open uint64) (end, count int, traits uint64, msg string) {
	objects, want := open, uint(wantValue)
	for {
		i, objects, want, count = walk(b, i, open, objects, want, count)
		if objects == open {
			return i, count, traits, ""
		}
		if i >= len(b) {
			return i, count, traits, msgEnd
		}
		c := b[i]
		switch {
		case c == '"' && want&(wantName|wantValue) != 0:
			var t uint64
			i, t, msg = scanString(b, i)
			traits |= t
		case want&wantName != 0:
			msg = msgName
		case want&wantColon != 0:
			msg = msgColon
		case want&wantComma != 0:
			msg = msgComma
		case c == '{' || c == '[':
			msg = msgDepth
		default:
			i, msg = scanScalar(b, i)
		}
		if msg != "" {
			return i, count, traits, msg
		}
		want = behind(want)
	}
}

// behind returns what may come behind the string or other value that was wanted.
func behind(want uint) uint {
	if want&wantName != 0 {
		return wantColon
	}
	return wantEnd
}

// walk goes on through a container, as far as it leads over what is most common: it stops
// at a fault, at a long string or one with escapes or other than ASCII, at some numbers
// and literals, and behind the container. It calls nothing and holds what it knows in few
// words, so that all of it stays in registers: objects has a bit for each open container,
// the innermost lowest, 1 for an object, and above them those that are open around it, the
// root highest; want is what may come next; count are the elements or members of the
// outermost container.
func walk(b []byte, i int, open, objects uint64, want uint, count int) (int, uint64, uint, int) {
	for ; i < len(b); i++ {
		switch c := b[i]; kinds[c] {
		case isBlank:
		case isQuote:
			if want&(wantName|wantValue) == 0 {
				return i, objects, want, count
			}
			end := i + 1
			for {
				if len(b)-end < 8 {
					return i, objects, want, count
				}
				x := binary.LittleEndian.Uint64(b[end : end+8 : end+8])
				if m := asciiMarks(x); x&highs != 0 {
					return i, objects, want, count
				} else if m != 0 {
					end += bits.TrailingZeros64(m) / 8
					break
				}
				if end += 8; end > i+24 {
					return i, objects, want, count
				}
			}
			if b[end] != '"' {
				return i, objects, want, count
			}
			if want&wantName == 0 {
				i, want = end, wantEnd
			} else if i, want = end, wantColon; i+1 < len(b) && b[i+1] == ':' { // as it mostly does
				i, want = i+1, wantValue
			}
		case isColon:
			if want != wantColon {
				return i, objects, want, count
			}
			want = wantValue
		case isComma:
			if want&wantComma == 0 {
				return i, objects, want, count
			}
			if objects>>1 == open {
				count++
			}
			want = wantValue >> (objects & 1)
		case isOpen:
			if want&wantValue == 0 || objects>>(maxDepth-1) != 0 {
				return i, objects, want, count
			}
			objects = objects<<1 | uint64(c>>5&1) // this bit tells the two apart
			want = wantValue>>(objects&1) | wantClose
		case isClose:
			if want&wantClose == 0 || c != ']'+byte(objects&1)<<5 { // '}' of an object
				return i, objects, want, count
			}
			if objects >>= 1; objects == open {
				if want == wantEnd {
					count++
				}
				return i + 1, objects, want, count
			}
			want = wantEnd
		case isDigit:
			end := wholeNumber(b, i)
			if want&wantValue == 0 || end == 0 {
				return i, objects, want, count
			}
			i, want = end-1, wantEnd
		case isNull:
			if want&wantValue == 0 || len(b)-i < 4 || string(b[i:i+4]) != "null" {
				return i, objects, want, count
			}
			i, want = i+3, wantEnd
		default:
			return i, objects, want, count
		}
	}
	return i, objects, want, count
}
