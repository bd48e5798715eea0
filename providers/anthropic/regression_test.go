package anthropic

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// What other gateways get wrong in this format, a test each.

// Signature-only thinking (display: omitted) is valid and must be replayed as it was.
func TestOmittedThinkingIsReplayed(t *testing.T) {
	const body = `{"model":"claude-opus-4-8","max_tokens":10,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"EqQB"},{"type":"redacted_thinking","data":"Emw"},{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]}`
	r, err := MessagesIngress().DecodeRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	got, dropped, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
	if err != nil || len(dropped) > 0 {
		t.Fatal(err, dropped)
	}
	if d := differ(t, got, []byte(body)); d != "" {
		t.Error(d)
	}
}

// Thinking of another vendor comes back from the client with its own signature,
// never goes to Anthropic, and is told apart by one search of the body.
func TestForeignThinkingStaysAway(t *testing.T) {
	answer, err := MessagesIngress().AppendResponse(nil, &providers.Response{Origin: providers.Gemini, Choices: []providers.Choice{{Blocks: []providers.Block{
		{Kind: providers.KindThinking, Text: "hm", Signature: "c2ln", SignatureOrigin: providers.Gemini}, textBlock("ok")}}}})
	if err != nil {
		t.Fatal(err)
	}
	var a struct{ Content json.RawMessage }
	if err := json.Unmarshal(answer, &a); err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"model":"claude-opus-4-8","max_tokens":10,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":` + string(a.Content) + `}]}`)
	if !(ingress{}).Mixed(body) || (ingress{}).Mixed(bytes.ReplaceAll(body, []byte("gwsig1."), nil)) {
		t.Error("the relay cannot tell")
	}
	r, err := MessagesIngress().DecodeRequest(body)
	if err != nil {
		t.Fatal(err)
	}
	if b := r.Messages[1].Blocks[0]; b.Text != "hm" || b.Signature != "c2ln" || b.SignatureOrigin != providers.Gemini {
		t.Errorf("came back as %+v", b)
	}
	got, dropped, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
	if err != nil || strings.Contains(string(got), "hm") || strings.Contains(string(got), "c2ln") || strings.Join(dropped, "") != "messages.thinking" {
		t.Errorf("%s, dropped %q, %v", got, dropped, err)
	}
}

