package server

import "os"

// A buffer is the one that a connection's requests are read into, as far as the
// reads tell: readBuffer bytes, of which a request hardly ever fills a page, but
// which are all in memory once something large has come through. Nobody can take it
// from the connection while a stream is answered for minutes; its empty pages can be
// given back meanwhile.
type buffer struct {
	whole  []byte // nil: not known
	filled int    // how far something was read into it
}

// readBuffer bounds the header of a request, in bytes.
const readBuffer = 32 << 10

// note follows a read of n bytes into p. The first of a request is into the whole
// buffer; later ones may be into others, such as a body's.
func (b *buffer) note(p []byte, n int, first bool) {
	switch {
	case first && len(p) == readBuffer:
		b.whole, b.filled = p, n
	case cap(b.whole) > 0 && cap(p) > 0 && &b.whole[:cap(b.whole)][cap(b.whole)-1] == &p[:cap(p)][cap(p)-1]:
		b.filled = max(b.filled, cap(b.whole)-cap(p)+n)
	}
}

// rest returns the pages in which nothing lies.
func (b *buffer) rest() []byte {
	page := os.Getpagesize()
	from := (b.filled + page - 1) / page * page
	if from >= len(b.whole) {
		return nil
	}
	return b.whole[from:]
}

// Rest tells the connection that nothing will be read from it for a while.
func (c *conn) Rest() {
	if pages := c.buffer.rest(); len(pages) > 0 {
		giveBack(pages)
	}
}
