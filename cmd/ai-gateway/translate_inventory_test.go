package main_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// An inventory is what a request says, in no format: two requests that mean the
// same have the same one. It is made from plain maps, apart from the gateway's code.
type inventory struct {
	turns  []item
	tools  []item
	params map[string]string
	marks  int // cache marks
	strict int // tools that ask for strict arguments
	failed int // tool results marked as errors
	calls  map[string]int
	names  bool // a message names its speaker
	cites  bool // a text has citations
	detail bool // an image has a detail other than auto

	unknown map[string]bool // members nobody else has, by the names they are reported under
}

// odd notes the members of a message, a part or a tool that the other format has no place for.
func (v *inventory) odd(where string, raw json.RawMessage, known ...string) {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(raw, &m)
	for name, value := range m {
		inert := inertParam("", string(compact(value))) || str(value, "type") == "direct" || string(get(value, "enabled")) == "false"
		if !inert && !slices.Contains(known, name) {
			if v.unknown == nil {
				v.unknown = map[string]bool{}
			}
			v.unknown[where+name] = true
		}
	}
}

// An item is one thing said. Texts that follow each other are one. lost is the
// name under which the gateway reports that it could not send it, if it may.
type item struct{ kind, text, lost string }

// bareText is a text without its white space, which joining and parting texts changes.
func bareText(s string) string { return strings.Join(strings.Fields(s), "") }

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b))[:16] }

// located names an image or a file by the digest of its bytes, or by its address.
func located(url string) string {
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		_, data, _ := strings.Cut(rest, "base64,")
		if b, err := base64.StdEncoding.DecodeString(data); err == nil {
			return digest(b)
		}
	}
	return url
}

func (v *inventory) call(id string) string {
	if v.calls == nil {
		v.calls = map[string]int{}
	}
	if _, ok := v.calls[id]; !ok {
		v.calls[id] = len(v.calls) + 1
	}
	return fmt.Sprint(v.calls[id])
}

// result is what a tool returned; of pictures alone chat completions say where they are.
func (v *inventory) result(id, text string) item {
	return item{kind: "result", text: v.call(id) + " " + bareText(strings.TrimSuffix(text, "The result follows in the next message."))}
}

func (v *inventory) mark(raw json.RawMessage) {
	for _, name := range []string{"cache_control", "prompt_cache_breakpoint"} {
		if get(raw, name) != nil {
			v.marks++
		}
	}
}

// A run is what one side says until the other speaks: results of tools first,
// then what is shown and said; of a model its thinking and words, then its calls.
type run struct{ results, media, thoughts, rest, calls []item }

func (v *inventory) flush(r *run) {
	for _, l := range [][]item{r.results, r.media, r.thoughts, r.rest, r.calls} {
		for _, it := range l {
			v.say(it)
		}
	}
	*r = run{}
}

// say adds an item, joined to the one before where both are text of one side.
func (v *inventory) say(it item) {
	if it.kind == "user" || it.kind == "assistant" || it.kind == "system" || it.kind == "thinking" {
		if it.text = bareText(it.text); it.text == "" {
			return
		}
		if n := len(v.turns); n > 0 && v.turns[n-1].kind == it.kind {
			v.turns[n-1].text += it.text
			return
		}
	}
	v.turns = append(v.turns, it)
}

// schemaOf is the schema of a tool's arguments as Anthropic's format demands it, keys as they came.
func schemaOf(raw json.RawMessage) string {
	s := string(compact(raw))
	switch {
	case raw == nil || s == "{}":
		return `{"type":"object"}`
	case get(raw, "type") == nil:
		return `{"type":"object",` + s[1:]
	}
	return s
}

// chatInventory reads a request for chat completions.
func chatInventory(body json.RawMessage) *inventory {
	v := &inventory{params: map[string]string{}}
	var r run
	side, begun := "", false
	for _, m := range list(body, "messages") {
		role := str(m, "role")
		v.mark(m)
		v.odd("messages.", m, "role", "content", "name", "tool_call_id", "tool_calls", "refusal", "cache_control", "reasoning_content", "reasoning", "reasoning_details", "prefix", "audio")
		v.names = v.names || str(m, "name") != "" && role != "tool"
		now := "user"
		if role == "assistant" {
			now = "assistant"
		}
		if !begun && (role == "system" || role == "developer") {
			v.chatContent(&r, m, "system")
			continue
		}
		if now != side {
			v.flush(&r)
		}
		begun, side = true, now
		switch role {
		case "system", "developer":
			v.chatContent(&r, m, "system")
		case "tool", "function":
			var sub run
			v.chatContent(&sub, m, "user")
			text := ""
			for _, it := range sub.rest {
				if it.kind == "image" || it.kind == "file" {
					r.media = append(r.media, it)
					continue
				}
				text += it.text
			}
			r.results = append(r.results, v.result(str(m, "tool_call_id"), text))
		case "assistant":
			r.thoughts = append(r.thoughts, chatThoughts(m)...)
			v.chatContent(&r, m, "assistant")
			if s := str(m, "refusal"); s != "" {
				r.rest = append(r.rest, item{kind: "assistant", text: s})
			}
			for _, c := range list(m, "tool_calls") {
				v.mark(c)
				v.odd("messages.", c, "id", "type", "function", "index", "cache_control", "extra_content", "custom")
				name, args := chatCall(c)
				r.calls = append(r.calls, item{kind: "call", text: v.call(str(c, "id")) + " " + name + " " + plainArgs(args)})
			}
		default:
			v.chatContent(&r, m, "user")
		}
	}
	v.flush(&r)
	v.chatTools(body)
	v.chatParams(body)
	return v
}

