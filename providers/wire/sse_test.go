package wire

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// show writes an event as name|data, with ! for Comment and ~ for Partial.
func show(ev Event) string {
	s := string(ev.Name) + "|" + string(ev.Data)
	if ev.Comment {
		s += "!"
	}
	if ev.Partial {
		s += "~"
	}
	return s
}

// readSSE feeds the parts and returns the events; it fails if their Raw is not the input.
func readSSE(t *testing.T, parts ...[]byte) []string {
	t.Helper()
	var s SSE
	var out []string
	var raw []byte
	take := func(ev Event) {
		out = append(out, show(ev))
		raw = append(raw, ev.Raw...)
		if ev.At >= 0 && !ev.Comment && !bytes.Equal(ev.Raw[ev.At:ev.At+len(ev.Data)], ev.Data) {
			t.Fatalf("At %d of %q is not %q", ev.At, ev.Raw, ev.Data)
		}
	}
	for _, p := range parts {
		p = bytes.Clone(p)
		s.Feed(p)
		for ev, ok := s.Next(); ok; ev, ok = s.Next() {
			take(ev)
		}
		for i := range p { // the caller may use its buffer again
			p[i] = '#'
		}
	}
	ev, ok, err := s.End()
	if err != nil {
		t.Fatal(err)
	}
	if ok {
		take(ev)
	}
	if in := bytes.Join(parts, nil); !bytes.Equal(raw, in) {
		t.Fatalf("Raw is %q, input %q", raw, in)
	}
	return out
}

func TestSSE(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		if got := readSSE(t, []byte(in)); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%q:\ngot  %q\nwant %q", in, got, want)
		}
	}
	f("")
	f("data: a\n\n", "|a")
	f("data:a\n\ndata:  b\n\n", "|a", "| b")
	f("event: e\ndata: a\n\n", "e|a")
	f("event: e\nevent: f\ndata: a\n\n", "f|a")
	f("data: a\r\n\r\ndata: b\r\n\r\n", "|a", "|b")
	f("data: a\r\rdata: b\r\r", "|a", "|b")
	f("data: a\n\r\ndata: b\r\n\ndata: c\r\n\r", "|a", "|b", "|c")
	f("data: a\ndata\ndata: b\n\n", "|a\n\nb")
	f("data\n\n", "|")
	f("data: \n\n", "|")
	f(": ping\n\ndata: a\n\n", "|!", "|a")
	f(": x\ndata: a\n\n", "|a")
	f("event: ping\n\n", "ping|!")
	f("retry: 3\nid: 7\n\ndata: a\n\n", "|!", "|a")
	f("\n\n\ndata: a\n\n", "|!", "|!", "|!", "|a")
	f("\xef\xbb\xbfdata: a\n\n", "|a")
	f("\xef\xbb\xbf\n\ndata: \xef\xbb\xbfb\n\n", "|!", "|!", "|\xef\xbb\xbfb")
	f("data: a\n\n\xef\xbb\xbfdata: b\n\n", "|a", "|!")
	f("dat: a\ndatas: b\n data: c\n\n", "|!")
	f("{\"error\":1}\n\n", "|!")
	f("data: a\u2028b\x00\n\n", "|a\u2028b\x00")
	f("data: a\n\ndata: [DONE]", "|a", "|[DONE]~")
	f("data: a\n\ndata: [DONE]\n", "|a", "|[DONE]")
	f("data: a\n\n: bye", "|a", "|!~")
	f("{\"error\":", "|!~")
}

// Row 41: every split of a transcript reads the same; so does every line end.
func TestSSESplits(t *testing.T) {
	text := ": start\n\nevent: message_start\ndata: {\"t\":\"Grüße 世界 🙂 \u2028\"}\n\ndata: one\ndata: two\n\nretry: 1\n\ndata:x\n\ndata: [DONE]\n\n"
	want := fmt.Sprintf("%q", readSSE(t, []byte(text)))
	for _, eol := range []string{"\n", "\r\n", "\r"} {
		in := []byte("\xef\xbb\xbf" + strings.ReplaceAll(text, "\n", eol))
		for i := range in {
			for _, j := range []int{i, i + 1, i + 2, len(in)} {
				j = min(j, len(in))
				if got := fmt.Sprintf("%q", dispatched(readSSE(t, in[:i], in[i:j], in[j:]))); got != want {
					t.Fatalf("%q cut at %d and %d:\ngot  %s\nwant %s", eol, i, j, got, want)
				}
			}
		}
		var single [][]byte
		for i := range in {
			single = append(single, in[i:i+1])
		}
		if got := fmt.Sprintf("%q", dispatched(readSSE(t, single...))); got != want {
			t.Fatalf("%q by bytes:\ngot  %s\nwant %s", eol, got, want)
		}
	}
}

