package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// TestStretches: a sum reads spans as wide as its time, its groups and their zone
// allow, and each slot of its time once.
func TestStretches(t *testing.T) {
	at := func(s string) (out time.Time) {
		if s != "" {
			var err error
			if out, err = time.Parse("2006-01-02T15:04", s); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	f := func(since, until, by, zone string, level int, want string) {
		t.Helper()
		z, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatalf("no time zone %s here: %v", zone, err)
		}
		q := &store.TotalsQuery{Since: at(since), Until: at(until), Zone: z, GroupBy: strings.Fields(by)}
		from, end := slotsOf(q.Since, q.Until)
		var got []string
		for _, s := range stretchesOf(q, level) {
			if s.from != from || s.from >= s.to || s.width > 1 && (s.from%s.width != 0 || s.to%s.width != 0 && s.to != lastSlot) {
				t.Errorf("%+v does not follow what ends at %d", s, from)
			}
			from = s.to
			got = append(got, fmt.Sprintf("%dx%d", min(99999, (s.to-s.from)/s.width), s.width))
		}
		if from != end {
			t.Errorf("they end at %d, not at %d", from, end)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("from %s to %s by %s in %s: %s, want %s", since, until, by, zone, text, want)
		}
	}
	const a, b = "2026-11-18T13:20", "2026-11-25T13:20"
	f(a, b, "key", "UTC", levelKeyed, "3x1 10x4 6x96 13x4 2x1")
	f(a, b, "key model", "UTC", levelFull, "673x1")
	f(a, b, "account day", "UTC", levelLean, "3x1 10x4 6x96 13x4 2x1")
	f(a, b, "account day", "Asia/Shanghai", levelLean, "3x1 167x4 2x1")
	f(a, b, "account day", "Asia/Kathmandu", levelLean, "673x1")
	f(a, b, "hour", "UTC", levelLean, "3x1 167x4 2x1")
	f(a, b, "hour", "Asia/Shanghai", levelLean, "3x1 167x4 2x1")
	f(a, b, "hour", "Asia/Kolkata", levelLean, "673x1")
	f(a, b, "quarter", "UTC", levelLean, "673x1")
	f("2026-10-30T00:00", "2026-11-03T00:00", "day hour", "America/New_York", levelLean, "96x4") // an hour comes twice
	f("2026-04-01T00:00", "2026-04-08T00:00", "hour", "Australia/Lord_Howe", levelLean, "672x1")
	f("", "", "key", "UTC", levelKeyed, "99999x96")
	f("", a, "day", "UTC", levelKeyed, "20775x96 13x4 2x1")
	f("", "", "day", "Asia/Shanghai", levelKeyed, "99999x1")
	f("2026-11-18T13:20", "2026-11-18T13:25", "", "UTC", levelKeyed, "1x1")
	f("2026-11-18T13:00", "2026-11-18T14:00", "", "UTC", levelKeyed, "1x4")
	f("2026-11-18T13:15", "2026-11-18T14:45", "", "UTC", levelKeyed, "6x1")
	f("2026-11-18T13:15", "2026-11-18T13:15", "", "UTC", levelKeyed, "")
}
