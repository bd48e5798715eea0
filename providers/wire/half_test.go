package wire

import "testing"

// TestHalf: the halves of a character come together, and nothing else is touched.
func TestHalf(t *testing.T) {
	f := func(want string, fragments ...string) {
		t.Helper()
		var h Half
		var got string
		for _, v := range fragments {
			was := v
			b := []byte(v)
			s, ok := String(h.Join(b))
			if !ok || string(b) != was {
				t.Errorf("%q: not a string any more, or changed in place: %q", v, b)
			}
			got += s
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", fragments, got, want)
		}
	}
	f("a😀b", `"a\ud83d"`, `"\ude00b"`)
	f("😀😀", `"\uD83D"`, `"\uDE00\uD83D"`, `"\uDE00"`)
	f("😀", `"\ud83d"`, `""`, `"\ude00"`)
	f("\ufffdx", `"\ud83d"`, `"x"`)                 // its other half never came
	f("a\\ud83d\\ude00", `"a\\ud83d"`, `"\\ude00"`) // a backslash and letters, no escape
	f("a\\😀", `"a\\\ud83d"`, `"\ude00"`)
	f("a", `"a\ud83d"`) // the text ends in the middle
	f("\ufffda", `"\ude00a"`)
	f("ud83d", `"ud83d"`)
}
