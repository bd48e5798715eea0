package gemini

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// Bugs of other gateways, by the row of the list they were collected in.

func chunk(parts, more string) string {
	return `data: {"candidates":[{"content":{"parts":[` + parts + `],"role":"model"},"index":0` + more + `}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2,"thoughtsTokenCount":3,"totalTokenCount":10},"modelVersion":"gemini-3-pro","responseId":"r"}` + "\r\n\r\n"
}

const signature = "c2lnbmF0dXJlIG9mIGEgY2FsbA=="

func decode(t *testing.T, sse string) []providers.Event {
	t.Helper()
	events, err := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), providertest.Cuts([]byte(sse), 1))
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// Row 1: a thought signature lost in a stream, so that the next turn is refused
// (litellm#16893, bifrost#1437, #2210, aiproxy#450, OpenHands#1500). It goes to the
// caller with the call and comes back on it, through either foreign format.
func TestA4Row1SignatureSurvives(t *testing.T) {
	events := decode(t, chunk(`{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"`+signature+`"}`, "")+chunk(`{"text":""}`, `,"finishReason":"STOP"`))

	sse := string(providertest.Encode(openai.ChatIngress().NewEncoder(providers.EncodeOptions{}), events))
	if !strings.Contains(sse, `"extra_content":{"google":{"thought_signature":"`+signature+`"}}`) {
		t.Fatalf("chat callers do not get it: %s", sse)
	}
	back := func(in providers.Ingress, request string) {
		t.Helper()
		r, err := in.DecodeRequest([]byte(request))
		if err != nil {
			t.Fatal(err)
		}
		r.Model = "gemini-3-pro-preview"
		out, _, err := GenerateEgress(AIStudio).AppendRequest(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		if got := stringAt(element(at(element(at(out, "contents"), 1), "parts"), 0), "thoughtSignature"); got != signature {
			t.Errorf("the signature came back as %q in %s", got, out)
		}
	}
	back(openai.ChatIngress(), `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"a","extra_content":{"google":{"thought_signature":"`+signature+`"}}},{"role":"user","content":"y"}]}`) // a text's stands on the message
	back(openai.ChatIngress(), `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"extra_content":{"google":{"thought_signature":"`+signature+`"}}}]},{"role":"tool","tool_call_id":"c","content":"y"}]}`)

	sse = string(providertest.Encode(anthropic.MessagesIngress().NewEncoder(providers.EncodeOptions{}), events))
	_, rest, ok := strings.Cut(sse, `"signature_delta","signature":"`)
	if !ok || strings.Index(sse, "signature_delta") > strings.Index(sse, `"type":"tool_use"`) {
		t.Fatalf("messages callers do not get it ahead of the call: %s", sse)
	}
	marked, _, _ := strings.Cut(rest, `"`)
	back(anthropic.MessagesIngress(), `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"`+marked+`"},{"type":"tool_use","id":"c","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"y"}]}]}`)
}

// Row 1, from the other side: a call that another model made gets the stand-in that
// Google documents, on the first call of a turn and on models that demand one alone.
func TestA4Row1ForeignCalls(t *testing.T) {
	f := func(model string, want [2]string) {
		t.Helper()
		r, err := openai.ChatIngress().DecodeRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"d","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"y"},{"role":"tool","tool_call_id":"d","content":"z"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Model = model
		out, _, err := GenerateEgress(AIStudio).AppendRequest(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		parts := at(element(at(out, "contents"), 1), "parts")
		for i := range want {
			if got := stringAt(element(parts, i), "thoughtSignature"); got != want[i] {
				t.Errorf("%s: call %d has the signature %q", model, i, got)
			}
		}
		if n := elements(at(element(at(out, "contents"), 2), "parts")); n != 2 {
			t.Errorf("%d results in the turn behind: %s", n, out)
		}
	}
	f("gemini-3-pro-preview", [2]string{unsigned, ""})
	f("gemini-2.5-flash", [2]string{"", ""})
}

// Row 10: parallel calls of a stream all at index 0 (new-api#2701, #672,
// gcli2api#406). They come in one chunk, and one a chunk, and are counted over the
// whole stream, STOP standing before, with or behind them.
func TestA4Row10ParallelCalls(t *testing.T) {
	call := func(city string) string { return `{"functionCall":{"name":"f","args":{"city":"` + city + `"}}}` }
	for name, sse := range map[string]string{
		"one chunk":      chunk(call("a")+","+call("b"), `,"finishReason":"STOP"`),
		"one a chunk":    chunk(call("a"), "") + chunk(call("b"), "") + chunk(`{"text":""}`, `,"finishReason":"STOP"`),
		"STOP before":    chunk(call("a"), `,"finishReason":"STOP"`) + chunk(call("b"), ""),
		"text in betwix": chunk(call("a"), "") + chunk(`{"text":"and"}`, "") + chunk(call("b"), `,"finishReason":"STOP"`),
	} {
		events := decode(t, sse)
		out := string(providertest.Encode(openai.ChatIngress().NewEncoder(providers.EncodeOptions{}), events))
		for _, want := range []string{`"tool_calls":[{"index":0,"id":"call_`, `"tool_calls":[{"index":1,"id":"call_`, `"finish_reason":"tool_calls"`} {
			if strings.Count(out, want) != 1 {
				t.Errorf("%s: %d times %s in %s", name, strings.Count(out, want), want, out)
			}
		}
		ids := map[string]bool{}
		for _, ev := range events {
			if ev.Kind == providers.EventBlockStart && ev.Block.Kind == providers.KindToolCall {
				ids[ev.Block.ID] = true
			}
		}
		if len(ids) != 2 {
			t.Errorf("%s: the calls have the ids %v", name, ids)
		}
	}
}

// Row 16: failures in mid-stream taken for a clean end. What says that the answer is
// of no use is the upstream's failure, what breaks off is no end.
func TestA4Row16FailuresAreNoEnd(t *testing.T) {
	f := func(sse, code string) {
		t.Helper()
		events, err := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), providertest.Cuts([]byte(sse), 2))
		if err == nil {
			t.Fatalf("%s ended well", sse)
		}
		if code == "" {
			if err != io.ErrUnexpectedEOF {
				t.Errorf("%v", err)
			}
			return
		}
		last := events[len(events)-1]
		if last.Kind != providers.EventError || last.Err.Code != code {
			t.Errorf("want %s, got %+v", code, last.Err)
		}
	}
	f(chunk(`{"text":"Hal"}`, ""), "")
	f(chunk(`{"text":"Hal"}`, "")+`data: {"candidates":[{"fini`, "")
	f(chunk(`{"text":"Hal"}`, `,"finishReason":"STOP"`)+`data: {"candidates":[{"content":{"pa`, "")
	f(chunk(``, `,"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"bad call"`), "malformed_function_call")
	f(chunk(``, `,"finishReason":"UNEXPECTED_TOOL_CALL"`), "unexpected_tool_call")
	f(chunk(`{"text":"Hal"}`, "")+"data: {\"error\":{\"code\":404,\"message\":\"model is gone\",\"status\":\"NOT_FOUND\"}}\r\n\r\n", "model_not_found")
}

