package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A heard is what a caller took from an answer, in no dialect.
type heard struct {
	matrixSay
	finish string
	ended  bool   // the answer was whole, as the dialect says it
	failed string // the error it ended with
	back   string // the thinking and calls of the turn as the caller sends it back
}

// A matrixCaller is how clients of a dialect speak: what they ask and what they hear.
type matrixCaller struct {
	path   func(model string, stream bool) string
	ask    func(scenario, model string, stream bool, before *heard) string
	whole  func(body string) heard
	events func(events []string) heard
}

var matrixCallers = map[string]matrixCaller{
	"chat":      {fixed("/v1/chat/completions"), chatAsk, chatHeard, chatHeardStream},
	"responses": {fixed("/v1/responses"), responsesAsk, responsesHeard, responsesHeardStream},
	"messages":  {fixed("/v1/messages"), messagesAsk, messagesHeard, messagesHeardStream},
	"gemini":    {geminiPath, geminiAsk, geminiHeard, geminiHeardStream},
}

func fixed(path string) func(string, bool) string {
	return func(string, bool) string { return path }
}

func geminiPath(model string, stream bool) string {
	if stream {
		return "/v1beta/models/" + model + ":streamGenerateContent?alt=sse"
	}
	return "/v1beta/models/" + model + ":generateContent"
}

// usesTools, answers: the scenarios whose requests have tools, or a tool's result.
func usesTools(scenario string) bool {
	return scenario == "tools" || scenario == "parallel" || scenario == "result" || scenario == "thinking"
}

const weatherSchema = `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}`

func question(scenario string) string {
	return quoted("scenario:" + scenario + ". What is the weather in Paris?")
}

// also joins members of an object, each with its comma in front.
func also(s ...string) string {
	var b strings.Builder
	for _, m := range s {
		if m != "" {
			b.WriteString("," + m)
		}
	}
	return b.String()
}

func when(on bool, s string) string {
	if on {
		return s
	}
	return ""
}

func chatAsk(scenario, model string, stream bool, before *heard) string {
	content := question(scenario)
	switch scenario {
	case "image":
		content = `[{"type":"text","text":` + content + `},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + markPNG + `"}}]`
	case "pdf":
		content = `[{"type":"text","text":` + content + `},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,` + markPDF + `"}}]`
	}
	turns := `{"role":"system","content":"Be brief."},{"role":"user","content":` + content + `}`
	call := `"tool_calls":[{"id":"call_paris","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Paris\"}"}}]`
	id := "call_paris"
	if before != nil {
		call, id = before.back, before.calls[0].id
	}
	if scenario == "result" || before != nil {
		turns += `,{"role":"assistant","content":null,` + call + `},{"role":"tool","tool_call_id":` + quoted(id) + `,"content":"RESULT-21C"}`
	}
	return fmt.Sprintf(`{"model":%q,"stream":%v,"max_completion_tokens":4096,"messages":[%s]%s}`, model, stream, turns, also(
		when(stream, `"stream_options":{"include_usage":true}`),
		when(usesTools(scenario), `"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather of a city.","parameters":`+weatherSchema+`}}]`),
		when(scenario == "thinking", `"reasoning_effort":"medium"`),
		when(scenario == "structured", `"response_format":{"type":"json_schema","json_schema":{"name":"place","strict":true,"schema":`+matrixSchema+`}}`),
		when(scenario == "stop", `"stop":["END-MARK"]`)))
}

