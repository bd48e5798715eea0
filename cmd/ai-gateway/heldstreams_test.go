package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/cmd/bench"
	"github.com/your-org/ai-api-gateway/server/api"
)

// A heldResult is what came of many streams at a time.
type heldResult struct {
	streams    int // asked for at a time
	whole      int64
	peak       float64 // MB resident, the most
	goroutines int
	open       int
}

// TestHeldStreams opens streams at 1,000 a second until all are open at a time, holds
// them at one chunk a second, and counts those that end whole. The long form
// (AI_GATEWAY_LONG=1) has 10,000 and holds them for a minute.
func TestHeldStreams(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a minute")
	}
	streams, held := 2000, 5*time.Second
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		streams, held = 10_000, time.Minute
	}
	h := startBench(t).holdStreams(t, streams, held)
	t.Logf("%d streams held %v at a chunk a second: %d whole, %d in flight halfway, %d goroutines, %.0f MB at most, load %s", h.streams, held, h.whole, h.open, h.goroutines, h.peak, machineLoad())
}

// holdStreams has so many streams open at a time for so long. Where the system gives
// a process fewer descriptors than two for each, there are as many as it gives.
func (b *benchmarks) holdStreams(t *testing.T, streams int, held time.Duration) heldResult {
	t.Helper()
	if most := (allowDescriptors(t, 2*streams+500) - 200) / 2; most < streams {
		t.Logf("the system gives a process no more descriptors than for %d streams, instead of %d", most, streams)
		streams = most
	}
	g, key := b.gateway(t)
	g.guard(key)
	h := heldResult{streams: streams}
	ramp := time.Duration(streams) * time.Second / 1000
	chunks := int((ramp + held) / time.Second)
	halfway := time.AfterFunc(ramp+held/2, func() {
		var s api.Status
		if status, out, _ := g.call("GET", "/v1/admin/status", g.admin, ""); status == 200 && json.Unmarshal([]byte(out), &s) == nil {
			h.open, h.goroutines = s.InFlight, s.Goroutines
		}
	})
	defer halfway.Stop()
	r, err := bench.Run(context.Background(), bench.Load{URL: g.url, Key: key, PID: g.cmd.Process.Pid, Model: fmt.Sprintf("mock-n%d-d1000", chunks),
		Stream: true, Chunks: chunks, Connections: streams, Rate: 1000, Body: 600, For: ramp})
	if err != nil {
		t.Fatal(err)
	}
	h.whole, h.peak = r.Requests, peakMB(t, g.cmd.Process.Pid)
	if r.Errors > 0 || h.whole != int64(streams) {
		t.Errorf("%d of %d streams were whole: %d failed, the first with %s", h.whole, streams, r.Errors, r.FirstError)
	}
	if h.open < streams*9/10 {
		t.Errorf("only %d streams were open at a time", h.open)
	}
	if h.peak > 500 {
		t.Errorf("%d streams took %.0f MB", streams, h.peak)
	}
	g.stop()
	return h
}
