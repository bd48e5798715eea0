package anthropic

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestDecodeError(t *testing.T) {
	f := func(status int, body string, kind providers.ErrorKind, wantStatus int, message string) {
		t.Helper()
		e := MessagesEgress(providers.Quirks{}).DecodeError(status, []byte(body))
		if e.Kind != kind || e.HTTPStatus() != wantStatus || e.Message != message || string(e.Raw) != body {
			t.Errorf("%d %s:\n got %s, %d, %q\nwant %s, %d, %q", status, body, e.Kind, e.HTTPStatus(), e.Message, kind, wantStatus, message)
		}
	}
	own := func(typ, message string) string {
		return `{"type":"error","error":{"type":"` + typ + `","message":"` + message + `"},"request_id":"req_1"}`
	}
	f(400, own("invalid_request_error", "messages: Field required"), providers.KindInvalidRequest, 400, "messages: Field required")
	f(400, own("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"), providers.KindContextLength, 400, "prompt is too long: 208310 tokens > 200000 maximum")
	f(400, own("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3"), providers.KindContextLength, 400, "input length and `max_tokens` exceed context limit: 1 + 2 > 3")
	f(400, own("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), providers.KindBilling, 400, "Your credit balance is too low to access the Anthropic API.")
	f(400, own("invalid_request_error", "You have reached your specified API usage limits."), providers.KindQuota, 400, "You have reached your specified API usage limits.")
	f(400, own("invalid_request_error", "Output blocked by content filtering policy"), providers.KindContentPolicy, 400, "Output blocked by content filtering policy")
	f(401, own("authentication_error", "invalid x-api-key"), providers.KindAuthentication, 401, "invalid x-api-key")
	f(402, own("billing_error", "x"), providers.KindBilling, 402, "x")
	f(403, own("permission_error", "x"), providers.KindPermission, 403, "x")
	f(404, own("not_found_error", "model: claude-x"), providers.KindModelNotFound, 404, "model: claude-x")
	f(404, own("not_found_error", "Not found"), providers.KindNotFound, 404, "Not found")
	f(413, own("request_too_large", "Request exceeds the maximum size"), providers.KindTooLarge, 413, "Request exceeds the maximum size")
	f(429, own("rate_limit_error", "This request would exceed your organization's rate limit"), providers.KindRateLimit, 429, "This request would exceed your organization's rate limit")
	f(500, own("api_error", "Internal server error"), providers.KindInternal, 500, "Internal server error")
	f(504, own("timeout_error", "x"), providers.KindTimeout, 504, "x")
	f(529, own("overloaded_error", "Overloaded"), providers.KindOverloaded, 529, "Overloaded")
	// In a stream there is no status: the type alone tells.
	f(0, own("overloaded_error", "Overloaded"), providers.KindOverloaded, 529, "Overloaded")
	f(0, own("rate_limit_error", "x"), providers.KindRateLimit, 429, "x")
	f(0, own("api_error", "x"), providers.KindInternal, 500, "x")
	f(0, own("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"), providers.KindContextLength, 400, "prompt is too long: 2 tokens > 1 maximum")
	// Google's and Amazon's shapes, and what proxies answer.
	f(429, `[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]`, providers.KindRateLimit, 429, "Quota exceeded")
	f(403, `{"message":"The security token included in the request is expired"}`, providers.KindPermission, 403, "The security token included in the request is expired")
	f(400, `{"message":"Input is too long for requested model."}`, providers.KindContextLength, 400, "Input is too long for requested model.")
	f(502, `<html>Bad gateway</html>`, providers.KindUpstream, 502, "the upstream answered 502 Bad Gateway")
	f(503, ``, providers.KindOverloaded, 503, "the upstream answered 503 Service Unavailable")
	f(400, `{"error":"text"}`, providers.KindInvalidRequest, 400, "text")
	f(0, `garbage`, providers.KindInternal, 500, "the upstream failed without saying why")
}

func TestRecordedErrors(t *testing.T) {
	n := 0
	for _, x := range recorded(t) {
		if x.Response.Status < 400 {
			continue
		}
		e := MessagesEgress(providers.Quirks{}).DecodeError(x.Response.Status, x.Response.Body)
		var want struct {
			Error struct{ Type, Message string }
		}
		if err := json.Unmarshal(x.Response.Body, &want); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Error struct{ Type, Message string }
		}
		if err := json.Unmarshal(MessagesIngress().AppendError(nil, e), &got); err != nil {
			t.Fatal(err)
		}
		if got != want || e.HTTPStatus() != x.Response.Status || want.Error.Message == "" {
			t.Errorf("%s: %d %+v, expected %+v", x.ID, e.HTTPStatus(), got, want)
		}
		n++
	}
	if n < 8 {
		t.Errorf("only %d recorded errors", n)
	}
	t.Logf("%d recorded errors", n)
}

func TestAppendError(t *testing.T) {
	f := func(e providers.Error, want string) {
		t.Helper()
		if got := string(MessagesIngress().AppendError(nil, &e)); got != want {
			t.Errorf("got %s, expected %s", got, want)
		}
	}
	f(providers.Error{Kind: providers.KindInvalidRequest, Message: "a \"b\"\n", RequestID: "01H"},
		`{"type":"error","error":{"type":"invalid_request_error","message":"a \"b\"\n"},"request_id":"01H"}`)
	f(providers.Error{Kind: providers.KindOverloaded, Status: 529, Message: "x", Provider: "openai", Attempts: 2},
		`{"type":"error","error":{"type":"overloaded_error","message":"x","metadata":{"provider":"openai","attempts":2}}}`)
	f(providers.Error{Kind: providers.KindQuota, Code: "insufficient_quota", Type: "insufficient_quota", Message: "x"},
		`{"type":"error","error":{"type":"rate_limit_error","message":"x","code":"insufficient_quota"}}`)
	f(providers.Error{Kind: providers.KindTooLarge, Message: "x"}, `{"type":"error","error":{"type":"request_too_large","message":"x"}}`)
	f(providers.Error{Kind: providers.KindUnavailable, Message: "x"}, `{"type":"error","error":{"type":"api_error","message":"x"}}`)
	f(providers.Error{Kind: providers.KindUpstream, Type: "timeout_error", Message: "x"}, `{"type":"error","error":{"type":"timeout_error","message":"x"}}`)

	got := string(MessagesIngress().AppendStreamError(nil, &providers.Error{Kind: providers.KindInternal, Message: "a\nb"}))
	if got != "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"a\\nb\"}}\n\n" {
		t.Errorf("stream error %q", got)
	}
	if got := string(MessagesIngress().AppendPing(nil)); got != "event: ping\ndata: {\"type\": \"ping\"}\n\n" {
		t.Errorf("ping %q", got)
	}
}

func TestWholeAnswer(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		got := ""
		if _, e := (egress{}).ReadAnswer([]byte(body), new(providers.Usage)); e != nil {
			got = string(e.Kind)
		}
		if got != want {
			t.Errorf("%s: %q, expected %q", body, got, want)
		}
	}
	f(`{"type":"message","content":[],"stop_reason":"refusal"}`, "")
	f(`{}`, "upstream")
	f(``, "upstream")
	f(`<html>`, "upstream")
	f(`{"type":"message","content":[{"type":"te`, "upstream")
	f(`{"type":"error","error":{"type":"overloaded_error","message":"x"}}`, "overloaded")
	f(`{"error":{"message":"x"}}`, "internal")
}

