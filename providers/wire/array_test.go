package wire

import (
	"bytes"
	"encoding/json"
	"testing"
)

// readArray feeds data in pieces of the given sizes, which repeat.
func readArray(t *testing.T, data []byte, sizes []byte) (elems []string, whole bool, err error) {
	t.Helper()
	var r Array
	var all []byte
	for i, rest := 0, data; len(rest) > 0; i++ {
		n := len(rest)
		if len(sizes) > 0 {
			n = min(n, 1+int(sizes[i%len(sizes)]))
		}
		piece := bytes.Clone(rest[:n])
		r.Feed(piece)
		clear(piece) // it may be reused
		rest = rest[n:]
		for {
			elem, raw, ok := r.Next()
			if !ok {
				break
			}
			elems = append(elems, string(elem))
			all = append(all, raw...)
		}
	}
	end, whole := r.End()
	if all = append(all, end...); !bytes.Equal(all, data) {
		t.Errorf("the bytes passed on are %q, fed %q", all, data)
	}
	return elems, whole, r.Err()
}

// FuzzArray: however an array is cut, its elements are those a reader of the whole
// finds, and no byte is lost.
func FuzzArray(f *testing.F) {
	f.Add([]byte(`[{"a":"]}"},`+"\r\n"+`{"b":["\"{\\"]}]`), []byte{0})
	f.Add([]byte("[]\n"), []byte{3})
	f.Add([]byte(`[{"a":1}`), []byte{1, 2})
	f.Add([]byte(`[1]`), []byte{})
	f.Add([]byte(`{"error":{}}`), []byte{4})
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		want, whole, err := readArray(t, data, nil)
		got, wholeToo, errToo := readArray(t, data, sizes)
		if len(got) != len(want) || whole != wholeToo || err != errToo {
			t.Fatalf("cut: %q %v %v, at once: %q %v %v", got, wholeToo, errToo, want, whole, err)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("element %d is %q cut and %q at once", i, got[i], want[i])
			}
		}
		var list []json.RawMessage
		if json.Unmarshal(data, &list) != nil || bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
			return
		}
		for _, e := range list {
			if e[0] != '{' {
				return
			}
		}
		if !whole || err != nil || len(want) != len(list) {
			t.Fatalf("%d of %d elements, whole %v, %v", len(want), len(list), whole, err)
		}
		for i := range list {
			if want[i] != string(list[i]) {
				t.Fatalf("element %d is %q, want %q", i, want[i], list[i])
			}
		}
	})
}
