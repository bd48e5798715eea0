package server

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// A Plane is the part of the surface that a listener serves.
type Plane uint8

// Planes.
const (
	PlaneAll   Plane = iota
	PlaneRelay       // what programs call; not the admin API, the page and the metrics
	PlaneAdmin       // those only, and health
	PlaneLocal       // all, for the command line of this machine alone
)

// serves reports whether the plane has a path.
func (p Plane) serves(path string) bool {
	switch {
	case p == PlaneAll || p == PlaneLocal:
		return true
	case path == "/health" || strings.HasPrefix(path, "/health/") || path == "/livez" || path == "/readyz":
		return true
	case strings.HasPrefix(path, "/v1/admin/") || path == "/admin" || strings.HasPrefix(path, "/admin/") || path == "/metrics" || path == "/":
		return p == PlaneAdmin
	}
	return p == PlaneRelay
}

func planeOf(ctx *fasthttp.RequestCtx) Plane {
	if cn, ok := ctx.Conn().(*conn); ok {
		return cn.plane
	}
	return PlaneAll
}

// Serve answers on ln, what the plane has, until it is left.
func (s *Server) Serve(ln net.Listener, plane Plane) error {
	s.mu.Lock()
	left := s.draining.Load() // before it began
	s.listeners = append(s.listeners, ln)
	s.mu.Unlock()
	if left {
		return ln.Close()
	}
	err := s.http.Serve(listener{ln, &s.conns, patience{s.o.ReadHeader, s.o.KeepAlive, s.o.Write}, plane, s.o.Log, s.o.Metrics.Refused, s})
	if s.draining.Load() {
		return nil
	}
	return err
}

// Cut ends the requests that are still served, their callers told as far as they
// read and their rows written, and closes the connections. ctx bounds the wait.
func (s *Server) Cut(ctx context.Context) error {
	telling, cancel := context.WithTimeout(ctx, tellingFor)
	defer cancel()
	if s.relay.Stop(telling) == nil {
		s.letGo(telling)
		s.conns.closeAll()
		return nil
	}
	s.conns.closeAll() // those who do not read: their writes fail now
	return s.relay.Stop(ctx)
}

// letGo closes connections as they become idle, for a moment: the last bytes of an
// answer, its final chunk, are written after the relay has done with it.
func (s *Server) letGo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastBytesFor)
	defer cancel()
	for s.conns.closeIdle(time.Now(), 0) > 0 && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
}

// lastBytesFor is how long Cut waits for answers to be out of the connections'
// buffers. Live feeds, which have no end, are cut then.
const lastBytesFor = 500 * time.Millisecond

// tellingFor is how long Cut waits for callers to take the error.
const tellingFor = 2 * time.Second

// InFlight returns the number of relayed requests being served, streams included.
func (s *Server) InFlight() int { return s.relay.InFlight() }

// Leave makes the gateway unready at once, tells callers with every answer to come
// over another connection, and after delay takes no new connection. shared says
// that a successor accepts on the same sockets: then none is taken from now on.
func (s *Server) Leave(ctx context.Context, delay time.Duration, shared bool) {
	s.mu.Lock()
	s.draining.Store(true)
	s.mu.Unlock()
	if shared {
		s.stopAccepting()
	}
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}
	s.stopAccepting()
}

func (s *Server) stopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ln := range s.listeners {
		lastCall(ln)
		_ = ln.Close()
	}
	s.listeners = nil
}

// Detached says that the store has been let go: the admin API is the successor's.
func (s *Server) Detached() { s.detached.Store(true) }

// Drain lets requests in flight end, after Leave. A connection that was told to
// close does so by itself; one that was not, since its answer began before, may
// bring one more request, and is closed when it has been idle for grace: a caller
// must not find a connection closed that it was never told about. The error says
// that ctx ended first.
func (s *Server) Drain(ctx context.Context, grace time.Duration) error {
	const look = 20 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	for s.conns.closeIdle(time.Now(), grace) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return s.http.ShutdownWithContext(ctx)
}
