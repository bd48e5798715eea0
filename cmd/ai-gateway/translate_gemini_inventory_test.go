package main_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// camelMembers spells the members of Google's requests in one way: the API takes
// those in snake case too. What is not the format's own is left alone.
func camelMembers(raw json.RawMessage, in string) json.RawMessage {
	if slices.Contains([]string{"args", "response", "properties", "parametersJsonSchema", "responseJsonSchema"}, in) {
		return raw
	}
	if l := list(raw); l != nil {
		for i := range l {
			l[i] = camelMembers(l[i], in)
		}
		var b strings.Builder
		for _, e := range l {
			b.WriteString("," + string(e))
		}
		return json.RawMessage("[" + strings.TrimPrefix(b.String(), ",") + "]")
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return raw
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts := strings.Split(name, "_")
		for i, p := range parts[1:] {
			if p != "" {
				parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
			}
		}
		as := strings.Join(parts, "")
		b.WriteString("," + strconv.Quote(as) + ":" + string(camelMembers(m[name], as)))
	}
	return json.RawMessage("{" + strings.TrimPrefix(b.String(), ",") + "}")
}

// geminiInventory reads a request in Google's format.
func geminiInventory(body json.RawMessage) *inventory {
	body = camelMembers(body, "")
	v := &inventory{params: map[string]string{}}
	var r run
	var open []geminiCall
	v.geminiContent(&r, get(body, "systemInstruction"), "system", &open)
	if s := str(body, "systemInstruction"); s != "" {
		r.rest = append(r.rest, item{kind: "system", text: s})
	}
	contents := list(body, "contents")
	if contents == nil {
		contents = []json.RawMessage{get(body, "contents")}
	}
	side := ""
	for _, c := range contents {
		now := map[bool]string{true: "assistant", false: "user"}[str(c, "role") == "model"]
		if now != side {
			v.flush(&r)
		}
		side = now
		if s := str(c); s != "" {
			r.rest = append(r.rest, item{kind: "user", text: s})
			continue
		}
		v.geminiContent(&r, c, now, &open)
	}
	v.flush(&r)
	tools := list(body, "tools")
	if tools == nil && get(body, "tools") != nil {
		tools = []json.RawMessage{get(body, "tools")}
	}
	for _, t := range tools {
		v.geminiTool(t)
	}
	v.geminiParams(body)
	return v
}

// A geminiCall is a call that no result has answered: ids may be left out.
type geminiCall struct{ id, name string }

func (v *inventory) geminiContent(r *run, c json.RawMessage, kind string, open *[]geminiCall) {
	parts := list(c, "parts")
	if parts == nil && get(c, "parts") != nil {
		parts = []json.RawMessage{get(c, "parts")}
	}
	for _, p := range parts {
		sig := str(p, "thoughtSignature")
		if sig == "context_engineering_is_the_way_to_go" || sig == "skip_thought_signature_validator" || decoded(sig) == "skip_thought_signature_validator" {
			sig = "" // Google's stand-ins for none
		}
		thought := string(get(p, "thought")) == "true"
		if opaque := get(p, "executableCode") != nil || get(p, "codeExecutionResult") != nil || get(p, "toolCall") != nil || get(p, "toolResponse") != nil; sig != "" && !thought && !opaque {
			v.note("messages.signature")
		}
		v.odd("messages.", p, "text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult", "toolCall", "toolResponse")
		switch call, res := get(p, "functionCall"), get(p, "functionResponse"); {
		case thought:
			r.thoughts = append(r.thoughts, item{"thinking", str(p, "text") + "#" + sig, "messages.thinking"})
		case call != nil:
			id := str(call, "id")
			if id == "" {
				id = "#" + strconv.Itoa(len(v.calls))
			}
			*open = append(*open, geminiCall{id, str(call, "name")})
			r.calls = append(r.calls, item{kind: "call", text: v.call(id) + " " + str(call, "name") + " " + plainArgs(string(get(call, "args")))})
		case res != nil:
			v.geminiResult(r, res, open)
		case get(p, "inlineData") != nil || get(p, "fileData") != nil:
			r.rest = append(r.rest, geminiMedia(p, kind))
		case get(p, "text") != nil:
			r.rest = append(r.rest, textItem(kind, str(p, "text")))
		default:
			for _, name := range []string{"executableCode", "codeExecutionResult", "toolCall", "toolResponse"} {
				if get(p, name) != nil {
					r.rest = append(r.rest, item{"vendor", name, "messages.opaque"})
				}
			}
		}
	}
}

