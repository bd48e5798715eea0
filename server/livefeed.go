package server

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/admin"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/relay"
)

// Paces of the live feed: events are gathered for a moment, so that a busy gateway
// writes some times a second and not once an event.
const (
	liveGather     = 100 * time.Millisecond
	liveGatherBusy = 500 * time.Millisecond // after a busy write: no eye follows more
	liveAlive      = 15 * time.Second       // silence after which a comment is sent
	liveEvents     = 4096                   // of one write
	liveBusy       = 64                     // events of one write from which what is known by its end is told by that alone
)

// liveFeed streams what happens to requests, as server-sent events.
func (s *Server) liveFeed(c *call) {
	w, ok := s.relay.Watch()
	if !ok {
		c.ctx.Response.Header.Set("Retry-After", "5")
		c.fail(&providers.Error{Kind: providers.KindUnavailable, Code: "too_many_watchers", Message: "too many live feeds are open: close one"})
		return
	}
	h := &c.ctx.Response.Header
	h.SetContentType("text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Request-Id", c.id)
	l := &liveReader{s: s, w: w, rest: []byte(": live\n\n")}
	if s.o.Peers != nil && !c.who.Peer {
		l.peers = s.followPeers()
		l.foreign = l.peers.C
	}
	c.ctx.Response.SetBodyStream(l, -1)
}

// A liveReader is the body of a live feed. One goroutine reads it.
type liveReader struct {
	s    *Server
	w    *relay.Watch
	rest []byte // encoded and not yet read

	peers   *peerFeed            // nil: there can be none
	foreign <-chan api.LiveEvent // of it
	others  []api.LiveEvent      // gathered of it
	batch   []*relay.Progress    // gathered
	busy    bool                 // the last write was
	buf     bytes.Buffer         // encoded; rest is of it
}

// WriteTo writes each gathering at once. Read alone is asked for 4 KB at a time, and a
// busy gateway would pay for a system call each, and the watcher for a wake.
func (l *liveReader) WriteTo(w io.Writer) (n int64, err error) {
	for {
		m, err := w.Write(l.rest)
		l.rest, n = nil, n+int64(m)
		if err != nil {
			return n, err
		}
		if err := l.gather(); err != nil {
			return n, nil // io.EOF: the end
		}
	}
}

// SupportsBodyWriteTo lets fasthttp choose WriteTo.
func (l *liveReader) SupportsBodyWriteTo() bool { return true }

