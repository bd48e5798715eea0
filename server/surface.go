package server

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/admin"
	"github.com/your-org/ai-api-gateway/server/api"
)

// register fills the route table: every path that is served, with its scope and meter.
func (s *Server) register() {
	f := &s.o.Surfaces
	relayed := func(path string, op providers.Op, scope string, sf Surface) {
		s.routes.add(&route{method: "POST", path: path, scope: scope, meter: MeterLedger, op: op, in: sf.In, frames: sf.Frames, handle: s.serveRelay})
	}
	relayed("/v1/chat/completions", providers.OpChat, "chat", f.Chat)
	for i := range operations {
		o := &operations[i]
		sf := f.Relayed(o.op)
		s.routes.add(&route{method: "POST", path: o.path, scope: o.scope, meter: MeterLedger, op: o.op, in: sf.In, frames: sf.Frames, operation: o, handle: s.serveRelay})
	}
	relayed("/v1/responses", providers.OpChat, "chat", f.Responses)
	relayed("/v1/responses/input_tokens", providers.OpInputTokens, "chat", f.Responses)
	relayed("/v1/responses/compact", providers.OpCompact, "chat", f.Responses)
	relayed("/v1/messages", providers.OpChat, "chat", f.Messages)
	s.routes.add(&route{method: "POST", path: "/v1/messages/count_tokens", scope: "chat", meter: MeterLedger,
		op: providers.OpCountTokens, in: f.Messages.In, frames: f.Messages.Frames, handle: s.serveRelay})

	s.registerGemini()

	free := func(method, path, scope string, op providers.Op, h func(*call)) {
		s.routes.add(&route{method: method, path: path, scope: scope, meter: MeterFree, op: op, handle: h})
	}
	for _, m := range []string{"GET", "HEAD"} {
		free(m, "/v1/models", scopeSelf, "", s.listModels)
		free(m, "/v1/model/info", scopeSelf, "", s.listModelInfo)
		free(m, "/v1/models/{id...}", scopeSelf, "", s.showModel)
		free(m, "/health", scopePublic, "", s.health)
		for _, path := range []string{"/livez", "/health/liveliness"} { // the second is LiteLLM's name
			free(m, path, scopePublic, "", s.livez)
		}
		for _, path := range []string{"/readyz", "/health/readiness"} {
			free(m, path, scopePublic, "", s.readyz)
		}
		free(m, "/", scopePublic, "", s.root)
		free(m, "/admin/{path...}", scopePublic, "", s.page)
		free(m, "/admin/", scopePublic, "", s.page)
		free(m, "/admin", scopePublic, "", s.page)
	}
	free("POST", "/admin/session", scopePublic, "", s.signIn)
	free("GET", "/admin/session", scopePublic, "", s.showSession)
	free("HEAD", "/admin/session", scopePublic, "", s.showSession)
	free("DELETE", "/admin/session", scopePublic, "", s.signOut)
	free("GET", "/v1/responses/{id}", scopeSelf, "", s.storedResponse)
	free("DELETE", "/v1/responses/{id}", scopeSelf, "", s.storedResponse)
	for part, method := range map[string]string{"input_items": "GET", "cancel": "POST"} {
		free(method, "/v1/responses/{id}/"+part, scopeSelf, "", func(c *call) {
			c.params["part"] = part
			s.storedResponse(c)
		})
	}
	free("GET", "/metrics", scopePublic, "", s.serveMetrics)
	if s.o.Admin == nil {
		return
	}
	free("GET", "/v1/admin/requests", "viewer", "", s.inFlight)
	free("GET", "/v1/admin/requests/live", "viewer", "", s.liveFeed)
	free("POST", "/v1/admin/requests/{request_id}/cancel", "admin", "", s.cancelRequest)
	free("GET", "/v1/admin/openapi.json", "viewer", "", described("application/json", api.OpenAPIJSON))
	free("GET", "/v1/admin/openapi.yaml", "viewer", "", described("application/yaml", func() []byte { return api.OpenAPI }))
	for _, r := range s.o.Admin.Routes() {
		free(r.Method, r.Path, r.Scope, "", s.adminHandler(r))
	}
}

// described answers the description of the API.
func described(mediaType string, doc func() []byte) func(*call) {
	return func(c *call) {
		c.ctx.Response.Header.SetContentType(mediaType)
		c.ctx.Response.SetBody(doc())
	}
}

// adminHandler gives a route of the admin API what it needs to know of the caller.
func (s *Server) adminHandler(r admin.Route) func(*call) {
	return func(c *call) {
		if s.detached.Load() {
			c.ctx.Response.Header.Set("Retry-After", "1")
			c.fail(&providers.Error{Kind: providers.KindUnavailable, Code: "restarting", Message: "this gateway is being restarted: ask again, its successor answers"})
			return
		}
		buf, e := c.readBody(1<<20, &holding{})
		if e != nil {
			c.fail(e)
			return
		}
		defer putBody(buf)
		s.o.Admin.Serve(r, &admin.Call{Ctx: c.ctx, Who: c.who, Now: c.start, RequestID: c.id, Body: *buf, Params: c.params})
	}
}
