package openai

import (
	"bytes"
	"encoding/json"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// responsesMembers are the top-level members of an answer that ReadAnswer looks at.
var responsesMembers = wire.NewNames("model", "object", "output", "status", "usage", "service_tier", "error")

// ReadAnswer reads a whole answer in one pass; see providers.AnswerReader. One
// whose status is failed is an error, whatever the status of the exchange.
func (e responsesEgress) ReadAnswer(body []byte, u *providers.Usage) (providers.Answer, *providers.Error) {
	var few [8]wire.Field
	fields, err := responsesMembers.Fields(body, few[:0])
	if err != nil {
		return providers.Answer{}, malformed(err.Error())
	}
	var a providers.Answer
	found, failed := false, false
	for _, f := range fields {
		v := body[f.Start:f.End]
		switch f.Name {
		case "error":
			failed = failed || !isNull(v)
		case "status":
			failed = failed || string(v) == `"failed"`
		case "model":
			if v[0] == '"' {
				a.Model = providers.Span{Start: f.Start, End: f.End}
			}
		case "object":
			found = found || bytes.HasPrefix(v, []byte(`"response`))
		case "output":
			found = found || v[0] == '['
		case "service_tier":
			u.Kind = tierOf(v)
		case "usage":
			a.HasUsage = wire.IsObject(v) && readUsage(v, u)
		}
	}
	switch {
	case failed:
		return providers.Answer{}, e.reported(body)
	case !found:
		return providers.Answer{}, malformed("it has no output")
	}
	return a, nil
}

// reported reads the error that an answer of status 200 is.
func (e responsesEgress) reported(body []byte) *providers.Error {
	err := e.DecodeError(0, body)
	if err.Kind == "" {
		err.Kind = providers.KindUpstream
	}
	return err
}

// DecodeResponse reads a whole answer. Members without a neutral field go to
// Extra; usage is kept there as it came, beside the counts.
func (e responsesEgress) DecodeResponse(body []byte) (*providers.Response, error) {
	r := &providers.Response{Origin: responses}
	c := providers.Choice{}
	status, reason := "", ""
	wire.EachMember(body, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "id":
			r.ID = text(v)
		case "object":
		case "created_at":
			r.Created, _ = wire.Int(v)
			if r.Created == 0 { // some write it as a fraction
				var f float64
				if wire.Unmarshal(v, &f) == nil && f > 0 && f < 1<<52 {
					r.Created = int64(f)
				}
			}
		case "model":
			r.Model = text(v)
		case "service_tier":
			r.ServiceTier, r.Usage.Kind = text(v), tierOf(v)
		case "usage":
			r.HasUsage = wire.IsObject(v) && readUsage(v, &r.Usage)
			r.Extra = keep(r.Extra, "usage", v)
		case "status":
			status = text(v)
			r.Extra = keep(r.Extra, "status", v)
		case "incomplete_details":
			reason = textAt(v, "reason")
			r.Extra = keep(r.Extra, "incomplete_details", v)
		case "output":
			wire.EachElement(v, func(item []byte) bool {
				c.Blocks = append(c.Blocks, answerBlocks(&c, item)...)
				return true
			})
		default:
			r.Extra = keep(r.Extra, string(name), v)
		}
		return true
	})
	calls := false
	for i := range c.Blocks {
		calls = calls || c.Blocks[i].Kind == providers.KindToolCall
	}
	c.Finish, c.RawFinish = responsesFinish(status, reason, calls)
	r.Choices = []providers.Choice{c}
	return r, nil
}

// responsesFinish says why the model stopped, from the status and, of an
// incomplete answer, the reason.
func responsesFinish(status, reason string, calls bool) (f providers.Finish, raw string) {
	switch status {
	case "", "completed":
		if calls {
			return providers.FinishToolCalls, "completed"
		}
		return providers.FinishStop, "completed"
	case "incomplete":
		switch reason {
		case "content_filter":
			return providers.FinishContentFilter, reason
		case "max_output_tokens", "max_tokens", "":
			return providers.FinishLength, "max_output_tokens"
		}
		return providers.FinishOther, reason
	}
	return providers.FinishOther, status
}

