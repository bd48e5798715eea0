// Package catalog knows the vendors that speak OpenAI's formats, one row each,
// and the models and prices of all vendors, with source and date on every row.
package catalog

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// Vendors returns the table of OpenAI-compatible vendors: a row is data, so a new
// vendor is a new row. Every call returns fresh values.
//
// Base URLs and variable names are those of the vendors' own documentation and
// SDKs. A vendor with separate sites for China and abroad has two rows, as keys
// of one are not valid at the other; only the first takes its key from the
// environment. What a vendor refuses (Quirks) is either in its documentation or
// counted in recorded traffic; unknown members of others are passed on.
func Vendors() []*providers.Provider {
	rows := slices.Concat(makers(), chinese(), hosts(), local())
	for _, p := range rows {
		bilingual(p)
		p.Speaks = speaks(p)
	}
	return append(rows, searchers()...)
}

// The operations most vendors have, and what is built from them.
var (
	opsText  = []providers.Op{providers.OpCompletions, providers.OpEmbeddings, providers.OpModels}
	opsEmbed = []providers.Op{providers.OpEmbeddings, providers.OpModels}
	opsModel = []providers.Op{providers.OpModels}
)

// compatible is what holds of a vendor that took OpenAI's format before
// max_completion_tokens and the developer role came; both old forms work everywhere.
func compatible(q providers.Quirks) providers.Quirks {
	q.MaxTokensField = "max_tokens"
	q.NoDeveloper = true
	return q
}

