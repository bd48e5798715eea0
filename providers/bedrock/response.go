package bedrock

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// finishes pairs this format's stop reasons with the neutral ones. Those that say
// that the model produced nonsense are failures, see failedStop.
var finishes = map[string]providers.Finish{
	"end_turn":                      providers.FinishStop,
	"stop_sequence":                 providers.FinishStopSequence,
	"max_tokens":                    providers.FinishLength,
	"model_context_window_exceeded": providers.FinishContext,
	"tool_use":                      providers.FinishToolCalls,
	"guardrail_intervened":          providers.FinishContentFilter,
	"content_filtered":              providers.FinishContentFilter,
}

// finishOf returns the neutral reason for a stop reason.
func finishOf(reason string) providers.Finish {
	if f, ok := finishes[reason]; ok {
		return f
	}
	return providers.FinishOther
}

// failedStop returns the error that a stop reason is; nil for an honest end.
func failedStop(reason string) *providers.Error {
	switch reason {
	case "malformed_model_output", "malformed_tool_use":
		return &providers.Error{Kind: providers.KindUpstream, Code: reason, Message: "the model's output is malformed (" + reason + ")"}
	}
	return nil
}

func nonsense(why string) *providers.Error {
	return &providers.Error{Kind: providers.KindUpstream, Code: "bad_upstream_response", Message: "the upstream's answer is malformed: " + why}
}

func (egress) DecodeResponse(body []byte) (*providers.Response, error) {
	if _, err := wire.Fields(body, nil, nil); err != nil {
		return nil, nonsense(err.Error())
	}
	content, reason := at(body, "output", "message", "content"), stringAt(body, "stopReason")
	if len(content) == 0 || content[0] != '[' || reason == "" {
		return nil, nonsense("it has no output.message.content or no stopReason")
	}
	if err := failedStop(reason); err != nil {
		return nil, err
	}
	r := &providers.Response{Origin: dialect, ServiceTier: stringAt(body, "serviceTier", "type")}
	r.HasUsage = egress{}.Usage(body, &r.Usage)
	choice := providers.Choice{Finish: finishOf(reason), RawFinish: reason, StopSequence: stringAt(body, "additionalModelResponseFields", "stop_sequence")}
	wire.EachElement(content, func(elem []byte) bool {
		choice.Blocks = appendBlock(choice.Blocks, elem)
		return true
	})
	r.Choices = []providers.Choice{choice}
	return r, nil
}

// appendBlock reads one content block of an answer. What has no neutral form (server
// tools and their results) is kept whole.
func appendBlock(list []providers.Block, raw []byte) []providers.Block {
	b := providers.Block{Origin: dialect}
	var kind string
	var v []byte
	wire.EachMember(raw, func(name, value []byte) bool {
		if string(value) == "null" || string(name) == "type" { // a discriminator that some proxies add
			return true
		}
		kind, v = string(name), value
		return false
	})
	switch kind {
	case "":
		return list
	case "text":
		b.Kind = providers.KindText
		b.Text, _ = wire.String(v)
	case "toolUse":
		if serverTool(v) {
			return append(list, opaque(raw))
		}
		b = toolUse(v)
		if args := at(v, "input"); wire.IsObject(args) {
			b.Args = args
		}
	case "reasoningContent":
		b = reasoning(v)
	case "citationsContent":
		b.Kind = providers.KindText
		wire.EachElement(at(v, "content"), func(elem []byte) bool {
			b.Text += stringAt(elem, "text")
			return true
		})
		var cites []byte
		wire.EachElement(at(v, "citations"), func(elem []byte) bool {
			cites = appendCitation(cites, elem)
			return true
		})
		setCitations(&b, cites)
	case "image":
		b.Kind, b.MediaType, b.Data = providers.KindImage, "image/"+stringAt(v, "format"), bytesAt(v, "source", "bytes")
	default:
		return append(list, opaque(raw))
	}
	return append(list, b)
}

func opaque(raw []byte) providers.Block {
	return providers.Block{Kind: providers.KindOpaque, Raw: raw, Origin: dialect}
}

