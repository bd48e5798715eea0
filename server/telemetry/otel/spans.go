package otel

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/your-org/ai-api-gateway/store"
)

// Kinds and states of spans.
const (
	kindServer  = 2
	kindClient  = 3
	statusError = 2
)

// An ended is a request whose spans are to be told.
type ended struct {
	t   *Trace
	row store.UsageRow
}

// spans is how many it has.
func (e *ended) spans() int { return 1 + e.tries() }

func (e *ended) tries() int { return min(len(e.row.Attempts), len(e.t.tries)) }

// appendSpans appends a request's spans to field num: one of the request as its caller
// sees it, and one of each attempt as the conventions for generative AI have it.
//
// Tokens stand at the attempt that used them alone, so that they may be summed over a
// trace. Nothing of what was said stands anywhere, nor do messages of errors, in
// which upstreams may repeat it.
func (e *ended) appendSpans(b []byte, num protowire.Number) []byte {
	b = message(b, num, e.request)
	for i := range e.tries() {
		b = message(b, num, func(b []byte) []byte { return e.attempt(b, i) })
	}
	return b
}

// head appends what all spans have; parent may be zero.
func (t *Trace) head(b []byte, id, parent SpanID, name string, kind uint64, start time.Time, took time.Duration, remote bool) []byte {
	b = octets(b, 1, t.id[:])
	b = octets(b, 2, id[:])
	b = text(b, 3, t.state)
	if parent != (SpanID{}) {
		b = octets(b, 4, parent[:])
	}
	b = text(b, 5, fit(name))
	b = varint(b, 6, kind)
	b = fixed64(b, 7, uint64(start.UnixNano()))
	b = fixed64(b, 8, uint64(start.Add(max(0, took)).UnixNano()))
	flags := uint32(1 | 1<<8) // sampled; whether the parent is remote is known
	if remote {
		flags |= 1 << 9
	}
	return fixed32(b, 16, flags)
}

// status appends that a span failed.
func status(b []byte, failed bool) []byte {
	if !failed {
		return b
	}
	return message(b, 15, func(b []byte) []byte { return varint(b, 3, statusError) })
}

// spanName is the conventions' {operation} {model}. A model that was not found is
// whatever a caller wrote, and no name.
func spanName(operation, model string, found bool) string {
	if model == "" || !found {
		return operation
	}
	return operation + " " + model
}

// request appends the span of the request.
func (e *ended) request(b []byte) []byte {
	t, row := e.t, &e.row
	operation := operationName(row.Operation)
	b = t.head(b, t.span, t.parent, spanName(operation, row.Model, row.Provider != ""), kindServer, row.Time, row.Duration, t.parent != SpanID{})
	a := attributes{b, 9}
	a.text("gen_ai.operation.name", operation)
	a.text("gen_ai.provider.name", vendorName(row.Provider))
	a.text("gen_ai.request.model", row.Model)
	e.asked(&a)
	a.text("http.request.method", t.asked.Method)
	a.text("http.route", t.asked.Route)
	a.text("url.path", t.asked.Path)
	a.text("url.scheme", t.asked.Scheme)
	a.number("http.response.status_code", int64(row.Status))
	if row.Failed() {
		word, _, _ := strings.Cut(row.Error, ":")
		a.text("error.type", cmp.Or(word, strconv.Itoa(row.Status)))
	}
	a.text("ai_gateway.request.id", row.RequestID)
	a.text("ai_gateway.request.client_id", row.ClientRequestID)
	a.text("ai_gateway.key.id", row.KeyID)
	a.text("ai_gateway.key.name", row.KeyName)
	a.text("ai_gateway.key.group", row.Group)
	a.text("ai_gateway.account", row.Account)
	a.text("ai_gateway.end_reason", row.EndReason)
	a.text("ai_gateway.usage_source", row.UsageSource)
	a.double("ai_gateway.cost_usd", usd(row.CostNano))
	a.double("ai_gateway.overhead", row.Overhead.Seconds())
	a.number("ai_gateway.attempts", int64(len(row.Attempts)))
	b = a.b
	if row.TTFT > 0 {
		b = message(b, 11, func(b []byte) []byte {
			return text(fixed64(b, 1, uint64(row.Time.Add(row.TTFT).UnixNano())), 2, "ai_gateway.first_token")
		})
	}
	// What its caller did wrong is no error of a server (conventions for HTTP).
	return status(b, row.Failed() && (row.Status >= 500 || row.Status < 400))
}