func decoded(s string) string {
	b, _ := base64.StdEncoding.DecodeString(s)
	return string(b)
}

func (v *inventory) note(name string) {
	if v.unknown == nil {
		v.unknown = map[string]bool{}
	}
	v.unknown[name] = true
}

func geminiMedia(p json.RawMessage, kind string) item {
	typ, data := str(p, "inlineData", "mimeType")+str(p, "fileData", "mimeType"), str(p, "inlineData", "data")
	data = strings.NewReplacer("-", "+", "_", "/").Replace(data)
	what := "file"
	switch {
	case get(p, "fileData") != nil && strings.HasPrefix(typ, "image/"):
		return item{kind: "image", text: str(p, "fileData", "fileUri")}
	case get(p, "fileData") != nil:
		return item{kind: "file", text: str(p, "fileData", "fileUri")}
	case strings.HasPrefix(typ, "text/"):
		return item{kind: kind, text: str(p, "inlineData", "displayName") + decoded(data)}
	case strings.HasPrefix(typ, "audio/"):
		return item{kind: "audio", text: data}
	case strings.HasPrefix(typ, "image/"):
		what = "image"
	}
	return item{kind: what, text: located("data:;base64," + data)}
}

// geminiResult reads a functionResponse: an object that only wraps a text is that text.
func (v *inventory) geminiResult(r *run, res json.RawMessage, open *[]geminiCall) {
	id, name := str(res, "id"), str(res, "name")
	at := slices.IndexFunc(*open, func(c geminiCall) bool { return id != "" && c.id == id })
	if at < 0 {
		at = slices.IndexFunc(*open, func(c geminiCall) bool { return c.name == name })
	}
	if at >= 0 {
		id = (*open)[at].id
		*open = slices.Delete(*open, at, at+1)
	}
	var m map[string]json.RawMessage
	_ = json.Unmarshal(get(res, "response"), &m)
	text := string(get(res, "response"))
	if len(m) == 1 {
		for _, k := range []string{"result", "output", "error"} {
			var s string
			if m[k] != nil && json.Unmarshal(m[k], &s) == nil {
				text = s
			}
		}
		if m["error"] != nil && str(m["error"]) != "" {
			v.failed++
		}
	}
	for _, p := range list(res, "parts") {
		r.media = append(r.media, geminiMedia(p, "user"))
	}
	r.results = append(r.results, v.result(id, text))
}

func (v *inventory) geminiTool(t json.RawMessage) {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(t, &m)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name != "functionDeclarations" {
			v.tools = append(v.tools, item{"vendor", name, "tools." + name})
			continue
		}
		for _, f := range list(m[name]) {
			v.odd("tools.", f, "name", "description", "parameters", "parametersJsonSchema")
			schema := get(f, "parametersJsonSchema")
			if schema == nil {
				schema = get(f, "parameters")
			}
			v.tools = append(v.tools, item{kind: "tool", text: str(f, "name") + "|" + str(f, "description") + "|" + schemaOf(schema)})
		}
	}
}

func (v *inventory) geminiParams(body json.RawMessage) {
	var m, config map[string]json.RawMessage
	_ = json.Unmarshal(body, &m)
	for name, raw := range m {
		switch name {
		case "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model", "provider":
		case "serviceTier":
			v.params["service_tier"] = string(raw)
		default:
			v.params[name] = string(compact(raw))
		}
	}
	names := map[string]string{"maxOutputTokens": "max_tokens", "topK": "top_k", "stopSequences": "stop", "seed": "seed", "candidateCount": "n",
		"thinkingConfig": "reasoning", "frequencyPenalty": "frequency_penalty", "presencePenalty": "presence_penalty", "responseLogprobs": "logprobs", "logprobs": "top_logprobs"}
	_ = json.Unmarshal(get(body, "generationConfig"), &config)
	for name, raw := range config {
		switch {
		case string(raw) == "null":
		case name == "temperature":
			v.params[name] = number(raw)
		case name == "topP":
			v.params["top_p"] = number(raw)
		case name == "responseMimeType" && str(raw) == "application/json":
			if v.params["format"] == "" {
				v.params["format"] = "json_object"
			}
		case name == "responseMimeType" && str(raw) == "text/plain":
		case name == "responseJsonSchema" || name == "responseSchema":
			v.params["format"] = string(compact(raw))
		case name == "responseModalities" && strings.EqualFold(string(compact(raw)), `["TEXT"]`): // as it does anyway
		case name == "thinkingConfig" && string(get(raw, "thinkingBudget")) == "0":
			v.params["reasoning"] = "disabled"
		case name == "topK" || name == "frequencyPenalty" || name == "presencePenalty":
			v.params[names[name]] = number(raw)
		case name == "responseModalities":
			v.params["modalities"] = strings.ToLower(string(compact(raw)))
		case names[name] != "":
			v.params[names[name]] = string(compact(raw))
		default:
			v.params["generationConfig."+name] = string(compact(raw))
		}
	}
	v.geminiChoice(get(body, "toolConfig"))
}

