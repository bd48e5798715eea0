package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A recording is one recorded exchange with a provider.
type recording struct {
	ID, Provider, Endpoint string
	Request                struct {
		Method, Path string
		Headers      map[string]string
		Body         json.RawMessage
		Text         string
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    json.RawMessage
		SSE     string
		Text    string
		B64     []byte // an AWS event stream
	}
}

// payload returns the answer's bytes.
func (r *recording) payload() []byte {
	switch {
	case r.Response.SSE != "":
		return []byte(r.Response.SSE)
	case len(r.Response.Body) > 0:
		return r.Response.Body
	}
	return []byte(r.Response.Text)
}

func recordings(t *testing.T, endpoints ...string) []*recording {
	t.Helper()
	dir := shared(t, "cassettes/open")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", dir, err)
	}
	sort.Strings(files)
	var out []*recording
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r := &recording{}
		if err := json.Unmarshal(b, r); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if slices.Contains(endpoints, r.Endpoint) {
			out = append(out, r)
		}
	}
	return out
}

// A replayer answers every request with the recording set last, in pieces cut at random.
type replayer struct {
	url string
	mu  sync.Mutex
	now *recording
	cut int // bytes after which a stream is broken off; 0: never
	rng *rand.Rand
	got []byte // the request body it was sent
}

func startReplayer(t *testing.T) *replayer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &replayer{url: "http://" + ln.Addr().String(), rng: rand.New(rand.NewPCG(1, 2))}
	srv := &http.Server{Handler: p}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return p
}

func (p *replayer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Method == "GET" || p.now == nil { // the listing of models
		http.Error(w, `{"error":{"message":"none"}}`, 404)
		return
	}
	p.got, _ = io.ReadAll(r.Body)
	res := &p.now.Response
	for _, name := range []string{"content-type", "retry-after", "request-id", "x-request-id"} {
		if v := res.Headers[name]; v != "" {
			w.Header().Set(name, v)
		}
	}
	if w.Header().Get("content-type") == "" {
		w.Header()["Content-Type"] = nil // not recorded: none, rather than a guess
	}
	body := p.now.payload()
	if res.SSE == "" {
		w.WriteHeader(res.Status)
		_, _ = w.Write(body)
		return
	}
	w.WriteHeader(res.Status)
	if p.cut > 0 {
		body = body[:p.cut]
	}
	for len(body) > 0 {
		n := 1 + p.rng.IntN(min(len(body), 1+p.rng.IntN(400)))
		_, _ = w.Write(body[:n])
		w.(http.Flusher).Flush()
		body = body[n:]
	}
	if p.cut > 0 {
		panic(http.ErrAbortHandler)
	}
}

// vendorOf maps the provider of a recording to a provider of the gateway.
func vendorOf(p string) string {
	switch p {
	case "vercel-gateway":
		return "vercel"
	case "llama.cpp":
		return "llamacpp"
	case "avian", "gpustack", "litellm-proxy", "other", "pydantic-gateway", "voyage", "bedrock-mantle", "heroku", "gemini":
		return "custom"
	}
	return p
}

