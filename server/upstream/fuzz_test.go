package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
)

// takeAll runs a body over in, cut into pieces by cuts, with a destination of size bytes.
func takeAll(b *body, in []byte, cuts []byte, size int) (out []byte, used int, err error) {
	p := make([]byte, size)
	end := 0
	for k := 0; ; k++ {
		if len(cuts) > 0 && end < len(in) {
			end = min(len(in), end+int(cuts[k%len(cuts)])%7+1)
		} else {
			end = len(in)
		}
		for {
			u, n, err := b.take(p, in[used:end])
			used += u
			out = append(out, p[:n]...)
			if err != nil {
				return out, used, err
			}
			if u == 0 && n == 0 {
				break
			}
		}
		if end == len(in) {
			return out, used, io.ErrUnexpectedEOF
		}
	}
}

func FuzzChunked(f *testing.F) {
	for _, s := range []string{
		"3\r\nabc\r\n0\r\n\r\n", "A\r\n0123456789\r\n00\r\nT: x\r\n\r\nrest", "3;a=b\r\nabc\r\n0\r\n", "3\r\nabcd\r\n", "-1\r\n", "x", "1 \r\na\r\n0\r\n\r\n",
		"000000000000001\r\na\r\n0\r\n\r\n", "1\na\n0\n\n", "3;b=a\rb\r\na c\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "\r\n", "1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
		"1\r\na\r\n0\r\nT: " + strings.Repeat("x", 5<<10) + "\r\n\r\n", "1;" + strings.Repeat("x", maxChunkLine-2) + "\r\na\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s), []byte{0})
		f.Add([]byte(s), []byte{3, 1})
		f.Add([]byte(s), []byte{})
	}
	f.Fuzz(func(t *testing.T, in, cuts []byte) {
		got, used, err := takeAll(&body{at: atChunkSize}, in, cuts, 5)
		whole, usedWhole, errWhole := takeAll(&body{at: atChunkSize}, in, nil, 1<<10)
		if !bytes.Equal(got, whole) || !errors.Is(err, errWhole) || errors.Is(err, io.EOF) && used != usedWhole {
			t.Fatalf("cuts change the answer: %q %v, whole %q %v", got, err, whole, errWhole)
		}
		want, wantErr := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(in))))
		if errors.Is(err, io.EOF) {
			// net/http's reader leaves the trailer alone, so it must be content with all that is whole here.
			if wantErr != nil || !bytes.Equal(got, want) {
				t.Fatalf("accepted %q as %q, net/http says %q %v", in, got, want, wantErr)
			}
			return
		}
		if !bytes.HasPrefix(want, got) && !bytes.HasPrefix(got, want) {
			t.Fatalf("%q: read %q, net/http %q", in, got, want)
		}
		// Refused here and whole there: only for what this reader is stricter about.
		if wantErr == nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errTrailer) && !strict(in) {
			t.Fatalf("refused %q (%v), net/http reads %q", in, err, want)
		}
	})
}

// strict tells inputs with sizes of more than 15 digits or white space that net/http passes over.
func strict(in []byte) bool {
	for line := range strings.SplitSeq(string(in), "\n") {
		line, _, _ = strings.Cut(line, ";")
		if len(strings.TrimSpace(line)) > 15 || strings.TrimRight(line, " \t\r") != strings.TrimSpace(line) || strings.ContainsAny(line, "\v\f") || strings.Count(line, "\r") > 1 || !strings.HasSuffix(line, "\r") {
			return true
		}
	}
	return false
}

func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.0 404\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nX\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		searched := 0
		n := findHead(in, &searched)
		again := 0
		for i := 1; i <= len(in); i++ { // a byte at a time must find the same end
			if m := findHead(in[:i], &again); m > 0 {
				if m != n {
					t.Fatalf("%q: ends at %d by bytes, at %d whole", in, m, n)
				}
				break
			} else if i == len(in) && n > 0 {
				t.Fatalf("%q: no end by bytes, at %d whole", in, n)
			}
		}
		if n == 0 {
			return
		}
		var h, hw head
		_, err := h.parse(in[:n], nil)
		if m, more := hw.parse(append(in[:n:n], "more\r\n\r\n"...), nil); (more == nil) != (err == nil) || more == nil && (m != n || hw.text != h.text) {
			t.Fatalf("%q: %v alone, with more behind it %v, %d bytes of %d", in[:n], err, more, m, n)
		}
		for i := range n {
			if _, cut := new(head).parse(in[:i], nil); cut == nil {
				t.Fatalf("%q: %q is taken for whole", in[:n], in[:i])
			}
		}
		if err != nil {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in[:n])), &http.Request{Method: "POST"})
		if err != nil {
			t.Fatalf("accepted %q, net/http says %v", in[:n], err)
		}
		if resp.StatusCode != h.status {
			t.Fatalf("%q: status %d, net/http %d", in[:n], h.status, resp.StatusCode)
		}
		if bodiless := h.status < 200 || h.status == 204 || h.status == 304; !bodiless && h.length != resp.ContentLength {
			t.Fatalf("%q: length %d, net/http %d", in[:n], h.length, resp.ContentLength)
		}
		if h.keep && resp.Close && (h.chunked || h.length >= 0) {
			t.Fatalf("%q: kept, net/http closes", in[:n])
		}
		first := map[string]string{}
		for _, f := range h.fields {
			name := http.CanonicalHeaderKey(h.name(&f))
			if _, seen := first[name]; !seen {
				first[name] = h.value(&f)
			}
			if !strings.ContainsAny(name, "^~") && h.find(name) != first[name] { // no name we know has these
				t.Fatalf("%q: %s is found as %q, not %q", in[:n], name, h.find(name), first[name])
			}
		}
		for name := range resp.Header {
			if first[name] != resp.Header.Get(name) {
				t.Fatalf("%q: %s is %q, net/http %q", in[:n], name, first[name], resp.Header.Get(name))
			}
		}
	})
}
