package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// Gateways on one database know each other's addresses by it. Who asks one of them for
// what is in flight is shown what is in flight at all: the one that is asked asks the
// others, with a credential that they derive from the master key they share. Nothing is
// sent while nobody asks, and what was read of the others last holds while the database
// is away.

// A Peer is another gateway on the same database. URL is "" if it has told no address.
type Peer struct{ Boot, Name, URL string }

const (
	peerWithin = 2 * time.Second // the others have answered by then, or are left out
	peerLook   = 2 * time.Second // how often a live feed looks who there is, and tries again
	peerEvents = 4096            // of others that a live feed holds
)

// peerHeader names the process that is meant: an address may lead to another.
const peerHeader = "X-Gateway-Peer"

var peerTransport = &http.Transport{
	DialContext:         (&net.Dialer{Timeout: peerWithin, KeepAlive: 15 * time.Second}).DialContext,
	MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: 5 * time.Second,
}

// toBoot sends requests to the process with this boot alone.
type toBoot struct{ boot string }

func (m toBoot) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(peerHeader, m.boot)
	return peerTransport.RoundTrip(r)
}

// peers are the gateways to be asked for c: none where a gateway asks.
func (s *Server) peers(c *call) []Peer {
	if s.o.Peers == nil || c.who != nil && c.who.Peer {
		return nil
	}
	return s.o.Peers()
}

func (s *Server) peerClient(p Peer) *api.Client {
	return &api.Client{BaseURL: p.URL, Key: s.o.PeerToken.Reveal(), HTTP: &http.Client{Transport: toBoot{p.Boot}}, UserAgent: "ai-gateway/" + s.o.Version}
}

// askPeers calls ask for all peers at once, and returns when all have answered or
// peerWithin has passed.
func (s *Server) askPeers(peers []Peer, ask func(ctx context.Context, i int, c *api.Client)) {
	ctx, cancel := context.WithTimeout(context.Background(), peerWithin)
	defer cancel()
	var wg sync.WaitGroup
	for i, p := range peers {
		if p.URL == "" {
			continue
		}
		wg.Go(func() {
			defer s.containPeer()
			ask(ctx, i, s.peerClient(p))
		})
	}
	wg.Wait()
}

func (s *Server) containPeer() {
	if v := recover(); v != nil {
		s.Panicked("peers", v)
	}
}

// inFlightOfPeers returns what is in flight at the peers, and who did not answer.
func (s *Server) inFlightOfPeers(peers []Peer) (events []api.LiveEvent, missing []api.UnreachableNode) {
	answers, errs := make([]*api.InFlightReply, len(peers)), make([]error, len(peers))
	s.askPeers(peers, func(ctx context.Context, i int, c *api.Client) { answers[i], errs[i] = c.InFlight(ctx) })
	for i, a := range answers {
		if a == nil {
			missing = append(missing, api.UnreachableNode{Node: peers[i].Name, URL: peers[i].URL, Error: whyUnreached(peers[i], errs[i])})
			continue
		}
		for _, e := range a.Data {
			events = append(events, at(e, peers[i].Name))
		}
	}
	return events, missing
}

// whyUnreached says what came of asking a peer.
func whyUnreached(p Peer, err error) string {
	var refused *api.Error
	switch {
	case p.URL == "":
		return "it serves TLS and advertises no address"
	case errors.As(err, &refused) && refused.Status == 401:
		return "another gateway, or one with another master key, answers there"
	case err == nil: // asking it panicked
		return "it could not be asked"
	}
	return err.Error()
}

// cancelAtPeers ends a request that is in flight at one of the peers.
func (s *Server) cancelAtPeers(peers []Peer, id string) bool {
	var found atomic.Bool
	s.askPeers(peers, func(ctx context.Context, _ int, c *api.Client) {
		if c.CancelRequest(ctx, id) == nil {
			found.Store(true)
		}
	})
	return found.Load()
}

// A peerFeed gathers what happens at the peers, for one live feed.
type peerFeed struct {
	C      chan api.LiveEvent
	lost   atomic.Int64 // events that nobody took in time
	cancel context.CancelFunc
}

// followPeers begins a peerFeed, which runs until it is cancelled.
func (s *Server) followPeers() *peerFeed {
	ctx, cancel := context.WithCancel(context.Background())
	f := &peerFeed{C: make(chan api.LiveEvent, peerEvents), cancel: cancel}
	go func() {
		defer s.containPeer()
		f.run(ctx, s)
	}()
	return f
}

// run keeps one connection to each peer that there is.
func (f *peerFeed) run(ctx context.Context, s *Server) {
	running := map[Peer]context.CancelFunc{}
	ended := make(chan Peer)
	tick := time.NewTicker(peerLook)
	defer tick.Stop()
	for {
		there := map[Peer]bool{}
		for _, p := range s.o.Peers() {
			if p.URL == "" {
				continue
			}
			there[p] = true
			if running[p] == nil {
				one, cancel := context.WithCancel(ctx)
				running[p] = cancel
				go func() {
					defer func() {
						select {
						case ended <- p:
						case <-ctx.Done():
						}
					}()
					defer s.containPeer()
					if n := f.follow(one, s.peerClient(p), p.Name); n > 0 {
						f.offer(api.LiveEvent{Type: api.LiveDropped, Time: s.o.Now().UTC(), Dropped: n, Node: p.Name})
					}
				}()
			}
		}
		for p, cancel := range running {
			if !there[p] { // gone, perhaps without a word
				cancel()
			}
		}
		for wait := true; wait; {
			select {
			case <-ctx.Done():
				return
			case p := <-ended:
				running[p]()
				delete(running, p)
			case <-tick.C:
				wait = false
			}
		}
	}
}

// follow hands on what happens at one peer until the connection ends, and returns how
// many requests have begun whose end is not known then.
func (f *peerFeed) follow(ctx context.Context, c *api.Client, name string) int64 {
	open := map[string]bool{}
	_ = c.Live(ctx, func(e api.LiveEvent) error {
		switch {
		case e.Type == api.LiveFinished:
			delete(open, e.RequestID)
		case e.RequestID != "" && len(open) < peerEvents:
			open[e.RequestID] = true
		}
		f.offer(at(e, name))
		return nil
	})
	return int64(len(open))
}

func (f *peerFeed) offer(e api.LiveEvent) {
	select {
	case f.C <- e:
	default:
		f.lost.Add(1)
	}
}
