package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// What Claude Code 2.1.197 sends, rebuilt from the facts of a captured request:
// 76,605 bytes, 24 tools, three cache marks, adaptive thinking.
const (
	ccModel = "claude-opus-4-8"
	ccBetas = "claude-code-20250219,context-1m-2025-08-07,interleaved-thinking-2025-05-14,thinking-token-count-2026-05-13,context-management-2025-06-27,prompt-caching-scope-2026-01-05,mid-conversation-system-2026-04-07,effort-2025-11-24"
)

type ccObject = map[string]any

// A ccSession is one conversation of the client.
type ccSession struct {
	t        *testing.T
	g        *gateway
	key      string
	model    string
	messages []any
}

func newClaudeCode(t *testing.T, g *gateway, model string) *ccSession {
	first := []any{
		ccObject{"type": "text", "text": "<system-reminder>\nToday is Monday.\n</system-reminder>"},
		ccObject{"type": "text", "text": "What is in the two files?", "cache_control": ccObject{"type": "ephemeral"}},
	}
	return &ccSession{t: t, g: g, key: g.newKey(`{"name":"claude-code"}`), model: model, messages: []any{ccObject{"role": "user", "content": first}}}
}

// body is the next request, with its members in the client's order.
func (c *ccSession) body() string {
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			c.t.Fatal(err)
		}
		return string(b)
	}
	var tools []any
	for i := range 24 {
		tools = append(tools, ccObject{"name": fmt.Sprintf("Tool%02d", i), "description": strings.Repeat(fmt.Sprintf("Does thing %d to a file & says \"why\". ", i), 60),
			"input_schema": ccObject{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": ccObject{"path": ccObject{"type": "string"}}, "required": []string{"path"}, "additionalProperties": false}})
	}
	system := []any{
		ccObject{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197"},
		ccObject{"type": "text", "text": "You are Claude Code.", "cache_control": ccObject{"type": "ephemeral"}},
		ccObject{"type": "text", "text": strings.Repeat("Be careful. ", 400), "cache_control": ccObject{"type": "ephemeral", "ttl": "1h"}},
	}
	return `{"model":` + text(c.model) + `,"messages":` + text(c.messages) + `,"system":` + text(system) + `,"tools":` + text(tools) +
		`,"metadata":{"user_id":"{\"device_id\":\"0000\",\"account_uuid\":\"\",\"session_id\":\"77b7193a-122b-413c-834b-38f06a2cf162\"}"},"max_tokens":64000,"thinking":{"type":"adaptive"}` +
		`,"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"output_config":{"effort":"high"},"stream":true}`
}

// turn sends the conversation and takes the answer into it.
func (c *ccSession) turn() (a ccAnswer, sent string, h http.Header) {
	c.t.Helper()
	sent = c.body()
	status, body, h := c.g.call("POST", "/v1/messages?beta=true", c.key, sent, "Anthropic-Beta", ccBetas, "Anthropic-Version", "2023-06-01",
		"User-Agent", "claude-cli/2.1.197 (external, sdk-cli)", "X-App", "cli", "X-Claude-Code-Session-Id", "77b7193a-122b-413c-834b-38f06a2cf162",
		"X-Stainless-Retry-Count", "0", "Anthropic-Dangerous-Direct-Browser-Access", "true", "Accept", "application/json")
	if status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
		c.t.Fatalf("%d %s: %.600s", status, h.Get("Content-Type"), body)
	}
	a = readClaude(c.t, body)
	c.messages = append(c.messages, ccObject{"role": "assistant", "content": a.content})
	return a, sent, h
}

// results answers the calls of a turn, in one user message, as the client does.
func (c *ccSession) results(a ccAnswer) {
	var list []any
	for _, b := range a.content {
		if b := b.(ccObject); b["type"] == "tool_use" {
			list = append(list, ccObject{"tool_use_id": b["id"], "type": "tool_result", "content": "result of " + b["id"].(string)})
		}
	}
	c.messages = append(c.messages, ccObject{"role": "user", "content": list})
}

// row returns the usage row of a request.
func (c *ccSession) row(h http.Header) (row struct {
	Prompt      int64  `json:"prompt_tokens"`
	Completion  int64  `json:"completion_tokens"`
	CacheRead   int64  `json:"cache_read_tokens"`
	CacheWrite  int64  `json:"cache_write_tokens"`
	UsageSource string `json:"usage_source"`
	EndUser     string `json:"end_user"`
}) {
	c.t.Helper()
	status, body, _ := c.g.call("GET", "/v1/admin/usage/logs/"+h.Get("X-Request-Id"), c.g.admin, "")
	if status != 200 || json.Unmarshal([]byte(body), &row) != nil {
		c.t.Fatalf("no row: %d %s", status, body)
	}
	return row
}

// A ccAnswer is a streamed message as the client puts it together.
type ccAnswer struct {
	raw     string
	start   ccObject // the message of message_start
	content []any
	stop    string
	usage   ccObject
	pings   int
	err     ccObject
}

// readClaude reads a stream as strictly as Anthropic's documentation describes it:
// one message_start, blocks one after the other, each by its own index, deltas of
// the type of their block, message_delta, message_stop, and nothing behind.
func readClaude(t *testing.T, sse string) (a ccAnswer) {
	t.Helper()
	a.raw = sse
	var block ccObject
	var args strings.Builder
	state := "new"
	for _, part := range strings.Split(strings.TrimSuffix(sse, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(part, "\n")
		name, named := strings.CutPrefix(name, "event: ")
		data, is := strings.CutPrefix(data, "data: ")
		var e ccObject
		if !ok || !named || !is || json.Unmarshal([]byte(data), &e) != nil || e["type"] != name {
			t.Fatalf("not an event of this format: %.300q", part)
		}
		want := map[string]string{"message_start": "new", "content_block_start": "between", "content_block_delta": "block", "content_block_stop": "block", "message_delta": "between", "message_stop": "stopping"}[name]
		if want != "" && state != want {
			t.Fatalf("%s while %s:\n%.2000s", name, state, sse)
		}
		delta, _ := e["delta"].(ccObject)
		if i, has := e["index"]; has && i != float64(len(a.content)) {
			t.Fatalf("index %v, expected %d", i, len(a.content))
		}
		switch name {
		case "message_start":
			state, a.start = "between", e["message"].(ccObject)
		case "content_block_start":
			state, block = "block", e["content_block"].(ccObject)
			args.Reset()
		case "content_block_delta":
			typ, member := delta["type"].(string), ""
			switch block["type"].(string) + " " + typ {
			case "text text_delta":
				member = "text"
			case "thinking thinking_delta":
				member = "thinking"
			case "thinking signature_delta":
				member = "signature"
			case "tool_use input_json_delta":
				args.WriteString(delta["partial_json"].(string))
				continue
			default:
				t.Fatalf("%s in a block of type %s", typ, block["type"])
			}
			block[member] = block[member].(string) + delta[member].(string)
		case "content_block_stop":
			if block["type"] == "tool_use" {
				var input ccObject
				if err := json.Unmarshal([]byte(args.String()), &input); err != nil {
					t.Fatalf("input %q: %v", args.String(), err)
				}
				block["input"] = input
			}
			state = "between"
			a.content = append(a.content, block)
		case "message_delta":
			state, a.stop, a.usage = "stopping", fmt.Sprint(delta["stop_reason"]), e["usage"].(ccObject)
		case "message_stop":
			state = "ended"
		case "error":
			state, a.err = "ended", e["error"].(ccObject)
		case "ping":
			a.pings++
		default:
			t.Fatalf("unknown event %s", name)
		}
	}
	if state != "ended" {
		t.Fatalf("the stream ends while %s:\n%.2000s", state, sse)
	}
	return a
}

// types lists the blocks of an answer.
func (a *ccAnswer) types() string {
	var list []string
	for _, b := range a.content {
		list = append(list, b.(ccObject)["type"].(string))
	}
	return strings.Join(list, " ")
}

// A ccVendor is an upstream that answers with its scripts in turn.
type ccVendor struct {
	url     string
	scripts []func(w http.ResponseWriter)
	mu      sync.Mutex
	got     []ccReceived
}

type ccReceived struct {
	path, query, body string
	header            http.Header
}

func startCCVendor(t *testing.T, scripts ...func(w http.ResponseWriter)) *ccVendor {
	t.Helper()
	v := &ccVendor{scripts: scripts}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: v}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	v.url = "http://" + ln.Addr().String()
	return v
}

func (v *ccVendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	if r.Method != "POST" {
		w.WriteHeader(404)
		return
	}
	v.mu.Lock()
	v.got = append(v.got, ccReceived{r.URL.Path, r.URL.RawQuery, string(b), r.Header.Clone()})
	n := len(v.got)
	v.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/count_tokens") {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"input_tokens":19876}`)
		return
	}
	v.scripts[min(n, len(v.scripts))-1](w)
}

func (v *ccVendor) last() ccReceived {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.got) == 0 {
		return ccReceived{}
	}
	return v.got[len(v.got)-1]
}

