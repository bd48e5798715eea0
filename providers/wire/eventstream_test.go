package wire

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// TestAppendFrame: what we write, AWS's own decoder reads.
func TestAppendFrame(t *testing.T) {
	b := AppendFrame([]byte("before"), []byte(`{"a":1}`), ":message-type", "event", ":event-type", "messageStart")
	m, err := eventstream.NewDecoder().Decode(bytes.NewReader(b[len("before"):]), nil)
	if err != nil || string(m.Payload) != `{"a":1}` || m.Headers.Get(":event-type").String() != "messageStart" || len(m.Headers) != 2 {
		t.Errorf("%+v, %v", m, err)
	}
}

type plainFrame struct{ typ, name, message, payload string }

// awsRead reads a whole stream with AWS's own decoder.
func awsRead(b []byte) (list []plainFrame, err error) {
	r := bytes.NewReader(b)
	for r.Len() > 0 {
		m, err := eventstream.NewDecoder().Decode(r, nil)
		if err != nil {
			return list, err
		}
		f := plainFrame{payload: string(m.Payload)}
		for _, h := range m.Headers {
			v, ok := h.Value.(eventstream.StringValue)
			if !ok {
				continue
			}
			switch h.Name {
			case ":message-type":
				f.typ = string(v)
			case ":event-type", ":exception-type", ":error-code":
				f.name = string(v)
			case ":error-message":
				f.message = string(v)
			}
		}
		list = append(list, f)
	}
	return list, nil
}

func readAll(b []byte, cuts *rand.Rand) (list []plainFrame, err error) {
	var s EventStream
	for len(b) > 0 {
		n := len(b)
		if cuts != nil {
			n = 1 + cuts.IntN(min(len(b), 40))
		}
		piece := bytes.Clone(b[:n])
		s.Feed(piece)
		for {
			f, ok := s.Next()
			if !ok {
				break
			}
			list = append(list, plainFrame{string(f.Type), string(f.Name), string(f.Message), string(f.Payload)})
		}
		for i := range piece {
			piece[i] = 0xff // it may be reused
		}
		b = b[n:]
	}
	return list, s.End()
}

func sample() []byte {
	b := AppendFrame(nil, []byte(`{"role":"assistant"}`), ":event-type", "messageStart", ":content-type", "application/json", ":message-type", "event")
	b = AppendFrame(b, nil, ":message-type", "event", ":event-type", "empty")
	b = AppendFrame(b, []byte(`{"message":"slow down"}`), ":message-type", "exception", ":exception-type", "throttlingException")
	return AppendFrame(b, nil, ":message-type", "error", ":error-code", "InternalFailure", ":error-message", "broken")
}

func TestEventStream(t *testing.T) {
	b := sample()
	want, err := awsRead(b)
	if err != nil || len(want) != 4 || want[2] != (plainFrame{"exception", "throttlingException", "", `{"message":"slow down"}`}) || want[3].message != "broken" {
		t.Fatalf("%+v, %v", want, err)
	}
	for seed := range uint64(50) {
		got, err := readAll(b, rand.New(rand.NewPCG(seed, 1)))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("seed %d: %+v, %v", seed, got, err)
		}
	}
	for n := range b {
		got, err := readAll(b[:n], nil)
		if err != nil && err != io.ErrUnexpectedEOF {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if whole, _ := awsRead(b[:n]); (err == nil) != (slices.Equal(got, want[:len(got)]) && n == len(encodedUpTo(b, len(got)))) || len(got) != len(whole) {
			t.Fatalf("cut at %d: %d frames, %v", n, len(got), err)
		}
	}
	// Any one bit wrong is seen: nothing of the damaged message comes out.
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1 << (i % 8)
		got, err := readAll(bad, nil)
		if err == nil || len(got) >= len(want) {
			t.Fatalf("a flipped bit in byte %d: %d frames, %v", i, len(got), err)
		}
	}
}

// encodedUpTo returns the bytes of the first n messages.
func encodedUpTo(b []byte, n int) []byte {
	at := 0
	for range n {
		at += int(b[at])<<24 | int(b[at+1])<<16 | int(b[at+2])<<8 | int(b[at+3])
	}
	return b[:at]
}

func TestEventStreamBounds(t *testing.T) {
	huge := func(size, headers uint32) []byte {
		b := []byte{byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size), byte(headers >> 24), byte(headers >> 16), byte(headers >> 8), byte(headers)}
		sum := crc32.ChecksumIEEE(b)
		return append(b, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	}
	for _, c := range []struct {
		size, headers uint32
		want          error
	}{{1 << 31, 0, ErrEventTooLong}, {1 << 20, 1 << 18, ErrEventTooLong}, {0, 0, ErrFrame}, {15, 0, ErrFrame}, {16, 1, ErrFrame}, {100, 1 << 31, ErrFrame}} {
		var s EventStream
		s.Feed(huge(c.size, c.headers))
		if _, ok := s.Next(); ok || !errors.Is(s.Err(), c.want) {
			t.Errorf("lengths %d, %d: %v, want %v", c.size, c.headers, s.Err(), c.want)
		}
	}
}

// FuzzEventStream holds the reader equal to AWS's own, however the bytes are cut.
func FuzzEventStream(f *testing.F) {
	f.Add(sample(), uint64(1), true)
	f.Add(sample()[:40], uint64(2), false)
	f.Add(AppendFrame(nil, nil, "", "", ":event-type", ""), uint64(3), true)
	f.Add([]byte{0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint64(4), true)
	f.Fuzz(func(t *testing.T, b []byte, seed uint64, mend bool) {
		if len(b) > 1<<16 {
			t.Skip()
		}
		if mend {
			b = mended(b)
		}
		want, wantErr := awsRead(b)
		got, err := readAll(b, rand.New(rand.NewPCG(seed, 2)))
		if lone := err != nil && err.Error() == ErrFrame.Error()+": its headers" && len(got) < len(want); lone {
			// AWS takes a header list that ends after the length of a name for whole.
			want, wantErr = want[:len(got)], err
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v, %v; AWS reads %+v, %v", got, err, want, wantErr)
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, AWS says %v", err, wantErr)
		}
	})
}

// mended sets the checksums of what looks like messages right, so that fuzzing gets past them.
func mended(b []byte) []byte {
	b = bytes.Clone(b)
	put := func(at []byte, sum uint32) {
		at[0], at[1], at[2], at[3] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	}
	for rest := b; len(rest) >= frameOverhead; {
		put(rest[8:], crc32.ChecksumIEEE(rest[:8]))
		n := int(rest[0])<<24 | int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
		if n < frameOverhead || n > len(rest) {
			break
		}
		put(rest[n-4:], crc32.ChecksumIEEE(rest[:n-4]))
		rest = rest[n:]
	}
	return b
}
