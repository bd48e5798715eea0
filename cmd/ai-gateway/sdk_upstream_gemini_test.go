package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// geminiAPI is Gemini's generateContent: third generation, which refuses calls that
// come back without their signatures.
type geminiAPI struct {
	w    http.ResponseWriter
	path string // models/{model}:{verb}
	sse  bool
}

type geminiRequest struct {
	Contents          []geminiContent
	SystemInstruction *geminiContent
	Tools             []struct {
		FunctionDeclarations []struct {
			Name, Description    string
			ParametersJSONSchema json.RawMessage `json:"parametersJsonSchema"`
			Parameters           json.RawMessage
			ResponseJSONSchema   json.RawMessage `json:"responseJsonSchema"`
		}
	}
	ToolConfig *struct {
		FunctionCallingConfig struct {
			Mode                 string
			AllowedFunctionNames []string
		}
	}
	GenerationConfig struct {
		MaxOutputTokens    *int64
		Temperature, TopP  *float64
		TopK               *float64
		StopSequences      []string
		ResponseMimeType   string
		ResponseJSONSchema json.RawMessage `json:"responseJsonSchema"`
		ResponseSchema     json.RawMessage
		ThinkingConfig     *struct {
			IncludeThoughts bool
			ThinkingBudget  *int64
			ThinkingLevel   string
		}
	}
	SafetySettings json.RawMessage
}

type geminiContent struct {
	Role  string
	Parts []struct {
		Text             *string
		Thought          bool
		ThoughtSignature string
		InlineData       *struct{ MimeType, Data string }
		FunctionCall     *struct {
			ID, Name string
			Args     json.RawMessage
		}
		FunctionResponse *struct {
			ID, Name string
			Response map[string]any
		}
	}
}

func (p *geminiAPI) read(r *http.Request, body []byte) (*ask, *refusal) {
	if r.Header.Get("X-Goog-Api-Key") != "AIza-vendor-gemini-secret" {
		return nil, &refusal{status: 400, words: "API key not valid. Please pass a valid API key."}
	}
	var q geminiRequest
	if err := strict(camelled(body), &q); err != nil {
		return nil, refuse("Invalid JSON payload received: %v", err)
	}
	model, verb, _ := strings.Cut(strings.TrimPrefix(p.path, "models/"), ":")
	a := &ask{model: model, stream: verb == "streamGenerateContent", choice: "auto", maxTokens: 65536, stop: q.GenerationConfig.StopSequences}
	p.sse = r.URL.Query().Get("alt") == "sse"
	g := &q.GenerationConfig
	if g.MaxOutputTokens != nil {
		a.maxTokens = *g.MaxOutputTokens
	}
	if t := g.ThinkingConfig; t != nil {
		if t.ThinkingBudget != nil && t.ThinkingLevel != "" {
			return nil, refuse("You can only set only one of thinking budget and thinking level.")
		}
		a.thinks = t.IncludeThoughts
	}
	if a.schema = g.ResponseJSONSchema; a.schema == nil {
		a.schema = g.ResponseSchema
	}
	for _, t := range q.Tools {
		for _, f := range t.FunctionDeclarations {
			if !toolName.MatchString(f.Name) {
				return nil, refuse("Invalid function name %q", f.Name)
			}
			a.tools = append(a.tools, f.Name)
		}
	}
	if c := q.ToolConfig; c != nil {
		switch f := c.FunctionCallingConfig; f.Mode {
		case "ANY":
			if a.choice = "required"; len(f.AllowedFunctionNames) == 1 {
				a.choice = f.AllowedFunctionNames[0]
			}
		case "NONE":
			a.choice = "none"
		case "AUTO", "VALIDATED":
		default:
			return nil, refuse("Invalid value at 'tool_config.function_calling_config.mode': %q", f.Mode)
		}
	}
	if q.SystemInstruction != nil {
		for _, part := range q.SystemInstruction.Parts {
			a.system = strings.TrimPrefix(a.system+"\n"+*part.Text, "\n")
		}
	}
	return a, p.turns(&q, a)
}

// camelled spells the members of a request as the struct has them: the API takes
// function_call as well as functionCall, and the Python SDK sends both.
func camelled(body []byte) []byte {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return body
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			out := map[string]any{}
			for name, x := range v {
				parts := strings.Split(name, "_")
				for i := 1; i < len(parts); i++ {
					parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
				}
				if name = strings.Join(parts, ""); name != "args" && name != "response" && !strings.Contains(name, "Schema") {
					x = walk(x)
				}
				out[name] = x
			}
			return out
		}
		return v
	}
	out, _ := json.Marshal(walk(v))
	return out
}

