package openai

import (
	"bytes"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

var done = []byte("[DONE]")

// Frame classifies one event of a stream. It walks over the members of the
// root, of the choices and of their deltas, skipping values without reading
// them, so that text inside a tool's arguments is never taken for a member.
//
// A choice of the legacy completions, which has text instead of a delta, counts too.
func (chatEgress) Frame(event string, data []byte) providers.FrameInfo {
	if event == "error" {
		return providers.FrameError
	}
	if len(data) < 16 && bytes.Equal(bytes.TrimSpace(data), done) {
		return providers.FrameTerminal
	}
	if plainDelta(data) {
		return providers.FrameDelta | providers.FrameModel
	}
	var info providers.FrameInfo
	empty := false
	wire.EachMember(data, func(name, v []byte) bool {
		switch string(name) {
		case "choices":
			if len(v) > 0 && v[0] == '[' {
				empty = len(bytes.TrimSpace(v[1:len(v)-1])) == 0
				if !empty {
					info |= frameChoices(v)
				}
			}
		case "usage":
			if wire.IsObject(v) {
				info |= providers.FrameUsage
			}
		case "x_groq":
			if wire.IsObject(at(v, "usage")) {
				info |= providers.FrameUsage
			}
		case "model":
			if isText(v) {
				info |= providers.FrameModel
			}
		case "error":
			if !isNull(v) {
				info |= providers.FrameError
			}
		}
		return true
	})
	if empty && info&providers.FrameUsage != 0 && info&providers.FrameError == 0 {
		info |= providers.FrameUsageOnly
	}
	return info
}

// Parts of the usual chunk, which holds text and nothing else.
var (
	partModel  = []byte(`"model":"`)
	partText   = []byte(`"delta":{"content":"`)
	partFinish = []byte(`"finish_reason"`)
	partUsage  = []byte(`"usage"`)
	partError  = []byte(`"error"`)
	partGroq   = []byte(`"x_groq"`)
	partNull   = []byte(`:null`)
)

// plainDelta reports whether data is surely a chunk of text alone. What it is not sure of
// is read member by member.
//
// A member's name stands behind a brace or a comma, and what looks like a name there is
// one: inside a string its quotes would be escaped. So it looks there alone, and not into
// the text.
func plainDelta(data []byte) bool {
	model, text := false, false // text: of a delta behind the model's name
	for at := 0; ; at++ {
		if at = wire.NextMember(data, at); len(data)-at <= len(`"usage":`) { // too short for any
			return text
		}
		if data[at+1] <= ' ' { // it may be any behind that
			return false
		}
		switch data[at+2] {
		case 'm':
			model = model || bytes.HasPrefix(data[at+1:], partModel)
		case 'd':
			if bytes.HasPrefix(data[at+1:], partText) {
				start := at + len(partText)
				end := wire.SkipString(data, start)
				if end < 0 {
					return false
				}
				text = text || model && end > start+2
				at = end - 1
			}
		case 'f':
			if rest, ok := bytes.CutPrefix(data[at+1:], partFinish); ok && !bytes.HasPrefix(rest, partNull) {
				return false
			}
		case 'u':
			if rest, ok := bytes.CutPrefix(data[at+1:], partUsage); ok && !bytes.HasPrefix(rest, partNull) {
				return false
			}
		case 'e':
			if bytes.HasPrefix(data[at+1:], partError) {
				return false
			}
		case 'x':
			if bytes.HasPrefix(data[at+1:], partGroq) {
				return false
			}
		}
	}
}

func frameChoices(v []byte) (info providers.FrameInfo) {
	wire.EachElement(v, func(choice []byte) bool {
		wire.EachMember(choice, func(name, v []byte) bool {
			switch string(name) {
			case "delta":
				if hasContent(v) {
					info |= providers.FrameDelta
				}
			case "text":
				if filled(v) {
					info |= providers.FrameDelta
				}
			case "finish_reason":
				if filled(v) {
					info |= providers.FrameFinish
				}
			}
			return true
		})
		return true
	})
	return info
}

// hasContent reports whether a delta holds more than its role.
func hasContent(delta []byte) (found bool) {
	wire.EachMember(delta, func(name, v []byte) bool {
		switch string(name) {
		case "content", "reasoning_content", "reasoning", "reasoning_details", "thinking_blocks",
			"tool_calls", "refusal", "audio", "function_call", "images":
			found = filled(v)
		}
		return !found
	})
	return found
}

// filled reports whether v is a string, list or object with something in it.
func filled(v []byte) bool {
	if len(v) <= 2 {
		return false
	}
	switch v[0] {
	case '"':
		return true
	case '[', '{':
		return len(bytes.TrimSpace(v[1:len(v)-1])) > 0
	}
	return false
}

// ModelSpan finds the model's name in a chunk or a whole answer.
func (chatEgress) ModelSpan(data []byte) providers.Span {
	start, end, ok := wire.Path(data, "model")
	if !ok || data[start] != '"' {
		return providers.Span{}
	}
	return providers.Span{Start: start, End: end}
}
