package limits

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/your-org/ai-api-gateway/store"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestPeriods(t *testing.T) {
	f := func(window, zoneName, at, start, end string) {
		t.Helper()
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		from, to := periodOf(window, when, zone(t, zoneName))
		text := func(x time.Time) string {
			if x.IsZero() {
				return ""
			}
			return x.Format(time.RFC3339)
		}
		if text(from) != start || text(to) != end {
			t.Errorf("%s of %s in %s: %s to %s, want %s to %s", window, at, zoneName, text(from), text(to), start, end)
		}
	}
	f(store.WindowDay, "UTC", "2026-11-25T22:00:00Z", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z")
	f(store.WindowDay, "Asia/Shanghai", "2026-11-25T22:00:00Z", "2026-11-26T00:00:00+08:00", "2026-11-27T00:00:00+08:00")
	f(store.WindowHour, "Asia/Kathmandu", "2026-11-25T22:20:00Z", "2026-11-26T04:00:00+05:45", "2026-11-26T05:00:00+05:45")
	f(store.WindowWeek, "UTC", "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z") // a Sunday
	f(store.WindowWeek, "UTC", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z") // a Monday
	f(store.WindowMonth, "UTC", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z")
	f(store.WindowMonth, "America/New_York", "2026-12-31T23:59:59-05:00", "2026-12-01T00:00:00-05:00", "2027-01-01T00:00:00-05:00")
	// Days of 23 and 25 hours, and the hour that comes twice.
	f(store.WindowDay, "America/New_York", "2026-03-08T12:00:00-04:00", "2026-03-08T00:00:00-05:00", "2026-03-09T00:00:00-04:00")
	f(store.WindowDay, "America/New_York", "2026-11-01T12:00:00-05:00", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00")
	f(store.WindowHour, "America/New_York", "2026-11-01T01:30:00-04:00", "2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00")
	f(store.WindowHour, "America/New_York", "2026-11-01T01:30:00-05:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00")
	// A midnight that does not exist (Beirut, 2026-03-29), one that comes twice (Havana, 2026-11-01).
	f(store.WindowDay, "Asia/Beirut", "2026-03-29T12:00:00+03:00", "2026-03-29T01:00:00+03:00", "2026-03-30T00:00:00+03:00")
	f(store.WindowDay, "Asia/Beirut", "2026-03-28T23:30:00+02:00", "2026-03-28T00:00:00+02:00", "2026-03-29T01:00:00+03:00")
	f(store.WindowDay, "America/Havana", "2026-11-01T00:30:00-04:00", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00")
	f(store.WindowDay, "America/Havana", "2026-11-01T00:30:00-05:00", "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00")
}

// TestPeriodsTile: in every zone of note each moment is in one period, periods
// follow one another, and none is reopened as time goes on.
func TestPeriodsTile(t *testing.T) {
	for _, name := range []string{"UTC", "Asia/Shanghai", "America/New_York", "Asia/Beirut", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago", "Pacific/Apia", "Europe/London"} {
		z := zone(t, name)
		for _, window := range []string{store.WindowHour, store.WindowDay, store.WindowWeek, store.WindowMonth} {
			var start time.Time
			for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2028; at = at.Add(15 * time.Minute) {
				from, to := periodOf(window, at, z)
				if at.Before(from) || !at.Before(to) && name != "Australia/Lord_Howe" {
					t.Fatalf("%s in %s: %s is not within %s to %s", window, name, at.In(z), from, to)
				}
				if from.Before(start) {
					t.Fatalf("%s in %s: %s reopens %s after %s", window, name, at.In(z), from, start)
				}
				start = from
			}
		}
	}
}
