package main_test

import (
	"fmt"
	"os"
	"testing"
)

// TestCPUOfGuards measures what the durable ledger, budgets and limits add to the
// CPU of a request, in a closed loop and at a steady rate, with the bare proxy
// beside it. It prints a table and judges nothing: its figures are worth something
// on a quiet machine only.
func TestCPUOfGuards(t *testing.T) {
	if os.Getenv("AI_GATEWAY_TEST_CPU") == "" {
		t.Skip("SKIPPED: AI_GATEWAY_TEST_CPU is not set: it measures for minutes, on a quiet machine")
	}
	b := startBench(t)
	type served struct {
		name, key string
		g         *gateway // nil: the bare proxy
	}
	on := func(name, durability string) served {
		g, key := b.gateway(t, "AI_GATEWAY_LEDGER_DURABILITY="+durability)
		return served{name, key, g}
	}
	guarded := on("sync ledger, budgets and limits", "sync")
	guarded.g.guard(guarded.key)
	all := []served{{name: "bare proxy"}, on("async ledger, no limits", "async"), on("sync ledger, no limits", "sync"), guarded}
	loads := [][]string{
		{"-mode", "closed", "-c", "64", "-model", "mock-b1024", "-prompt", "600"},
		{"-mode", "open", "-rate", "1000", "-c", "512", "-model", "mock-b1024", "-prompt", "600"},
	}
	const rounds = 5
	got := make([][2][]float64, len(all))
	for range rounds { // in turn, so that a busy moment hits all alike
		for i, s := range all {
			for j, args := range loads {
				got[i][j] = append(got[i][j], b.measure(t, s.g, s.key, "5s", args...))
			}
		}
	}
	fmt.Printf("| CPU a request, µs | closed, 64 connections | open, 1,000 a second |\n|---|---|---|\n")
	for i, s := range all {
		fmt.Printf("| %s | %.1f | %.1f |\n", s.name, median(got[i][0]), median(got[i][1]))
	}
	for _, u := range guarded.g.limits(guarded.key) { // the limits did count
		if used, _ := u.Used.Float64(); used == 0 && (u.Window == "day" || u.Window == "month") {
			t.Errorf("%+v", u)
		}
	}
}
