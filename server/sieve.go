package server

import "github.com/valyala/fasthttp"

// A sieve tells of names that no header line of a request can have, after one pass over
// the lines. Looking a header up costs a pass over all of them, and of the two dozen that
// a request may have most have two or three.
type sieve uint64

// anyName is the sieve of a request whose lines were not looked at.
const anyName = ^sieve(0)

// bitOf is the bit of a header's name, the same in whatever case it is written.
func bitOf[T string | []byte](name T) sieve {
	if len(name) == 0 {
		return 0
	}
	const lower = 'a' - 'A'
	return 1 << ((uint(len(name))*5 + uint(name[0]|lower)*3 + uint(name[len(name)-1]|lower)) % 64)
}

// peek is h.Peek.
func (s sieve) peek(h *fasthttp.RequestHeader, name string) []byte {
	if s&bitOf(name) == 0 {
		return nil
	}
	return h.Peek(name)
}
