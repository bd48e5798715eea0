package vault

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/your-org/ai-api-gateway/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key, call, tool = "key-1", "toolu_1", "read"

var args = []byte(`{"path":"a"}`)

// sealedLen is what n bytes become.
func sealedLen(t testing.TB, n int) int64 {
	t.Helper()
	sealed, err := ownSealer().Seal(store.NewSecret(strings.Repeat("x", n)), "p")
	if err != nil {
		t.Fatal(err)
	}
	return int64(cap(sealed))
}

func TestPutGet(t *testing.T) {
	v := New(Options{})
	if _, ok := v.Get(key, call, tool, args); ok {
		t.Fatal("an empty vault holds something")
	}
	value := []byte("thought")
	v.Put(key, call, tool, args, value)
	value[0] = 'X'
	got, ok := v.Get(key, call, tool, args)
	if !ok || string(got) != "thought" {
		t.Fatalf("%q %v", got, ok)
	}
	got[0] = 'Y'
	if got, _ = v.Get(key, call, tool, args); string(got) != "thought" {
		t.Fatalf("a caller changed the entry: %q", got)
	}
	v.Put(key, call, tool, args, []byte("second"))
	if got, _ = v.Get(key, call, tool, args); string(got) != "second" {
		t.Fatalf("not replaced: %q", got)
	}
	v.Put(key, "empty", tool, args, nil)
	if got, ok = v.Get(key, "empty", tool, args); !ok || len(got) != 0 {
		t.Fatalf("empty value: %q %v", got, ok)
	}
	want := Stats{Entries: 2, Bytes: 2*overhead + sealedLen(t, 6) + sealedLen(t, 0), Hits: 4, Misses: 1}
	if s := v.Stats(); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
}

// TestIdentity: what is the same call, and what is another.
func TestIdentity(t *testing.T) {
	v := New(Options{})
	const kept = `{"path":"ä\n/","n":[1,2.50,12345678901234567890],"o":{"b":null,"a":true}}`
	v.Put(key, call, tool, []byte(kept), []byte("x"))
	v.Put(key, "none", tool, nil, []byte("x"))
	v.Put(key, "cut", tool, []byte(`{"path":"a`), []byte("x"))
	v.Put(key, "twice", tool, []byte(`{"a":1,"a":2}`), []byte("x"))
	f := func(keyID, callID, toolName, args string, want bool) {
		t.Helper()
		if _, ok := v.Get(keyID, callID, toolName, []byte(args)); ok != want {
			t.Errorf("Get(%q, %q, %q, %s) found %v, want %v", keyID, callID, toolName, args, ok, want)
		}
	}
	f(key, call, tool, kept, true)
	f(key, call, tool, ` { "o" : {"a":true, "b":null}, "path":"ä\n/", "n":[1, 2.50, 12345678901234567890] } `, true)
	f(key, call, tool, `{"n":[1,2.50,12345678901234567890],"path":"\u00e4\u000a\/","o":{"b":null,"\u0061":true}}`, true)
	f(key, call, tool, `{"path":"ä\n/","n":[2.50,1,12345678901234567890],"o":{"b":null,"a":true}}`, false) // order within a list
	f(key, call, tool, `{"path":"ä\n/","n":[1,2.50,12345678901234567891],"o":{"b":null,"a":true}}`, false) // the last digit
	f(key, call, tool, `{"path":"ä\n/","n":[1,2.5,12345678901234567890],"o":{"b":null,"a":true}}`, false)  // numbers as text
	f(key, call, tool, `{"path":"ö\n/","n":[1,2.50,12345678901234567890],"o":{"b":null,"a":true}}`, false)
	f("key-2", call, tool, kept, false)
	f(key, "toolu_2", tool, kept, false)
	f(key, call, "write", kept, false)
	f(key, call, tool, "", false)
	f(key, "none", tool, "{}", true)
	f(key, "none", tool, " { }\n", true)
	f(key, "none", tool, "null", false)
	f(key, "cut", tool, `{"path":"a`, true)
	f(key, "cut", tool, ` {"path":"a`, true)
	f(key, "cut", tool, `{ "path":"a`, false)
	f(key, "twice", tool, `{"a":1, "a":2}`, true)
	f(key, "twice", tool, `{"a":2}`, false)
	f(key+call, "", tool, kept, false) // parts do not run together
	f("", key+call, tool, kept, false)
	f(key, call+tool, "", kept, false)
}

