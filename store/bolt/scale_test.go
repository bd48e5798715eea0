package bolt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/storetest"
)

// TestScale fills a store with many rows, as a busy gateway of 500 keys, 60 models
// and 12 accounts leaves them, and measures what people wait for. The long form
// has ten million; its bounds are those that are promised.
func TestScale(t *testing.T) {
	rows, most := 80_000, 10*time.Second // the short form only shows that it works
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		rows, most = 10_000_000, 0
	}
	dir := t.TempDir()
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.Background(), time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	within := func(what string, bound time.Duration, do func() error) {
		t.Helper()
		storetest.Within(t, what, max(bound, most), do)
	}
	start := time.Now()
	storetest.Fill(t, s, rows, end)
	took := time.Since(start)
	t.Logf("%d rows in %v: %.0f rows a second, %.1f MB, %.0f bytes a row", rows, took.Round(time.Millisecond), float64(rows)/took.Seconds(), float64(treeSize(t, dir))/1e6, float64(treeSize(t, dir))/float64(rows))

	storetest.Queries(t, s, end, rows, most)
	stalled := appendWhile(t, s, end, func() {
		within("retention of a day", time.Second, func() error {
			n, err := s.Retain(ctx, time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC))
			if err == nil && n == 0 {
				return fmt.Errorf("no day was removed")
			}
			return err
		})
	})
	t.Logf("the longest append meanwhile: %v", stalled.Round(10*time.Microsecond))
	if stalled > max(time.Second, most) {
		t.Errorf("appends stood still for %v", stalled)
	}
	within("the proof of the ledger", 15*time.Minute, func() error {
		v, err := s.Verify(ctx)
		if err == nil && v.Fault != "" {
			return fmt.Errorf("%+v", v)
		}
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	within("start-up", time.Second, func() error {
		s, err := Open(ctx, dir, Options{})
		if err == nil {
			err = s.Close()
		}
		return err
	})
}

// appendWhile appends rows one by one while do runs, and returns the longest time one took.
func appendWhile(t *testing.T, s *Store, end time.Time, do func()) (longest time.Duration) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			e := storetest.ScaleEntry(rng, uint64(i+1), end, end.Add(time.Duration(i)*time.Millisecond), 1<<40+i)
			e.Boot = "01JD0000000000000000000002"
			start := time.Now()
			if err := s.Append(context.Background(), []store.Entry{e}); err != nil {
				t.Error(err)
				return
			}
			longest = max(longest, time.Since(start))
		}
	}()
	time.Sleep(50 * time.Millisecond)
	do()
	time.Sleep(50 * time.Millisecond)
	close(stop)
	<-ended
	return longest
}

func treeSize(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
