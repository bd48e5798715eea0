package anthropic

import (
	"fmt"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// finishes pairs this format's stop reasons with the neutral ones.
var finishes = map[string]providers.Finish{
	"end_turn":                      providers.FinishStop,
	"stop_sequence":                 providers.FinishStopSequence,
	"max_tokens":                    providers.FinishLength,
	"model_context_window_exceeded": providers.FinishContext,
	"tool_use":                      providers.FinishToolCalls,
	"refusal":                       providers.FinishRefusal,
	"pause_turn":                    providers.FinishPause,
}

// finishOf returns the neutral reason for a stop reason; "" for none.
func finishOf(reason string) providers.Finish {
	if reason == "" {
		return ""
	}
	if f, ok := finishes[reason]; ok {
		return f
	}
	return providers.FinishOther
}

// stopReason returns this format's word. calls: the answer holds tool calls, on
// which it rests where a format has no word of its own for them.
func stopReason(f providers.Finish, raw string, origin providers.Dialect, calls bool) string {
	if origin == dialect && raw != "" {
		return raw
	}
	switch f {
	case providers.FinishStopSequence:
		return "stop_sequence"
	case providers.FinishLength:
		return "max_tokens"
	case providers.FinishContext:
		return "model_context_window_exceeded"
	case providers.FinishToolCalls:
		return "tool_use"
	case providers.FinishContentFilter, providers.FinishRefusal:
		return "refusal"
	case providers.FinishPause:
		return "pause_turn"
	}
	if calls {
		return "tool_use"
	}
	return "end_turn"
}

func (egress) DecodeResponse(body []byte) (*providers.Response, error) {
	r := &providers.Response{Origin: dialect}
	var choice providers.Choice
	var err error
	content := false
	wire.EachMember(body, func(name, v []byte) bool {
		switch string(name) {
		case "type", "role":
		case "id":
			r.ID, _ = wire.String(v)
		case "model":
			r.Model, _ = wire.String(v)
		case "content":
			content = wire.IsArray(v)
			choice.Blocks, err = decodeBlocks(v, "content")
		case "stop_reason":
			choice.RawFinish, _ = wire.String(v)
			choice.Finish = finishOf(choice.RawFinish)
		case "stop_sequence":
			choice.StopSequence, _ = wire.String(v)
		case "usage":
			if !isNull(v) {
				r.HasUsage = readUsage(v, &r.Usage)
				r.ServiceTier = stringAt(v, "service_tier")
				r.Extra = member(r.Extra, name, v)
			}
		default:
			r.Extra = member(r.Extra, name, v)
		}
		return err == nil
	})
	if err != nil {
		return nil, nonsense(named(err).Error())
	}
	if !content {
		return nil, nonsense("it has no content")
	}
	r.Choices = []providers.Choice{choice}
	return r, nil
}

// answerMembers are the top-level members of an answer that ReadAnswer looks at.
var answerMembers = wire.NewNames("model", "content", "usage", "error")

// ReadAnswer reads a whole answer in one pass; see providers.AnswerReader.
func (e egress) ReadAnswer(body []byte, u *providers.Usage) (providers.Answer, *providers.Error) {
	var few [8]wire.Field
	fields, err := answerMembers.Fields(body, few[:0])
	if err != nil {
		return providers.Answer{}, nonsense(err.Error())
	}
	var a providers.Answer
	content, report := false, false
	for _, f := range fields {
		v := body[f.Start:f.End]
		switch f.Name {
		case "model":
			if v[0] == '"' {
				a.Model = providers.Span{Start: f.Start, End: f.End}
			}
		case "content":
			content = wire.IsArray(v)
		case "usage":
			a.HasUsage = v[0] == '{' && readUsage(v, u)
		case "error":
			report = string(v) != "null"
		}
	}
	switch {
	case report:
		return providers.Answer{}, e.DecodeError(0, body)
	case !content:
		return providers.Answer{}, nonsense("it has no content")
	}
	return a, nil
}

// nonsense is an answer of the upstream that cannot be understood.
func nonsense(why string) *providers.Error {
	return &providers.Error{Kind: providers.KindUpstream, Code: "bad_upstream_response", Message: "cannot read the upstream's answer: " + why}
}

func (ingress) AppendResponse(dst []byte, r *providers.Response) ([]byte, error) {
	var c providers.Choice
	if len(r.Choices) > 0 {
		c = r.Choices[0]
	}
	own := r.Origin == dialect
	dst = append(dst, '{')
	dst = wire.PutString(dst, "id", messageID(r.ID, own, ""))
	dst = append(dst, `,"type":"message","role":"assistant"`...)
	dst = wire.PutString(dst, "model", r.Model)
	dst = append(wire.Key(dst, "content"), '[')
	calls, refused := false, false
	for i := range c.Blocks {
		dst = appendAnswerBlock(dst, &c.Blocks[i], own)
		calls = calls || c.Blocks[i].Kind == providers.KindToolCall
		refused = refused || c.Blocks[i].Kind == providers.KindRefusal
	}
	dst = append(dst, ']')
	dst = appendStop(dst, refusing(c.Finish, refused), c.RawFinish, c.StopSequence, r.Origin, calls)
	raw := rawUsage(r.Extra, r.Origin)
	dst = wire.Key(dst, "usage")
	if raw != nil {
		dst = wire.AppendRaw(dst, raw)
	} else {
		dst = appendUsage(dst, &r.Usage)
	}
	if own {
		for _, m := range r.Extra {
			if m.Name != "usage" {
				dst = putMembers(dst, []providers.Member{m})
			}
		}
	}
	return append(dst, '}'), nil
}

// refusing returns why an answer ended: OpenAI says stop behind a refusal, which
// is a part of its message, while here nothing else tells it from an answer.
func refusing(f providers.Finish, refused bool) providers.Finish {
	if refused && f == providers.FinishStop {
		return providers.FinishRefusal
	}
	return f
}

// appendStop writes stop_reason and stop_sequence.
func appendStop(dst []byte, f providers.Finish, raw, sequence string, origin providers.Dialect, calls bool) []byte {
	if origin == dialect && f == "" {
		dst = append(wire.Key(dst, "stop_reason"), "null"...)
	} else {
		dst = wire.PutString(dst, "stop_reason", stopReason(f, raw, origin, calls))
	}
	if sequence != "" {
		return wire.PutString(dst, "stop_sequence", sequence)
	}
	return append(wire.Key(dst, "stop_sequence"), "null"...)
}

// messageID returns the answer's id in this format's form: msg_….
func messageID(id string, own bool, seed string) string {
	switch {
	case own || strings.HasPrefix(id, "msg_"):
		return id
	case id != "":
		return "msg_" + validID(id)
	case seed != "":
		return "msg_" + seed
	}
	return "msg_gateway"
}

// appendAnswerBlock writes one block of an answer; what this format cannot show it leaves out.
//
// Gemini signs calls and texts; where its signature has no member here it goes ahead
// of the call, or behind the text, as thinking without words, which clients send back.
func appendAnswerBlock(dst []byte, b *providers.Block, own bool) []byte {
	if carried(b) && b.Kind == providers.KindToolCall {
		dst = appendAnswerBlock(dst, carrier(b), own)
	}
	if carried(b) && b.Kind == providers.KindText {
		plain := *b
		plain.Signature = ""
		return appendAnswerBlock(appendAnswerBlock(dst, &plain, own), carrier(b), own)
	}
	switch b.Kind {
	case providers.KindText, providers.KindRefusal, providers.KindAudio:
		if b.Text == "" && !own {
			return dst
		}
		dst = append(wire.Comma(dst), `{"type":"text"`...)
		dst = wire.PutString(dst, "text", b.Text)
		if c := citations(b); c != nil {
			dst = wire.PutRaw(dst, "citations", c)
		}
	case providers.KindThinking:
		dst = append(wire.Comma(dst), `{"type":"thinking"`...)
		dst = wire.PutString(dst, "thinking", b.Text)
		dst = wire.PutString(dst, "signature", markSignature(b.Signature, b.SignatureOrigin))
	case providers.KindRedacted:
		dst = append(wire.Comma(dst), `{"type":"redacted_thinking"`...)
		dst = wire.PutString(dst, "data", markSignature(string(b.Data), b.SignatureOrigin))
	case providers.KindToolCall:
		dst = append(wire.Comma(dst), `{"type":"tool_use"`...)
		dst = wire.PutString(dst, "id", b.ID)
		dst = wire.PutString(dst, "name", b.ToolName)
		dst = wire.AppendRaw(wire.Key(dst, "input"), callInput(b))
	case providers.KindOpaque:
		if b.Origin != dialect {
			return dst
		}
		return wire.AppendRaw(wire.Comma(dst), b.Raw)
	case providers.KindImage, providers.KindFile:
		w := requestWriter{r: &providers.Request{}, dst: dst}
		if w.writeMedia(b); w.err != nil {
			return dst
		}
		return w.dst
	default:
		return dst
	}
	if b.Origin == dialect {
		dst = putMembers(dst, b.Extra)
	}
	return append(dst, '}')
}

// callInput returns the arguments of a call as the object this format wants.
func callInput(b *providers.Block) []byte {
	w := requestWriter{r: &providers.Request{}}
	return w.input(b)
}

// citations returns a block's citations in this format's shape, nil where there are none to show.
func citations(b *providers.Block) []byte {
	if len(b.Citations) == 0 {
		return nil
	}
	if b.Origin == dialect {
		return b.Citations
	}
	return webCitations(b.Citations, b.Text)
}

// webCitations turns OpenAI's url_citation annotations (chat nests them, Responses
// does not) into citations of web search results. Their indices count characters of text.
func webCitations(list []byte, text string) []byte {
	runes := []rune(text)
	out := []byte{'['}
	wire.EachElement(list, func(elem []byte) bool {
		if stringAt(elem, "type") != "url_citation" {
			return true
		}
		at := elem
		if start, end, ok := wire.Path(elem, "url_citation"); ok {
			at = elem[start:end]
		}
		from, okFrom := pathInt(at, "start_index")
		to, okTo := pathInt(at, "end_index")
		cited := ""
		if okFrom && okTo && from >= 0 && from <= to && to <= int64(len(runes)) {
			cited = string(runes[from:to])
		}
		out = append(wire.Comma(out), `{"type":"web_search_result_location"`...)
		out = wire.PutString(out, "cited_text", cited)
		out = wire.PutString(out, "url", stringAt(at, "url"))
		out = wire.PutString(out, "title", stringAt(at, "title"))
		out = append(wire.PutString(out, "encrypted_index", ""), '}')
		return true
	})
	if len(out) == 1 {
		return nil
	}
	return append(out, ']')
}

// errTruncated says where a stream broke off.
func errTruncated(what string, err error) error {
	return fmt.Errorf("cannot read stream %s: %w", what, err)
}
