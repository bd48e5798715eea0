package demo

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

type completionsRequest struct {
	Model         string          `json:"model"`
	Prompt        json.RawMessage `json:"prompt"`
	Stream        bool            `json:"stream"`
	StreamOptions *streamOptions  `json:"stream_options"`
	MaxTokens     *int            `json:"max_tokens"`
	Stop          json.RawMessage `json:"stop"`
}

// decodeCompletions reads a request of the old text format; of several prompts the first is answered.
func decodeCompletions(body []byte) (*ask, *refusal) {
	var q completionsRequest
	if r := decode(body, &q); r != nil {
		return nil, r
	}
	if q.Model == "" {
		return nil, invalid("model", "you must provide a model parameter")
	}
	prompts, ok := strings1(q.Prompt)
	if !ok {
		return nil, invalid("prompt", "Invalid type for 'prompt': expected a string or an array of strings.")
	}
	a := &ask{model: q.Model, stream: q.Stream, max: -1}
	if len(prompts) > 0 {
		a.turns = []turn{{role: "user", text: prompts[0]}}
	}
	a.usage = q.StreamOptions != nil && q.StreamOptions.IncludeUsage
	if q.MaxTokens != nil {
		if *q.MaxTokens < 0 {
			return nil, invalid("max_tokens", "Invalid 'max_tokens': integer below minimum value.")
		}
		a.max = *q.MaxTokens
	}
	if a.stop, ok = strings1(q.Stop); !ok {
		return nil, invalid("stop", "Invalid type for 'stop': expected a string or an array of strings.")
	}
	return a, nil
}

func completionsHead(dst []byte, a *answer, text, finish string) []byte {
	dst = append(dst, `{"id":"cmpl-`...)
	dst = append(dst, a.id...)
	dst = append(dst, `","object":"text_completion","created":`...)
	dst = strconv.AppendInt(dst, a.created, 10)
	dst = append(dst, `,"model":`...)
	dst = wire.AppendString(dst, a.model)
	dst = append(dst, `,"choices":[{"text":`...)
	dst = wire.AppendString(dst, text)
	dst = append(dst, `,"index":0,"logprobs":null,"finish_reason":`...)
	if finish == "" {
		return append(dst, "null}]"...)
	}
	return append(dst, `"`+finish+`"}]`...)
}

func completionsBody(a *answer) []byte {
	dst := completionsHead(nil, a, strings.Join(a.text, ""), chatFinish(a))
	if !a.noUsage {
		dst = appendChatUsage(append(dst, ','), a)
	}
	return append(dst, '}')
}

func completionsFrame(dst []byte, a *answer, p part) []byte {
	switch {
	case p.kind == partDelta && p.block == blockText:
		return append(completionsHead(append(dst, "data: "...), a, p.text, ""), "}\n\n"...)
	case p.kind == partFinish:
		dst = append(completionsHead(append(dst, "data: "...), a, "", chatFinish(a)), "}\n\n"...)
		if !a.usage || a.noUsage {
			return dst
		}
		dst = completionsHead(append(dst, "data: "...), a, "", "")
		head := strings.LastIndex(string(dst), `"choices":[`)
		return append(appendChatUsage(append(dst[:head], `"choices":[],`...), a), "}\n\n"...)
	case p.kind == partDone || p.kind == partError:
		return chatFrame(dst, a, p)
	}
	return dst
}
