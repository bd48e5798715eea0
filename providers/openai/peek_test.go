package openai

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestPeekRefuses(t *testing.T) {
	f := func(body string, kind providers.ErrorKind, param, code, part string) {
		t.Helper()
		for _, in := range []providers.Ingress{ChatIngress(), RelayIngress(providers.OpEmbeddings)} {
			_, err := in.Peek([]byte(body))
			var e *providers.Error
			if !errors.As(err, &e) {
				if in == ChatIngress() {
					t.Errorf("%.80s was accepted", body)
				}
				continue
			}
			if e.Kind != kind || e.Param != param || e.Code != code || !strings.Contains(e.Message, part) {
				t.Errorf("%.80s: got %s %q %q %q", body, e.Kind, e.Param, e.Code, e.Message)
			}
		}
	}
	const invalid = providers.KindInvalidRequest
	f(``, invalid, "", "invalid_json", "at byte 0")
	f(`null`, invalid, "", "invalid_json", "at byte 0")
	f(`[]`, invalid, "", "invalid_json", "at byte 0")
	f(`{"model":"m","messages":[]`, invalid, "", "invalid_json", "at byte 26")
	f(`{"model":"m","messages":[]}x`, invalid, "", "invalid_json", "at byte 27")
	f("\xef\xbb\xbf"+`{"model":"m","messages":[]}`, invalid, "", "invalid_json", "byte order mark")
	f(`{"model":"dear","MODEL":"cheap","messages":[]}`, invalid, "", "invalid_json", "MODEL")
	f(`{"model":"dear","model":"cheap","messages":[]}`, invalid, "", "invalid_json", "duplicate")
	f(`{"m\u006fdel":"m","messages":[]}`, invalid, "", "invalid_json", "escapes")
	f(`{"messages":[]}`, invalid, "model", "missing_required_parameter", "'model' is required")
	f(`{"model":7,"messages":[]}`, invalid, "model", "", "must be a string")
	f(`{"model":"","messages":[]}`, invalid, "model", "", "must not be empty")
	f(`{"model":"a\nb","messages":[]}`, invalid, "model", "", "printable")
	f(`{"model":"a\u0000","messages":[]}`, invalid, "model", "", "printable")
	f(`{"model":"\ud800","messages":[]}`, invalid, "model", "", "printable")
	f(`{"model":"`+strings.Repeat("m", 257)+`","messages":[]}`, providers.KindModelNotFound, "model", "model_not_found", "256")
	f(`{"model":"m","messages":[],"stream":1}`, invalid, "stream", "", "boolean")
	f(`{"model":"m","messages":[],"stream_options":[]}`, invalid, "stream_options", "", "object")
	f(`{"model":"m","messages":[],"max_tokens":-1}`, invalid, "max_tokens", "", "integer")
	f(`{"model":"m","messages":[],"max_completion_tokens":"9"}`, invalid, "max_completion_tokens", "", "integer")
	f(`{"model":"m","messages":[],"n":0}`, invalid, "n", "", "at least 1")
	f(`{"model":"m","messages":[],"provider":7}`, invalid, "provider", "", "name of a provider")
	f(`{"model":"m","messages":[],"fallbacks":"x"}`, invalid, "fallbacks", "", "list")
	f(`{"model":"m","messages":[],"fallbacks":[1]}`, invalid, "fallbacks", "", "list")
	for _, name := range []string{"api_base", "base_url", "api_key", "custom_llm_provider", "extra_headers", "organization"} {
		f(fmt.Sprintf(`{"model":"m","messages":[],%q:"x"}`, name), invalid, name, "unsupported_parameter", name)
	}
	// of a chat alone:
	f(`{"model":"m"}`, invalid, "messages", "missing_required_parameter", "required")
	f(`{"model":"m","messages":null}`, invalid, "messages", "", "list")
	f(`{"model":"m","messages":{}}`, invalid, "messages", "", "list")
	f(`{"model":"m","messages":[],"tools":{}}`, invalid, "tools", "", "list")
	f(`{"model":"m","messages":[`+strings.Repeat("0,", 100_000)+`0]}`, invalid, "messages", "", "100001")
	f(`{"model":"m","messages":[],"tools":[`+strings.Repeat("0,", 4096)+`0]}`, invalid, "tools", "", "4097")
}

