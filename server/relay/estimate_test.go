package relay

import (
	"math"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
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

// TestBoundOfManyPictures: a number of pictures whose tokens do not fit must not
// come to less than nothing, which would make room in a budget.
func TestBoundOfManyPictures(t *testing.T) {
	for _, n := range []int64{1, 10, math.MaxInt64/pictureTokens + 1, math.MaxInt64} {
		x := &exchange{job: &Job{Op: providers.OpImages, Body: []byte(`{"model":"m","prompt":"a cat"}`), Peek: providers.Peek{N: n}}}
		if u := x.bound(); u.OutputImage < n || u.Images != n {
			t.Errorf("%d pictures come to %d tokens", n, u.OutputImage)
		}
	}
}
