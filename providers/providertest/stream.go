package providertest

import (
	"math/rand/v2"

	"github.com/your-org/ai-api-gateway/providers"
)

// Cuts splits b into pieces at random borders; the seed makes the borders
// repeatable. About one piece in four is a single byte, so that borders fall
// inside names, escapes and runes.
func Cuts(b []byte, seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))
	var out [][]byte
	for len(b) > 0 {
		n := 1
		if r.IntN(4) != 0 {
			n = 1 + r.IntN(min(len(b), 600))
		}
		out = append(out, b[:n])
		b = b[n:]
	}
	return out
}

// Decode feeds pieces to d and returns its events and what End said. Each piece
// is overwritten after it was fed, as a caller that reuses its buffer would.
func Decode(d providers.Decoder, pieces [][]byte) (events []providers.Event, err error) {
	var ev providers.Event
	buf := make([]byte, 0, 4096)
	for _, p := range pieces {
		buf = append(buf[:0], p...)
		d.Feed(buf)
		for d.Next(&ev) {
			events = append(events, ev)
		}
		for i := range buf {
			buf[i] = '#'
		}
	}
	err = d.End()
	for d.Next(&ev) {
		events = append(events, ev)
	}
	return events, err
}

// Encode writes events with e, and its end.
func Encode(e providers.Encoder, events []providers.Event) []byte {
	var out []byte
	for i := range events {
		if events[i].Kind != providers.EventEnd {
			out = e.Append(out, &events[i])
		}
	}
	return e.End(out)
}
