package server

import (
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/valyala/fasthttp"

	aigateway "github.com/your-org/ai-api-gateway"
)

func asked(path string, header ...string) (*fasthttp.RequestCtx, bool) {
	assets := Assets(fstest.MapFS{
		"index.html":           {Data: []byte("<!doctype html><title>page</title>")},
		"icon.svg":             {Data: []byte("<svg/>")},
		"assets/index-AbC1.js": {Data: []byte(strings.Repeat("let x = 1;", 500))},
		"assets/notes.md":      {Data: []byte("no file of a page")},
	})
	var ctx fasthttp.RequestCtx
	for i := 0; i < len(header); i += 2 {
		ctx.Request.Header.Set(header[i], header[i+1])
	}
	return &ctx, assets(&ctx, path)
}

func TestAssets(t *testing.T) {
	f := func(path, wantType, wantCache string) {
		t.Helper()
		ctx, ok := asked(path)
		h := &ctx.Response.Header
		if !ok || string(h.ContentType()) != wantType || string(h.Peek("Cache-Control")) != wantCache {
			t.Errorf("%q: %v, %s, %s", path, ok, h.ContentType(), h.Peek("Cache-Control"))
		}
		if csp := string(h.Peek("Content-Security-Policy")); !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; style-src 'self';") {
			t.Errorf("%q: policy %q", path, csp)
		}
	}
	const html, fresh, forever = "text/html; charset=utf-8", "no-cache", "public, max-age=31536000, immutable"
	f("", html, fresh)
	f("index.html", html, fresh)
	f("requests", html, fresh) // a page: its address is read by the script
	f("icon.svg", "image/svg+xml", fresh)
	f("assets/index-AbC1.js", "text/javascript; charset=utf-8", forever)
	for _, path := range []string{"no.js", "assets/none.js", "assets/none", "../go.mod", "assets/notes.md", "api-keys/x"} {
		if _, ok := asked(path); ok {
			t.Errorf("%q is served", path)
		}
	}
}

// TestAssetsCompressed: each browser gets the smallest form that it takes, or none
// at all of what it has.
func TestAssetsCompressed(t *testing.T) {
	want := strings.Repeat("let x = 1;", 500)
	for accept, encoding := range map[string]string{"gzip, deflate, br, zstd": "br", "gzip": "gzip", "": "", "identity": ""} {
		ctx, _ := asked("assets/index-AbC1.js", "Accept-Encoding", accept)
		if got := string(ctx.Response.Header.Peek("Content-Encoding")); got != encoding {
			t.Errorf("Accept-Encoding %q: %q, want %q", accept, got, encoding)
		}
		sent := len(ctx.Response.Body())
		body, err := ctx.Response.BodyUncompressed()
		if err != nil || string(body) != want || encoding != "" && sent > len(want)/10 {
			t.Errorf("Accept-Encoding %q: %d bytes sent, %v", accept, sent, err)
		}
		etag := string(ctx.Response.Header.Peek("ETag"))
		again, _ := asked("assets/index-AbC1.js", "Accept-Encoding", accept, "If-None-Match", etag)
		if again.Response.StatusCode() != 304 || len(again.Response.Body()) != 0 {
			t.Errorf("a browser that has it gets %d", again.Response.StatusCode())
		}
	}
}

// TestFirstViewIsSmall: what a browser loads before it shows anything.
func TestFirstViewIsSmall(t *testing.T) {
	const most = 120 << 10
	page := aigateway.Web()
	assets := Assets(page)
	f, err := page.Open("index.html")
	if err != nil {
		t.Fatal(err)
	}
	html, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	total, files := 0, 0
	for _, part := range strings.Split(string(html), `"/admin/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.Set("Accept-Encoding", "gzip")
		if !assets(&ctx, name) {
			t.Errorf("index.html names %s, which is not there", name)
		}
		total += len(ctx.Response.Body())
		files++
	}
	if files < 3 || total > most {
		t.Errorf("the first view is %d files of %d bytes, at most %d", files, total, most)
	}
	t.Logf("first view: %d files, %d bytes", files, total)
}
