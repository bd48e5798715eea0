package main_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Parameters are kept under neutral names, their values spelt in one way; members
// without a neutral name under their own.

func (v *inventory) chatParams(body json.RawMessage) {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(body, &m)
	for name, raw := range m {
		if string(raw) == "null" {
			continue
		}
		switch name {
		case "messages", "tools", "model", "provider", "stream_options":
		case "max_tokens", "max_completion_tokens":
			v.params["max_tokens"] = string(raw)
		case "temperature", "top_p":
			v.params[name] = number(raw)
		case "stop":
			if s := str(raw); s != "" {
				raw, _ = json.Marshal([]string{s})
			}
			v.params["stop"] = string(compact(raw))
		case "tool_choice":
			v.params["tool_choice"] = chatChoice(raw)
		case "reasoning_effort", "reasoning", "thinking", "enable_thinking":
			v.params["reasoning"] += string(compact(raw))
		case "response_format":
			v.params["format"] = str(raw, "type")
			if s := get(raw, "json_schema", "schema"); s != nil {
				v.params["format"] = string(compact(s))
			}
		default:
			v.params[name] = string(compact(raw))
		}
	}
}

func (v *inventory) messagesParams(body json.RawMessage) {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(body, &m)
	for name, raw := range m {
		if string(raw) == "null" {
			continue
		}
		switch name {
		case "messages", "tools", "model", "provider", "system":
		case "temperature", "top_p":
			v.params[name] = number(raw)
		case "stop_sequences":
			v.params["stop"] = string(compact(raw))
		case "tool_choice":
			v.params["tool_choice"] = map[string]string{"auto": "auto", "any": "required", "none": "none", "tool": "named " + str(raw, "name")}[str(raw, "type")]
			if string(get(raw, "disable_parallel_tool_use")) == "true" {
				v.params["parallel_tool_calls"] = "false"
			}
		case "thinking":
			v.params["reasoning"] += string(compact(raw))
		case "output_config":
			if e := str(raw, "effort"); e != "" {
				v.params["reasoning"] += e
			}
			if s := get(raw, "format", "schema"); s != nil {
				v.params["format"] = string(compact(s))
			}
		case "metadata":
			v.params["user"] = string(get(raw, "user_id"))
		case "cache_control":
			v.marks++
		default:
			v.params[name] = string(compact(raw))
		}
	}
}

func number(raw json.RawMessage) string {
	var f float64
	_ = json.Unmarshal(raw, &f)
	return fmt.Sprint(f)
}

func chatChoice(raw json.RawMessage) string {
	switch s := str(raw); {
	case s == "any":
		return "required"
	case s != "":
		return s
	case str(raw, "type") == "allowed_tools":
		return str(raw, "allowed_tools", "mode")
	}
	return "named " + str(raw, "function", "name")
}

// inertParam reports whether a value says nothing, so that it may be left out unsaid.
func inertParam(name, v string) bool {
	switch name + " " + v {
	case "stream false", "n 1", "format text", "parallel_tool_calls true", "tool_choice auto", "temperature 1", "top_p 1", "tool_choice none":
		return true
	}
	return slices.Contains([]string{"0", "0.0", "false", "null", `""`, "[]", "{}"}, v)
}

// lostAs are the names under which a parameter may be reported as not sent.
var lostAs = map[string][]string{
	"reasoning": {"reasoning_effort", "reasoning", "thinking"}, "format": {"response_format"}, "stop": {"stop"},
	"user": {"user", "metadata"}, "max_tokens": {"max_tokens"},
}

