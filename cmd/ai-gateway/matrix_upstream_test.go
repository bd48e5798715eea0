package main_test

import (
	be "encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Marks by which the matrix's upstream knows that something has reached it, in
// whatever form its dialect has for it.
const (
	markPNG       = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	markPDF       = "JVBERi0xLjQKMSAwIG9iago8PD4+CmVuZG9iagp0cmFpbGVyCjw8Pj4KJSVFT0YK"
	markResult    = "RESULT-21C"
	markProperty  = "mark_city"
	markStop      = "END-MARK"
	markSignature = "U0lHTkFUVVJFLU1BUks="
	markError     = "ERROR-MARK"
	markThought   = "Let me look that up."
	matrixSchema  = `{"type":"object","properties":{"mark_city":{"type":"string"}},"required":["mark_city"],"additionalProperties":false}`
)

// A matrixSay is one answer of a model, in no dialect.
type matrixSay struct {
	thinking, signature, text string
	calls                     []toolCall
	stopped                   bool // by the stop sequence
	prompt, completion        int
}

// matrixAnswer is what the upstream says in a scenario; missing is what the request
// should have held.
func matrixAnswer(scenario, body string, signs bool) (say matrixSay, missing string) {
	want := func(mark string) {
		if !strings.Contains(body, mark) {
			missing = mark
		}
	}
	paris := toolCall{"call_paris", "get_weather", `{"city":"Paris"}`}
	say = matrixSay{text: "The answer is forty-two."}
	switch scenario {
	case "tools":
		want("get_weather")
		say = matrixSay{calls: []toolCall{paris}}
	case "parallel":
		want("get_weather")
		say = matrixSay{calls: []toolCall{paris, {"call_rome", "get_weather", `{"city":"Rome"}`}}}
	case "result":
		want("Paris")
		want(markResult)
	case "image":
		want(markPNG)
	case "pdf":
		want(markPDF)
	case "thinking":
		if strings.Contains(body, markResult) {
			if signs {
				want(markSignature)
			}
			break
		}
		say = matrixSay{thinking: markThought, signature: markSignature, calls: []toolCall{paris}}
	case "structured":
		want(markProperty)
		say.text = `{"mark_city":"Paris"}`
	case "stop":
		want(markStop)
		say.stopped = true
	}
	return say, missing
}

// A matrixDialect is how an upstream of a dialect speaks.
type matrixDialect struct {
	signs bool // it wants its thinking back with a signature
	whole func(s matrixSay) string
	// events are the stream of an answer; broken, its first delta and then an error.
	events func(s matrixSay, broken bool) []string
	kind   string // content type of the stream
	fault  string // the body of a 400
}

var matrixDialects = map[string]matrixDialect{
	"chat":      {false, chatWhole, chatEvents, "text/event-stream", `{"error":{"message":"ERROR-MARK","type":"invalid_request_error","param":null,"code":null}}`},
	"responses": {true, responsesWhole, responsesEvents, "text/event-stream", `{"error":{"message":"ERROR-MARK","type":"invalid_request_error","param":null,"code":null}}`},
	"messages":  {true, messagesWhole, messagesEvents, "text/event-stream", `{"type":"error","error":{"type":"invalid_request_error","message":"ERROR-MARK"},"request_id":"req_1"}`},
	"gemini":    {true, geminiWhole, geminiEvents, "text/event-stream", `{"error":{"code":400,"message":"ERROR-MARK","status":"INVALID_ARGUMENT"}}`},
	"converse":  {true, converseWhole, converseEvents, "application/vnd.amazon.eventstream", `{"message":"ERROR-MARK"}`},
}

// A matrixUpstream is all scripted providers: the first segment of a path names the
// dialect, the conversation the scenario.
type matrixUpstream struct {
	url  string
	mu   sync.Mutex
	bad  []string // what was missing in requests since the last look
	got  http.Header
	body []byte // of the last request
}

func startMatrixUpstream(t *testing.T) *matrixUpstream {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &matrixUpstream{url: "http://" + ln.Addr().String()}
	srv := &http.Server{Handler: u}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return u
}

func (u *matrixUpstream) faults() (bad []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	bad, u.bad = u.bad, nil
	return bad
}

func (u *matrixUpstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch { // those who speak more than one
	case (name == "azure" || name == "openai") && strings.HasSuffix(r.URL.Path, "/responses"):
		name = "responses"
	case name == "azure", name == "openai":
		name = "chat"
	case name == "vertex" && strings.Contains(r.URL.Path, "anthropic"):
		name = "messages"
	case name == "vertex":
		name = "gemini"
	}
	d, known := matrixDialects[name]
	if r.Method == "GET" || !known {
		http.Error(w, `{"error":{"message":"none"}}`, 404)
		return
	}
	b, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.got, u.body = r.Header.Clone(), b
	u.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "count_tokens") || strings.HasSuffix(r.URL.Path, ":countTokens") {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"input_tokens":9,"totalTokens":9}`)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/embeddings") {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","model":"m","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":3,"total_tokens":3}}`)
		return
	}
	body := strings.NewReplacer(`\/`, "/", `\u003d`, "=").Replace(string(b))
	_, rest, _ := strings.Cut(body, "scenario:")
	scenario, _, _ := strings.Cut(rest, ".")
	var asked struct{ Stream bool }
	_ = json.Unmarshal(b, &asked)
	stream := asked.Stream || strings.Contains(strings.ToLower(r.URL.Path), "stream")
	if scenario == "error" {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", "ValidationException")
		w.WriteHeader(400)
		_, _ = io.WriteString(w, d.fault)
		return
	}
	say, missing := matrixAnswer(scenario, body, d.signs)
	if missing != "" {
		u.mu.Lock()
		u.bad = append(u.bad, fmt.Sprintf("the upstream did not get %s in %.3000s", missing, body))
		u.mu.Unlock()
	}
	broken := scenario == "broken"
	if !stream {
		whole := d.whole(say)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", fmt.Sprint(len(whole)))
		if broken {
			_, _ = io.WriteString(w, whole[:len(whole)/2])
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, whole)
		return
	}
	w.Header().Set("Content-Type", d.kind)
	for _, ev := range d.events(say, broken) {
		_, _ = io.WriteString(w, ev)
		w.(http.Flusher).Flush()
	}
}