func (p *geminiAPI) turns(q *geminiRequest, a *ask) *refusal {
	if len(q.Contents) == 0 {
		return refuse("contents is not specified")
	}
	open := 0
	for i, c := range q.Contents {
		t := said{role: "user"}
		if c.Role == "model" {
			t.role = "assistant"
		} else if c.Role != "user" && c.Role != "" {
			return refuse("Please use a valid role: user, model.")
		}
		if len(c.Parts) == 0 {
			return refuse("contents[%d].parts must not be empty.", i)
		}
		calls, answered := 0, 0
		for _, part := range c.Parts {
			switch {
			case part.FunctionCall != nil:
				if calls == 0 && part.ThoughtSignature == "" {
					return refuse("Function call is missing a thought_signature in functionCall parts. Additional data, function call `%s`", part.FunctionCall.Name)
				}
				if s := strings.NewReplacer("-", "+", "_", "/").Replace(part.ThoughtSignature); s != "" && part.ThoughtSignature != "skip_thought_signature_validator" && s != geminiSignature(part.FunctionCall.Name) && s != base64.StdEncoding.EncodeToString([]byte("skip_thought_signature_validator")) {
					return refuse("Thought signature is not valid: %s", s)
				}
				calls++
				t.calls = append(t.calls, toolCall{part.FunctionCall.ID, part.FunctionCall.Name, string(part.FunctionCall.Args)})
			case part.FunctionResponse != nil:
				answered++
				f := part.FunctionResponse
				text := fmt.Sprint(f.Response)
				for _, name := range []string{"result", "output", "error"} {
					if s, ok := f.Response[name].(string); ok {
						text = s
					}
				}
				t.results = append(t.results, toolResult{f.ID, text})
			case part.InlineData != nil:
				data, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(part.InlineData.Data)) // the API reads both alphabets
				if err != nil {
					return refuse("Base64 decoding failed")
				}
				t.media = append(t.media, fmt.Sprintf("%s %d", part.InlineData.MimeType, len(data)))
			case part.Thought:
			case part.Text != nil:
				t.text += *part.Text
			default:
				return refuse("contents[%d]: required oneof field 'data' must have one initialized field", i)
			}
		}
		if open != answered {
			return refuse("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
		}
		open = calls
		a.turns = append(a.turns, t)
	}
	return nil
}

// geminiSignature is what calls of a function are signed with.
func geminiSignature(name string) string {
	return base64.StdEncoding.EncodeToString([]byte(signature("call of " + name)))
}

func (p *geminiAPI) fail(bad *refusal) {
	status, words, word := bad.status, bad.words, "INVALID_ARGUMENT"
	switch {
	case status == 429:
		words, word = "Resource has been exhausted (e.g. check quota).", "RESOURCE_EXHAUSTED"
	case bad.scripted:
		words = "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."
	}
	writeJSON(p.w, status, members{"error": members{"code": status, "message": words, "status": word}})
}

// parts are the pieces of an answer, each as it comes in an event of its own.
func (p *geminiAPI) parts(r *reply) (list []members) {
	if r.thinking != "" {
		list = append(list, members{"text": r.thinking, "thought": true})
	}
	for _, s := range pieces(r.text) {
		list = append(list, members{"text": s})
	}
	for i, c := range r.calls {
		part := members{"functionCall": members{"name": c.name, "args": json.RawMessage(c.args)}}
		if i == 0 {
			part["thoughtSignature"] = geminiSignature(c.name)
		}
		list = append(list, part)
	}
	return list
}

func (p *geminiAPI) answer(a *ask, parts []members, finish string) members {
	c := members{"content": members{"role": "model", "parts": parts}, "index": 0}
	if finish != "" {
		c["finishReason"] = finish
	}
	return members{"candidates": []members{c}, "modelVersion": a.model, "responseId": fmt.Sprintf("resp-%d", len(a.turns)),
		"usageMetadata": members{"promptTokenCount": usedInput, "cachedContentTokenCount": usedCached, "candidatesTokenCount": usedOutput - 4, "thoughtsTokenCount": 4, "totalTokenCount": usedInput + usedOutput}}
}

func (p *geminiAPI) finish(r *reply) string {
	switch {
	case r.long:
		return "MAX_TOKENS"
	case r.refused:
		return "SAFETY"
	}
	return "STOP"
}

func (p *geminiAPI) whole(a *ask, r *reply) {
	writeJSON(p.w, 200, p.answer(a, p.parts(r), p.finish(r)))
}

func (p *geminiAPI) stream(a *ask, r *reply, trouble string) {
	send := func(v any) {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		_, _ = fmt.Fprintf(p.w, "data: %s\r\n\r\n", b)
		p.w.(http.Flusher).Flush()
	}
	list := p.parts(r)
	for i, part := range list {
		if trouble == "cut" && i == 1 {
			return
		}
		if trouble == "broken" && i == 1 {
			send(members{"error": members{"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})
			return
		}
		finish := ""
		if i == len(list)-1 {
			finish = p.finish(r)
		}
		send(p.answer(a, []members{part}, finish))
	}
}

// geminiPath reports whether a vendor's path is one of this format, and what follows its root.
func geminiVendorPath(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "v1beta/")
	return rest, ok && slices.ContainsFunc([]string{":generateContent", ":streamGenerateContent", ":countTokens"}, func(s string) bool { return strings.HasSuffix(rest, s) })
}