// ccStream sends events, each flushed; a duration is a silence.
func ccStream(parts ...any) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		for _, p := range parts {
			switch p := p.(type) {
			case time.Duration:
				time.Sleep(p)
			case string:
				_, _ = io.WriteString(w, p)
				w.(http.Flusher).Flush()
			}
		}
	}
}

// ccGateway serves with accounts.
func ccGateway(t *testing.T, accounts string) *gateway {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte("accounts:\n"+accounts), 0o600); err != nil {
		t.Fatal(err)
	}
	return serve(t, "", nil, "--config", file)
}

// ccOwn is an answer of Anthropic's own: signed thinking, two parallel calls.
func ccOwn(n int) string {
	if n == 3 {
		return ccEvents(`{"type":"message_start","message":{"id":"msg_3","type":"message","role":"assistant","model":"claude-opus-4-8","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":120,"cache_read_input_tokens":20000,"output_tokens":1,"service_tier":"standard"}}}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type": "ping"}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Both are empty — 空."}}`, `{"type":"content_block_stop","index":0}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":120,"cache_read_input_tokens":20000,"output_tokens":9},"context_management":{"applied_edits":[]}}`,
			`{"type":"message_stop"}`)
	}
	return ccEvents(`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-4-8","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":20000,"cache_read_input_tokens":0,"output_tokens":2}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`, `{"type":"ping"}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Two files."}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQBCkgIARABGAIiQ`+fmt.Sprint(n)+`=="}}`, `{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_`+fmt.Sprint(n)+`a","name":"Tool00","input":{}}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"path\": \"a\"}"}}`, `{"type":"content_block_stop","index":1}`,
		`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_`+fmt.Sprint(n)+`b","name":"Tool01","input":{}}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"path\": \"b\"}"}}`, `{"type":"content_block_stop","index":2}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":20000,"cache_read_input_tokens":0,"output_tokens":77}}`,
		`{"type":"message_stop"}`)
}

