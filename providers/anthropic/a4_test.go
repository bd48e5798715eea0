package anthropic

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// What gateways are known to get wrong between these two formats, a test each;
// the numbers are rows of the project's list of such bugs. Rows that concern other
// formats are tested where those are.

// thinker is a vendor of chat format whose model thinks in reasoning_content.
var thinker = providers.Quirks{ReasoningField: "reasoning_content", MaxTokensField: "max_tokens"}

// a4Stream gives an Anthropic caller the stream of a chat upstream, and says what
// a strict client makes of it.
func a4Stream(t *testing.T, chunks ...string) (outlined, raw string) {
	t.Helper()
	d := openai.ChatEgress(thinker).NewDecoder()
	e := MessagesIngress().NewEncoder(providers.EncodeOptions{Model: "m", RequestID: "r", InputTokens: 42})
	var out []byte
	feed := func(s string) {
		d.Feed([]byte(s))
		var ev providers.Event
		for d.Next(&ev) {
			if ev.Kind != providers.EventEnd {
				out = e.Append(out, &ev)
			}
		}
	}
	for _, c := range chunks {
		feed("data: " + c + "\n\n")
	}
	if err := d.End(); err != nil {
		out = e.Fail(out, &providers.Error{Kind: providers.KindUpstream, Message: err.Error()})
	} else {
		out = e.End(out)
	}
	return outline(t, string(out)), string(out)
}

func a4Chunk(delta string) string {
	return `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":` + delta + `,"finish_reason":null}]}`
}

func a4Finish(reason string) string {
	return `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"` + reason + `"}]}`
}

// a4Request writes a chat request for Anthropic.
func a4Request(t *testing.T, body string) (string, []string) {
	t.Helper()
	r, err := openai.ChatIngress().DecodeRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	out, dropped, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), dropped
}

func a4Has(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("%s lacks %s", got, w)
		}
	}
}

