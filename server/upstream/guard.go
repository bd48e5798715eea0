package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrBlocked says that an address is one nothing may be dialled at.
var ErrBlocked = errors.New("link-local, metadata, multicast and unspecified addresses are never dialled")

// never are address ranges no upstream may have: they serve machines and clouds, not callers.
var never = prefixes(
	"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
	"100.100.100.200/32", // Alibaba Cloud metadata
	"168.63.129.16/32",   // Azure wire server
	"192.0.0.192/32",     // Oracle Cloud metadata
	"::/128", "fe80::/10", "fec0::/10", "ff00::/8",
	"fd00:ec2::/32",          // AWS metadata and DNS
	"fd20:ce::254/128",       // Google Cloud metadata
	"fd00:c1::a9fe:a9fe/128", // Oracle Cloud metadata
)

// inner are ranges that are not the public internet.
var inner = prefixes(
	"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"::1/128", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// embedded are IPv6 ranges that carry an IPv4 address, and where (byte offset).
var embedded = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},  // NAT64 for local use, RFC 8215, with a /96 inside
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible, RFC 4291
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // SIIT, RFC 2765
}

// checkAddr refuses addresses that no upstream may have, whoever wrote it: link-local,
// cloud metadata, multicast, unspecified and reserved ones, also inside an IPv6 address.
func checkAddr(a netip.Addr) error {
	return check(a, never)
}

// CheckPublicAddr refuses besides everything that is not the public internet. It
// is for addresses that come from callers, at each dial.
func CheckPublicAddr(a netip.Addr) error {
	if err := check(a, inner); err != nil {
		return err
	}
	return check(a, never)
}

func check(a netip.Addr, refused []netip.Prefix) error {
	if !a.IsValid() {
		return fmt.Errorf("not an IP address: %w", ErrBlocked)
	}
	a = a.WithZone("").Unmap()
	for _, p := range refused {
		if p.Contains(a) {
			return fmt.Errorf("address %s: %w", a, ErrBlocked)
		}
	}
	if a.Is4() || a == netip.IPv6Loopback() {
		return nil
	}
	for _, e := range embedded {
		if e.prefix.Contains(a) {
			b := a.As16()
			if err := check(netip.AddrFrom4([4]byte(b[e.at:e.at+4])), refused); err != nil {
				return fmt.Errorf("address %s: %w", a, err)
			}
		}
	}
	return nil
}

// Guard is net.Dialer's hook: it sees the address that is really dialled, so
// that a name which resolves to another address the next time gains nothing.
func Guard(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("cannot read address %q: %w", address, ErrBlocked)
	}
	return checkAddr(ap.Addr())
}

// metadataNames resolve in clouds alone, to their metadata.
var metadataNames = []string{"metadata.google.internal", "metadata", "instance-data"}

// CheckBaseURL checks an address an administrator has written: http or https, a
// host, no user, query or fragment, no forbidden IP address. Private addresses are allowed.
func CheckBaseURL(raw string) error {
	return checkURL(raw, false, checkAddr)
}

// CheckPublicURL checks an address that comes from a caller: http or https, the standard
// port, no user or fragment, and if the host is an IP address, a public one. Names must be checked
// again with CheckPublicAddr when they are dialled.
func CheckPublicURL(raw string) error {
	return checkURL(raw, true, CheckPublicAddr)
}

func checkURL(raw string, public bool, addr func(netip.Addr) error) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("malformed URL") // the parser's text repeats the URL, which may hold a password
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("scheme %q is not allowed", u.Scheme)
	case u.User != nil:
		return errors.New("URL must not hold a user or password")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return errors.New("URL must not have a fragment")
	case !public && (u.RawQuery != "" || u.ForceQuery):
		return errors.New("URL must not have a query")
	case public && u.Port() != "" && u.Port() != map[string]string{"http": "80", "https": "443"}[u.Scheme]:
		return fmt.Errorf("port %s is not allowed", u.Port())
	}
	name := u.Hostname()
	if err := checkHost(u.Host); err != nil {
		return err
	}
	if a, err := netip.ParseAddr(name); err == nil {
		return addr(a)
	}
	if slices.Contains(metadataNames, strings.ToLower(strings.TrimSuffix(name, "."))) {
		return errors.New("it is a cloud's metadata service")
	}
	if looksNumeric(name) {
		return fmt.Errorf("host %q is not a plain IP address", name)
	}
	if public && (strings.EqualFold(name, "localhost") || !strings.Contains(strings.Trim(name, "."), ".")) {
		return fmt.Errorf("host %q is not public", name)
	}
	return nil
}

// looksNumeric tells hosts that C libraries read as IPv4 addresses: 0x7f000001, 017700000001, 127.1.
func looksNumeric(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return true
	}
	if len(last) > 2 && (last[:2] == "0x" || last[:2] == "0X") {
		last = last[2:]
		return strings.Trim(last, "0123456789abcdefABCDEF") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// checkHost allows what host:port may consist of.
func checkHost(hostport string) error {
	name, port := hostport, ""
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 && i > strings.LastIndexByte(hostport, ']') {
		name, port = hostport[:i], hostport[i+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("the port must be a number from 1 to 65535")
		}
	}
	if len(name) > 2 && name[0] == '[' && name[len(name)-1] == ']' {
		if a, err := netip.ParseAddr(name[1 : len(name)-1]); err != nil || !a.Is6() || a.Zone() != "" {
			return errors.New("malformed IPv6 address")
		}
		return nil
	}
	if name == "" || len(name) > 253 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != "" {
		return errors.New("malformed host")
	}
	return nil
}

// hostAddr splits "host[:port]" into a name and the address to dial.
func hostAddr(hostport, scheme string) (name, addr string) {
	name, port, err := net.SplitHostPort(hostport)
	if err != nil {
		name, port = strings.Trim(hostport, "[]"), "80"
		if scheme == "https" {
			port = "443"
		}
	}
	return name, net.JoinHostPort(name, port)
}
