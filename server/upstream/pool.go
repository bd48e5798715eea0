package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A hostKey is what connections are pooled by.
type hostKey struct{ scheme, host, proxy string }

// A host is one upstream address with its connections.
type host struct {
	c     *Client
	key   hostKey
	name  string // for TLS
	addr  string // to dial
	proxy *url.URL
	local func() (net.Conn, error) // in-memory host

	mu      sync.Mutex
	idle    []*conn // the longest idle first
	open    int     // connections in use, idle and being dialled
	retired bool    // no longer in the client's table
}

// A conn is one connection.
type conn struct {
	net.Conn          // TLS, if any
	raw      net.Conn // below TLS: closing it never blocks
	reused   bool
	since    time.Time // when a sweep first saw it idle; zero: none did
	readBy   time.Time // the deadlines set; zero: none
	writeBy  time.Time
	look     look
	asker    asker // nil: it cannot look, send and receive in one
}

// An asker is what sock.Direct makes of a TCP connection.
type asker interface {
	Ask(p, dst []byte) (sent, n int, err error)
}

// host finds or makes the host of a key.
func (c *Client) host(key hostKey) (*host, error) {
	c.mu.Lock()
	h := c.hosts[key]
	c.mu.Unlock()
	if h != nil {
		return h, nil
	}
	key.host, key.proxy = strings.Clone(key.host), strings.Clone(key.proxy) // they are parts of more
	h, err := c.newHost(key)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, &Error{Kind: Dial, Err: errors.New("client is closed")}
	}
	if other := c.hosts[key]; other != nil {
		return other, nil
	}
	c.hosts[key] = h
	return h, nil
}

func (c *Client) newHost(key hostKey) (*host, error) {
	h := &host{c: c, key: key, local: c.o.Dial[key.scheme+"://"+key.host]}
	if h.local != nil {
		return h, nil
	}
	if err := checkHost(key.host); err != nil {
		return nil, &Error{Kind: BadRequest, Err: err}
	}
	h.name, h.addr = hostAddr(key.host, key.scheme)
	if a, err := netip.ParseAddr(h.name); err == nil {
		if err := checkAddr(a); err != nil { // a proxy would dial it without our guard
			return nil, &Error{Kind: Blocked, Err: err}
		}
	}
	var err error
	switch {
	case key.proxy == "direct":
	case key.proxy != "":
		h.proxy, err = parseProxy(key.proxy)
	case c.o.Proxy != nil:
		h.proxy, err = c.o.Proxy(&url.URL{Scheme: key.scheme, Host: key.host})
	}
	if err != nil {
		return nil, &Error{Kind: Dial, Err: fmt.Errorf("cannot choose proxy for %q: %w", key.host, err)}
	}
	return h, nil
}

// acquire returns an idle connection that still lives, or nil after reserving the right to
// dial one. asked: a connection that is asked need not be looked at here.
func (h *host) acquire(now time.Time, asked bool) (*conn, error) {
	for {
		h.mu.Lock()
		n := len(h.idle)
		if n == 0 {
			err := h.reserve()
			h.mu.Unlock()
			return nil, err
		}
		cn := h.idle[n-1]
		h.idle[n-1] = nil
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		if !h.tired(cn, now) && (asked && cn.asker != nil || alive(cn)) {
			cn.reused = true
			return cn, nil
		}
		h.discard(cn)
	}
}

// tired reports whether a connection has been idle too long.
func (h *host) tired(cn *conn, now time.Time) bool {
	return !cn.since.IsZero() && now.Sub(cn.since) >= h.c.o.IdleTimeout
}

// reserve counts a connection about to be dialled. h.mu is held.
func (h *host) reserve() error {
	if h.open >= h.c.o.MaxConns {
		return &Error{Kind: Dial, Err: fmt.Errorf("all %d connections to %s are in use", h.open, h.key.host)}
	}
	h.open++
	return nil
}

// dial makes the connection that was reserved.
func (h *host) dial(ctx context.Context, t Timeouts) (*conn, error) {
	var cn *conn
	var err error
	if h.local != nil {
		var nc net.Conn
		if nc, err = h.local(); err == nil {
			cn = &conn{Conn: nc, raw: nc}
		}
	} else {
		cn, err = h.connect(ctx, t)
	}
	if err != nil {
		h.mu.Lock()
		h.open--
		h.mu.Unlock()
		return nil, explainDial(err)
	}
	return cn, nil
}

func (h *host) discard(cn *conn) {
	cn.raw.Close()
	h.mu.Lock()
	h.open--
	h.mu.Unlock()
}

// release keeps a connection for the next exchange.
func (h *host) release(cn *conn) {
	cn.since = time.Time{}
	h.mu.Lock()
	keep := !h.retired && len(h.idle) < h.c.o.MaxIdle
	first := len(h.idle) == 0
	if keep {
		h.idle = append(h.idle, cn)
	}
	h.mu.Unlock()
	if !keep {
		h.discard(cn)
	} else if first {
		h.c.armSweep()
	}
}

// retire closes the idle connections for good.
func (h *host) retire() {
	h.mu.Lock()
	h.retired = true
	idle := h.idle
	h.idle = nil
	h.mu.Unlock()
	for _, cn := range idle {
		h.discard(cn)
	}
}

// sweeps is how often idle connections are looked at within the time that they are kept.
const sweeps = 4

func (c *Client) armSweep() {
	if c.sweeping.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer == nil && !c.closed {
		c.setTimer()
	}
}

// setTimer is called with c.mu held.
func (c *Client) setTimer() {
	c.timer = time.AfterFunc(c.o.IdleTimeout/sweeps, c.sweep)
	c.sweeping.Store(true)
}

// sweep closes connections that were idle too long, and forgets hosts without any,
// and their endpoints.
func (c *Client) sweep() {
	now := c.o.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = nil
	c.sweeping.Store(false) // before it looks: who puts a connection back behind its look sets the timer
	if c.closed {
		return
	}
	again := false
	for key, h := range c.hosts {
		h.mu.Lock()
		n := 0
		for n < len(h.idle) && h.tired(h.idle[n], now) {
			h.idle[n].raw.Close()
			n++
		}
		for _, cn := range h.idle[n:] {
			if cn.since.IsZero() {
				cn.since = now
			}
		}
		h.open -= n
		h.idle = append(h.idle[:0:0], h.idle[n:]...) // a new slice: a burst's does not stay
		again = again || len(h.idle) > 0
		if h.open == 0 {
			h.retired = true
			delete(c.hosts, key)
			c.forgetEndpoints()
		}
		h.mu.Unlock()
	}
	if again {
		c.setTimer()
	}
}
