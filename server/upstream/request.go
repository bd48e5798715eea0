package upstream

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	writePiece = 256 << 10        // what is written under one deadline
	writeStall = 30 * time.Second // that deadline
	writeSlack = 2 * time.Second  // by how much it may be earlier
)

// own are the headers the exchange writes itself.
var own = [...]string{"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "via", "te", "upgrade", "keep-alive", "proxy-connection", "proxy-authorization", "trailer", "expect"}

func isOwn(name string) bool {
	for _, s := range own {
		if len(s) == len(name) && strings.EqualFold(s, name) {
			return true
		}
	}
	return false
}

// checkRequest refuses what would break the request apart.
func checkRequest(req *Request) error {
	if !isToken(req.Method) {
		return errors.New("malformed method")
	}
	for _, h := range req.Header {
		if !isToken(h.Name) {
			return fmt.Errorf("malformed header name %q", h.Name)
		}
		for i := 0; i < len(h.Value); i++ {
			if c := h.Value[i]; c < ' ' && c != '\t' || c == 0x7f {
				return fmt.Errorf("control character in header %q", h.Name)
			}
		}
	}
	return nil
}

// tokens marks the bytes of an RFC 9110 token.
var tokens = func() (t [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		t[c] = true
	}
	return t
}()

func isToken[T ~string | ~[]byte](s T) bool {
	for i := 0; i < len(s); i++ {
		if !tokens[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

// appendHead appends the request line and headers.
func (x *Exchange) appendHead(dst []byte) []byte {
	dst = append(dst, x.req.Method...)
	dst = append(dst, ' ')
	if x.host.absolute() {
		dst = append(dst, "http://"...)
		dst = append(dst, x.host.key.host...)
	}
	dst = append(dst, x.target...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	dst = appendHeader(dst, "host", x.host.key.host)
	if x.host.absolute() {
		if auth := proxyAuth(x.host.proxy); auth != "" {
			dst = appendHeader(dst, "proxy-authorization", auth)
		}
	}
	for _, h := range x.req.Header {
		if !isOwn(h.Name) {
			dst = appendHeader(dst, h.Name, h.Value)
		}
	}
	dst = appendHeader(dst, "accept-encoding", "identity")
	dst = appendHeader(dst, "via", x.c.via)
	if x.req.Rest != nil && x.req.RestLength < 0 {
		return append(dst, "transfer-encoding: chunked\r\n\r\n"...)
	}
	if len(x.req.Body) > 0 || x.req.Method != "GET" && x.req.Method != "HEAD" {
		dst = append(dst, "content-length: "...)
		dst = strconv.AppendInt(dst, int64(len(x.req.Body))+x.req.RestLength, 10)
		dst = append(dst, "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

func appendHeader(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// write sends the request through x.buf: a small one in one system call.
func (x *Exchange) write() error {
	out := x.appendHead(x.buf[:0])
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
	if err := x.armWrite(now.Add(writeStall)); err != nil {
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