func (v *inventory) chatContent(r *run, m json.RawMessage, kind string) {
	if s := str(m, "content"); s != "" {
		r.rest = append(r.rest, textItem(kind, s))
		return
	}
	for _, p := range list(m, "content") {
		v.mark(p)
		switch str(p, "type") {
		case "image_url":
			url := str(p, "image_url", "url")
			if url == "" {
				url = str(p, "image_url")
			}
			if d := str(p, "image_url", "detail"); d != "" && d != "auto" {
				v.detail = true
			}
			r.rest = append(r.rest, item{kind: "image", text: located(url)})
		case "input_audio":
			r.rest = append(r.rest, item{kind: "audio", text: str(p, "input_audio", "data")})
		case "file":
			data := str(p, "file", "file_data")
			if strings.HasPrefix(data, "data:text/") {
				_, b64, _ := strings.Cut(data, "base64,")
				b, _ := base64.StdEncoding.DecodeString(b64)
				r.rest = append(r.rest, item{kind: kind, text: str(p, "file", "filename") + string(b)})
				continue
			}
			r.rest = append(r.rest, item{kind: "file", text: located(data) + str(p, "file", "file_id")})
		case "thinking":
			var t told
			t.chatContent(json.RawMessage("[" + string(p) + "]"))
			r.thoughts = append(r.thoughts, item{"thinking", t.Reasoning, "messages.thinking"})
		case "text", "refusal":
			r.rest = append(r.rest, textItem(kind, str(p, "text")+str(p, "refusal")))
		case "document_url":
			r.rest = append(r.rest, item{kind: "file", text: located(str(p, "document_url"))})
		case "file_url":
			r.rest = append(r.rest, item{kind: "file", text: str(p, "file_url", "url")})
		default:
			r.rest = append(r.rest, item{"vendor", str(p, "type"), "messages." + str(p, "type")})
		}
	}
}

// textItem tells a system text marked within a user turn from what the user says.
func textItem(kind, s string) item {
	if inner, ok := strings.CutPrefix(s, "<system>\n"); ok && kind == "user" {
		return item{kind: "system", text: strings.TrimSuffix(inner, "\n</system>")}
	}
	return item{kind: kind, text: s}
}

// freeInput is the schema that stands for free-form input.
const freeInput = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// chatThoughts reads an assistant's thinking: items with their proofs, or plain text.
func chatThoughts(m json.RawMessage) (out []item) {
	for _, d := range list(m, "reasoning_details") {
		if s := str(d, "text") + str(d, "summary") + "#" + str(d, "signature"); s != "#" {
			out = append(out, item{"thinking", s, "messages.thinking"})
		}
		if s := str(d, "data"); s != "" {
			out = append(out, item{"redacted", s, "messages.thinking"})
		}
	}
	if s := chatReasoning(m); s != "" && len(out) == 0 {
		out = append(out, item{"thinking", s + "#", "messages.thinking"})
	}
	return out
}

func (v *inventory) chatTools(body json.RawMessage) {
	for _, t := range list(body, "tools") {
		v.mark(t)
		f := get(t, "function")
		if typ := str(t, "type"); typ == "function" || typ == "" {
			v.odd("tools.", t, "type", "function", "cache_control")
			v.odd("tools.", f, "name", "description", "parameters", "strict")
		}
		switch typ := str(t, "type"); {
		case typ == "custom": // free-form: a tool of one text where the format has none
			if kind := str(t, "custom", "format", "type"); kind != "" && kind != "text" {
				v.unknown = map[string]bool{"tools.format": true}
			}
			v.tools = append(v.tools, item{kind: "tool", text: str(t, "custom", "name") + "|" + str(t, "custom", "description") + "|" + freeInput})
			continue
		case typ != "function" && typ != "":
			v.tools = append(v.tools, item{"vendor", typ, "tools." + typ})
			continue
		case string(get(f, "strict")) == "true":
			v.strict++
		}
		v.tools = append(v.tools, item{kind: "tool", text: str(f, "name") + "|" + str(f, "description") + "|" + schemaOf(get(f, "parameters"))})
	}
}

