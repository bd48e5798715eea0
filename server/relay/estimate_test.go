package relay

import (
	"strings"
	"testing"
)

func TestEstimateTokens(t *testing.T) {
	f := func(s string, want int64) {
		t.Helper()
		if got := estimateTokens([]byte(s)); got != want {
			t.Errorf("%.20q: %d, want %d", s, got, want)
		}
	}
	f("", 0)
	f("a", 1)
	f(strings.Repeat("a", 400), 100)
	f("你好", 2)
	f(strings.Repeat("你", 100), 100)
	f("hello 你好 world", 3+2)
}
