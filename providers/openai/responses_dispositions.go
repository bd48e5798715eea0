package openai

import (
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
)

// ResponsesRules returns the disposition of every member that a request of another
// dialect may have when it is written as a Responses request. A request of this
// dialect is written back whole, apart from members that the vendor's row says to
// drop and from reasoning of another vendor's.
func ResponsesRules() []Rule { return slices.Concat(responsesRules, responsesExtraRules) }

var responsesRules = []Rule{
	{Member: "model", Is: Carried},
	{Member: "system", Is: Carried, As: "instructions", When: "with cache marks, or alone, it is a system item of the input"},
	{Member: "messages", Is: Carried, As: "input"},
	{Member: "messages.name", Is: Dropped},
	{Member: "messages.is_error", Is: Dropped},
	{Member: "messages.thinking", Is: Carried, As: "input.reasoning", When: "encrypted by a vendor of this format; else dropped"},
	{Member: "messages.redacted_thinking", Is: Carried, As: "input.reasoning", When: "encrypted by a vendor of this format; else dropped"},
	{Member: "messages.citations", Is: Dropped},
	{Member: "messages.signature", Is: Dropped},
	{Member: "messages.image", Is: Carried, As: "input_image", When: "in a turn of the assistant it is dropped"},
	{Member: "messages.audio", Is: Refused, When: "of a user; of the assistant the transcript is sent and the rest dropped"},
	{Member: "messages.file_id", Is: Refused, When: "not of a chat request"},
	{Member: "messages.<vendor block>", Is: Dropped},
	{Member: "messages.<any other member>", Is: Dropped, When: "it says something"},
	{Member: "cache_control", Is: Carried, As: "prompt_cache_breakpoint", When: "OpenAI, on what users and the system say; else dropped"},
	{Member: "tools", Is: Carried},
	{Member: "tools.strict", Is: Carried, When: "not said means false here"},
	{Member: "tools.<vendor tool>", Is: Dropped},
	{Member: "tools.<any other member>", Is: Dropped, When: "it says something"},
	{Member: "tool_choice", Is: Carried},
	{Member: "parallel_tool_calls", Is: Carried, When: "the vendor takes it; else dropped"},
	{Member: "max_tokens", Is: Carried, As: "max_output_tokens", When: "below 16, the least there is, it is sent as 16 and reported"},
	{Member: "temperature", Is: Carried},
	{Member: "top_p", Is: Carried},
	{Member: "top_k", Is: Dropped},
	{Member: "stop", Is: Refused},
	{Member: "n", Is: Refused, When: "above 1"},
	{Member: "seed", Is: Dropped},
	{Member: "stream", Is: Carried},
	{Member: "user", Is: Carried},
	{Member: "service_tier", Is: Carried},
	{Member: "response_format", Is: Carried, As: "text.format"},
	{Member: "reasoning_effort", Is: Carried, As: "reasoning.effort"},
	{Member: "thinking", Is: Carried, As: "reasoning.effort", When: "a budget or an effort is given; switched on or off without one it is dropped"},
	{Member: "reasoning.summary", Is: Carried},
	{Member: "provider", Is: Dropped},
}

// responsesExtraRules are those of members that have no neutral field: only they are looked up by
// the name that a caller gave. A name of the others would be written twice, and unread.
var responsesExtraRules = []Rule{
	{Member: "logprobs", Origin: providers.Chat, Is: Carried, As: "include"},
	{Member: "top_logprobs", Origin: providers.Chat, Is: Carried},
	{Member: "modalities", Is: Refused, When: "it asks for audio; text alone needs no saying"},
	{Member: "audio", Is: Refused},
	{Member: "metadata", Origin: providers.Chat, Is: Carried},
	{Member: "store", Is: Dropped},
	{Member: "prompt_cache_key", Origin: providers.Chat, Is: Carried},
	{Member: "prompt_cache_retention", Origin: providers.Chat, Is: Carried},
	{Member: "prompt_cache_options", Origin: providers.Chat, Is: Carried},
	{Member: "safety_identifier", Origin: providers.Chat, Is: Carried},
	{Member: "moderation", Origin: providers.Chat, Is: Carried},
	{Member: "verbosity", Origin: providers.Chat, Is: Carried, As: "text.verbosity"},
	{Member: "frequency_penalty", Is: Dropped},
	{Member: "presence_penalty", Is: Dropped},
	{Member: "logit_bias", Is: Dropped},
	{Member: "prediction", Is: Dropped},
	{Member: "web_search_options", Is: Dropped},
	{Member: "<any other>", Is: Dropped},
}
