package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// adminTimeout bounds calls of the admin API; relayed calls are bounded by their ctx alone.
	adminTimeout = 60 * time.Second
	maxAnswer    = 64 << 20
	maxErrorBody = 1 << 20
)

// A Client calls a gateway. BaseURL may be given with or without /v1. The zero
// HTTP client means one made for it: no redirects, no overall timeout.
type Client struct {
	BaseURL   string
	Key       string
	HTTP      *http.Client
	UserAgent string
}

var defaultHTTP = &http.Client{
	Transport: &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		// More than the usual two: a bench or a page of panels asks in parallel.
		MaxIdleConnsPerHost: 64, MaxIdleConns: 128, IdleConnTimeout: 60 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxResponseHeaderBytes: 1 << 20,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Base returns the gateway's address without /v1 and trailing slashes. A missing
// scheme means http.
func (c *Client) Base() (string, error) {
	s := strings.TrimSpace(c.BaseURL)
	if s == "" {
		return "", errors.New("no gateway address is set: use --gateway-url, or `ai-gateway config set base_url http://…`")
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.New("the gateway address is not a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("the gateway address must be http:// or https:// with a host, not %q", u.Redacted())
	case u.Port() == "" && strings.HasSuffix(u.Host, ":"), u.Port() == "0":
		return "", fmt.Errorf("the gateway address names no port behind the colon: %q", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("the gateway address may not hold a user, a query or a fragment")
	}
	s = strings.TrimRight(u.String(), "/")
	for strings.HasSuffix(s, "/v1") {
		s = strings.TrimRight(strings.TrimSuffix(s, "/v1"), "/")
	}
	return s, nil
}

// call makes one JSON call of the admin API: in is the body, nil for none, and
// the answer is read into out.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	return c.exchange(ctx, method, path, query, in, out)
}

func (c *Client) exchange(ctx context.Context, method, path string, query url.Values, in, out any) error {
	_, err := c.answer(ctx, method, path, query, in, out)
	return err
}

// answer is exchange that also returns the headers of the answer.
func (c *Client) answer(ctx context.Context, method, path string, query url.Values, in, out any) (http.Header, error) {
	res, err := c.send(ctx, method, path, query, in)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, c.failed(ctx, fmt.Errorf("cannot read the answer: %w", err))
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)
	}
	if out == nil {
		return res.Header, nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return nil, fmt.Errorf("cannot read the answer of %s %s; is this the gateway's address? %w", method, path, err)
	}
	return res.Header, nil
}

// send makes a request and returns its answer if it is a success.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, in any) (*http.Response, error) {
	base, err := c.Base()
	if err != nil {
		return nil, err
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("cannot encode the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return nil, fmt.Errorf("cannot make the request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key := strings.TrimSpace(c.Key); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if c.UserAgent != "" {
		req.Header.Set("User-Agent", c.UserAgent)
	}
	hc := c.HTTP
	if hc == nil {
		hc = defaultHTTP
	}
	res, err := hc.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the address is named once
		}
		return nil, c.failed(ctx, err)
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	if loc := res.Header.Get("Location"); res.StatusCode < 400 && loc != "" {
		return nil, &Error{Status: res.StatusCode, Code: "redirected",
			Message: fmt.Sprintf("%s leads elsewhere (%.200q): set base_url to the gateway's own address", base, loc)}
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // what was read explains as far as it can
	return nil, readError(res.StatusCode, text, res.Header.Get("X-Request-Id"))
}

// failed tells a caller that gave up from a gateway that does not answer.
func (c *Client) failed(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("cancelled: %w", context.Canceled)
	}
	base, _ := c.Base()
	return &Unreachable{URL: base, Err: err}
}