// Row 17: JSON Schema that the API's own subset lacks (litellm#38223,
// claude-code-router#333): models that take JSON Schema get it as it is, the others
// without what would be refused; what looks like a schema in a tool's result is text.
func TestA4Row17Schemas(t *testing.T) {
	schema := `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","$defs":{"Unit":{"type":"string","enum":["C","F"]}},"properties":{"city":{"type":["string","null"],"minLength":1},"unit":{"$ref":"#/$defs/Unit"},"kind":{"const":"x"},"list":{"type":"array"},"deep":{"oneOf":[{"type":"integer","exclusiveMinimum":0},{"type":"null"}]},"self":{"$ref":"#"}},"required":["city"],"additionalProperties":false,"propertyNames":{"pattern":"x"}}`
	body := `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"{\"$ref\":\"#/x\",\"const\":1}"}],"tools":[{"type":"function","function":{"name":"f","parameters":` + schema + `}}]}`
	r, err := openai.ChatIngress().DecodeRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	write := func(model string) []byte {
		r.Model = model
		out, _, err := GenerateEgress(AIStudio).AppendRequest(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := write("gemini-2.5-flash")
	declared := element(at(element(at(out, "tools"), 0), "functionDeclarations"), 0)
	if got := string(at(declared, "parametersJsonSchema")); got != schema {
		t.Errorf("parametersJsonSchema is %s", got)
	}
	if got := stringAt(element(at(element(at(out, "contents"), 2), "parts"), 0), "functionResponse", "response", "result"); got != `{"$ref":"#/x","const":1}` {
		t.Errorf("the result became %q in %s", got, out)
	}
	got := string(at(element(at(element(at(write("gemini-1.5-pro"), "tools"), 0), "functionDeclarations"), 0), "parameters"))
	for _, refused := range []string{"$schema", "$ref", "$defs", "const", "additionalProperties", "propertyNames", "exclusiveMinimum", "oneOf", `["string"`} {
		if strings.Contains(got, refused) {
			t.Errorf("%s is left in %s", refused, got)
		}
	}
	for _, kept := range []string{`"type":"OBJECT"`, `"city":{"type":"STRING","minLength":1,"nullable":true}`, `"unit":{"type":"STRING","enum":["C","F"]}`, `"kind":{"type":"STRING","enum":["x"]}`, `"list":{"type":"ARRAY","items":{"type":"STRING"}}`, `"required":["city"]`} {
		if !strings.Contains(got, kept) {
			t.Errorf("%s is missing in %s", kept, got)
		}
	}
	if !json.Valid([]byte(got)) {
		t.Errorf("no JSON: %s", got)
	}
}

// Calls whose arguments come in pieces are put together (recorded by vercel/ai).
func TestPartialArguments(t *testing.T) {
	var found int
	for _, c := range recorded(t) {
		if !pieced(c) {
			continue
		}
		found++
		events, err := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), providertest.Cuts(payload(c), 4))
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		got := strings.Join(ofEvents(events).calls, " ")
		want := map[string]string{
			"google-google-stream-no-args-tool-call.chunks-chunks":                                        `read_theme{} read_screen{"id":"A"} read_screen{"id":"B"} read_screen{"id":"C"}`,
			"google-google-stream-tool-call-arguments.chunks-chunks":                                      `getWeather{"location":"Boston"} getWeather{"location":"San Francisco"}`,
			"google-google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks-chunks": `writeItems{"operations":[{"action":"add","description":"Fresh red apple","itemid":"apple_001","price":0.5},{"action":"add","description":"Ripe yellow banana","itemid":"banana_001","price":0.3}]}`,
		}[c.ID]
		if got != want {
			t.Errorf("%s: %s\nwant %s", c.ID, got, want)
		}
	}
	if found < 2 {
		t.Errorf("only %d recordings have calls in pieces", found)
	}
}

func element(list []byte, n int) (found []byte) {
	i := 0
	eachElement(list, func(elem []byte) {
		if i == n {
			found = elem
		}
		i++
	})
	return found
}

func elements(list []byte) (n int) {
	eachElement(list, func([]byte) { n++ })
	return n
}
