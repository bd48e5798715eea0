package openai

import (
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestDecodeError(t *testing.T) {
	q := ChatEgress(providers.Quirks{})
	f := func(status int, body string, kind providers.ErrorKind, code, message string) *providers.Error {
		t.Helper()
		e := q.DecodeError(status, []byte(body))
		if e.Kind != kind || e.Code != code || !strings.Contains(e.Message, message) || e.Status != status || string(e.Raw) != body {
			t.Errorf("%d %s:\n got %s code %q status %d message %q", status, body, e.Kind, e.Code, e.Status, e.Message)
		}
		return e
	}
	// OpenAI
	f(401, `{"error":{"message":"Incorrect API key provided: sk-.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, providers.KindAuthentication, "invalid_api_key", "Incorrect")
	f(404, `{"error":{"message":"The model `+"`x`"+` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`, providers.KindModelNotFound, "model_not_found", "does not exist")
	f(400, `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, providers.KindContextLength, "context_length_exceeded", "8192")
	f(400, `{"error":{"message":"Unsupported parameter: 'stop'","type":"invalid_request_error","param":"stop","code":"unsupported_parameter"}}`, providers.KindInvalidRequest, "unsupported_parameter", "stop")
	f(429, `{"error":{"message":"You exceeded your current quota, please check your plan","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, providers.KindQuota, "insufficient_quota", "quota")
	if e := f(429, `{"error":{"message":"Rate limit reached. Please try again in 6m0.5s.","type":"tokens","code":"rate_limit_exceeded"}}`, providers.KindRateLimit, "rate_limit_exceeded", "reached"); e.RetryAfter != 300*time.Second || e.Type != "tokens" {
		t.Errorf("retry after %s, type %s", e.RetryAfter, e.Type)
	}
	if e := f(429, `{"error":{"message":"Please try again in 20ms.","type":"requests","code":"rate_limit_exceeded"}}`, providers.KindRateLimit, "rate_limit_exceeded", "20ms"); e.RetryAfter != 20*time.Millisecond {
		t.Errorf("retry after %s", e.RetryAfter)
	}
	f(500, `{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`, providers.KindInternal, "", "server had")
	f(503, `{"error":{"message":"Overloaded","type":"server_error"}}`, providers.KindOverloaded, "", "Overloaded")
	// Azure
	f(404, `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`, providers.KindModelNotFound, "DeploymentNotFound", "deployment")
	f(404, `{"error":{"code":"404","message":"Resource not found"}}`, providers.KindNotFound, "", "Resource")
	f(401, `{"error":{"code":"401","message":"Access denied"}}`, providers.KindAuthentication, "", "Access")
	f(400, `{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400}}`, providers.KindContentPolicy, "content_filter", "filtered")
	if e := f(429, `{"error":{"code":"429","message":"Requests have exceeded the call rate limit. Please retry after 31 seconds."}}`, providers.KindRateLimit, "", "31"); e.RetryAfter != 31*time.Second {
		t.Errorf("retry after %s", e.RetryAfter)
	}
	// Anthropic's shape behind a compatible endpoint
	f(400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"},"request_id":"r"}`, providers.KindContextLength, "context_length_exceeded", "too long")
	f(529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, providers.KindOverloaded, "", "Overloaded")
	f(0, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, providers.KindOverloaded, "", "Overloaded")
	// Google, also as an array
	f(400, `[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]`, providers.KindAuthentication, "INVALID_ARGUMENT", "not valid")
	if e := f(429, `[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"27s"}]}}]`, providers.KindRateLimit, "RESOURCE_EXHAUSTED", "Quota"); e.RetryAfter != 27*time.Second {
		t.Errorf("retry after %s", e.RetryAfter)
	}
	f(400, `{"error":{"code":400,"message":"The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}`, providers.KindContextLength, "context_length_exceeded", "input token count")
	// xAI
	f(400, `{"code":"invalid-argument","error":"Incorrect API key provided: 12***89."}`, providers.KindAuthentication, "invalid-argument", "Incorrect API key")
	f(404, `{"code":"not-found","error":"The model grok-9 does not exist"}`, providers.KindModelNotFound, "not-found", "grok-9")
	// Mistral, FastAPI
	f(401, `{"detail":"Invalid API Key"}`, providers.KindAuthentication, "", "Invalid API Key")
	f(422, `{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]}`, providers.KindInvalidRequest, "", "Field required: messages")
	f(400, `{"object":"error","message":"This model's maximum context length is 4096 tokens","type":"BadRequestError","param":null,"code":400}`, providers.KindContextLength, "context_length_exceeded", "4096") // vLLM
	// OpenRouter
	f(401, `{"error":{"message":"No cookie auth credentials found","code":401}}`, providers.KindAuthentication, "", "cookie")
	f(429, `{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"{\"error\":{\"message\":\"slow down\"}}","provider_name":"X"}},"user_id":"u"}`, providers.KindRateLimit, "", "Provider returned error: slow down")
	f(0, `{"id":"gen","error":{"code":502,"message":"Upstream died"},"choices":[]}`, providers.KindUpstream, "", "died")
	f(402, `{"error":{"message":"Insufficient credits","code":402}}`, providers.KindBilling, "", "credits")
	f(403, `{"error":{"message":"x requires moderation on Y. Your input was flagged","code":403,"metadata":{"reasons":["violence"]}}}`, providers.KindContentPolicy, "", "flagged")
	// Perplexity, Groq
	f(400, `{"error":{"message":"The total length of all messages is too long.","type":"too_many_prompt_tokens","code":400}}`, providers.KindContextLength, "context_length_exceeded", "too long")
	f(400, `{"error":{"message":"Failed to call a function.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<f>"}}`, providers.KindInvalidRequest, "tool_use_failed", "Failed")
	// no JSON
	f(502, "<html><body>Bad gateway", providers.KindUpstream, "", "HTML page")
	f(503, "", providers.KindOverloaded, "", "no message")
	f(500, "boom", providers.KindInternal, "", "boom")
	f(504, "null", providers.KindTimeout, "", "504")
	f(418, `{}`, providers.KindInvalidRequest, "", "418")
}

func TestAppendError(t *testing.T) {
	in := ChatIngress()
	f := func(e providers.Error, want string) {
		t.Helper()
		if got := string(in.AppendError(nil, &e)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(providers.Error{Kind: providers.KindInvalidRequest, Param: "model", Message: `a "b"` + "\n"},
		`{"error":{"message":"a \"b\"\n","type":"invalid_request_error","param":"model","code":null}}`)
	f(providers.Error{Kind: providers.KindQuota, Message: "m"}, `{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`)
	f(providers.Error{Kind: providers.KindRateLimit, Type: "tokens", Message: "m"}, `{"error":{"message":"m","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`)
	f(providers.Error{Kind: providers.KindOverloaded, Type: "overloaded_error", Message: "m", Provider: "anthropic", Attempts: 2, RequestID: "01J"},
		`{"error":{"message":"m","type":"server_error","param":null,"code":"overloaded","metadata":{"provider":"anthropic","attempts":2,"request_id":"01J"}}}`)
	f(providers.Error{Kind: providers.KindUpstream, Code: "upstream_unreachable", Message: "m"}, `{"error":{"message":"m","type":"api_error","param":null,"code":"upstream_unreachable"}}`)
	kinds := []providers.ErrorKind{"invalid_request", "too_large", "context_length", "content_policy", "authentication", "billing", "permission", "not_found", "model_not_found", "conflict",
		"rate_limit", "quota", "timeout", "overloaded", "internal", "upstream", "unavailable", "not_implemented", "loop", "method", "unsupported_type"}
	for _, k := range kinds {
		if _, code := errorWords(k); code == "" && k != providers.KindInvalidRequest {
			t.Errorf("kind %s has no code", k)
		}
	}
	if got := string(in.AppendStreamError(nil, &providers.Error{Kind: providers.KindTimeout, Message: "m"})); got != `data: {"error":{"message":"m","type":"api_error","param":null,"code":"timeout"}}`+"\n\n" {
		t.Errorf("stream error: %q", got)
	}
}

func TestWholeAnswer(t *testing.T) {
	c := chatEgress{}
	f := func(body string, kind providers.ErrorKind) {
		t.Helper()
		var got providers.ErrorKind
		if _, e := c.ReadAnswer([]byte(body), new(providers.Usage)); e != nil {
			got = e.Kind
		}
		if got != kind {
			t.Errorf("%s: got %q, want %q", body, got, kind)
		}
	}
	f(`{"choices":[{"message":{}}]}`, "")
	f(`{}`, providers.KindUpstream)
	f(``, providers.KindUpstream)
	f(`<html>`, providers.KindUpstream)
	f(`[]`, providers.KindUpstream)
	f(`{"choices":[]}`, providers.KindUpstream)
	f(`{"choices":null}`, providers.KindUpstream)
	f(`{"choices":[{"message":{"content":"a`, providers.KindUpstream)
	f(`{"error":{"message":"slow down","code":429}}`, providers.KindRateLimit)
}
