package cmd

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// dollars writes money for people: "$12.34", below a cent four significant digits.
func dollars(u api.USD) string {
	sign := ""
	if u < 0 {
		sign, u = "-", -u
	}
	cent := api.Dollar / 100
	switch {
	case u == 0:
		return "$0.00"
	case u < cent:
		digits := fmt.Sprintf("%09d", int64(u))
		zeros := len(digits) - len(strings.TrimLeft(digits, "0"))
		keep := min(9, zeros+4)
		scale := int64(math.Pow10(9 - keep))
		rounded := (int64(u) + scale/2) / scale * scale
		if rounded >= int64(cent) {
			return sign + "$0.01"
		}
		return sign + "$0." + strings.TrimRight(fmt.Sprintf("%09d", rounded), "0")
	}
	cents := int64(u) / int64(cent)
	if int64(u)%int64(cent) >= int64(cent)/2 {
		cents++
	}
	return fmt.Sprintf("%s$%s.%02d", sign, thousands(cents/100), cents%100)
}

// thousands writes a whole number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short writes a count with three significant digits: "12.3k", "4.56M".
func short(n int64) string {
	f, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G", "T"} {
		if math.Abs(f) < 999.5 {
			break
		}
		f, unit = f/1000, u
	}
	if unit == "" {
		return strconv.FormatInt(n, 10)
	}
	decimals := 2
	if math.Abs(f) >= 99.95 {
		decimals = 0
	} else if math.Abs(f) >= 9.995 {
		decimals = 1
	}
	return strconv.FormatFloat(f, 'f', decimals, 64) + unit
}

// took writes how long something lasted: "840 ms", "1.9 s", "2m5s".
func took(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
	case d < 999500*time.Microsecond:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
	case d < 59950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return d.Round(time.Second).String()
}

func percent(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + "%"
}

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
func ago(t *time.Time, now time.Time) cell {
	if t == nil || t.IsZero() {
		return cell{text: "never"}
	}
	d := now.Sub(*t)
	text := "now"
	switch {
	case d >= 48*time.Hour:
		text = fmt.Sprintf("%d d ago", int(d.Hours()/24))
	case d >= time.Hour:
		text = fmt.Sprintf("%d h ago", int(d.Hours()))
	case d >= time.Minute:
		text = fmt.Sprintf("%d min ago", int(d.Minutes()))
	}
	return cell{text: text, raw: t.UTC().Format(time.RFC3339Nano)}
}
