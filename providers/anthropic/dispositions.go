package anthropic

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Rules returns the disposition of every member that a request of another dialect
// may have when it is written as a messages request. A request of this dialect is
// written back whole, apart from members that the vendor's row says to drop.
//
// A member of the table that is Dropped or Refused is reported or named as it is
// spelt here; values that change nothing (false, 0, empty) are left out silently.
func Rules() []providers.Rule { return slices.Concat(rules, extraRules) }

var rules = []providers.Rule{
	{Member: "model", Is: providers.Carried},
	{Member: "system", Is: providers.Carried},
	{Member: "messages", Is: providers.Carried},
	{Member: "messages.system", Is: providers.Carried, As: "messages", When: "a system turn where the model takes one, else a user turn in a marker; never moved to the front"},
	{Member: "messages.name", Is: providers.Dropped},
	{Member: "messages.thinking", Is: providers.Carried, When: "signed by Anthropic; else dropped"},
	{Member: "messages.signature", Is: providers.Dropped},
	{Member: "messages.<any other>", Is: providers.Dropped},
	{Member: "messages.assistant_media", Is: providers.Dropped},
	{Member: "image_url", Is: providers.Carried, As: "messages.image"},
	{Member: "image_url.detail", Is: providers.Dropped},
	{Member: "file", Is: providers.Carried, As: "messages.document", When: "PDF, text or an address; other types are refused"},
	{Member: "file.file_id", Is: providers.Refused},
	{Member: "input_audio", Is: providers.Refused},
	{Member: "cache_control", Is: providers.Carried},
	{Member: "tools", Is: providers.Carried},
	{Member: "tools.strict", Is: providers.Carried, When: "the model takes it; else dropped"},
	{Member: "tools.<vendor tool>", Is: providers.Dropped},
	{Member: "tools.<any other>", Is: providers.Dropped},
	{Member: "tool_choice", Is: providers.Carried},
	{Member: "parallel_tool_calls", Is: providers.Carried, As: "tool_choice.disable_parallel_tool_use"},
	{Member: "tool_call_id", Is: providers.Carried, As: "messages.tool_use_id", When: "characters the API refuses are replaced; without one the request is refused"},
	{Member: "max_tokens", Is: providers.Carried, When: "else the model's maximum, which the API requires"},
	{Member: "temperature", Is: providers.Carried, When: "at most 1, above it is sent as 1 and reported; dropped while the model thinks, and by models without sampling"},
	{Member: "top_p", Is: providers.Carried, When: "not beside temperature on models that take one of them; dropped while the model thinks (below 0.95), and by models without sampling"},
	{Member: "top_k", Is: providers.Carried, When: "dropped while the model thinks, and by models without sampling"},
	{Member: "stop", Is: providers.Carried, As: "stop_sequences", When: "those of white space alone are dropped"},
	{Member: "n", Is: providers.Refused, When: "above 1"},
	{Member: "seed", Is: providers.Dropped},
	{Member: "stream", Is: providers.Carried},
	{Member: "user", Is: providers.Carried, As: "metadata.user_id", When: "up to 256 characters; else dropped"},
	{Member: "service_tier", Is: providers.Carried, When: "auto, default and standard; others are dropped"},
	{Member: "response_format", Is: providers.Carried, As: "output_config.format", When: "json_schema; json_object becomes an instruction and is reported"},
	{Member: "reasoning_effort", Is: providers.Carried, As: "thinking or output_config.effort", When: "the model thinks, no tool is forced, and a budget fits below max_tokens; else dropped"},
	{Member: "provider", Is: providers.Dropped},
}

// extraRules are those of members that have no neutral field: only they are looked up by
// the name that a caller gave. A name of the others would be written twice, and unread.
var extraRules = []providers.Rule{
	{Member: "modalities", Is: providers.Refused, When: "it asks for audio; text alone needs no saying"},
	{Member: "response_modalities", Is: providers.Carried, When: "needs no saying: this format answers with text"},
	{Member: "audio", Is: providers.Refused},
	{Member: "frequency_penalty", Is: providers.Dropped},
	{Member: "presence_penalty", Is: providers.Dropped},
	{Member: "logprobs", Is: providers.Dropped},
	{Member: "top_logprobs", Is: providers.Dropped},
	{Member: "logit_bias", Is: providers.Dropped},
	{Member: "metadata", Is: providers.Dropped},
	{Member: "store", Is: providers.Dropped},
	{Member: "prediction", Is: providers.Dropped},
	{Member: "web_search_options", Is: providers.Dropped},
	{Member: "prompt_cache_key", Is: providers.Dropped},
	{Member: "prompt_cache_retention", Is: providers.Dropped},
	{Member: "prompt_cache_options", Is: providers.Dropped},
	{Member: "safety_identifier", Is: providers.Dropped},
	{Member: "verbosity", Is: providers.Dropped},
	{Member: "<any other>", Is: providers.Dropped},
}

// foreignExtra does with a member of another dialect, that has no neutral field,
// what the rules say.
func (w *requestWriter) foreignExtra(m providers.Member) {
	r := providers.RuleOf(extraRules, w.r.Origin, m.Name)
	switch {
	case r.Is == providers.Refused && (r.When == "" || strings.Contains(string(m.Value), `"audio"`)):
		w.fail(m.Name, "this model cannot answer with audio")
	case r.Is == providers.Dropped && !wire.Inert(m.Value):
		w.drop(m.Name)
	}
}
