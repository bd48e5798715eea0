package server

import (
	"net"
	"net/netip"
	"time"
)

// peerOf is what connections are counted by: an address, of IPv6 the network of 64 bits
// that one subscriber has. It is not valid for connections without an address.
func peerOf(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// A connCap bounds the connections of one peer. It is guarded by the connSet it is part of.
type connCap struct {
	most   int // 0: any number
	exempt []netip.Prefix
	open   map[netip.Addr]int
	told   time.Time // when a refusal was logged last
}

// admits reports whether one more connection of the peer at addr may be open.
func (c *connCap) admits(peer netip.Addr, addr net.Addr) bool {
	if c.most == 0 || !peer.IsValid() || c.open[peer] < c.most {
		return true
	}
	t, ok := addr.(*net.TCPAddr)
	return ok && trusts(c.exempt, t.AddrPort().Addr().Unmap())
}

func (c *connCap) opened(peer netip.Addr) {
	if c.open == nil {
		c.open = map[netip.Addr]int{}
	}
	if peer.IsValid() {
		c.open[peer]++
	}
}

func (c *connCap) closed(peer netip.Addr) {
	if c.open[peer]--; c.open[peer] <= 0 {
		delete(c.open, peer)
	}
}

// tellEvery is how often a refusal is logged.
const tellEvery = time.Minute

// CapConnections bounds the open connections of one address (of IPv6: one /64) from now
// on; 0: any number. Connections that are open stay. Those of trusted proxies, behind
// which all callers are, are not bounded.
func (s *Server) CapConnections(most int, trusted []netip.Prefix) {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	s.conns.cap.most, s.conns.cap.exempt = most, trusted
}
