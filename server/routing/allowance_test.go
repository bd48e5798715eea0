package routing

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// eachOf gives lines of the form "name: value".
func eachOf(lines string) func(func(name, value string)) {
	return func(f func(name, value string)) {
		for line := range strings.Lines(lines) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			f(name, value)
		}
	}
}

// TestReadAllowances: headers of both families are read, with every form of their
// resets; what cannot be read is not made up.
func TestReadAllowances(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	f := func(lines string, want ...Allowance) {
		t.Helper()
		if got := readAllowances(now, eachOf(lines)); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", lines, got, want)
		}
	}
	f("content-type: text/plain\nx-request-id: 1")
	f("x-ratelimit-limit-requests: 10000\nX-RateLimit-Remaining-Requests: 9999\nx-ratelimit-reset-requests: 6ms\nx-ratelimit-limit-tokens: 2000000\nx-ratelimit-remaining-tokens: 0\nx-ratelimit-reset-tokens: 6m0s",
		Allowance{"requests", 10000, 9999, now.Add(6 * time.Millisecond)}, Allowance{"tokens", 2000000, 0, now.Add(6 * time.Minute)})
	f("anthropic-ratelimit-input-tokens-limit: 50000\nanthropic-ratelimit-input-tokens-remaining: 49000\nanthropic-ratelimit-input-tokens-reset: 2026-11-26T12:00:30Z\nanthropic-ratelimit-unified-status: allowed",
		Allowance{"input_tokens", 50000, 49000, now.Add(30 * time.Second)})
	f("x-ratelimit-remaining-requests: 5\nx-ratelimit-reset-requests: 12", Allowance{"requests", 0, 5, now.Add(12 * time.Second)})
	f("x-ratelimit-limit-requests: 5") // nothing says what is left
	f("x-ratelimit-remaining-requests: REDACTED\nx-ratelimit-limit-requests: 1")
	f("x-ratelimit-remaining-requests: -1")
	f("x-ratelimit-remaining-tokens: 7\nx-ratelimit-reset-tokens: 9000h", Allowance{"tokens", 0, 7, time.Time{}})
	f("x-ratelimit-remaining-tokens: 7\nx-ratelimit-reset-tokens: soon", Allowance{"tokens", 0, 7, time.Time{}})
	f("x-ratelimit-remaining-colours: 7\nx-ratelimit-remaining: 7\nx-ratelimit-: 7\nanthropic-ratelimit-: 1")
}