func quoted(s string) string { b, _ := json.Marshal(s); return string(b) }

// halves cuts a text in two, as streams do.
func halves(s string) [2]string { return [2]string{s[:len(s)/2], s[len(s)/2:]} }

// joined joins what is not empty.
func joined(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, ",")
}

func each(calls []toolCall, f func(i int, c toolCall) string) string {
	var out []string
	for i, c := range calls {
		out = append(out, f(i, c))
	}
	return strings.Join(out, ",")
}

func chatFinish(s matrixSay) string {
	if len(s.calls) > 0 {
		return "tool_calls"
	}
	return "stop"
}

func chatWhole(s matrixSay) string {
	message := `"role":"assistant","content":` + quoted(s.text)
	if s.thinking != "" {
		message += `,"reasoning_content":` + quoted(s.thinking)
	}
	if len(s.calls) > 0 {
		message += `,"tool_calls":[` + each(s.calls, func(_ int, c toolCall) string {
			return fmt.Sprintf(`{"id":%q,"type":"function","function":{"name":%q,"arguments":%s}}`, c.id, c.name, quoted(c.args))
		}) + "]"
	}
	return `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{` + message + `},"finish_reason":"` + chatFinish(s) + `"}],"usage":{"prompt_tokens":20,"completion_tokens":10,"total_tokens":30}}`
}

func chatEvents(s matrixSay, broken bool) (out []string) {
	chunk := func(delta, finish string) {
		out = append(out, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{`+delta+`},"finish_reason":`+finish+`}]}`+"\n\n")
	}
	chunk(`"role":"assistant","content":""`, "null")
	if s.thinking != "" {
		chunk(`"reasoning_content":`+quoted(s.thinking), "null")
	}
	for _, t := range halves(s.text) {
		if t != "" {
			chunk(`"content":`+quoted(t), "null")
		}
		if broken {
			return append(out, "data: {\"error\":{\"message\":\"ERROR-MARK\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n")
		}
	}
	for i, c := range s.calls {
		chunk(fmt.Sprintf(`"tool_calls":[{"index":%d,"id":%q,"type":"function","function":{"name":%q,"arguments":""}}]`, i, c.id, c.name), "null")
		for _, t := range halves(c.args) {
			chunk(fmt.Sprintf(`"tool_calls":[{"index":%d,"function":{"arguments":%s}}]`, i, quoted(t)), "null")
		}
	}
	chunk("", `"`+chatFinish(s)+`"`)
	return append(out, `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":10,"total_tokens":30}}`+"\n\n", "data: [DONE]\n\n")
}

