package otel

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// A TraceID names a trace, a SpanID a span of it; all zeros is none.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// Bounds of what is taken from a caller or an upstream.
const (
	maxState = 512 // bytes of tracestate; W3C asks that so much be passed on
	maxText  = 256 // bytes of an attribute
	maxTries = 32  // attempts of a request that get a span
)

// An Asked is what the gateway knows of a request when it comes.
type Asked struct {
	Parent, State string // traceparent and tracestate as they came
	Method, Route string // POST, /v1/chat/completions
	Path, Scheme  string
}

// A Trace is one request's part of a trace: its own span and those of its attempts.
// One goroutine at a time uses it, and none after Exporter.Request. All methods do
// nothing on nil, which is what a request has that nobody traces.
type Trace struct {
	id      TraceID
	parent  SpanID // zero: the trace begins here
	span    SpanID
	sampled bool
	state   string
	asked   Asked
	tries   []try
	bounds  Bounds

	response providers.Description
}

// Bounds are what a request says of how long its answer may be; 0: nothing.
type Bounds struct{ MaxTokens, Choices int64 }

// A try is one attempt that was made.
type try struct {
	span    SpanID
	address string // the upstream's host
	port    int
}

// begin continues the trace a request is part of, or begins one, and decides whether
// it is recorded.
func (s *sampler) begin(asked Asked) *Trace {
	t := &Trace{asked: asked, span: newSpanID()}
	t.asked.Parent, t.asked.State = "", ""
	id, parent, sampled, ok := parseParent(asked.Parent)
	if !ok {
		t.id = newTraceID()
		t.sampled = s.root(t.id)
		return t
	}
	t.id, t.parent = id, parent
	if len(asked.State) <= maxState && printable(asked.State) {
		t.state = asked.State
	}
	if t.sampled = sampled; !s.parentBased {
		t.sampled = s.root(id)
	}
	return t
}

// Attempt notes that an attempt begins at the address an upstream is called by, and
// returns what tells that upstream of it: traceparent and tracestate.
func (t *Trace) Attempt(address string, bounds Bounds) (parent, state string) {
	if t == nil {
		return "", ""
	}
	t.bounds = bounds
	a := try{span: newSpanID()}
	if t.sampled {
		a.address, a.port = hostPort(address)
	}
	if len(t.tries) < maxTries {
		t.tries = append(t.tries, a)
	}
	t.response = providers.Description{}
	return t.headerOf(a.span), t.state
}

// Recorded reports whether what an answer says of itself is worth being read.
func (t *Trace) Recorded() bool { return t != nil && t.sampled }

// Response is where what the answer of the attempt in flight says of itself is
// noted; it must be Recorded.
func (t *Trace) Response() *providers.Description { return &t.response }

// headerOf writes traceparent (W3C Trace Context, version 00).
func (t *Trace) headerOf(span SpanID) string {
	var b [55]byte
	out := append(b[:0], "00-"...)
	out = append(hex.AppendEncode(out, t.id[:]), '-')
	out = append(hex.AppendEncode(out, span[:]), '-')
	if t.sampled {
		return string(append(out, "01"...))
	}
	return string(append(out, "00"...))
}

// parseParent reads traceparent: version, trace, span and flags. Of versions behind
// the known one it reads the part that all have.
func parseParent(s string) (id TraceID, parent SpanID, sampled, ok bool) {
	s = strings.Trim(s, " \t")
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" || s[:2] == "00" && len(s) != 55 || len(s) > 55 && s[55] != '-' {
		return id, parent, false, false
	}
	var version, flags [1]byte
	for _, part := range [...]struct {
		to   []byte
		from string
	}{{version[:], s[:2]}, {id[:], s[3:35]}, {parent[:], s[36:52]}, {flags[:], s[53:55]}} {
		if strings.ToLower(part.from) != part.from {
			return id, parent, false, false
		}
		if _, err := hex.Decode(part.to, []byte(part.from)); err != nil {
			return id, parent, false, false
		}
	}
	if id == (TraceID{}) || parent == (SpanID{}) {
		return id, parent, false, false
	}
	return id, parent, flags[0]&1 == 1, true
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func newTraceID() (id TraceID) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1) // never all zeros
	return id
}

func newSpanID() (id SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// A sampler decides which traces are recorded.
type sampler struct {
	parentBased bool
	bound       uint64 // of the trace id's last 63 bits
}

// newSampler reads the names of OTEL_TRACES_SAMPLER; ratio is what is recorded of
// the traces that begin here.
func newSampler(name string, ratio float64) sampler {
	word, parentBased := strings.CutPrefix(name, "parentbased_")
	switch word {
	case "always_on":
		ratio = 1
	case "always_off":
		ratio = 0
	}
	return sampler{parentBased, uint64(min(max(ratio, 0), 1) * (1 << 63))}
}

// Samplers are the names that newSampler knows.
func Samplers() []string {
	return []string{"parentbased_traceidratio", "parentbased_always_on", "parentbased_always_off", "traceidratio", "always_on", "always_off"}
}

// root decides on a trace by its id alone, as OpenTelemetry's SDKs do, so that all
// that decide on it by the same ratio agree.
func (s *sampler) root(id TraceID) bool {
	return binary.BigEndian.Uint64(id[8:])>>1 < s.bound
}

// hostPort splits an upstream's address; the port is the scheme's where none is named.
func hostPort(address string) (host string, port int) {
	u, err := url.Parse(address)
	if err != nil {
		return "", 0
	}
	if port, err = strconv.Atoi(u.Port()); err != nil {
		if port = 80; u.Scheme == "https" {
			port = 443
		}
	}
	return u.Hostname(), port
}
