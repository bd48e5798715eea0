package openai

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

func writtenFor(t *testing.T, r *providers.Request) string {
	t.Helper()
	out, _, err := ResponsesEgress(providers.Quirks{}).AppendRequest(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestA4Row11ToolChoiceToResponses: none, any and auto of other formats are never
// sent as the objects they are there (litellm#24443, #32505), and callers who send
// such objects themselves are understood.
func TestA4Row11ToolChoiceToResponses(t *testing.T) {
	for mode, want := range map[providers.ToolMode]string{
		providers.ToolNone: `"tool_choice":"none"`, providers.ToolAuto: `"tool_choice":"auto"`, providers.ToolRequired: `"tool_choice":"required"`,
	} {
		out := writtenFor(t, &providers.Request{Origin: providers.Messages, Model: "m", ToolChoice: providers.ToolChoice{Mode: mode}, Tools: []providers.Tool{{Name: "f"}}})
		if !strings.Contains(out, want) {
			t.Errorf("%s became %s", mode, out)
		}
	}
	for sent, want := range map[string]providers.ToolChoice{
		`{"type":"none"}`: {Mode: providers.ToolNone}, `{"type":"any"}`: {Mode: providers.ToolRequired}, `{"type":"auto"}`: {Mode: providers.ToolAuto},
		`{"type":"function","name":"f"}`:                                                      {Mode: providers.ToolNamed, Name: "f"},
		`{"type":"function","function":{"name":"f"}}`:                                         {Mode: providers.ToolNamed, Name: "f"},
		`{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"}]}`: {Mode: providers.ToolAllowed, Required: true},
	} {
		r, err := ResponsesIngress().DecodeRequest([]byte(`{"model":"m","input":"x","tool_choice":` + sent + `}`))
		if err != nil {
			t.Errorf("%s: %v", sent, err)
		} else if c := r.ToolChoice; c.Mode != want.Mode || c.Name != want.Name || c.Required != want.Required {
			t.Errorf("%s is read as %+v", sent, c)
		}
	}
}

// TestA4Row19StringInputAndFinalOutput: a string is an input (sub2api#2916), the
// arguments of an item are text whatever they hold (sub2api#1565), and the last
// event has the whole output (litellm#27058).
func TestA4Row19StringInputAndFinalOutput(t *testing.T) {
	r, err := ResponsesIngress().DecodeRequest([]byte(`{"model":"m","input":"Hello"}`))
	if err != nil || len(r.Messages) != 1 || r.Messages[0].Blocks[0].Text != "Hello" || r.Messages[0].Role != providers.RoleUser {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err = ResponsesIngress().DecodeRequest([]byte(`{"model":"m","input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{\"n\":1.0}"},{"type":"function_call_output","call_id":"c","output":"x"}]}`))
	if err != nil || string(r.Messages[0].Blocks[0].Args) != `{"n":1.0}` {
		t.Fatalf("%+v, %v", r, err)
	}
	enc := ResponsesIngress().NewEncoder(providers.EncodeOptions{RequestID: "1", Model: "m"})
	var sse []byte
	for _, ev := range []providers.Event{
		{Kind: providers.EventStart, ID: "x"},
		{Kind: providers.EventBlockStart, Block: providers.Block{Kind: providers.KindText}},
		{Kind: providers.EventBlockDelta, Block: providers.Block{Kind: providers.KindText, Text: "Hel"}},
		{Kind: providers.EventBlockDelta, Block: providers.Block{Kind: providers.KindText, Text: "lo"}},
		{Kind: providers.EventBlockStop},
		{Kind: providers.EventBlockStart, Index: 1, Block: providers.Block{Kind: providers.KindToolCall, ID: "c", ToolName: "f"}},
		{Kind: providers.EventBlockStop, Index: 1},
		{Kind: providers.EventFinish, Finish: providers.FinishToolCalls},
	} {
		sse = enc.Append(sse, &ev)
	}
	last := lastResponse(string(enc.End(sse)))
	if textAt(last, "output", "0", "content", "0", "text") != "Hello" || textAt(last, "output", "1", "arguments") != "{}" || textAt(last, "output", "1", "call_id") != "c" {
		t.Errorf("the last event has %s", last)
	}
}

// TestFreeFormToolOverFunctions: where a vendor knows no free-form tools the model
// calls a function of one text, and the caller gets the call it knows.
func TestFreeFormToolOverFunctions(t *testing.T) {
	asked := []byte(`{"tools":[{"type":"custom","name":"apply_patch"},{"type":"namespace","name":"agents","tools":[{"type":"function","name":"spawn"}]}]}`)
	out, err := ResponsesIngress().AppendResponse(nil, &providers.Response{Origin: providers.Messages, Asked: asked, Choices: []providers.Choice{{Blocks: []providers.Block{
		{Kind: providers.KindToolCall, ID: "1", ToolName: "apply_patch", Args: []byte(`{"input":"*** Begin"}`)},
		{Kind: providers.KindToolCall, ID: "2", ToolName: "agents__spawn", Args: []byte(`{}`)},
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	if textAt(out, "output", "0", "type") != "custom_tool_call" || textAt(out, "output", "0", "input") != "*** Begin" {
		t.Errorf("the free-form call is %s", at(out, "output", "0"))
	}
	if textAt(out, "output", "1", "namespace") != "agents" || textAt(out, "output", "1", "name") != "spawn" {
		t.Errorf("the namespace's call is %s", at(out, "output", "1"))
	}
}

// TestForeignReasoningKeepsItsProof: what another vendor signed comes back to it,
// and never reaches one that has not.
func TestForeignReasoningKeepsItsProof(t *testing.T) {
	b := providers.Block{Kind: providers.KindThinking, Text: "Hm", Signature: "sig.1", SignatureOrigin: providers.Messages}
	back := providers.Block{Kind: providers.KindThinking}
	unseal(&back, seal(&b))
	if back.Signature != b.Signature || back.SignatureOrigin != providers.Messages {
		t.Errorf("came back as %+v", back)
	}
	body := []byte(`{"model":"m","input":[{"type":"reasoning","summary":[],"encrypted_content":"` + seal(&b) + `"},{"role":"user","content":"x"}]}`)
	if !(responsesIngress{}).Mixed(body) {
		t.Error("it is not noticed")
	}
	r, err := ResponsesIngress().DecodeRequest(body)
	if err != nil {
		t.Fatal(err)
	}
	if out := writtenFor(t, r); strings.Contains(out, "sig.1") {
		t.Errorf("it reaches another vendor: %s", out)
	}
}

func BenchmarkResponsesFromMessages(b *testing.B) {
	events := []providers.Event{{Kind: providers.EventStart, ID: "x", Model: "m"}, {Kind: providers.EventBlockStart, Block: providers.Block{Kind: providers.KindText}}}
	for range 200 {
		events = append(events, providers.Event{Kind: providers.EventBlockDelta, Block: providers.Block{Kind: providers.KindText, Text: "a few words of text "}})
	}
	events = append(events, providers.Event{Kind: providers.EventBlockStop}, providers.Event{Kind: providers.EventFinish, Finish: providers.FinishStop})
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		enc := ResponsesIngress().NewEncoder(providers.EncodeOptions{RequestID: "1", Asked: []byte(`{"model":"m","input":"x"}`)})
		out = out[:0]
		for i := range events {
			out = enc.Append(out, &events[i])
		}
		out = enc.End(out)
	}
	b.SetBytes(int64(len(out)))
}