// corpusConfig gives every vendor an account that leads to the replayer.
func corpusConfig(t *testing.T, url string, recs []*recording) string {
	t.Helper()
	seen := map[string]bool{}
	var b strings.Builder
	b.WriteString("accounts:\n")
	for _, r := range recs {
		name := accountOf(r)
		if seen[name] {
			continue
		}
		seen[name] = true
		vendor, base := vendorOf(r.Provider), url+"/v1"
		if r.Endpoint == "openai_responses" && vendor == "custom" {
			vendor = "custom-responses"
		}
		if strings.HasPrefix(r.Endpoint, "anthropic") {
			vendor, base = "anthropic", url
		}
		options := ""
		if vendor == "azure" {
			options = ", options: {api_version: 2024-12-01-preview}"
		}
		fmt.Fprintf(&b, "  - {provider: %s, account_name: %s, api_key: sk-replayed-secret, base_url: %q, models: [%s]%s}\n", vendor, name, base, named(recs, name), options)
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func accountOf(r *recording) string {
	if strings.HasPrefix(r.Endpoint, "anthropic") {
		return "rec-anthropic-" + strings.ReplaceAll(r.Provider, ".", "-")
	}
	if r.Endpoint == "openai_responses" {
		return "rec-responses-" + strings.ReplaceAll(r.Provider, ".", "-")
	}
	return "rec-" + strings.ReplaceAll(r.Provider, ".", "-")
}

var routeOf = map[string]string{
	"openai_chat": "/v1/chat/completions", "openai_completions": "/v1/completions", "openai_embeddings": "/v1/embeddings",
	"openai_responses": "/v1/responses", "anthropic_messages": "/v1/messages", "anthropic_count_tokens": "/v1/messages/count_tokens",
}

// asked makes the caller's request of a recorded one: it names the account by the
// gateway's own member, unless it has one of that name, and the model where the
// recorded request has it in its path.
func asked(r *recording) string {
	s := strings.TrimSuffix(strings.TrimSpace(string(r.Request.Body)), "}")
	if !hasMember(r.Request.Body, "provider") {
		s += `,"provider":"` + accountOf(r) + `"`
	}
	if !hasMember(r.Request.Body, "model") && deployment(r) != "" {
		s += `,"model":"` + deployment(r) + `"`
	}
	return s + "}"
}

// deployment returns the model that a recorded Azure path names.
func deployment(r *recording) string {
	_, rest, _ := strings.Cut(r.Request.Path, "/deployments/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// named returns the models of recordings whose account cannot be asked for by name.
func named(recs []*recording, account string) string {
	out := []string{`"*"`}
	for _, r := range recs {
		var m struct{ Model string }
		if accountOf(r) == account && hasMember(r.Request.Body, "provider") && json.Unmarshal(r.Request.Body, &m) == nil {
			out = append(out, strconv.Quote(m.Model))
		}
	}
	return strings.Join(out, ", ")
}

// TestRecordedRelay replays every recorded exchange whose format the caller and
// the upstream share: the caller gets the recorded bytes, but for what the gateway
// states, and the row holds the recorded usage.
func TestRecordedRelay(t *testing.T) {
	recs := recordings(t, "openai_chat", "openai_completions", "openai_embeddings", "openai_responses", "anthropic_messages", "anthropic_count_tokens")
	up := startReplayer(t)
	g := serve(t, "", nil, "--config", corpusConfig(t, up.url, recs))
	key := g.newKey(`{"name":"corpus"}`)
	passed, total := map[string]int{}, map[string]int{}
	fail := func(r *recording, format string, args ...any) {
		t.Errorf("%s: %s", r.ID, fmt.Sprintf(format, args...))
	}
	for _, r := range recs {
		if len(r.Request.Body) == 0 || r.Request.Method != "POST" {
			t.Logf("left out: %s has no request body", r.ID)
			continue
		}
		name := r.Provider + " " + r.Endpoint
		total[name]++
		up.now = r
		var hdr []string
		if v := r.Request.Headers["anthropic-version"]; v != "" {
			hdr = append(hdr, "Anthropic-Version", v)
		}
		status, body, h := g.call("POST", routeOf[r.Endpoint], key, asked(r), hdr...)
		ok := relayed(r, status, body, h, up.got, func(f string, a ...any) { fail(r, f, a...) })
		if ok && (goesOn(r) && status == 400 || usageRow(g, r, h.Get("X-Request-Id"), func(f string, a ...any) { fail(r, f, a...) })) {
			passed[name]++
		}
	}
	sum, all := 0, 0
	names := make([]string, 0, len(total))
	for n := range total {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		t.Logf("%-36s %4d / %4d", n, passed[n], total[n])
		sum, all = sum+passed[n], all+total[n]
	}
	t.Logf("%-36s %4d / %4d", "relayed byte for byte, usage equal", sum, all)
	if all < 600 {
		t.Errorf("only %d recordings were tried", all)
	}
}

// goesOn reports whether a request refers to an earlier answer.
func goesOn(r *recording) bool { return str(r.Request.Body, "previous_response_id") != "" }

// relayed compares what the caller got with the recording.
func relayed(r *recording, status int, body string, h http.Header, sent []byte, fail func(string, ...any)) bool {
	res := &r.Response
	if goesOn(r) && status == 400 { // from an answer this gateway has never given
		if str(json.RawMessage(body), "error", "code") != "previous_response_not_found" {
			fail("a reference to an unknown response became %d %.200s", status, body)
			return false
		}
		return true
	}
	if res.Status == 401 || res.Status == 403 || strings.Contains(string(r.payload()), "Incorrect API key") {
		if status != 502 || !strings.Contains(body, "upstream_auth_failed") && !strings.Contains(body, "api_error") {
			fail("the upstream's %d became %d %.200s", res.Status, status, body)
			return false
		}
		return true
	}
	if broken(r) { // the upstream reported an error inside its 200
		if status == 200 && strings.Contains(body, "[DONE]") {
			fail("an error inside a 200 ended well: %.300s", body)
			return false
		}
		return true
	}
	want := string(r.payload())
	if asksNoUsage(r) {
		want = withoutUsageEvents(want)
	}
	if status != res.Status {
		fail("status %d, want %d: %.300s", status, res.Status, body)
		return false
	}
	if body != want {
		fail("the bytes differ\ngot  %.600q\nwant %.600q", body, want)
		return false
	}
	return sameRequest(r, sent, fail)
}

// broken reports whether the recorded stream holds an error event, or lacks its end.
func broken(r *recording) bool {
	if r.Response.SSE == "" {
		return r.Response.Status == 200 && hasMember(r.Response.Body, "error") && !hasMember(r.Response.Body, "choices")
	}
	for _, ev := range events(r.Response.SSE) {
		if hasMember(json.RawMessage(ev), "error") {
			return true
		}
	}
	return false
}

func hasMember(b json.RawMessage, name string) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal(b, &m) == nil && len(m[name]) > 0 && string(m[name]) != "null"
}

// events is a plain reader of event streams: the data of each event.
func events(sse string) []string {
	var out []string
	for _, block := range strings.Split(strings.ReplaceAll(sse, "\r\n", "\n"), "\n\n") {
		var data []string
		for _, line := range strings.Split(block, "\n") {
			if v, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(v, " "))
			}
		}
		if len(data) > 0 {
			out = append(out, strings.Join(data, "\n"))
		}
	}
	return out
}

// asksNoUsage: a chat stream whose caller did not ask for the usage event.
func asksNoUsage(r *recording) bool {
	if r.Response.SSE == "" || r.Endpoint != "openai_chat" && r.Endpoint != "openai_completions" {
		return false
	}
	var req struct {
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	_ = json.Unmarshal(r.Request.Body, &req)
	return !req.StreamOptions.IncludeUsage
}

// withoutUsageEvents drops the events that exist only to report usage.
func withoutUsageEvents(sse string) string {
	var out strings.Builder
	for _, block := range strings.SplitAfter(sse, "\n\n") {
		data := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(block), "data:"))
		var chunk struct {
			Choices []json.RawMessage
			Usage   json.RawMessage
		}
		if json.Unmarshal([]byte(data), &chunk) == nil && chunk.Choices != nil && len(chunk.Choices) == 0 && len(chunk.Usage) > 0 && string(chunk.Usage) != "null" {
			continue
		}
		out.WriteString(block)
	}
	return out.String()
}

