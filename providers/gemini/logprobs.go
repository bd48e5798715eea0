package gemini

import (
	"encoding/json"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// chatLogprobs turns a candidate's logprobsResult, which lists the chosen tokens and
// for each step the likeliest ones, into the shape of chat completions; nil where it
// lists none.
func chatLogprobs(v []byte) json.RawMessage {
	var tops [][]byte
	wire.EachElement(at(v, "topCandidates"), func(step []byte) bool {
		tops = append(tops, at(step, "candidates"))
		return true
	})
	dst, step := []byte(`{"content":[`), 0
	wire.EachElement(at(v, "chosenCandidates"), func(chosen []byte) bool {
		dst = append(appendToken(wire.Comma(dst), chosen), `,"top_logprobs":[`...)
		if step < len(tops) {
			wire.EachElement(tops[step], func(other []byte) bool {
				dst = append(appendToken(wire.Comma(dst), other), '}')
				return true
			})
		}
		dst = append(dst, "]}"...)
		step++
		return true
	})
	if step == 0 {
		return nil
	}
	return append(dst, `],"refusal":null}`...)
}

// appendToken begins an object about one token.
func appendToken(dst, v []byte) []byte {
	token := stringAt(v, "token")
	dst = wire.PutString(append(dst, '{'), "token", token)
	p := at(v, "logProbability")
	if _, err := number("logProbability", p); p == nil || err != nil {
		p = []byte("0") // the format leaves zeros out
	}
	dst = append(wire.Key(wire.PutRaw(dst, "logprob", p), "bytes"), '[')
	for i := range len(token) {
		dst = strconv.AppendUint(wire.Comma(dst), uint64(token[i]), 10)
	}
	return append(dst, ']')
}

// withLogprobs puts what a chunk says of its tokens on its first text of the candidate.
func withLogprobs(list []providers.Event, choice int, logprobs json.RawMessage) {
	for i := range list {
		if ev := &list[i]; ev.Kind == providers.EventBlockDelta && ev.Choice == choice && ev.Block.Kind == providers.KindText {
			ev.Logprobs = logprobs
			return
		}
	}
}
