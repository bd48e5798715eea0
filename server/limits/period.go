package limits

import (
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// periodOf returns the period of the calendar that t is in: its start, and its
// end, which is zero for the total. Starts are moments, so that the hour which
// daylight saving repeats is two periods, and a day has 23, 24 or 25 hours.
func periodOf(window string, t time.Time, zone *time.Location) (start, end time.Time) {
	t = t.In(zone)
	y, m, d := t.Date()
	switch window {
	case store.WindowHour:
		start = t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
		return start, start.Add(time.Hour)
	case store.WindowDay:
		return midnight(y, m, d, zone), midnight(y, m, d+1, zone)
	case store.WindowWeek:
		d -= (int(t.Weekday()) + 6) % 7 // Monday is the first
		return midnight(y, m, d, zone), midnight(y, m, d+7, zone)
	case store.WindowMonth:
		return midnight(y, m, 1, zone), midnight(y, m+1, 1, zone)
	}
	return time.Unix(0, 0), time.Time{}
}

// midnight is the first moment of a day in a zone, which daylight saving may have
// skipped or repeated.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	from, until := t.ZoneBounds()
	if wanted := time.Date(y, m, d, 0, 0, 0, 0, time.UTC); t.Day() != wanted.Day() {
		return until // it does not exist: the day begins with the new offset
	}
	if from.IsZero() {
		return t
	}
	_, after := t.Zone()
	_, before := from.Add(-1).Zone()
	if first := t.Add(time.Duration(after-before) * time.Second); first.Before(from) && first.In(zone).Day() == t.Day() {
		return first // it comes twice
	}
	return t
}