// Signature-only and redacted thinking passes to a chat caller and back, and
// reasoning_details of an incoming chat request are not ignored.
func TestA4Row02_SignatureSurvivesTheChatFormat(t *testing.T) {
	const blocks = `[{"type":"thinking","thinking":"","signature":"SIG0"},{"type":"redacted_thinking","data":"ENC"},{"type":"tool_use","id":"toolu_1","name":"f","input":{}}]`
	answer := `{"id":"msg_1","type":"message","role":"assistant","model":"claude-opus-4-8","content":` + blocks + `,"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`
	resp, err := MessagesEgress(providers.Quirks{}).DecodeResponse([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	chat, err := openai.ChatIngress().AppendResponse(nil, resp)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Choices []struct{ Message json.RawMessage }
	}
	if err := json.Unmarshal(chat, &got); err != nil {
		t.Fatal(err)
	}
	out, dropped := a4Request(t, `{"model":"claude-opus-4-8","tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"user","content":"x"},`+
		string(got.Choices[0].Message)+`,{"role":"tool","tool_call_id":"toolu_1","content":"r"}]}`)
	a4Has(t, out, `{"role":"assistant","content":`+blocks+`}`)
	if len(dropped) > 0 {
		t.Errorf("dropped %q", dropped)
	}
}

// The signature is a delta of the thinking block, before its stop.
func TestA4Row02_SignatureIsOnTheThinkingBlock(t *testing.T) {
	got, _ := a4Stream(t, a4Chunk(`{"role":"assistant","reasoning_details":[{"type":"reasoning.text","text":"hm","index":0}]}`),
		a4Chunk(`{"reasoning_details":[{"type":"reasoning.text","signature":"SIG","format":"anthropic-claude-v1","index":0}]}`), a4Chunk(`{"content":"x"}`), a4Finish("stop"), "[DONE]")
	if want := "thinking: hm [SIG]\ntext: x\nstop: end_turn\n"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestA4Row03_ThinkingIsItsOwnBlockAndOneMessageStart(t *testing.T) {
	got, raw := a4Stream(t, a4Chunk(`{"role":"assistant","content":""}`), a4Chunk(`{"reasoning_content":"hm"}`), a4Chunk(`{"role":"assistant","content":"x"}`), a4Finish("stop"), "[DONE]")
	if want := "thinking: hm [gwsig1..]\ntext: x\nstop: end_turn\n"; got != want || strings.Count(raw, "event: message_start") != 1 {
		t.Errorf("got %s\n%s", got, raw)
	}
}

func TestA4Row04_TheDeltaThatSwitchesIsSent(t *testing.T) {
	got, _ := a4Stream(t, a4Chunk(`{"reasoning_content":"A"}`), a4Chunk(`{"content":"B"}`), a4Chunk(`{"tool_calls":[{"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\":1}"}}]}`), a4Finish("tool_calls"), "[DONE]")
	if want := "thinking: A [gwsig1..]\ntext: B\ntool_use: c1 f {\"a\":1}\nstop: tool_use\n"; got != want {
		t.Errorf("got %s", got)
	}
	// both kinds in one chunk
	got, _ = a4Stream(t, a4Chunk(`{"reasoning_content":"A","content":"B"}`), a4Finish("stop"), "[DONE]")
	if want := "thinking: A [gwsig1..]\ntext: B\nstop: end_turn\n"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestA4Row05_MessageStartTellsInputTokens(t *testing.T) {
	_, raw := a4Stream(t, a4Chunk(`{"content":"x"}`), a4Finish("stop"), `{"id":"c","choices":[],"usage":{"prompt_tokens":30,"completion_tokens":2}}`, "[DONE]")
	first, rest, _ := strings.Cut(raw, "\n\n")
	a4Has(t, first, `"input_tokens":42`)
	a4Has(t, rest, `"usage":{"input_tokens":30,`)
}

func TestA4Row06_BlocksCountOnTheirOwn(t *testing.T) {
	// Calls come interleaved, under indices that do not start at 0; text comes between.
	got, _ := a4Stream(t, a4Chunk(`{"content":"x"}`),
		a4Chunk(`{"tool_calls":[{"index":3,"id":"a","function":{"name":"f","arguments":"{\"a\""}}]}`), a4Chunk(`{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}]}`),
		a4Chunk(`{"tool_calls":[{"index":3,"function":{"arguments":":1}"}}]}`), a4Chunk(`{"tool_calls":[{"index":1,"function":{"arguments":"}"}}]}`), a4Finish("tool_calls"), "[DONE]")
	if want := "text: x\ntool_use: a f {\"a\":1}\ntool_use: b g {}\nstop: tool_use\n"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestA4Row07_CachedTokensAreNotInput(t *testing.T) {
	body := `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30}}}`
	r, err := openai.ChatEgress(providers.Quirks{}).DecodeResponse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	out, err := MessagesIngress().AppendResponse(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	a4Has(t, string(out), `"input_tokens":10,`, `"cache_read_input_tokens":60`, `"cache_creation_input_tokens":30`, `"output_tokens":7`)

	// and the other way: prompt_tokens includes the cache
	back, err := MessagesEgress(providers.Quirks{}).DecodeResponse(out)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := openai.ChatIngress().AppendResponse(nil, back)
	if err != nil {
		t.Fatal(err)
	}
	a4Has(t, string(chat), `"prompt_tokens":100,"completion_tokens":7,"total_tokens":107`, `"cached_tokens":60`, `"cache_write_tokens":30`)
}

func TestA4Row08_StreamUsageReplaces(t *testing.T) {
	e := MessagesEgress(providers.Quirks{})
	var u providers.Usage
	for _, report := range []string{
		`{"type":"message_start","message":{"usage":{"input_tokens":3,"cache_creation_input_tokens":500,"cache_read_input_tokens":200,"output_tokens":4}}}`,
		`{"type":"message_delta","usage":{"output_tokens":20}}`,
		`{"type":"message_delta","usage":{"input_tokens":3,"cache_creation_input_tokens":500,"cache_read_input_tokens":200,"output_tokens":33}}`,
	} {
		e.Usage([]byte(report), &u)
	}
	if u.Prompt() != 703 || u.CacheRead != 200 || u.Completion() != 33 {
		t.Errorf("%+v: counted more than once", u)
	}
	// Prices: each token is charged in one bucket only.
	p := providers.Price{Input: 1000, CacheRead: 100, CacheWrite5m: 1250, Output: 5000}
	if cost, _ := p.Cost(u); cost != (3*1000+200*100+500*1250+33*5000+500_000)/1_000_000 {
		t.Errorf("cost %d", cost)
	}
}

func TestA4Row12_AllowedToolsAndSerialCallsAreCarried(t *testing.T) {
	const tools = `"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]`
	out, dropped := a4Request(t, `{"model":"claude-sonnet-4-5",`+tools+`,"parallel_tool_calls":false,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}},"messages":[{"role":"user","content":"x"}]}`)
	a4Has(t, out, `"tools":[{"name":"g","input_schema":{"type":"object"}}]`, `"tool_choice":{"type":"any","disable_parallel_tool_use":true}`)
	if len(dropped) > 0 {
		t.Errorf("dropped %q", dropped)
	}
}

func TestA4Row13_StructuredOutputLeavesToolsAlone(t *testing.T) {
	out, dropped := a4Request(t, `{"model":"claude-sonnet-4-5","tools":[{"type":"function","function":{"name":"f"}}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","additionalProperties":false}}},"messages":[{"role":"user","content":"x"}]}`)
	a4Has(t, out, `"tools":[{"name":"f","input_schema":{"type":"object"}}]`, `"output_config":{"format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}}`)
	if strings.Contains(out, "tool_choice") || len(dropped) > 0 {
		t.Errorf("%s, dropped %q", out, dropped)
	}
}

func TestA4Row14_NoArgumentsAreOneEmptyObject(t *testing.T) {
	for _, fragments := range [][]string{{""}, {"", ""}, {"{}"}, {"", "{}"}, {"{", "}"}} {
		chunks := []string{a4Chunk(`{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"` + fragments[0] + `"}}]}`)}
		for _, s := range fragments[1:] {
			chunks = append(chunks, a4Chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"`+s+`"}}]}`))
		}
		got, _ := a4Stream(t, append(chunks, a4Finish("tool_calls"), "[DONE]")...)
		if want := "tool_use: c1 f {}\nstop: tool_use\n"; got != want {
			t.Errorf("%q: got %s", fragments, got)
		}
	}
}

func TestA4Row15_NoEmptyTextBlocks(t *testing.T) {
	out, _ := a4Request(t, `{"model":"claude-sonnet-4-5","messages":[{"role":"system","content":""},{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"x"}]},{"role":"assistant","content":"  \n"},{"role":"assistant","content":"","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":""}}]},{"role":"tool","tool_call_id":"c","content":""}]}`)
	if strings.Contains(out, `"text":""`) || strings.Contains(out, `"text":" `) || strings.Contains(out, `"system"`) {
		t.Errorf("empty text in %s", out)
	}
	a4Has(t, out, `"text":"x"`, `"input":{}`, `"tool_use_id":"c"`)
}