// attempt appends the span of the i-th attempt.
func (e *ended) attempt(b []byte, i int) []byte {
	t, row, try := e.t, &e.row, &e.row.Attempts[i]
	last := i == len(row.Attempts)-1
	operation := operationName(row.Operation)
	b = t.head(b, t.tries[i].span, t.span, spanName(operation, try.Model, true), kindClient, row.Time.Add(try.Start), try.Duration, false)
	a := attributes{b, 9}
	a.text("gen_ai.operation.name", operation)
	a.text("gen_ai.provider.name", vendorName(try.Provider))
	a.text("gen_ai.request.model", try.Model)
	e.asked(&a)
	if host := t.tries[i].address; host != "" {
		a.text("server.address", host)
		a.number("server.port", int64(t.tries[i].port))
	}
	a.text("http.request.method", "POST")
	if try.Status > 0 {
		a.number("http.response.status_code", int64(try.Status))
	}
	failed := try.Outcome != "ok" && try.Outcome != "cancelled"
	if failed {
		a.text("error.type", errorType(try))
	}
	a.text("ai_gateway.account", try.Account)
	a.text("ai_gateway.attempt.outcome", try.Outcome)
	a.number("ai_gateway.attempt.number", int64(i+1))
	a.truth("ai_gateway.attempt.fallback", i > 0 && (try.Account != row.Attempts[i-1].Account || try.Model != row.Attempts[i-1].Model))
	if last {
		e.answered(&a)
	}
	e.used(&a, i)
	return status(a.b, failed)
}

// asked appends what the request asks for, besides its content.
func (e *ended) asked(a *attributes) {
	if e.row.Stream {
		a.truth("gen_ai.request.stream", true)
	}
	if n := e.t.bounds.MaxTokens; n > 0 {
		a.number("gen_ai.request.max_tokens", n)
	}
	if n := e.t.bounds.Choices; n > 1 {
		a.number("gen_ai.request.choice.count", n)
	}
}

// errorType is the status of an upstream that answered with an error, else what went wrong.
func errorType(a *store.Attempt) string {
	if a.Outcome == "http_error" {
		return strconv.Itoa(a.Status)
	}
	return a.Outcome
}

// answered appends what is known of the answer, which the last attempt gave.
func (e *ended) answered(a *attributes) {
	t, row := e.t, &e.row
	a.text("gen_ai.response.id", t.response.ID)
	a.text("gen_ai.response.model", t.response.Model)
	a.texts("gen_ai.response.finish_reasons", t.response.Finish)
	if row.TTFT > 0 && row.Stream {
		a.double("gen_ai.response.time_to_first_chunk", max(0, row.TTFT-row.Attempts[len(row.Attempts)-1].Start).Seconds())
	}
}

// used appends what the i-th attempt used, where that is known, and what it cost.
func (e *ended) used(a *attributes, i int) {
	row, try := &e.row, &e.row.Attempts[i]
	u, source := &row.Tokens, row.UsageSource
	if try.Spent != nil {
		u, source = &try.Spent.Tokens, try.Spent.UsageSource
	} else if i < len(row.Attempts)-1 {
		return
	}
	if source == store.SourceNone || source == "" {
		return
	}
	a.number("gen_ai.usage.input_tokens", u.Prompt())
	a.number("gen_ai.usage.output_tokens", u.Completion())
	for _, part := range [...]struct {
		name string
		n    int64
	}{{"cache_read.input", u.CacheRead}, {"cache_creation.input", u.CacheWrite5m + u.CacheWrite1h}, {"reasoning.output", u.Reasoning}} {
		if part.n > 0 {
			a.number("gen_ai.usage."+part.name+"_tokens", part.n)
		}
	}
	a.double("ai_gateway.cost_usd", usd(try.CostNano))
}

func usd(nano int64) float64 { return float64(nano) / 1e9 }