func messagesFinish(s matrixSay) string {
	switch {
	case len(s.calls) > 0:
		return `"stop_reason":"tool_use","stop_sequence":null`
	case s.stopped:
		return `"stop_reason":"stop_sequence","stop_sequence":"END-MARK"`
	}
	return `"stop_reason":"end_turn","stop_sequence":null`
}

func messagesWhole(s matrixSay) string {
	thinking, text := "", ""
	if s.thinking != "" {
		thinking = fmt.Sprintf(`{"type":"thinking","thinking":%s,"signature":%q}`, quoted(s.thinking), s.signature)
	}
	if s.text != "" {
		text = `{"type":"text","text":` + quoted(s.text) + `}`
	}
	calls := each(s.calls, func(_ int, c toolCall) string {
		return fmt.Sprintf(`{"type":"tool_use","id":%q,"name":%q,"input":%s}`, c.id, c.name, c.args)
	})
	return `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[` + joined(thinking, text, calls) + `],` + messagesFinish(s) + `,"usage":{"input_tokens":20,"output_tokens":10}}`
}

func messagesEvents(s matrixSay, broken bool) (out []string) {
	send := func(name, members string) {
		out = append(out, "event: "+name+"\ndata: {\"type\":\""+name+"\""+members+"}\n\n")
	}
	index := 0
	block := func(start string, deltas ...string) {
		send("content_block_start", fmt.Sprintf(`,"index":%d,"content_block":{%s}`, index, start))
		for _, d := range deltas {
			send("content_block_delta", fmt.Sprintf(`,"index":%d,"delta":{%s}`, index, d))
		}
		send("content_block_stop", fmt.Sprintf(`,"index":%d`, index))
		index++
	}
	send("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":20,"output_tokens":1}}`)
	if s.thinking != "" {
		block(`"type":"thinking","thinking":"","signature":""`, `"type":"thinking_delta","thinking":`+quoted(s.thinking), `"type":"signature_delta","signature":`+quoted(s.signature))
	}
	if s.text != "" {
		h := halves(s.text)
		if broken {
			send("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`)
			send("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":`+quoted(h[0])+`}`)
			send("error", `,"error":{"type":"overloaded_error","message":"ERROR-MARK"}`)
			return out
		}
		block(`"type":"text","text":""`, `"type":"text_delta","text":`+quoted(h[0]), `"type":"text_delta","text":`+quoted(h[1]))
	}
	for _, c := range s.calls {
		h := halves(c.args)
		block(fmt.Sprintf(`"type":"tool_use","id":%q,"name":%q,"input":{}`, c.id, c.name), `"type":"input_json_delta","partial_json":`+quoted(h[0]), `"type":"input_json_delta","partial_json":`+quoted(h[1]))
	}
	send("message_delta", `,"delta":{`+messagesFinish(s)+`},"usage":{"output_tokens":10}`)
	send("message_stop", "")
	return out
}

// responsesItems are the output of an answer, each item whole.
func responsesItems(s matrixSay) (items []string) {
	if s.thinking != "" {
		items = append(items, fmt.Sprintf(`{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":%s}],"encrypted_content":%q}`, quoted(s.thinking), s.signature))
	}
	if s.text != "" {
		items = append(items, `{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":`+quoted(s.text)+`,"annotations":[]}]}`)
	}
	for _, c := range s.calls {
		items = append(items, fmt.Sprintf(`{"id":"fc_%s","type":"function_call","status":"completed","call_id":%q,"name":%q,"arguments":%s}`, c.id, c.id, c.name, quoted(c.args)))
	}
	return items
}