func ccEvents(payloads ...string) string {
	var b strings.Builder
	for _, p := range payloads {
		var e struct{ Type string }
		_ = json.Unmarshal([]byte(p), &e)
		b.WriteString("event: " + e.Type + "\ndata: " + p + "\n\n")
	}
	return b.String()
}

// TestClaudeCodeRelayed: with an Anthropic account every byte passes, both ways.
func TestClaudeCodeRelayed(t *testing.T) {
	t.Parallel()
	up := startCCVendor(t, ccStream(ccOwn(1)), ccStream(ccOwn(2)), ccStream(ccOwn(3)))
	g := ccGateway(t, fmt.Sprintf("  - {provider: anthropic, account_name: ant, api_key: sk-vendor-secret, base_url: %q}\n", up.url))
	c := newClaudeCode(t, g, ccModel)

	start := time.Now()
	status, _, _ := g.call("HEAD", "/", "", "", "User-Agent", "Bun/1.4.0")
	if took := time.Since(start); took > 5*time.Second || status != 200 && status != 404 {
		t.Errorf("HEAD of the base: %d after %v", status, took)
	}
	if n := len(c.body()); n < 70_000 || n > 120_000 {
		t.Errorf("the request has %d bytes", n)
	}
	for n := 1; n <= 3; n++ {
		a, sent, h := c.turn()
		got := up.last()
		if got.path != "/v1/messages" || got.query != "beta=true" {
			t.Errorf("the upstream was asked for %s?%s", got.path, got.query)
		}
		if got.body != sent {
			t.Errorf("turn %d: the upstream got other bytes: %.300s", n, got.body)
		}
		for name, want := range map[string]string{"Anthropic-Beta": ccBetas, "Anthropic-Version": "2023-06-01", "User-Agent": "claude-cli/2.1.197 (external, sdk-cli)", "X-Api-Key": "sk-vendor-secret", "Authorization": ""} {
			if v := strings.Join(got.header.Values(name), "|"); v != want {
				t.Errorf("the upstream got %s: %q, want %q", name, v, want)
			}
		}
		if strings.Contains(fmt.Sprint(got.header), c.key) {
			t.Error("the caller's key reached the upstream")
		}
		if a.raw != ccOwn(n) {
			t.Errorf("turn %d: the caller got other bytes:\n%s", n, a.raw)
		}
		row := c.row(h)
		want := [4]int64{20003, 77, 0, 20000}
		if n == 3 {
			want = [4]int64{20123, 9, 20000, 120}
		}
		if got := [4]int64{row.Prompt, row.Completion, row.CacheRead, row.CacheWrite}; got != want || row.UsageSource != "provider" {
			t.Errorf("turn %d: row %+v, want %v", n, row, want)
		}
		if v := h.Get("X-Gateway-Dropped-Params"); v != "" {
			t.Errorf("dropped: %s", v)
		}
		c.results(a)
	}
	status, body, _ := g.call("POST", "/v1/messages/count_tokens?beta=true", c.key, `{"model":"claude-opus-4-8","messages":[{"role":"user","content":"hi"}]}`, "Anthropic-Beta", "token-counting-2024-11-01")
	if got := up.last(); status != 200 || body != `{"input_tokens":19876}` || got.path != "/v1/messages/count_tokens" || got.query != "beta=true" || got.header.Get("Anthropic-Beta") != "token-counting-2024-11-01" {
		t.Errorf("count_tokens: %d %s, the upstream got %+v", status, body, got)
	}
}

