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

// toConverse are models of Bedrock that want thinking, sampling and caching said in different ways.
var toConverse = []destination{
	{"bedrock", "to-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
	{"bedrock", "to-bedrock", "us.anthropic.claude-opus-4-8-v1:0"},
	{"bedrock", "to-bedrock", "us.amazon.nova-2-lite-v1:0"},
	{"bedrock", "to-bedrock", "openai.gpt-oss-120b-1:0"},
	{"bedrock", "to-bedrock", "meta.llama4-maverick-17b-instruct-v1:0"},
}

// converseInventory reads a request of Converse.
func converseInventory(body json.RawMessage) *inventory {
	v := &inventory{params: map[string]string{}}
	var r run
	v.converseContent(&r, list(body, "system"), "system")
	for _, m := range list(body, "messages") { // roles alternate
		v.flush(&r)
		v.converseContent(&r, list(m, "content"), str(m, "role"))
	}
	v.flush(&r)
	for _, t := range list(body, "toolConfig", "tools") {
		if get(t, "cachePoint") != nil {
			v.marks++
			continue
		}
		spec := get(t, "toolSpec")
		if string(get(spec, "strict")) == "true" {
			v.strict++
		}
		v.tools = append(v.tools, item{kind: "tool", text: str(spec, "name") + "|" + str(spec, "description") + "|" + string(compact(get(spec, "inputSchema", "json")))})
	}
	v.converseParams(body)
	return v
}

func (v *inventory) converseContent(r *run, content []json.RawMessage, kind string) {
	for _, b := range content {
		switch {
		case get(b, "cachePoint") != nil:
			v.marks++
		case strings.HasPrefix(str(b, "text"), "Attached: "): // what stands beside a document that came alone
		case get(b, "text") != nil:
			r.rest = append(r.rest, textItem(kind, str(b, "text")))
		case get(b, "reasoningContent") != nil:
			t := get(b, "reasoningContent", "reasoningText")
			r.thoughts = append(r.thoughts, item{"thinking", str(t, "text") + "#" + str(t, "signature"), "messages.thinking"})
		case get(b, "image") != nil:
			r.rest = append(r.rest, item{kind: "image", text: located("data:;base64," + str(b, "image", "source", "bytes"))})
		case str(b, "document", "format") == "txt":
			v.cites = v.cites || string(get(b, "document", "citations", "enabled")) == "true"
			text, _ := base64.StdEncoding.DecodeString(str(b, "document", "source", "bytes"))
			r.rest = append(r.rest, item{kind: kind, text: str(b, "document", "name") + ".txt" + string(text)})
		case get(b, "document") != nil:
			v.cites = v.cites || string(get(b, "document", "citations", "enabled")) == "true"
			r.rest = append(r.rest, item{kind: "file", text: located("data:;base64," + str(b, "document", "source", "bytes"))})
		case get(b, "audio") != nil:
			r.rest = append(r.rest, item{kind: "audio", text: str(b, "audio", "source", "bytes")})
		case get(b, "toolUse") != nil:
			c := get(b, "toolUse")
			r.calls = append(r.calls, item{kind: "call", text: v.call(str(c, "toolUseId")) + " " + str(c, "name") + " " + plainArgs(string(get(c, "input")))})
		case get(b, "toolResult") != nil:
			res := get(b, "toolResult")
			if str(res, "status") == "error" {
				v.failed++
			}
			var sub run
			v.converseContent(&sub, list(res, "content"), "user")
			for _, it := range sub.rest {
				if it.kind == "image" || it.kind == "file" {
					r.media = append(r.media, it)
				}
			}
			r.results = append(r.results, v.result(str(res, "toolUseId"), textOf(sub.rest)))
		default:
			r.rest = append(r.rest, item{"unknown", string(b), ""})
		}
	}
}

func (v *inventory) converseParams(body json.RawMessage) {
	set := func(name string, raw json.RawMessage) {
		if raw != nil {
			v.params[name] = string(compact(raw))
		}
	}
	inf, fields := get(body, "inferenceConfig"), get(body, "additionalModelRequestFields")
	set("max_tokens", get(inf, "maxTokens"))
	set("stop", get(inf, "stopSequences"))
	for name, in := range map[string]string{"temperature": "temperature", "top_p": "topP"} {
		if raw := get(inf, in); raw != nil {
			v.params[name] = number(raw)
		}
	}
	set("top_k", get(fields, "top_k"))
	set("top_k", get(fields, "inferenceConfig", "topK"))
	for _, name := range []string{"thinking", "reasoningConfig", "reasoning_effort"} {
		if raw := get(fields, name); raw != nil {
			v.params["reasoning"] += string(compact(raw))
		}
	}
	v.params["reasoning"] += str(body, "outputConfig", "effort")
	if v.params["reasoning"] == "" {
		delete(v.params, "reasoning")
	}
	if s := str(body, "outputConfig", "textFormat", "structure", "jsonSchema", "schema"); s != "" {
		v.params["format"] = string(compact([]byte(s)))
	}
	set("service_tier", get(body, "serviceTier", "type"))
	switch c := get(body, "toolConfig", "toolChoice"); {
	case get(c, "any") != nil:
		v.params["tool_choice"] = "required"
	case get(c, "tool") != nil:
		v.params["tool_choice"] = "named " + str(c, "tool", "name")
	}
}

// asConverse brings what a caller of another format has said into the terms of
// this one: plain-text documents are files here, and tools that the conversation
// used are defined.
func (v *inventory) asConverse(got *inventory) {
	delete(v.params, "stream") // in the address
	if got.cites {             // documents have the member here too
		delete(v.unknown, "messages.citations")
	}
	if v.params["tool_choice"] == "none" && len(got.tools) == 0 {
		v.tools, v.strict = nil, 0
	}
	if slices.ContainsFunc(v.tools, func(it item) bool { return it.kind == "tool" }) {
		return
	}
	for _, it := range got.tools {
		if name, rest, _ := strings.Cut(it.text, "|"); rest == `|{"type":"object"}` && used(v, name) {
			v.tools = append(v.tools, it)
		}
	}
}

func used(v *inventory, tool string) bool {
	for _, it := range v.turns {
		if it.kind == "call" && strings.Contains(it.text, " "+tool+" ") {
			return true
		}
	}
	return false
}

// TestBedrockRequests sends every recorded request to models of Bedrock. What the
// upstream gets passes strict checks, decodes with AWS's own types, and loses
// nothing but what the answer's header names.
func TestBedrockRequests(t *testing.T) {
	t.Parallel()
	recs := requests(t)
	up := startStage(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf("accounts:\n  - {provider: bedrock, account_name: to-bedrock, api_key: sk-replayed-secret, base_url: %q, models: [\"*\"]}\n", up.url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", []string{"AI_GATEWAY_MEDIA_FETCH=never"}, "--config", file) // nothing of a recording is asked for again
	key := g.newKey(`{"name":"bedrock requests"}`)
	score, judge := newScoreboard(), newJudge(t)
	inParallel(len(recs)*len(toConverse), func(i int) {
		r, d := recs[i/len(toConverse)], toConverse[i%len(toConverse)]
		row, id := r.Provider+" to bedrock", r.ID+" to "+d.model
		sc := &scene{}
		got, err := play(g, up, key, routeOf[r.Endpoint], asOther(r, d), sc)
		if err == nil && got.status == 400 && sc.got == nil {
			if reason := refusedFor(got.body); reason != "" || strings.Contains(got.body, "cannot fetch") {
				score.refuse(row, reason+"  "+r.ID)
				return
			}
		}
		if err == nil && (got.status != 200 || sc.got == nil) {
			err = fmt.Errorf("status %d: %.300s", got.status, got.body)
		}
		if err == nil {
			if err = strictConverse(sc.got); err != nil {
				err = fmt.Errorf("refused by the upstream: %w", err)
			}
		}
		if err == nil {
			have, want := converseInventory(sc.got), chatInventory
			if r.Endpoint == "anthropic_messages" {
				want = messagesInventory
			}
			w := want(r.Request.Body)
			w.asConverse(have)
			err = have.missing(w, droppedBy(got), false)
		}
		if err != nil && r.Response.Status == 400 {
			score.refuse(row, "its own vendor answered it with 400  "+r.ID)
			return
		}
		if err == nil {
			judge.add(row, id, "bedrock", sc.got)
			return
		}
		score.add(row, id, err)
	})
	judge.run(t, score)
	score.print(t, "recorded requests to Bedrock", 2000)
}

// strictConverse refuses what Bedrock's documentation says it refuses.
func strictConverse(body json.RawMessage) error {
	last := ""
	for i, m := range list(body, "messages") {
		role, text, document := str(m, "role"), false, false
		if role == last || i == 0 && role != "user" || role != "user" && role != "assistant" {
			return fmt.Errorf("message %d is the %s's", i, role)
		}
		last = role
		if len(list(m, "content")) == 0 {
			return fmt.Errorf("message %d is empty", i)
		}
		for _, b := range list(m, "content") {
			text = text || get(b, "text") != nil
			document = document || get(b, "document") != nil
			if get(b, "text") != nil && strings.TrimSpace(str(b, "text")) == "" {
				return fmt.Errorf("message %d: a text is blank", i)
			}
			if id := str(b, "toolUse", "toolUseId") + str(b, "toolResult", "toolUseId"); len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
				return fmt.Errorf("message %d: tool use id %q", i, id)
			}
			if (get(b, "toolUse") != nil || get(b, "toolResult") != nil) && len(list(body, "toolConfig", "tools")) == 0 {
				return fmt.Errorf("the toolConfig field must be defined when using toolUse and toolResult content blocks")
			}
			if name := str(b, "document", "name"); strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -()[]") != "" || strings.Contains(name, "  ") {
				return fmt.Errorf("message %d: document name %q", i, name)
			}
			if (get(b, "image") != nil || get(b, "document") != nil) && role != "user" {
				return fmt.Errorf("message %d: media of the %s", i, role)
			}
		}
		if document && !text {
			return fmt.Errorf("message %d: a document without a text", i)
		}
	}
	return nil
}
