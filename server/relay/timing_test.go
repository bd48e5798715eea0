package relay_test

import (
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/upstream"
)

// TestHeaderTimeoutIsPunctual (row 34): an upstream that accepts and says nothing is
// given up at the time that is set, to within 200 ms, streamed and not. A machine that
// is busy may be late a few times.
func TestHeaderTimeoutIsPunctual(t *testing.T) {
	const set, most = 700 * time.Millisecond, 200 * time.Millisecond
	for _, body := range []string{ask, streamAsk} {
		least := time.Hour
		for range 16 {
			b := newBench(t, upstream.Timeouts{Header: set}, target{dialect: asChat, handler: silent}) // whose breaker is closed
			start := time.Now()
			status, out, _ := b.post("/v1/chat/completions", body)
			off := (time.Since(start) - set).Abs()
			if status != 504 {
				t.Fatalf("%d %s", status, out)
			}
			if least = min(least, off); least <= most {
				break
			}
		}
		if least > most {
			t.Errorf("given up %v off its time", least)
		}
	}
}
