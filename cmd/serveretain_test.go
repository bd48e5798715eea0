package cmd

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// kept notes what it was told to remove.
type kept struct {
	mu sync.Mutex

	rows, totals []time.Time
	err          error
}

func (k *kept) Retain(_ context.Context, before time.Time) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rows = append(k.rows, before)
	return 1, k.err
}

func (k *kept) RetainTotals(_ context.Context, before time.Time) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.totals = append(k.totals, before)
	return 0, nil
}

func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		k := &kept{}
		r := retention{rows: 90 * 24 * time.Hour, store: k, now: time.Now, log: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithCancel(context.Background())
		start := time.Now()
		done := make(chan struct{})
		go func() { r.run(ctx); close(done) }()
		time.Sleep(2*time.Hour + time.Minute)
		synctest.Wait()
		k.mu.Lock()
		if len(k.rows) != 3 || !k.rows[0].Equal(start.Add(-90*24*time.Hour)) || !k.rows[2].Equal(start.Add(2*time.Hour-90*24*time.Hour)) {
			t.Errorf("rows were removed before %v", k.rows)
		}
		if len(k.totals) != 0 {
			t.Error("totals that are kept for ever were removed")
		}
		k.err = errors.New("disk on fire")
		k.mu.Unlock()
		time.Sleep(time.Hour)
		cancel()
		<-done
		if !strings.Contains(log.String(), "disk on fire") || !strings.Contains(log.String(), "removed old records") {
			t.Errorf("log: %s", log.String())
		}
	})
}

// TestBackgroundPanic: a chore that panics is told of and begun anew, and ends with its context.
func TestBackgroundPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		runs, told := 0, 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			runGuarded(ctx, time.Minute, "chore", func(where string, v any) {
				if where == "chore" && v == "boom" {
					told++
				}
			}, func(ctx context.Context) {
				if runs++; runs < 3 {
					panic("boom")
				}
				<-ctx.Done()
			})
		}()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if runs != 3 || told != 2 {
			t.Errorf("%d runs, %d panics told", runs, told)
		}
		cancel()
		<-done
	})
}
