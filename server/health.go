package server

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/telemetry"
)

// health is the summary for people; details need a key and are in the admin API.
func (s *Server) health(c *call) {
	out := struct {
		Status  string `json:"status"`
		Version string `json:"version"`
		Uptime  int64  `json:"uptime_seconds"`
		Why     string `json:"reason,omitempty"`
	}{"ok", s.o.Version, int64(c.start.Sub(s.started).Seconds()), ""}
	status := 200
	if why := s.notReady(); why != "" {
		out.Status, out.Why, status = "unavailable", why, 503
	}
	writeJSON(c, status, out)
}

func (s *Server) livez(c *call) {
	writeJSON(c, 200, struct {
		Status string `json:"status"`
	}{"ok"})
}

func (s *Server) readyz(c *call) {
	out := struct {
		Status string `json:"status"`
		Why    string `json:"reason,omitempty"`
		// Degraded names what is away without which the gateway serves on.
		Degraded []string `json:"degraded,omitempty"`
	}{Status: "ok"}
	status := 200
	if s.o.Degraded != nil {
		out.Degraded = s.o.Degraded()
	}
	if why := s.notReady(); why != "" {
		out.Status, out.Why, status = "unavailable", why, 503
	}
	writeJSON(c, status, out)
}

func (s *Server) notReady() string {
	if s.draining.Load() {
		return "draining"
	}
	if s.o.Ready != nil {
		if err := s.o.Ready(); err != nil {
			return err.Error()
		}
	}
	return ""
}

// root leads a browser to the page and tells others where they are.
func (s *Server) root(c *call) {
	if strings.Contains(string(c.ctx.Request.Header.Peek("Accept")), "text/html") {
		c.ctx.Redirect("/admin/", fasthttp.StatusFound)
		return
	}
	writeJSON(c, 200, struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Docs    string `json:"docs"`
	}{"ai-gateway", s.o.Version, "/admin/"})
}

func metricsHandler(m *telemetry.Metrics) fasthttp.RequestHandler {
	return fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
}

// serveMetrics answers loopback peers, and others that show a key with the viewer scope.
func (s *Server) serveMetrics(c *call) {
	if !peerIsLoopback(c.ctx) {
		who, e := s.auth.who(c)
		if e == nil {
			e = allowed(who, "viewer", false)
		}
		if e != nil {
			c.fail(e)
			return
		}
	}
	s.metrics(c.ctx)
}

// MetricsHandler serves only /metrics, for a listener of its own.
func (s *Server) MetricsHandler(ctx *fasthttp.RequestCtx) {
	defer func() {
		if v := recover(); v != nil {
			s.Panicked("metrics", v)
			ctx.Error("internal error\n", fasthttp.StatusInternalServerError)
		}
	}()
	if string(ctx.Path()) != "/metrics" {
		ctx.Error("only /metrics is served here\n", fasthttp.StatusNotFound)
		return
	}
	s.metrics(ctx)
}

// page serves the embedded admin page.
func (s *Server) page(c *call) {
	path := strings.TrimPrefix(string(c.ctx.Path()), "/admin")
	if path == "" {
		c.ctx.Redirect("/admin/", fasthttp.StatusFound)
		return
	}
	if e := s.checkPage(c.ctx); e != nil {
		c.fail(e)
		return
	}
	if s.o.Web == nil || !s.o.Web(c.ctx, strings.TrimPrefix(path, "/")) {
		c.fail(refuse(404, "unknown_path", "no such page"))
	}
}

// checkPage refuses the page under a name that is not this gateway's. A link from
// another site may lead here: only the name counts.
func (s *Server) checkPage(ctx *fasthttp.RequestCtx) *providers.Error {
	if host := string(ctx.Request.Header.Host()); !s.ownHost(host) {
		return forbidden("host_not_allowed", "this gateway does not go by the name "+clip(host, 100)+": start it with --public-url to allow it")
	}
	return nil
}
