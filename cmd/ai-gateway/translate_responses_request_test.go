package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// responsesInventory reads a request for Responses.
func responsesInventory(body json.RawMessage) *inventory {
	v := &inventory{params: map[string]string{}}
	var r run
	if s := str(body, "instructions"); s != "" {
		r.rest = append(r.rest, item{kind: "system", text: s})
	}
	if s := str(body, "input"); s != "" {
		v.flush(&r)
		r.rest = append(r.rest, item{kind: "user", text: s})
	}
	side, begun := "", false
	for _, it := range list(body, "input") {
		v.responsesItem(&r, it, &side, &begun)
	}
	v.flush(&r)
	for _, t := range list(body, "tools") {
		v.responsesTool("", t)
	}
	v.responsesParams(body)
	return v
}

func (v *inventory) responsesItem(r *run, it json.RawMessage, side *string, begun *bool) {
	typ, role := str(it, "type"), str(it, "role")
	now := "user"
	if role == "assistant" || typ == "reasoning" || typ == "function_call" || typ == "custom_tool_call" || strings.HasSuffix(typ, "_call") {
		now = "assistant"
	}
	if !*begun && (role == "system" || role == "developer") && typ != "additional_tools" {
		v.responsesContent(r, get(it, "content"), "system")
		return
	}
	if now != *side {
		v.flush(r)
	}
	*begun, *side = true, now
	name := str(it, "name")
	if ns := str(it, "namespace"); ns != "" {
		name = ns + "__" + name
	}
	switch typ {
	case "", "message":
		kind := role
		if role == "developer" {
			kind = "system"
		}
		v.responsesContent(r, get(it, "content"), kind)
	case "reasoning":
		var t told
		t.responsesItem(it)
		sealed := str(it, "encrypted_content")
		if t.Reasoning != "" || sealed != "" {
			r.thoughts = append(r.thoughts, item{"thinking", t.Reasoning + "#" + sealed, "messages.thinking"})
		}
	case "function_call":
		r.calls = append(r.calls, item{kind: "call", text: v.call(str(it, "call_id")) + " " + name + " " + plainArgs(str(it, "arguments"))})
	case "custom_tool_call":
		q, _ := json.Marshal(str(it, "input"))
		r.calls = append(r.calls, item{kind: "call", text: v.call(str(it, "call_id")) + " " + name + ` {"input":` + string(q) + `}`})
	case "function_call_output", "custom_tool_call_output":
		var sub run
		v.responsesContent(&sub, get(it, "output"), "user")
		for _, m := range sub.rest {
			if m.kind == "image" || m.kind == "file" {
				r.media = append(r.media, m)
			}
		}
		r.results = append(r.results, v.result(str(it, "call_id"), textOf(sub.rest)))
	default:
		r.rest = append(r.rest, item{"vendor", typ, "messages." + typ})
	}
}

func (v *inventory) responsesContent(r *run, content json.RawMessage, kind string) {
	var s string
	if json.Unmarshal(content, &s) == nil {
		r.rest = append(r.rest, textItem(kind, s))
		return
	}
	for _, p := range list(content) {
		v.mark(p)
		switch str(p, "type") {
		case "input_image":
			if d := str(p, "detail"); d != "" && d != "auto" {
				v.detail = true
			}
			r.rest = append(r.rest, item{kind: "image", text: located(str(p, "image_url")) + str(p, "file_id")})
		case "input_file":
			data := str(p, "file_data")
			if strings.HasPrefix(data, "data:text/") {
				_, b64, _ := strings.Cut(data, "base64,")
				b, _ := base64.StdEncoding.DecodeString(b64)
				r.rest = append(r.rest, item{kind: kind, text: str(p, "filename") + string(b)})
				continue
			}
			r.rest = append(r.rest, item{kind: "file", text: located(data) + str(p, "file_url") + str(p, "file_id")})
		default:
			v.cites = v.cites || len(list(p, "annotations")) > 0
			r.rest = append(r.rest, textItem(kind, str(p, "text")+str(p, "refusal")))
		}
	}
}