func (v *inventory) geminiChoice(config json.RawMessage) {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(config, &m)
	for name, raw := range m {
		if name != "functionCallingConfig" {
			v.params["toolConfig."+name] = string(compact(raw))
		}
	}
	calling := get(config, "functionCallingConfig")
	allowed := list(calling, "allowedFunctionNames")
	switch mode := strings.ToUpper(str(calling, "mode")); {
	case mode == "ANY" && len(allowed) == 1:
		v.params["tool_choice"] = "named " + str(allowed[0])
	case mode == "ANY":
		v.params["tool_choice"] = "required"
	case mode == "NONE":
		v.params["tool_choice"] = "none"
	case mode == "AUTO" || mode == "VALIDATED":
		v.params["tool_choice"] = "auto"
	}
}

// plainSchemas spells the schemas of tools and of the answer in one way: Google's
// own words for types are JSON Schema's, in capitals, and null is a member there.
func (v *inventory) plainSchemas() *inventory {
	for i := range v.tools {
		it := &v.tools[i]
		for at := range it.text {
			if s := it.text[at+1:]; it.text[at] == '|' && strings.HasPrefix(s, "{") && json.Valid([]byte(s)) {
				it.text = it.text[:at+1] + plainSchema(s)
				break
			}
		}
	}
	if f := v.params["format"]; strings.HasPrefix(f, "{") {
		v.params["format"] = openSchema(plainSchema(f))
	}
	return v
}

func plainSchema(s string) string {
	var x any
	_ = json.Unmarshal([]byte(s), &x)
	x = spellSchema(x)
	m, _ := x.(map[string]any)
	if props, _ := m["properties"].(map[string]any); m["type"] == "object" && m["additionalProperties"] == false {
		if len(props) == 1 && props["input"] != nil { // free-form input
			delete(m, "additionalProperties")
		}
		if len(props) == 0 { // no arguments, said in one word
			return `{"type":"object"}`
		}
	}
	b, _ := json.Marshal(x)
	return string(b)
}

// openSchema leaves out that objects are closed: Claude's API demands it of a format,
// so it is said there also where the caller did not.
func openSchema(s string) string {
	var x any
	_ = json.Unmarshal([]byte(s), &x)
	var walk func(any)
	walk = func(x any) {
		switch x := x.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			if x["additionalProperties"] == false {
				delete(x, "additionalProperties")
			}
			for _, e := range x {
				walk(e)
			}
		}
	}
	walk(x)
	b, _ := json.Marshal(x)
	return string(b)
}

func spellSchema(x any) any {
	switch x := x.(type) {
	case []any:
		for i := range x {
			x[i] = spellSchema(x[i])
		}
	case map[string]any:
		if o, ok := x["property_ordering"]; ok {
			x["propertyOrdering"] = o
			delete(x, "property_ordering")
		}
		if n, ok := x["type"].(float64); ok && n < 7 { // by its number
			x["type"] = []string{"", "string", "number", "integer", "boolean", "array", "object"}[int(n)]
		}
		if p, ok := x["properties"].(map[string]any); ok {
			for name, sub := range p {
				p[name] = spellSchema(sub)
			}
			if len(p) == 0 {
				delete(x, "properties")
			}
		}
		nullable := x["nullable"] == true
		delete(x, "nullable")
		for name, sub := range x {
			switch typ, ok := sub.(string); {
			case name == "properties" || name == "enum" || name == "default" || name == "example" || name == "const":
			case name == "type" && ok:
				if x[name] = strings.ToLower(typ); nullable && typ != "null" {
					x[name] = []any{strings.ToLower(typ), "null"}
				}
			case strings.HasPrefix(name, "min") || strings.HasPrefix(name, "max"):
				if n, err := strconv.ParseFloat(typ, 64); ok && err == nil {
					x[name] = n
				}
			default:
				x[name] = spellSchema(sub)
			}
		}
	}
	return x
}
