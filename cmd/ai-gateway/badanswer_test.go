package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A brokenAnswer is a 200 that is none. chat and own are it in OpenAI's and in
// Anthropic's format.
type brokenAnswer struct {
	name      string
	stream    bool
	kind      string // content type; empty: the right one
	chat, own string
	cut       bool   // the connection is broken off behind it
	says      string // must be in the message or code the caller gets
	begun     bool   // content comes before the fault, so a stream has its 200
}

const (
	brokenChatWhole = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
	brokenOwnWhole  = `{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2}}`
	brokenChatWord  = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"},"finish_reason":null}]}` + "\n\n"
	brokenOwnWord   = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n" +
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n"
	brokenError = `{"error":{"message":"the model is on fire","type":"server_error","param":null,"code":null}}`
	brokenOwn   = `{"type":"error","error":{"type":"api_error","message":"the model is on fire"}}`
)

var brokenAnswers = []brokenAnswer{
	{name: "empty"},
	{name: "empty object", chat: "{}", own: "{}"},
	{name: "null", chat: "null", own: "null"},
	{name: "a list", chat: "[]", own: "[]"},
	{name: "truncated", chat: brokenChatWhole[:90], own: brokenOwnWhole[:90]},
	{name: "cut by the connection", chat: brokenChatWhole[:90], own: brokenOwnWhole[:90], cut: true},
	{name: "garbled", chat: "{\"id\":\x01\xff}", own: "{\"id\":\x01\xff}"},
	{name: "a page", kind: "text/html", chat: "<html>502 Bad Gateway</html>", own: "<html>502 Bad Gateway</html>"},
	{name: "an error in 200", chat: brokenError, own: brokenOwn, says: "on fire"},
	{name: "a stream unasked", kind: "text/event-stream", chat: brokenChatWord + "data: [DONE]\n\n", own: brokenOwnWord},

	{name: "empty", stream: true},
	{name: "only an end", stream: true, chat: "\n\n", own: "\n\n"},
	{name: "a comment", stream: true, chat: ": hello\n\n", own: ": hello\n\n"},
	{name: "error first", stream: true, chat: "data: " + brokenError + "\n\n", own: "event: error\ndata: " + brokenOwn + "\n\n", says: "on fire"},
	{name: "error as JSON", stream: true, kind: "application/json", chat: brokenError, own: brokenOwn, says: "on fire"},
	{name: "a page", stream: true, kind: "text/html", chat: "<html>", own: "<html>"},
	{name: "an answer, no stream", stream: true, kind: "application/json", chat: brokenChatWhole, own: brokenOwnWhole},
	{name: "truncated", stream: true, chat: brokenChatWord, own: brokenOwnWord, begun: true},
	{name: "cut by the connection", stream: true, chat: brokenChatWord, own: brokenOwnWord, cut: true, begun: true},
	{name: "cut in an event", stream: true, chat: brokenChatWord + `data: {"id":"c","choi`, own: brokenOwnWord + "event: content_block_delta\ndata: {\"type\":\"con", begun: true},
	{name: "error in mid-stream", stream: true, chat: brokenChatWord + "data: " + brokenError + "\n\n", own: brokenOwnWord + "event: error\ndata: " + brokenOwn + "\n\n", says: "on fire", begun: true},
	{name: "error, then an end", stream: true, chat: brokenChatWord + "data: " + brokenError + "\n\ndata: [DONE]\n\n", own: brokenOwnWord + "event: error\ndata: " + brokenOwn + "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", says: "on fire", begun: true},
}

// TestBrokenAnswers: whatever nonsense an upstream answers with, the caller gets
// an honest error in his own format: a status of 5xx, or an error event that no
// terminal event follows; and the row does not claim a whole answer.
func TestBrokenAnswers(t *testing.T) {
	var now brokenAnswer
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Method != "POST" {
			w.WriteHeader(404)
			return
		}
		kind := now.kind
		switch {
		case kind != "":
		case now.stream:
			kind = "text/event-stream"
		default:
			kind = "application/json"
		}
		w.Header().Set("Content-Type", kind)
		body := now.chat
		if strings.HasSuffix(r.URL.Path, "/messages") {
			body = now.own
		}
		if now.cut {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)+500))
		}
		_, _ = io.WriteString(w, body)
		w.(http.Flusher).Flush()
		if now.cut {
			panic(http.ErrAbortHandler)
		}
	})}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	url := "http://" + ln.Addr().String()
	g := ccGateway(t, fmt.Sprintf("  - {provider: openai, account_name: chat-up, api_key: sk-vendor-secret, base_url: \"%s/v1\", models: [\"m\"]}\n"+
		"  - {provider: anthropic, account_name: own-up, api_key: sk-vendor-secret, base_url: %q, models: [\"m\"]}\n", url, url))
	key := g.newKey(`{"name":"broken"}`)
	tried := 0
	for _, b := range brokenAnswers {
		for _, way := range streamWays {
			now = b
			tried++
			name := fmt.Sprintf("%s, stream %v, %s", b.name, b.stream, way.name)
			body := fmt.Sprintf(`{"model":"m","max_tokens":9,"stream":%v,"provider":%q,"messages":[{"role":"user","content":"hi"}]}`, b.stream, way.provider)
			status, got, h := g.call("POST", way.path, key, body)
			checkBroken(t, name, b, way.path, status, got)
			_, row, _ := g.call("GET", "/v1/admin/usage/logs/"+h.Get("X-Request-Id"), g.admin, "")
			var r struct {
				EndReason   string `json:"end_reason"`
				UsageSource string `json:"usage_source"`
				Error       string
			}
			if json.Unmarshal([]byte(row), &r) != nil || r.EndReason == "" || r.EndReason == "complete" || r.UsageSource == "provider" {
				t.Errorf("%s: the row says %.600s", name, row)
			}
		}
	}
	t.Logf("%d broken answers", tried)
}

