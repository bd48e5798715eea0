package openai

import (
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
)

// The words of the rules are shared with the other dialects.
type (
	Disposition = providers.Disposition
	Rule        = providers.Rule
)

const (
	Carried = providers.Carried
	Dropped = providers.Dropped
	Refused = providers.Refused
)

// Rules returns the disposition of every member that a request of another
// dialect may have. A chat request is written back whole, apart from members that
// the vendor's row says to drop.
func Rules() []Rule { return slices.Concat(rules, extraRules) }

const onOpenAI = "OpenAI; else dropped"

var rules = []Rule{
	{Member: "model", Is: Carried},
	{Member: "system", Is: Carried, As: "messages"},
	{Member: "messages", Is: Carried},
	{Member: "messages.name", Is: Carried, As: "messages.name", When: "the vendor takes names; else dropped"},
	{Member: "messages.is_error", Is: Dropped},
	{Member: "messages.thinking", Is: Carried, As: "messages.reasoning_content", When: "the vendor wants reasoning back, or takes reasoning_details; else dropped"},
	{Member: "messages.redacted_thinking", Is: Carried, As: "messages.reasoning_details", When: "the vendor takes reasoning_details; else dropped"},
	{Member: "messages.citations", Is: Dropped},
	{Member: "messages.signature", Is: Carried, As: "messages.extra_content or messages.tool_calls.extra_content", When: "issued by a Gemini model and sent to one; else dropped"},
	{Member: "messages.<vendor block>", Is: Dropped},
	{Member: "messages.<any other>", Is: Dropped},
	{Member: "messages.<any other member>", Is: Dropped, When: "it says something"},
	{Member: "tools.<any other member>", Is: Dropped, When: "it says something"},
	{Member: "messages.file_id", Is: Refused},
	{Member: "messages.file_url", Is: Carried, As: "messages.file", When: "OpenRouter; else refused"},
	{Member: "messages.audio", Is: Carried, As: "messages.input_audio", When: "wav, mp3 and what else has a format word; else refused"},
	{Member: "cache_control", Is: Carried, As: "prompt_cache_breakpoint", When: "OpenAI; OpenRouter takes it as it is; else dropped"},
	{Member: "tools", Is: Carried},
	{Member: "tools.strict", Is: Carried, When: "the vendor takes it; else dropped"},
	{Member: "tools.<vendor tool>", Is: Dropped},
	{Member: "tools.<any other>", Is: Dropped},
	{Member: "tool_choice", Is: Carried},
	{Member: "parallel_tool_calls", Is: Carried, When: "the vendor takes it; else dropped"},
	{Member: "max_tokens", Is: Carried, As: "max_completion_tokens or max_tokens"},
	{Member: "temperature", Is: Carried},
	{Member: "top_p", Is: Carried},
	{Member: "top_k", Is: Carried, When: "not OpenAI; there dropped"},
	{Member: "stop", Is: Carried},
	{Member: "n", Is: Carried},
	{Member: "seed", Is: Carried},
	{Member: "stream", Is: Carried},
	{Member: "user", Is: Carried},
	{Member: "service_tier", Is: Carried},
	{Member: "response_format", Is: Carried},
	{Member: "reasoning_effort", Is: Carried},
	{Member: "thinking", Is: Carried, As: "reasoning_effort", When: "a budget or an effort is given; switched on or off without one it is dropped"},
	{Member: "reasoning.summary", Is: Dropped},
	{Member: "provider", Is: Dropped},
}

// extraRules are those of members that have no neutral field: only they are looked up by
// the name that a caller gave. A name of the others would be written twice, and unread.
var extraRules = []Rule{
	{Member: "frequency_penalty", Is: Carried},
	{Member: "presence_penalty", Is: Carried},
	{Member: "logprobs", Is: Carried},
	{Member: "top_logprobs", Is: Carried},
	{Member: "logit_bias", Is: Carried},
	{Member: "metadata", Origin: providers.Responses, Is: Carried},
	{Member: "store", Origin: providers.Responses, Is: Dropped}, // the gateway's store, not the completions' one
	{Member: "prompt_cache_key", Origin: providers.Responses, Is: Carried, When: onOpenAI},
	{Member: "prompt_cache_retention", Origin: providers.Responses, Is: Carried, When: onOpenAI},
	{Member: "prompt_cache_options", Origin: providers.Responses, Is: Carried, When: onOpenAI},
	{Member: "safety_identifier", Origin: providers.Responses, Is: Carried, When: onOpenAI},
	{Member: "moderation", Origin: providers.Responses, Is: Carried, When: onOpenAI},
	{Member: "verbosity", Origin: providers.Responses, Is: Carried, When: onOpenAI},
	{Member: "generationConfig.frequencyPenalty", Origin: providers.Gemini, Is: Carried, As: "frequency_penalty"},
	{Member: "generationConfig.presencePenalty", Origin: providers.Gemini, Is: Carried, As: "presence_penalty"},
	{Member: "frequencyPenalty", Origin: providers.Gemini, Is: Carried, As: "frequency_penalty"},
	{Member: "presencePenalty", Origin: providers.Gemini, Is: Carried, As: "presence_penalty"},
	{Member: "<any other>", Is: Dropped},
}

// foreignExtra returns the name under which a member without a neutral field is
// sent, "" if it is dropped.
func foreignExtra(origin providers.Dialect, name string) string {
	r := providers.RuleOf(extraRules, origin, name)
	switch {
	case r.Is != Carried || r.When != "" && r.When != onOpenAI:
		return ""
	case r.As != "":
		return r.As
	}
	return name
}
