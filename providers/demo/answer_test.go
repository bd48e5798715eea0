package demo

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestTokens(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		if got := tokens(text); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("tokens(%q) = %q, want %q", text, got, want)
		}
	}
	f("")
	f("Hello world", "Hello", " world")
	f("  Hello,  world!\n", "  Hello", ",", "  world", "!", "\n")
	f("你好,world", "你", "好", ",", "world")
	f("don't x_1", "don't", " x_1")
	f("abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnop", "qrstuvwxyz")
	f("a b\tc", "a", " b", "\tc")
	f("\xff\xfea", "\xff", "\xfe", "a")
}

// TestTokensIsLinear: a body of nothing but white space costs no more than one of words.
func TestTokensIsLinear(t *testing.T) {
	for _, unit := range []string{" ", "a", "\n\t ", "。"} {
		begin := time.Now()
		tokens(strings.Repeat(unit, 1<<20))
		if d := time.Since(begin); d > 30*time.Second {
			t.Errorf("a million of %q took %v", unit, d)
		}
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"Hello, 世界!", " a  b ", "\xff", "e\u0301", strings.Repeat("x", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list := tokens(s)
		if strings.Join(list, "") != s {
			t.Errorf("the tokens of %q join to %q", s, strings.Join(list, ""))
		}
		for _, tok := range list {
			if tok == "" || utf8.RuneCountInString(strings.TrimSpace(tok)) > longestWord {
				t.Errorf("%q has the token %q", s, tok)
			}
		}
	})
}

func TestChatTools(t *testing.T) {
	p := newPeer(t, instant)
	const tools = `,"tools":[{"type":"function","function":{"name":"lookup","parameters":{"type":"object","properties":{"q":{"type":"string"},"n":{"type":"integer","minimum":3}},"required":["q"]}}},{"type":"function","function":{"name":"clock"}}]`
	f := func(model, said, more, wantTool, wantArgs string) {
		t.Helper()
		body := chatAsk(model, said, tools+more)
		_, text := p.body("/v1/chat/completions", body)
		whole := parse[chatObject](t, text)
		got := tell(t, p.stream("/v1/chat/completions", strings.TrimSuffix(body, "}")+`,"stream":true}`))
		calls := whole.Choices[0].Message.ToolCalls
		if wantTool == "" {
			if len(calls)+len(got.calls) > 0 || got.finish != "stop" {
				t.Errorf("%s %q %s: called %v", model, said, more, calls)
			}
			return
		}
		if len(calls) != 1 || len(got.calls) != 1 || got.finish != "tool_calls" || whole.Choices[0].Finish != "tool_calls" {
			t.Fatalf("%s %q %s: %s", model, said, more, text)
		}
		for _, c := range []chatToolCall{calls[0], got.calls[0]} {
			if c.Function.Name != wantTool || c.Function.Arguments != wantArgs || !strings.HasPrefix(c.ID, "call_") {
				t.Errorf("%s %q: %+v", model, said, c)
			}
		}
		if whole.Choices[0].Message.Content != nil {
			t.Errorf("content beside a call: %s", text)
		}
	}
	const args = `{"n":3,"q":"demo"}`
	f("demo", "hello", "", "", "")
	f("demo", "please call lookup for me", "", "lookup", args)
	f("demo", "Call CLOCK", "", "clock", "{}")
	f("demo", "请调用 clock", "", "clock", "{}")
	f("demo-tools", "hello", "", "lookup", args)
	f("demo", "hello", `,"tool_choice":"required"`, "lookup", args)
	f("demo", "hello", `,"tool_choice":{"type":"function","function":{"name":"clock"}}`, "clock", "{}")
	f("demo-tools", "call lookup", `,"tool_choice":"none"`, "", "")

	_, text := p.body("/v1/chat/completions", `{"model":"demo-tools"`+tools+`,"messages":[{"role":"user","content":"天气"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"lookup","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"clock","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"c1","content":"晴"},{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"12:00"}]}]}`)
	if got := *parse[chatObject](t, text).Choices[0].Message.Content; !strings.Contains(got, "lookup") || !strings.Contains(got, "晴") || !strings.Contains(got, "12:00") {
		t.Errorf("after the results: %q", got)
	}
}

