package server

import (
	"bytes"
	"testing"

	"github.com/valyala/fasthttp"
)

// Through the sieve every header is found that there is, in whatever case it came, and no other.
func TestSieve(t *testing.T) {
	names := []string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Via", "Cookie", "X-Request-Id", "Idempotency-Key", "Content-Encoding"}
	names = append(append(names, passOn[:]...), sessionHeaders[:]...)
	absent := 0
	for _, there := range names {
		for _, as := range [][]byte{[]byte(there), bytes.ToLower([]byte(there)), bytes.ToUpper([]byte(there))} {
			raw := append(append([]byte("host: x\r\n"), as...), ": value\r\n\r\n"...)
			sieve, e := checkHeaders(raw)
			if e != nil {
				t.Fatal(e)
			}
			var h fasthttp.RequestHeader
			h.SetBytesKV(as, []byte("value"))
			for _, name := range names {
				if got, want := sieve.peek(&h, name), h.Peek(name); !bytes.Equal(got, want) {
					t.Errorf("%s of a request with %s: %q, want %q", name, as, got, want)
				}
				if sieve&bitOf(name) == 0 {
					absent++
				}
			}
		}
	}
	if looks := 3 * len(names) * len(names); absent < looks*8/10 {
		t.Errorf("of %d names looked for %d are sorted out", looks, absent)
	}
	if s, _ := checkHeaders(nil); s != anyName {
		t.Error("a request that no header lines are kept of has no headers")
	}
}