func responsesObject(status, output, usage string) string {
	return `{"id":"resp_1","object":"response","created_at":1,"status":"` + status + `","error":null,"incomplete_details":null,"instructions":null,"metadata":{},"model":"m","output":[` + output + `],"parallel_tool_calls":true,"temperature":1,"tool_choice":"auto","tools":[],"top_p":1,"usage":` + usage + `}`
}

const responsesUsage = `{"input_tokens":20,"input_tokens_details":{"cached_tokens":0},"output_tokens":10,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":30}`

func responsesWhole(s matrixSay) string {
	return responsesObject("completed", joined(responsesItems(s)...), responsesUsage)
}

func responsesEvents(s matrixSay, broken bool) (out []string) {
	send := func(name, members string) {
		out = append(out, fmt.Sprintf("event: %s\ndata: {\"type\":%q,\"sequence_number\":%d%s}\n\n", name, name, len(out), members))
	}
	send("response.created", `,"response":`+responsesObject("in_progress", "", "null"))
	send("response.in_progress", `,"response":`+responsesObject("in_progress", "", "null"))
	for i, item := range responsesItems(s) {
		var it struct{ ID, Type, Name, Arguments, CallID string }
		_ = json.Unmarshal([]byte(item), &it)
		place := fmt.Sprintf(`,"item_id":%q,"output_index":%d`, it.ID, i)
		switch it.Type {
		case "reasoning":
			send("response.output_item.added", fmt.Sprintf(`,"output_index":%d,"item":{"id":"rs_1","type":"reasoning","summary":[]}`, i))
			send("response.reasoning_summary_part.added", place+`,"summary_index":0,"part":{"type":"summary_text","text":""}`)
			send("response.reasoning_summary_text.delta", place+`,"summary_index":0,"delta":`+quoted(s.thinking))
			send("response.reasoning_summary_text.done", place+`,"summary_index":0,"text":`+quoted(s.thinking))
			send("response.reasoning_summary_part.done", place+`,"summary_index":0,"part":{"type":"summary_text","text":`+quoted(s.thinking)+`}`)
		case "message":
			send("response.output_item.added", fmt.Sprintf(`,"output_index":%d,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}`, i))
			send("response.content_part.added", place+`,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}`)
			for _, t := range halves(s.text) {
				send("response.output_text.delta", place+`,"content_index":0,"delta":`+quoted(t))
				if broken {
					send("error", `,"code":"server_error","message":"ERROR-MARK","param":null`)
					return out
				}
			}
			send("response.output_text.done", place+`,"content_index":0,"text":`+quoted(s.text))
			send("response.content_part.done", place+`,"content_index":0,"part":{"type":"output_text","text":`+quoted(s.text)+`,"annotations":[]}`)
		case "function_call":
			send("response.output_item.added", fmt.Sprintf(`,"output_index":%d,"item":%s`, i, strings.Replace(strings.Replace(item, `"arguments":`+quoted(it.Arguments), `"arguments":""`, 1), "completed", "in_progress", 1)))
			for _, t := range halves(it.Arguments) {
				send("response.function_call_arguments.delta", place+`,"delta":`+quoted(t))
			}
			send("response.function_call_arguments.done", place+`,"arguments":`+quoted(it.Arguments))
		}
		send("response.output_item.done", fmt.Sprintf(`,"output_index":%d,"item":%s`, i, item))
	}
	send("response.completed", `,"response":`+responsesObject("completed", joined(responsesItems(s)...), responsesUsage))
	return out
}

func geminiParts(s matrixSay) (parts []string) {
	if s.thinking != "" {
		parts = append(parts, `{"text":`+quoted(s.thinking)+`,"thought":true}`)
	}
	for _, t := range halves(s.text) {
		if t != "" {
			parts = append(parts, `{"text":`+quoted(t)+`}`)
		}
	}
	for i, c := range s.calls {
		signature := ""
		if i == 0 && s.signature != "" {
			signature = `,"thoughtSignature":` + quoted(s.signature)
		}
		parts = append(parts, fmt.Sprintf(`{"functionCall":{"name":%q,"args":%s}%s}`, c.name, c.args, signature))
	}
	return parts
}

