package server

import (
	"testing"

	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/store"
)

// TestEndsOnly: of requests that ended, the end alone is told; of others every step.
func TestEndsOnly(t *testing.T) {
	row := &store.UsageRow{}
	got := endsOnly([]*relay.Progress{{ID: "a"}, {ID: "b"}, {ID: "a", TTFT: 1}, {ID: "a", Row: row}, {ID: "c", Row: row}, {ID: "b", TTFT: 1}})
	want := []string{"b", "a", "c", "b"}
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i, p := range got {
		if p.ID != want[i] || p.ID == "a" && p.Row == nil {
			t.Errorf("event %d is of %s, want %s", i, p.ID, want[i])
		}
	}
}