// Read gives what there is, waiting for it; io.EOF when the gateway is ending.
func (l *liveReader) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if err := l.gather(); err != nil {
			return 0, err
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// gather waits for events and encodes what came together.
func (l *liveReader) gather() error {
	look := time.NewTicker(time.Second) // for the end of the gateway
	defer look.Stop()
	silence := time.NewTimer(liveAlive)
	defer silence.Stop()
	var first *relay.Progress
	l.others = l.others[:0]
	for first == nil && len(l.others) == 0 {
		select {
		case first = <-l.w.C:
		case e := <-l.foreign:
			l.others = append(l.others, e)
		case <-silence.C:
			l.rest = []byte(": alive\n\n")
			return nil
		case <-look.C:
			if l.s.draining.Load() {
				return io.EOF
			}
		}
	}
	if l.busy {
		time.Sleep(liveGatherBusy)
	} else {
		time.Sleep(liveGather)
	}
	l.batch = l.batch[:0]
	if first != nil {
		l.batch = append(l.batch, first)
	}
	for len(l.batch)+len(l.others) < liveEvents {
		select {
		case p := <-l.w.C:
			l.batch = append(l.batch, p)
			continue
		case e := <-l.foreign:
			l.others = append(l.others, e)
			continue
		default:
		}
		break
	}
	if l.busy = len(l.batch) > liveBusy; l.busy {
		l.batch = endsOnly(l.batch)
	}
	l.buf.Reset()
	for _, p := range l.batch {
		l.add(at(liveEvent(p), l.s.o.Node))
	}
	for _, e := range l.others {
		l.add(e)
	}
	n := l.w.Dropped()
	if l.peers != nil {
		n += l.peers.lost.Swap(0)
	}
	if n > 0 {
		l.add(api.LiveEvent{Type: api.LiveDropped, Time: l.s.o.Now(), Dropped: n})
	}
	clear(l.batch) // what is told is not kept
	clear(l.others)
	l.rest = l.buf.Bytes()
	return nil
}

// endsOnly leaves out the steps of requests whose end is there too: it tells all that
// they told, and encoding them is most of what a watcher of a busy gateway costs.
func endsOnly(batch []*relay.Progress) []*relay.Progress {
	ended := make(map[string]bool, len(batch))
	for _, p := range batch {
		if p.Row != nil {
			ended[p.ID] = true
		}
	}
	return slices.DeleteFunc(batch, func(p *relay.Progress) bool { return p.Row == nil && ended[p.ID] })
}

func (l *liveReader) add(e api.LiveEvent) {
	before := l.buf.Len()
	l.buf.WriteString("event: " + e.Type + "\ndata: ")
	if json.NewEncoder(&l.buf).Encode(e) != nil {
		l.buf.Truncate(before)
		return
	}
	l.buf.WriteByte('\n') // the encoder has ended its line
}

// Close ends the watch.
func (l *liveReader) Close() error {
	l.w.Close()
	if l.peers != nil {
		l.peers.cancel()
	}
	return nil
}

// at returns the event as one of a gateway that is called so.
func at(e api.LiveEvent, node string) api.LiveEvent {
	if e.Node = node; e.Row != nil {
		e.Row.Node = node
	}
	return e
}

func liveEvent(p *relay.Progress) api.LiveEvent {
	e := api.LiveEvent{
		Type: p.Kind, Time: p.At.UTC(), RequestID: p.ID, KeyID: p.KeyID, KeyName: p.KeyName, Operation: p.Operation, Dialect: p.Dialect,
		Model: p.Model, Stream: p.Stream, Accepted: p.Accepted.UTC(), Provider: p.Provider, Account: p.Account, UpstreamModel: p.UpstreamModel,
	}
	if p.TTFT > 0 {
		ms := float64(p.TTFT.Microseconds()) / 1000
		e.TTFTMs = &ms
	}
	if p.Row != nil {
		row := admin.LogView(p.Row)
		e.Row = &row
	}
	return e
}

// inFlight lists the requests in flight, at all gateways on the database.
func (s *Server) inFlight(c *call) {
	out := api.InFlightReply{Data: []api.LiveEvent{}}
	for _, p := range s.relay.Requests() {
		out.Data = append(out.Data, at(liveEvent(p), s.o.Node))
	}
	if peers := s.peers(c); len(peers) > 0 {
		more, missing := s.inFlightOfPeers(peers)
		out.Data, out.Unreachable = append(out.Data, more...), missing
		for _, m := range missing {
			out.UnreachableNodes = append(out.UnreachableNodes, m.Node)
		}
		slices.SortStableFunc(out.Data, func(a, b api.LiveEvent) int { return b.Accepted.Compare(a.Accepted) })
	}
	c.noStore()
	c.ctx.Response.Header.Set("X-Request-Id", c.id)
	writeJSON(c, 200, out)
}

// cancelRequest ends a request in flight, wherever it is.
func (s *Server) cancelRequest(c *call) {
	id := c.params["request_id"]
	if !s.relay.Cancel(id) && !s.cancelAtPeers(s.peers(c), id) {
		c.fail(&providers.Error{Kind: providers.KindNotFound, Code: "not_in_flight", NoRetry: true, Message: "no request " + clip(id, 64) + " is in flight: it has ended, or never was (ai-gateway logs show " + clip(id, 64) + ")"})
		return
	}
	if !c.who.Peer { // the one that was asked writes down who asked
		s.o.Admin.Did(c.start, c.who, "request.cancel", id)
	}
	c.noStore()
	writeJSON(c, 200, struct{}{})
}