func (v *inventory) responsesTool(space string, t json.RawMessage) {
	name := str(t, "name")
	if space != "" {
		name = space + "__" + name
	}
	switch str(t, "type") {
	case "function":
		v.odd("tools.", t, "type", "name", "description", "parameters", "strict")
		if string(get(t, "strict")) == "true" {
			v.strict++
		}
		v.tools = append(v.tools, item{kind: "tool", text: name + "|" + str(t, "description") + "|" + emptySchema(schemaOf(get(t, "parameters")))})
	case "namespace":
		for _, inner := range list(t, "tools") {
			v.responsesTool(name, inner)
		}
	case "custom":
		if kind := str(t, "format", "type"); kind != "" && kind != "text" {
			if v.unknown == nil {
				v.unknown = map[string]bool{}
			}
			v.unknown["tools.format"] = true
		}
		v.tools = append(v.tools, item{kind: "tool", text: name + "|" + str(t, "description") + "|" + freeInput})
	default:
		v.tools = append(v.tools, item{"vendor", str(t, "type"), "tools." + str(t, "type")})
	}
}

// emptySchema is the schema of no arguments in one spelling: this format wants its properties.
func emptySchema(s string) string {
	if s == `{"type":"object","properties":{}}` {
		return `{"type":"object"}`
	}
	return s
}

func (v *inventory) responsesParams(body json.RawMessage) {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(body, &m)
	for name, raw := range m {
		if string(raw) == "null" {
			continue
		}
		switch name {
		case "input", "instructions", "tools", "model", "provider", "store", "include":
		case "max_output_tokens":
			v.params["max_tokens"] = string(raw)
		case "temperature", "top_p":
			v.params[name] = number(raw)
		case "tool_choice":
			v.params[name] = responsesChoice(raw)
		case "reasoning":
			v.params["reasoning"] = string(compact(raw))
		case "text":
			if f := get(raw, "format"); f != nil {
				v.params["format"] = str(f, "type")
				if s := get(f, "schema"); s != nil {
					v.params["format"] = string(compact(s))
				}
			}
			if s := get(raw, "verbosity"); s != nil {
				v.params["verbosity"] = string(s)
			}
		default:
			v.params[name] = string(compact(raw))
		}
	}
}

func responsesChoice(raw json.RawMessage) string {
	switch {
	case str(raw) != "":
		return str(raw)
	case get(raw, "tools") != nil:
		return str(raw, "mode")
	}
	return "named " + str(raw, "name")
}

// responsesRequests are the recorded requests of this format, those of the real client among them.
func responsesRequests(t *testing.T) (out []*recording) {
	for _, r := range recordings(t, "openai_responses") {
		if len(r.Request.Body) > 0 && get(r.Request.Body, "model") != nil {
			out = append(out, r)
		}
	}
	for _, c := range clientCaptures(t) {
		if strings.HasSuffix(c.path, "/responses") {
			r := &recording{ID: c.name, Provider: "client", Endpoint: "openai_responses"}
			r.Request.Body = c.body
			out = append(out, r)
		}
	}
	return out
}

// toResponses are models that OpenAI serves in Responses alone.
var toResponses = destination{"openai", "to-responses", "gpt-5-codex"}

