package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestMintKey(t *testing.T) {
	form := regexp.MustCompile(`^sk-gw-[0-9a-z]{8}_[0-9A-Za-z]{49}$`)
	seen := map[string]bool{}
	for range 200 {
		full, id, hash, err := MintKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !form.MatchString(full) || full[6:14] != id || hash != HashKey(full) || seen[id] {
			t.Fatalf("minted %q with id %q", full, id)
		}
		seen[id] = true
		if prefix, err := ParseKey(full); err != nil || prefix != "sk-gw-"+id {
			t.Fatalf("ParseKey(%q) = %q, %v", full, prefix, err)
		}
	}
	if _, _, _, err := MintKey(strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Fatalf("a random source that ends gives %v", err)
	}
	// The same random bytes make the same key for ever: the format is fixed.
	full, _, _, err := MintKey(bytes.NewReader(append(make([]byte, 8), bytes.Repeat([]byte{0xff}, 32)...)))
	if want := "sk-gw-00000000_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp11QR92l"; err != nil || full != want {
		t.Fatalf("%q, %v", full, err)
	}
}

func TestParseKey(t *testing.T) {
	full, _, _, err := MintKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := func(s, prefix string, want error) {
		t.Helper()
		got, err := ParseKey(s)
		if got != prefix || !errors.Is(err, want) {
			t.Fatalf("ParseKey(%q) = %q, %v; want %q, %v", s, got, err, prefix, want)
		}
		if err != nil && len(s) > 20 && strings.Contains(err.Error(), s[14:]) {
			t.Fatalf("the error shows the key: %v", err)
		}
	}
	for i := len(keyMark); i < len(full); i++ { // each single typing error is seen
		c := byte('0')
		if full[i] == c {
			c = '1'
		}
		f(full[:i]+string(c)+full[i+1:], "", ErrKeyTypo)
	}
	f(full[:len(full)-1], "", ErrKeyTypo)
	f(full+"0", "", ErrKeyTypo)
	f("sk-gw-", "", ErrKeyTypo)
	f("", "", ErrKeyForm)
	f(" "+full, "", ErrKeyForm)
	f(full+"\n", "", ErrKeyForm)
	f("sk-\x00abc", "", ErrKeyForm)
	f("clé", "", ErrKeyForm)
	f(strings.Repeat("a", 513), "", ErrKeyForm)
	f("sk-proj-0123456789abcdefghijklmnopqrstuv", "sk-proj-", ErrKeyForeign)
	f("abcd", "a", ErrKeyForeign)
	f("' OR '1'='1", "", ErrKeyForm)
}

func FuzzKeyParse(f *testing.F) {
	full, _, _, err := MintKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{full, full[:20], "", "sk-gw-ab12cd34_", "sk-proj-abc", "\xff\x00", strings.ToUpper(full)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		prefix, err := ParseKey(s)
		switch {
		case err == nil:
			if len(s) != keyLen || s[:len(prefix)] != prefix {
				t.Fatalf("%q passes as a key with prefix %q", s, prefix)
			}
		case !errors.Is(err, ErrKeyTypo) && !errors.Is(err, ErrKeyForeign) && !errors.Is(err, ErrKeyForm):
			t.Fatalf("untyped error %v", err)
		case len(prefix) > 8:
			t.Fatalf("%q shows %q", s, prefix)
		}
	})
}
