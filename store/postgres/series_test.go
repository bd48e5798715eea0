//go:build unix

package postgres

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/store"
)

// TestDictionary: texts that the database would keep as the same are one name.
func TestDictionary(t *testing.T) {
	d := dictionary{of: map[string]name{}}
	f := func(s, want string) {
		t.Helper()
		for range 2 {
			if n := d.name(s); d.text(n) != want || (n == 0) != (want == "") || d.name(want) != n {
				t.Errorf("%q is %d, %q; want %q", s, n, d.text(n), want)
			}
		}
	}
	f("", "")
	f("gpt-4o", "gpt-4o")
	f("a\x00b", text("a\x00b"))
	f("a\xffb", text("a\xffb"))
	f(strings.Repeat("x", 2*store.MaxText), text(strings.Repeat("x", 2*store.MaxText)))
	f("通义", "通义")
	a, b := d.series(levelFull, "k", "m", "", "a", "e", "g"), d.series(levelFull, "k", "m", "a", "", "e", "g")
	if a == b || string(d.digest(a)) == string(d.digest(b)) || string(d.digest(a)) == string(d.digest(a.reduced(levelTimed))) {
		t.Errorf("%v and %v are one", d.textsOf(a), d.textsOf(b))
	}
	if s := a.reduced(levelKeyed); d.textsOf(s) != [6]string{"k"} || s.level != levelKeyed {
		t.Errorf("%v", s)
	}
}

// TestTrim has what is remembered of the database become too much between batches.
func TestTrim(t *testing.T) {
	s := open(t, shared.Database(t), Options{})
	for seq := uint64(1); seq < 4; seq++ {
		for i := range maxSeries + 1 {
			s.known.series[series{key: name(i)}] = -1
		}
		if err := s.Append(t.Context(), []store.Entry{settle("A", 2*seq-1, "m"), settle("A", 2*seq, "n")}); err != nil {
			t.Fatal(err)
		}
		if n := len(s.known.series); n > 16 {
			t.Errorf("%d series are remembered", n)
		}
	}
	if v, err := s.Verify(t.Context()); err != nil || v.Fault != "" || v.Rows != 6 {
		t.Errorf("%+v, %v", v, err)
	}
}
