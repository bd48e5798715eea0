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

var vaultStart = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func openVault(t testing.TB, dir string) (*Vault, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	v := NewVault(dir, slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() { _ = v.Close() })
	return v, log
}

// kept is entry i of a space: it expires i hours after the start.
func kept(space string, i, size int) store.Kept {
	return store.Kept{Space: space, ID: fmt.Appendf(nil, "id-%06d", i), Expires: vaultStart.Add(time.Duration(i) * time.Hour), Sealed: bytes.Repeat([]byte{byte(i)}, size)}
}

func putKept(t testing.TB, v *Vault, list ...store.Kept) {
	t.Helper()
	if err := v.Put(context.Background(), list); err != nil {
		t.Fatal(err)
	}
}

func hasKept(t testing.TB, v *Vault, want store.Kept, there bool) {
	t.Helper()
	got, err := v.Get(context.Background(), want.Space, want.ID)
	switch {
	case err != nil || (got != nil) != there:
		t.Errorf("%s %s: %v, %v, want it there: %v", want.Space, want.ID, got != nil, err, there)
	case there && (!bytes.Equal(got.Sealed, want.Sealed) || !got.Expires.Equal(want.Expires)):
		t.Errorf("%s %s: %d bytes until %v", want.Space, want.ID, len(got.Sealed), got.Expires)
	}
}

func TestVault(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	v, _ := openVault(t, dir)
	hasKept(t, v, kept("a", 1, 10), false)
	if _, err := os.Stat(dir + "/vault.db"); err == nil {
		t.Error("a file was made to read nothing")
	}
	for i := range 10 {
		putKept(t, v, kept("a", i, 100), kept("b", i, 50))
	}
	longer := kept("a", 1, 30)
	longer.Expires = vaultStart.Add(100 * time.Hour)
	putKept(t, v, longer)
	if n, err := v.Drop(ctx, vaultStart.Add(4*time.Hour)); n != 4+5 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
	hasKept(t, v, longer, true)
	hasKept(t, v, kept("a", 4, 100), false)
	hasKept(t, v, kept("a", 5, 100), true)
	hasKept(t, v, kept("b", 1, 50), false)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.Put(ctx, []store.Kept{longer}); err == nil {
		t.Error("a closed vault has kept something")
	}
	v, _ = openVault(t, dir)
	hasKept(t, v, longer, true)
	hasKept(t, v, kept("b", 9, 50), true)
}

// TestVaultIsBounded: each space by itself; what expires first goes.
func TestVaultIsBounded(t *testing.T) {
	dir := t.TempDir()
	v, _ := openVault(t, dir)
	v.most = 100 << 10
	putKept(t, v, kept("other", 0, 1000))
	for i := 0; i < 2000; i += 50 {
		var list []store.Kept
		for j := range 50 {
			list = append(list, kept("a", i+j, 1000))
		}
		putKept(t, v, list...)
		putKept(t, v, kept("a", i, 1000)) // replacing costs nothing
	}
	room := int(v.most / (1000 + vaultOverhead))
	hasKept(t, v, kept("a", 1999, 1000), true)
	hasKept(t, v, kept("a", 2000-room, 1000), true)
	hasKept(t, v, kept("a", 1999-room, 1000), false)
	hasKept(t, v, kept("other", 0, 1000), true)
	if info, err := os.Stat(dir + "/vault.db"); err != nil || info.Size() > 1<<20 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	putKept(t, v, kept("a", 5000, 200<<10)) // larger than its space
	hasKept(t, v, kept("a", 5000, 200<<10), false)
}

// TestVaultDamaged: whatever has become of the file, it is set aside with a word,
// and another takes its place.
func TestVaultDamaged(t *testing.T) {
	f := func(name string, spoil func(t *testing.T, path string)) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := dir + "/vault.db"
			v, _ := openVault(t, dir)
			var list []store.Kept
			for i := range 2000 {
				list = append(list, kept("a", i, 1000))
			}
			putKept(t, v, list...)
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			spoil(t, path)
			v, log := openVault(t, dir)
			for i := range list { // whichever of them is in the damaged part
				_, _ = v.Get(context.Background(), "a", list[i].ID)
			}
			_ = v.Put(context.Background(), list[:1])
			putKept(t, v, list[1])
			hasKept(t, v, list[1], true)
			if _, err := os.Stat(path + damagedExt); err != nil || bytes.Count(log.Bytes(), []byte("set aside")) != 1 {
				t.Errorf("%v, log: %s", err, log)
			}
		})
	}
	write := func(at int64, b []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			file, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if _, err := file.WriteAt(b, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	truncate := func(n int64) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.Truncate(path, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	f("no database", func(t *testing.T, path string) {
		if err := os.WriteFile(path, bytes.Repeat([]byte("nonsense "), 5000), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	f("a few bytes", func(t *testing.T, path string) {
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	f("cut short", truncate(64<<10))
	f("cut to its head", truncate(12<<10))
	f("pages overwritten", write(8<<10, bytes.Repeat([]byte{0xa5}, 1<<20)))
	f("heads overwritten", write(0, bytes.Repeat([]byte{0xff}, 8<<10)))
}

// TestVaultHeldByAnother: a file that another process holds is not waited for.
func TestVaultHeldByAnother(t *testing.T) {
	dir := t.TempDir()
	holder, _ := openVault(t, dir)
	putKept(t, holder, kept("a", 1, 10))
	v, log := openVault(t, dir)
	if err := v.Put(context.Background(), []store.Kept{kept("a", 2, 10)}); err == nil {
		t.Fatal("two have the file")
	}
	if _, err := os.Stat(dir + "/vault.db" + damagedExt); err == nil || log.Len() > 0 {
		t.Errorf("it was set aside: %s", log)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	v.again = time.Time{} // as a second later
	hasKept(t, v, kept("a", 1, 10), true)
}

// BenchmarkVaultOpen is what the first look costs in a full file.
func BenchmarkVaultOpen(b *testing.B) {
	dir := b.TempDir()
	v, _ := openVault(b, dir)
	for i := 0; i < 60_000; i += 2000 {
		var list []store.Kept
		for j := range 2000 {
			list = append(list, kept("a", i+j, 800))
		}
		putKept(b, v, list...)
	}
	_ = v.Close()
	for b.Loop() {
		v, _ := openVault(b, dir)
		hasKept(b, v, kept("a", 59_999, 800), true)
		_ = v.Close()
	}
}
