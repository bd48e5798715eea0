package vertex

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

func options(pairs ...string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = json.RawMessage(`"` + pairs[i+1] + `"`)
	}
	return out
}

func clearEnvironment(t *testing.T) {
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "GOOGLE_APPLICATION_CREDENTIALS"} {
		t.Setenv(name, "")
	}
}

func TestURL(t *testing.T) {
	clearEnvironment(t)
	p := Provider()
	f := func(c providers.Call, want string) {
		t.Helper()
		if c.Base == "" {
			c.Base = usualBase
		}
		if got := p.URL(&c); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	in := options("project", "PROJECT", "location", "us-east5")
	// As recorded.
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Gemini, Model: "gemini-2.5-flash", Options: options("project", "PROJECT")},
		"https://aiplatform.googleapis.com/v1beta1/projects/PROJECT/locations/global/publishers/google/models/gemini-2.5-flash:generateContent")
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Gemini, Model: "gemini-2.5-pro", Stream: true, Options: in},
		"https://us-east5-aiplatform.googleapis.com/v1beta1/projects/PROJECT/locations/us-east5/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse")
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Messages, Model: "claude-3-7-sonnet@20250219", Options: in},
		"https://us-east5-aiplatform.googleapis.com/v1/projects/PROJECT/locations/us-east5/publishers/anthropic/models/claude-3-7-sonnet@20250219:rawPredict")
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Messages, Model: "claude-3-7-sonnet@20250219", Stream: true, Options: in},
		"https://us-east5-aiplatform.googleapis.com/v1/projects/PROJECT/locations/us-east5/publishers/anthropic/models/claude-3-7-sonnet@20250219:streamRawPredict")
	f(providers.Call{Op: providers.OpEmbedContent, Path: "embedContent", Dialect: providers.Gemini, Model: "gemini-embedding-2", Options: options("project", "PROJECT")},
		"https://aiplatform.googleapis.com/v1beta1/projects/PROJECT/locations/global/publishers/google/models/gemini-embedding-2:embedContent")
	// As the SDKs' sources have it.
	f(providers.Call{Op: providers.OpCountTokens, Dialect: providers.Messages, Model: "claude-sonnet-4-5", Options: in},
		"https://us-east5-aiplatform.googleapis.com/v1/projects/PROJECT/locations/us-east5/publishers/anthropic/models/count-tokens:rawPredict")
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Gemini, Model: "gemini-2.5-flash", Secret: "AQ.expresskey"},
		"https://aiplatform.googleapis.com/v1beta1/publishers/google/models/gemini-2.5-flash:generateContent")
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Gemini, Model: "endpoints/123", Options: in},
		"https://us-east5-aiplatform.googleapis.com/v1beta1/projects/PROJECT/locations/us-east5/endpoints/123:generateContent")
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Gemini, Model: "m", Base: "http://10.0.0.1/v1/", Options: options("project", "p", "location", "../x")},
		"http://10.0.0.1/v1beta1/projects/p/locations/global/publishers/google/models/m:generateContent")
	t.Setenv("GOOGLE_CLOUD_PROJECT", "from-env")
	t.Setenv("GOOGLE_CLOUD_LOCATION", "europe-west4")
	f(providers.Call{Op: providers.OpChat, Dialect: providers.Gemini, Model: "gemini-2.5-flash"},
		"https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/from-env/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent")
}