// dispatched drops a last event that is only the LF of a CRLF whose CR ended the event before.
func dispatched(events []string) []string {
	if n := len(events); n > 0 && events[n-1] == "|!" {
		return events[:n-1]
	}
	return events
}

// Row 42: long lines pass up to the limit.
func TestSSELimits(t *testing.T) {
	f := func(line, times, step int, want error) {
		t.Helper()
		in := []byte(strings.Repeat("data: "+strings.Repeat("x", line-6)+"\n", times) + "\n")
		var s SSE
		size := 0
		for i := 0; i < len(in); i += step {
			s.Feed(in[i:min(len(in), i+step)])
			for ev, ok := s.Next(); ok; ev, ok = s.Next() {
				size += len(ev.Data)
			}
		}
		_, _, err := s.End()
		if !errors.Is(err, want) || !errors.Is(s.Err(), want) || want == nil && size != times*(line-6)+times-1 {
			t.Errorf("%d × %d by %d: read %d, error %v, want %v", times, line, step, size, err, want)
		}
		if _, ok := s.Next(); ok && want != nil {
			t.Error("an event after the fault")
		}
		s.Reset()
		if s.Feed([]byte("data: a\n\n")); s.Err() != nil {
			t.Error("the fault outlives Reset")
		}
		if cap(s.pending) > keep || cap(s.joined) > keep {
			t.Errorf("%d and %d bytes kept", cap(s.pending), cap(s.joined))
		}
	}
	f(65_537, 1, 4096, nil)
	f(8<<20, 1, 16<<10, nil)
	f(MaxLine, 1, 1<<20, nil)
	f(MaxLine, 1, 64<<20, nil)
	f(MaxLine+1, 1, 16<<10, ErrLineTooLong)
	f(MaxLine+1, 1, 64<<20, ErrLineTooLong)
	f(15<<20, 2, 1<<20, nil)
	f(15<<20, 3, 1<<20, ErrEventTooLong)
	f(15<<20, 3, 64<<20, ErrEventTooLong)
}

// Many short lines, whatever their ends, and a stream by single bytes are read in linear time.
func TestSSEIsLinear(t *testing.T) {
	f := func(name, unit string, times, step int) {
		t.Helper()
		in := []byte(strings.Repeat(unit, times))
		start := time.Now()
		var s SSE
		for i := 0; i < len(in); i += step {
			s.Feed(in[i:min(len(in), i+step)])
			for _, ok := s.Next(); ok; _, ok = s.Next() {
			}
		}
		s.End()
		d := time.Since(start)
		t.Logf("%s: %d bytes in %v", name, len(in), d)
		if d > 5*time.Second*slow { // on a busy machine; what is not linear takes minutes
			t.Errorf("%s took %v", name, d)
		}
	}
	f("CR lines in one event", "d\r", 2<<20, 64<<20)
	f("CR lines in pieces", "d\r", 2<<20, 16<<10)
	f("LF lines in one event", "data:\n", 1<<20, 16<<10)
	f("events by single bytes", "data: x\n\n", 100_000, 1)
	f("one long line by single bytes", "x", 2<<20, 1)
	f("empty events", "data: \n\n", 200_000, 16<<10)
	f("CR events in one piece", "data: x\r\r", 400_000, 64<<20)
	f("CRLF events in one piece", "event: e\r\ndata: x\r\n\r\n", 200_000, 64<<20)
	f("LF events of two fields in one piece", "data: x\r\ndata: y\n\n", 200_000, 64<<20)
}

func TestSSEDoesNotCopy(t *testing.T) {
	in := []byte(strings.Repeat("data: {\"a\":1}\n\n", 100))
	var s SSE
	n := testing.AllocsPerRun(100, func() {
		s.Feed(in)
		for ev, ok := s.Next(); ok; ev, ok = s.Next() {
			if &ev.Raw[0] != &in[0] && cap(s.pending) > 0 {
				t.Fatal("an event that was whole was copied")
			}
		}
	})
	if n > 0 {
		t.Errorf("reading whole events allocates %v times", n)
	}
	runtime.KeepAlive(in)
}

// Feeding before Next has reported false loses nothing.
func TestSSEFedEarly(t *testing.T) {
	var s SSE
	s.Feed([]byte("data: a\n\ndata: b\n\ndata:"))
	first, _ := s.Next()
	got := show(first)
	s.Feed([]byte(" c\n\n"))
	for ev, ok := s.Next(); ok; ev, ok = s.Next() {
		got += show(ev)
	}
	if got != "|a|b|c" {
		t.Errorf("got %q", got)
	}
}

