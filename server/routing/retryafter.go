package routing

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxPause is the longest pause an upstream may ask for.
const MaxPause = 300 * time.Second

// RetryAfter reads the headers retry-after-ms (milliseconds) and retry-after
// (seconds or an HTTP date, RFC 9110 section 10.2.3): how long the upstream asks
// to wait, more than 0 and at most MaxPause. It is 0 where neither says so in a way
// that can be read: empty, negative, a date that has passed, nonsense.
func RetryAfter(millis, value string, now time.Time) time.Duration {
	if d := pause(millis, time.Millisecond); d > 0 {
		return d
	}
	if d := pause(value, time.Second); d > 0 {
		return d
	}
	at, err := http.ParseTime(strings.TrimSpace(value))
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), MaxPause)
}

// pause reads a number of units; 0 if it is none, or not positive.
func pause(text string, unit time.Duration) time.Duration {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil && n == 0 || !(n > 0) { // a number out of range is ±Inf; !(n > 0) is also NaN
		return 0
	}
	return max(1, time.Duration(min(n*float64(unit), float64(MaxPause))))
}