// answerBlocks reads one item of the output; the first block has the item in Raw.
func answerBlocks(c *providers.Choice, item []byte) []providers.Block {
	switch textAt(item, "type") {
	case "message", "":
		var blocks []providers.Block
		wire.EachElement(at(item, "content"), func(part []byte) bool {
			b, err := itemPart(part)
			if err != nil {
				b = providers.Block{Kind: providers.KindOpaque, Raw: part, Origin: responses}
			}
			if list := at(part, "logprobs"); at(list, "0") != nil {
				c.Logprobs = joinLogprobs(c.Logprobs, list)
			}
			blocks = append(blocks, b)
			return true
		})
		if len(blocks) == 0 {
			blocks = []providers.Block{{Kind: providers.KindText, Origin: responses}}
		}
		blocks[0].Raw = item
		return blocks
	case "function_call", "custom_tool_call":
		b, _ := callItem(item) // an answer may lack what a request must have
		return []providers.Block{b}
	case "reasoning":
		return []providers.Block{reasoningItem(item)}
	case "image_generation_call":
		if data, err := decodeBase64(textAt(item, "result")); err == nil && len(data) > 0 {
			format := textAt(item, "output_format")
			if format == "" {
				format = "png"
			}
			return []providers.Block{{Kind: providers.KindImage, MediaType: "image/" + format, Data: data, ID: textAt(item, "id"), Raw: item, Origin: responses}}
		}
	}
	return []providers.Block{{Kind: providers.KindOpaque, ID: textAt(item, "id"), Raw: item, Origin: responses}}
}

// joinLogprobs adds a part's list to the choice's, in the shape chat completions have.
func joinLogprobs(have json.RawMessage, list []byte) json.RawMessage {
	out := json.RawMessage(`{"content":[`)
	for _, l := range [][]byte{at(have, "content"), list} {
		wire.EachElement(l, func(elem []byte) bool {
			out = wire.AppendRaw(wire.Comma(out), elem)
			return true
		})
	}
	return append(out, `],"refusal":null}`...)
}

// DecodeError reads an error body, an error event, or the answer of a failed response.
func (responsesEgress) DecodeError(status int, body []byte) *providers.Error {
	e := chatEgress{}.DecodeError(status, errorBody(body))
	e.Raw = bytes.Clone(body)
	return e
}

// errorBody finds the error within an event: response.failed has it below the
// response, the error event beside its type, which is no type of an error.
func errorBody(body []byte) []byte {
	if failed := at(body, "response", "error"); wire.IsObject(failed) {
		return wrapError(failed)
	}
	if textAt(body, "type") == "error" && at(body, "error") == nil {
		out := []byte(`{`)
		for _, name := range []string{"message", "code", "param"} {
			if v := at(body, name); v != nil {
				out = wire.PutRaw(out, name, v)
			}
		}
		return wrapError(append(out, '}'))
	}
	return body
}

func wrapError(obj []byte) []byte { return append(append([]byte(`{"error":`), obj...), '}') }

// Usage reads the usage of an answer or of the response within an event.
func (responsesEgress) Usage(data []byte, u *providers.Usage) bool {
	raw, tier := at(data, "response", "usage"), at(data, "response", "service_tier")
	if raw == nil {
		raw, tier = at(data, "usage"), at(data, "service_tier")
	}
	if !wire.IsObject(raw) || !readUsage(raw, u) {
		return false
	}
	if kind := tierOf(tier); kind != "" {
		u.Kind = kind
	}
	return true
}

// ModelSpan finds the model's name in an event or a whole answer.
func (responsesEgress) ModelSpan(data []byte) providers.Span {
	start, end, ok := wire.Path(data, "response", "model")
	if !ok {
		start, end, ok = wire.Path(data, "model")
	}
	if !ok || data[start] != '"' {
		return providers.Span{}
	}
	return providers.Span{Start: start, End: end}
}
