package demo

import (
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// signature stands for the proof of thinking; callers send it back untouched.
const signature = "ZGVtby1zaWduYXR1cmU="

func messagesFinish(a *answer) string {
	switch a.finish {
	case "stop_sequence":
		return "stop_sequence"
	case "length":
		return "max_tokens"
	case "tool_calls":
		return "tool_use"
	}
	return "end_turn"
}

func messagesHead(dst []byte, a *answer) []byte {
	dst = append(dst, `{"id":"msg_`...)
	dst = append(dst, a.id...)
	dst = append(dst, `","type":"message","role":"assistant","model":`...)
	return wire.AppendString(dst, a.model)
}

// appendMessagesUsage writes usage with the given count of output tokens.
func appendMessagesUsage(dst []byte, a *answer, output int) []byte {
	dst = append(dst, `"usage":{"input_tokens":`...)
	dst = strconv.AppendInt(dst, int64(a.prompt), 10)
	dst = append(dst, `,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":`...)
	dst = strconv.AppendInt(dst, int64(output), 10)
	return append(dst, '}')
}

func appendStopped(dst []byte, a *answer) []byte {
	dst = append(dst, `"stop_reason":"`...)
	dst = append(dst, messagesFinish(a)...)
	dst = append(dst, `","stop_sequence":`...)
	if a.stopped == "" {
		return append(dst, "null"...)
	}
	return wire.AppendString(dst, a.stopped)
}

// messagesBody writes a whole answer.
func messagesBody(a *answer) []byte {
	dst := append(messagesHead(nil, a), `,"content":[`...)
	first := len(dst)
	comma := func() {
		if len(dst) > first {
			dst = append(dst, ',')
		}
	}
	if len(a.thinking) > 0 {
		dst = append(dst, `{"type":"thinking","thinking":`...)
		dst = wire.AppendString(dst, strings.Join(a.thinking, ""))
		dst = append(dst, `,"signature":"`+signature+`"}`...)
	}
	if len(a.text) > 0 {
		comma()
		dst = append(dst, `{"type":"text","text":`...)
		dst = wire.AppendString(dst, strings.Join(a.text, ""))
		dst = append(dst, '}')
	}
	for _, c := range a.calls {
		comma()
		dst = appendToolUse(dst, c)
		if args := strings.Join(c.args, ""); a.finish == "length" {
			dst = append(dst, "{}"...) // cut arguments are no object
		} else {
			dst = append(dst, args...)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, "],"...)
	dst = appendStopped(dst, a)
	if !a.noUsage {
		dst = append(dst, ',')
		dst = appendMessagesUsage(dst, a, a.completion())
	}
	return append(dst, '}')
}

// appendToolUse writes a call up to its input.
func appendToolUse(dst []byte, c call) []byte {
	dst = append(dst, `{"type":"tool_use","id":"toolu_`...)
	dst = append(dst, c.id...)
	dst = append(dst, `","name":`...)
	dst = wire.AppendString(dst, c.name)
	return append(dst, `,"input":`...)
}

// messagesFrame writes one part of a messages stream.
func messagesFrame(dst []byte, a *answer, p part) []byte {
	event := func(name string) {
		dst = append(dst, "event: "+name+"\ndata: {\"type\":\""+name+"\""...)
	}
	indexed := func(name string) {
		event(name)
		dst = append(dst, `,"index":`...)
		dst = strconv.AppendInt(dst, int64(p.index), 10)
	}
	end := func() []byte { return append(dst, "}\n\n"...) }
	switch p.kind {
	case partStart:
		event("message_start")
		dst = append(messagesHead(append(dst, `,"message":`...), a), `,"content":[],"stop_reason":null,"stop_sequence":null`...)
		if !a.noUsage {
			dst = appendMessagesUsage(append(dst, ','), a, 1)
		}
		dst = append(dst, '}')
		return end()
	case partOpen:
		indexed("content_block_start")
		dst = append(dst, `,"content_block":`...)
		switch p.block {
		case blockThinking:
			dst = append(dst, `{"type":"thinking","thinking":"","signature":""}`...)
		case blockText:
			dst = append(dst, `{"type":"text","text":""}`...)
		case blockCall:
			dst = append(appendToolUse(dst, a.calls[p.call]), "{}}"...)
		}
		dst = end()
		if p.index == 0 {
			event("ping")
			return end()
		}
		return dst
	case partDelta:
		indexed("content_block_delta")
		member := [...]string{`"thinking_delta","thinking":`, `"text_delta","text":`, `"input_json_delta","partial_json":`}[p.block]
		dst = append(dst, `,"delta":{"type":`+member...)
		dst = append(wire.AppendString(dst, p.text), '}')
		return end()
	case partClose:
		if p.block == blockThinking {
			indexed("content_block_delta")
			dst = append(dst, `,"delta":{"type":"signature_delta","signature":"`+signature+`"}`...)
			dst = end()
		}
		indexed("content_block_stop")
		return end()
	case partFinish:
		event("message_delta")
		dst = append(appendStopped(append(dst, `,"delta":{`...), a), '}')
		if !a.noUsage {
			dst = appendMessagesUsage(append(dst, ','), a, a.completion())
		}
		return end()
	case partDone:
		event("message_stop")
		return end()
	case partError:
		dst = append(dst, "event: error\ndata: "...)
		dst = anthropicError(dst, &refusal{status: 529, message: "Overloaded"}, "req_"+a.id)
		return append(dst, "\n\n"...)
	}
	return dst
}

// anthropicError writes an error body of Anthropic's shape.
func anthropicError(dst []byte, r *refusal, id string) []byte {
	kind := "invalid_request_error"
	switch {
	case r.status == 401:
		kind = "authentication_error"
	case r.status == 402:
		kind = "billing_error"
	case r.status == 403:
		kind = "permission_error"
	case r.status == 404:
		kind = "not_found_error"
	case r.status == 413:
		kind = "request_too_large"
	case r.status == 429:
		kind = "rate_limit_error"
	case r.status == 504:
		kind = "timeout_error"
	case r.status == 503 || r.status == 529:
		kind = "overloaded_error"
	case r.status >= 500:
		kind = "api_error"
	}
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","message":`...)
	dst = wire.AppendString(dst, r.message)
	dst = append(dst, `},"request_id":`...)
	dst = wire.AppendString(dst, id)
	return append(dst, '}')
}
