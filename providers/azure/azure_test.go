package azure

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func TestURL(t *testing.T) {
	f := func(base, version string, op providers.Op, d providers.Dialect, path, want string) {
		t.Helper()
		c := providers.Call{Op: op, Dialect: d, Base: base, Path: path, Model: "my deploy", Options: map[string]json.RawMessage{}}
		if version != "" {
			c.Options["api_version"] = json.RawMessage(`"` + version + `"`)
		}
		for _, slash := range []string{"", "/"} {
			c.Base = base + slash
			if got := URL(&c); got != want {
				t.Errorf("%s %s %s: %s, want %s", c.Base, version, op, got, want)
			}
		}
	}
	const res, old = "https://r.openai.azure.com", "2024-12-01-preview"
	f(res, "", providers.OpChat, providers.Chat, "", res+"/openai/v1/chat/completions")
	f(res+"/openai/v1", "", providers.OpChat, providers.Chat, "", res+"/openai/v1/chat/completions")
	f(res+"/openai", "", providers.OpChat, providers.Responses, "", res+"/openai/v1/responses")
	f(res, "", providers.OpEmbeddings, "", "", res+"/openai/v1/embeddings")
	f(res, "", providers.OpModels, "", "", res+"/openai/v1/models")
	f(res, old, providers.OpChat, providers.Chat, "", res+"/openai/deployments/my%20deploy/chat/completions?api-version="+old)
	f(res, old, providers.OpCompletions, "", "completions", res+"/openai/deployments/my%20deploy/completions?api-version="+old)
	f(res, old, providers.OpEmbeddings, "", "embeddings", res+"/openai/deployments/my%20deploy/embeddings?api-version="+old)
	f(res, old, providers.OpImages, "", "images/edits", res+"/openai/deployments/my%20deploy/images/edits?api-version="+old)
	f(res, old, providers.OpAudio, "", "audio/transcriptions", res+"/openai/deployments/my%20deploy/audio/transcriptions?api-version="+old)
	f(res, old, providers.OpChat, providers.Responses, "", res+"/openai/responses?api-version="+old)
	f(res, old, providers.OpModels, "", "", res+"/openai/models?api-version="+old)
	f(res+"/openai/deployments/d", old, providers.OpChat, providers.Chat, "", res+"/openai/deployments/d/chat/completions?api-version="+old)
	f("https://r.services.ai.azure.com/models", "2024-05-01-preview", providers.OpChat, providers.Chat, "", "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview")
	f(res, "a&b=c", providers.OpChat, providers.Chat, "", res+"/openai/deployments/my%20deploy/chat/completions?api-version=a%26b%3Dc")
}

func TestSign(t *testing.T) {
	f := func(secret, name, want string) {
		t.Helper()
		c := &providers.Call{Secret: secret}
		if err := newSigner().sign(c); err != nil {
			t.Fatal(err)
		}
		if len(c.Header) != 1 || c.Header[0] != (providers.Header{Name: name, Value: want}) {
			t.Errorf("%q: %v", secret, c.Header)
		}
	}
	f("0123456789abcdef", "api-key", "0123456789abcdef")
	f("eyJhbGciOi.eyJhdWQi.sig", "Authorization", "Bearer eyJhbGciOi.eyJhdWQi.sig")
	for _, secret := range []string{"with space", "line\nbreak"} {
		if err := newSigner().sign(&providers.Call{Secret: secret}); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", secret, err)
		}
	}
	// An application's secret is never sent to the resource itself.
	c := &providers.Call{Secret: "app-secret", Options: map[string]json.RawMessage{"tenant_id": json.RawMessage(`"not a tenant!"`), "client_id": json.RawMessage(`"c"`)}}
	if err := newSigner().sign(c); err == nil || strings.Contains(err.Error(), "app-secret") || len(c.Header) > 0 {
		t.Errorf("a malformed tenant: %v, headers %v", err, c.Header)
	}
}
