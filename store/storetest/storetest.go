// Package storetest is the conformance suite that every store.Store must pass.
package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// start is the moment most rows of the suite are near: two hours before midnight
// UTC, so that they cross into another day.
var start = time.Date(2026, 11, 23, 22, 0, 0, 0, time.UTC)

// Run runs the suite. open returns a new empty store, closed by the test's cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store)
	}{
		{"ConfigRoundTrip", configRoundTrip},
		{"ConfigConflicts", configConflicts},
		{"ConfigAtomic", configAtomic},
		{"ConfigDelete", configDelete},
		{"ConfigStale", configStale},
		{"AuditPages", auditPages},
		{"AppendIdempotent", appendIdempotent},
		{"AppendBoots", appendBoots},
		{"AppendHoldsAndVoids", appendHoldsAndVoids},
		{"AppendAdjust", appendAdjust},
		{"AppendResolve", appendResolve},
		{"AppendSpent", appendSpent},
		{"AppendBadText", appendBadText},
		{"RowsRoundTrip", rowsRoundTrip},
		{"RowsPages", rowsPages},
		{"RowsFilters", rowsFilters},
		{"RowsByRequest", rowsByRequest},
		{"RowsStableCursor", rowsStableCursor},
		{"TotalsAgainstRows", totalsAgainstRows},
		{"TotalsDaylightSaving", totalsDaylightSaving},
		{"TotalsBorders", totalsBorders},
		{"LatencyAgainstRows", latencyAgainstRows},
		{"Concurrency", concurrency},
		{"Cancelled", cancelled},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func apply(t *testing.T, s store.Store, changes ...store.Change) uint64 {
	t.Helper()
	rev, err := s.Apply(context.Background(), changes...)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func load(t *testing.T, s store.Store) *store.Snapshot {
	t.Helper()
	snap, err := s.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func appendAll(t *testing.T, s store.Store, entries ...store.Entry) {
	t.Helper()
	if err := s.Append(context.Background(), entries); err != nil {
		t.Fatal(err)
	}
}

func page(t *testing.T, s store.Store, q store.UsageQuery) store.UsagePage {
	t.Helper()
	p, err := s.Usage(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// all follows the cursors of q to the end.
func all(t *testing.T, s store.Store, q store.UsageQuery) []store.UsageRow {
	t.Helper()
	var rows []store.UsageRow
	for range 10_000 {
		p := page(t, s, q)
		rows = append(rows, p.Rows...)
		if p.Next == "" {
			return rows
		}
		q.Cursor = p.Next
	}
	t.Fatal("the cursors do not come to an end")
	return nil
}

func totals(t *testing.T, s store.Store, q store.TotalsQuery) []store.Total {
	t.Helper()
	out, err := s.Totals(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// settle makes the entry of a plain row: request "request-<seq>" at start plus at.
func settle(boot string, seq uint64, at time.Duration, change ...func(*store.UsageRow)) store.Entry {
	row := &store.UsageRow{
		RequestID: requestID(boot, seq), Time: start.Add(at), KeyID: "key1", KeyName: "first", Operation: "chat",
		Model: "gpt-4o", Provider: "openai", Account: "openai", UpstreamModel: "gpt-4o-2024", Status: 200,
		EndReason: store.EndComplete, UsageSource: store.SourceProvider, CostNano: 1_000_000,
		Tokens: store.Tokens{Input: 100, Output: 10}, Duration: time.Second,
	}
	for _, f := range change {
		f(row)
	}
	return store.Entry{Boot: boot, Seq: seq, Kind: store.EntrySettle, Time: row.Time, RequestID: row.RequestID, Row: row}
}

func requestID(boot string, seq uint64) string { return fmt.Sprintf("request-%s-%08d", boot, seq) }