// messagesInventory reads a request of Anthropic's format.
func messagesInventory(body json.RawMessage) *inventory {
	v := &inventory{params: map[string]string{}}
	var r run
	v.messagesContent(&r, get(body, "system"), "system")
	side := ""
	for _, m := range list(body, "messages") {
		role := str(m, "role")
		now := "user"
		if role == "assistant" {
			now = "assistant"
		}
		if now != side {
			v.flush(&r)
		}
		side = now
		v.messagesContent(&r, get(m, "content"), role)
	}
	v.flush(&r)
	for _, t := range list(body, "tools") {
		v.mark(t)
		if typ := str(t, "type"); typ == "" || typ == "custom" {
			v.odd("tools.", t, "type", "name", "description", "input_schema", "strict", "cache_control")
		} else {
			v.tools = append(v.tools, item{"vendor", typ, "tools." + typ})
			continue
		}
		if string(get(t, "strict")) == "true" {
			v.strict++
		}
		v.tools = append(v.tools, item{kind: "tool", text: str(t, "name") + "|" + str(t, "description") + "|" + schemaOf(get(t, "input_schema"))})
	}
	v.messagesParams(body)
	return v
}

func (v *inventory) messagesContent(r *run, content json.RawMessage, kind string) {
	var s string
	if json.Unmarshal(content, &s) == nil {
		r.rest = append(r.rest, textItem(kind, s))
		return
	}
	for _, b := range list(content) {
		v.mark(b)
		switch typ := str(b, "type"); typ {
		case "text", "image", "document", "tool_use", "tool_result":
			v.odd("messages.", b, "type", "text", "source", "title", "id", "name", "input", "tool_use_id", "content", "is_error", "cache_control")
		}
		switch typ := str(b, "type"); typ {
		case "text":
			v.cites = v.cites || len(list(b, "citations")) > 0
			r.rest = append(r.rest, textItem(kind, str(b, "text")))
		case "thinking":
			r.thoughts = append(r.thoughts, item{"thinking", str(b, "thinking") + "#" + str(b, "signature"), "messages.thinking"})
		case "redacted_thinking":
			r.thoughts = append(r.thoughts, item{"redacted", str(b, "data"), "messages.redacted_thinking"})
		case "image", "document":
			r.rest = append(r.rest, v.media(b, kind)...)
		case "search_result":
			var sub run
			v.messagesContent(&sub, get(b, "content"), kind)
			r.rest = append(r.rest, item{kind: kind, text: str(b, "title") + str(b, "source") + textOf(sub.rest)})
		case "tool_use":
			r.calls = append(r.calls, item{kind: "call", text: v.call(str(b, "id")) + " " + str(b, "name") + " " + plainArgs(string(get(b, "input")))})
		case "tool_result":
			if string(get(b, "is_error")) == "true" {
				v.failed++
			}
			var sub run
			v.messagesContent(&sub, get(b, "content"), "user")
			for _, it := range sub.rest {
				if it.kind == "image" || it.kind == "file" || it.kind == "vendor" {
					r.media = append(r.media, it)
				}
			}
			r.results = append(r.results, v.result(str(b, "tool_use_id"), textOf(sub.rest)))
		default:
			r.rest = append(r.rest, item{"vendor", typ, "messages." + typ})
		}
	}
}

func textOf(l []item) string {
	out := ""
	for _, it := range l {
		if it.kind == "user" || it.kind == "assistant" || it.kind == "system" {
			out += it.text
		}
	}
	return out
}

// media reads an image or a document.
func (v *inventory) media(b json.RawMessage, kind string) []item {
	v.cites = v.cites || string(get(b, "citations", "enabled")) == "true"
	what := map[string]string{"image": "image", "document": "file"}[str(b, "type")]
	switch src := get(b, "source"); str(src, "type") {
	case "base64":
		return []item{{kind: what, text: located("data:;base64," + str(src, "data"))}}
	case "url":
		return []item{{kind: what, text: str(src, "url")}}
	case "text":
		return []item{{kind: kind, text: str(b, "title") + str(src, "data")}}
	case "content":
		var sub run
		v.messagesContent(&sub, get(src, "content"), kind)
		return []item{{kind: kind, text: str(b, "title") + textOf(sub.rest)}}
	default:
		return []item{{kind: what, text: str(src, "file_id")}}
	}
}