func TestShape(t *testing.T) {
	clearEnvironment(t)
	p := Provider()
	f := func(op providers.Op, d providers.Dialect, body, want string) {
		t.Helper()
		c := providers.Call{Op: op, Dialect: d, Body: []byte(body), Options: options("project", "p")}
		if err := p.Shape(&c); err != nil {
			t.Fatal(err)
		}
		if string(c.Body) != want {
			t.Errorf("%s\nwant %s", c.Body, want)
		}
	}
	f(providers.OpChat, providers.Messages, `{"model":"claude","max_tokens":1}`, `{"anthropic_version":"vertex-2023-10-16","max_tokens":1}`)
	f(providers.OpChat, providers.Messages, `{"max_tokens":1,"anthropic_version":"vertex-2030-01-01","model":"claude"}`, `{"max_tokens":1,"anthropic_version":"vertex-2030-01-01"}`)
	f(providers.OpChat, providers.Messages, `{"model":"claude"}`, `{"anthropic_version":"vertex-2023-10-16"}`)
	f(providers.OpCountTokens, providers.Messages, `{"model":"claude"}`, `{"anthropic_version":"vertex-2023-10-16","model":"claude"}`)
	f(providers.OpChat, providers.Gemini, `{"contents":[]}`, `{"contents":[]}`)
	c := providers.Call{Dialect: providers.Gemini, Secret: `{"type":"service_account"}`}
	if err := p.Shape(&c); err == nil || !strings.Contains(err.Error(), "options.project") {
		t.Errorf("without a project: %v", err)
	}
}

// TestRecordedClaude: the body of each recorded request to Claude is what the same
// request without the version, and with a model, is shaped into.
func TestRecordedClaude(t *testing.T) {
	clearEnvironment(t)
	p := Provider()
	for _, endpoint := range []string{"vertex_anthropic", "vertex_anthropic_stream"} {
		for _, x := range providertest.Cassettes(t, providertest.Filter{Endpoint: endpoint}) {
			body := strings.Replace(string(x.Request.Body), `"anthropic_version":"vertex-2023-10-16"`, `"model":"m"`, 1)
			body = strings.Replace(body, `"anthropic_version": "vertex-2023-10-16"`, `"model":"m"`, 1)
			c := providers.Call{Op: providers.OpChat, Dialect: providers.Messages, Body: []byte(body), Options: options("project", "p")}
			if err := p.Shape(&c); err != nil {
				t.Fatal(err)
			}
			if err := providertest.Diff(c.Body, x.Request.Body, nil); err != nil {
				t.Errorf("%s: %v", x.ID, err)
			}
		}
	}
}

func TestSign(t *testing.T) {
	clearEnvironment(t)
	header := func(c *providers.Call, name string) string {
		for _, h := range c.Header {
			if h.Name == name {
				return h.Value
			}
		}
		return ""
	}
	p := Provider()
	c := providers.Call{Secret: "AQ.key"}
	if err := p.Sign(&c); err != nil || header(&c, "x-goog-api-key") != "AQ.key" {
		t.Errorf("API key: %v %v", err, c.Header)
	}
	c = providers.Call{Secret: "ya29.token"}
	if err := p.Sign(&c); err != nil || header(&c, "Authorization") != "Bearer ya29.token" {
		t.Errorf("token: %v %v", err, c.Header)
	}
	var asked atomic.Int32
	google := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if err := r.ParseForm(); err != nil || r.Form.Get("assertion") == "" {
			t.Errorf("the token was asked for without an assertion: %v", err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"made","token_type":"Bearer","expires_in":3600}`))
	}))
	defer google.Close()
	file := serviceAccount(t, google.URL)
	for range 3 {
		c = providers.Call{Secret: file}
		if err := p.Sign(&c); err != nil || header(&c, "Authorization") != "Bearer made" {
			t.Fatalf("service account: %v %v", err, c.Header)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the token was asked for %d times", n)
	}
	c = providers.Call{Secret: file, Base: usualBase, Dialect: providers.Gemini, Model: "m", Op: providers.OpChat}
	if got := p.URL(&c); !strings.Contains(got, "/projects/its-own/") {
		t.Errorf("the account's own project is not in %s", got)
	}
	for _, bad := range []string{`{`, `{"type":"external_account","token_url":"http://10.0.0.1"}`, `{"type":"service_account"}`} {
		c = providers.Call{Secret: bad}
		if err := p.Sign(&c); err == nil {
			t.Errorf("%s was taken", bad)
		} else if strings.Contains(err.Error(), bad) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

func serviceAccount(t *testing.T, tokenURL string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "its-own", "private_key_id": "1", "client_email": "a@its-own.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": tokenURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
