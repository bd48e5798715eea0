package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Options set the pace of the engine. The zero value is a believable model.
type Options struct {
	TTFT      time.Duration // until the first token; 0: 150 ms; negative: none
	TPS       float64       // tokens a second; 0: 60; negative: unpaced
	Latency   time.Duration // besides, before every answer
	ErrorRate float64       // the share of requests, 0 to 1, that is answered with 500
	MaxHang   time.Duration // bounds demo-hang and demo-stall; 0: 5 min
	Drain     time.Duration // how long Serve waits for answers under way once its listener is closed; 0: 5 s

	Now func() time.Time // the clock of "created"; nil: the system's
}

// Bounds of the server.
const (
	maxBody      = 64 << 20
	writeTimeout = 30 * time.Second
)

// A Server is one engine: its pace and its count of requests. Its methods may be
// called at once from several goroutines.
type Server struct {
	o    Options
	seq  atomic.Uint64
	http *fasthttp.Server

	mu     sync.Mutex
	conns  map[net.Conn]fasthttp.ConnState // the open ones
	closed bool
	work   sync.WaitGroup // connections within the process, and those written by hand
}

// New returns an engine. It starts nothing; Shutdown releases what Dial and Serve started.
func New(o Options) *Server {
	if o.TTFT == 0 {
		o.TTFT = 150 * time.Millisecond
	}
	if o.TPS == 0 {
		o.TPS = 60
	}
	if o.MaxHang <= 0 {
		o.MaxHang = 5 * time.Minute
	}
	if o.Drain <= 0 {
		o.Drain = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{o: o, conns: map[net.Conn]fasthttp.ConnState{}}
	s.http = &fasthttp.Server{
		Handler:               s.handle,
		Name:                  "ai-gateway-demo",
		ReadBufferSize:        32 << 10,
		MaxRequestBodySize:    maxBody,
		ReadTimeout:           time.Minute,
		IdleTimeout:           2 * time.Minute,
		CloseOnShutdown:       true,
		NoDefaultContentType:  true,
		SecureErrorLogMessage: true,
		Logger:                quiet{},
		ConnState:             s.track,
	}
	return s
}

// quiet drops fasthttp's log: callers that leave are this server's daily business.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Serve serves an engine on ln until ln is closed; then it lets answers under way
// end, for o.Drain at most, cuts what is left, and returns nil.
func Serve(ln net.Listener, o Options) error {
	s := New(o)
	err := s.Serve(ln)
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Drain)
	defer cancel()
	if down := s.Shutdown(ctx); err == nil && !errors.Is(down, context.DeadlineExceeded) {
		err = down
	}
	return err
}

// Serve serves on ln until it is closed (nil) or fails.
func (s *Server) Serve(ln net.Listener) error {
	err := s.http.Serve(ln)
	if err == nil || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("cannot serve the demo provider: %w", err)
}

// Dial returns a connection to the engine within the process; deadlines work.
// Context, network and address are not looked at: nothing can block or resolve.
func (s *Server) Dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("cannot dial the demo provider: %w", net.ErrClosed)
	}
	s.conns[server] = fasthttp.StateNew
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		defer func() {
			if recover() != nil { // a defect of the demo must not end the gateway
				s.track(server, fasthttp.StateClosed)
				_ = server.Close()
			}
		}()
		_ = s.http.ServeConn(server) // its error tells how the caller left
	}()
	return client, nil
}

// Shutdown stops accepting and waits for answers under way; when ctx ends first it
// cuts them and returns ctx's error. Nothing the engine started runs afterwards.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for c, state := range s.conns {
		if state == fasthttp.StateNew || state == fasthttp.StateIdle {
			_ = c.Close()
		}
	}
	s.mu.Unlock()
	err := s.http.ShutdownWithContext(ctx)
	if errors.Is(err, net.ErrClosed) {
		err = nil // the listener's owner had closed it already
	}

	idle := make(chan struct{})
	go func() {
		s.work.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	<-idle
	return err
}

// track knows the open connections, to end them at shutdown.
func (s *Server) track(c net.Conn, state fasthttp.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state == fasthttp.StateClosed:
		delete(s.conns, c)
	case state == fasthttp.StateIdle && s.closed:
		delete(s.conns, c)
		_ = c.Close()
	default:
		s.conns[c] = state
	}
}

// takeOver gives the connection to write once the handler has returned.
func (s *Server) takeOver(ctx *fasthttp.RequestCtx, write func(h *hand)) {
	s.work.Add(1)
	raw := ctx.Conn()
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(c net.Conn) {
		defer s.work.Done()
		defer func() {
			_ = recover() // fasthttp does not; the connection is closed either way
			s.mu.Lock()
			delete(s.conns, raw)
			s.mu.Unlock()
		}()
		write(&hand{conn: c, maxHang: s.o.MaxHang})
	})
}
