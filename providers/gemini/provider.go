package gemini

import (
	"net/url"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Provider describes Google's own API. Its OpenAI-compatible endpoint serves what
// OpenAI's embeddings and model lists ask; chat goes through the native one, whatever
// the caller's format, because only there do thought signatures have a place on
// every part, and models of the third generation refuse calls without them.
func Provider() *providers.Provider {
	return &providers.Provider{
		Name: "gemini", Title: "Google Gemini", Aliases: []string{"google"},
		BaseURL: "https://generativelanguage.googleapis.com",
		EnvKeys: []string{"GEMINI_API_KEY", "GOOGLE_API_KEY"},
		Ops:     []providers.Op{providers.OpEmbeddings, providers.OpEmbedContent, providers.OpCountTokens, providers.OpModels},
		Models:  []string{"gemini-*", "gemma-*", "learnlm-*", "text-embedding-00*", "models/*", "tunedModels/*"},
		Speaks:  []providers.Egress{GenerateEgress(AIStudio)},
		URL:     URL,
		Sign:    Sign,
	}
}

// URL addresses a call. The base URL is the host's root, as Google's SDK takes it;
// one with the version or the compatible endpoint's path is accepted too.
func URL(c *providers.Call) string {
	base := strings.TrimRight(c.Base, "/")
	base = strings.TrimSuffix(base, "/openai")
	base = strings.TrimSuffix(strings.TrimSuffix(base, "/v1beta"), "/v1")
	if c.Dialect != dialect {
		return base + "/v1beta/openai/" + providers.DefaultPath(c)
	}
	model := c.Model
	if !strings.HasPrefix(model, "models/") && !strings.HasPrefix(model, "tunedModels/") {
		model = "models/" + model
	}
	return base + "/v1beta/" + escapePath(model) + Action(c)
}

// Action returns the verb of a call's address, with its colon. A stream that is to
// be read here comes as server-sent events; a caller's own says in its query how.
func Action(c *providers.Call) string {
	switch {
	case c.Op == providers.OpCountTokens:
		return ":countTokens"
	case c.Op == providers.OpEmbedContent:
		return ":" + c.Path
	case !c.Stream:
		return ":generateContent"
	case c.Relayed:
		return ":streamGenerateContent"
	}
	return ":streamGenerateContent?alt=sse"
}

// escapePath makes a name fit to stand in a path; its slashes stay.
func escapePath(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// Sign adds the key: as a bearer token at the compatible endpoint and where it is an
// OAuth token, else as x-goog-api-key.
func Sign(c *providers.Call) error {
	if c.Secret == "" {
		return nil
	}
	if c.Dialect != dialect || strings.HasPrefix(c.Secret, "ya29.") {
		return providers.DefaultSign(c)
	}
	if err := providers.CheckSecret(c.Secret); err != nil {
		return err
	}
	c.Set("x-goog-api-key", c.Secret)
	return nil
}

// embedding reads the answers of embedContent and batchEmbedContents for the relay.
type embedding struct{ egress }

// EmbedFrames reads what an embedding's answer tells: its usage, where it tells any.
func EmbedFrames() providers.Egress { return embedding{} }

// embeddingMembers are the top-level members of an answer that ReadAnswer looks at.
var embeddingMembers = wire.NewNames("embedding", "embeddings", "usageMetadata", "error")

// ReadAnswer refuses a 200 that holds no embedding.
func (e embedding) ReadAnswer(body []byte, u *providers.Usage) (providers.Answer, *providers.Error) {
	fields, err := embeddingMembers.Fields(body, nil)
	if err != nil {
		return providers.Answer{}, nonsense(err.Error())
	}
	var a providers.Answer
	any := false
	for _, f := range fields {
		switch f.Name {
		case "error":
			return a, e.DecodeError(0, body)
		case "usageMetadata":
			a.HasUsage = readUsage(body[f.Start:f.End], u)
		default:
			any = true
		}
	}
	if !any {
		return a, nonsense("it has no embedding")
	}
	return a, nil
}