// missing compares what an upstream got with what the caller sent: everything in
// want is in v, but for what dropped names; nothing else is.
func (v *inventory) missing(want *inventory, dropped []string, toChat bool) error {
	has := func(name string) bool { return slices.Contains(dropped, name) }
	if err := sameItems("turns", v.turns, want.turns, has); err != nil {
		return err
	}
	if err := sameItems("tools", v.tools, want.tools, has); err != nil {
		return err
	}
	for _, c := range []struct {
		what      string
		got, want int
		lost      string
	}{
		{"cache marks", v.marks, want.marks, "cache_control"}, {"strict tools", v.strict, want.strict, "tools.strict"},
		{"failed results", v.failed, want.failed, "messages.is_error"},
	} {
		if c.got != c.want && !has(c.lost) {
			return fmt.Errorf("%d %s, sent %d", c.got, c.what, c.want)
		}
	}
	for name := range want.unknown {
		if !has(name) {
			return fmt.Errorf("%s is lost unsaid", name)
		}
	}
	switch {
	case want.names && !v.names && !has("messages.name"):
		return fmt.Errorf("a speaker's name is lost unsaid")
	case want.cites && !v.cites && !has("messages.citations"):
		return fmt.Errorf("citations are lost unsaid")
	case want.detail && !v.detail && !has("image_url.detail"):
		return fmt.Errorf("an image's detail is lost unsaid")
	}
	return v.missingParams(want, has, toChat)
}

func (v *inventory) missingParams(want *inventory, has func(string) bool, toChat bool) error {
	for name, w := range want.params {
		got, ok := v.params[name]
		lost := slices.ContainsFunc(append([]string{name}, lostAs[name]...), has)
		switch {
		case ok && (got == w || name == "reasoning" || name == "service_tier"):
		case name == "format" && strings.HasPrefix(got, "{") && openSchema(got) == openSchema(w): // closed, for Claude
		case lost, !ok && inertParam(name, w):
		case name == "reasoning" && !ok && (!toChat && w == `"none"` || strings.Contains(w, `"effort":"none"`) || strings.Contains(w, "disabled")): // what it does anyway
		case name == "tool_choice" && len(v.tools) == 0:
		default:
			return fmt.Errorf("%s is %q, sent %q, and not reported", name, got, w)
		}
	}
	for name, got := range v.params {
		if _, ok := want.params[name]; !ok && !inertParam(name, got) && (toChat || name != "max_tokens") {
			return fmt.Errorf("%s %s was not sent by the caller", name, got)
		}
	}
	return nil
}

// sameItems compares lists, without what is reported as dropped. A conversation
// of nothing but system text is sent as a user turn; the demand for JSON is added
// where a format has no member for it.
func sameItems(what string, got, want []item, has func(string) bool) error {
	var w []item
	for _, it := range want {
		if it.lost != "" && has(it.lost) {
			continue
		}
		if it.kind == "thinking" && has("messages.signature") {
			it.text, _, _ = strings.Cut(it.text, "#")
			it.text += "#"
		}
		if n := len(w); n > 0 && w[n-1].kind == it.kind && (it.kind == "user" || it.kind == "assistant" || it.kind == "system") {
			w[n-1].text += it.text
			continue
		}
		w = append(w, item{kind: it.kind, text: it.text})
	}
	var g []item
	for _, it := range got {
		if it.kind == "system" && has("response_format") {
			if it.text = strings.TrimSuffix(it.text, bareText("Answer with one valid JSON object and nothing else.")); it.text == "" {
				continue
			}
		}
		g = append(g, item{kind: it.kind, text: it.text})
	}
	if len(w) == 1 && w[0].kind == "system" && len(g) == 1 && g[0].kind == "user" {
		g[0].kind = "system"
	}
	if len(g) > 0 && len(w) > 0 && g[0] == (item{kind: "user", text: "Begin."}) && w[0].kind != "user" {
		g = g[1:] // what goes before a conversation that starts with the assistant
	}
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			return fmt.Errorf("%s: %.300q is lost unsaid", what, w[i])
		case i >= len(w):
			return fmt.Errorf("%s: %.300q was not sent by the caller", what, g[i])
		case g[i] != w[i]:
			return fmt.Errorf("%s: item %d is %.300q, sent %.300q", what, i, g[i], w[i])
		}
	}
	return nil
}
