package main_test

import (
	be "encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// converseAnswers are the recorded answers of Bedrock's Converse, and those kept
// without their request. A stream's bytes stand in SSE, as the stage sends them.
func converseAnswers(t *testing.T) []*recording {
	t.Helper()
	out := recordings(t, "bedrock_converse", "bedrock_converse_stream")
	files, err := filepath.Glob(filepath.Join(shared(t, "cassettes/fragments/open"), "amazon-bedrock*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r := &recording{}
		if err := json.Unmarshal(b, r); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		r.Response.Status = 200
		for _, c := range list(b, "response", "chunks") {
			var m map[string]json.RawMessage
			_ = json.Unmarshal(c, &m)
			for name, payload := range m {
				r.Response.B64 = append(r.Response.B64, eventFrame("event", name, string(payload))...)
			}
		}
		out = append(out, r)
	}
	for _, r := range out {
		if len(r.Response.B64) > 0 {
			r.Response.SSE = string(r.Response.B64)
			r.Response.Headers = map[string]string{"content-type": "application/vnd.amazon.eventstream"}
		}
	}
	return out
}

// A converseEvent is one message of a stream, read apart from the gateway's code.
type converseEvent struct {
	name    string
	payload json.RawMessage
	end     int // where it ends
}

func converseStream(s string) (out []converseEvent) {
	for at := 0; at < len(s); {
		size, head := int(be.BigEndian.Uint32([]byte(s[at:]))), int(be.BigEndian.Uint32([]byte(s[at+4:])))
		e := converseEvent{payload: json.RawMessage(s[at+12+head : at+size-4]), end: at + size}
		for h := s[at+12 : at+12+head]; h != ""; { // all of them are strings
			n := int(h[0])
			name, rest := h[1:1+n], h[2+n:]
			l := int(be.BigEndian.Uint16([]byte(rest)))
			if strings.HasSuffix(name, "-type") && name != ":content-type" && name != ":message-type" {
				e.name = rest[2 : 2+l]
			}
			h = rest[2+l:]
		}
		at += size
		out = append(out, e)
	}
	return out
}

// tellConverse reads what an answer says.
func tellConverse(r *recording) (t told, u json.RawMessage) {
	if r.Response.SSE == "" {
		for _, b := range list(r.Response.Body, "output", "message", "content") {
			t.Text += str(b, "text")
			for _, c := range list(b, "citationsContent", "content") {
				t.Text += str(c, "text")
			}
			t.Reasoning += str(b, "reasoningContent", "reasoningText", "text")
			if call := get(b, "toolUse"); call != nil && str(call, "type") != "server_tool_use" {
				t.Calls = append(t.Calls, toldCall{str(call, "name"), plainArgs(string(get(call, "input")))})
			}
		}
		t.Finish = str(r.Response.Body, "stopReason")
		return t, get(r.Response.Body, "usage")
	}
	calls := map[string]int{}
	for _, e := range converseStream(r.Response.SSE) {
		index, delta := string(get(e.payload, "contentBlockIndex")), get(e.payload, "delta")
		t.Text += str(delta, "text")
		t.Reasoning += str(delta, "reasoningContent", "text")
		if s := str(e.payload, "start", "toolUse", "name"); s != "" {
			calls[index] = len(t.Calls)
			t.Calls = append(t.Calls, toldCall{Name: s})
		}
		if s := str(delta, "toolUse", "input"); s != "" {
			t.Calls[calls[index]].Args += s
		}
		if s := str(e.payload, "stopReason"); s != "" {
			t.Finish = s
		}
		if raw := get(e.payload, "usage"); raw != nil {
			u = raw
		}
	}
	for i := range t.Calls {
		t.Calls[i].Args = plainArgs(t.Calls[i].Args)
	}
	return t, u
}

// A converseCrossing asks for a recorded answer of Bedrock's.
type converseCrossing struct {
	rec *recording
	crossing
}

func crossConverse(r *recording, toChat bool) converseCrossing {
	account := "bedrock"
	if r.Response.Status == 401 || r.Response.Status == 403 { // an account whose key was refused is not asked again
		account = "bedrock-refused"
	}
	return converseCrossing{r, crossing{rec: &recording{ID: r.ID, Provider: account}, toChat: toChat, stream: r.Response.SSE != "" || strings.HasSuffix(r.Endpoint, "_stream")}}
}

var converseFinishes = map[bool]map[string]string{
	true:  {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls", "guardrail_intervened": "content_filter", "content_filtered": "content_filter"},
	false: {"end_turn": "end_turn", "stop_sequence": "stop_sequence", "max_tokens": "max_tokens", "tool_use": "tool_use", "guardrail_intervened": "refusal", "content_filtered": "refusal"},
}

func converseConfig(t *testing.T, url string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := "accounts:\n"
	for _, name := range []string{"bedrock", "bedrock-refused"} {
		text += fmt.Sprintf("  - {provider: bedrock, account_name: rec-%s, api_key: sk-replayed-secret, base_url: %q, models: [\"*\"]}\n", name, url)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// judge compares what the caller got with what the recording says.
func (c converseCrossing) judge(g *gateway, got answered) error {
	r := c.rec
	if status := r.Response.Status; status >= 400 {
		switch {
		case status == 401 || status == 403:
			status = 502
		case strings.Contains(string(r.Response.Body), "model identifier is invalid"):
			status = 404
		}
		return checkError(c.toChat, got, status, r.payload())
	}
	if got.status != 200 {
		return fmt.Errorf("status %d: %.300s", got.status, got.body)
	}
	if c.stream {
		if err := checkStream(c.toChat, got.body, true); err != nil {
			return err
		}
	}
	want, raw := tellConverse(r)
	finish := converseFinishes[c.toChat][want.Finish]
	if want.Finish = finish; len(want.Calls) > 0 && (finish == "stop" || finish == "end_turn") {
		want.Finish = map[bool]string{true: "tool_calls", false: "tool_use"}[c.toChat]
	}
	if d := tell(c.toChat, got.body, c.stream).differs(want); d != "" {
		return fmt.Errorf("%s", d)
	}
	if raw == nil {
		return nil
	}
	var w struct{ InputTokens, OutputTokens, CacheReadInputTokens, CacheWriteInputTokens int64 }
	_ = json.Unmarshal(raw, &w)
	used := usage{Prompt: w.InputTokens + w.CacheReadInputTokens + w.CacheWriteInputTokens, Completion: w.OutputTokens, CacheRead: w.CacheReadInputTokens, CacheWrite: w.CacheWriteInputTokens}
	var shown recording
	shown.Endpoint = map[bool]string{true: "openai_chat", false: "anthropic_messages"}[c.toChat]
	if c.stream {
		shown.Response.SSE = got.body
	} else {
		shown.Response.Body = json.RawMessage(got.body)
	}
	if told, ok := recordedUsage(&shown); !ok || told != used {
		return fmt.Errorf("usage %+v, recorded %+v", told, used)
	}
	_, body, _ := g.call("GET", "/v1/admin/usage/logs/"+got.header.Get("X-Request-Id"), g.admin, "")
	var row struct {
		Prompt      int64  `json:"prompt_tokens"`
		Completion  int64  `json:"completion_tokens"`
		CacheRead   int64  `json:"cache_read_tokens"`
		CacheWrite  int64  `json:"cache_write_tokens"`
		UsageSource string `json:"usage_source"`
	}
	if err := json.Unmarshal([]byte(body), &row); err != nil || row.UsageSource != "provider" || (usage{Prompt: row.Prompt, Completion: row.Completion, CacheRead: row.CacheRead, CacheWrite: row.CacheWrite}) != used {
		return fmt.Errorf("the row says %s, recorded %+v", body, used)
	}
	return nil
}

// TestBedrockAnswers replays every recorded answer of Bedrock, whole or streamed and
// cut at random borders, to callers of chat completions and of messages.
func TestBedrockAnswers(t *testing.T) {
	recs := converseAnswers(t)
	up := startStage(t)
	g := serve(t, "", nil, "--config", converseConfig(t, up.url))
	key := g.newKey(`{"name":"bedrock"}`)
	score := newScoreboard()
	inParallel(2*len(recs), func(i int) {
		c := crossConverse(recs[i/2], i%2 == 0)
		sc := &scene{rec: c.rec, seed: uint64(i)}
		got, err := play(g, up, key, c.path(), c.request(), sc)
		if err == nil {
			err = c.judge(g, got)
		}
		if want := "/model/any/" + map[bool]string{true: "converse-stream", false: "converse"}[c.stream]; err == nil && sc.path != want {
			err = fmt.Errorf("asked at %s, want %s", sc.path, want)
		}
		score.add(fmt.Sprintf("bedrock to %s, streamed %v", map[bool]string{true: "chat", false: "messages"}[c.toChat], c.stream), c.rec.ID, err)
	})
	score.print(t, "recorded Converse answers to callers of the other formats", 220)
}

// TestBedrockStreamsCut breaks every recorded stream off before it has said why the
// model stopped: the caller is told, and what he has got is the beginning.
func TestBedrockStreamsCut(t *testing.T) {
	recs := slices.DeleteFunc(converseAnswers(t), func(r *recording) bool { return r.Response.SSE == "" })
	up := startStage(t)
	g := serve(t, "", nil, "--config", converseConfig(t, up.url))
	key := g.newKey(`{"name":"bedrock cut"}`)
	score := newScoreboard()
	inParallel(6*len(recs), func(i int) {
		r := recs[i/6]
		c := crossConverse(r, i%2 == 0)
		end := len(r.Response.SSE)
		for _, e := range converseStream(r.Response.SSE) {
			if e.name == "messageStop" {
				end = e.end - 1
			}
		}
		limit := 1 + rand.New(rand.NewPCG(uint64(i), 11)).IntN(end)
		abort := i%6 < 2
		got, err := play(g, up, key, c.path(), c.request(), &scene{rec: r, seed: uint64(i), limit: limit, abort: abort})
		if err == nil {
			err = c.judgeCut(g, got)
		}
		score.add("bedrock streams", fmt.Sprintf("%s, %d of %d bytes, connection lost %v", r.ID, limit, len(r.Response.SSE), abort), err)
	})
	score.print(t, "recorded Converse streams broken off", 180)
}

func (c converseCrossing) judgeCut(g *gateway, got answered) error {
	if got.status != 200 { // before any content
		if got.status < 500 {
			return fmt.Errorf("status %d: %.300s", got.status, got.body)
		}
		return checkError(c.toChat, got, got.status, nil)
	}
	if err := checkStream(c.toChat, got.body, false); err != nil {
		return err
	}
	part := tell(c.toChat, got.body, true)
	whole, _ := tellConverse(c.rec)
	if !strings.HasPrefix(whole.Text, part.Text) || !strings.HasPrefix(whole.Reasoning, part.Reasoning) || len(part.Calls) > len(whole.Calls) {
		return fmt.Errorf("%+.400v is no beginning of %+.400v", part, whole)
	}
	_, row, _ := g.call("GET", "/v1/admin/usage/logs/"+got.header.Get("X-Request-Id"), g.admin, "")
	if str(json.RawMessage(row), "usage_source") == "provider" {
		return fmt.Errorf("a stream that broke off was accounted as whole: %s", row)
	}
	return nil
}