func TestUsageOddities(t *testing.T) {
	e := MessagesEgress(providers.Quirks{})
	f := func(want providers.Usage, reports ...string) {
		t.Helper()
		var u providers.Usage
		for _, r := range reports {
			e.Usage([]byte(r), &u)
		}
		if u != want {
			t.Errorf("%s:\n got %+v\nwant %+v", strings.Join(reports, " then "), u, want)
		}
	}
	const first = `{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"output_tokens":1}}}`
	f(providers.Usage{Input: 10, CacheRead: 5, CacheWrite5m: 20, CacheWrite1h: 10, Output: 40}, first, `{"type":"message_delta","usage":{"output_tokens":40}}`)
	f(providers.Usage{Input: 2, CacheRead: 8, CacheWrite5m: 20, CacheWrite1h: 10, Output: 4}, first, `{"usage":{"input_tokens":2,"cache_read_input_tokens":8,"cache_creation_input_tokens":30,"output_tokens":4}}`)
	f(providers.Usage{Input: 10, CacheRead: 5, CacheWrite1h: 10, Output: 30, Reasoning: 10, CacheWrite5m: 35}, first, `{"usage":{"cache_creation_input_tokens":45,"output_tokens":40,"output_tokens_details":{"thinking_tokens":10}}}`)
	f(providers.Usage{CacheWrite5m: 7}, `{"usage":{"cache_creation_input_tokens":7}}`)
	f(providers.Usage{CacheWrite1h: 7}, `{"usage":{"cache_creation":{"ephemeral_1h_input_tokens":7,"ephemeral_5m_input_tokens":0}}}`)
	f(providers.Usage{}, first, `{"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}`)
	f(providers.Usage{Input: 10, CacheRead: 5, CacheWrite5m: 20, CacheWrite1h: 10, Output: 1}, first, `{"usage":{"input_tokens":null}}`, `{"usage":null}`)
	f(providers.Usage{Clamped: true, Output: providers.MaxTokensPlausible}, `{"usage":{"input_tokens":-5,"output_tokens":1e18}}`)
	f(providers.Usage{Clamped: true, Reasoning: 3}, `{"usage":{"output_tokens":3,"output_tokens_details":{"thinking_tokens":9}}}`)
	// Never from inside content.
	f(providers.Usage{}, `{"type":"content_block_delta","delta":{"usage":{"input_tokens":5},"message":{"usage":{"input_tokens":5}}}}`)
	if (egress{}).Usage([]byte(`{"type":"ping"}`), &providers.Usage{}) {
		t.Error("a ping has usage")
	}
}
