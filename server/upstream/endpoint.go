package upstream

import (
	"errors"
	"strings"
)

// maxEndpoints and longURL bound what is remembered: a URL may hold what a caller has named.
const (
	maxEndpoints = 1024
	longURL      = 512
)

// An endpoint is what all requests to a URL by a proxy have in common, checked and written once.
type endpoint struct {
	host  *host
	start string    // of the request, behind the method: target, version, and the host's headers
	other *endpoint // of the same URL by another proxy
}

// endpoint finds or makes the endpoint of a URL that is reached by a proxy.
func (c *Client) endpoint(rawURL, proxy string) (*endpoint, error) {
	c.mu.Lock()
	e := c.endpoints[rawURL]
	c.mu.Unlock()
	for ; e != nil; e = e.other {
		if e.host.key.proxy == proxy {
			return e, nil
		}
	}
	scheme, hostport, target, ok := splitURL(rawURL)
	if !ok {
		return nil, &Error{Kind: BadRequest, Err: errors.New("malformed URL")}
	}
	h, err := c.host(hostKey{scheme, hostport, proxy})
	if err != nil {
		return nil, err
	}
	e = &endpoint{host: h, start: h.start(target)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(rawURL) <= longURL && c.hosts[h.key] == h {
		if c.remembered++; c.remembered > maxEndpoints {
			c.forgetEndpoints()
		}
		e.other = c.endpoints[rawURL]
		c.endpoints[strings.Clone(rawURL)] = e
	}
	return e, nil
}

// forgetEndpoints is called with c.mu held.
func (c *Client) forgetEndpoints() {
	clear(c.endpoints)
	c.remembered = 0
	c.epoch.Add(1)
}

// start returns how a request for a target begins, behind the method.
func (h *host) start(target string) string {
	if !h.absolute() {
		return " " + target + " HTTP/1.1\r\nhost: " + h.key.host + "\r\n"
	}
	s := " http://" + h.key.host + target + " HTTP/1.1\r\nhost: " + h.key.host + "\r\n"
	if auth := proxyAuth(h.proxy); auth != "" {
		s += "proxy-authorization: " + auth + "\r\n"
	}
	return s
}

// splitURL splits an absolute URL without allocating; ok: it is http or https with a target of printable ASCII.
func splitURL(raw string) (scheme, hostport, target string, ok bool) {
	switch {
	case strings.HasPrefix(raw, "https://"):
		scheme = "https"
	case strings.HasPrefix(raw, "http://"):
		scheme = "http"
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
