package openai

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// inMessage marks a member in Choice.Extra that stood in the choice's message.
const inMessage = "message."

// malformed is a 200 that is no answer.
func malformed(why string) *providers.Error {
	return &providers.Error{Kind: providers.KindUpstream, Code: "bad_upstream_response",
		Message: "the upstream's answer is malformed: " + why}
}

// DecodeResponse reads a whole answer. Members without a neutral field go to
// Extra, those of a message with the prefix "message."; usage is kept there as it
// came, beside the counts.
func (e chatEgress) DecodeResponse(body []byte) (*providers.Response, error) {
	r := &providers.Response{Origin: dialect}
	var err error
	wire.EachMember(body, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "id":
			r.ID = text(v)
		case "object":
		case "created":
			r.Created, _ = wire.Int(v)
		case "model":
			r.Model = text(v)
		case "service_tier":
			r.ServiceTier, r.Usage.Kind = text(v), tierOf(v)
		case "system_fingerprint":
			r.Fingerprint = text(v)
		case "usage":
			r.HasUsage = wire.IsObject(v) && readUsage(v, &r.Usage)
			r.Extra = keep(r.Extra, "usage", v)
		case "choices":
			wire.EachElement(v, func(elem []byte) bool {
				var c providers.Choice
				if c, err = choice(elem, len(r.Choices), textAt(body, "id")); err == nil {
					r.Choices = append(r.Choices, c)
				}
				return err == nil
			})
		default:
			r.Extra = keep(r.Extra, string(name), v)
		}
		return err == nil
	})
	if err != nil {
		return nil, malformed(err.Error())
	}
	if !r.HasUsage {
		r.HasUsage = e.Usage(body, &r.Usage)
	}
	return r, nil
}

// choice reads the n-th candidate of the answer of that id.
func choice(raw []byte, n int, answer string) (providers.Choice, error) {
	c := providers.Choice{Index: n}
	g := gather{answer: answer}
	var err error
	var citations json.RawMessage
	wire.EachMember(raw, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "index":
			i, _ := wire.Int(v)
			c.Index = int(min(max(i, 0), 1<<16))
		case "finish_reason":
			c.RawFinish = text(v)
		case "logprobs":
			c.Logprobs = v
		case "stop_reason", "matched_stop": // vLLM, SGLang: which sequence it was
			c.StopSequence = text(v)
			c.Extra = keep(c.Extra, string(name), v)
		case "message":
			wire.EachMember(v, func(name, v []byte) bool {
				if isNull(v) || string(name) == "role" {
					return true
				}
				if string(name) == "annotations" && wire.IsArray(v) {
					citations = v
					return true
				}
				var known bool
				if known, err = g.member(string(name), v, true); !known && err == nil {
					c.Extra = keep(c.Extra, inMessage+string(name), v)
				}
				return err == nil
			})
		default:
			c.Extra = keep(c.Extra, string(name), v)
		}
		return err == nil
	})
	c.Blocks = g.blocks()
	if citations != nil && !cite(c.Blocks, citations) {
		c.Extra = keep(c.Extra, inMessage+"annotations", citations)
	}
	signText(c.Blocks, find(c.Extra, inMessage+"extra_content"))
	c.Finish = finish(c.RawFinish, len(g.calls) > 0, c.StopSequence)
	return c, err
}

// cite puts a message's annotations on its text.
func cite(blocks []providers.Block, citations json.RawMessage) bool {
	for i := range blocks {
		if blocks[i].Kind == providers.KindText {
			blocks[i].Citations = citations
			return true
		}
	}
	return false
}

// signText takes Google's signature of a text from beside the message.
func signText(blocks []providers.Block, extra json.RawMessage) {
	s := textAt(extra, "google", "thought_signature")
	if s == "" {
		return
	}
	for i := range slices.Backward(blocks) { // the one at the end counts
		if blocks[i].Kind == providers.KindText {
			blocks[i].Signature, blocks[i].SignatureOrigin = s, providers.Gemini
			return
		}
	}
}

// finish translates a finish_reason. Several vendors say stop where there are
// calls (11 of the recorded answers), so the content decides.
func finish(word string, calls bool, sequence string) providers.Finish {
	f := providers.FinishOther
	switch strings.ToLower(word) {
	case "stop", "eos", "end_turn", "stop_sequence", "eos_token", "":
		f = providers.FinishStop
		if sequence != "" {
			f = providers.FinishStopSequence
		}
	case "length", "max_tokens":
		f = providers.FinishLength
	case "model_length", "model_context_window_exceeded", "context_length_exceeded": // Mistral, Vercel
		f = providers.FinishContext
	case "tool_calls", "function_call", "tool_use":
		return providers.FinishToolCalls
	case "content_filter", "content-filter", "sensitive", "safety": // Zhipu: sensitive
		return providers.FinishContentFilter
	case "refusal":
		return providers.FinishRefusal
	case "pause_turn":
		return providers.FinishPause
	}
	if calls && (f == providers.FinishStop || f == providers.FinishStopSequence) {
		return providers.FinishToolCalls
	}
	return f
}

// finishWord is the finish_reason for a caller.
func finishWord(f providers.Finish) string {
	switch f {
	case providers.FinishLength, providers.FinishContext:
		return "length"
	case providers.FinishToolCalls:
		return "tool_calls"
	case providers.FinishContentFilter, providers.FinishRefusal:
		return "content_filter"
	}
	return "stop"
}