// makers lists the vendors outside China that make the models they serve.
func makers() []*providers.Provider {
	return []*providers.Provider{
		{
			Name: "openai", Title: "OpenAI",
			BaseURL: "https://api.openai.com/v1", EnvKeys: []string{"OPENAI_API_KEY"},
			Only: openAIOnly(),
			Ops:  []providers.Op{providers.OpCompletions, providers.OpEmbeddings, providers.OpModels, providers.OpImages, providers.OpAudio, providers.OpModerations, providers.OpInputTokens, providers.OpCompact},
			Models: []string{
				"gpt-*", "o1*", "o3*", "o4*", "chatgpt-*", "codex-*", "computer-use-*", "text-embedding-*",
				"omni-moderation-*", "text-moderation-*", "dall-e-*", "sora-*", "tts-*", "whisper-*", "davinci-*", "babbage-*", "ft:*",
			},
		},
		{
			Name: "mistral", Title: "Mistral AI", Aliases: []string{"mistralai"},
			BaseURL: "https://api.mistral.ai/v1", EnvKeys: []string{"MISTRAL_API_KEY"},
			Ops:    []providers.Op{providers.OpEmbeddings, providers.OpModels, providers.OpAudio, providers.OpModerations, providers.OpFIM},
			Models: []string{"mistral-*", "magistral-*", "ministral-*", "codestral-*", "devstral-*", "pixtral-*", "voxtral-*", "open-mistral-*", "open-mixtral-*", "labs-*"},
			// Members outside its schema are a 422; usage comes unasked with the
			// finish chunk; call ids are nine alphanumerics (70 of 70 recorded).
			Quirks: compatible(providers.Quirks{
				NoStreamUsage: true, ToolIDs: "mistral9",
				Drop: []string{"user", "store", "logit_bias", "logprobs", "top_logprobs", "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "verbosity", "modalities", "audio", "web_search_options", "reasoning_effort"},
			}),
		},
		{
			Name: "xai", Title: "xAI", Aliases: []string{"grok", "x-ai"},
			BaseURL: "https://api.x.ai/v1", EnvKeys: []string{"XAI_API_KEY"},
			Ops:    []providers.Op{providers.OpModels, providers.OpImages},
			Models: []string{"grok-*"},
			Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content"}),
		},
		{
			Name: "perplexity", Title: "Perplexity", Aliases: []string{"pplx"},
			BaseURL: "https://api.perplexity.ai", EnvKeys: []string{"PERPLEXITY_API_KEY"},
			Ops:    []providers.Op{providers.OpEmbeddings},
			Models: []string{"sonar*", "pplx-*", "r1-1776"},
			Quirks: compatible(providers.Quirks{NoDone: true}),
			URL:    perplexityURL,
		},
		{
			Name: "cohere", Title: "Cohere",
			BaseURL: "https://api.cohere.ai/compatibility/v1", EnvKeys: []string{"COHERE_API_KEY", "CO_API_KEY"},
			Ops:    []providers.Op{providers.OpEmbeddings, providers.OpRerank},
			Models: []string{"command-*", "c4ai-*", "embed-*", "rerank-*"},
			URL:    cohereURL,
			// The compatibility endpoint refuses stream_options.
			Quirks: compatible(providers.Quirks{NoStreamUsage: true}),
		},
	}
}

// searchers lists the vendors that embed and rerank, and serve no chat.
func searchers() []*providers.Provider {
	return []*providers.Provider{
		{
			Name: "voyage", Title: "Voyage AI", Aliases: []string{"voyageai"},
			BaseURL: "https://api.voyageai.com/v1", EnvKeys: []string{"VOYAGE_API_KEY"},
			Ops:    []providers.Op{providers.OpEmbeddings, providers.OpRerank},
			Models: []string{"voyage-*"}, // rerank-*: Cohere's and Jina's have the same names
		},
		{
			Name: "jina", Title: "Jina AI", Aliases: []string{"jinaai"},
			BaseURL: "https://api.jina.ai/v1", EnvKeys: []string{"JINA_API_KEY"},
			Ops:    []providers.Op{providers.OpEmbeddings, providers.OpRerank},
			Models: []string{"jina-*"},
		},
	}
}

// hosts lists the vendors that serve the models of others.
func hosts() []*providers.Provider {
	return []*providers.Provider{
		{
			Name: "groq", Title: "Groq",
			BaseURL: "https://api.groq.com/openai/v1", EnvKeys: []string{"GROQ_API_KEY"},
			Ops:    []providers.Op{providers.OpModels, providers.OpAudio},
			Models: []string{"llama-*", "meta-llama/*", "openai/gpt-oss-*", "qwen/*", "moonshotai/*", "groq/*", "compound*", "gemma*-it", "whisper-large-*", "playai-tts*", "canopylabs/*"},
			// Documented: logprobs, logit_bias, top_logprobs and messages[].name are a 400.
			Quirks: providers.Quirks{NoDeveloper: true, NoNames: true, ReasoningField: "reasoning", Drop: []string{"logprobs", "logit_bias", "top_logprobs"}},
		},
		{
			Name: "together", Title: "Together AI", Aliases: []string{"togetherai", "together-ai"},
			BaseURL: "https://api.together.xyz/v1", EnvKeys: []string{"TOGETHER_API_KEY"},
			Ops:    []providers.Op{providers.OpCompletions, providers.OpEmbeddings, providers.OpModels, providers.OpImages, providers.OpAudio, providers.OpRerank},
			Models: []string{"*/*"},
			Quirks: compatible(providers.Quirks{ReasoningField: "reasoning"}),
		},
		{
			Name: "fireworks", Title: "Fireworks AI", Aliases: []string{"fireworks-ai"},
			BaseURL: "https://api.fireworks.ai/inference/v1", EnvKeys: []string{"FIREWORKS_API_KEY"},
			Ops:    []providers.Op{providers.OpCompletions, providers.OpEmbeddings, providers.OpModels, providers.OpRerank},
			Models: []string{"accounts/*"},
			Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content"}),
		},
		{
			Name: "openrouter", Title: "OpenRouter",
			BaseURL: "https://openrouter.ai/api/v1", EnvKeys: []string{"OPENROUTER_API_KEY"},
			Ops:    opsText,
			Models: []string{"*/*"},
			Quirks: providers.Quirks{MaxTokensField: "max_tokens", ReasoningField: "reasoning", ProviderObject: true},
		},
		{
			Name: "cerebras", Title: "Cerebras",
			BaseURL: "https://api.cerebras.ai/v1", EnvKeys: []string{"CEREBRAS_API_KEY"},
			Ops:    []providers.Op{providers.OpCompletions, providers.OpModels},
			Models: []string{"llama3.1-*", "llama-3.3-*", "llama-4-*", "qwen-3-*", "zai-glm-*", "gpt-oss-*"},
			// Documented: these are a 400.
			Quirks: providers.Quirks{
				NoDeveloper: true, NoParallelTools: true, ReasoningField: "reasoning",
				Drop: []string{"frequency_penalty", "presence_penalty", "logit_bias", "service_tier", "parallel_tool_calls"},
			},
		},
		{
			// AWS's OpenAI-shaped endpoint, in any region by the base URL; a Bedrock API key opens it.
			Name: "bedrock-mantle", Title: "Amazon Bedrock, OpenAI-compatible", Aliases: []string{"mantle"},
			BaseURL: "https://bedrock-mantle.us-east-1.api.aws/v1",
			Ops:     opsModel,
			Quirks:  providers.Quirks{ReasoningField: "reasoning"},
		},
		{
			Name: "huggingface", Title: "Hugging Face router", Aliases: []string{"hf"},
			BaseURL: "https://router.huggingface.co/v1", EnvKeys: []string{"HF_TOKEN", "HUGGINGFACE_API_KEY"},
			Ops:    opsModel,
			Models: []string{"*/*"},
			Quirks: compatible(providers.Quirks{ReasoningField: "reasoning"}),
		},
		{
			Name: "vercel", Title: "Vercel AI Gateway", Aliases: []string{"vercel-ai-gateway", "vercel-gateway"},
			BaseURL: "https://ai-gateway.vercel.sh/v1", EnvKeys: []string{"AI_GATEWAY_API_KEY", "VERCEL_AI_GATEWAY_API_KEY"},
			Ops:    opsEmbed,
			Models: []string{"*/*"},
			Quirks: providers.Quirks{MaxTokensField: "max_tokens", ReasoningField: "reasoning"},
		},
	}
}

// perplexityURL: chat lies at the root, everything else below /v1 (both recorded).
func perplexityURL(c *providers.Call) string {
	if c.Op == providers.OpChat {
		return providers.DefaultURL(c)
	}
	base := strings.TrimSuffix(strings.TrimRight(c.Base, "/"), "/v1")
	return base + "/v1/" + providers.DefaultPath(c)
}

// cohereURL: rerank lies beside the endpoint that is compatible with OpenAI's.
func cohereURL(c *providers.Call) string {
	if c.Op != providers.OpRerank {
		return providers.DefaultURL(c)
	}
	base := strings.TrimSuffix(strings.TrimRight(c.Base, "/"), "/compatibility/v1")
	return strings.TrimSuffix(strings.TrimSuffix(base, "/v1"), "/v2") + "/v2/rerank"
}

func local() []*providers.Provider {
	return []*providers.Provider{
		{
			Name: "ollama", Title: "Ollama", Local: true,
			BaseURL: "http://localhost:11434/v1",
			Ops:     opsText,
			Quirks:  compatible(providers.Quirks{ReasoningField: "reasoning", ReasoningBack: true}),
		},
		{
			Name: "vllm", Title: "vLLM", Local: true,
			BaseURL: "http://localhost:8000/v1",
			Ops:     []providers.Op{providers.OpCompletions, providers.OpEmbeddings, providers.OpModels, providers.OpRerank, providers.OpAudio},
			Quirks:  compatible(providers.Quirks{ReasoningField: "reasoning_content"}),
		},
		{
			Name: "llamacpp", Title: "llama.cpp", Aliases: []string{"llama.cpp", "llama-cpp", "llama-server"}, Local: true,
			BaseURL: "http://localhost:8080/v1",
			Ops:     []providers.Op{providers.OpCompletions, providers.OpEmbeddings, providers.OpModels, providers.OpRerank},
			Quirks:  compatible(providers.Quirks{ReasoningField: "reasoning_content", ReasoningBack: true}),
		},
		{
			Name: "lmstudio", Title: "LM Studio", Aliases: []string{"lm-studio"}, Local: true,
			BaseURL: "http://localhost:1234/v1",
			Ops:     opsText,
			Quirks:  compatible(providers.Quirks{ReasoningField: "reasoning_content"}),
		},
		{
			// Anything else that speaks OpenAI's format: the account names the address.
			Name: "custom", Title: "Custom (OpenAI-compatible)", Aliases: []string{"openai-compatible"},
			Ops: []providers.Op{providers.OpCompletions, providers.OpEmbeddings, providers.OpModels, providers.OpImages, providers.OpAudio, providers.OpModerations, providers.OpRerank, providers.OpFIM},
			// Servers nobody has listed end their streams in more ways than one.
			Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content", NoDone: true}),
		},
		{
			// As custom, for servers that have Responses as well.
			Name: "custom-responses", Title: "Custom (OpenAI Responses)",
			Ops:    []providers.Op{providers.OpCompletions, providers.OpEmbeddings, providers.OpModels, providers.OpImages, providers.OpAudio, providers.OpModerations, providers.OpRerank},
			Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content", NoDone: true}),
		},
	}
}
