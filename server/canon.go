package server

import (
	"bytes"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
)

const maxHeaders = 100

// knownMethods are all methods a route may have; others are refused before routing.
var knownMethods = [...]string{"POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}

func refuse(status int, code, msg string) *providers.Error {
	kind := providers.KindInvalidRequest
	if status == 405 {
		kind = providers.KindMethod
	}
	return &providers.Error{Kind: kind, Status: status, Code: code, Message: msg, NoRetry: true}
}

// checkShape refuses requests whose shape different servers read differently:
// what is refused here cannot be used to smuggle one request past another's checks.
// What passes is to be found in f. A target that is listed in the route table is canonical.
func checkShape(ctx *fasthttp.RequestCtx, f *fields, listed bool) *providers.Error {
	h := &ctx.Request.Header
	if !slices.Contains(knownMethods[:], methodOf(ctx)) {
		return refuse(405, "method_not_allowed", "unknown method")
	}
	if p := string(h.Protocol()); p != "HTTP/1.1" && p != "HTTP/1.0" {
		return refuse(505, "http_version", "only HTTP/1.0 and HTTP/1.1 are spoken here")
	}
	if !listed {
		if e := checkTarget(h.RequestURI()); e != nil {
			return e
		}
	}
	return f.read(h.RawHeaders())
}

// slashes undoes the escape that names of models may have: what stands between two
// of them is a segment to whoever resolves the path later.
var slashes = strings.NewReplacer("%2f", "/", "%2F", "/")

// checkTarget refuses a request target that is not a canonical path.
func checkTarget(uri []byte) *providers.Error {
	if plainTarget(uri) {
		return nil
	}
	return closerLook(uri)
}

func closerLook(uri []byte) *providers.Error {
	path, _, _ := bytes.Cut(uri, []byte{'?'})
	bad := func(why string) *providers.Error {
		return refuse(400, "bad_path", "the request path is not canonical: "+why)
	}
	switch {
	case len(path) == 0 || path[0] != '/':
		return bad("it must begin with /")
	case bytes.Contains(path, []byte("//")):
		return bad("it holds //")
	case bytes.IndexByte(path, '\\') >= 0:
		return bad("it holds a backslash")
	case bytes.IndexByte(path, '#') >= 0 || bytes.IndexByte(uri, '#') >= 0:
		return bad("it holds a fragment")
	}
	for _, seg := range strings.Split(slashes.Replace(string(path)), "/") {
		if seg == "." || seg == ".." {
			return bad("it holds a dot segment")
		}
	}
	low := bytes.ToLower(path)
	for _, esc := range []string{"%00", "%2f", "%5c", "%2e", "%0a", "%0d"} {
		if i := bytes.Index(low, []byte(esc)); i >= 0 {
			if tail := modelTail(path); esc == "%2f" && tail > 0 && i >= tail {
				continue
			}
			return bad("it holds " + esc)
		}
	}
	for _, c := range uri {
		if c <= ' ' || c == 0x7f {
			return bad("it holds a control character")
		}
	}
	return nil
}

// plainTarget spares the usual targets the closer look: a path of plain words, in which
// no slash and no dot follows another, and a query of such words.
func plainTarget(uri []byte) bool {
	if len(uri) == 0 || uri[0] != '/' {
		return false
	}
	for i, c := range uri {
		switch {
		case targetBytes[c]:
		case i == 0, (c == '/' || c == '.') && targetBytes[uri[i-1]]:
		case c == '?':
			return queryBytes.hold(uri[i+1:])
		default:
			return false
		}
	}
	return true
}

func digits(v []byte) bool {
	if len(v) == 0 || len(v) > 18 {
		return false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// checkHost refuses a Host that is not a plain host and port.
func checkHost(host []byte, http11 bool) *providers.Error {
	if len(host) == 0 {
		if http11 {
			return refuse(400, "bad_host", "the Host header is missing")
		}
		return nil
	}
	if len(host) > 255 {
		return refuse(400, "bad_host", "the Host header is malformed")
	}
	if !hostBytes.hold(host) {
		return refuse(400, "bad_host", "the Host header is malformed")
	}
	return nil
}

// A byteSet says which bytes a value may be of.
type byteSet [256]bool

// Sets: letters, digits and what else there may be.
var (
	hostBytes = alnumAnd("._-:[]")
	wordBytes = alnumAnd("._-")
	listBytes = alnumAnd("-_, ")

	nameBytes   = alnumAnd("!#$%&'*+-.^_`|~") // RFC 9110, section 5.6.2
	targetBytes = alnumAnd("_-:")
	queryBytes  = alnumAnd("_-:.=&")
)

func alnumAnd(others string) *byteSet {
	var s byteSet
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" + others) {
		s[c] = true
	}
	return &s
}

// hold reports whether v is of bytes of the set alone.
func (s *byteSet) hold(v []byte) bool {
	for _, c := range v {
		if !s[c] {
			return false
		}
	}
	return true
}
