package vault

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// A shelf is a disk's file, as far as vaults can tell.
type shelf struct {
	mu   sync.Mutex
	kept map[string]store.Kept
	puts int
	err  error
}

func (s *shelf) disk() *Disk {
	return NewDisk(DiskOptions{
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Put: func(_ context.Context, list []store.Kept) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.err != nil {
				return s.err
			}
			if s.kept == nil {
				s.kept = map[string]store.Kept{}
			}
			s.puts++
			for _, x := range list {
				s.kept[x.Space+string(x.ID)] = x
			}
			return nil
		},
		Get: func(_ context.Context, space string, id []byte) (*store.Kept, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if x, ok := s.kept[space+string(id)]; ok {
				return &x, s.err
			}
			return nil, s.err
		},
		Drop: func(_ context.Context, now time.Time) (n int, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for at, x := range s.kept {
				if !now.Before(x.Expires) {
					delete(s.kept, at)
					n++
				}
			}
			return n, s.err
		},
	})
}

func (s *shelf) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

// TestOutlivesTheProcess: what a vault kept is found by the next one that has the
// same key and space, until its time is over.
func TestOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sealer, s := ownSealer(), &shelf{}
		first := s.disk()
		v := New(Options{Sealer: sealer, Disk: first, Space: "a"})
		v.Put(key, call, tool, args, []byte("thought"))
		v.Put(key, call, tool, args, []byte("second"))
		v.Put(key, "forgotten", tool, nil, []byte("x"))
		v.Put(key, "forgotten", tool, nil, nil)
		if s.len() != 0 {
			t.Fatal("a caller has waited for the disk")
		}
		first.Close()
		if s.puts != 1 {
			t.Errorf("written %d times", s.puts)
		}
		find := func(o Options, callID, want string, found bool) {
			t.Helper()
			o.Disk = s.disk()
			next := New(o)
			if got, ok := next.Get(key, callID, tool, args); ok != found || string(got) != want {
				t.Errorf("%s: %q, %v", callID, got, ok)
			}
		}
		same := Options{Sealer: sealer, Space: "a"}
		find(same, call, "second", true)
		find(same, "other", "", false)
		find(Options{Sealer: sealer, Space: "b"}, call, "", false)
		find(Options{Sealer: ownSealer(), Space: "a"}, call, "", false) // another master key
		same.Disk = s.disk()
		next := New(same)
		if got, ok := next.Get(key, "forgotten", tool, nil); !ok || len(got) != 0 {
			t.Errorf("what was removed is back: %q", got)
		}
		next.Get(key, call, tool, args)
		s.kept = nil
		if got, ok := next.Get(key, call, tool, args); !ok || string(got) != "second" {
			t.Errorf("memory has not taken it: %q, %v", got, ok)
		}
		time.Sleep(DefaultTTL)
		if _, ok := next.Get(key, call, tool, args); ok {
			t.Error("what was found on the disk outlived its time")
		}
	})
}

// TestExpiresOnDisk: with the time, whether somebody has asked for it or not.
func TestExpiresOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sealer, s := ownSealer(), &shelf{}
		d := s.disk()
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { d.Run(ctx) })
		New(Options{Sealer: sealer, Disk: d}).Put(key, call, tool, args, []byte("x"))
		time.Sleep(writeEvery + time.Millisecond)
		if s.len() != 1 {
			t.Error("it was not written within a second")
		}
		time.Sleep(DefaultTTL - 2*writeEvery)
		if _, ok := New(Options{Sealer: sealer, Disk: d}).Get(key, call, tool, args); !ok {
			t.Error("it is gone before its time")
		}
		time.Sleep(2 * writeEvery)
		if _, ok := New(Options{Sealer: sealer, Disk: d}).Get(key, call, tool, args); ok {
			t.Error("it outlived its time")
		}
		time.Sleep(dropEvery)
		if n := s.len(); n != 0 {
			t.Errorf("%d entries are still on the disk", n)
		}
		cancel()
		running.Wait()
	})
}

// TestDiskIsBounded: memory that has no room asks the disk; what waits for the disk
// is bounded, and much of it does not wait for the second to be over.
func TestDiskIsBounded(t *testing.T) {
	sealer, s := ownSealer(), &shelf{}
	d := s.disk()
	v := New(Options{Sealer: sealer, Disk: d, MaxBytes: 100 << 10})
	value := []byte(strings.Repeat("x", 50<<10))
	ids := strings.Split(strings.Repeat("i", 3), "")
	for i := range ids {
		ids[i] = strings.Repeat("i", i+1)
		v.Put(key, ids[i], tool, args, value)
	}
	if _, ok := v.Get(key, ids[0], tool, args); !ok { // it waits
		t.Error("what memory had no room for is gone before it is written")
	}
	d.flush()
	for _, id := range ids {
		if got, ok := v.Get(key, id, tool, args); !ok || len(got) != len(value) {
			t.Errorf("%s: %d bytes, %v", id, len(got), ok)
		}
	}
	if b := v.Stats().Bytes; b > 100<<10 {
		t.Errorf("memory holds %d bytes", b)
	}
	v = New(Options{Sealer: sealer, Disk: d})
	large := []byte(strings.Repeat("y", 5<<20))
	v.Put(key, "large", tool, args, large)
	select {
	case <-d.soon:
	default:
		t.Error("5 MiB wait for the second to be over")
	}
	for i := range 10 {
		v.Put(key, strings.Repeat("l", i+1), tool, args, large)
	}
	if d.bytes > maxWaiting || d.lost == 0 {
		t.Errorf("%d bytes wait, %d entries were not taken", d.bytes, d.lost)
	}
}

// TestDiskFails: a disk that fails, or is closed, leaves the memory.
func TestDiskFails(t *testing.T) {
	s := &shelf{err: errors.New("no space left")}
	d := s.disk()
	v := New(Options{Disk: d})
	v.Put(key, call, tool, args, []byte("x"))
	d.flush()
	v.Get(key, "other", tool, args)
	d.Close()
	s.err = nil
	v.Put(key, "late", tool, args, []byte("y"))
	d.flush()
	for _, id := range []string{call, "late"} {
		if _, ok := v.Get(key, id, tool, args); !ok {
			t.Errorf("%s is gone", id)
		}
	}
	if s.len() != 0 {
		t.Errorf("%d entries were written", s.len())
	}
}
