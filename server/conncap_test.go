package server

import (
	"net"
	"net/netip"
	"testing"
)

func TestPeerOf(t *testing.T) {
	f := func(a net.Addr, want string) {
		t.Helper()
		got := peerOf(a)
		if want == "" && got.IsValid() || want != "" && got != netip.MustParseAddr(want) {
			t.Errorf("peerOf(%v) = %v, want %q", a, got, want)
		}
	}
	tcp := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	f(tcp("10.0.0.7:80"), "10.0.0.7")
	f(tcp("[::ffff:10.0.0.7]:80"), "10.0.0.7")
	f(tcp("[2001:db8:1:2:3:4:5:6]:80"), "2001:db8:1:2::")
	f(tcp("[2001:db8:1:2:ffff::1]:9"), "2001:db8:1:2::")
	f(tcp("[fe80::1%eth0]:80"), "fe80::")
	f(&net.UnixAddr{Name: "/run/x", Net: "unix"}, "")
}
