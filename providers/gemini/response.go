package gemini

import (
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// numbered are the finish reasons by their number in the protocol (Vertex AI's
// FinishReason), which callers of $alt=json;enum-encoding=int get.
var numbered = []string{"", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "MODEL_ARMOR"}

// reasonOf reads a finishReason, a word or a number; "" for none.
func reasonOf(v []byte) string {
	if s, ok := wire.String(v); ok {
		if s == "FINISH_REASON_UNSPECIFIED" {
			return ""
		}
		return s
	}
	if n, ok := wire.Int(v); ok && n > 0 {
		if n < int64(len(numbered)) {
			return numbered[n]
		}
		return strconv.FormatInt(n, 10)
	}
	return ""
}

// finishOf returns the neutral reason; failed: the answer cannot be used, and
// asking again may help. The format says STOP behind calls as well.
func finishOf(reason string, calls bool) (f providers.Finish, failed bool) {
	switch reason {
	case "":
		return "", false
	case "STOP":
		if calls {
			return providers.FinishToolCalls, false
		}
		return providers.FinishStop, false
	case "MAX_TOKENS":
		return providers.FinishLength, false
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "NO_IMAGE", "CONTENT_FILTER":
		return providers.FinishContentFilter, false
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE", "OTHER", "LANGUAGE":
		return providers.FinishOther, true
	}
	if strings.HasPrefix(reason, "IMAGE_") {
		return providers.FinishContentFilter, false
	}
	return providers.FinishOther, false
}

// unusable is the failure that a finish reason tells.
func unusable(reason, message string) *providers.Error {
	e := &providers.Error{Kind: providers.KindUpstream, Code: strings.ToLower(reason), Message: "the model gave no usable answer: " + reason}
	if message != "" {
		e.Message += ": " + message
	}
	return e
}

func (egress) DecodeResponse(body []byte) (*providers.Response, error) {
	body = trimSpace(body)
	if wire.IsArray(body) { // a stream without alt=sse, read as a whole
		return gather(body)
	}
	r := &providers.Response{Origin: dialect}
	var candidates, feedback []byte
	eachMember(body, func(name string, v []byte) bool {
		switch name {
		case "responseId":
			r.ID, _ = wire.String(v)
		case "modelVersion":
			r.Model, _ = wire.String(v)
		case "usageMetadata":
			r.HasUsage = readUsage(v, &r.Usage)
			r.ServiceTier = stringAt(v, "serviceTier")
			r.Extra = member(r.Extra, name, v)
		case "candidates":
			candidates = v
		case "error":
			feedback = nil
			r.Extra = member(r.Extra, name, v)
		case "promptFeedback":
			feedback = v
			r.Extra = member(r.Extra, name, v)
		default:
			r.Extra = member(r.Extra, name, v)
		}
		return true
	})
	if find(r.Extra, "error") != nil && candidates == nil {
		return nil, egress{}.DecodeError(0, body)
	}
	var err error
	wire.EachElement(candidates, func(elem []byte) bool {
		var c providers.Choice
		if c, err = decodeCandidate(elem, r.ID, len(r.Choices)); err != nil {
			return false
		}
		r.Choices = append(r.Choices, c)
		return true
	})
	switch {
	case err != nil:
		return nil, err
	case len(r.Choices) > 0:
	case stringAt(feedback, "blockReason") != "":
		r.Choices = []providers.Choice{{Finish: providers.FinishContentFilter, RawFinish: stringAt(feedback, "blockReason")}}
	default:
		return nil, nonsense("it has no candidates")
	}
	return r, nil
}

func decodeCandidate(raw []byte, seed string, place int) (providers.Choice, error) {
	c := providers.Choice{Index: place}
	var err error
	message := ""
	eachMember(raw, func(name string, v []byte) bool {
		switch name {
		case "content":
			if parts := at(v, "parts"); parts != nil {
				if c.Blocks, err = decodeParts(parts); err != nil {
					err = nonsense(named(err).Error())
				}
			}
		case "finishReason":
			c.RawFinish = reasonOf(v)
		case "index":
			if n, ok := wire.Int(v); ok && n >= 0 && n < maxCandidates {
				c.Index = int(n)
			}
		case "finishMessage":
			message, _ = wire.String(v)
			c.Extra = member(c.Extra, name, v)
		case "logprobsResult":
			c.Logprobs = chatLogprobs(v)
			c.Extra = member(c.Extra, name, v)
		default:
			c.Extra = member(c.Extra, name, v)
		}
		return err == nil
	})
	if err != nil {
		return c, err
	}
	calls := 0
	text := -1
	for i := range c.Blocks {
		switch b := &c.Blocks[i]; b.Kind {
		case providers.KindToolCall:
			if b.ID == "" {
				b.ID = callID(seed+strconv.Itoa(c.Index), b.ToolName, b.Args, calls)
			}
			calls++
		case providers.KindText:
			text = i
		}
	}
	if text >= 0 {
		if list := annotations(find(c.Extra, "groundingMetadata"), textOf(c.Blocks)); list != nil {
			c.Blocks[text].Citations, c.Blocks[text].Origin = list, providers.Chat
		}
	}
	var failed bool
	if c.Finish, failed = finishOf(c.RawFinish, calls > 0); failed {
		return c, unusable(c.RawFinish, message)
	}
	return c, nil
}

// maxCandidates bounds the numbers of candidates.
const maxCandidates = 128

func textOf(blocks []providers.Block) string {
	var b strings.Builder
	for i := range blocks {
		if blocks[i].Kind == providers.KindText {
			b.WriteString(blocks[i].Text)
		}
	}
	return b.String()
}

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
		case "modelVersion":
			if v[0] == '"' {
				a.Model = providers.Span{Start: f.Start, End: f.End}
			}
		case "candidates":
			content = content || wire.IsArray(v) && f.Count > 0
		case "promptFeedback":
			content = content || wire.IsObject(v)
		case "usageMetadata":
			a.HasUsage = wire.IsObject(v) && readUsage(v, u)
		case "error":
			report = !isNull(v)
		}
	}
	switch {
	case report:
		return providers.Answer{}, e.DecodeError(0, body)
	case !content:
		return providers.Answer{}, nonsense("it has no candidates")
	}
	return a, nil
}

// answerMembers are the top-level members of an answer that ReadAnswer looks at.
var answerMembers = wire.NewNames("modelVersion", "candidates", "promptFeedback", "usageMetadata", "error")
