package tui

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

func money(u api.USD) string { return locales.Money(int64(u)) }
func short(n int64) string   { return locales.Short(n) }
func clean(s string) string  { return locales.Clean(s) }

func took(ms float64) string { return locales.Took(time.Duration(ms * float64(time.Millisecond))) }

// cut shortens text, styled or not, to n cells with an ellipsis.
func cut(s string, n int) string {
	if n <= 0 {
		return ""
	}
	return ansi.Truncate(s, n, "…")
}

// pad makes text exactly n cells wide.
func pad(s string, n int, right bool) string {
	s = cut(s, n)
	gap := strings.Repeat(" ", max(0, n-ansi.StringWidth(s)))
	if right {
		return gap + s
	}
	return s + gap
}

// spread puts right at the end of a line of w cells that begins with left; left
// gives way.
func spread(left, right string, w int) string {
	right = cut(right, w)
	room := w - ansi.StringWidth(right)
	if room <= 0 {
		return right
	}
	return pad(left, room, false) + right
}

// block makes text exactly h lines of at most w cells.
func block(s string, w, h int) string {
	if w <= 0 || h <= 0 {
		return ""
	}
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) > h {
		lines = lines[:h]
	}
	for i, l := range lines {
		lines[i] = cut(l, w)
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	return strings.Join(lines, "\n")
}

// wrapped breaks clean text into lines of at most w cells.
func wrapped(s string, w int) []string {
	return strings.Split(ansi.Wrap(s, max(1, w), " /-,"), "\n")
}

// tail is the part of a request id that people type.
func tail(id string) string { return clean(id[max(0, len(id)-8):]) }

// bar draws part of whole in eighths of cells.
func bar(part, whole float64, w int) string {
	if whole <= 0 || part <= 0 || w <= 0 {
		return strings.Repeat(" ", max(0, w))
	}
	eighths := min(8*w, max(1, int(part/whole*float64(8*w)+0.5)))
	s := strings.Repeat("█", eighths/8)
	if r := eighths % 8; r > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[r-1])
	}
	return s + strings.Repeat(" ", w-(eighths+7)/8)
}

// meter is a bar with its rest shown, for quotas: also legible without colour.
func meter(part, whole float64, w int) string {
	if whole <= 0 || w <= 0 {
		return ""
	}
	n := min(w, max(0, int(part/whole*float64(w)+0.5)))
	return strings.Repeat("█", n) + strings.Repeat("░", w-n)
}

// spark draws values as eighth blocks; a dot stands for nothing.
func spark(values []float64) string {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		if v <= 0 {
			b.WriteRune('·')
			continue
		}
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[min(7, int(v/most*7.999))])
	}
	return b.String()
}

// waterfall draws when something happened within the whole.
func waterfall(start, took, whole float64, w int) string {
	if whole <= 0 || w <= 0 {
		return ""
	}
	from := min(w-1, max(0, int(start/whole*float64(w))))
	n := min(w-from, max(1, int(took/whole*float64(w)+0.5)))
	return strings.Repeat("·", from) + strings.Repeat("█", n) + strings.Repeat("·", w-from-n)
}

// ago writes how long before now t was.
func (a *App) ago(t *time.Time) string {
	if t == nil || t.IsZero() {
		return a.t("common.never")
	}
	d := a.o.Now().Sub(*t)
	switch {
	case d >= 48*time.Hour:
		return a.t("common.days_ago", int(d.Hours()/24))
	case d >= time.Hour:
		return a.t("common.hours_ago", int(d.Hours()))
	case d >= time.Minute:
		return a.t("common.minutes_ago", int(d.Minutes()))
	}
	return a.t("common.now")
}

// lasting writes an uptime: "3d2h", "2h5m", "40s".
func lasting(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return days(d)
	case d >= time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return d.Truncate(time.Second).String()
}

func days(d time.Duration) string {
	n := int(d / (24 * time.Hour))
	return locales.Thousands(int64(n)) + "d" + locales.Thousands(int64(d.Hours())-int64(n)*24) + "h"
}
