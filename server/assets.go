package server

import (
	"io/fs"
	"mime"
	"path"

	"github.com/valyala/fasthttp"
)

// contentPolicy is what the admin page may do: nothing but talk to its own origin.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Assets reads all files of fsys into memory and returns a function that answers
// with the one of that path ("" is index.html), or reports false.
func Assets(fsys fs.FS) func(ctx *fasthttp.RequestCtx, path string) bool {
	files := map[string][]byte{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[name], err = fs.ReadFile(fsys, name)
		return err
	})
	if err != nil {
		panic("BUG: cannot read the embedded page: " + err.Error())
	}
	return func(ctx *fasthttp.RequestCtx, name string) bool {
		if name == "" {
			name = "index.html"
		}
		b, ok := files[name]
		if !ok {
			return false
		}
		h := &ctx.Response.Header
		h.SetContentType(mime.TypeByExtension(path.Ext(name)))
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		ctx.Response.SetBody(b)
		return true
	}
}