func geminiChunk(parts, finish string) string {
	return `{"candidates":[{"content":{"role":"model","parts":[` + parts + `]}` + finish + `,"index":0}],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":10,"totalTokenCount":30},"modelVersion":"m","responseId":"r1"}`
}

func geminiWhole(s matrixSay) string {
	return geminiChunk(joined(geminiParts(s)...), `,"finishReason":"STOP"`)
}

func geminiEvents(s matrixSay, broken bool) (out []string) {
	parts := geminiParts(s)
	for i, p := range parts {
		finish := ""
		if i == len(parts)-1 {
			finish = `,"finishReason":"STOP"`
		}
		if broken && i == 1 {
			return append(out, "data: {\"error\":{\"code\":503,\"message\":\"ERROR-MARK\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n")
		}
		out = append(out, "data: "+geminiChunk(p, finish)+"\r\n\r\n")
	}
	return out
}

func converseFinish(s matrixSay) string {
	switch {
	case len(s.calls) > 0:
		return "tool_use"
	case s.stopped:
		return "stop_sequence"
	}
	return "end_turn"
}

const converseUsage = `{"inputTokens":20,"outputTokens":10,"totalTokens":30}`

func converseWhole(s matrixSay) string {
	thinking, text := "", ""
	if s.thinking != "" {
		thinking = fmt.Sprintf(`{"reasoningContent":{"reasoningText":{"text":%s,"signature":%q}}}`, quoted(s.thinking), s.signature)
	}
	if s.text != "" {
		text = `{"text":` + quoted(s.text) + `}`
	}
	calls := each(s.calls, func(_ int, c toolCall) string {
		return fmt.Sprintf(`{"toolUse":{"toolUseId":%q,"name":%q,"input":%s}}`, c.id, c.name, c.args)
	})
	return `{"metrics":{"latencyMs":1},"output":{"message":{"role":"assistant","content":[` + joined(thinking, text, calls) + `]}},"stopReason":"` + converseFinish(s) + `","usage":` + converseUsage + `}`
}

// eventFrame is one message of an AWS event stream.
func eventFrame(kind, name, payload string) string {
	var h []byte
	header := func(name, value string) {
		h = append(append(h, byte(len(name))), name...)
		h = append(be.BigEndian.AppendUint16(append(h, 7), uint16(len(value))), value...)
	}
	header(":message-type", kind)
	header(map[string]string{"event": ":event-type", "exception": ":exception-type"}[kind], name)
	header(":content-type", "application/json")
	b := be.BigEndian.AppendUint32(nil, uint32(16+len(h)+len(payload)))
	b = be.BigEndian.AppendUint32(b, uint32(len(h)))
	b = be.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, h...), payload...)
	return string(be.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

func converseEvents(s matrixSay, broken bool) (out []string) {
	send := func(name, payload string) { out = append(out, eventFrame("event", name, payload)) }
	index := 0
	delta := func(d string) {
		send("contentBlockDelta", fmt.Sprintf(`{"contentBlockIndex":%d,"delta":{%s}}`, index, d))
	}
	stop := func() { send("contentBlockStop", fmt.Sprintf(`{"contentBlockIndex":%d}`, index)); index++ }
	send("messageStart", `{"role":"assistant"}`)
	if s.thinking != "" {
		delta(`"reasoningContent":{"text":` + quoted(s.thinking) + `}`)
		delta(`"reasoningContent":{"signature":` + quoted(s.signature) + `}`)
		stop()
	}
	if s.text != "" {
		for _, t := range halves(s.text) {
			delta(`"text":` + quoted(t))
			if broken {
				return append(out, eventFrame("exception", "internalServerException", `{"message":"ERROR-MARK"}`))
			}
		}
		stop()
	}
	for _, c := range s.calls {
		send("contentBlockStart", fmt.Sprintf(`{"contentBlockIndex":%d,"start":{"toolUse":{"toolUseId":%q,"name":%q}}}`, index, c.id, c.name))
		for _, t := range halves(c.args) {
			delta(`"toolUse":{"input":` + quoted(t) + `}`)
		}
		stop()
	}
	send("messageStop", `{"stopReason":"`+converseFinish(s)+`"}`)
	send("metadata", `{"usage":`+converseUsage+`,"metrics":{"latencyMs":1}}`)
	return out
}
