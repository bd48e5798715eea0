package demo

import (
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// chatHead writes the members every chat object begins with.
func chatHead(dst []byte, a *answer, object string) []byte {
	dst = append(dst, `{"id":"chatcmpl-`...)
	dst = append(dst, a.id...)
	dst = append(dst, `","object":"`...)
	dst = append(dst, object...)
	dst = append(dst, `","created":`...)
	dst = strconv.AppendInt(dst, a.created, 10)
	dst = append(dst, `,"model":`...)
	dst = wire.AppendString(dst, a.model)
	return append(dst, `,"system_fingerprint":"fp_demo"`...)
}

// chatFinish is the format's word for why it ended.
func chatFinish(a *answer) string {
	if a.finish == "stop_sequence" {
		return "stop"
	}
	return a.finish
}

func appendChatUsage(dst []byte, a *answer) []byte {
	dst = append(dst, `"usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, int64(a.prompt), 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, int64(a.completion()), 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, int64(a.prompt+a.completion()), 10)
	dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":`...)
	dst = strconv.AppendInt(dst, int64(len(a.thinking)), 10)
	return append(dst, "}}"...)
}

// chatBody writes a whole answer.
func chatBody(a *answer) []byte {
	dst := chatHead(nil, a, "chat.completion")
	dst = append(dst, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	if len(a.text) == 0 && len(a.calls) > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = wire.AppendString(dst, strings.Join(a.text, ""))
	}
	dst = append(dst, `,"refusal":null`...)
	if len(a.thinking) > 0 {
		dst = append(dst, `,"reasoning_content":`...)
		dst = wire.AppendString(dst, strings.Join(a.thinking, ""))
	}
	for i, c := range a.calls {
		if i == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendChatCall(dst, c, strings.Join(c.args, ""))
		dst = append(dst, '}')
	}
	if len(a.calls) > 0 {
		dst = append(dst, ']')
	}
	dst = append(dst, `},"logprobs":null,"finish_reason":"`...)
	dst = append(dst, chatFinish(a)...)
	dst = append(dst, `"}]`...)
	if !a.noUsage {
		dst = append(dst, ',')
		dst = appendChatUsage(dst, a)
	}
	return append(dst, '}')
}

// appendChatCall writes a tool call, open for an index.
func appendChatCall(dst []byte, c call, args string) []byte {
	dst = append(dst, `{"id":"call_`...)
	dst = append(dst, c.id...)
	dst = append(dst, `","type":"function","function":{"name":`...)
	dst = wire.AppendString(dst, c.name)
	dst = append(dst, `,"arguments":`...)
	dst = wire.AppendString(dst, args)
	return append(dst, '}')
}

// chatFrame writes one part of a chat stream.
func chatFrame(dst []byte, a *answer, p part) []byte {
	delta := func(members string, text *string) []byte {
		dst = chatHead(append(dst, "data: "...), a, "chat.completion.chunk")
		dst = append(dst, `,"choices":[{"index":0,"delta":{`...)
		dst = append(dst, members...)
		if text != nil {
			dst = wire.AppendString(dst, *text)
		}
		return dst
	}
	open := func(dst []byte) []byte { // the end of a chunk that is not the last
		dst = append(dst, `},"logprobs":null,"finish_reason":null}]`...)
		if a.usage && !a.noUsage {
			dst = append(dst, `,"usage":null`...)
		}
		return append(dst, "}\n\n"...)
	}
	switch p.kind {
	case partStart:
		if len(a.calls) > 0 && len(a.text) == 0 {
			return open(delta(`"role":"assistant","content":null,"refusal":null`, nil))
		}
		return open(delta(`"role":"assistant","content":"","refusal":null`, nil))
	case partOpen:
		if p.block == blockCall {
			dst = delta(`"tool_calls":[`, nil)
			dst = appendChatCall(dst, a.calls[p.call], "")
			dst = append(dst, `,"index":`...)
			dst = strconv.AppendInt(dst, int64(p.call), 10)
			return open(append(dst, `}]`...))
		}
	case partDelta:
		switch p.block {
		case blockThinking:
			return open(delta(`"reasoning_content":`, &p.text))
		case blockText:
			return open(delta(`"content":`, &p.text))
		}
		dst = delta(`"tool_calls":[{"index":`+strconv.Itoa(p.call)+`,"function":{"arguments":`, &p.text)
		return open(append(dst, `}}]`...))
	case partFinish:
		dst = delta("", nil)
		dst = append(dst, `},"logprobs":null,"finish_reason":"`...)
		dst = append(dst, chatFinish(a)...)
		dst = append(dst, `"}]`...)
		if !a.usage || a.noUsage {
			return append(dst, "}\n\n"...)
		}
		dst = append(dst, `,"usage":null}`+"\n\ndata: "...)
		dst = chatHead(dst, a, "chat.completion.chunk")
		dst = append(dst, `,"choices":[],`...)
		return append(appendChatUsage(dst, a), "}\n\n"...)
	case partDone:
		return append(dst, "data: [DONE]\n\n"...)
	case partError:
		dst = append(dst, "data: "...)
		dst = openaiError(dst, &refusal{status: 500, message: "The demo engine failed in the middle of its answer, as its model's name asks."}, "")
		return append(dst, "\n\n"...)
	}
	return dst
}

// openaiError writes an error body of OpenAI's shape.
func openaiError(dst []byte, r *refusal, _ string) []byte {
	kind, code := "invalid_request_error", r.code
	switch {
	case r.status == 401 && code == "":
		code = "invalid_api_key"
	case r.status == 404 && code == "":
		code = "model_not_found"
	case r.status == 429:
		kind, code = "requests", "rate_limit_exceeded"
	case r.status >= 500:
		kind = "server_error"
		if r.status == 503 || r.status == 529 {
			kind, code = "service_unavailable_error", "server_is_overloaded"
		}
	}
	null := func(s string) {
		if s == "" {
			dst = append(dst, "null"...)
		} else {
			dst = wire.AppendString(dst, s)
		}
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = wire.AppendString(dst, r.message)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","param":`...)
	null(r.param)
	dst = append(dst, `,"code":`...)
	null(code)
	return append(dst, "}}"...)
}
