// Package upstream is the HTTP/1.1 exchange with a provider: connection pool,
// dialling (proxies, TLS, address guard), writing the request, and readers of the
// answer's header and body that a deadline interrupts without losing anything.
//
// It has its own pool and header reader because the exchange must be cancelled at
// any point, must tell a cut from an end, must retry a stale connection only when
// no byte of an answer came, and must see conflicting framing headers. Nothing
// here starts a goroutine for an exchange.
package upstream

import (
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

// Options configure a Client. The zero value is usable.
type Options struct {
	// Dial holds in-memory hosts by "scheme://host" as the URL spells them; they
	// are dialled without guard, proxy and TLS (the built-in demo).
	Dial map[string]func() (net.Conn, error)
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// Proxy chooses the proxy of a target for accounts that name none; nil or a
	// nil URL: direct. It is asked once for each host.
	Proxy func(*url.URL) (*url.URL, error)
	// InstanceID goes into the via header, by which a loop is seen.
	InstanceID string
	// TLS is the base of all TLS configurations (roots); nil: the system's.
	TLS *tls.Config
	// MaxConns bounds the connections to one host, in use and idle. 0: 16384.
	MaxConns int
	// MaxIdle bounds the idle connections kept for one host. 0: 512.
	MaxIdle int
	// IdleTimeout is how long an idle connection is kept, and up to a quarter more. 0: 90 s.
	IdleTimeout time.Duration
	// MaxHeader bounds the header block of an answer, in bytes. 0: 64 KiB.
	MaxHeader int
}

// Timeouts bound the phases of an exchange; 0 means the default.
type Timeouts struct {
	Dial   time.Duration // connect, proxy included; 3 s
	TLS    time.Duration // handshake; 5 s
	Header time.Duration // from the start of the exchange to the answer's header; 300 s
	// The exchange does not know what an event is and gives these to its caller
	// only, who passes the times to Header and Read.
	FirstEvent time.Duration // 120 s
	Idle       time.Duration // between reads; 120 s
	Total      time.Duration // 600 s
}

// StreamDefaults are the timeouts of a streamed answer, Defaults those of a buffered one.
var (
	Defaults = Timeouts{
		Dial: 3 * time.Second, TLS: 5 * time.Second, Header: 300 * time.Second,
		FirstEvent: 120 * time.Second, Idle: 120 * time.Second, Total: 600 * time.Second,
	}
	StreamDefaults = Timeouts{
		Dial: 3 * time.Second, TLS: 5 * time.Second, Header: 60 * time.Second,
		FirstEvent: 120 * time.Second, Idle: 120 * time.Second, Total: 3600 * time.Second,
	}
)

// Or returns t with what is 0 taken from d.
func (t Timeouts) Or(d Timeouts) Timeouts {
	or := func(t, d time.Duration) time.Duration {
		if t == 0 {
			return d
		}
		return t
	}
	return Timeouts{
		Dial: or(t.Dial, d.Dial), TLS: or(t.TLS, d.TLS), Header: or(t.Header, d.Header),
		FirstEvent: or(t.FirstEvent, d.FirstEvent), Idle: or(t.Idle, d.Idle), Total: or(t.Total, d.Total),
	}
}

// A Request is what is sent. Header and Body must stay unchanged until the
// exchange's Header has succeeded: a stale connection makes it write them again.
type Request struct {
	Method string
	URL    string // http or https, absolute
	// Header are the headers to send. host, content-length, transfer-encoding,
	// connection, accept-encoding and via are the exchange's own and are skipped.
	Header []providers.Header
	Body   []byte
	// Rest follows Body and is sent as it comes, over a connection of its own, since
	// it cannot be sent twice. RestLength is its length; negative: not known.
	Rest       io.Reader
	RestLength int64
	Timeouts   Timeouts
	At         time.Time // when the exchange begins; zero: now
	// Proxy is the account's: "" asks Options.Proxy, "direct" uses none, else a
	// URL with scheme http, https, socks5 or socks5h.
	Proxy string
}

// A Client holds the connections to all upstreams. It is safe for concurrent use.
type Client struct {
	o       Options
	tail    string // of the headers of each request
	lines   lines
	tls     *tls.Config
	buffers sync.Pool // *[bufferSize]byte
	littles sync.Pool // *[littleSize]byte

	mu        sync.Mutex
	hosts     map[hostKey]*host
	endpoints map[string]*endpoint // by URL; of hosts alone that are in hosts
	timer     *time.Timer          // closes what has been idle too long; nil: nothing is idle
	closed    bool

	remembered int           // endpoints, with those by other proxies
	epoch      atomic.Uint32 // goes up when endpoints are forgotten
	sweeping   atomic.Bool   // the timer is set: a sweep will see what is idle by now
}

// bufferSize is what an exchange reads and writes through; it holds one only while it runs.
const bufferSize = 16 << 10

// littleSize is what a stream waits with for its next event.
const littleSize = 2 << 10

// New returns a client.
func New(o Options) *Client {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxConns == 0 {
		o.MaxConns = 16384
	}
	if o.MaxIdle == 0 {
		o.MaxIdle = 512
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = 90 * time.Second
	}
	if o.MaxHeader == 0 {
		o.MaxHeader = 64 << 10
	}
	c := &Client{o: o, tail: "accept-encoding: identity\r\nvia: 1.1 ai-gateway-" + o.InstanceID + "\r\n", hosts: map[hostKey]*host{}, endpoints: map[string]*endpoint{}}
	if o.TLS != nil {
		c.tls = o.TLS.Clone()
	} else {
		c.tls = &tls.Config{}
	}
	c.tls.MinVersion = max(c.tls.MinVersion, tls.VersionTLS12)
	c.tls.NextProtos = []string{"http/1.1"}
	if c.tls.ClientSessionCache == nil {
		c.tls.ClientSessionCache = tls.NewLRUClientSessionCache(256)
	}
	c.buffers.New = func() any { return new([bufferSize]byte) }
	c.littles.New = func() any { return new([littleSize]byte) }
	return c
}

// Close closes the idle connections; those in use are closed when their exchange is.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	hosts := c.hosts
	c.hosts = map[hostKey]*host{}
	c.forgetEndpoints()
	c.mu.Unlock()
	for _, h := range hosts {
		h.retire()
	}
}