// A spokenTurn is a message or a delta.
type spokenTurn struct {
	Content   string
	Reasoning string `json:"reasoning_content"`
	ToolCalls []struct {
		Index    int
		ID       string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

type chatReply struct {
	Choices []struct {
		Message, Delta spokenTurn
		FinishReason   string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	}
	Error *struct{ Message string }
}

func (h *heard) spokenTurn(t *spokenTurn) {
	h.text += t.Content
	h.thinking += t.Reasoning
	for _, c := range t.ToolCalls {
		for len(h.calls) <= c.Index {
			h.calls = append(h.calls, toolCall{})
		}
		at := &h.calls[c.Index]
		at.id += c.ID
		at.name += c.Function.Name
		at.args += c.Function.Arguments
	}
}

// chatBack: a client that keeps nothing but what the format has.
func (h *heard) chatBack() {
	h.back = `"tool_calls":[` + each(h.calls, func(_ int, c toolCall) string {
		return fmt.Sprintf(`{"id":%q,"type":"function","function":{"name":%q,"arguments":%s}}`, c.id, c.name, quoted(c.args))
	}) + `]`
}

func chatHeard(body string) (h heard) {
	var r chatReply
	if json.Unmarshal([]byte(body), &r) != nil || len(r.Choices) != 1 || r.Usage == nil {
		h.failed = "unreadable"
		return h
	}
	for i := range r.Choices[0].Message.ToolCalls {
		r.Choices[0].Message.ToolCalls[i].Index = i
	}
	h.spokenTurn(&r.Choices[0].Message)
	h.finish, h.ended = r.Choices[0].FinishReason, true
	h.prompt, h.completion = r.Usage.Prompt, r.Usage.Completion
	h.chatBack()
	return h
}

func chatHeardStream(events []string) (h heard) {
	for _, ev := range events {
		if ev == "[DONE]" {
			h.ended = true
			continue
		}
		var r chatReply
		if json.Unmarshal([]byte(ev), &r) != nil {
			h.failed = "unreadable"
		}
		if r.Error != nil {
			h.failed = r.Error.Message
		}
		for i := range r.Choices {
			h.spokenTurn(&r.Choices[i].Delta)
			h.finish += r.Choices[i].FinishReason
		}
		if r.Usage != nil {
			h.prompt, h.completion = r.Usage.Prompt, r.Usage.Completion
		}
	}
	h.chatBack()
	return h
}

func messagesAsk(scenario, model string, stream bool, before *heard) string {
	content := `{"type":"text","text":` + question(scenario) + `}`
	switch scenario {
	case "image":
		content += `,{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + markPNG + `"}}`
	case "pdf":
		content += `,{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"` + markPDF + `"}}`
	}
	turns := `{"role":"user","content":[` + content + `]}`
	call, id := `{"type":"tool_use","id":"call_paris","name":"get_weather","input":{"city":"Paris"}}`, "call_paris"
	if before != nil {
		call, id = before.back, before.calls[0].id
	}
	if scenario == "result" || before != nil {
		turns += `,{"role":"assistant","content":[` + call + `]},{"role":"user","content":[{"type":"tool_result","tool_use_id":` + quoted(id) + `,"content":"RESULT-21C"}]}`
	}
	return fmt.Sprintf(`{"model":%q,"stream":%v,"max_tokens":4096,"system":"Be brief.","messages":[%s]%s}`, model, stream, turns, also(
		when(usesTools(scenario), `"tools":[{"name":"get_weather","description":"Weather of a city.","input_schema":`+weatherSchema+`}]`),
		when(scenario == "thinking", `"thinking":{"type":"enabled","budget_tokens":1024}`),
		when(scenario == "structured", `"output_config":{"format":{"type":"json_schema","schema":`+matrixSchema+`}}`),
		when(scenario == "stop", `"stop_sequences":["END-MARK"]`)))
}

type messagesBlock struct {
	Type, Text, Thinking, Signature, ID, Name string
	Input                                     json.RawMessage
	partial                                   string
}

type messagesCounts struct {
	Input  *int `json:"input_tokens"`
	Output *int `json:"output_tokens"`
}

func (h *heard) messagesUsage(u messagesCounts) {
	if u.Input != nil {
		h.prompt = *u.Input
	}
	if u.Output != nil {
		h.completion = *u.Output
	}
}

func (h *heard) messagesBlocks(blocks []messagesBlock) {
	var back []string
	for _, b := range blocks {
		switch b.Type {
		case "text":
			h.text += b.Text
		case "thinking":
			h.thinking += b.Thinking
			h.signature = b.Signature
			back = append(back, fmt.Sprintf(`{"type":"thinking","thinking":%s,"signature":%s}`, quoted(b.Thinking), quoted(b.Signature)))
		case "tool_use":
			args := b.partial
			if args == "" {
				args = string(b.Input)
			}
			h.calls = append(h.calls, toolCall{b.ID, b.Name, args})
			back = append(back, fmt.Sprintf(`{"type":"tool_use","id":%q,"name":%q,"input":%s}`, b.ID, b.Name, args))
		}
	}
	h.back = strings.Join(back, ",")
}

func messagesHeard(body string) (h heard) {
	var r struct {
		Content    []messagesBlock
		StopReason string `json:"stop_reason"`
		Usage      messagesCounts
	}
	if json.Unmarshal([]byte(body), &r) != nil || r.StopReason == "" {
		h.failed = "unreadable"
		return h
	}
	h.messagesBlocks(r.Content)
	h.messagesUsage(r.Usage)
	h.finish, h.ended = r.StopReason, true
	return h
}

func messagesHeardStream(events []string) (h heard) {
	var blocks []messagesBlock
	for _, ev := range events {
		var r struct {
			Type         string
			Index        int
			Message      struct{ Usage messagesCounts }
			ContentBlock messagesBlock `json:"content_block"`
			Delta        struct {
				Type, Text, Thinking, Signature string
				PartialJSON                     string `json:"partial_json"`
				StopReason                      string `json:"stop_reason"`
			}
			Usage messagesCounts
			Error *struct{ Message string }
		}
		if json.Unmarshal([]byte(ev), &r) != nil {
			h.failed = "unreadable"
		}
		switch r.Type {
		case "message_start":
			h.messagesUsage(r.Message.Usage)
		case "content_block_start":
			if r.Index != len(blocks) {
				h.failed = fmt.Sprintf("block %d begins as the %d.", r.Index, len(blocks))
			}
			blocks = append(blocks, r.ContentBlock)
		case "content_block_delta":
			if r.Index >= len(blocks) {
				h.failed = "a delta without its block"
				continue
			}
			b := &blocks[r.Index]
			b.Text += r.Delta.Text
			b.Thinking += r.Delta.Thinking
			b.Signature += r.Delta.Signature
			b.partial += r.Delta.PartialJSON
		case "message_delta":
			h.finish = r.Delta.StopReason
			h.messagesUsage(r.Usage)
		case "message_stop":
			h.ended = true
		case "error":
			h.failed = r.Error.Message
		}
	}
	h.messagesBlocks(blocks)
	return h
}

func responsesAsk(scenario, model string, stream bool, before *heard) string {
	content := `{"type":"input_text","text":` + question(scenario) + `}`
	switch scenario {
	case "image":
		content += `,{"type":"input_image","detail":"auto","image_url":"data:image/png;base64,` + markPNG + `"}`
	case "pdf":
		content += `,{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,` + markPDF + `"}`
	}
	items := `{"type":"message","role":"user","content":[` + content + `]}`
	call, id := `{"type":"function_call","call_id":"call_paris","name":"get_weather","arguments":"{\"city\":\"Paris\"}"}`, "call_paris"
	if before != nil {
		call, id = before.back, before.calls[0].id
	}
	if scenario == "result" || before != nil {
		items += `,` + call + `,{"type":"function_call_output","call_id":` + quoted(id) + `,"output":"RESULT-21C"}`
	}
	return fmt.Sprintf(`{"model":%q,"stream":%v,"max_output_tokens":4096,"store":false,"include":["reasoning.encrypted_content"],"instructions":"Be brief.","input":[%s]%s}`, model, stream, items, also(
		when(usesTools(scenario), `"tools":[{"type":"function","name":"get_weather","description":"Weather of a city.","strict":false,"parameters":`+weatherSchema+`}]`),
		when(scenario == "thinking", `"reasoning":{"effort":"medium","summary":"auto"}`),
		when(scenario == "structured", `"text":{"format":{"type":"json_schema","name":"place","strict":true,"schema":`+matrixSchema+`}}`)))
}

type responsesObj struct {
	Status string
	Output []json.RawMessage
	Usage  struct {
		Input  int `json:"input_tokens"`
		Output int `json:"output_tokens"`
	}
	Error *struct{ Message string }
}

func (h *heard) responsesObject(r *responsesObj) {
	var back []string
	for _, raw := range r.Output {
		var it struct {
			Type, Name, Arguments string
			CallID                string `json:"call_id"`
			Encrypted             string `json:"encrypted_content"`
			Summary, Content      []struct{ Text string }
		}
		_ = json.Unmarshal(raw, &it)
		switch it.Type {
		case "reasoning":
			for _, s := range it.Summary {
				h.thinking += s.Text
			}
			h.signature = it.Encrypted
			back = append(back, string(raw))
		case "message":
			for _, c := range it.Content {
				h.text += c.Text
			}
		case "function_call":
			h.calls = append(h.calls, toolCall{it.CallID, it.Name, it.Arguments})
			back = append(back, string(raw))
		}
	}
	h.back = strings.Join(back, ",")
	h.prompt, h.completion, h.finish = r.Usage.Input, r.Usage.Output, r.Status
}

func responsesHeard(body string) (h heard) {
	var r responsesObj
	if json.Unmarshal([]byte(body), &r) != nil || r.Status == "" {
		h.failed = "unreadable"
		return h
	}
	h.responsesObject(&r)
	h.ended = true
	return h
}

func responsesHeardStream(events []string) (h heard) {
	text, args := "", ""
	for i, ev := range events {
		var r struct {
			Type, Delta, Message string
			Number               int `json:"sequence_number"`
			Response             responsesObj
		}
		if json.Unmarshal([]byte(ev), &r) != nil || r.Number != i {
			h.failed = fmt.Sprintf("event %d has the number %d", i, r.Number)
		}
		switch r.Type {
		case "response.output_text.delta":
			text += r.Delta
		case "response.function_call_arguments.delta":
			args += r.Delta
		case "response.completed", "response.incomplete":
			h.responsesObject(&r.Response)
			h.ended = true
		case "response.failed":
			h.failed = r.Response.Error.Message
		case "error":
			h.failed = r.Message
		}
	}
	all := each(h.calls, func(_ int, c toolCall) string { return c.args })
	if !h.ended {
		h.text = text
	}
	if h.ended && (text != h.text || strings.ReplaceAll(all, "},{", "}{") != args) {
		h.failed = fmt.Sprintf("the deltas %q %q are not the answer %q %q", text, args, h.text, all)
	}
	return h
}

func geminiAsk(scenario, _ string, _ bool, before *heard) string {
	parts := `{"text":` + question(scenario) + `}`
	switch scenario {
	case "image":
		parts += `,{"inlineData":{"mimeType":"image/png","data":"` + markPNG + `"}}`
	case "pdf":
		parts += `,{"inlineData":{"mimeType":"application/pdf","data":"` + markPDF + `"}}`
	}
	turns := `{"role":"user","parts":[` + parts + `]}`
	call := `{"functionCall":{"name":"get_weather","args":{"city":"Paris"}}}`
	if before != nil {
		call = before.back
	}
	if scenario == "result" || before != nil {
		turns += `,{"role":"model","parts":[` + call + `]},{"role":"user","parts":[{"functionResponse":{"name":"get_weather","response":{"result":"RESULT-21C"}}}]}`
	}
	return `{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[` + turns + `]` + also(
		when(usesTools(scenario), `"tools":[{"functionDeclarations":[{"name":"get_weather","description":"Weather of a city.","parametersJsonSchema":`+weatherSchema+`}]}]`)) +
		`,"generationConfig":{"maxOutputTokens":4096` + also(
		when(scenario == "thinking", `"thinkingConfig":{"includeThoughts":true,"thinkingBudget":1024}`),
		when(scenario == "structured", `"responseMimeType":"application/json","responseJsonSchema":`+matrixSchema),
		when(scenario == "stop", `"stopSequences":["END-MARK"]`)) + `}}`
}

func (h *heard) geminiReply(body string) {
	var r struct {
		Candidates []struct {
			Content      struct{ Parts []json.RawMessage }
			FinishReason string
		}
		UsageMetadata struct{ PromptTokenCount, CandidatesTokenCount, ThoughtsTokenCount int }
		Error         *struct{ Message string }
	}
	if json.Unmarshal([]byte(body), &r) != nil {
		h.failed = "unreadable"
		return
	}
	if r.Error != nil {
		h.failed = r.Error.Message
		return
	}
	for _, c := range r.Candidates {
		for _, raw := range c.Content.Parts {
			var p struct {
				Text, ThoughtSignature string
				Thought                bool
				FunctionCall           *struct {
					ID, Name string
					Args     json.RawMessage
				}
			}
			_ = json.Unmarshal(raw, &p)
			if p.ThoughtSignature != "" {
				h.signature = p.ThoughtSignature
			}
			switch {
			case p.FunctionCall != nil:
				h.calls = append(h.calls, toolCall{p.FunctionCall.ID, p.FunctionCall.Name, string(p.FunctionCall.Args)})
			case p.Thought:
				h.thinking += p.Text
			default:
				h.text += p.Text
			}
			h.back = strings.TrimPrefix(h.back+","+string(raw), ",")
		}
		h.finish += c.FinishReason
	}
	h.ended = h.finish != ""
	if u := r.UsageMetadata; u.PromptTokenCount > 0 {
		h.prompt, h.completion = u.PromptTokenCount, u.CandidatesTokenCount+u.ThoughtsTokenCount
	}
}

func geminiHeard(body string) (h heard) {
	h.geminiReply(body)
	return h
}

func geminiHeardStream(events []string) (h heard) {
	for _, ev := range events {
		h.geminiReply(ev)
	}
	return h
}