// ccChunk is one chunk of an OpenAI-format stream.
func ccChunk(delta string) string {
	return `data: {"id":"chatcmpl-9","object":"chat.completion.chunk","created":1770000000,"model":"deepseek-reasoner","choices":[{"index":0,"delta":` + delta + `,"finish_reason":null}],"usage":null}` + "\n\n"
}

func ccFinish(reason string, prompt, completion, cached int) string {
	return fmt.Sprintf("data: {\"id\":\"chatcmpl-9\",\"object\":\"chat.completion.chunk\",\"created\":1770000000,\"model\":\"deepseek-reasoner\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":%q}]}\n\n"+
		"data: {\"id\":\"chatcmpl-9\",\"object\":\"chat.completion.chunk\",\"created\":1770000000,\"model\":\"deepseek-reasoner\",\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d,\"prompt_tokens_details\":{\"cached_tokens\":%d}}}\n\ndata: [DONE]\n\n",
		reason, prompt, completion, prompt+completion, cached)
}

// TestClaudeCodeTranslated: the same client with a model behind OpenAI's format
// that thinks in reasoning_content: a tool loop of three turns, then the same
// conversation goes on with Anthropic.
func TestClaudeCodeTranslated(t *testing.T) {
	t.Parallel()
	up := startCCVendor(t,
		ccStream(ccChunk(`{"role":"assistant","content":null,"reasoning_content":""}`), ccChunk(`{"reasoning_content":"Two "}`), ccChunk(`{"reasoning_content":"files."}`), ccChunk(`{"content":"I look."}`),
			ccChunk(`{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"Tool00","arguments":""}}]}`),
			ccChunk(`{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"Tool01","arguments":"{\"pa"}}]}`),
			ccChunk(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"path\":\"a\"}"}},{"index":1,"function":{"arguments":"th\":\"b\"}"}}]}`),
			ccFinish("tool_calls", 21000, 60, 4000)),
		ccStream(ccChunk(`{"role":"assistant","reasoning_content":"One more."}`), ccChunk(`{"tool_calls":[{"index":0,"id":"call_c","type":"function","function":{"name":"Tool02","arguments":""}}]}`), ccFinish("tool_calls", 21100, 20, 20900)),
		ccStream(ccChunk(`{"role":"assistant","content":""}`), ccChunk(`{"content":"Both are "}`), ccChunk(`{"content":"empty."}`), ccFinish("stop", 21200, 7, 21000)))
	own := startCCVendor(t, ccStream(ccOwn(3)))
	g := ccGateway(t, fmt.Sprintf("  - {provider: deepseek, account_name: ds, api_key: sk-vendor-secret, base_url: \"%s/v1\", models: {\"claude-opus-4-8\": \"deepseek-reasoner\"}}\n"+
		"  - {provider: anthropic, account_name: ant, api_key: sk-vendor-secret, base_url: %q, models: [claude-sonnet-4-6]}\n", up.url, own.url))
	c := newClaudeCode(t, g, ccModel)

	a, sent, h := c.turn()
	if a.types() != "thinking text tool_use tool_use" || a.stop != "tool_use" {
		t.Fatalf("turn 1: %s, %s\n%s", a.types(), a.stop, a.raw)
	}
	think := a.content[0].(ccObject)
	if think["thinking"] != "Two files." || !strings.HasPrefix(fmt.Sprint(think["signature"]), "gwsig1.") {
		t.Errorf("thinking %v", think)
	}
	for i, want := range []string{"call_a Tool00 map[path:a]", "call_b Tool01 map[path:b]"} {
		if b := a.content[2+i].(ccObject); fmt.Sprint(b["id"], " ", b["name"], " ", b["input"]) != want {
			t.Errorf("call %d: %v", i, b)
		}
	}
	if in, _ := a.start["usage"].(ccObject)["input_tokens"].(float64); in < 5000 || in > 60000 || a.start["model"] != ccModel {
		t.Errorf("message_start: %v", a.start)
	}
	if fmt.Sprint(a.usage["input_tokens"], a.usage["cache_read_input_tokens"], a.usage["output_tokens"]) != "17000 4000 60" {
		t.Errorf("usage %v", a.usage)
	}
	if row := c.row(h); row.Prompt != 21000 || row.Completion != 60 || row.CacheRead != 4000 || row.UsageSource != "provider" {
		t.Errorf("row %+v", row)
	}
	dropped := h.Get("X-Gateway-Dropped-Params")
	for _, name := range []string{"cache_control", "context_management"} {
		if !strings.Contains(dropped, name) {
			t.Errorf("%s is not reported as dropped: %q", name, dropped)
		}
	}
	ccCheckChat(t, up.last(), sent, "system user")
	c.results(a)

	a, sent, _ = c.turn()
	if a.types() != "thinking tool_use" || fmt.Sprint(a.content[1].(ccObject)["input"]) != "map[]" {
		t.Errorf("turn 2: %s\n%s", a.types(), a.raw)
	}
	ccCheckChat(t, up.last(), sent, "system user assistant[Two files.|I look.|call_a call_b] tool[call_a] tool[call_b]")
	c.results(a)

	a, sent, h = c.turn()
	if a.types() != "text" || a.content[0].(ccObject)["text"] != "Both are empty." || a.stop != "end_turn" {
		t.Errorf("turn 3: %s\n%s", a.types(), a.raw)
	}
	if row := c.row(h); row.Prompt != 21200 || row.CacheRead != 21000 || row.Completion != 7 {
		t.Errorf("row %+v", row)
	}
	ccCheckChat(t, up.last(), sent, "system user assistant[Two files.|I look.|call_a call_b] tool[call_a] tool[call_b] assistant[One more.||call_c] tool[call_c]")

	// The other vendor's thinking must not reach Anthropic, which did not sign it.
	c.model = "claude-sonnet-4-6"
	c.messages = append(c.messages, ccObject{"role": "user", "content": "Thanks. And now?"})
	a, _, h = c.turn()
	got := own.last()
	if a.raw != ccOwn(3) && a.types() != "text" || strings.Contains(got.body, "gwsig1") || strings.Contains(got.body, "One more.") || !strings.Contains(got.body, `"call_c"`) ||
		!strings.Contains(got.body, `"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]}`) || strings.Count(got.body, `"cache_control"`) != 3 {
		t.Errorf("Anthropic got %.3000s", got.body)
	}
	if h.Get("X-Gateway-Dropped-Params") != "messages.thinking" || got.header.Get("Anthropic-Beta") != ccBetas {
		t.Errorf("dropped %q, betas %q", h.Get("X-Gateway-Dropped-Params"), got.header.Get("Anthropic-Beta"))
	}

	status, body, ch := g.call("POST", "/v1/messages/count_tokens?beta=true", c.key, `{"model":"claude-opus-4-8","messages":[{"role":"user","content":"How many tokens is this?"}]}`)
	var n struct {
		Input int `json:"input_tokens"`
	}
	if status != 200 || json.Unmarshal([]byte(body), &n) != nil || n.Input < 6 || n.Input > 200 || ch.Get("X-Gateway-Estimated") != "true" {
		t.Errorf("count_tokens: %d %s", status, body)
	}
}

