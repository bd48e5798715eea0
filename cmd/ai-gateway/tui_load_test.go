package main_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTUILoad measures, at 1,000 requests a second, what the terminal interface takes
// with Live open, and what it makes the gateway take a request more: in interleaved
// pairs, ten in the long form (AI_GATEWAY_LONG=1; AI_GATEWAY_PAIRS says another number).
func TestTUILoad(t *testing.T) {
	if os.Getenv("AI_GATEWAY_LONG") == "" {
		t.Skip("takes minutes: AI_GATEWAY_LONG=1")
	}
	pairs := 10
	if n, err := strconv.Atoi(os.Getenv("AI_GATEWAY_PAIRS")); err == nil && n > 0 {
		pairs = n
	}
	b := startBench(t)
	g, key := b.gateway(t)
	load := []string{"-mode", "open", "-rate", "1000", "-c", "256", "-model", "mock-b1024", "-prompt", "600"}
	var ratios, share []float64
	peak := 0.0
	for i := range pairs { // without, with, with, without: what drifts weighs on both alike
		without := b.measure(t, g, key, "4s", load...)
		s := openTUI(t, g, 120, 40, "")
		s.await("● live", "following")
		pid := s.program()
		before, start := cpuSeconds(t, pid), time.Now()
		with := b.measure(t, g, key, "4s", load...) + b.measure(t, g, key, "4s", load...)
		share = append(share, (cpuSeconds(t, pid)-before)/time.Since(start).Seconds())
		peak = max(peak, peakMB(t, pid))
		s.await("in flight")
		_, _ = s.tmux("kill-server")
		without += b.measure(t, g, key, "4s", load...)
		ratios = append(ratios, with/without)
		t.Logf("pair %d: %.1f µs a request without, %.1f with Live open; the interface took %.1f %% of a core", i+1, without/2, with/2, 100*share[i])
	}
	t.Logf("median of %d pairs: the gateway takes %.3f times as much a request; the interface %.1f %% of a core, %.0f MB at most", pairs, median(ratios), 100*median(share), peak)
	if median(share) > 0.10 || peak > 100 {
		t.Errorf("the interface takes %.1f %% of a core and %.0f MB; the bounds are 10 %% and 100 MB", 100*median(share), peak)
	}
	if pairs >= 10 && median(ratios) > 1.05 {
		t.Errorf("the gateway takes %.3f times as much a request with Live open; the bound is 1.05", median(ratios))
	}
}

// program is the process of the interface.
func (s *screen) program() int {
	s.t.Helper()
	out, err := s.tmux("list-panes", "-F", "#{pane_pid}")
	shell := strings.TrimSpace(out)
	if err != nil {
		s.t.Fatal(err, out)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", shell, shell))
	if err != nil {
		s.t.Skip("needs Linux: ", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		s.t.Fatalf("the children of the terminal's shell: %q", b)
	}
	return pid
}

// cpuSeconds is the processor time that a process has taken.
func cpuSeconds(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100
}

// peakMB is the most memory that a process has held.
func peakMB(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range strings.Split(string(b), "\n") {
		if rest, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
			return kb / 1024
		}
	}
	return 0
}