// checkBroken looks at what a caller got for a broken answer.
func checkBroken(t *testing.T, name string, b brokenAnswer, path, status any, got string) {
	t.Helper()
	own := path == "/v1/messages"
	report := got
	if b.stream && b.begun {
		if status != 200 || strings.Contains(got, "[DONE]") || strings.Contains(got, "message_stop") || strings.Contains(got, `"stop_reason":"end_turn"`) || strings.Contains(got, `"finish_reason":"stop"`) {
			t.Errorf("%s: %v, it ends as if it were whole:\n%s", name, status, got)
		}
		if !strings.Contains(got, `Hel`) {
			t.Errorf("%s: the content before the fault is lost: %s", name, got)
		}
		list := events(got)
		if len(list) == 0 {
			t.Errorf("%s: no event came", name)
			return
		}
		report = list[len(list)-1]
		if own && !strings.Contains(got, "event: error\ndata: ") {
			t.Errorf("%s: no event: error in %s", name, got)
		}
	} else if n, _ := status.(int); n < 500 || n > 599 {
		t.Errorf("%s: %v %.300s", name, status, got)
		return
	}
	var e struct {
		Type  string
		Error struct{ Type, Message string }
	}
	if json.Unmarshal([]byte(report), &e) != nil || e.Error.Type == "" || e.Error.Message == "" || (e.Type == "error") != own {
		t.Errorf("%s: not an error of the caller's format: %.600s", name, report)
	}
	if !strings.Contains(report, b.says) || strings.Contains(report, "sk-vendor-secret") {
		t.Errorf("%s: %q is not said in %.600s", name, b.says, report)
	}
}

// TestUnservedMembers: what the other side cannot serve is a 400 that names the
// member and the target, in the caller's format, or is dropped and reported. What
// becomes of each member is the table of docs/compatibility.md.
func TestUnservedMembers(t *testing.T) {
	up := startUpstream(t)
	g := ccGateway(t, fmt.Sprintf("  - {provider: openai, account_name: chat-up, api_key: sk-vendor-secret, base_url: \"%s/v1\", models: [gpt-4.1]}\n"+
		"  - {provider: anthropic, account_name: own-up, api_key: sk-vendor-secret, base_url: %q, models: [claude-sonnet-4-5]}\n", up.url, up.url))
	key := g.newKey(`{"name":"unserved"}`)
	const user = `"messages":[{"role":"user","content":"hi"}]`
	part := func(p string) string { return `"messages":[{"role":"user","content":[` + p + `]}]` }
	refused := func(path, members, param, target string) {
		t.Helper()
		before := up.count()
		model := strings.TrimPrefix(target[strings.Index(target, "/"):], "/")
		status, got, h := g.call("POST", path, key, `{"model":"`+model+`","max_tokens":50,`+members+`}`)
		var e struct {
			Type  string
			Error struct{ Type, Message string }
		}
		if status != 400 || json.Unmarshal([]byte(got), &e) != nil || e.Error.Type != "invalid_request_error" || (e.Type == "error") != (path == "/v1/messages") ||
			!strings.Contains(e.Error.Message, param) || !strings.Contains(e.Error.Message, target) || h.Get("X-Should-Retry") == "true" {
			t.Errorf("%s: %d %s; a 400 that names %s and %s is due", members, status, got, param, target)
		}
		if up.count() != before {
			t.Errorf("%s: the request was sent", members)
		}
	}
	const own, chat = "anthropic/claude-sonnet-4-5", "openai/gpt-4.1"
	refused("/v1/chat/completions", user+`,"n":2`, "n", own)
	refused("/v1/chat/completions", user+`,"modalities":["text","audio"],"audio":{"voice":"a","format":"wav"}`, "modalities", own)
	refused("/v1/chat/completions", part(`{"type":"input_audio","input_audio":{"data":"AQ==","format":"wav"}}`), "input_audio", own)
	refused("/v1/chat/completions", part(`{"type":"file","file":{"file_id":"file-1"}}`), "file_id", own)
	refused("/v1/messages", part(`{"type":"image","source":{"type":"file","file_id":"file_1"}}`), "image_url", chat)
	refused("/v1/messages", part(`{"type":"document","source":{"type":"file","file_id":"file_1"}}`), "file_id", chat)

	dropped := func(path, model, members, want string) {
		t.Helper()
		status, got, h := g.call("POST", path, key, `{"model":"`+model+`","max_tokens":50,`+members+`}`)
		if d := h.Get("X-Gateway-Dropped-Params"); status != 200 || d != want {
			t.Errorf("%s: %d, dropped %q, want %q: %.300s", members, status, d, want, got)
		}
	}
	dropped("/v1/chat/completions", "claude-sonnet-4-5", user+`,"seed":1,"logit_bias":{"5":1},"frequency_penalty":0.5,"n":1`, "logit_bias, frequency_penalty, seed")
	dropped("/v1/chat/completions", "claude-sonnet-4-5", user+`,"seed":null,"logprobs":false,"frequency_penalty":0`, "")
	dropped("/v1/messages", "gpt-4.1", user+`,"top_k":5,"context_management":{"edits":[]},"mcp_servers":[{"type":"url"}]`, "top_k, context_management, mcp_servers")
	dropped("/v1/messages", "claude-sonnet-4-5", user+`,"top_k":5,"never_heard_of":1`, "")
	dropped("/v1/chat/completions", "gpt-4.1", user+`,"never_heard_of":1`, "")
}
