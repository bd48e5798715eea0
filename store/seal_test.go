package store

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func sealer(t *testing.T, fill byte) *Sealer {
	t.Helper()
	s, err := NewSealer(bytes.Repeat([]byte{fill}, MasterKeyLen))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t *testing.T, s *Sealer, plain, aad string) []byte {
	t.Helper()
	b, err := s.Seal(NewSecret(plain), aad)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSeal(t *testing.T) {
	s := sealer(t, 1)
	for _, plain := range []string{"", "x", "sk-proj-0123456789", strings.Repeat("ä", 5000)} {
		b := seal(t, s, plain, "acc1/secrets/0")
		got, err := sealer(t, 1).Open(b, "acc1/secrets/0")
		if err != nil || got.Reveal() != plain {
			t.Fatalf("opened %q, %v", got.Reveal(), err)
		}
		if plain != "" && len(plain) > 8 && bytes.Contains(b, []byte(plain[:8])) {
			t.Fatal("the sealed form shows the secret")
		}
	}
	a, b := seal(t, s, "same", "x"), seal(t, s, "same", "x")
	if bytes.Equal(a[headerLen:], b[headerLen:]) {
		t.Fatal("equal secrets look equal")
	}
	for i := range a { // no byte can be changed unseen
		changed := bytes.Clone(a)
		changed[i] ^= 1
		if _, err := s.Open(changed, "x"); err == nil {
			t.Fatalf("byte %d changed and it opens", i)
		}
	}
	for n := range a {
		if _, err := s.Open(a[:n], "x"); err == nil {
			t.Fatalf("cut to %d bytes it opens", n)
		}
	}
	if _, err := s.Open(a, "y"); !errors.Is(err, ErrSealBroken) {
		t.Fatalf("in another place: %v", err)
	}
	a[0] = 2
	if _, err := s.Open(a, "x"); !errors.Is(err, ErrNewer) {
		t.Fatalf("another version: %v", err)
	}
}

func TestSealWrongMasterKey(t *testing.T) {
	one, two := sealer(t, 1), sealer(t, 2)
	if one.KeyID() == two.KeyID() || len(one.KeyID()) != 16 || strings.Contains(one.KeyID(), "0101") {
		t.Fatalf("ids %s and %s", one.KeyID(), two.KeyID())
	}
	_, err := two.Open(seal(t, one, "plain secret", "x"), "x")
	var wrong *MasterKeyError
	if !errors.Is(err, ErrWrongMasterKey) || !errors.As(err, &wrong) || wrong.SealedWith != one.KeyID() || wrong.Have != two.KeyID() {
		t.Fatalf("%v", err)
	}
	check, err := one.CheckValue()
	if err != nil {
		t.Fatal(err)
	}
	if err := sealer(t, 1).Verify(check); err != nil {
		t.Fatal(err)
	}
	if err := two.Verify(check); !errors.Is(err, ErrWrongMasterKey) {
		t.Fatalf("%v", err)
	}
	if err := one.Verify(seal(t, one, "other", checkAAD)); !errors.Is(err, ErrSealBroken) {
		t.Fatalf("%v", err)
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := NewSealer(make([]byte, n)); err == nil {
			t.Fatalf("a master key of %d bytes passes", n)
		}
	}
}

func TestLoadMasterKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if _, source, _, err := LoadMasterKey("", "", dir, false); !errors.Is(err, ErrNoMasterKey) || !strings.Contains(source, dir) {
		t.Fatalf("none there: %v from %s", err, source)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Fatal("the directory was made though nothing was to be made")
	}
	made, source, created, err := LoadMasterKey("", "", dir, true)
	if err != nil || !created || len(made) != 32 || source != filepath.Join(dir, "master.key") {
		t.Fatalf("made %d bytes at %s: %v, %v", len(made), source, created, err)
	}
	again, _, created, err := LoadMasterKey("", "", dir, true)
	if err != nil || created || !bytes.Equal(made, again) {
		t.Fatalf("read again: created %v, %v", created, err)
	}
	f := func(path string, want os.FileMode) {
		t.Helper()
		fi, err := os.Stat(path)
		if err != nil || fi.Mode().Perm() != want {
			t.Fatalf("%s: %v, %v", path, fi.Mode(), err)
		}
	}
	f(dir, 0o700)
	f(source, 0o600)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
	if err := os.Chmod(source, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := LoadMasterKey("", "", dir, true); err == nil || !strings.Contains(err.Error(), "0640") {
		t.Fatalf("a file that others may read: %v", err)
	}

	key := bytes.Repeat([]byte{0xfb, 0xef}, 16)
	for _, text := range []string{hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key), base64.RawURLEncoding.EncodeToString(key) + "\n"} {
		got, source, created, err := LoadMasterKey("", text, dir, true)
		if err != nil || created || !bytes.Equal(got, key) || source != MasterKeyEnv {
			t.Fatalf("%q: %x from %s, %v", text, got, source, err)
		}
	}
	named := filepath.Join(t.TempDir(), "named")
	if err := os.WriteFile(named, []byte(hex.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, source, _, err := LoadMasterKey(named, "not looked at", dir, true); err != nil || !bytes.Equal(got, key) || source != named {
		t.Fatalf("a named file: %v from %s", err, source)
	}
	if _, _, _, err := LoadMasterKey(named+"x", "", dir, true); !errors.Is(err, ErrNoMasterKey) {
		t.Fatalf("a named file that is missing is made: %v", err)
	}
	for _, text := range []string{"short", strings.Repeat("z", 44), hex.EncodeToString(key[:31])} {
		if _, _, _, err := LoadMasterKey("", text, dir, true); err == nil || strings.Contains(err.Error(), text) {
			t.Fatalf("%q: %v", text, err)
		}
	}
}
