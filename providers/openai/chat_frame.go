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
	return frameMembers(data)
}

func frameMembers(data []byte) providers.FrameInfo {
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

// partText begins a delta that is text.
var partText = []byte(`"delta":{"content":"`)

// plainDelta reports whether data is surely a chunk of text alone. What it is not sure of
// is read member by member.
//
// The members of the root and of its choices that count stand behind a comma or begin
// their object, and what looks like a name behind a comma is one: inside a string its
// quotes would be escaped. So it looks there alone, and not into the text.
func plainDelta(data []byte) bool {
	if len(data) == 0 || data[0] != '{' {
		return false
	}
	model, text := false, false            // text: of a delta behind the model's name
	for rest := data[1:]; len(rest) > 9; { // no member that matters is shorter
		if rest[0] == '{' { // the next choice
			rest = rest[1:]
		}
		if rest[0] != '"' {
			return false
		}
		switch name := rest; rest[1] { // what is compared is as long as is sure to be there, or looked at first
		case 'm':
			model = model || string(name[:8]) == `"model":` && name[8] == '"'
		case 'c':
			if len(name) > 12 && string(name[:9]) == `"choices"` {
				if string(name[9:12]) != `:[{` {
					return false
				}
				rest = name[12:]
				continue
			}
		case 'd':
			if bytes.HasPrefix(name, partText) {
				end := wire.SkipString(name, len(partText)-1)
				if end < 0 {
					return false
				}
				text = text || model && end > len(partText)+1
				rest = name[end:]
			}
		case 'f':
			if len(name) < 20 || string(name[:15]) == `"finish_reason"` && string(name[15:20]) != `:null` {
				return false
			}
		case 'u':
			if string(name[:7]) == `"usage"` && (len(name) < 12 || string(name[7:12]) != `:null`) {
				return false
			}
		case 'e':
			if string(name[:7]) == `"error"` {
				return false
			}
		case 'x':
			if string(name[:8]) == `"x_groq"` {
				return false
			}
		}
		comma := bytes.IndexByte(rest, ',')
		if comma < 0 {
			break
		}
		rest = rest[comma+1:]
	}
	return text
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
