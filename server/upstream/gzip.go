package upstream

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"time"
)

// Limits of a compressed body (a bomb is refused, not held).
const (
	maxZipped   = 64 << 20
	maxUnzipped = 64 << 20
)

// An unzip reads the body of an upstream that compresses although it was asked
// not to. The decompressor cannot be resumed after a tick, so the compressed
// bytes are gathered first.
type unzip struct {
	zipped bytes.Buffer
	r      *gzip.Reader // nil: still gathering
	n      int64        // bytes handed out
}

func (z *unzip) read(x *Exchange, p []byte, until time.Time) (int, error) {
	for z.r == nil {
		if z.zipped.Len() > maxZipped {
			return 0, &Error{Kind: TooLarge, Sent: true, Err: errors.New("compressed body exceeds the limit")}
		}
		z.zipped.Grow(4 << 10)
		room := z.zipped.AvailableBuffer()
		n, err := x.readPlain(room[:cap(room)], until)
		z.zipped.Write(room[:n])
		if errors.Is(err, io.EOF) {
			if z.r, err = gzip.NewReader(&z.zipped); err != nil {
				return 0, &Error{Kind: BadResponse, Sent: true, Err: errors.New("malformed gzip body")}
			}
		} else if err != nil {
			return 0, err
		}
	}
	n, err := z.r.Read(p)
	z.n += int64(n)
	switch {
	case z.n > maxUnzipped:
		return 0, &Error{Kind: TooLarge, Sent: true, Err: errors.New("decompressed body exceeds the limit")}
	case n > 0 || err == nil:
		return n, nil // an error comes again
	case errors.Is(err, io.EOF):
		return 0, io.EOF
	}
	return 0, &Error{Kind: BadResponse, Sent: true, Err: errors.New("malformed gzip body")}
}
