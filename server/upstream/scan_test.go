package upstream

import (
	"bytes"
	"strings"
	"testing"
)

// What is read eight bytes at a time is what is read byte by byte, for each byte at each place.
func TestScan(t *testing.T) {
	f := func(b []byte) {
		t.Helper()
		for i := 0; i <= len(b); i++ {
			k := i
			for k < len(b) && (b[k] >= ' ' && b[k] != 0x7f) {
				k++
			}
			if got := control(b, i); got != k {
				t.Errorf("%q from %d: control character at %d, want %d", b, i, got, k)
			}
			k = i
			for k < len(b) && tokens[b[k]] {
				k++
			}
			if got := tokenEnd(b, i); got != k {
				t.Errorf("%q from %d: token ends at %d, want %d", b, i, got, k)
			}
		}
	}
	for c := range 256 {
		for at := range 19 {
			for _, fill := range []byte("aZ-0\xff\x00\x20\x7f@[`{") {
				b := bytes.Repeat([]byte{fill}, 19)
				b[at] = byte(c)
				f(b)
			}
		}
	}
}

func TestSameName(t *testing.T) {
	for _, name := range []string{"te", "via", "Date", "upgrade", "x-digit0", "connection", "Content-Length", "Transfer-Encoding"} {
		for _, token := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
			if !sameName(token, name) {
				t.Errorf("%q is not %q", token, name)
			}
		}
		if sameName(name+"x", name) || sameName(name[1:], name) {
			t.Errorf("%q is taken for what is longer or shorter", name)
		}
		for at := range len(name) {
			for c := range 256 {
				token := name[:at] + string([]byte{byte(c)}) + name[at+1:]
				if tokens[c] && sameName(token, name) != strings.EqualFold(token, name) {
					t.Errorf("%q and %q: %v", token, name, sameName(token, name))
				}
			}
		}
	}
}