// TestBound: the bound holds to the byte, and the least recently used go first.
func TestBound(t *testing.T) {
	value := bytes.Repeat([]byte("x"), 100)
	one := sealedLen(t, 100) + overhead
	v := New(Options{MaxBytes: 3 * one})
	name := func(i int) string { return fmt.Sprint("call-", i) }
	for i := range 3 {
		v.Put(key, name(i), tool, args, value)
	}
	if s := v.Stats(); s.Entries != 3 || s.Bytes != 3*one || s.Evicted != 0 {
		t.Fatalf("three fit exactly: %+v", s)
	}
	v.Get(key, name(0), tool, args) // now 1 is the least recently used
	v.Put(key, name(3), tool, args, value)
	for i, want := range []bool{true, false, true, true} {
		if _, ok := v.Get(key, name(i), tool, args); ok != want {
			t.Errorf("entry %d is there: %v", i, ok)
		}
	}
	v.Put(key, name(4), tool, args, value[:99]) // one goes, though a byte less is needed
	if s := v.Stats(); s.Entries != 3 || s.Bytes != 3*one-1 && s.Bytes > 3*one || s.Evicted != 2 {
		t.Errorf("%+v", s)
	}
	v.Put(key, name(4), tool, args, value) // replacing makes its own room
	if s := v.Stats(); s.Entries != 3 || s.Evicted != 2 {
		t.Errorf("%+v", s)
	}
	big := bytes.Repeat([]byte("x"), int(2*one))
	v.Put(key, "big", tool, args, big) // as large as two: all that is not needed stays
	if s := v.Stats(); s.Bytes > 3*one || s.Entries != 1 {
		t.Errorf("%+v", s)
	}
	v.Put(key, "huge", tool, args, append(big, big...))
	if s := v.Stats(); s.Refused != 1 || s.Entries != 1 {
		t.Errorf("%+v", s)
	}
	v.Put(key, "big", tool, args, append(big, big...)) // too large now: the old one must not answer for it
	if _, ok := v.Get(key, "big", tool, args); ok {
		t.Error("an entry that was to be replaced is given out")
	}
	if s := v.Stats(); s.Bytes != 0 || s.Entries != 0 || v.recent.Len() != 0 || v.ages.Len() != 0 {
		t.Errorf("%+v", s)
	}
}

// TestRealMemory: the accounted bytes are what the entries really take.
func TestRealMemory(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	v := New(Options{})
	before := heap()
	for i := range 20_000 {
		v.Put(key, fmt.Sprint(i), tool, nil, []byte("small"))
	}
	took, said := heap()-before, v.Stats().Bytes
	t.Logf("%d bytes taken, %d accounted", took, said)
	if took > said*5/4 || took < said/2 {
		t.Errorf("%d bytes taken, %d accounted", took, said)
	}
	runtime.KeepAlive(v)
}

func TestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := New(Options{TTL: time.Hour})
		v.Put(key, "1", tool, args, []byte("x"))
		time.Sleep(30 * time.Minute)
		v.Put(key, "2", tool, args, []byte("x"))
		time.Sleep(30*time.Minute - 1)
		if _, ok := v.Get(key, "1", tool, args); !ok { // does not live longer for being used
			t.Error("gone before its time")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := v.Get(key, "1", tool, args); ok {
			t.Error("outlived its time")
		}
		if s := v.Stats(); s.Entries != 1 || s.Expired != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Hour)
		if s := v.Stats(); s.Entries != 0 || s.Bytes != 0 || s.Expired != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// TestClockSetBack: an entry behind a younger one is not given out after its time.
func TestClockSetBack(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	v := New(Options{TTL: time.Hour, Now: func() time.Time { return now }})
	v.Put(key, "1", tool, args, []byte("x")) // until 13:00
	now = now.Add(-30 * time.Minute)
	v.Put(key, "2", tool, args, []byte("x")) // until 12:30
	now = now.Add(time.Hour)
	if _, ok := v.Get(key, "2", tool, args); ok {
		t.Error("outlived its time")
	}
	if _, ok := v.Get(key, "1", tool, args); !ok {
		t.Error("gone before its time")
	}
	if s := v.Stats(); s.Entries != 1 || s.Expired != 1 {
		t.Errorf("%+v", s)
	}
}

