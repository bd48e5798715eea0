package telemetry

import (
	"slices"
	"sync"
	"time"
)

// maxDistributions bounds the label sets of one instrument; what comes behind them is
// counted in one that says so (otel.metric.overflow, as OpenTelemetry's SDKs do).
const maxDistributions = 2000

// A GenAI holds the histograms that OpenTelemetry's conventions for generative AI ask
// of a client of providers, which the gateway is: each attempt is one of its
// operations. They are fed by Attempt and Used, from the same observations as the
// Prometheus metrics, and kept only where somebody exports them.
type GenAI struct {
	mu         sync.Mutex
	duration   instrument
	firstChunk instrument
	tokens     instrument
}

// Bounds of the histograms, as the conventions say (v1.41): seconds and tokens.
var (
	secondsBounds = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	tokensBounds  = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
)

// Labels are those of one distribution. The values are bounded: operations, providers,
// models of the catalogue or "other", outcomes of attempts.
type Labels struct {
	Operation, Provider, Model string
	ErrorType                  string // of attempts that failed: their outcome
	TokenType                  string // of tokens: input, output
	Overflow                   bool   // stands for all label sets beyond the bound
}

// A Distribution is what was observed of one label set since the process began.
type Distribution struct {
	Labels
	Count         uint64
	Sum, Min, Max float64
	Buckets       []uint64 // one more than there are bounds
}

// An Instrument is one metric as it stands.
type Instrument struct {
	Name, Unit, Description string
	Bounds                  []float64
	Distributions           []Distribution
}

type instrument struct {
	bounds []float64
	all    map[Labels]*Distribution
}

// NewGenAI returns empty histograms.
func NewGenAI() *GenAI {
	of := func(bounds []float64) instrument { return instrument{bounds, map[Labels]*Distribution{}} }
	return &GenAI{duration: of(secondsBounds), firstChunk: of(secondsBounds), tokens: of(tokensBounds)}
}

func (i *instrument) observe(l Labels, v float64) {
	d := i.all[l]
	if d == nil {
		if len(i.all) >= maxDistributions {
			l = Labels{Overflow: true}
			d = i.all[l]
		}
		if d == nil {
			d = &Distribution{Labels: l, Min: v, Max: v, Buckets: make([]uint64, len(i.bounds)+1)}
			i.all[l] = d
		}
	}
	at, _ := slices.BinarySearch(i.bounds, v) // bounds are inclusive above
	d.Buckets[at]++
	d.Count++
	d.Sum += v
	d.Min, d.Max = min(d.Min, v), max(d.Max, v)
}

// attempt observes one attempt; one that was given up for its caller is no failure.
func (g *GenAI) attempt(t *Tried) {
	l := Labels{Operation: t.Operation, Provider: t.Provider, Model: t.Model}
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.FirstChunk > 0 {
		g.firstChunk.observe(l, t.FirstChunk.Seconds())
	}
	if t.Outcome != "ok" && t.Outcome != "cancelled" {
		l.ErrorType = t.Outcome
	}
	g.duration.observe(l, t.Duration.Seconds())
}

// used observes the tokens of one attempt.
func (g *GenAI) used(u *Used) {
	l := Labels{Operation: u.Operation, Provider: u.Provider, Model: u.Model}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range [...]struct {
		kind string
		n    int64
	}{{"input", u.In}, {"output", u.Out}} {
		if t.n > 0 {
			l.TokenType = t.kind
			g.tokens.observe(l, float64(t.n))
		}
	}
}

// Instruments returns all metrics as they stand, those without any observation left out.
func (g *GenAI) Instruments() []Instrument {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Instrument, 0, 3)
	add := func(i *instrument, name, unit, description string) {
		if len(i.all) == 0 {
			return
		}
		list := make([]Distribution, 0, len(i.all))
		for _, d := range i.all {
			c := *d
			c.Buckets = slices.Clone(d.Buckets)
			list = append(list, c)
		}
		out = append(out, Instrument{name, unit, description, i.bounds, list})
	}
	add(&g.duration, "gen_ai.client.operation.duration", "s", "GenAI operation duration.")
	add(&g.firstChunk, "gen_ai.client.operation.time_to_first_chunk", "s", "Time to receive the first chunk of a streamed answer.")
	add(&g.tokens, "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.")
	return out
}

// Used tells what one attempt used: tokens in and out, caches and reasoning included.
type Used struct {
	Operation, Provider, Model string
	In, Out                    int64
}

// Tried tells of one attempt at an upstream that has ended.
type Tried struct {
	Operation, Provider, Model string
	Outcome                    string
	Duration                   time.Duration
	FirstChunk                 time.Duration // from its start to the first content of a stream; 0: none was streamed
}