func TestA4Row16_MidStreamErrorsAreErrors(t *testing.T) {
	got, raw := a4Stream(t, a4Chunk(`{"content":"Hel"}`), `{"error":{"message":"out of memory","type":"server_error","code":500}}`)
	a4Has(t, got, "error: ", "out of memory")
	if strings.Contains(raw, "message_stop") || strings.Contains(raw, "end_turn") {
		t.Error(raw)
	}
	got, raw = a4Stream(t, a4Chunk(`{"content":"Hel"}`)) // cut
	if a4Has(t, got, "error: "); strings.Contains(raw, "message_stop") || strings.Contains(raw, "stop_reason\":\"end") {
		t.Error(raw)
	}
}

func TestA4Row18_BudgetStaysBelowMaxTokens(t *testing.T) {
	for _, most := range []int{1025, 2048, 3000, 9000, 64000} {
		for _, effort := range []string{"minimal", "low", "medium", "high", "xhigh", "max"} {
			out, _ := a4Request(t, fmt.Sprintf(`{"model":"claude-sonnet-4-5","max_tokens":%d,"reasoning_effort":%q,"messages":[{"role":"user","content":"x"}]}`, most, effort))
			var r struct {
				MaxTokens int `json:"max_tokens"`
				Thinking  struct {
					Budget int `json:"budget_tokens"`
				}
			}
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatal(err)
			}
			if r.MaxTokens != most || r.Thinking.Budget != 0 && (r.Thinking.Budget < 1024 || r.Thinking.Budget >= most) {
				t.Errorf("max_tokens %d, %s: %s", most, effort, out)
			}
		}
	}
}

func TestA4Row20_CacheMarksInChatFormatAreCarried(t *testing.T) {
	const mark = `"cache_control":{"type":"ephemeral","ttl":"1h"}`
	out, dropped := a4Request(t, `{"model":"claude-sonnet-4-5","tools":[{"type":"function","function":{"name":"f"},`+mark+`}],"messages":[{"role":"system","content":[{"type":"text","text":"s",`+mark+`}]},{"role":"user","content":[{"type":"text","text":"x",`+mark+`}]}]}`)
	if strings.Count(out, mark) != 3 || slices.Contains(dropped, "cache_control") {
		t.Errorf("%s, dropped %q", out, dropped)
	}
	out, _ = a4Request(t, `{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":[{"type":"text","text":"x","prompt_cache_breakpoint":{"mode":"explicit"}}]}]}`)
	a4Has(t, out, `"cache_control":{"type":"ephemeral"`)
}