// TestSealed: nothing is readable in memory; what was changed, or moved to
// another key's place, or sealed by another master key, is not given out and goes.
func TestSealed(t *testing.T) {
	f := func(name string, spoil func(v *Vault, at id)) {
		t.Run(name, func(t *testing.T) {
			v := New(Options{})
			v.Put(key, call, tool, args, []byte("a secret thought"))
			at := identify(key, call, tool, args)
			if bytes.Contains(v.index[at].sealed, []byte("secret")) {
				t.Fatal("kept in the open")
			}
			spoil(v, at)
			if got, ok := v.Get(key, call, tool, args); ok {
				t.Errorf("given out: %q", got)
			}
			if s := v.Stats(); s.Broken != 1 || s.Hits != 0 || s.Misses != 1 || v.index[at] != nil {
				t.Errorf("%+v", s)
			}
		})
	}
	for _, i := range []int{0, 1, 12, 40, 75, -20, -1} {
		f(fmt.Sprint("byte ", i), func(v *Vault, at id) {
			sealed := v.index[at].sealed
			sealed[(i+len(sealed))%len(sealed)] ^= 1
		})
	}
	f("cut", func(v *Vault, at id) { v.index[at].sealed = v.index[at].sealed[:20] })
	f("moved", func(v *Vault, at id) {
		v.Put("key-2", call, tool, args, []byte("of another"))
		v.index[at].sealed = v.index[identify("key-2", call, tool, args)].sealed
	})
	f("another master key", func(v *Vault, _ id) { v.o.Sealer = ownSealer() })
}

// TestConcurrent is for the race detector, and holds the bound meanwhile.
func TestConcurrent(t *testing.T) {
	const most = 20 << 10
	v := New(Options{MaxBytes: most})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			own := fmt.Sprint("key-", g)
			for i := range 300 {
				c := fmt.Sprint(i % 20)
				v.Put(own, c, tool, args, []byte(own+c))
				if got, ok := v.Get(own, fmt.Sprint((i+7)%20), tool, args); ok && !strings.HasPrefix(string(got), own) {
					t.Errorf("%s got %q", own, got)
				}
				if s := v.Stats(); s.Bytes > most || s.Bytes < 0 {
					t.Errorf("%d bytes", s.Bytes)
				}
			}
		})
	}
	wg.Wait()
	var sum int64
	for _, e := range v.index {
		sum += e.cost()
	}
	if s := v.Stats(); s.Bytes != sum || s.Entries != v.recent.Len() || s.Entries != v.ages.Len() || s.Evicted == 0 {
		t.Errorf("%+v, sum %d", s, sum)
	}
}

// FuzzCanonical: a layout is a fixed point, and no input panics.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"", "{}", `{"b":1,"a":[1.0,"\u0041"]}`, `{"a":1,"a":2}`, `{"a`, "\xff", `"\ud800"`, "[[[["} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, args []byte) {
		once := Canonical(nil, args)
		if twice := Canonical(nil, once); !bytes.Equal(once, twice) {
			t.Errorf("%q becomes %q, then %q", args, once, twice)
		}
		if got := Canonical([]byte("p"), args); string(got) != "p"+string(once) {
			t.Errorf("behind a prefix: %q", got)
		}
	})
}

// BenchmarkVault tells what Put and Get of a thought of that size cost.
func BenchmarkVault(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10} {
		value := bytes.Repeat([]byte("x"), size)
		v := New(Options{})
		v.Put(key, call, tool, args, value)
		b.Run(fmt.Sprintf("put/%dK", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Put(key, call, tool, args, value)
			}
		})
		b.Run(fmt.Sprintf("get/%dK", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := v.Get(key, call, tool, args); !ok {
					b.Fatal("miss")
				}
			}
		})
	}
	v := New(Options{})
	v.Put(key, call, tool, args, nil)
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			v.Get(key, "other", tool, args)
		}
	})
}
