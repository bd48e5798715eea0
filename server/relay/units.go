package relay

import (
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// What sound and speech come to where nothing is reported. OpenAI's own rules of
// thumb: a minute of sound is about 1,000 tokens heard or 1,250 spoken; speech
// runs at about 15 characters a second; an upload is taken for 128 kbit/s.
const (
	heardPerMinute  = 1000
	spokenPerMinute = 1250
	charsPerSecond  = 15
	bytesPerMs      = 16
	pictureTokens   = 4160 // a large picture of the best quality
)

// generates reports whether an operation writes text, whose length the request bounds.
func generates(op providers.Op) bool {
	switch op {
	case providers.OpEmbeddings, providers.OpEmbedContent, providers.OpModerations, providers.OpRerank, providers.OpImages, providers.OpAudio, providers.OpCountTokens, providers.OpInputTokens:
		return false
	}
	return true
}

// estimate counts what a request used where the upstream did not say: u holds what
// can be seen in the answer (the pictures).
func (x *exchange) estimate(u *providers.Usage) {
	switch x.job.Op {
	case providers.OpImages:
		u.Input, u.Kind = estimateTokens(x.prompt("prompt")), x.picture()
	case providers.OpAudio:
		x.sound(u)
		if !x.speaks() {
			u.Output = x.deltas + x.passed/4
		}
	case providers.OpModerations, providers.OpEmbeddings, providers.OpEmbedContent:
		u.Input = estimateTokens(x.job.Body)
	case providers.OpRerank:
		u.Input, u.Searches = estimateTokens(x.job.Body), max(u.Searches, 1)
	default:
		u.Input, u.Output = x.said, x.deltas // the body may have been given back
	}
}

// bound is the most an operation that writes no text is expected to use.
func (x *exchange) bound() (u providers.Usage) {
	switch n := max(1, x.job.Peek.N); x.job.Op {
	case providers.OpImages:
		u.Input, u.Images, u.OutputImage, u.Kind = estimateTokens(x.prompt("prompt")), n, times(n, pictureTokens), x.picture()
	case providers.OpAudio:
		x.sound(&u)
	case providers.OpRerank:
		u.Input, u.Searches = estimateTokens(x.job.Body), 1
	case providers.OpCountTokens, providers.OpInputTokens: // free
	default:
		u.Input = estimateTokens(x.job.Body)
	}
	return u
}

// picture is the kind of picture that is asked for, as it is priced: "hd/1024x1792".
func (x *exchange) picture() string {
	size, quality := string(x.prompt("size")), string(x.prompt("quality"))
	if size == "" || size == "auto" {
		size = "1024x1024"
	}
	if quality == "" || quality == "auto" {
		return size
	}
	return quality + "/" + size
}

// speaks tells speech from its opposite, transcription.
func (x *exchange) speaks() bool { return x.job.Path == "audio/speech" }

// sound counts what was spoken by its text, or what was heard by its size.
func (x *exchange) sound(u *providers.Usage) {
	if x.speaks() {
		text := x.prompt("input")
		u.Characters = int64(utf8.RuneCount(text))
		u.Input = estimateTokens(text)
		u.AudioMs = u.Characters * 1000 / charsPerSecond
		u.OutputAudio = u.AudioMs * spokenPerMinute / 60_000
		return
	}
	u.AudioMs = (int64(len(x.job.Body)) + x.job.Upload.size()) / bytesPerMs
	u.InputAudio = u.AudioMs * heardPerMinute / 60_000
}

// prompt returns the text of a member of the request.
func (x *exchange) prompt(member string) []byte {
	if x.job.Upload != nil {
		return x.job.Upload.Prompt
	}
	s, e, ok := wire.Path(x.job.Body, member)
	if !ok {
		return nil
	}
	text, _ := wire.String(x.job.Body[s:e])
	return []byte(text)
}
