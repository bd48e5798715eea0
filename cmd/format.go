package cmd

import (
	"strconv"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// How people read numbers, money and times: as in the terminal interface.
func dollars(u api.USD) string         { return locales.Money(int64(u)) }
func thousands(n int64) string         { return locales.Thousands(n) }
func short(n int64) string             { return locales.Short(n) }
func took(d time.Duration) string      { return locales.Took(d) }
func percent(part, whole int64) string { return locales.Percent(part, whole) }

func count(n int64) cell { return cell{text: thousands(n), raw: strconv.FormatInt(n, 10)} }
func tokens(n int64) cell {
	return cell{text: short(n), raw: strconv.FormatInt(n, 10)}
}
func money(u api.USD) cell { return cell{text: dollars(u), raw: u.String()} }

// millis is a duration given in milliseconds.
func millis(ms float64) cell {
	return cell{text: took(time.Duration(ms * float64(time.Millisecond))), raw: strconv.FormatFloat(ms, 'f', -1, 64)}
}

// moment is a time as people here read it; RFC 3339 in CSV.
func moment(t time.Time) cell {
	if t.IsZero() {
		return cell{}
	}
	return cell{text: t.Local().Format("2006-01-02 15:04:05"), raw: t.UTC().Format(time.RFC3339Nano)}
}

func momentOf(t *time.Time) cell {
	if t == nil {
		return cell{}
	}
	return moment(*t)
}

// ago writes how long before now t was: "3 min ago".
func (a *app) ago(t *time.Time, now time.Time) cell {
	if t == nil || t.IsZero() {
		return cell{text: a.word("never")}
	}
	d := now.Sub(*t)
	text := a.word("now")
	switch {
	case d >= 48*time.Hour:
		text = a.word("%d d ago", int(d.Hours()/24))
	case d >= time.Hour:
		text = a.word("%d h ago", int(d.Hours()))
	case d >= time.Minute:
		text = a.word("%d min ago", int(d.Minutes()))
	}
	return cell{text: text, raw: t.UTC().Format(time.RFC3339Nano)}
}
