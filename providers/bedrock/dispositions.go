package bedrock

import (
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
)

// Rules returns the disposition of every member that a request of another dialect may have.
func Rules() []providers.Rule { return slices.Concat(rules, extraRules) }

var rules = []providers.Rule{
	{Member: "model", Is: providers.Carried, When: "in the address"},
	{Member: "system", Is: providers.Carried},
	{Member: "messages", Is: providers.Carried, When: "empty text is left out; equal roles become one message"},
	{Member: "messages.system", Is: providers.Carried, As: "messages", When: "a user turn in a marker; never moved to the front"},
	{Member: "messages.name", Is: providers.Dropped},
	{Member: "messages.thinking", Is: providers.Carried, As: "messages.reasoningContent", When: "signed by the model behind Bedrock, or by Anthropic for a Claude model; else dropped"},
	{Member: "messages.redacted_thinking", Is: providers.Carried, As: "messages.reasoningContent", When: "given by Bedrock; else dropped"},
	{Member: "messages.signature", Is: providers.Dropped},
	{Member: "messages.citations", Is: providers.Dropped},
	{Member: "messages.assistant_media", Is: providers.Dropped},
	{Member: "messages.<vendor block>", Is: providers.Dropped},
	{Member: "messages.<any other>", Is: providers.Dropped},
	{Member: "image_url", Is: providers.Carried, As: "messages.image", When: "png, jpeg, gif, webp; an address is fetched by the gateway (s3 addresses are passed on)"},
	{Member: "image_url.detail", Is: providers.Dropped},
	{Member: "file", Is: providers.Carried, As: "messages.document", When: "PDF, text, CSV, HTML, Markdown, Word, Excel; others are refused"},
	{Member: "file.file_id", Is: providers.Refused},
	{Member: "input_audio", Is: providers.Carried, As: "messages.audio"},
	{Member: "cache_control", Is: providers.Carried, As: "cachePoint", When: "Claude and Nova; else dropped"},
	{Member: "is_error", Is: providers.Carried, As: "messages.toolResult.status"},
	{Member: "tools", Is: providers.Carried, As: "toolConfig", When: "where the conversation has used tools and names none, those it used"},
	{Member: "tools.strict", Is: providers.Carried, When: "the model takes it; else dropped"},
	{Member: "tools.<vendor tool>", Is: providers.Dropped},
	{Member: "tools.<any other>", Is: providers.Dropped},
	{Member: "tool_choice", Is: providers.Carried, As: "toolConfig.toolChoice", When: "none: the tools are left out, or, where the conversation has used some, an instruction, which is reported"},
	{Member: "parallel_tool_calls", Is: providers.Dropped, When: "false"},
	{Member: "tool_call_id", Is: providers.Carried, As: "messages.toolUseId", When: "what the API refuses is replaced; without one the request is refused"},
	{Member: "max_tokens", Is: providers.Carried, As: "inferenceConfig.maxTokens"},
	{Member: "temperature", Is: providers.Carried, As: "inferenceConfig.temperature", When: "at most 1, above it is sent as 1 and reported; for Claude as Anthropic takes it"},
	{Member: "top_p", Is: providers.Carried, As: "inferenceConfig.topP"},
	{Member: "top_k", Is: providers.Carried, As: "additionalModelRequestFields", When: "Claude, Nova, Mistral; else dropped"},
	{Member: "stop", Is: providers.Carried, As: "inferenceConfig.stopSequences"},
	{Member: "n", Is: providers.Refused, When: "above 1"},
	{Member: "seed", Is: providers.Dropped},
	{Member: "stream", Is: providers.Carried, When: "in the address"},
	{Member: "user", Is: providers.Dropped},
	{Member: "service_tier", Is: providers.Carried, As: "serviceTier", When: "default, priority, flex, reserved; auto needs no saying; others are dropped"},
	{Member: "response_format", Is: providers.Carried, As: "outputConfig.textFormat", When: "json_schema; json_object becomes an instruction and is reported"},
	{Member: "reasoning_effort", Is: providers.Carried, As: "additionalModelRequestFields or outputConfig.effort", When: "Claude, Nova 2 and OpenAI's models; else dropped"},
	{Member: "thinking", Is: providers.Carried, As: "additionalModelRequestFields", When: "as reasoning_effort"},
	{Member: "provider", Is: providers.Dropped},
}

// extraRules are those of members that have no neutral field: only they are looked up by
// the name that a caller gave. A name of the others would be written twice, and unread.
var extraRules = []providers.Rule{
	{Member: "modalities", Is: providers.Refused, When: "it asks for audio; text alone needs no saying"},
	{Member: "response_modalities", Is: providers.Carried, When: "needs no saying: this format answers with text"},
	{Member: "audio", Is: providers.Refused},
	{Member: "<any other>", Is: providers.Dropped},
}
