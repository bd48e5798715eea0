package cmd

import (
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/your-org/ai-api-gateway/server"
)

// reachedAt is where other gateways on the database reach this one's admin API, and
// what it is called there: its host and port. It is as advertised; else a socket that
// listens everywhere is reached at the address that this machine has towards the
// database. url is "" where nothing listens without TLS, since a certificate is made
// for other names.
func (d *doors) reachedAt(databaseURL, advertised string) (name, url string) {
	host, _ := os.Hostname()
	if advertised != "" {
		defer func() { url = strings.TrimSuffix(advertised, "/") }()
	}
	for _, o := range d.open {
		at, ok := o.ln.Addr().(*net.TCPAddr)
		if !ok || d.tls != nil || o.plane == server.PlaneRelay {
			continue
		}
		ip := at.IP
		if ip.IsUnspecified() {
			ip = towards(databaseURL)
		}
		port := strconv.Itoa(at.Port)
		return net.JoinHostPort(host, port), "http://" + net.JoinHostPort(ip.String(), port)
	}
	return host, ""
}

// towards returns this machine's address on the way to the database; no packet is sent.
func towards(databaseURL string) net.IP {
	local := net.IPv4(127, 0, 0, 1)
	cfg, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		return local
	}
	c, err := net.Dial("udp", net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
	if err != nil {
		return local
	}
	defer c.Close()
	if at, ok := c.LocalAddr().(*net.UDPAddr); ok {
		return at.IP
	}
	return local
}

// peersOf returns the other gateways on the database as they were seen last; nil: there
// can be none.
func (g *gateway) peersOf() func() []server.Peer {
	if g.database() == nil {
		return nil
	}
	return func() []server.Peer {
		if p := g.peers.Load(); p != nil {
			return *p
		}
		return nil
	}
}
