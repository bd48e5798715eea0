package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/telemetry/otel/oteltest"
)

// TestOpenTelemetry: by OpenTelemetry's variables alone a collector is told of requests
// and metrics, also of what waits when the gateway ends; its headers are secrets.
func TestOpenTelemetry(t *testing.T) {
	t.Parallel()
	const secret = "collector-secret-5d0c1f"
	c := oteltest.New(t)
	up := startUpstream(t)
	broken := startHandler(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	g := serve(t, "", []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20" + secret, "OTEL_SERVICE_NAME=gateway-under-test",
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test", "OTEL_METRIC_EXPORT_INTERVAL=200", "AI_GATEWAY_TELEMETRY_OTEL_PROPAGATE=on",
		"OPENAI_API_KEY=sk-1", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up.url + "/v1", "ANTHROPIC_API_KEY=sk-2", "AI_GATEWAY_PROVIDER_ANTHROPIC_BASE_URL=" + broken,
	})
	key := g.newKey(`{"name":"traced"}`)
	ask := func(body string, header ...string) string {
		t.Helper()
		status, out, head := g.call("POST", "/v1/chat/completions", key, body, header...)
		if status != 200 {
			t.Fatalf("%d %s", status, out)
		}
		return head.Get("X-Request-Id")
	}
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	id := ask(`{"model":"claude-3-opus-20240229","fallbacks":["gpt-4"],"stream":true,"max_tokens":20,"messages":[{"role":"user","content":"the prompt's words"}]}`, "Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	all := c.Await(3)
	whole, last := oteltest.Attributes(all[0].Attributes), oteltest.Attributes(all[len(all)-1].Attributes)
	if fmt.Sprintf("%x", all[0].TraceId) != trace || all[0].Name != "chat claude-3-opus-20240229" || whole["ai_gateway.request.id"] != id || whole["ai_gateway.key.name"] != "traced" || whole["http.route"] != "/v1/chat/completions" {
		t.Errorf("%v", all[0])
	}
	if a := oteltest.Attributes(all[1].Attributes); a["gen_ai.provider.name"] != "anthropic" || a["error.type"] != "500" {
		t.Errorf("%v", all[1])
	}
	if last["gen_ai.provider.name"] != "openai" || last["gen_ai.response.id"] != "chatcmpl-1" || last["gen_ai.usage.input_tokens"] != int64(11) || last["ai_gateway.attempt.fallback"] != true || last["gen_ai.response.time_to_first_chunk"] == nil {
		t.Errorf("%v", last)
	}
	if got := up.last().header.Get("Traceparent"); got != fmt.Sprintf("00-%s-%x-01", trace, all[len(all)-1].SpanId) {
		t.Errorf("the upstream is told %q", got)
	}
	if r := oteltest.Attributes(c.Traces()[0].Resource.Attributes); r["service.name"] != "gateway-under-test" || r["deployment.environment.name"] != "test" || r["service.instance.id"] == nil || r["service.version"] == nil {
		t.Errorf("resource: %v", r)
	}
	awaited(t, 20*time.Second, "no metrics were told", func() bool { return c.Metric("gen_ai.client.token.usage") != nil })
	if p := c.Metric("gen_ai.client.operation.duration").GetHistogram().GetDataPoints(); len(p) < 2 {
		t.Errorf("durations: %v", p)
	}
	if c.Metric("ai_gateway_requests_total") == nil || c.Metric("go_goroutines") != nil {
		t.Error("the gateway's own metrics are not told as they should be")
	}
	show, err := g.run("ai-gateway config server show --origin; ai-gateway doctor")
	for _, want := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "Authorization=…", "OTEL_METRIC_EXPORT_INTERVAL", "AI_GATEWAY_TELEMETRY_OTEL_PROPAGATE", "traces are told to " + c.URL + "/v1/traces"} {
		if err != nil || !strings.Contains(show, want) {
			t.Errorf("%q is not shown: %v\n%s", want, err, show)
		}
	}
	_, status, _ := g.call("GET", "/v1/admin/status", g.admin, "")
	if !strings.Contains(status, `"otel":{"traces":{"to":"`+c.URL) {
		t.Errorf("status: %s", status)
	}
	// What is asked right before the end is told, too.
	asked := map[any]bool{}
	for range 20 {
		asked[ask(`{"model":"gpt-4","messages":[{"role":"user","content":"hi"}]}`)] = true
	}
	g.stop()
	for _, s := range c.Spans() {
		delete(asked, oteltest.Attributes(s.Attributes)["ai_gateway.request.id"])
	}
	if len(asked) != 0 {
		t.Errorf("%d of the last 20 requests were not told", len(asked))
	}
	for where, text := range map[string]string{"what the collector is told": c.Bodies(), "the log": g.log.String(), "what is shown": show + status} {
		for _, hidden := range []string{secret, key, "sk-1", "sk-2", "the prompt's words"} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s hold %q", where, hidden)
			}
		}
	}
	if h := c.Heads()[0]; h.Get("Authorization") != "Bearer "+secret {
		t.Errorf("headers: %v", h)
	}
}

// TestCollectorFails: one that hangs or is not there holds up no request and not the
// end; doctor names it.
func TestCollectorFails(t *testing.T) {
	t.Parallel()
	c := oteltest.New(t)
	c.Answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, endpoint := range map[string]string{"hangs": c.URL, "is not there": "http://127.0.0.1:1"} {
		g := serve(t, "", nil, "--telemetry-otel-endpoint", endpoint, "--telemetry-otel-timeout", "1s", "--telemetry-otel-interval", "1s")
		start := time.Now()
		for range 50 {
			if status, out, _ := g.call("POST", "/v1/chat/completions", g.admin, `{"model":"demo-fast","messages":[{"role":"user","content":"hi"}]}`); status != 200 {
				t.Fatalf("%s: %d %s", name, status, out)
			}
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s: 50 requests took %v", name, d)
		}
		var out string
		awaited(t, 20*time.Second, name+": doctor does not name it", func() bool {
			out, _ = g.run("ai-gateway doctor")
			return strings.Contains(out, "traces do not reach the OpenTelemetry collector at "+endpoint+"/v1/traces: ") && strings.Contains(out, "→ ai-gateway config server show --origin")
		})
		start = time.Now()
		g.stop()
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("%s: the end took %v", name, d)
		}
		if n := strings.Count(g.log.String(), "cannot tell the OpenTelemetry collector of traces"); n != 1 {
			t.Errorf("%s: that is logged %d times\n%s", name, n, g.log)
		}
	}
	if out, err := (&gateway{t: t, home: t.TempDir(), env: []string{"PATH=" + binary(t) + ":/bin:/usr/bin", "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}}).run("ai-gateway serve --check --data-dir /tmp/x"); err != nil {
		t.Errorf("gRPC keeps it from starting: %v %s", err, out)
	}
}
