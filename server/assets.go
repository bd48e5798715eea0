package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"
)

// contentPolicy is what the admin page may do: nothing but talk to its own origin.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// mediaTypes are those of the files that a build of the page has. The system's own
// table differs between machines.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".json": "application/json",
}

// An asset is one file of the page.
type asset struct {
	body, mediaType, etag string
	fixed                 bool // its name changes with its content
	gzip, brotli          func() []byte
}

// newAsset takes a file in. It is compressed once, when the first browser asks.
func newAsset(name string, b []byte) *asset {
	sum := sha256.Sum256(b)
	return &asset{
		body: string(b), mediaType: mediaTypes[path.Ext(name)], fixed: strings.HasPrefix(name, "assets/"),
		etag:   `"` + hex.EncodeToString(sum[:12]) + `"`,
		gzip:   sync.OnceValue(func() []byte { return fasthttp.AppendGzipBytesLevel(nil, b, fasthttp.CompressBestCompression) }),
		brotli: sync.OnceValue(func() []byte { return fasthttp.AppendBrotliBytesLevel(nil, b, fasthttp.CompressBrotliBestCompression) }),
	}
}

// serve answers with the file as the browser takes it best.
func (a *asset) serve(ctx *fasthttp.RequestCtx) {
	h := &ctx.Response.Header
	h.SetContentType(a.mediaType)
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", a.etag)
	if a.fixed {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	accept := &ctx.Request.Header
	switch {
	case bytes.Contains(accept.Peek("If-None-Match"), []byte(a.etag)):
		ctx.SetStatusCode(fasthttp.StatusNotModified)
	case accept.HasAcceptEncoding("br"):
		h.Set("Content-Encoding", "br")
		ctx.Response.SetBodyRaw(a.brotli())
	case accept.HasAcceptEncoding("gzip"):
		h.Set("Content-Encoding", "gzip")
		ctx.Response.SetBodyRaw(a.gzip())
	default:
		ctx.Response.SetBodyString(a.body)
	}
}

// Assets reads all files of fsys into memory and returns a function that answers
// with the one of that path, or reports false. A path that names no kind of file is
// a page, whose address the script of index.html reads.
func Assets(fsys fs.FS) func(ctx *fasthttp.RequestCtx, path string) bool {
	files := map[string]*asset{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		files[name] = newAsset(name, b)
		return err
	})
	if err != nil {
		panic("BUG: cannot read the embedded page: " + err.Error())
	}
	return func(ctx *fasthttp.RequestCtx, name string) bool {
		if path.Ext(name) == "" && !strings.Contains(name, "/") {
			name = "index.html"
		}
		a := files[name]
		if a == nil || a.mediaType == "" {
			return false
		}
		a.serve(ctx)
		return true
	}
}
