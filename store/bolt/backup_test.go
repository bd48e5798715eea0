package bolt

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Backups taken under load are whole stores in which all adds up, and hold what was
// appended before they began.
func TestBackupUnderLoad(t *testing.T) {
	s := ledgerOf(t, t.TempDir())
	ctx := context.Background()
	var appended atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for seq := uint64(1); ; seq++ {
			select {
			case <-stop:
				return
			default:
			}
			e := entry(seq, time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC).Add(time.Duration(seq)*time.Second))
			e.Boot, e.Row.RequestID = "C", "load-"+e.Row.RequestID
			e.RequestID = e.Row.RequestID
			if err := s.Append(ctx, []store.Entry{e}); err != nil {
				t.Error(err)
				return
			}
			appended.Add(1)
		}
	})
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for range 5 {
		before := appended.Load()
		var b bytes.Buffer
		if err := s.Backup(ctx, &b, at); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		when, err := Restore(ctx, &b, dir)
		if err != nil || !when.Equal(at) {
			t.Fatal(when, err)
		}
		r := open(t, dir, Options{})
		if v := verify(t, r); v.Fault != "" || v.Rows < 600+before || v.Corrections != 3 {
			t.Errorf("%d rows were appended before, the copy has %+v", before, v)
		}
	}
	close(stop)
	wg.Wait()
}

func TestRestoreRefuses(t *testing.T) {
	s := ledgerOf(t, t.TempDir())
	ctx := context.Background()
	var b bytes.Buffer
	if err := s.Backup(ctx, &b, time.Now()); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	f := func(names string, archive []byte) {
		t.Helper()
		dir := t.TempDir()
		_, err := Restore(ctx, bytes.NewReader(archive), dir)
		if err == nil || !strings.Contains(err.Error(), names) {
			t.Errorf("%q: %v", names, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 1 { // the empty folder of days
			t.Errorf("%q leaves %v", names, left)
		}
	}
	f("unexpected EOF", whole[:len(whole)/2])
	f("cut short", nil)
	f("cannot be read", []byte(strings.Repeat("x", 2048)))
	changed := bytes.Clone(whole)
	changed[len(changed)/3] ^= 1
	f("is not what was backed up", changed)
	var foreign bytes.Buffer
	w := tar.NewWriter(&foreign)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "../2026-11-23.db", Mode: 0o600}), w.Close()); err != nil {
		t.Fatal(err)
	}
	f("is no part of a store", foreign.Bytes())

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gateway.db"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(ctx, bytes.NewReader(whole), dir); !errors.Is(err, store.ErrConflict) {
		t.Errorf("over another store: %v", err)
	}
}

func TestCompact(t *testing.T) {
	dir := t.TempDir()
	s := ledgerOf(t, dir)
	want := verify(t, s)
	if _, _, err := Compact(context.Background(), dir); !errors.Is(err, store.ErrLocked) {
		t.Errorf("of an open store: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, after, err := Compact(context.Background(), dir)
	if err != nil || after >= before {
		t.Errorf("%d bytes became %d, %v", before, after, err)
	}
	if got := verify(t, open(t, dir, Options{})); got != want {
		t.Errorf("%+v became %+v", want, got)
	}
}
