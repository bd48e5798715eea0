package bolt

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

func TestCaptures(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	c := NewCaptures(dir, slog.New(slog.DiscardHandler))
	defer func() { _ = c.Close() }()
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	put := func(c *Captures, from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := c.Put(ctx, []store.Capture{{RequestID: fmt.Sprint("r", i), Time: start.Add(time.Duration(i) * time.Hour), Sealed: bytes.Repeat([]byte{byte(i)}, 1000)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	has := func(c *Captures, i int, want bool) {
		t.Helper()
		b, err := c.Get(ctx, fmt.Sprint("r", i))
		if err != nil || (b != nil) != want || want && b[0] != byte(i) {
			t.Errorf("r%d: %d bytes, %v, want it there: %v", i, len(b), err, want)
		}
	}
	put(c, 0, 10)
	if n, err := c.Drop(ctx, start.Add(4*time.Hour)); n != 4 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
	has(c, 3, false)
	has(c, 4, true)
	has(c, 9, true)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir + "/captures.db"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	full := NewCaptures(dir, slog.New(slog.DiscardHandler))
	full.most = 1 << 20
	defer func() { _ = full.Close() }()
	has(full, 9, true)
	put(full, 10, 3000)
	has(full, 9, false)
	has(full, 2999, true)
	if info, err := os.Stat(dir + "/captures.db"); err != nil || info.Size() > 8<<20 {
		t.Errorf("the file has grown to %d bytes, %v", info.Size(), err)
	}
}
