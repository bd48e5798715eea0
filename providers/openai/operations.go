package openai

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// A relayEgress reads answers of operations that are relayed only.
type relayEgress struct {
	chatEgress
	op    providers.Op
	wants string // the list that makes an answer; "": anything may
}

// RelayEgress returns the OpenAI way to read the answers of an operation that is relayed only.
func RelayEgress(op providers.Op) providers.Egress {
	r := relayEgress{op: op}
	switch op {
	case providers.OpCompletions, providers.OpFIM:
		r.wants = "choices"
	case providers.OpEmbeddings, providers.OpImages:
		r.wants = "data"
	case providers.OpModerations:
		r.wants = "results"
	}
	return r
}

// ReadAnswer reads a whole answer in JSON and what it counts, in tokens or otherwise.
func (e relayEgress) ReadAnswer(body []byte, u *providers.Usage) (providers.Answer, *providers.Error) {
	a, err := readAnswer(e.chatEgress, body, u, e.wants)
	if err != nil {
		return a, err
	}
	switch e.op {
	case providers.OpImages:
		u.Images = countData(body)
		picturesOnly(u, at(body, "usage"))
	case providers.OpAudio:
		a.HasUsage = soundUsage(body, u) || a.HasUsage
	case providers.OpRerank:
		if at(body, "results") == nil && at(body, "data") == nil {
			return a, malformed("it has no results")
		}
		a.HasUsage = billedUnits(body, u) || a.HasUsage
	}
	return a, nil
}

// Usage reads what the last event of a stream counts.
func (e relayEgress) Usage(data []byte, u *providers.Usage) bool {
	told := e.chatEgress.Usage(data, u)
	switch e.op {
	case providers.OpImages:
		picturesOnly(u, at(data, "usage"))
	case providers.OpAudio:
		told = soundUsage(data, u) || told
	}
	return told
}

// Frame classifies one event. Those of images and audio say in their type what
// they are: image_generation.partial_image and .completed, speech.audio.delta and
// .done, transcript.text.delta, .segment and .done. Their streams end with the
// connection; a [DONE] that some servers add is passed on.
func (e relayEgress) Frame(event string, data []byte) providers.FrameInfo {
	if e.op != providers.OpImages && e.op != providers.OpAudio {
		return e.chatEgress.Frame(event, data)
	}
	if len(data) < 16 && bytes.Equal(bytes.TrimSpace(data), done) {
		return providers.FrameTerminal
	}
	kind, _ := wire.String(at(data, "type"))
	if kind == "" {
		kind = event
	}
	switch {
	case event == "error" || kind == "error" || at(data, "error") != nil:
		return providers.FrameError
	case strings.HasSuffix(kind, ".completed") || strings.HasSuffix(kind, ".done"):
		// A short answer may come in this event alone, so it counts as content too.
		return providers.FrameDelta | providers.FrameFinish | providers.FrameUsage
	case strings.HasSuffix(kind, ".delta") || strings.HasSuffix(kind, ".partial_image") || strings.HasSuffix(kind, ".segment"):
		return providers.FrameDelta
	}
	return 0
}

var dataMember = wire.NewNames("data")

// countData counts the elements of data, and so the pictures of an answer.
func countData(body []byte) int64 {
	var few [2]wire.Field
	fields, err := dataMember.Fields(body, few[:0])
	if err != nil || len(fields) == 0 || body[fields[0].Start] != '[' {
		return 0
	}
	return int64(fields[0].Count)
}

// picturesOnly moves the output of the images API to where it is priced: its
// output_tokens are picture tokens, unless details part them.
func picturesOnly(u *providers.Usage, usage []byte) {
	if wire.IsObject(at(usage, "output_tokens_details")) || u.OutputImage != 0 {
		return
	}
	u.OutputImage, u.Output = u.Output, 0
}

// soundUsage reads how long the sound was: usage {"type":"duration","seconds":7},
// or the duration of a verbose transcription, a number or (whisper's own server) a text.
func soundUsage(data []byte, u *providers.Usage) bool {
	raw := at(data, "usage", "seconds")
	if raw == nil {
		raw = at(data, "usage", "prompt_audio_seconds") // Mistral
	}
	if raw == nil || isNull(raw) {
		raw = at(data, "duration")
	}
	text, isText := wire.String(raw)
	if !isText {
		text = string(raw)
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(s) {
		return false
	}
	u.AudioMs = u.Clamp(int64(min(max(s*1000, -1), 1e15)))
	return true
}

// billedUnits reads the units of a rerank: Cohere's meta.billed_units, or
// usage.search_units of those who resell it.
func billedUnits(body []byte, u *providers.Usage) bool {
	told := false
	units := at(body, "meta", "billed_units")
	if n, ok := wire.Int(at(units, "search_units")); ok {
		u.Searches, told = u.Clamp(n), true
	} else if n, ok := wire.Int(at(body, "usage", "search_units")); ok {
		u.Searches, told = u.Clamp(n), true
	}
	if n, ok := wire.Int(at(units, "input_tokens")); ok && n > 0 {
		u.Input, told = u.Clamp(n), true
	}
	if n, ok := wire.Int(at(units, "output_tokens")); ok && n > 0 {
		u.Output, told = u.Clamp(n), true
	}
	return told
}
