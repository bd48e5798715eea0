// Package media fetches the images and documents that callers point at, for
// upstreams that take bytes only. Every address comes from a caller, so each one
// is held to the public internet at the moment it is dialled, redirects are never
// followed, and size, number and time are bounded.
package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/your-org/ai-api-gateway/server/upstream"
)

// Bounds of what one request may have fetched.
const (
	MaxItems = 8
	MaxBytes = 10 << 20         // each
	MaxTime  = 10 * time.Second // for all of them

	atOnce = 32 // fetches of all requests
)

// A File is what was found behind an address.
type File struct {
	Type string // IANA media type, told by the bytes and not by the server
	Data []byte
}

// A Fetcher fetches files. It is safe for concurrent use and keeps no connection.
type Fetcher struct {
	client *http.Client
	slots  chan struct{} // one for each fetch under way
}

// New returns a fetcher. dial connects to "host:port"; nil: to the public internet
// only, and through no proxy, for behind one nobody could tell which address is reached.
func New(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *Fetcher {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 3 * time.Second, Control: public}).DialContext
	}
	return &Fetcher{slots: make(chan struct{}, atOnce), client: &http.Client{
		Transport: &http.Transport{
			DialContext: dial, DisableKeepAlives: true, DisableCompression: true,
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// public is net.Dialer's hook: it sees the address that is really dialled, whatever
// the name resolved to when it was looked at.
func public(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("cannot read address %q: %w", address, err)
	}
	return upstream.CheckPublicAddr(at.Addr())
}

// errUnread hides what a server answered with: it is none of the caller's business
// what an address inside somebody's network says.
var errUnread = errors.New("the address did not answer with an image or a PDF document in time")

// Fetch returns the image or PDF document behind an http or https address. ctx
// bounds the time. Its error is fit for the caller and holds nothing of what was read.
func (f *Fetcher) Fetch(ctx context.Context, address string) (File, error) {
	if err := upstream.CheckPublicURL(address); err != nil {
		return File{}, err
	}
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return File{}, errors.New("too many files are being fetched")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return File{}, errors.New("malformed URL")
	}
	req.Header.Set("User-Agent", "ai-gateway")
	req.Header.Set("Accept", "image/*, application/pdf")
	resp, err := f.client.Do(req)
	if err != nil {
		if errors.Is(err, upstream.ErrBlocked) {
			return File{}, errors.New("the host is not on the public internet")
		}
		return File{}, errUnread
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return File{}, errors.New("the address redirects, which is not followed")
	case resp.StatusCode != http.StatusOK:
		return File{}, fmt.Errorf("the address answered %d", resp.StatusCode)
	case resp.ContentLength > MaxBytes:
		return File{}, errTooLarge
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, MaxBytes+1))
	if err != nil {
		return File{}, errUnread
	}
	if len(data) > MaxBytes {
		return File{}, errTooLarge
	}
	typ := Type(data)
	if typ == "" {
		return File{}, errUnread
	}
	return File{Type: typ, Data: data}, nil
}

var errTooLarge = fmt.Errorf("the file is larger than %d MiB", MaxBytes>>20)

// Type tells the media type of an image or a PDF document by its first bytes; ""
// for anything else, whatever a server called it.
func Type(data []byte) string {
	const heif = "ftyp" // ISO 14496-12: a size, "ftyp", the brand
	if len(data) > 12 && string(data[4:8]) == heif {
		switch string(data[8:12]) {
		case "heic", "heix":
			return "image/heic"
		case "mif1", "msf1":
			return "image/heif"
		case "avif":
			return "image/avif"
		}
		return ""
	}
	switch typ := http.DetectContentType(data); typ {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "application/pdf":
		return typ
	}
	return ""
}

// Shown returns an address as an error may repeat it: scheme and host, for the
// rest of it may hold a signature that opens the file.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		scheme, _, ok := strings.Cut(address, ":")
		if !ok || scheme == "" || len(scheme) > 16 {
			return "the address"
		}
		return scheme + ":…"
	}
	return u.Scheme + "://" + u.Host + "/…"
}
