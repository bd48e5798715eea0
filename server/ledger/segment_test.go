package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

type readerAt []byte

func (b readerAt) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(b).ReadAt(p, off) }

var _ io.ReaderAt = readerAt(nil)

// unsynced is a disk that never waits: what is written counts as durable.
func unsynced() *disk {
	d := realDisk()
	d.datasync = func(*os.File) error { return nil }
	return d
}

func makeSegment(boot string, payloads ...[]byte) []byte {
	b := make([]byte, headerSize)
	salt := putHeader(b, header{boot: boot, number: 1, first: 1})
	for _, p := range payloads {
		start := len(b)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, 0, 0, 0, 0)
		b = append(b, p...)
		seal(b[start:], salt)
	}
	return b
}

func TestFramesAcrossWindows(t *testing.T) {
	var want [][]byte
	for i := range 40 {
		want = append(want, bytes.Repeat([]byte{byte(i + 1)}, 1+i*1700))
	}
	want = append(want, bytes.Repeat([]byte{9}, maxFrame))
	b := makeSegment("01JABCDEFGHJKMNPQRSTVWXYZ0", want...)
	b = append(b, make([]byte, 5000)...)
	h, err := parseHeader(b)
	if err != nil || h.boot != "01JABCDEFGHJKMNPQRSTVWXYZ0" || h.number != 1 || h.first != 1 {
		t.Fatalf("header %+v, %v", h, err)
	}
	rd := frames{src: readerAt(b), off: headerSize, end: int64(len(b)), salt: h.salt}
	for i, w := range want {
		got, err := rd.next()
		if err != nil || !bytes.Equal(got, w) {
			t.Fatalf("frame %d: %d bytes, %v", i, len(got), err)
		}
	}
	if _, err := rd.next(); !errors.Is(err, errEnd) {
		t.Errorf("after the last frame: %v", err)
	}
}

// A frame counts only in the segment it was written for.
// What was read stays as it is until it is let go of, and then its memory serves again.
func TestFramesKeepPages(t *testing.T) {
	var payloads [][]byte
	for i := range 300 {
		payloads = append(payloads, bytes.Repeat([]byte{byte(i + 1)}, 7000+i))
	}
	b := makeSegment("01JABCDEFGHJKMNPQRSTVWXYZ0", payloads...)
	h, err := parseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	var kept pages
	rd := frames{src: readerAt(b), off: headerSize, salt: h.salt, pages: &kept}
	ends := []int64{headerSize}
	for _, p := range payloads {
		ends = append(ends, ends[len(ends)-1]+frameHead+int64(len(p)))
	}
	most := 0
	for i := 0; i < len(payloads); {
		rd.end = ends[min(i+70, len(payloads))] // as much as is committed
		var got [][]byte
		for rd.off < rd.end {
			p, err := rd.next()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p)
		}
		for j, p := range got {
			if !bytes.Equal(p, payloads[i+j]) {
				t.Fatalf("frame %d is not what was written any more", i+j)
			}
		}
		i += len(got)
		most = max(most, len(kept.used)+len(kept.free))
		kept.release()
	}
	if len(kept.used) != 1 || most > 5 || most < 3 {
		t.Errorf("%d pages in use at the end, %d at most", len(kept.used), most)
	}
}

func TestFrameOfAnotherSegment(t *testing.T) {
	a := makeSegment("01JABCDEFGHJKMNPQRSTVWXYZ0", []byte("one"))
	b := makeSegment("01JABCDEFGHJKMNPQRSTVWXYZ1", []byte("two"))
	copy(b[headerSize:], a[headerSize:])
	h, _ := parseHeader(b)
	rd := frames{src: readerAt(b), off: headerSize, end: int64(len(b)), salt: h.salt}
	if _, err := rd.next(); !errors.Is(err, errTorn) {
		t.Errorf("foreign frame: %v", err)
	}
}

func TestHeader(t *testing.T) {
	f := func(change func(b []byte) []byte, want error) {
		t.Helper()
		if _, err := parseHeader(change(makeSegment("01JABCDEFGHJKMNPQRSTVWXYZ0"))); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	f(func(b []byte) []byte { return b }, nil)
	f(func(b []byte) []byte { return b[:30] }, errBlank)
	f(func(b []byte) []byte { return make([]byte, 4096) }, errBlank)
	f(func(b []byte) []byte { b[0] = 'x'; return b }, errHeader)
	f(func(b []byte) []byte { b[30]++; return b }, errHeader)
	f(func(b []byte) []byte { b[63]++; return b }, errHeader)
}

// FuzzSegment reads any bytes as a segment: it must end without a panic, and what
// it yields must be frames whose checksums hold.
func FuzzSegment(f *testing.F) {
	entry := store.AppendEntry(nil, &store.Entry{Boot: "01JABCDEFGHJKMNPQRSTVWXYZ0", Seq: 1, Kind: store.EntryHold, Time: time.Unix(1, 0), RequestID: "r", Hold: &store.Hold{KeyID: "k"}})
	whole := makeSegment("01JABCDEFGHJKMNPQRSTVWXYZ0", entry, []byte("x"))
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(whole, make([]byte, 100)...))
	f.Add(append(bytes.Clone(whole), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		rd := frames{src: readerAt(b), off: headerSize, end: int64(len(b)), salt: h.salt}
		for at := rd.off; ; at = rd.off {
			p, err := rd.next()
			if err != nil {
				if !errors.Is(err, errEnd) && !errors.Is(err, errTorn) {
					t.Fatal(err)
				}
				return
			}
			if rd.off != at+frameHead+int64(len(p)) || !bytes.Equal(p, b[at+frameHead:rd.off]) {
				t.Fatalf("frame at %d is %d bytes and ends at %d", at, len(p), rd.off)
			}
			var e store.Entry
			_ = store.DecodeEntry(p, &e)
		}
	})
}
