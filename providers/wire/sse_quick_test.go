package wire

import "testing"

func TestDataOffset(t *testing.T) {
	f := func(in string) {
		t.Helper()
		for cut := 0; cut <= len(in); cut++ {
			var s SSE
			got := ""
			take := func(ev Event) {
				got += string(ev.Raw)
				if len(ev.Data) > 0 && ev.At >= 0 && string(ev.Raw[ev.At:ev.At+len(ev.Data)]) != string(ev.Data) {
					t.Fatalf("cut %d: At %d of %q is not %q", cut, ev.At, ev.Raw, ev.Data)
				}
			}
			for _, part := range []string{in[:cut], in[cut:]} {
				s.Feed([]byte(part))
				for {
					ev, ok := s.Next()
					if !ok {
						break
					}
					take(ev)
				}
			}
			if ev, ok, _ := s.End(); ok {
				take(ev)
			}
			if got != in {
				t.Fatalf("cut %d: got %q, want %q", cut, got, in)
			}
		}
	}
	f("data: {\"a\":1}\n\n: ping\n\nevent: x\r\ndata:y\r\n\r\ndata: one\ndata: two\n\ndata: z")
	f("\xef\xbb\xbfdata: a\r\rdata: b\r\n\r\n")
}
