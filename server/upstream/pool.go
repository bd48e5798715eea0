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
	since    time.Time // idle since
	readBy   time.Time // the deadlines set; zero: none
	writeBy  time.Time
	look     look
}

// host finds or makes the host of a request and returns the request target.
func (c *Client) host(req *Request) (*host, string, error) {
	scheme, hostport, target, ok := splitURL(req.URL)
	if !ok {
		return nil, "", &Error{Kind: BadRequest, Err: errors.New("malformed URL")}
	}
	key := hostKey{scheme, hostport, req.Proxy}
	c.mu.Lock()
	h := c.hosts[key]
	c.mu.Unlock()
	if h != nil {
		return h, target, nil
	}
	h, err := c.newHost(hostKey{scheme, strings.Clone(hostport), strings.Clone(req.Proxy)})
	if err != nil {
		return nil, "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, "", &Error{Kind: Dial, Err: errors.New("client is closed")}
	}
	if other := c.hosts[key]; other != nil {
		return other, target, nil
	}
	c.hosts[h.key] = h
	return h, target, nil
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

// splitURL splits an absolute URL without allocating; ok: it is http or https with a target of printable ASCII.
func splitURL(raw string) (scheme, hostport, target string, ok bool) {
	switch {
	case strings.HasPrefix(raw, "https://"):
		scheme = raw[:5]
	case strings.HasPrefix(raw, "http://"):
		scheme = raw[:4]
	default:
		return "", "", "", false
	}
	rest := raw[len(scheme)+3:]
	for i := 0; i < len(rest); i++ {
		if rest[i] <= ' ' || rest[i] >= 0x7f || rest[i] == '#' {
			return "", "", "", false
		}
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		hostport, target = rest, "/"
	case rest[i] == '?':
		hostport, target = rest[:i], "/"+rest[i:]
	default:
		hostport, target = rest[:i], rest[i:]
	}
	return scheme, hostport, target, hostport != ""
}

// acquire returns an idle connection that still lives, or nil after reserving the right to dial one.
func (h *host) acquire(now time.Time) (*conn, error) {
	for {
		h.mu.Lock()
		n := len(h.idle)
		if n == 0 {
			defer h.mu.Unlock()
			return nil, h.reserve()
		}
		cn := h.idle[n-1]
		h.idle[n-1] = nil
		h.idle = h.idle[:n-1]
		h.mu.Unlock()
		rested := now.Sub(cn.since)
		if rested < h.c.o.IdleTimeout && alive(cn) {
			cn.reused = true
			return cn, nil
		}
		h.discard(cn)
	}
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
	cn.since = h.c.o.Now()
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

func (c *Client) armSweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer == nil && !c.closed {
		c.timer = time.AfterFunc(c.o.IdleTimeout, c.sweep)
	}
}

// sweep closes connections that were idle too long, and forgets hosts without any.
func (c *Client) sweep() {
	now := c.o.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = nil
	if c.closed {
		return
	}
	again := false
	for key, h := range c.hosts {
		h.mu.Lock()
		n := 0
		for n < len(h.idle) && now.Sub(h.idle[n].since) >= c.o.IdleTimeout {
			h.idle[n].raw.Close()
			n++
		}
		h.open -= n
		h.idle = append(h.idle[:0:0], h.idle[n:]...) // a new slice: a burst's does not stay
		again = again || len(h.idle) > 0
		if h.open == 0 {
			h.retired = true
			delete(c.hosts, key)
		}
		h.mu.Unlock()
	}
	if again {
		c.timer = time.AfterFunc(c.o.IdleTimeout/2, c.sweep)
	}
}