// A tool loop that another vendor's model began has lost its thinking, and models
// with budgets refuse to think on from there: the request goes without.
func TestForeignLoopDoesNotThinkOn(t *testing.T) {
	f := func(model, signature, wantDropped string, thinks bool) {
		t.Helper()
		body := `{"model":"` + model + `","max_tokens":4000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"` + signature + `"},{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]}`
		r, err := MessagesIngress().DecodeRequest([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		got, dropped, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
		if err != nil || strings.Contains(string(got), `"budget_tokens":2000`) != thinks || strings.Join(dropped, " ") != wantDropped {
			t.Errorf("%s, dropped %q, %v", got, dropped, err)
		}
	}
	f("claude-sonnet-4-5", "gwsig1.chat.", "thinking messages.thinking", false)
	f("claude-sonnet-4-5", "EqQB", "", true)
	f("claude-opus-4-6", "gwsig1.chat.", "messages.thinking", true)
}

// A refusal that another format tells by its message is told by the reason here.
func TestRefusalIsNoAnswer(t *testing.T) {
	f := func(kind providers.BlockKind, finish providers.Finish, want string) {
		t.Helper()
		got, err := MessagesIngress().AppendResponse(nil, &providers.Response{Origin: providers.Chat, Choices: []providers.Choice{{
			Finish: finish, Blocks: []providers.Block{{Kind: kind, Text: "I cannot", Origin: providers.Chat}}}}})
		if err != nil || !strings.Contains(string(got), `"stop_reason":"`+want+`"`) {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	f(providers.KindRefusal, providers.FinishStop, "refusal")
	f(providers.KindRefusal, providers.FinishLength, "max_tokens")
	f(providers.KindText, providers.FinishStop, "end_turn")
}

func TestOneMessageStart(t *testing.T) {
	got := encodeStream([]providers.Event{{Kind: providers.EventStart, ID: "a"}, {Kind: providers.EventStart, ID: "b"},
		delta(0, providers.KindText, "x"), {Kind: providers.EventStart, ID: "c"}}, providers.EncodeOptions{})
	if n := strings.Count(got, "event: message_start"); n != 1 {
		t.Errorf("%d times:\n%s", n, got)
	}
	// A duplicate from an upstream is one start; another answer spliced in is a failure, not a mix of two.
	const head = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"a\",\"usage\":{\"input_tokens\":3}}}\n\n"
	events, _ := decodeStream(head + head)
	if len(events) != 1 {
		t.Errorf("duplicate start: %s", story(events, nil))
	}
	events, err := decodeStream(head + "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n" + head + "data: {\"type\":\"message_stop\"}\n\n")
	if last := events[len(events)-1]; err == nil || last.Kind != providers.EventError {
		t.Errorf("spliced answer: %s", story(events, err))
	}
}

// The delta that makes the block type switch must be emitted itself.
func TestSwitchingDeltaIsKept(t *testing.T) {
	got := outline(t, encodeStream([]providers.Event{delta(0, providers.KindThinking, "hm"), delta(0, providers.KindText, "First"), delta(0, providers.KindText, " second"),
		delta(0, providers.KindThinking, "again")}, providers.EncodeOptions{}))
	if want := "thinking: hm [gwsig1..]\ntext: First second\nthinking: again [gwsig1..]\nstop: end_turn\n"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestInputTokensAtTheStart(t *testing.T) {
	f := func(ev providers.Event, want string) {
		t.Helper()
		got := encodeStream([]providers.Event{ev}, providers.EncodeOptions{InputTokens: 77})
		if first, _, _ := strings.Cut(got, "\n\n"); !strings.Contains(first, want) {
			t.Errorf("%s lacks %s", first, want)
		}
	}
	f(providers.Event{Kind: providers.EventStart}, `"input_tokens":77`)
	f(providers.Event{Kind: providers.EventStart, Usage: providers.Usage{Input: 5, CacheRead: 2}}, `"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":2`)
}

// Source indices never reach the wire: blocks count 0, 1, 2.
func TestBlockIndicesDoNotCollide(t *testing.T) {
	got := outline(t, encodeStream([]providers.Event{
		start(7, call("a", "f", "")), delta(7, providers.KindToolCall, "{}"), stop(7),
		start(2, providers.Block{Kind: providers.KindText}), delta(2, providers.KindText, "x"), stop(2),
		start(7, call("b", "g", "")), stop(7), // an index used again
	}, providers.EncodeOptions{}))
	if want := "tool_use: a f {}\ntext: x\ntool_use: b g {}\nstop: tool_use\n"; got != want {
		t.Errorf("got %s", got)
	}
	events, err := decodeStream(`data: {"type":"message_start","message":{}}` + "\n\n" +
		`data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}` + "\n\n" +
		`data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"b","name":"g","input":{"x":1}}}` + "\n\n" +
		`data: {"type":"content_block_stop","index":1}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "tool_use: a f \ntool_use: b g {\"x\":1}\nstop: tool_use\n"
	if got := outline(t, encodeStream(events, providers.EncodeOptions{})); got != want {
		t.Errorf("got %s", got)
	}
}

// input_tokens excludes cache reads and writes, and both reports of a stream are totals.
func TestCacheTokensAreCountedOnce(t *testing.T) {
	var u providers.Usage
	e := MessagesEgress(providers.Quirks{})
	e.Usage([]byte(`{"type":"message_start","message":{"usage":{"input_tokens":100,"cache_read_input_tokens":0,"output_tokens":1}}}`), &u)
	e.Usage([]byte(`{"type":"message_delta","usage":{"input_tokens":10,"cache_read_input_tokens":90,"output_tokens":7}}`), &u)
	if u.Prompt() != 100 || u.CacheRead != 90 || u.Completion() != 7 {
		t.Errorf("%+v", u)
	}
	if got := string(appendUsage(nil, &u)); got != `{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":90,"output_tokens":7}` {
		t.Error(got)
	}
}

// A stream that fails never ends cleanly, whoever noticed.
func TestFailedStreamHasNoEnd(t *testing.T) {
	e := MessagesIngress().NewEncoder(providers.EncodeOptions{})
	ev := delta(0, providers.KindText, "Hel")
	out := e.Append(nil, &ev)
	out = e.Fail(out, &providers.Error{Kind: providers.KindTimeout, Message: "stalled", Code: "upstream_idle_timeout"})
	out = e.Append(out, &ev)
	out = e.End(e.Fail(out, &providers.Error{Kind: providers.KindInternal}))
	if got := string(out); strings.Count(got, "event: error") != 1 || strings.Contains(got, "message_stop") || strings.Contains(got, "message_delta") || !strings.HasSuffix(got, "\"code\":\"upstream_idle_timeout\"}}\n\n") {
		t.Error(got)
	}
}

func TestNoArgumentToolIsAnEmptyObject(t *testing.T) {
	for _, args := range []string{"", "{}"} {
		got, _, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, chatRequest(func(r *providers.Request) {
			r.Messages = append(r.Messages, providers.Message{Role: providers.RoleAssistant, Blocks: []providers.Block{call("c", "f", args)}})
		}))
		if err != nil || !strings.Contains(string(got), `"input":{}`) {
			t.Errorf("%q: %s, %v", args, got, err)
		}
	}
	got := outline(t, encodeStream([]providers.Event{start(0, call("a", "f", "")), delta(0, providers.KindToolCall, "{}"), stop(0)}, providers.EncodeOptions{}))
	if want := "tool_use: a f {}\nstop: tool_use\n"; got != want {
		t.Errorf("extra braces: %s", got)
	}
}

// Numbers keep their digits and schemas their key order: prompt caches depend on it.
func TestKeyOrderAndPrecisionSurvive(t *testing.T) {
	const schema = `{"type":"object","z":{"b":1.10,"a":12345678901234567890}}`
	got, _, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, chatRequest(func(r *providers.Request) {
		r.Tools = []providers.Tool{{Name: "f", Schema: json.RawMessage(schema)}}
		r.Messages = append(r.Messages, providers.Message{Role: providers.RoleAssistant, Blocks: []providers.Block{call("c", "f", schema)}})
	}))
	if err != nil || strings.Count(string(got), schema) != 2 {
		t.Errorf("%s, %v", got, err)
	}
	again, _, _ := MessagesEgress(providers.Quirks{}).AppendRequest(nil, chatRequest(nil))
	same, _, _ := MessagesEgress(providers.Quirks{}).AppendRequest(nil, chatRequest(nil))
	if !bytes.Equal(again, same) {
		t.Error("equal requests are not written alike")
	}
}

// The caller's message list is not changed by writing it.
func TestRequestIsNotChanged(t *testing.T) {
	r := chatRequest(func(r *providers.Request) {
		r.Messages = append(r.Messages, say(providers.RoleSystem, "be brief"), say(providers.RoleAssistant, "a "), providers.Message{Role: providers.RoleAssistant, Blocks: []providers.Block{textBlock(" ")}})
		r.Tools = []providers.Tool{{Name: "a"}, {Name: "b"}}
		r.ToolChoice = providers.ToolChoice{Mode: providers.ToolAllowed, Allowed: []string{"b"}}
	})
	before, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
	after, _ := json.Marshal(r)
	second, _, _ := MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
	if !bytes.Equal(before, after) || !bytes.Equal(first, second) {
		t.Errorf("changed from %s to %s", before, after)
	}
}

// A vendor known to leave message_stop out ends its stream with the stop reason, not before.
func TestStreamWithoutItsEnd(t *testing.T) {
	const body = "data: {\"type\":\"message_start\",\"message\":{}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n"
	f := func(q providers.Quirks, body string, want error) {
		t.Helper()
		d := MessagesEgress(q).NewDecoder()
		d.Feed([]byte(body))
		if err := d.End(); err != want {
			t.Errorf("%+v: %v, expected %v", q, err, want)
		}
	}
	f(providers.Quirks{}, body, io.ErrUnexpectedEOF)
	f(providers.Quirks{NoDone: true}, body, nil)
	f(providers.Quirks{NoDone: true}, body[:60], io.ErrUnexpectedEOF)
}
