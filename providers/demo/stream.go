package demo

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// A paced writes the parts of an answer at their pace.
type paced struct {
	answer *answer
	frame  frame
	parts  []part
	buf    []byte // bytes of the frame that is being read
	off    int
}

// Read waits for the next part and returns its bytes: one frame a call, so that
// each becomes a chunk of its own. It never waits longer than patience at a time;
// answers with longer pauses are written by hand (see byHand).
func (p *paced) Read(dst []byte) (int, error) {
	for p.off == len(p.buf) {
		if len(p.parts) == 0 {
			return 0, io.EOF
		}
		next := p.parts[0]
		p.parts = p.parts[1:]
		pause(next.wait)
		p.buf, p.off = p.frame(p.buf[:0], p.answer, next), 0
	}
	n := copy(dst, p.buf[p.off:])
	p.off += n
	return n, nil
}

// Close ends the stream: nothing more is written.
func (p *paced) Close() error {
	p.parts, p.buf, p.off = nil, nil, 0
	return nil
}

func pause(d time.Duration) {
	if d > 0 {
		time.Sleep(d)
	}
}

// patience is the longest pause in which a caller's leaving may go unnoticed.
const patience = 500 * time.Millisecond

// byHand reports whether parts must be written on the bare connection: they hold
// a fault of the connection, or a pause in which it must be watched.
func byHand(parts []part) bool {
	for _, p := range parts {
		if p.wait > patience || p.kind == partCut || p.kind == partStall {
			return true
		}
	}
	return false
}

// A hand writes an answer on the bare connection, which it watches in every pause.
type hand struct {
	conn    net.Conn
	maxHang time.Duration
	err     error // set when the caller has left or the connection broke
}

// wait pauses for d, or less if the caller leaves.
func (h *hand) wait(d time.Duration) {
	if d <= 0 || h.err != nil {
		return
	}
	end := time.Now().Add(d)
	if h.err = h.conn.SetReadDeadline(end); h.err != nil {
		return
	}
	var b [512]byte
	for {
		// A further request would be an error of the caller's; its bytes are dropped.
		if _, err := h.conn.Read(b[:]); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				h.err = err
			}
			return
		}
	}
}

func (h *hand) write(b []byte) {
	if h.err != nil {
		return
	}
	if h.err = h.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); h.err == nil {
		_, h.err = h.conn.Write(b)
	}
}

// head writes a response header; length -1: chunked.
func (h *hand) head(status int, contentType string, length int, id string) {
	dst := []byte("HTTP/1.1 " + strconv.Itoa(status) + " " + reason(status) + "\r\nContent-Type: " + contentType + "\r\nX-Request-Id: " + id + "\r\nConnection: close\r\n")
	if length < 0 {
		dst = append(dst, "Transfer-Encoding: chunked\r\n\r\n"...)
	} else {
		dst = append(dst, "Content-Length: "+strconv.Itoa(length)+"\r\n\r\n"...)
	}
	h.write(dst)
}

func reason(status int) string {
	if status == 200 {
		return "OK"
	}
	return "Error"
}

// stream writes the parts as a chunked body.
func (h *hand) stream(p *paced, id string) {
	if len(p.parts) == 0 {
		return
	}
	h.wait(p.parts[0].wait)
	h.head(200, "text/event-stream; charset=utf-8", -1, id)
	p.parts[0].wait = 0
	for _, next := range p.parts {
		h.wait(next.wait)
		switch next.kind {
		case partCut:
			return
		case partStall:
			h.wait(h.maxHang)
			return
		}
		p.buf = p.frame(p.buf[:0], p.answer, next)
		if len(p.buf) > 0 {
			chunk := strconv.AppendInt(nil, int64(len(p.buf)), 16)
			h.write(append(append(append(chunk, "\r\n"...), p.buf...), "\r\n"...))
		}
		if h.err != nil {
			return
		}
	}
	h.write([]byte("0\r\n\r\n"))
}