// ccCheckChat compares what an OpenAI-format upstream got with the shape expected.
func ccCheckChat(t *testing.T, got ccReceived, sent, shape string) {
	t.Helper()
	var req struct {
		Model    string
		Messages []struct {
			Role       string
			Content    any
			Reasoning  string                `json:"reasoning_content"`
			ToolCallID string                `json:"tool_call_id"`
			ToolCalls  []struct{ ID string } `json:"tool_calls"`
		}
		Tools         []json.RawMessage
		MaxTokens     int             `json:"max_tokens"`
		StreamOptions json.RawMessage `json:"stream_options"`
	}
	if err := json.Unmarshal([]byte(got.body), &req); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range req.Messages {
		switch m.Role {
		case "assistant":
			var ids []string
			for _, c := range m.ToolCalls {
				ids = append(ids, c.ID)
			}
			text, _ := m.Content.(string)
			list = append(list, "assistant["+m.Reasoning+"|"+text+"|"+strings.Join(ids, " ")+"]")
		case "tool":
			if m.Content != "result of "+m.ToolCallID {
				t.Errorf("%s: %v", m.ToolCallID, m.Content)
			}
			list = append(list, "tool["+m.ToolCallID+"]")
		default:
			list = append(list, m.Role)
		}
	}
	if s := strings.Join(list, " "); s != shape {
		t.Errorf("the upstream got\n%s, want\n%s", s, shape)
	}
	if req.Model != "deepseek-reasoner" || len(req.Tools) != 24 || req.MaxTokens != 64000 || got.path != "/v1/chat/completions" || got.query != "" {
		t.Errorf("model %s, %d tools, max_tokens %d, %s?%s", req.Model, len(req.Tools), req.MaxTokens, got.path, got.query)
	}
	for _, name := range []string{"gwsig1", "cache_control", "context_management", "output_config"} {
		if strings.Contains(got.body, name) {
			t.Errorf("the upstream got %s", name)
		}
	}
	if got.header.Get("Anthropic-Beta") != "" || got.header.Get("Anthropic-Version") != "" {
		t.Errorf("the upstream got Anthropic's headers: %v", got.header)
	}
}