// Start sends a request over a pooled or new connection. It returns when the
// request is written, or when it is ready for Header to send it; the exchange must be
// closed. Its error is an *Error.
func (c *Client) Start(req *Request) (*Exchange, error) {
	x := new(Exchange)
	if err := c.StartIn(x, req); err != nil {
		return nil, err
	}
	return x, nil
}

// StartIn is Start in an exchange that the caller has: a new one, or one that was
// closed and that nobody looks at any more, whose room and endpoint are used again.
func (c *Client) StartIn(x *Exchange, req *Request) error {
	e, epoch := x.endpoint, c.epoch.Load()
	if x.c != c || x.epoch != epoch || x.req.URL != req.URL || e.host.key.proxy != req.Proxy {
		var err error
		if e, err = c.endpoint(req.URL, req.Proxy); err != nil {
			return err
		}
	}
	fields, large := x.head.fields[:0], x.pooled
	*x = Exchange{}
	x.c, x.endpoint, x.epoch, x.host, x.req, x.now, x.head.fields = c, e, epoch, e.host, *req, req.At, fields
	if x.now.IsZero() {
		x.now = c.o.Now()
	}
	if x.asked = x.now; x.req.Timeouts.Header == 0 {
		x.req.Timeouts.Header = Defaults.Header
	}
	if large == nil {
		large = c.buffers.Get().(*[bufferSize]byte)
	}
	x.pooled, x.buf = large, large[:]
	err := x.start()
	if err != nil {
		x.Close()
	}
	return err
}
