package otel

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// What became of spans and data points.
const (
	sent     = "sent"
	failed   = "failed"   // no collector took them
	dropped  = "dropped"  // more came than could be told
	rejected = "rejected" // the collector took the others of their message alone
)

// The paces of a message that is tried again, and for how long it is.
const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
	giveUp     = time.Minute
)

// A Reply is a collector's answer.
type Reply struct {
	Status     int
	RetryAfter time.Duration // 0: it does not say
	Body       []byte        // its beginning
}

// State is what became of one signal so far.
type State struct {
	To                                       string // "": the signal is not told
	Sent, Failed, Dropped, Rejected, Waiting int
	LastSent                                 time.Time
	LastError                                string // of the last message that failed; "": the last one did not
}

// A signal is one of traces and metrics on its way to a collector.
type signal struct {
	e    *Exporter
	name string
	to   Destination
	zip  *gzip.Writer // of the one goroutine that sends; it is large

	mu      sync.Mutex
	state   State
	partial bool // that a collector rejects was said
}

func (s *signal) shown() string { return s.to.shown() }

// States return what became of both signals.
func (e *Exporter) States() (traces, metrics State) {
	traces, metrics = e.traces.read(), e.metrics.read()
	traces.Waiting = int(e.waiting.Load())
	return traces, metrics
}

func (s *signal) read() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	if s.to.URL != "" {
		state.To = s.shown()
	}
	return state
}

// note counts what became of items. That a collector fails is logged when it begins,
// and that it is back.
func (s *signal) note(result string, n int, err error) {
	if n > 0 {
		s.e.o.Counted(s.name, result, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch result {
	case sent:
		s.state.Sent += n
		s.state.LastSent = s.e.o.Now().UTC()
		if s.state.LastError != "" {
			s.e.o.Log.Info("the OpenTelemetry collector takes "+s.name+" again", "collector", s.shown())
		}
		s.state.LastError = ""
	case failed:
		s.state.Failed += n
		s.failing(err)
	case rejected:
		s.state.Rejected += n
	default:
		s.state.Dropped += n
	}
}

// failing remembers why the last try failed; s.mu is held.
func (s *signal) failing(err error) {
	if s.state.LastError == "" {
		s.e.o.Log.Warn("cannot tell the OpenTelemetry collector of "+s.name, "collector", s.shown(), "error", err)
	}
	s.state.LastError = err.Error()
}

// send tries to tell a message until a collector has taken it or refused it for good,
// or giveUp has passed. It reports false when ctx ended before that: the message is
// the caller's again. One that is on its way then has until sending ends.
func (s *signal) send(ctx, sending context.Context, body []byte, n int) (done bool) {
	body = s.packed(body)
	pause, until := firstPause, s.e.o.Now().Add(giveUp)
	for {
		again, wait, err := s.once(sending, body, n)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if wait == 0 { // jitter, so that gateways do not come back all at once
			wait = pause/2 + rand.N(pause/2)
			pause = min(2*pause, maxPause)
		}
		if !again || s.e.o.Now().Add(wait).After(until) {
			s.note(failed, n, err)
			return true
		}
		s.mu.Lock()
		s.failing(err)
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// last tries to tell a message once.
func (s *signal) last(ctx context.Context, body []byte, n int) {
	if _, _, err := s.once(ctx, s.packed(body), n); err != nil {
		s.note(failed, n, err)
	}
}

// once sends a message. Where it was not taken it says whether it may be sent again,
// and after what time if the collector names one.
func (s *signal) once(ctx context.Context, body []byte, n int) (again bool, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.e.o.Timeout)
	defer cancel()
	r, err := s.e.post(ctx, s.to, s.e.o.Gzip, body)
	if err != nil {
		return true, 0, s.scrubbed(err)
	}
	switch r.Status {
	case 200, 202, 204:
		lost, why := partial(r.Body)
		lost = min(max(lost, 0), n)
		s.note(sent, n-lost, nil)
		s.note(rejected, lost, nil)
		s.warn(lost, why)
		return false, 0, nil
	case 429, 502, 503, 504: // those that OTLP names; no other is to be sent again
		again = true
	}
	return again, min(r.RetryAfter, giveUp), fmt.Errorf("the collector answered %d%s", r.Status, hint(r.Status))
}

func hint(status int) string {
	switch {
	case status == 404 || status == 405:
		return ": is the address that of OTLP over HTTP (port 4318)?"
	case status >= 300 && status < 400:
		return ": a redirect is not followed, since it would get the headers"
	}
	return ""
}

// warn says once that a collector does not take all.
func (s *signal) warn(lost int, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (lost > 0 || why != "") && !s.partial {
		s.partial = true
		s.e.o.Log.Warn("the OpenTelemetry collector does not take all "+s.name+"; this is said once", "collector", s.shown(), "rejected", lost, "says", fit(why))
	}
}

// partial reads Export…ServiceResponse: its one field tells what was rejected, and why.
func partial(body []byte) (lost int, why string) {
	inner, ok := field(body, 1)
	if !ok {
		return 0, ""
	}
	for len(inner) > 0 {
		num, typ, n := protowire.ConsumeTag(inner)
		if n < 0 {
			return lost, why
		}
		inner = inner[n:]
		switch {
		case num == 1 && typ == protowire.VarintType:
			v, n := protowire.ConsumeVarint(inner)
			if n < 0 {
				return lost, why
			}
			lost, inner = int(min(v, 1<<31)), inner[n:]
		case num == 2 && typ == protowire.BytesType:
			v, n := protowire.ConsumeBytes(inner)
			if n < 0 {
				return lost, why
			}
			why, inner = string(v), inner[n:]
		default:
			n := protowire.ConsumeFieldValue(num, typ, inner)
			if n < 0 {
				return lost, why
			}
			inner = inner[n:]
		}
	}
	return lost, why
}

// field finds the message in field num of a message.
func field(b []byte, num protowire.Number) ([]byte, bool) {
	for len(b) > 0 {
		got, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, false
		}
		b = b[n:]
		if got == num && typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			return v, n >= 0
		}
		if n = protowire.ConsumeFieldValue(got, typ, b); n < 0 {
			return nil, false
		}
		b = b[n:]
	}
	return nil, false
}

// packed compresses a message, if that is wished.
func (s *signal) packed(body []byte) []byte {
	if !s.e.o.Gzip {
		return body
	}
	out := bytes.NewBuffer(make([]byte, 0, len(body)/4))
	if s.zip == nil {
		s.zip, _ = gzip.NewWriterLevel(out, gzip.BestSpeed) // the level is a valid one
	} else {
		s.zip.Reset(out)
	}
	_, _ = s.zip.Write(body) // to memory
	_ = s.zip.Close()
	return out.Bytes()
}

// scrubbed takes the headers' values out of an error, should one be in it.
func (s *signal) scrubbed(err error) error {
	msg := err.Error()
	for _, h := range s.to.Headers {
		if v := h.Value.Reveal(); v != "" && strings.Contains(msg, v) {
			return fmt.Errorf("%s", strings.ReplaceAll(msg, v, "…"))
		}
	}
	return err
}
