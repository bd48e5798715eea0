package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"

	"github.com/your-org/ai-api-gateway/server/sock"
)

// connect makes a connection to the host: TCP, through a proxy if there is one, and TLS.
func (h *host) connect(ctx context.Context, t Timeouts) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Dial+t.TLS)
	defer cancel()
	raw, err := h.transport(ctx, t)
	if err != nil {
		return nil, err
	}
	raw = sock.Direct(raw)
	cn := &conn{Conn: raw, raw: raw}
	for { // below the TLS of a proxy: closing that one could block
		tc, ok := cn.raw.(*tls.Conn)
		if !ok {
			break
		}
		cn.raw = tc.NetConn()
	}
	cn.look.of(cn.raw, cn.raw != raw || h.key.scheme == "https")
	if h.key.scheme == "https" {
		if cn.Conn, err = h.handshake(ctx, raw, h.name, t.TLS); err != nil {
			cn.raw.Close()
			return nil, err
		}
	}
	cn.asker, _ = cn.Conn.(asker)
	return cn, nil
}

// transport connects to the host, or to what its proxy makes of it.
func (h *host) transport(ctx context.Context, t Timeouts) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.Dial)
	defer cancel()
	dialer := &net.Dialer{Timeout: t.Dial, Control: Guard}
	if h.proxy == nil {
		return dialer.DialContext(ctx, "tcp", h.addr)
	}
	switch h.proxy.Scheme {
	case "socks5", "socks5h": // names are resolved by the proxy in both
		_, addr := proxyAddr(h.proxy)
		var auth *proxy.Auth
		if u := h.proxy.User; u != nil {
			password, _ := u.Password()
			auth = &proxy.Auth{User: u.Username(), Password: password}
		}
		socks, err := proxy.SOCKS5("tcp", addr, auth, dialer)
		if err != nil {
			return nil, err
		}
		return socks.(proxy.ContextDialer).DialContext(ctx, "tcp", h.addr)
	case "http", "https":
		return h.connectHTTP(ctx, dialer, t)
	}
	return nil, fmt.Errorf("proxy scheme %q is not known", h.proxy.Scheme)
}

// connectHTTP connects to an HTTP proxy; for https targets it asks for a tunnel.
func (h *host) connectHTTP(ctx context.Context, dialer *net.Dialer, t Timeouts) (net.Conn, error) {
	name, addr := proxyAddr(h.proxy)
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to proxy: %w", err)
	}
	if h.proxy.Scheme == "https" {
		secured, err := h.handshake(ctx, nc, name, t.TLS)
		if err != nil {
			nc.Close()
			return nil, fmt.Errorf("cannot connect to proxy: %w", err)
		}
		nc = secured
	}
	if h.key.scheme != "https" {
		return nc, nil
	}
	if err := h.tunnel(ctx, nc); err != nil {
		nc.Close()
		return nil, fmt.Errorf("cannot tunnel through proxy: %w", err)
	}
	return nc, nil
}

// tunnel asks the proxy at the other end of nc for a connection to the host.
func (h *host) tunnel(ctx context.Context, nc net.Conn) error {
	deadline, _ := ctx.Deadline()
	if err := nc.SetDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	ask := "CONNECT " + h.addr + " HTTP/1.1\r\nHost: " + h.addr + "\r\n"
	if auth := proxyAuth(h.proxy); auth != "" {
		ask += "Proxy-Authorization: " + auth + "\r\n"
	}
	if _, err := io.WriteString(nc, ask+"\r\n"); err != nil {
		return err
	}
	br := bufio.NewReaderSize(io.LimitReader(nc, 64<<10), 4096)
	resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return errors.Join(ctx.Err(), err)
	}
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("proxy answered %d", resp.StatusCode)
	}
	if br.Buffered() > 0 {
		return errors.New("proxy sent more than an answer")
	}
	return nc.SetDeadline(time.Time{})
}

func (h *host) handshake(ctx context.Context, nc net.Conn, name string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cfg := h.c.tls.Clone()
	cfg.ServerName = name
	tc := tls.Client(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, &Error{Kind: TLS, Err: err}
	}
	return tc, nil
}

// absolute reports whether requests go to an HTTP proxy, which needs the whole URL in the request line.
func (h *host) absolute() bool {
	return h.proxy != nil && h.key.scheme == "http" && (h.proxy.Scheme == "http" || h.proxy.Scheme == "https")
}

// parseProxy reads an account's proxy URL. Its errors do not repeat it: it may hold a password.
func parseProxy(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("malformed proxy URL")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("proxy scheme %q is not http, https, socks5 or socks5h", u.Scheme)
	}
	if err := checkHost(u.Host); err != nil {
		return nil, fmt.Errorf("proxy URL: %w", err)
	}
	return u, nil
}

// CheckProxy checks an account's proxy setting: "", "direct" or a URL with scheme http, https, socks5 or socks5h.
func CheckProxy(raw string) error {
	if raw == "" || raw == "direct" {
		return nil
	}
	_, err := parseProxy(raw)
	return err
}

func proxyAddr(u *url.URL) (name, addr string) {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "1080"
	}
	return u.Hostname(), net.JoinHostPort(u.Hostname(), port)
}

func proxyAuth(u *url.URL) string {
	if u.User == nil {
		return ""
	}
	password, _ := u.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
}