// serverTool reports whether a tool was run by the upstream itself, so that the
// caller has nothing to answer.
func serverTool(v []byte) bool { return stringAt(v, "type") == "server_tool_use" }

func toolUse(v []byte) providers.Block {
	return providers.Block{Kind: providers.KindToolCall, Origin: dialect, ID: stringAt(v, "toolUseId"), ToolName: stringAt(v, "name"), Args: json.RawMessage("{}")}
}

// reasoning reads a reasoningContent of an answer. Redacted bytes stay in base64:
// nobody but the upstream reads them.
func reasoning(v []byte) providers.Block {
	if data := stringAt(v, "redactedContent"); data != "" {
		return providers.Block{Kind: providers.KindRedacted, Origin: dialect, Data: []byte(data), SignatureOrigin: dialect}
	}
	return providers.Block{Kind: providers.KindThinking, Origin: dialect, SignatureOrigin: dialect,
		Text: stringAt(v, "reasoningText", "text"), Signature: stringAt(v, "reasoningText", "signature")}
}

// setCitations gives b citations, written in Anthropic's shape.
func setCitations(b *providers.Block, list []byte) {
	if len(list) > 0 {
		b.Citations, b.Origin = append(append([]byte{'['}, list...), ']'), providers.Messages
	}
}

// appendCitation writes a citation in Anthropic's shape, where it came from: the
// locations are the same, under other names.
func appendCitation(dst, raw []byte) []byte {
	var quoted string
	wire.EachElement(at(raw, "sourceContent"), func(elem []byte) bool {
		quoted += stringAt(elem, "text")
		return true
	})
	var typ, from, to, index string
	var loc []byte
	for _, f := range []struct{ name, typ, from, to, index string }{
		{"documentChar", "char_location", "start_char_index", "end_char_index", "document_index"},
		{"documentPage", "page_location", "start_page_number", "end_page_number", "document_index"},
		{"documentChunk", "content_block_location", "start_block_index", "end_block_index", "document_index"},
		{"searchResultLocation", "search_result_location", "start_block_index", "end_block_index", "search_result_index"},
	} {
		if loc = at(raw, "location", f.name); loc != nil {
			typ, from, to, index = f.typ, f.from, f.to, f.index
			break
		}
	}
	url := stringAt(raw, "location", "web", "url")
	if typ == "" && url == "" {
		return dst
	}
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	if typ == "" {
		dst = wire.PutString(wire.PutString(append(dst, '{'), "type", "web_search_result_location"), "cited_text", quoted)
		return append(wire.PutString(wire.PutString(wire.PutString(dst, "url", url), "title", stringAt(raw, "title")), "encrypted_index", ""), '}')
	}
	number := func(name string) int64 {
		n, _ := wire.Int(at(loc, name))
		return n
	}
	dst = wire.PutString(wire.PutString(append(dst, '{'), "type", typ), "cited_text", quoted)
	if index == "document_index" {
		dst = wire.PutString(wire.PutInt(dst, index, number("documentIndex")), "document_title", stringAt(raw, "title"))
	} else {
		dst = wire.PutString(wire.PutString(wire.PutInt(dst, index, number("searchResultIndex")), "title", stringAt(raw, "title")), "source", stringAt(raw, "source"))
	}
	return append(wire.PutInt(wire.PutInt(dst, from, number("start")), to, number("end")), '}')
}

// ModelSpan: no answer of this format names its model.
func (egress) ModelSpan([]byte) providers.Span { return providers.Span{} }

// Frame classifies an event by its name. The relay never asks: no caller speaks this format.
func (egress) Frame(event string, data []byte) providers.FrameInfo {
	switch event {
	case "contentBlockDelta":
		return providers.FrameDelta
	case "contentBlockStart":
		if bytes.Contains(data, []byte(`"toolUse"`)) {
			return providers.FrameDelta
		}
	case "messageStop":
		return providers.FrameFinish
	case "metadata":
		return providers.FrameUsage | providers.FrameTerminal
	case "messageStart", "contentBlockStop", "":
	default:
		return providers.FrameError
	}
	return 0
}

// errBroken says where a stream broke off.
func errBroken(err error) error {
	return fmt.Errorf("cannot read the upstream's event stream: %w", err)
}
