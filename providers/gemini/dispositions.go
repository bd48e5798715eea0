package gemini

import (
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Rules returns the disposition of every member that a request of another dialect
// may have when it is written as a generateContent request.
//
// A member of the table that is Dropped or Refused is reported or named as it is
// spelt here; values that change nothing (false, 0, empty) are left out silently.
func Rules() []providers.Rule { return slices.Concat(rules, extraRules) }

var rules = []providers.Rule{
	{Member: "model", Is: providers.Carried, As: "the address"},
	{Member: "system", Is: providers.Carried, As: "systemInstruction"},
	{Member: "messages", Is: providers.Carried, As: "contents"},
	{Member: "messages.system", Is: providers.Carried, As: "contents", When: "a user turn in a marker; never moved to the front"},
	{Member: "messages.name", Is: providers.Dropped},
	{Member: "messages.thinking", Is: providers.Carried, As: "contents.parts.thoughtSignature", When: "signed by Gemini; else dropped"},
	{Member: "messages.redacted_thinking", Is: providers.Dropped},
	{Member: "messages.signature", Is: providers.Carried, As: "contents.parts.thoughtSignature", When: "issued by Gemini; else dropped. Gemini 3 gets Google's documented stand-in on calls of other models"},
	{Member: "messages.citations", Is: providers.Dropped},
	{Member: "messages.is_error", Is: providers.Carried, As: "functionResponse.response.error"},
	{Member: "messages.<vendor block>", Is: providers.Dropped},
	{Member: "messages.<any other member>", Is: providers.Dropped, When: "it says something"},
	{Member: "image_url", Is: providers.Carried, As: "inlineData or fileData", When: "addresses of Google's stores as they are; others are fetched"},
	{Member: "image_url.detail", Is: providers.Dropped},
	{Member: "file", Is: providers.Carried, As: "inlineData or fileData"},
	{Member: "file_id", Is: providers.Refused},
	{Member: "input_audio", Is: providers.Carried, As: "inlineData"},
	{Member: "cache_control", Is: providers.Dropped},
	{Member: "tools", Is: providers.Carried, As: "tools.functionDeclarations", When: "as parametersJsonSchema; before Gemini 2 as parameters, without what that subset lacks"},
	{Member: "tools.strict", Is: providers.Dropped},
	{Member: "tools.format", Is: providers.Dropped},
	{Member: "tools.<vendor tool>", Is: providers.Dropped},
	{Member: "tools.<any other member>", Is: providers.Dropped, When: "it says something"},
	{Member: "tool_choice", Is: providers.Carried, As: "toolConfig.functionCallingConfig"},
	{Member: "parallel_tool_calls", Is: providers.Dropped, When: "it is false"},
	{Member: "tool_call_id", Is: providers.Carried, As: "functionResponse.id", When: "it answers a call; else the request is refused"},
	{Member: "max_tokens", Is: providers.Carried, As: "generationConfig.maxOutputTokens"},
	{Member: "temperature", Is: providers.Carried, As: "generationConfig.temperature"},
	{Member: "top_p", Is: providers.Carried, As: "generationConfig.topP"},
	{Member: "top_k", Is: providers.Carried, As: "generationConfig.topK"},
	{Member: "stop", Is: providers.Carried, As: "generationConfig.stopSequences"},
	{Member: "n", Is: providers.Carried, As: "generationConfig.candidateCount"},
	{Member: "seed", Is: providers.Carried, As: "generationConfig.seed"},
	{Member: "stream", Is: providers.Carried, As: "the address"},
	{Member: "user", Is: providers.Dropped},
	{Member: "service_tier", Is: providers.Carried, As: "serviceTier", When: "standard, flex and priority at Google's own API; else dropped"},
	{Member: "response_format", Is: providers.Carried, As: "generationConfig.responseMimeType or generationConfig.responseJsonSchema"},
	{Member: "reasoning_effort", Is: providers.Carried, As: "generationConfig.thinkingConfig", When: "the model thinks; none is reported where thinking cannot be switched off"},
	{Member: "thinking", Is: providers.Carried, As: "generationConfig.thinkingConfig", When: "as reasoning_effort"},
	{Member: "provider", Is: providers.Dropped},
}

// extraRules are those of members that have no neutral field: only they are looked up by
// the name that a caller gave. A name of the others would be written twice, and unread.
var extraRules = []providers.Rule{
	{Member: "frequency_penalty", Is: providers.Carried, As: "generationConfig.frequencyPenalty"},
	{Member: "presence_penalty", Is: providers.Carried, As: "generationConfig.presencePenalty"},
	{Member: "logprobs", Origin: providers.Chat, Is: providers.Carried, As: "generationConfig.responseLogprobs"},
	{Member: "top_logprobs", Origin: providers.Chat, Is: providers.Carried, As: "generationConfig.logprobs"},
	{Member: "modalities", Is: providers.Carried, As: "generationConfig.responseModalities", When: "it does not ask for audio; then it is refused"},
	{Member: "response_modalities", Is: providers.Carried, As: "generationConfig.responseModalities"},
	{Member: "audio", Is: providers.Refused},
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
// what the rules say; those that are carried are written with generationConfig.
func (w *requestWriter) foreignExtra(m providers.Member) {
	r := providers.RuleOf(extraRules, w.r.Origin, m.Name)
	spoken := strings.Contains(string(m.Value), `"audio"`)
	switch {
	case r.Is == providers.Refused, m.Name == "modalities" && spoken:
		w.fail(m.Name, "this model's answers in audio have no form in the caller's format")
	case r.Is == providers.Dropped && !wire.Inert(m.Value):
		w.drop(m.Name)
	}
}

// meaningless are members of another format's messages that say nothing more than
// what is sent: places of calls, the mark of a prefill, a signature (sent as such), a role.
var meaningless = []string{"index", "prefix", "extra_content", "role", "custom"}

// reportLost reports the members of a foreign request's messages, blocks and
// tools that have no neutral field, and so no way into this format.
func (w *requestWriter) reportLost() {
	if w.own {
		return
	}
	for i := range w.r.Messages {
		m := &w.r.Messages[i]
		w.loseMembers("messages.", m.Extra)
		w.loseBlocks(m.Blocks)
	}
	w.loseBlocks(w.r.System)
	for i := range w.r.Tools {
		t := &w.r.Tools[i]
		w.loseMembers("tools.", t.Extra)
		if t.Custom && limited(t) {
			w.drop("tools.format")
		}
	}
}

// limited reports whether a free-form tool's input must follow a grammar: here it may be any text.
func limited(t *providers.Tool) bool {
	kind := stringAt(t.Raw, "format", "type")
	if kind == "" {
		kind = stringAt(t.Raw, "custom", "format", "type")
	}
	return kind != "" && kind != "text"
}

func (w *requestWriter) loseBlocks(blocks []providers.Block) {
	for i := range blocks {
		if b := &blocks[i]; b.Origin != dialect {
			w.loseMembers("messages.", b.Extra)
			w.loseBlocks(b.Result)
		}
	}
}

func (w *requestWriter) loseMembers(where string, list []providers.Member) {
	for i := range list {
		name := strings.TrimPrefix(list[i].Name, "function.")
		if !wire.Inert(list[i].Value) && !slices.Contains(meaningless, name) {
			w.drop(where + name)
		}
	}
}
