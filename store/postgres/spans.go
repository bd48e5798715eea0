package postgres

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Spans are roll-ups over whole hours and UTC days, of the levels that sums over much
// time are made from: a week of 500 keys then has thousands to read and not hundreds
// of thousands. Each batch adds to both.
const (
	slotsPerHour = 3600 / slotSeconds
	slotsPerDay  = 24 * slotsPerHour
	lastSlot     = 1<<31 - 1
)

// spansOf are the levels that have spans.
var spansOf = []int{levelLean, levelKeyed}

// slotsOf returns the slots from since, widened down, to until, widened up.
func slotsOf(since, until time.Time) (from, to int32) {
	to = lastSlot
	if since.Unix() > 0 {
		from = int32(min(lastSlot, since.Unix()/slotSeconds))
	}
	if !until.IsZero() {
		to = int32(min(lastSlot, (max(0, until.Add(-1).Unix())+slotSeconds)/slotSeconds))
	}
	return from, to
}

// A stretch is slots that are read as spans of one width.
type stretch struct{ width, from, to int32 }

// divide covers the slots from from to to with stretches of the widths, of which each
// is a multiple of the next.
func divide(out []stretch, from, to int32, widths ...int32) []stretch {
	if from >= to {
		return out
	}
	width := widths[0]
	if len(widths) == 1 {
		return append(out, stretch{width, from, to})
	}
	first, last := (from-1)/width*width+width, to/width*width
	if from == 0 {
		first = 0
	}
	if to == lastSlot {
		last = to
	}
	if first >= last {
		return divide(out, from, to, widths[1:]...)
	}
	out = divide(out, from, first, widths[1:]...)
	out = append(out, stretch{width, first, last})
	return divide(out, last, to, widths[1:]...)
}

// stretchesOf divides what a query asks for into spans as wide as its groups of time
// and its level allow.
func stretchesOf(q *store.TotalsQuery, level int) []stretch {
	from, to := slotsOf(q.Since, q.Until)
	if slices.Contains(spansOf, level) {
		for _, widths := range [][]int32{{slotsPerDay, slotsPerHour, 1}, {slotsPerHour, 1}} {
			if uncut(q, from, to, widths[0]) {
				return divide(nil, from, to, widths...)
			}
		}
	}
	return divide(nil, from, to, 1)
}

// uncut reports whether no group of time that a query asks for begins within a span of
// the width.
func uncut(q *store.TotalsQuery, from, to, width int32) bool {
	const most = 800 * slotsPerDay // that are looked at
	day, hour := slices.Contains(q.GroupBy, "day"), slices.Contains(q.GroupBy, "hour")
	switch {
	case slices.Contains(q.GroupBy, "quarter"):
		return false
	case !day && !hour:
		return true
	case q.Zone == nil || q.Zone == time.UTC:
		return width == slotsPerHour || !hour
	case to-from > most:
		return false
	}
	for at := from / width * width; at < to; at += width {
		a, b := timeOf(at, q.Zone), timeOf(at+width-1, q.Zone)
		_, was := a.Zone()
		_, is := b.Zone()
		if a.YearDay() != b.YearDay() || hour && (a.Hour() != b.Hour() || was != is) {
			return false
		}
	}
	return true
}

func timeOf(slot int32, zone *time.Location) time.Time {
	return time.Unix(int64(slot)*slotSeconds, 0).In(zone)
}

// sourceSQL is the query of the roll-ups, and spans of them, that a query sums. Those
// of few series are found by them.
func sourceSQL(w *where, list []stretch, level int, few string) string {
	columns := "slot, series, " + strings.Join(numbers, ", ")
	if len(list) == 0 { // no time at all
		return "SELECT " + columns + " FROM usage_rollups WHERE false"
	}
	var parts []string
	for _, s := range list {
		from := "usage_rollups WHERE level = "
		if s.width > 1 {
			from = "usage_spans WHERE hours = " + strconv.Itoa(int(s.width/slotsPerHour)) + " AND level = "
		}
		sql := "SELECT " + columns + " FROM " + from + strconv.Itoa(level)
		if s.from > 0 {
			sql += " AND slot >= " + w.arg(s.from)
		}
		if s.to < lastSlot {
			sql += " AND slot < " + w.arg(s.to)
		}
		if few != "" {
			sql += " AND series = ANY(ARRAY(" + few + "))"
		}
		parts = append(parts, sql)
	}
	return strings.Join(parts, " UNION ALL ")
}

// apart reports whether a query's groups are about as many as the roll-ups that it
// reads. Such are summed here: the database makes a number of arbitrary size of each.
func apart(g *grouping, list []stretch, level int) bool {
	const most = 4096 // roll-ups of one series
	n := int32(0)
	for _, s := range list {
		if s.to == lastSlot || s.from == 0 {
			return false
		}
		n += (s.to - s.from) / s.width
	}
	by := map[int]string{levelLean: "s.model", levelKeyed: "s.key_id"}[level]
	return g.timed && by != "" && n <= most && slices.Contains(g.columns, by)
}

// addSpans adds the spans of roll-ups to them.
func addSpans(cells map[cell]*store.Total) {
	wide := map[cell]*store.Total{}
	for at, sum := range cells {
		if !slices.Contains(spansOf, int(at.series.level)) {
			continue
		}
		for _, hours := range []int16{1, 24} {
			width := slotsPerHour * int32(hours)
			of := cell{at.slot / width * width, hours, at.series}
			if wide[of] == nil {
				wide[of] = new(store.Total)
			}
			wide[of].Add(sum)
		}
	}
	maps.Copy(cells, wide)
}
