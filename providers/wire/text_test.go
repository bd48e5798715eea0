package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzText holds what is written and read by hand against the library, for any bytes.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"b\\c/\b\f\n\r\t\x00\x1f\x7f", "é世界\u2028<>&😀", "\xff\xfe cut \xe4\xb8", strings.Repeat("long text, ", 20) + "\"", `"a\"b\\\"c"`, `"\u00e9\ud83d\ude00\ud83dx\ude00\u0000\/"`, `"\ud83d\u0041"`, `"\\\\"`, `"\`, "\"\xff\\n\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want, _ := jsontext.AppendQuote(nil, b)
		got := AppendString(nil, b)
		if string(got) != string(want) {
			t.Errorf("%q is written %s, want %s", b, got, want)
		}
		read(t, got)
		read(t, b)
	})
}

// TestRuns holds the searches for what ends a run of plain bytes against a look at each
// byte, for any length, place and byte, where nothing behind the text may be read.
func TestRuns(t *testing.T) {
	narrow := func(s string) (n int, high int) {
		defer func(was bool) { wide = was }(wide)
		wide = false
		return run16(s)
	}
	for _, run := range []struct {
		name string
		of   func(string) (n int, high int)
		size int // of a block
	}{{"run16", run16, 16}, {"run16 without AVX2", narrow, 16}, {"runWords", runWords, 8}} {
		for length := range 70 {
			text := []byte(strings.Repeat("plain text, with é. ", 4))[:length]
			for at := -1; at < length; at++ {
				for c := range 256 {
					b := bytes.Clone(text)
					if at >= 0 {
						b[at] = byte(c)
					}
					n, high := run.of(string(b))
					want, seen := 0, 0
					for want < len(b) && !marked(b[want]) {
						want++
					}
					want = min(want, len(b)/run.size*run.size) // behind the last whole block nothing is looked at
					for _, c := range b[:want] {
						seen |= int(c) & 0x80
					}
					if n != want {
						t.Fatalf("%s of %q: %d, want %d", run.name, b, n, want)
					}
					if seen != 0 && high == 0 {
						t.Fatalf("%s of %q does not tell that it is not ASCII", run.name, b)
					}
				}
			}
		}
	}
}

// read holds the reading of a string against the library's.
func read(t *testing.T, b []byte) {
	t.Helper()
	got, ok := String(b)
	value := jsontext.Value(b)
	if wellFormed := value.IsValid(jsontext.AllowInvalidUTF8(true)) && value.Kind() == '"'; ok != wellFormed {
		t.Errorf("%q: %v", b, ok)
	}
	if !ok {
		return
	}
	b = bytes.Trim(b, " \n\r\t")
	if want, _ := jsontext.AppendUnquote(nil, b); got != string(want) {
		t.Errorf("%q is read as %q, want %q", b, got, want)
	}
	if i := SkipString(append(b, `,"x"`...), 0); i != len(b) {
		t.Errorf("%q ends at %d", b, i)
	}
}
