package server

import (
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// cross lets pages of the origins that the owner has named call the relay's routes,
// never the admin API. It reports whether the request was a preflight and is answered.
func (s *Server) cross(ctx *fasthttp.RequestCtx) (done bool) {
	if len(s.o.CORS) == 0 {
		return false
	}
	in, out := &ctx.Request.Header, &ctx.Response.Header
	origin := string(in.Peek("Origin"))
	path, _ := meant(string(ctx.Path()))
	if origin == "" || !slices.Contains(s.o.CORS, origin) && !slices.Contains(s.o.CORS, "*") ||
		!strings.HasPrefix(path, "/v1") || strings.HasPrefix(path, "/v1/admin") {
		return false
	}
	var f fields
	if checkShape(ctx, &f, false) != nil {
		return false // refused as any other
	}
	out.Set("Access-Control-Allow-Origin", origin)
	out.Add("Vary", "Origin")
	if !ctx.IsOptions() || len(in.Peek("Access-Control-Request-Method")) == 0 {
		out.Set("Access-Control-Expose-Headers", "x-request-id, x-gateway-provider, x-gateway-model, x-gateway-attempts, x-gateway-cost-usd, x-gateway-dropped-params, retry-after")
		return false
	}
	out.Set("Access-Control-Allow-Methods", "GET, POST, HEAD")
	if asked := in.Peek("Access-Control-Request-Headers"); headerNames(asked) {
		out.SetBytesV("Access-Control-Allow-Headers", asked)
	}
	out.Set("Access-Control-Max-Age", "600")
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return true
}

// headerNames reports whether v is a list of names, fit to be said back.
func headerNames(v []byte) bool {
	return len(v) > 0 && len(v) <= 1024 && listBytes.hold(v)
}