// sameRequest: the upstream got the caller's members, but for what the gateway adds or cuts.
func sameRequest(r *recording, sent []byte, fail func(string, ...any)) bool {
	var got, want map[string]json.RawMessage
	if err := json.Unmarshal(sent, &got); err != nil {
		fail("the upstream got no JSON: %v %.200q", err, sent)
		return false
	}
	_ = json.Unmarshal(r.Request.Body, &want)
	for name, v := range want {
		if name == "stream_options" || name == "provider" {
			continue
		}
		if g, ok := got[name]; ok && !bytes.Equal(compact(g), compact(v)) {
			fail("the upstream got another %s: %.200s", name, g)
			return false
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && name != "stream_options" && !(name == "model" && deployment(r) != "") {
			fail("the upstream got a member nobody sent: %s", name)
			return false
		}
	}
	return true
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return b
	}
	return out.Bytes()
}

// usageRow compares the ledger's row with what the recording reports.
func usageRow(g *gateway, r *recording, id string, fail func(string, ...any)) bool {
	status, body, _ := g.call("GET", "/v1/admin/usage/logs/"+id, g.admin, "")
	var row struct {
		Status      int
		Prompt      int64  `json:"prompt_tokens"`
		Completion  int64  `json:"completion_tokens"`
		CacheRead   int64  `json:"cache_read_tokens"`
		CacheWrite  int64  `json:"cache_write_tokens"`
		Reasoning   int64  `json:"reasoning_tokens"`
		UsageSource string `json:"usage_source"`
	}
	if status != 200 || json.Unmarshal([]byte(body), &row) != nil {
		fail("no row: %d %.200s", status, body)
		return false
	}
	want, reported := recordedUsage(r)
	if r.Response.Status >= 400 || broken(r) {
		if row.UsageSource == "provider" {
			fail("an error was accounted as whole: %s", body)
			return false
		}
		return true
	}
	if !reported {
		if row.UsageSource != "estimated" && row.UsageSource != "none" {
			fail("nothing was reported, the row says %q", row.UsageSource)
			return false
		}
		return true
	}
	got := usage{row.Prompt, row.Completion, row.CacheRead, row.CacheWrite, row.Reasoning}
	if got != want || row.UsageSource != "provider" {
		fail("usage %+v (%s), recorded %+v", got, row.UsageSource, want)
		return false
	}
	return true
}

type usage struct{ Prompt, Completion, CacheRead, CacheWrite, Reasoning int64 }
