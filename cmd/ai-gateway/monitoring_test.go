package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// program returns the path of a program of this machine. Without it the test is
// skipped, or fails where CI is set: there .ci/run has installed it.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: .ci/run installs it", name)
		}
		t.Skipf("SKIPPED: %s is missing", name)
	}
	return path
}

const deployDir = "../../deploy/"

func TestPromtool(t *testing.T) {
	tool := program(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"check", "config", "prometheus.yml"}, {"test", "rules", "rules_test.yml"}} {
		cmd := exec.Command(tool, args...)
		cmd.Dir = deployDir + "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestMonitoring runs the graph of docker-compose.yml as processes: Prometheus,
// with its file but for the addresses, scrapes the gateway, and answers what the
// dashboards and alerts ask.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	tool := program(t, "prometheus")
	cert, key, _, _ := writeCertificate(t, t.TempDir(), "localhost")
	metrics, second := freeAddr(t), freeAddr(t)
	up := startUpstream(t)
	g := serve(t, "", []string{"OPENAI_API_KEY=sk-1", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up.url + "/v1", "ANTHROPIC_API_KEY=sk-2", "AI_GATEWAY_PROVIDER_ANTHROPIC_BASE_URL=" + up.url},
		"--metrics-listen", metrics)
	serve(t, "", nil, "--metrics-listen", second, "--tls-cert", cert, "--tls-key", key)
	busy := func() {
		ask := func(want int, body string) {
			if status, out, _ := g.call("POST", "/v1/chat/completions", g.admin, body); status != want {
				t.Fatalf("%d %s", status, out)
			}
		}
		ask(200, `{"model":"gpt-4","messages":[{"role":"user","content":"hi"}]}`)
		ask(200, `{"model":"gpt-4","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
		ask(200, `{"model":"claude-3-opus-20240229","seed":1,"messages":[{"role":"user","content":"hi"}]}`)
		ask(500, `{"model":"demo-error-500","messages":[{"role":"user","content":"hi"}]}`)
	}
	busy()
	prom := startPrometheus(t, tool, metrics, second)
	awaited(t, 30*time.Second, "the targets are not up", func() bool { return len(prom.query(`up{job="ai-gateway"} == 1`)) == 2 })
	busy() // a rate takes two samples
	awaited(t, 30*time.Second, "the requests are not counted", func() bool { return len(prom.query(`sum(rate(ai_gateway_cost_usd_total[1m])) > 0`)) == 1 })

	var names []string
	prom.get("/api/v1/label/__name__/values", &names)
	name := regexp.MustCompile(`\b(ai_gateway|go|process)_\w+|\bup\b`)
	asked := 0
	check := func(where, expr string) {
		for _, metric := range name.FindAllString(expr, -1) {
			asked++
			if !slices.Contains(names, metric) {
				t.Errorf("%s asks for %s, which the gateway does not tell", where, metric)
			}
		}
	}
	for title, expr := range dashboardQueries(t) {
		check(title, expr)
		expr = strings.NewReplacer("$__rate_interval", "1m", "$__range", "5m", "$instance", ".*").Replace(expr)
		if len(prom.query(expr)) == 0 {
			t.Errorf("%s shows nothing: %s", title, expr)
		}
	}
	for alert, expr := range ruleQueries(t) {
		check("alert "+alert, expr)
	}
	if asked < 60 {
		t.Errorf("only %d metrics were looked for", asked)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, State, Health, LastError string }
		}
	}
	type rule = struct{ Name, State, Health, LastError string }
	evaluated := func() bool { // again after the first look at the gateway: the test's certificate has an hour left
		prom.get("/api/v1/rules", &rules)
		return len(rules.Groups) == 1 && !slices.ContainsFunc(rules.Groups[0].Rules, func(r rule) bool {
			return r.Health == "unknown" || r.Name == "CertificateEnds" && r.Health == "ok" && r.State != "firing"
		})
	}
	awaited(t, 30*time.Second, "the rules are not evaluated, or CertificateEnds does not fire", evaluated)
	for _, r := range rules.Groups[0].Rules {
		if r.Health != "ok" {
			t.Errorf("alert %s: %s %s", r.Name, r.Health, r.LastError)
		}
	}
}

// dashboardQueries are the expressions of all dashboards by dashboard and panel.
func dashboardQueries(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, _ := filepath.Glob(deployDir + "grafana/dashboards/*.json")
	for _, file := range files {
		var d struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ RefID, Expr string }
			}
		}
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &d)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				out[d.Title+", "+p.Title+" "+q.RefID] = q.Expr
			}
		}
	}
	if len(files) != 4 || len(out) < 40 {
		t.Fatalf("%d dashboards with %d queries", len(files), len(out))
	}
	return out
}

func ruleQueries(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	b, err := os.ReadFile(deployDir + "prometheus/rules.yml")
	if err == nil {
		err = yaml.Unmarshal(b, &file)
	}
	if err != nil || len(file.Groups) == 0 {
		t.Fatalf("rules.yml: %v", err)
	}
	out := map[string]string{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			out[r.Alert] = r.Expr
		}
	}
	return out
}

type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus runs Prometheus with the project's file, which is to scrape the
// metrics at addresses of this test, often.
func startPrometheus(t *testing.T, tool string, metrics ...string) prometheus {
	t.Helper()
	dir, addr := t.TempDir(), freeAddr(t)
	b, err := os.ReadFile(deployDir + "prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	conf := strings.NewReplacer("gateway:9090", strings.Join(metrics, `", "`), "localhost:9090", addr, "15s", "1s").Replace(string(b))
	rules, err := os.ReadFile(deployDir + "prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"prometheus.yml": conf, "rules.yml": string(rules)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log := &syncBuffer{}
	cmd := exec.Command(tool, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus:\n%s", log)
		}
	})
	p := prometheus{t, "http://" + addr}
	awaited(t, 30*time.Second, "Prometheus is not ready", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == 200
	})
	return p
}

// query returns what an expression gives now.
func (p prometheus) query(expr string) []json.RawMessage {
	p.t.Helper()
	var out struct{ Result []json.RawMessage }
	p.get("/api/v1/query?query="+url.QueryEscape(expr), &out)
	return out.Result
}

// get reads the data of one call of Prometheus's API.
func (p prometheus) get(path string, data any) {
	p.t.Helper()
	resp, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	b, _ := io.ReadAll(resp.Body)
	if err := json.Unmarshal(b, &answer); err != nil || answer.Status != "success" || json.Unmarshal(answer.Data, data) != nil {
		p.t.Fatalf("%s: %v %s", path, err, b)
	}
}

// awaited waits until ok, or fails the test with what did not come.
func awaited(t testing.TB, patience time.Duration, missing string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s within %v", missing, patience)
}
