package anthropic

import (
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestProviderURL(t *testing.T) {
	f := func(c providers.Call, want string) {
		t.Helper()
		if got := Provider().URL(&c); got != want {
			t.Errorf("URL(%+v) = %q, want %q", c, got, want)
		}
	}
	const host = "https://api.anthropic.com"
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Messages, Base: host}, host+"/v1/messages")
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Messages, Base: host + "/"}, host+"/v1/messages")
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Messages, Base: host + "/v1/"}, host+"/v1/messages")
	f(providers.Call{Op: providers.OpCountTokens, Base: host}, host+"/v1/messages/count_tokens")
	f(providers.Call{Op: providers.OpCountTokens, Base: host, Path: "messages/count_tokens"}, host+"/v1/messages/count_tokens")
	f(providers.Call{Op: providers.OpModels, Base: host, Path: "models/claude-x"}, host+"/v1/models/claude-x")
}

func TestProviderSign(t *testing.T) {
	header := func(c *providers.Call, name string) string {
		for _, h := range c.Header {
			if h.Name == name {
				return h.Value
			}
		}
		return ""
	}
	c := &providers.Call{Secret: "sk-ant-1"}
	if err := Sign(c); err != nil {
		t.Fatal(err)
	}
	if header(c, "x-api-key") != "sk-ant-1" || header(c, "anthropic-version") != Version {
		t.Errorf("headers: %v", c.Header)
	}
	c = &providers.Call{Header: []providers.Header{{Name: "Anthropic-Version", Value: "2024-01-01"}}}
	if err := Sign(c); err != nil {
		t.Fatal(err)
	}
	if len(c.Header) != 1 || c.Header[0].Value != "2024-01-01" {
		t.Errorf("the caller's version was replaced: %v", c.Header)
	}
	if err := Sign(&providers.Call{Secret: "a\nb"}); err == nil {
		t.Error("a key with a line break was accepted")
	}
}