func TestChatFormats(t *testing.T) {
	p := newPeer(t, instant)
	_, text := p.body("/v1/chat/completions", chatAsk("demo", "hi", `,"response_format":{"type":"json_object"}`))
	if c := *parse[chatObject](t, text).Choices[0].Message.Content; !json.Valid([]byte(c)) || !strings.Contains(c, `"asked":"hi"`) {
		t.Errorf("json_object: %s", c)
	}
	_, text = p.body("/v1/chat/completions", chatAsk("demo", "hi", `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"ok":{"type":"boolean"}}}}}`))
	if c := *parse[chatObject](t, text).Choices[0].Message.Content; c != `{"ok":true}` {
		t.Errorf("json_schema: %s", c)
	}
}

func TestInstance(t *testing.T) {
	f := func(schema, want string) {
		t.Helper()
		if got := instanceOf(json.RawMessage(schema)); got != want {
			t.Errorf("%s\n gives %s\n want  %s", schema, got, want)
		}
	}
	f(``, `{}`)
	f(`true`, `"demo"`)
	f(`{"type":"string"}`, `"demo"`)
	f(`{"type":["string","null"]}`, `"demo"`)
	f(`{"type":"null"}`, `null`)
	f(`{"enum":["b","a"]}`, `"b"`)
	f(`{"const":{"x":1}}`, `{"x":1}`)
	f(`{"type":"integer","default":7}`, `7`)
	f(`{"type":"integer"}`, `1`)
	f(`{"type":"integer","minimum":10}`, `10`)
	f(`{"type":"integer","maximum":-5}`, `-5`)
	f(`{"type":"integer","exclusiveMinimum":10}`, `11`)
	f(`{"type":"integer","exclusiveMaximum":1}`, `0`)
	f(`{"type":"number","exclusiveMinimum":1,"maximum":2}`, `1.5`)
	f(`{"type":"integer","multipleOf":5}`, `5`)
	f(`{"type":"integer","minimum":11,"multipleOf":5}`, `15`)
	f(`{"type":"string","format":"date"}`, `"2026-01-01"`)
	f(`{"type":"string","minLength":6}`, `"demooo"`)
	f(`{"type":"string","maxLength":2}`, `"de"`)
	f(`{"type":"string","pattern":"^[A-Z]{3}$"}`, `"ABC"`)
	f(`{"type":"string","pattern":"^[0-9]+$","minLength":2}`, `"10"`)
	f(`{"type":"array","items":{"type":"integer"},"minItems":2}`, `[1,1]`)
	f(`{"type":"array"}`, `[]`)
	f(`{"type":"array","prefixItems":[{"type":"boolean"},{"type":"null"}]}`, `[true,null]`)
	f(`{"properties":{"b":{"type":"boolean"},"a":{}},"required":["c"]}`, `{"a":"demo","b":true,"c":"demo"}`)
	f(`{"anyOf":[{"type":"integer"},{"type":"string"}]}`, `1`)
	f(`{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}}},{"properties":{"b":{"type":"null"}}}]}`, `{"a":1,"b":null}`)
	f(`{"$ref":"#/$defs/x","$defs":{"x":{"type":"boolean"}}}`, `true`)
	f(`{"type":"object","properties":{"p":{"$ref":"#/definitions/a~1b"}},"definitions":{"a/b":{"type":"integer"}}}`, `{"p":1}`)
	f(`{"$ref":"https://example.com/s"}`, `"demo"`)
	f(`{"$ref":"#"}`, `"demo"`)
}

func TestInstanceIsBounded(t *testing.T) {
	tree := `{"type":"object","properties":{"l":{"$ref":"#"},"r":{"$ref":"#"}},"required":["l","r"]}`
	for _, schema := range []string{tree, `{"type":"array","items":{"$ref":"#"},"minItems":1000000}`, `{"type":"string","minLength":1000000000}`} {
		got := instanceOf(json.RawMessage(schema))
		if !json.Valid([]byte(got)) || len(got) > 1<<20 {
			t.Errorf("%s gives %d bytes, %.100s", schema, len(got), got)
		}
	}
}

