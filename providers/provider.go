package providers

import "encoding/json"

// An Op is what a route does, in no vendor's words.
type Op string

// Operations. OpChat is translated between dialects; all others are relayed only.
const (
	OpChat        Op = "chat"
	OpCountTokens Op = "count_tokens"
	OpCompletions Op = "completions"
	OpEmbeddings  Op = "embeddings"
	OpModels      Op = "models"
	OpImages      Op = "images"
	OpAudio       Op = "audio"
	OpModerations Op = "moderations"
	OpRerank      Op = "rerank"
	OpFIM         Op = "fim" // completion of a gap in code
	// OpEmbedContent is embeddings in Gemini's own format.
	OpEmbedContent Op = "embed_content"
	OpInputTokens  Op = "input_tokens" // as count_tokens, of a Responses request
	OpCompact      Op = "compact"      // a Responses conversation made shorter
	OpStored       Op = "stored"       // reads and removals of stored responses
)

// Counts reports whether the operation counts a request's tokens.
func (o Op) Counts() bool { return o == OpCountTokens || o == OpInputTokens }

// A Provider describes one kind of upstream: data, with hooks for what is not
// data. Zero hooks mean the OpenAI way: base URL + path, bearer key.
type Provider struct {
	Name    string // "openai"; lower case, unique
	Title   string // "OpenAI"
	Aliases []string
	// BaseURL is what the vendor's own SDK takes; accounts may override it. Empty: the account must give one.
	BaseURL string
	// Speaks lists the chat dialects it serves, the best first. The router
	// prefers the caller's own dialect if it is among them.
	Speaks []Egress
	// Bases are the base URLs of dialects that it serves elsewhere than at BaseURL. An
	// account with an address of its own speaks such a dialect only if that is the
	// dialect's, or if its option "<dialect>_base_url" names one.
	Bases map[Dialect]string
	// Only lists models, by name pattern, that it serves in one of these dialects alone.
	Only map[Dialect][]string
	// Ops lists the operations served besides OpChat.
	Ops []Op
	// Betas are the flags of the anthropic-beta header it takes; nil: all are passed on.
	Betas []string
	// EnvKeys are the environment variables that hold a key of it, the best first.
	EnvKeys []string
	// Models are name patterns ('*' matches any run) of the models it is known to serve, to route names the catalogue lacks.
	Models []string
	// Local: runs on the owner's machines; priced 0 and needs no key.
	Local bool
	// Keyless: an account may have no key of its own; Sign finds credentials where the
	// cloud's own tools do (environment, profile, the machine's role).
	Keyless bool
	// Quirks tell its deviations from the dialect.
	Quirks Quirks

	// URL returns the address of one call. nil: the dialect's usual path below base.
	URL func(c *Call) string
	// Sign adds credentials to the call's headers. nil: "Authorization: Bearer <key>".
	Sign func(c *Call) error
	// Shape changes the body to the vendor's own form, where members of it stand
	// elsewhere (the model in the address). It runs before URL. nil: the body is sent as it is.
	Shape func(c *Call) error
}

// Serves reports whether p serves model in a dialect.
func (p *Provider) Serves(model string, d Dialect) bool {
	speaks := false
	for _, e := range p.Speaks {
		speaks = speaks || e.Dialect() == d
	}
	for other, patterns := range p.Only {
		for _, pattern := range patterns {
			speaks = speaks && (other == d || !MatchName(pattern, model))
		}
	}
	return speaks
}

// NeedsKey reports whether an account without a key is of no use.
func (p *Provider) NeedsKey() bool { return !p.Local && !p.Keyless }

// Quirks are a vendor's deviations from its dialect, as data.
type Quirks struct {
	Drop []string // request members the vendor refuses: cut on relay, dropped on translation
	// NoStreamUsage: refuses stream_options; usage comes unasked or not at all.
	NoStreamUsage bool
	// NoDone: a stream may end without its terminal event once a finish reason was seen.
	NoDone bool
	// MaxTokensField: the name of the member that bounds output ("max_tokens"); empty: max_completion_tokens.
	MaxTokensField string
	// ReasoningField is the member that carries reasoning in answers ("reasoning_content", "reasoning"); empty: none.
	ReasoningField string
	// ReasoningBack: reasoning must be sent back with assistant turns, in ReasoningField.
	ReasoningBack bool
	// NoBase64: embeddings come as numbers only, and asking for base64 is refused.
	NoBase64 bool
	// ToolIDs is the form tool-call ids must have ("mistral9": nine alphanumerics); empty: any.
	ToolIDs string
	// NoParallelTools, NoStrict, NoDeveloper, NoNames: refuses that feature.
	NoParallelTools, NoStrict, NoDeveloper, NoNames bool
	// Object: provider preferences in object form are the vendor's own (OpenRouter).
	ProviderObject bool
}

// A Call is one HTTP exchange with an upstream, as the provider's hooks see it.
type Call struct {
	Op      Op
	Dialect Dialect
	Model   string // the upstream's name of the model
	Stream  bool
	Relayed bool   // the caller's own request of this dialect: his bytes, his query, his framing of a stream
	Base    string // the account's base URL, without a trailing slash
	Path    string // for relayed operations, the route's own path below /v1 ("images/edits")
	Secret  string
	Options map[string]json.RawMessage // the account's options
	Body    []byte                     // what will be sent (signatures cover it)

	URL    string // set before Sign
	Header []Header
}

// A Header is one HTTP header.
type Header struct{ Name, Value string }

// Set replaces or adds a header of the call.
func (c *Call) Set(name, value string) {
	for i := range c.Header {
		if c.Header[i].Name == name {
			c.Header[i].Value = value
			return
		}
	}
	c.Header = append(c.Header, Header{name, value})
}

// Option returns an option that is a JSON string, or def.
func (c *Call) Option(name, def string) string {
	var s string
	if raw, ok := c.Options[name]; ok && json.Unmarshal(raw, &s) == nil && s != "" {
		return s
	}
	return def
}
