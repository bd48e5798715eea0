// Package vertex reaches Gemini and Claude on Google Cloud's Vertex AI.
package vertex

import (
	"net/url"
	"os"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/gemini"
)

// usualBase is the address of the global location.
const usualBase = "https://aiplatform.googleapis.com"

// claudeVersion is what the body of a request to Claude names in place of the
// anthropic-version header (anthropic-sdk-go, package vertex).
const claudeVersion = "vertex-2023-10-16"

// Provider describes Vertex AI. An account's options are project and location
// ("global" unless said). Its key is a service account's JSON, an OAuth access token
// ("ya29.…"), or an API key of express mode, which needs no project; without one the
// application default credentials are used: GOOGLE_APPLICATION_CREDENTIALS, gcloud's
// login, the machine's service account.
func Provider() *providers.Provider {
	t := &tokens{}
	return &providers.Provider{
		Name: "vertex", Title: "Google Vertex AI", Aliases: []string{"vertexai", "vertex-ai", "vertex_ai", "google-vertex"},
		BaseURL: usualBase,
		EnvKeys: []string{"VERTEX_API_KEY"},
		Keyless: true,
		Speaks:  []providers.Egress{gemini.GenerateEgress(gemini.Vertex), anthropic.MessagesEgress(providers.Quirks{})},
		Only: map[providers.Dialect][]string{
			providers.Messages: {"claude-*", "publishers/anthropic/*"},
			providers.Gemini:   {"gemini-*", "gemma-*", "medlm-*", "endpoints/*", "publishers/google/*", "projects/*"},
		},
		Ops:    []providers.Op{providers.OpEmbedContent, providers.OpCountTokens},
		Models: []string{"gemini-*", "claude-*", "publishers/google/*", "publishers/anthropic/*"},
		Shape:  t.shape,
		URL:    t.url,
		Sign:   t.sign,
	}
}

// region is the location of a call's account.
func region(c *providers.Call) string {
	for _, v := range []string{c.Option("location", ""), c.Option("region", ""), os.Getenv("GOOGLE_CLOUD_LOCATION"), os.Getenv("GOOGLE_CLOUD_REGION")} {
		if plain(v) {
			return v
		}
	}
	return "global"
}

// plain reports whether a name may stand in a host or a path as it is.
func plain(s string) bool {
	ok := s != "" && len(s) <= 63
	for i := 0; i < len(s) && ok; i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == ':' || c == '.'
	}
	return ok
}

// base returns the account's address; the usual one in the account's location.
func base(c *providers.Call) string {
	b := strings.TrimRight(c.Base, "/")
	for _, version := range [...]string{"/v1beta1", "/v1"} {
		b = strings.TrimSuffix(b, version)
	}
	where := region(c)
	switch {
	case b != usualBase || where == "global":
		return b
	case where == "us" || where == "eu": // multi-regions
		return "https://aiplatform." + where + ".rep.googleapis.com"
	}
	return "https://" + where + "-aiplatform.googleapis.com"
}

// claude reports whether a call goes to Anthropic's models.
func claude(c *providers.Call) bool { return c.Dialect == providers.Messages }

// url addresses a call: the project and location, the model's publisher, and what to do.
func (t *tokens) url(c *providers.Call) string {
	version, publisher := "/v1beta1", "google"
	if claude(c) {
		version, publisher = "/v1", "anthropic"
	}
	root := base(c) + version
	if project := t.project(c); project != "" {
		root += "/projects/" + url.PathEscape(project) + "/locations/" + region(c)
	}
	model := strings.TrimPrefix(strings.TrimPrefix(c.Model, "publishers/"+publisher+"/"), "models/")
	switch {
	case claude(c) && c.Op == providers.OpCountTokens:
		return root + "/publishers/anthropic/models/count-tokens:rawPredict"
	case claude(c) && c.Stream:
		return root + "/publishers/anthropic/models/" + segment(model) + ":streamRawPredict"
	case claude(c):
		return root + "/publishers/anthropic/models/" + segment(model) + ":rawPredict"
	case strings.HasPrefix(model, "projects/"): // a whole resource name
		return base(c) + version + "/" + path(model) + gemini.Action(c)
	case strings.HasPrefix(model, "endpoints/"), strings.HasPrefix(model, "publishers/"):
		return root + "/" + path(model) + gemini.Action(c)
	}
	return root + "/publishers/google/models/" + segment(model) + gemini.Action(c)
}

// segment escapes a name; the @ before a Claude model's date stays, as Google writes it.
func segment(name string) string { return url.PathEscape(name) }

// path escapes a name whose slashes are its own.
func path(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