// TestClaudeCodeSilence: the client gets its 200 and pings while a model thinks
// for long, before its first word and between two.
func TestClaudeCodeSilence(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes 24 s")
	}
	up := startCCVendor(t, ccStream(7*time.Second, ccChunk(`{"role":"assistant","reasoning_content":"Hm."}`), 17*time.Second, ccChunk(`{"content":"Done."}`), ccFinish("stop", 9, 3, 0)))
	g := ccGateway(t, fmt.Sprintf("  - {provider: deepseek, account_name: ds, api_key: sk-vendor-secret, base_url: \"%s/v1\", models: {\"claude-opus-4-8\": \"deepseek-reasoner\"}}\n", up.url))
	c := newClaudeCode(t, g, ccModel)
	a, _, _ := c.turn()
	if a.types() != "thinking text" || a.pings < 2 {
		t.Errorf("%s, %d pings:\n%s", a.types(), a.pings, a.raw)
	}
	before, after, _ := strings.Cut(a.raw, "message_start")
	if !strings.Contains(before, "event: ping") && !strings.Contains(after[:strings.Index(after, "content_block_start")], "event: ping") {
		t.Errorf("no ping before the first word:\n%s", a.raw)
	}
	if between := after[strings.Index(after, "Hm."):strings.Index(after, "Done.")]; !strings.Contains(between, "event: ping") {
		t.Errorf("no ping between the words:\n%s", a.raw)
	}
}
