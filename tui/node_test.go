package tui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// TestNode: a request of one of several gateways is shown with the one it runs at; where
// there is one alone nothing is said of it.
func TestNode(t *testing.T) {
	d := newDriver(t, 120, 40, Options{})
	l := d.a.live
	f := func(node string, want bool) {
		t.Helper()
		r := &request{e: api.LiveEvent{Type: api.LiveStarted, RequestID: "01R", Accepted: time.Now(), Node: node}}
		for _, lines := range [][]string{l.flyingFacts(r), d.a.facts(&api.LogReply{}, node)} {
			if got := slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, "gw-2:8080") }); got != want {
				t.Errorf("node %q: %q", node, lines)
			}
		}
	}
	f("gw-2:8080", true)
	f("", false)
}

// TestSilent: gateways that do not answer are named above the live list.
func TestSilent(t *testing.T) {
	l := newDriver(t, 120, 40, Options{}).a.live
	if s := l.summary(0); strings.Contains(s, "answer") {
		t.Errorf("all answer: %q", s)
	}
	l.silent = []string{"gw-2:8080", "gw-3:8080"}
	if s := l.summary(0); !strings.Contains(s, "gw-2:8080, gw-3:8080 not answering") {
		t.Errorf("two do not answer: %q", s)
	}
}
