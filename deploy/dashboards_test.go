// Package deploy holds no code: its files are what runs the gateway elsewhere. Its
// tests write and check them.
package deploy

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the dashboards anew")

// A panel is one graph or number: each query is a legend and a PromQL expression.
type panel struct {
	kind    string // timeseries, stat
	title   string
	unit    string // Grafana's name of it
	about   string // what a reader should know
	queries [][2]string
}

// A dashboard is a page of panels, three a row.
type dashboard struct {
	file, title string
	panels      []panel
}

const (
	gw = `instance=~"$instance"` // the nodes chosen
	by = `sum by `
)

func quantile(q, metric, labels string) string {
	le := "le"
	if labels != "" {
		le = labels + ", le"
	}
	return `histogram_quantile(` + q + `, sum by (` + le + `) (rate(` + metric + `_bucket{` + gw + `}[$__rate_interval])))`
}

func rate(metric string) string { return `rate(` + metric + `{` + gw + `}[$__rate_interval])` }

func rateOf(metric, match string) string {
	return `rate(` + metric + `{` + gw + `, ` + match + `}[$__rate_interval])`
}

var dashboards = []dashboard{
	{"traffic", "AI gateway: traffic", []panel{
		{"stat", "Requests a second", "reqps", "", [][2]string{{"", `sum(` + rate("ai_gateway_requests_total") + `)`}}},
		{"stat", "Refused or failed", "percentunit", "Share of requests answered with 4xx or 5xx.", [][2]string{{"", `sum(` + rateOf("ai_gateway_requests_total", `status=~"[45].."`) + `) / sum(` + rate("ai_gateway_requests_total") + `)`}}},
		{"stat", "In flight", "short", "", [][2]string{{"", `sum(ai_gateway_inflight_requests{` + gw + `})`}}},
		{"timeseries", "Requests by status", "reqps", "", [][2]string{{"{{status}}", by + `(status) (` + rate("ai_gateway_requests_total") + `)`}}},
		{"timeseries", "Requests by model", "reqps", "The ten asked most; models outside the configured set are \"other\".", [][2]string{{"{{model}}", `topk(10, sum by (model) (` + rate("ai_gateway_requests_total") + `))`}}},
		{"timeseries", "Requests by operation", "reqps", "", [][2]string{{"{{operation}}", by + `(operation) (` + rate("ai_gateway_requests_total") + `)`}}},
		{"timeseries", "Duration", "s", "From admission to the last byte.", [][2]string{{"p50", quantile("0.5", "ai_gateway_request_duration_seconds", "")}, {"p95", quantile("0.95", "ai_gateway_request_duration_seconds", "")}, {"p99", quantile("0.99", "ai_gateway_request_duration_seconds", "")}}},
		{"timeseries", "Time to the first token", "s", "Of streams.", [][2]string{{"p50", quantile("0.5", "ai_gateway_time_to_first_token_seconds", "")}, {"p95", quantile("0.95", "ai_gateway_time_to_first_token_seconds", "")}}},
		{"timeseries", "What the gateway adds", "s", "Total time less the wait for upstreams.", [][2]string{{"p50", quantile("0.5", "ai_gateway_overhead_seconds", "")}, {"p99", quantile("0.99", "ai_gateway_overhead_seconds", "")}}},
		{"timeseries", "Refused for want of memory or processors", "reqps", "", [][2]string{{"{{instance}}", rate("ai_gateway_shed_requests_total")}}},
		{"timeseries", "Members that a translation could not carry", "reqps", "Named to callers in x-gateway-dropped-params.", [][2]string{{"{{from}} → {{to}}", by + `(from, to) (` + rate("ai_gateway_dropped_params_total") + `)`}}},
		{"timeseries", "Memory", "bytes", "", [][2]string{{"{{instance}}", `process_resident_memory_bytes{job="ai-gateway", ` + gw + `}`}}},
	}},
	{"cost", "AI gateway: cost and quota", []panel{
		{"stat", "Cost of the time shown", "currencyUSD", "What upstreams charge, as counted since the start of each process; `ai-gateway usage` is exact.", [][2]string{{"", `sum(increase(ai_gateway_cost_usd_total{` + gw + `}[$__range]))`}}},
		{"stat", "Tokens of the time shown", "short", "", [][2]string{{"", `sum(increase(ai_gateway_tokens_total{` + gw + `}[$__range]))`}}},
		{"stat", "Reserved now", "currencyUSD", "Held for requests in flight.", [][2]string{{"", `sum(ai_gateway_ledger_reserved_usd{` + gw + `})`}}},
		{"timeseries", "Cost an hour", "currencyUSD", "", [][2]string{{"{{instance}}", by + `(instance) (` + rate("ai_gateway_cost_usd_total") + `) * 3600`}}},
		{"timeseries", "Tokens a second", "short", "", [][2]string{{"{{type}}", by + `(type) (` + rate("ai_gateway_tokens_total") + `)`}}},
		{"timeseries", "Input read from prompt caches", "percentunit", "", [][2]string{{"cached", `sum(` + rateOf("ai_gateway_tokens_total", `type="cache_read"`) + `) / sum(` + rateOf("ai_gateway_tokens_total", `type=~"input|cache_read|cache_write"`) + `)`}}},
		{"timeseries", "Refused by a budget", "reqps", "`ai-gateway quota explain` names it.", [][2]string{{"{{instance}}", rate("ai_gateway_budget_denied_total")}}},
		{"timeseries", "Refused by a rate", "reqps", "", [][2]string{{"{{kind}}", by + `(kind) (` + rate("ai_gateway_rate_limited_total") + `)`}}},
		{"timeseries", "Limits used to their soft percent", "short", "Once a window and limit.", [][2]string{{"{{kind}}", by + `(kind) (increase(ai_gateway_budget_soft_limit_total{` + gw + `}[$__rate_interval]))`}}},
	}},
	{"upstreams", "AI gateway: upstream health", []panel{
		{"stat", "Accounts held back", "short", "None of their keys and models serves.", [][2]string{{"", `count(ai_gateway_target_state{` + gw + `} == 2) or vector(0)`}}},
		{"stat", "Attempts that fail", "percentunit", "", [][2]string{{"", `sum(` + rateOf("ai_gateway_attempts_total", `outcome!~"ok|cancelled"`) + `) / sum(` + rate("ai_gateway_attempts_total") + `)`}}},
		{"stat", "Attempts a request", "short", "Above 1 are retries and fallbacks.", [][2]string{{"", `sum(` + rate("ai_gateway_attempts_total") + `) / sum(` + rateOf("ai_gateway_requests_total", `provider!=""`) + `)`}}},
		{"timeseries", "State of accounts", "short", "0 serves, 1 some of its keys or models are held back, 2 all are.", [][2]string{{"{{account}}", `max by (account) (ai_gateway_target_state{` + gw + `})`}}},
		{"timeseries", "Attempts by outcome", "reqps", "", [][2]string{{"{{outcome}}", by + `(outcome) (` + rate("ai_gateway_attempts_total") + `)`}}},
		{"timeseries", "Requests by provider", "reqps", "", [][2]string{{"{{provider}}", by + `(provider) (` + rate("ai_gateway_requests_total") + `)`}}},
		{"timeseries", "Failures by provider", "percentunit", "Share of its requests that end in 5xx.", [][2]string{{"{{provider}}", by + `(provider) (` + rateOf("ai_gateway_requests_total", `status=~"5.."`) + `) / ` + by + `(provider) (` + rate("ai_gateway_requests_total") + `)`}}},
		{"timeseries", "Duration by provider, p95", "s", "", [][2]string{{"{{provider}}", quantile("0.95", "ai_gateway_request_duration_seconds", "provider")}}},
		{"timeseries", "Time to the first token by provider, p95", "s", "", [][2]string{{"{{provider}}", quantile("0.95", "ai_gateway_time_to_first_token_seconds", "provider")}}},
	}},
	{"ledger", "AI gateway: ledger", []panel{
		{"stat", "Takes entries", "short", "1 on each node, or requests are refused.", [][2]string{{"{{instance}}", `ai_gateway_ledger_up{` + gw + `}`}}},
		{"stat", "Failed writes", "short", "In the time shown.", [][2]string{{"", `sum(increase(ai_gateway_ledger_failures_total{` + gw + `}[$__range]))`}}},
		{"stat", "Requests admitted and not settled", "short", "", [][2]string{{"", `sum(ai_gateway_ledger_open_holds{` + gw + `})`}}},
		{"timeseries", "Entries made durable a second", "ops", "", [][2]string{{"{{instance}}", rate("ai_gateway_ledger_entries_total")}}},
		{"timeseries", "Entries a commit", "short", "What shares one write to disk.", [][2]string{{"{{instance}}", rate("ai_gateway_ledger_entries_total") + ` / ` + rate("ai_gateway_ledger_commits_total")}}},
		{"timeseries", "Duration of a commit", "s", "Write and fdatasync.", [][2]string{{"p50", quantile("0.5", "ai_gateway_ledger_fsync_seconds", "")}, {"p99", quantile("0.99", "ai_gateway_ledger_fsync_seconds", "")}}},
		{"timeseries", "Waiting to be durable", "short", "", [][2]string{{"{{instance}}", `ai_gateway_ledger_queue{` + gw + `}`}}},
		{"timeseries", "Durable and not yet in the store", "short", "Grows while the database cannot be reached; nothing is lost.", [][2]string{{"{{instance}}", `ai_gateway_ledger_applier_lag{` + gw + `}`}}},
		{"timeseries", "Open files", "short", "", [][2]string{{"{{instance}}", `process_open_fds{job="ai-gateway", ` + gw + `}`}}},
		{"timeseries", "Goroutines", "short", "", [][2]string{{"{{instance}}", `go_goroutines{job="ai-gateway", ` + gw + `}`}}},
		{"timeseries", "Bugs contained", "short", "Panics; the log holds their stacks.", [][2]string{{"{{instance}}", `increase(ai_gateway_panics_total{` + gw + `}[$__rate_interval])`}}},
		{"timeseries", "Versions that run", "short", "", [][2]string{{"{{version}}", `count by (version) (ai_gateway_build_info{` + gw + `})`}}},
	}},
}

