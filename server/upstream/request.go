package upstream

import (
	"errors"
	"strconv"
	"time"
)

const (
	writePiece = 256 << 10        // what is written under one deadline
	writeStall = 30 * time.Second // that deadline
	writeSlack = 2 * time.Second  // by how much it may be earlier
)

// appendHead appends the request line and headers. It refuses what would break the request apart.
func (x *Exchange) appendHead(dst []byte) ([]byte, error) {
	if x.req.Method != "POST" && !isToken(x.req.Method) {
		return nil, badRequest(errors.New("malformed method"))
	}
	dst = append(dst, x.req.Method...)
	dst = append(dst, x.endpoint.start...)
	dst, err := x.c.lines.append(dst, x.req.Header)
	if err != nil {
		return nil, err
	}
	dst = append(dst, x.c.tail...)
	if x.req.Rest != nil && x.req.RestLength < 0 {
		return append(dst, "transfer-encoding: chunked\r\n\r\n"...), nil
	}
	if len(x.req.Body) > 0 || x.req.Method != "GET" && x.req.Method != "HEAD" {
		dst = append(dst, "content-length: "...)
		dst = strconv.AppendInt(dst, int64(len(x.req.Body))+x.req.RestLength, 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...), nil
}

// write sends the request: out, in which what the rest of x.buf takes of the body goes
// in the same system call.
func (x *Exchange) write(out []byte) error {
	if x.req.Rest != nil {
		return x.writeRest(out)
	}
	body := x.req.Body
	if room := cap(out) - len(out); room > 0 {
		n := min(room, len(body))
		out, body = append(out, body[:n]...), body[n:]
	}
	if err := x.sendAt(x.now, out); err != nil {
		return err
	}
	for len(body) > 0 {
		n := min(len(body), writePiece)
		if err := x.send(body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

func (x *Exchange) send(p []byte) error { return x.sendAt(x.c.o.Now(), p) }

func (x *Exchange) sendAt(now time.Time, p []byte) error {
	if err := x.armWrite(now); err != nil {
		return err
	}
	n, err := x.conn.Write(p)
	if n > 0 {
		x.sent = true
	}
	if err != nil && x.isCancelled() {
		return ErrCancelled
	}
	return err
}
