package gemini

import (
	"bytes"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Frame classifies one event of a stream by its members from the root.
func (egress) Frame(_ string, data []byte) (info providers.FrameInfo) {
	if wire.IsArray(trimSpace(data)) {
		if start, end, ok := wire.Path(data, "0"); ok {
			data = data[start:end]
		}
	}
	wire.EachMember(data, func(name, v []byte) bool {
		if isNull(v) {
			return true
		}
		switch string(name) {
		case "candidates":
			wire.EachElement(v, func(elem []byte) bool {
				info |= frameCandidate(elem)
				return true
			})
		case "usageMetadata":
			info |= providers.FrameUsage
		case "modelVersion":
			info |= providers.FrameModel
		case "promptFeedback":
			if _, _, ok := wire.Path(v, "blockReason"); ok {
				info |= providers.FrameFinish | providers.FrameClosing
			}
		case "error":
			info |= providers.FrameError
		}
		return true
	})
	return info
}

func frameCandidate(elem []byte) (info providers.FrameInfo) {
	wire.EachMember(elem, func(name, v []byte) bool {
		switch string(name) {
		case "content":
			if start, end, ok := wire.Path(v, "parts"); ok && saysSomething(v[start:end]) {
				info |= providers.FrameDelta
			}
		case "finishReason":
			if reasonOf(v) != "" {
				info |= providers.FrameFinish | providers.FrameClosing
			}
		}
		return true
	})
	return info
}

// saysSomething reports whether parts hold more than an empty text.
func saysSomething(parts []byte) (found bool) {
	wire.EachElement(parts, func(part []byte) bool {
		wire.EachMember(part, func(name, v []byte) bool {
			switch string(name) {
			case "thought":
			case "text":
				found = found || len(v) > len(`""`)
			default:
				found = true
			}
			return !found
		})
		return !found
	})
	return found
}

func (egress) ModelSpan(data []byte) providers.Span {
	start, end, ok := wire.Path(data, "modelVersion")
	if !ok || !bytes.HasPrefix(data[start:end], []byte(`"`)) {
		return providers.Span{}
	}
	return providers.Span{Start: start, End: end}
}
