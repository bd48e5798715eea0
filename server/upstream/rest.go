package upstream

import (
	"errors"
	"fmt"
	"io"
	"strconv"
)

// ErrSource is the reason of a request that could not be sent whole because its
// Rest could not be read.
var ErrSource = errors.New("the body to send broke off")

// restPiece is how much of a body is read before it is sent on.
const restPiece = 64 << 10

// writeRest sends head, Body, and Rest as it comes.
func (x *Exchange) writeRest(head []byte) error {
	if err := x.send(head); err != nil {
		return err
	}
	chunked, left := x.req.RestLength < 0, x.req.RestLength
	if err := x.sendPieces(x.req.Body, chunked); err != nil {
		return err
	}
	buf := make([]byte, restPiece)
	for chunked || left > 0 {
		n, err := x.req.Rest.Read(buf)
		if left -= int64(n); !chunked && left < 0 {
			return fmt.Errorf("%w: it is longer than announced", ErrSource)
		}
		if n > 0 {
			if err := x.sendPieces(buf[:n], chunked); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && chunked:
			return x.send([]byte("0\r\n\r\n"))
		case err == io.EOF && left > 0:
			return fmt.Errorf("%w: it is shorter than announced", ErrSource)
		case err != nil && err != io.EOF:
			return fmt.Errorf("%w: %w", ErrSource, err)
		}
	}
	return x.readOut(buf)
}

// readOut sees that nothing follows a Rest of known length, and that its source agrees.
func (x *Exchange) readOut(buf []byte) error {
	switch n, err := x.req.Rest.Read(buf); {
	case n > 0:
		return fmt.Errorf("%w: it is longer than announced", ErrSource)
	case err != nil && err != io.EOF:
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	return nil
}

// sendPieces sends p in pieces that a deadline bounds, each as a chunk if the length of the whole is not known.
func (x *Exchange) sendPieces(p []byte, chunked bool) error {
	for len(p) > 0 {
		n := min(len(p), writePiece)
		if chunked {
			if err := x.send(append(strconv.AppendInt(x.buf[:0], int64(n), 16), "\r\n"...)); err != nil {
				return err
			}
		}
		if err := x.send(p[:n]); err != nil {
			return err
		}
		if chunked {
			if err := x.send([]byte("\r\n")); err != nil {
				return err
			}
		}
		p = p[n:]
	}
	return nil
}