type object = map[string]any

var datasource = object{"type": "prometheus", "uid": "prometheus"}

// render returns d as Grafana reads it.
func (d dashboard) render() []byte {
	var panels []object
	x, y := 0, 0
	for i, p := range d.panels {
		height := 8
		if p.kind == "stat" {
			height = 4
		}
		var targets []object
		for j, q := range p.queries {
			targets = append(targets, object{"refId": string(rune('A' + j)), "datasource": datasource, "expr": q[1], "legendFormat": q[0]})
		}
		panels = append(panels, object{
			"id": i + 1, "type": p.kind, "title": p.title, "description": p.about, "datasource": datasource, "targets": targets,
			"gridPos":     object{"x": x, "y": y, "w": 8, "h": height},
			"fieldConfig": object{"defaults": object{"unit": p.unit}, "overrides": []object{}},
		})
		if x += 8; x == 24 {
			x, y = 0, y+height
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(object{
		"uid": "ai-gateway-" + d.file, "title": d.title, "tags": []string{"ai-gateway"}, "schemaVersion": 39, "editable": true, "refresh": "30s",
		"time": object{"from": "now-6h", "to": "now"}, "panels": panels,
		"links": []object{{"type": "dashboards", "title": "AI gateway", "tags": []string{"ai-gateway"}, "asDropdown": false, "keepTime": true}},
		"templating": object{"list": []object{{
			"name": "instance", "label": "Node", "type": "query", "datasource": datasource, "query": "label_values(ai_gateway_build_info, instance)",
			"includeAll": true, "multi": true, "allValue": ".*", "current": object{"text": "All", "value": "$__all"}, "refresh": 2,
		}}},
	})
	return b.Bytes()
}

// TestDashboards holds the JSON files to the tables above: go test ./deploy -update
func TestDashboards(t *testing.T) {
	for _, d := range dashboards {
		file, want := "grafana/dashboards/"+d.file+".json", d.render()
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the table says (%v): go test ./deploy -update", file, err)
		}
	}
}
