package otel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// maxReply bounds what is read of a collector's answer.
const maxReply = 16 << 10

// A poster sends messages to collectors.
type poster struct {
	client *http.Client
	agent  string
}

// newPoster returns a poster that keeps a connection to each collector. Redirects are
// not followed: their target would get the headers, which are secrets.
func newPoster(proxy func(*url.URL) (*url.URL, error), guard func(network, address string, c syscall.RawConn) error, version string) *poster {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, Control: guard}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second, DisableCompression: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if proxy != nil {
		t.Proxy = func(r *http.Request) (*url.URL, error) { return proxy(r.URL) }
	}
	return &poster{agent: "ai-gateway/" + version, client: &http.Client{Transport: t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// post sends one message and returns what was answered. It ends with ctx.
func (p *poster) post(ctx context.Context, to Destination, zipped bool, body []byte) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return Reply{}, errors.New("the collector's address is no URL")
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", p.agent)
	if zipped {
		req.Header.Set("Content-Encoding", "gzip")
	}
	for _, h := range to.Headers {
		req.Header.Set(h.Name, h.Value.Reveal())
	}
	res, err := p.client.Do(req)
	if err != nil {
		var outer *url.Error // names the address, which is named anyway
		if errors.As(err, &outer) {
			err = outer.Err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("the collector did not answer in time")
		}
		return Reply{}, err
	}
	defer res.Body.Close()
	r := Reply{Status: res.StatusCode}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 { // OTLP's form of it: seconds
		r.RetryAfter = time.Duration(min(s, 3600)) * time.Second
	}
	r.Body, _ = io.ReadAll(io.LimitReader(res.Body, maxReply)) // what is there of it is enough
	return r, nil
}

// close gives the connections up.
func (p *poster) close() { p.client.CloseIdleConnections() }