func responsesDestinations(t *testing.T, url string) string {
	file := destinationConfig(t, url)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = fmt.Appendf(b, "  - {provider: openai, account_name: to-responses, api_key: sk-replayed-secret, base_url: \"%s/v1\", models: [\"*\"]}\n", url)
	file = filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestTranslatedResponsesRequests sends every recorded Responses request to the
// two other formats, and every request of those to Responses: what arrives passes
// the checks of its format, decodes with the vendor's own types, and loses nothing
// but what the answer's header names.
func TestTranslatedResponsesRequests(t *testing.T) {
	up := startStage(t)
	g := serve(t, "", nil, "--config", responsesDestinations(t, up.url))
	key := g.newKey(`{"name":"requests"}`)
	score, judge := newScoreboard(), newJudge(t)
	type job struct {
		r *recording
		d destination
	}
	var jobs []job
	for _, r := range responsesRequests(t) {
		for _, d := range append(slices.Clone(toMessages), destination{"custom", "to-custom", "local"}, destination{"mistral", "to-mistral", "mistral-large-latest"}) {
			jobs = append(jobs, job{r, d})
		}
	}
	for _, r := range requests(t) {
		jobs = append(jobs, job{r, toResponses})
	}
	inParallel(len(jobs), func(i int) {
		r, d := jobs[i].r, jobs[i].d
		row := r.Provider + " " + strings.TrimPrefix(r.Endpoint, "openai_") + " to " + d.account
		sc := &scene{}
		got, err := play(g, up, key, routeOf[r.Endpoint], asOther(r, d), sc)
		if err == nil && got.status == 400 && sc.got == nil {
			if reason := refusedFor(got.body); reason != "" {
				score.refuse(row, reason+"  "+r.ID)
				return
			}
		}
		if err == nil {
			err = judgeResponsesRequest(r, d, got, sc)
		}
		if err != nil && r.Response.Status == 400 {
			score.refuse(row, "its own vendor answered it with 400  "+r.ID)
			return
		}
		if err == nil && d != toResponses && d.vendor != "anthropic" {
			score.add(row, r.ID, nil)
			return
		}
		if err == nil {
			judge.add(row, r.ID+" to "+d.model, map[bool]string{true: "responses", false: "anthropic"}[d == toResponses], sc.got)
			return
		}
		score.add(row, r.ID+" to "+d.model, err)
	})
	judge.run(t, score)
	score.print(t, "recorded requests to and from Responses", 1200)
}

func judgeResponsesRequest(r *recording, d destination, got answered, sc *scene) error {
	if got.status != 200 || sc.got == nil {
		return fmt.Errorf("status %d: %.300s", got.status, got.body)
	}
	dropped := droppedBy(got)
	var want *inventory
	switch r.Endpoint {
	case "openai_responses":
		want = responsesInventory(r.Request.Body)
	case "openai_chat":
		want = chatInventory(r.Request.Body)
	default:
		want = messagesInventory(r.Request.Body)
	}
	for i := range want.tools {
		want.tools[i].text = strings.Replace(want.tools[i].text, `|{"type":"object","properties":{}}`, `|{"type":"object"}`, 1)
	}
	if slices.Contains(dropped, "messages.redacted_thinking") {
		dropped = append(dropped, "messages.thinking")
	}
	for _, name := range dropped {
		if strings.HasPrefix(name, "reasoning.") {
			dropped = append(dropped, "reasoning")
		}
	}
	if allowed := get(r.Request.Body, "tool_choice", "tools"); allowed != nil && d != toResponses { // the others are not sent
		want.tools = slices.DeleteFunc(want.tools, func(it item) bool {
			name, _, _ := strings.Cut(it.text, "|")
			return !strings.Contains(string(allowed), `"`+name+`"`)
		})
		dropped = append(dropped, "tools.strict") // of those
	}
	switch {
	case d == toResponses:
		delete(want.unknown, "tools.format")
		for i := range want.turns {
			if it := &want.turns[i]; it.kind == "redacted" {
				it.kind, it.text = "thinking", "#"+it.text
			}
		}
		if !strings.HasSuffix(sc.path, "/responses") {
			return fmt.Errorf("it went to %s", sc.path)
		}
		return responsesInventory(sc.got).missing(want, dropped, true)
	case d.vendor == "anthropic":
		if err := strictMessages(sc.got); err != nil {
			return fmt.Errorf("refused by the upstream: %w", err)
		}
		return simpler(messagesInventory(sc.got)).missing(want, dropped, false)
	}
	if err := strictChat(sc.got, d.vendor); err != nil {
		return fmt.Errorf("refused by the upstream: %w", err)
	}
	return simpler(chatInventory(sc.got)).missing(want, dropped, true)
}

func simpler(v *inventory) *inventory {
	for i := range v.tools {
		v.tools[i].text = strings.Replace(v.tools[i].text, `|{"type":"object","properties":{}}`, `|{"type":"object"}`, 1)
	}
	return v
}