func TestPeek(t *testing.T) {
	body := `{ "stream" : true, "provider":{"order":["x"]}, "model":"a/b", "fallbacks":["c/d","e"], "user":"u\u0007", "n":2,
	 "max_tokens":null, "max_completion_tokens":9, "stream_options":{"include_usage":true}, "messages":[{},{}], "tools":[{}], "metadata":{"model":"no"}}`
	p, err := ChatIngress().Peek([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	at := func(s providers.Span) string { return body[s.Start:s.End] }
	if p.Model != "a/b" || at(p.ModelSpan) != `"a/b"` || !p.Stream || !p.IncludeUsage || at(p.StreamOptions) != `{"include_usage":true}` ||
		p.MaxTokens != 9 || at(p.MaxTokensSpan) != "9" || p.N != 2 || p.User != "u" || p.Provider != "" || !p.ProviderObject ||
		len(p.Fallbacks) != 2 || p.Fallbacks[0] != "c/d" || p.Messages != 2 || p.Tools != 1 {
		t.Errorf("got %+v", p)
	}
	if len(p.Own) != 2 || p.Own[0].Name != "provider" || at(p.Own[0].Cut) != `"provider":{"order":["x"]},` {
		t.Errorf("own members: %+v", p.Own)
	}
	for _, body := range []string{
		`{"model":"m","messages":[],"stream":null,"stream_options":null,"tools":null,"n":null,"provider":null,"fallbacks":null,"max_tokens":null}`,
		`{"model":"m","messages":[],"stream":false}`,
	} {
		if p, err := ChatIngress().Peek([]byte(body)); err != nil || p.Stream || p.MaxTokensSpan.Found() {
			t.Errorf("%s: %+v, %v", body, p, err)
		}
	}
}

func TestRelayIngress(t *testing.T) {
	in := RelayIngress(providers.OpCompletions)
	p, err := in.Peek([]byte(`{"model":"m","prompt":"x","stream":true,"max_tokens":3}`))
	if err != nil || !p.Stream || p.MaxTokens != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, err = RelayIngress(providers.OpEmbeddings).Peek([]byte(`{"model":"m","input":["a"],"encoding_format":"base64"}`)); err != nil || p.Model != "m" {
		t.Fatalf("%+v, %v", p, err)
	}
	_, err = in.DecodeRequest([]byte(`{"model":"m"}`))
	var e *providers.Error
	if !errors.As(err, &e) || e.Kind != providers.KindNotImplemented || e.HTTPStatus() != 501 {
		t.Errorf("DecodeRequest: %v", err)
	}
	if _, err := in.AppendResponse(nil, &providers.Response{}); err == nil {
		t.Error("AppendResponse worked")
	}
	if s := string(in.NewEncoder(providers.EncodeOptions{}).End(nil)); !strings.Contains(s, `data: {"error"`) || strings.Contains(s, "[DONE]") {
		t.Errorf("the encoder wrote %s", s)
	}
}

// A name that was seen before is read as it was the first time, and only where it is the same string.
func TestModelNameTwice(t *testing.T) {
	f := func(v, want string) {
		t.Helper()
		for range 2 {
			if got, e := modelName([]byte(v)); got != want || (e == nil) != (want != "") {
				t.Errorf("%s: got %q %v, want %q", v, got, e, want)
			}
		}
	}
	f(`"gpt-x"`, "gpt-x")
	f(`"gpt-y"`, "gpt-y")
	f(`[gpt-x]`, "")
	f(`1gpt-x1`, "")
	f(`"a\\b"`, `a\b`)
	f(`"a\bc"`, "")
	f(`"\u0061b"`, "ab")
	f(`"é"`, "é")
	f(`""`, "")
	f(``, "")
	f(` "gpt-x" `, "gpt-x")
	f(`"`+strings.Repeat("m", maxModelName)+`"`, strings.Repeat("m", maxModelName))
	f(`"`+strings.Repeat("m", maxModelName+1)+`"`, "")
}
