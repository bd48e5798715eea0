package replay

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, key byte, now func() time.Time) *Book {
	t.Helper()
	sealer, err := store.NewSealer(bytes.Repeat([]byte{key}, store.MasterKeyLen))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(Options{Dir: dir, Sealer: sealer, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hash(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// answer makes one answer under the key.
func answer(t *testing.T, b *Book, key string, status int, parts ...string) {
	t.Helper()
	tk, got, err := b.Begin("k1", "/v1/chat/completions", key, hash("ask"))
	if err != nil || got != nil {
		t.Fatalf("%s: %v, %v", key, got, err)
	}
	tk.Head(status, "application/json", "01REQ")
	for _, p := range parts {
		tk.Add([]byte(p))
	}
	if err := tk.Keep(); err != nil {
		t.Fatal(err)
	}
	tk.End()
}

func TestBook(t *testing.T) {
	dir, at := t.TempDir(), time.Now()
	now := func() time.Time { return at }
	b := open(t, dir, 1, now)
	f := func(b *Book, apiKey, route, key, ask string, want string) {
		t.Helper()
		tk, got, err := b.Begin(apiKey, route, key, hash(ask))
		text := fmt.Sprint(err)
		if tk != nil {
			text = "ticket"
			tk.End()
		} else if got != nil {
			text = fmt.Sprintf("%d %s %s", got.Status, got.ContentType, got.Body)
		}
		if text != want {
			t.Errorf("%s %s %s %s: %s, want %s", apiKey, route, key, ask, text, want)
		}
	}
	answer(t, b, "a", 200, "He", "llo\nthere")
	const route = "/v1/chat/completions"
	const kept = "200 application/json Hello\nthere"
	f(b, "k1", route, "a", "ask", kept)
	f(b, "k1", route, "a", "another", ErrMismatch.Error())
	f(b, "k2", route, "a", "another", "ticket")
	f(b, "k1", "/v1/messages", "a", "ask", "ticket")
	f(b, "k1", route, "b", "ask", "ticket")
	if _, got, err := b.Begin("k1", route, "a", [32]byte{}); err != nil || got == nil {
		t.Errorf("a request that is not compared: %v, %v", got, err)
	}

	answer(t, b, "failed", 500, "no")
	f(b, "k1", route, "failed", "ask", "ticket")
	answer(t, b, "large", 200, strings.Repeat("x", MaxEntry), "y")
	f(b, "k1", route, "large", "ask", ErrNotReplayable.Error())
	answer(t, b, "whole", 200, strings.Repeat("x", MaxEntry))

	// Another process finds them, sealed; with another master key they are as if they had never been.
	f(open(t, dir, 1, now), "k1", route, "a", "ask", kept)
	files, _ := os.ReadDir(dir)
	for _, file := range files {
		raw, err := os.ReadFile(filepath.Join(dir, file.Name()))
		info, _ := file.Info()
		if err != nil || bytes.Contains(raw, []byte("there")) || bytes.Contains(raw, []byte("application")) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is in the open (%v)", file.Name(), err)
		}
	}
	at = at.Add(TTL + time.Minute)
	f(b, "k1", route, "a", "ask", "ticket")
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("%d files are left after their time", len(files))
	}
	at = time.Now()
	answer(t, b, "a", 200, "x")
	f(open(t, dir, 2, now), "k1", route, "a", "ask", "ticket")
}

// TestTogether: of many at once one gets the ticket, the others are told.
func TestTogether(t *testing.T) {
	b := open(t, t.TempDir(), 1, time.Now)
	var wg sync.WaitGroup
	var mu sync.Mutex
	tickets, busy := []*Ticket{}, 0
	for range 50 {
		wg.Go(func() {
			tk, _, err := b.Begin("k", "r", "same", hash("ask"))
			mu.Lock()
			defer mu.Unlock()
			if tk != nil {
				tickets = append(tickets, tk)
			} else if errors.Is(err, ErrInFlight) {
				busy++
			}
		})
	}
	wg.Wait()
	if len(tickets) != 1 || busy != 49 {
		t.Fatalf("%d tickets, %d told", len(tickets), busy)
	}
	tickets[0].End() // it failed: the next may try
	if tk, _, err := b.Begin("k", "r", "same", hash("ask")); tk == nil || err != nil {
		t.Errorf("after a failure: %v", err)
	}
}

// TestBounds: all together stay within their bound, the newest are kept.
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 1, func() time.Time { return noon })
	part := strings.Repeat("x", MaxEntry)
	for i := range 70 {
		answer(t, b, fmt.Sprint(i), 200, part)
	}
	files, _ := os.ReadDir(dir)
	if b.bytes > MaxBytes || len(files) != len(b.index) || len(files) < 60 {
		t.Errorf("%d bytes in %d files of %d", b.bytes, len(files), len(b.index))
	}
	if tk, got, _ := b.Begin("k1", "/v1/chat/completions", "69", hash("ask")); got == nil || tk != nil {
		t.Error("the newest is gone")
	}
	if tk, _, _ := b.Begin("k1", "/v1/chat/completions", "0", hash("ask")); tk == nil {
		t.Error("the oldest is still there")
	}
	var none *Ticket
	none.Head(200, "", "")
	none.Add(nil)
	none.End()
	if none.Keep() != nil {
		t.Error("no ticket keeps something")
	}
	if err := os.WriteFile(filepath.Join(dir, strings.Repeat("ab", 32)+draftExt), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir, 1, func() time.Time { return noon })
	if _, err := os.Stat(filepath.Join(dir, strings.Repeat("ab", 32)+draftExt)); err == nil {
		t.Error("a draft is left")
	}
}
