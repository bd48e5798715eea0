package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The form of a segment: a header of 64 bytes, then frames back to back, then
// zeros up to the preallocated size.
//
//	header  magic [8] | version u32 | 0 u32 | number u64 | first seq u64 | boot [26] | 0 [2] | crc32c u32
//	frame   length u32 | crc32c u32 | payload (a stored entry, store.AppendEntry)
//
// All integers are little endian. A frame's checksum covers its length and its
// payload and is seeded with the checksum of the header, so that a frame never
// counts in a segment it was not written for. A length of zero, or a frame that
// is not whole, ends the log.
const (
	headerSize     = 64
	frameHead      = 8
	maxFrame       = 1 << 20 // a stored entry is bounded far below, see store.MaxMetadata and MaxAttempts
	segmentVersion = 1
	bootLen        = 26 // a ULID
	readChunk      = 256 << 10
)

const magic = "GWLEDGER"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errEnd  = errors.New("end of log")
	errTorn = errors.New("frame is not whole")
	// errBlank says that a segment was prepared but never used.
	errBlank  = errors.New("segment was never used")
	errHeader = errors.New("segment header is damaged")
)

type header struct {
	boot   string
	number uint64
	first  uint64 // seq of the first entry
	salt   uint32 // seed of the frames' checksums
}

// putHeader writes h to b[:headerSize] and returns the salt of its frames.
func putHeader(b []byte, h header) (salt uint32) {
	b = b[:headerSize]
	clear(b)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], segmentVersion)
	binary.LittleEndian.PutUint64(b[16:], h.number)
	binary.LittleEndian.PutUint64(b[24:], h.first)
	copy(b[32:32+bootLen], h.boot)
	salt = crc32.Checksum(b[:60], castagnoli)
	binary.LittleEndian.PutUint32(b[60:], salt)
	return salt
}

// parseHeader reads a header. errBlank: all zeros; errHeader: anything else that is none.
func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize {
		return header{}, errBlank
	}
	b = b[:headerSize]
	blank := true
	for _, c := range b {
		if c != 0 {
			blank = false
			break
		}
	}
	switch {
	case blank:
		return header{}, errBlank
	case string(b[:8]) != magic:
		return header{}, errHeader
	}
	salt := crc32.Checksum(b[:60], castagnoli)
	if salt != binary.LittleEndian.Uint32(b[60:]) {
		return header{}, errHeader
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != segmentVersion {
		return header{}, fmt.Errorf("segment has version %d, this program knows %d", v, segmentVersion)
	}
	return header{
		boot:   string(b[32 : 32+bootLen]),
		number: binary.LittleEndian.Uint64(b[16:]),
		first:  binary.LittleEndian.Uint64(b[24:]),
		salt:   salt,
	}, nil
}

// checksum returns the checksum of the frame that starts at b[0].
func checksum(b []byte, n int, salt uint32) uint32 {
	sum := crc32.Update(salt, castagnoli, b[:4])
	return crc32.Update(sum, castagnoli, b[frameHead:frameHead+n])
}

// seal fills in the checksums of all frames in b, whose lengths are set.
func seal(b []byte, salt uint32) {
	for len(b) > 0 {
		n := int(binary.LittleEndian.Uint32(b))
		binary.LittleEndian.PutUint32(b[4:], checksum(b, n, salt))
		b = b[frameHead+n:]
	}
}

// A frames reads the frames of one segment from off up to end.
type frames struct {
	src  io.ReaderAt
	off  int64 // of the next frame
	end  int64
	salt uint32
	buf  []byte // holds src[at:at+len(buf)]
	at   int64
	// pages, if set, keeps what was read: payloads stay valid until it lets go of them.
	pages *pages
}

// pages are buffers in use, and others to be used again.
type pages struct{ used, free [][]byte }

// next returns a buffer of at least n bytes, which stays in use like those before.
func (p *pages) next(n int64) (b []byte) {
	if last := len(p.free) - 1; last >= 0 {
		b, p.free = p.free[last], p.free[:last]
	}
	if int64(cap(b)) < n {
		b = make([]byte, n)
	}
	p.used = append(p.used, b)
	return b
}

// release lets go of all buffers but the last, which may hold what is to come.
func (p *pages) release() {
	if last := len(p.used) - 1; last > 0 {
		p.free = append(p.free, p.used[:last]...)
		p.used[0] = p.used[last]
		clear(p.used[1:])
		p.used = p.used[:1]
	}
}

// next returns the payload of the next frame, valid until the call after if no pages are kept.
// errEnd and errTorn end the segment; other errors come from reading.
func (f *frames) next() ([]byte, error) {
	head, err := f.window(frameHead)
	if err != nil {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(head))
	switch {
	case n == 0:
		return nil, errEnd
	case n > maxFrame || f.off+frameHead+n > f.end:
		return nil, errTorn
	}
	b, err := f.window(int(frameHead + n))
	if errors.Is(err, errEnd) {
		return nil, errTorn
	}
	if err != nil {
		return nil, err
	}
	if checksum(b, int(n), f.salt) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, errTorn
	}
	f.off += frameHead + n
	return b[frameHead:], nil
}

// window returns n bytes at f.off, errEnd if the segment has no so many.
func (f *frames) window(n int) ([]byte, error) {
	if f.off+int64(n) > f.end {
		return nil, errEnd
	}
	if f.off >= f.at && f.off+int64(n) <= f.at+int64(len(f.buf)) {
		i := f.off - f.at
		return f.buf[i : i+int64(n) : i+int64(n)], nil
	}
	want := min(max(int64(n), readChunk), f.end-f.off)
	if f.pages != nil {
		f.buf = f.pages.next(want)
	} else if int64(cap(f.buf)) < want {
		f.buf = make([]byte, want)
	}
	f.buf, f.at = f.buf[:want], f.off
	got, err := f.src.ReadAt(f.buf, f.off)
	f.buf = f.buf[:got]
	if got < n {
		f.buf = f.buf[:0]
		if err == io.EOF {
			return nil, errEnd
		}
		return nil, err
	}
	return f.buf[:n:n], nil
}