func TestAppend(t *testing.T) {
	f := func(event, data, want string) {
		t.Helper()
		got := AppendData([]byte("x"), event, []byte(data))
		if string(got) != "x"+want {
			t.Errorf("%q %q: got %q, want %q", event, data, got[1:], want)
		}
		ev := readSSE(t, got[1:])
		name, _, _ := strings.Cut(event, "\n")
		if read := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data); len(ev) != 1 || ev[0] != name+"|"+read {
			t.Errorf("%q %q reads back as %q", event, data, ev)
		}
	}
	f("", "a", "data: a\n\n")
	f("e", `{"a":1}`, "event: e\ndata: {\"a\":1}\n\n")
	f("", "", "data: \n\n")
	f("", "a\nb", "data: a\ndata: b\n\n")
	f("", "a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n")
	f("", "\n", "data: \ndata: \n\n")
	f("e\ndata: x", "a", "event: e\ndata: a\n\n")
}

func FuzzSSEReader(f *testing.F) {
	for _, s := range []string{
		"data: a\n\n", "\xef\xbb\xbfdata: a\r\n\r\n:c\r\revent:x\ndata\ndata: b\n\r\n", "\r\n\r\n\r\r\n", "data: a", "event: e\n\n\n", "\xef\xbb", "\xef\xbb\xbf", "\xef\xbbdata: x\n\n", "data: a\rdata: b\r\r", "id: 1\nretry: 2\n\n",
	} {
		f.Add([]byte(s), uint16(3), uint16(5))
	}
	f.Fuzz(func(t *testing.T, in []byte, a, b uint16) {
		want := naive(in)
		check := func(parts ...[]byte) {
			t.Helper()
			got := readSSE(t, parts...)
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) && fmt.Sprintf("%q", got) != fmt.Sprintf("%q", append(want[:len(want):len(want)], "|!")) {
				t.Fatalf("%q:\ngot  %q\nwant %q", parts, got, want)
			}
		}
		check(in)
		if len(in) <= 200 {
			for i := range in {
				check(in[:i], in[i:])
			}
		}
		i := int(a) % (len(in) + 1)
		j := i + int(b)%(len(in)-i+1)
		check(in[:i], in[i:j], in[j:])
		single := make([][]byte, len(in))
		for k := range in {
			single[k] = in[k : k+1]
		}
		check(single...)
	})
}

// naive reads a whole stream after the letter of the specification.
func naive(in []byte) (out []string) {
	text, marked := strings.CutPrefix(string(in), "\xef\xbb\xbf")
	if text == "" {
		if marked {
			return []string{"|!~"}
		}
		return nil
	}
	ends := strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\r")
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	if ends {
		lines = lines[:len(lines)-1]
	}
	name, data, open := "", []string(nil), false
	flush := func() {
		ev := Event{Name: []byte(name), Data: []byte(strings.Join(data, "\n")), Comment: data == nil}
		out = append(out, show(ev))
		name, data, open = "", nil, false
	}
	for _, line := range lines {
		if line == "" {
			flush()
			continue
		}
		open = true
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			data = append(data, value)
		}
	}
	if open {
		flush()
		if !ends {
			out[len(out)-1] += "~"
		}
	}
	return out
}

// TestSSELargeEventsShareABuffer: events of 64 KB that come in pieces are gathered
// in one buffer, which a small event then gives back.
func TestSSELargeEventsShareABuffer(t *testing.T) {
	var s SSE
	event := []byte("data: " + strings.Repeat("x", 64<<10) + "\n\n")
	feed := func(event []byte) {
		for len(event) > 0 {
			n := min(len(event), 16<<10)
			s.Feed(event[:n])
			event = event[n:]
			for {
				if _, ok := s.Next(); !ok {
					break
				}
			}
		}
	}
	feed(event)
	if n := testing.AllocsPerRun(50, func() { feed(event) }); n > 0 {
		t.Errorf("an event allocates %v times", n)
	}
	small := []byte("data: x\n\n")
	s.Feed(small[:3])
	for range 2 {
		if _, ok := s.Next(); ok {
			t.Fatal("an event before its end")
		}
		s.Feed(small[3:])
		for _, ok := s.Next(); ok; _, ok = s.Next() {
		}
		s.Feed(small[:3])
	}
	if cap(s.pending) > keep {
		t.Errorf("%d bytes are kept for small events", cap(s.pending))
	}
}
