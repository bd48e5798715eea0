package relay_test

import (
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/gemini"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// A tongue is how an upstream of one dialect says one answer, "Hello", and that it is
// overloaded: the pieces of its stream, and the same as one body.
type tongue struct {
	dialect string // of a target in newBench
	first   string // before any content
	hello   string // the content
	word    string // more content
	stopped string // nothing more will come
	done    string // the end, and the usage if stopped has not told it; may be empty where the connection's end is the stream's
	whole   string

	reports   bool   // first tells usage
	overload  string // the error as a body
	errEvent  string // the error as an event
	overloads int    // status of the error where the body or event tells one
}

// pieces is the whole stream.
func (s *tongue) pieces() string { return s.first + s.hello + s.stopped + s.done }

func named(event, data string) string { return "event: " + event + "\ndata: " + data + "\n\n" }

func generated(inner string) string {
	return `{"candidates":[{"content":{"parts":[{"text":` + inner + `,"index":0}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"totalTokenCount":14},"modelVersion":"m1","responseId":"g1"}`
}

const (
	replyHead = `{"id":"resp_1","object":"response","created_at":1,"model":"m1","error":null,"incomplete_details":null,"parallel_tool_calls":true,"tool_choice":"auto","tools":[],`
	replyItem = `{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}`
	replyEnd  = replyHead + `"status":"completed","output":[` + replyItem + `],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":0},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":14}}`
)

var tongues = []tongue{
	{dialect: asChat, first: first, hello: hello, word: wordTwo, stopped: stopped, done: usageChunk + doneChunk, whole: whole, overload: overload, errEvent: errEvent, overloads: 503},
	{
		dialect: asMessages,
		first: named("message_start", `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m1","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":1}}}`) +
			named("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`) + named("ping", `{"type":"ping"}`),
		hello:     named("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`),
		word:      named("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" there"}}`),
		stopped:   named("content_block_stop", `{"type":"content_block_stop","index":0}`) + named("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":4}}`),
		done:      named("message_stop", `{"type":"message_stop"}`),
		whole:     `{"id":"msg_1","type":"message","role":"assistant","model":"m1","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":4}}`,
		overload:  `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`,
		errEvent:  named("error", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`),
		overloads: 529,
		reports:   true,
	},
	{
		dialect: asResponses,
		first: named("response.created", `{"type":"response.created","sequence_number":0,"response":`+replyHead+`"status":"in_progress","output":[],"usage":null}}`) +
			named("response.in_progress", `{"type":"response.in_progress","sequence_number":1,"response":`+replyHead+`"status":"in_progress","output":[],"usage":null}}`) +
			named("response.output_item.added", `{"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}`) +
			named("response.content_part.added", `{"type":"response.content_part.added","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}`),
		hello: named("response.output_text.delta", `{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hello"}`),
		word:  named("response.output_text.delta", `{"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" there"}`),
		stopped: named("response.output_text.done", `{"type":"response.output_text.done","sequence_number":6,"item_id":"msg_1","output_index":0,"content_index":0,"text":"Hello"}`) +
			named("response.content_part.done", `{"type":"response.content_part.done","sequence_number":7,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[]}}`) +
			named("response.output_item.done", `{"type":"response.output_item.done","sequence_number":8,"output_index":0,"item":`+replyItem+`}`),
		done:      named("response.completed", `{"type":"response.completed","sequence_number":9,"response":`+replyEnd+`}`),
		whole:     replyEnd,
		overload:  `{"error":{"message":"Overloaded","type":"server_error","code":"server_is_overloaded","param":null}}`,
		errEvent:  named("error", `{"type":"error","sequence_number":5,"code":"server_is_overloaded","message":"Overloaded","param":null}`),
		overloads: 503,
	},
	{
		dialect:   asGemini,
		first:     "data: " + generated(`""}],"role":"model"}`) + "\n\n",
		hello:     "data: " + generated(`"Hello"}],"role":"model"}`) + "\n\n",
		word:      "data: " + generated(`" there"}],"role":"model"}`) + "\n\n",
		stopped:   "data: " + generated(`""}],"role":"model"},"finishReason":"STOP"`) + "\n\n",
		whole:     generated(`"Hello"}],"role":"model"},"finishReason":"STOP"`),
		overload:  `{"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}`,
		errEvent:  "data: " + `{"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}` + "\n\n",
		overloads: 503,
		reports:   true,
	},
}

// An asker is a caller: a way to ask: one format with what a request, a stream's end and an
// error look like in it.
type asker struct {
	dialect     string // of the upstreams that are asked the very same
	path, ask   string
	streamPath  string
	stream      string
	end         string // is in the last event of a whole stream alone
	in          func() providers.Ingress
	errorPrefix string // of an error's JSON, as a body
	errorEvent  string // of an error, as an event
}

// of returns address and body of a request.
func (c *asker) of(stream bool) (path, body string) {
	if stream {
		return c.streamPath, c.stream
	}
	return c.path, c.ask
}

const (
	geminiAsk   = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
	messagesAsk = `"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
)

var callers = []asker{
	{dialect: asChat, path: "/v1/chat/completions", ask: ask, streamPath: "/v1/chat/completions", stream: streamAsk, end: "[DONE]", in: openai.ChatIngress,
		errorPrefix: `{"error":{`, errorEvent: `data: {"error":{`},
	{dialect: asMessages, path: "/v1/messages", ask: `{"model":"m1",` + messagesAsk, streamPath: "/v1/messages", stream: `{"model":"m1","stream":true,` + messagesAsk, end: `"message_stop"`, in: anthropic.MessagesIngress,
		errorPrefix: `{"type":"error",`, errorEvent: "event: error\ndata: {\"type\":\"error\","},
	{dialect: asResponses, path: "/v1/responses", ask: `{"model":"m1","input":"hi"}`, streamPath: "/v1/responses", stream: `{"model":"m1","stream":true,"input":"hi"}`, end: `"response.completed"`, in: openai.ResponsesIngress,
		errorPrefix: `{"error":{`, errorEvent: "event: error\ndata: {\"type\":\"error\","},
	{dialect: asGemini, path: "/v1beta/models/m1:generateContent", ask: geminiAsk, streamPath: "/v1beta/models/m1:streamGenerateContent", stream: geminiAsk, end: `"finishReason":"STOP"`, in: gemini.GenerateIngress,
		errorPrefix: `{"error":{`, errorEvent: `data: {"error":{`},
}

// callerOf finds the format of an address.
func callerOf(path string) *asker {
	for i := range callers {
		if c := &callers[i]; path == c.path || path == c.streamPath {
			return c
		}
	}
	return &callers[0]
}

// peekOf reads what a request asks for, from its address where the format says it there.
func peekOf(ctx *fasthttp.RequestCtx, in providers.Ingress, body []byte) (providers.Peek, string, error) {
	p, err := in.Peek(body)
	_, verb, found := strings.Cut(string(ctx.Path()), ":")
	if found {
		p.InPath, p.Model, p.Stream = true, "m1", verb == "streamGenerateContent"
	}
	return p, verb, err
}

// asked reports whether a request to an upstream is for a stream, whatever its dialect.
func asked(path string, body []byte) bool {
	return strings.Contains(path, ":streamGenerateContent") || strings.Contains(string(body), `"stream":true`)
}