func FuzzInstance(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"number","minimum":1.5}}},"required":["a"]}`)
	f.Add(`{"type":"string","pattern":"^a+$"}`)
	f.Add(`{"const":1e999}`)
	f.Fuzz(func(t *testing.T, schema string) {
		if !json.Valid([]byte(schema)) {
			return
		}
		if got := instanceOf(json.RawMessage(schema)); !json.Valid([]byte(got)) {
			t.Errorf("%s gives %s", schema, got)
		}
	})
}

func TestCompletions(t *testing.T) {
	p := newPeer(t, instant)
	_, text := p.body("/v1/completions", `{"model":"demo","prompt":["Once upon a time","x"],"max_tokens":9}`)
	c := parse[chatObject](t, text)
	if c.Object != "text_completion" || c.Choices[0].Finish != "length" || count(c.Choices[0].Text) != 9 || c.Usage.Completion != 9 {
		t.Errorf("%s", text)
	}
	joined, usage, done := "", (*chatUsage)(nil), false
	for _, e := range p.stream("/v1/completions", `{"model":"demo","prompt":"Once upon a time","max_tokens":9,"stream":true,"stream_options":{"include_usage":true}}`) {
		if done = e.data == "[DONE]"; done {
			break
		}
		c := parse[chatObject](t, e.data)
		if c.Usage != nil {
			usage = c.Usage
			continue
		}
		joined += c.Choices[0].Text
	}
	if joined != c.Choices[0].Text || usage == nil || *usage != *c.Usage || !done {
		t.Errorf("streamed %q, %+v, done %v", joined, usage, done)
	}
	if status, text := p.body("/v1/completions", `{"model":"demo","prompt":{}}`); status != 400 {
		t.Errorf("%d %s", status, text)
	}
}

func TestEmbeddings(t *testing.T) {
	p := newPeer(t, instant)
	type reply struct {
		Data []struct {
			Index     int
			Embedding json.RawMessage
		}
		Usage struct {
			Prompt int `json:"prompt_tokens"`
			Total  int `json:"total_tokens"`
		}
	}
	get := func(more string) ([][]float64, reply) {
		t.Helper()
		status, text := p.body("/v1/embeddings", `{"model":"demo-embedding",`+more+`}`)
		if status != 200 {
			t.Fatalf("%s: %d %s", more, status, text)
		}
		r := parse[reply](t, text)
		var out [][]float64
		for i, d := range r.Data {
			var v []float64
			var b64 string
			if json.Unmarshal(d.Embedding, &b64) == nil {
				raw, _ := base64.StdEncoding.DecodeString(b64)
				for k := 0; k+4 <= len(raw); k += 4 {
					v = append(v, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[k:]))))
				}
			} else if err := json.Unmarshal(d.Embedding, &v); err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, x := range v {
				sum += x * x
			}
			if math.Abs(sum-1) > 1e-5 || d.Index != i {
				t.Errorf("%s: vector %d has the length %v", more, d.Index, math.Sqrt(sum))
			}
			out = append(out, v)
		}
		return out, r
	}
	dot := func(a, b []float64) (s float64) {
		for k := range a {
			s += a[k] * b[k]
		}
		return s
	}
	v, r := get(`"input":["the cat sat on the mat","a cat sat on a mat","quarterly revenue rose"]`)
	if dot(v[0], v[1]) < dot(v[0], v[2])+0.2 {
		t.Errorf("near texts have %v, far ones %v", dot(v[0], v[1]), dot(v[0], v[2]))
	}
	if r.Usage.Prompt != 15 || r.Usage.Total != 15 || len(v[0]) != embedDimensions {
		t.Errorf("usage %+v, %d dimensions", r.Usage, len(v[0]))
	}
	again, _ := get(`"input":"the cat sat on the mat","encoding_format":"base64"`)
	if d := dot(v[0], again[0]); d < 0.99999 {
		t.Errorf("the same text in base64 differs: %v", d)
	}
	if v, _ := get(`"input":[[1,2],[3]],"dimensions":8`); len(v) != 2 || len(v[0]) != 8 {
		t.Errorf("token ids: %v", v)
	}
	get(`"input":[1,2,3]`)
	for _, bad := range []string{`"input":""`, `"input":[]`, `"input":{}`, `"input":"x","dimensions":0`, `"input":"x","encoding_format":"x"`, `"x":1`} {
		if status, text := p.body("/v1/embeddings", `{"model":"demo",`+bad+`}`); status != 400 {
			t.Errorf("%s: %d %.100s", bad, status, text)
		}
	}
	if status, _ := p.body("/v1/embeddings", `{"model":"demo-error-503","input":"x"}`); status != 503 {
		t.Errorf("demo-error-503: %d", status)
	}
}
