package all

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// A talk is a conversation made at random, which speak writes in each caller's
// format. Every text and argument in it holds a mark of its own.
type talk struct {
	*rand.Rand
	marks int
	turns []turn
}

type turn struct {
	role  string // system, user, assistant, tool
	texts []string
	calls []string // ids, of assistant and tool
	image bool
}

func (k *talk) mark() string {
	k.marks++
	return fmt.Sprintf("<<%d>> é\u2028🦊 \"\\/ \u0007", k.marks)
}

func newTalk(r *rand.Rand) *talk {
	k := &talk{Rand: r}
	if k.IntN(2) == 0 {
		k.turns = append(k.turns, turn{role: "system", texts: []string{k.mark()}})
	}
	call := 0
	for range 1 + k.IntN(4) {
		u := turn{role: "user", texts: []string{k.mark()}, image: k.IntN(4) == 0}
		for range k.IntN(3) {
			u.texts = append(u.texts, k.mark())
		}
		k.turns = append(k.turns, u)
		for k.IntN(2) == 0 {
			a := turn{role: "assistant"}
			if k.IntN(2) == 0 {
				a.texts = []string{k.mark()}
			}
			results := turn{role: "tool"}
			for range 1 + k.IntN(3) {
				call++
				id := fmt.Sprintf("call_%d", call)
				a.calls, results.calls = append(a.calls, id), append(results.calls, id)
				results.texts = append(results.texts, k.mark())
			}
			k.turns = append(k.turns, a, results)
		}
		k.turns = append(k.turns, turn{role: "assistant", texts: []string{k.mark()}})
	}
	k.turns = append(k.turns, turn{role: "user", texts: []string{k.mark()}})
	return k
}

const (
	pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	shape = `{"type":"object","properties":{"q":{"type":"string"},"n":{"type":"number"}},"required":["q"]}`
)

func str(s string) string { return string(wire.AppendString(nil, s)) }

func (k *talk) args(id string) string {
	return fmt.Sprintf(`{"q":%s,"n":12345678901234567890.5}`, str("of "+id))
}

// one picks a member for the request, or none.
func (k *talk) one(list ...string) string {
	if i := k.IntN(len(list) + 1); i < len(list) {
		return "," + list[i]
	}
	return ""
}

// speak writes the talk in a caller's format.
func (k *talk) speak(caller string) string {
	switch caller {
	case "chat":
		return k.chat()
	case "messages":
		return k.messages()
	case "responses":
		return k.responses()
	}
	return k.gemini()
}

func (k *talk) chat() string {
	var list []string
	for _, t := range k.turns {
		switch t.role {
		case "system":
			list = append(list, fmt.Sprintf(`{"role":"%s","content":%s}`, []string{"system", "developer"}[k.IntN(2)], str(t.texts[0])))
		case "tool":
			for i, id := range t.calls {
				list = append(list, fmt.Sprintf(`{"role":"tool","tool_call_id":"%s","content":%s}`, id, str(t.texts[i])))
			}
		default:
			var parts, calls []string
			for _, s := range t.texts {
				parts = append(parts, `{"type":"text","text":`+str(s)+`}`)
			}
			if t.image {
				parts = append(parts, `{"type":"image_url","image_url":{"url":"data:image/png;base64,`+pixel+`"}}`)
			}
			m := `{"role":"` + t.role + `","content":` + []string{"null", "[" + strings.Join(parts, ",") + "]"}[min(len(parts), 1)]
			for _, id := range t.calls {
				calls = append(calls, fmt.Sprintf(`{"id":"%s","type":"function","function":{"name":"look","arguments":%s}}`, id, str(k.args(id))))
			}
			if len(calls) > 0 {
				m += `,"tool_calls":[` + strings.Join(calls, ",") + `]`
			}
			list = append(list, m+"}")
		}
	}
	return `{"model":"m","messages":[` + strings.Join(list, ",") + `],"tools":[{"type":"function","function":{"name":"look","description":"d","parameters":` + shape + `}}]` +
		k.one(`"temperature":0`, `"temperature":1E0`, `"temperature":null`, `"temperature":0.70000000000000001`) + k.one(`"max_tokens":77`, `"max_completion_tokens":77`, `"max_tokens":null`) +
		k.one(`"stop":"x"`, `"stop":["x","y"]`, `"stop":null`, `"stop":[]`) + k.one(`"tool_choice":"auto"`, `"tool_choice":"required"`, `"tool_choice":{"type":"function","function":{"name":"look"}}`) +
		k.one(`"response_format":{"type":"text"}`, `"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":`+shape+`}}`) + k.one(`"seed":9007199254740993`, `"user":"\u0000u"`, `"parallel_tool_calls":false`) +
		k.one(`"metadata":{"a":"b"}`, `"logit_bias":{"1":1}`, `"reasoning_effort":"low"`, `"unheard_of":{"a":[1,{"b":null}]}`) + "}"
}

func (k *talk) messages() string {
	var list []string
	system := ""
	for _, t := range k.turns {
		if t.role == "system" {
			system = `"system":` + []string{str(t.texts[0]), `[{"type":"text","text":` + str(t.texts[0]) + `,"cache_control":{"type":"ephemeral"}}]`}[k.IntN(2)] + ","
			continue
		}
		var parts []string
		role := t.role
		if role == "tool" {
			role = "user"
			for i, id := range t.calls {
				parts = append(parts, fmt.Sprintf(`{"type":"tool_result","tool_use_id":"%s","content":%s}`, id, []string{str(t.texts[i]), `[{"type":"text","text":` + str(t.texts[i]) + `}]`}[k.IntN(2)]))
			}
		} else {
			for _, s := range t.texts {
				parts = append(parts, `{"type":"text","text":`+str(s)+`}`)
			}
			for _, id := range t.calls {
				parts = append(parts, fmt.Sprintf(`{"type":"tool_use","id":"%s","name":"look","input":%s}`, id, k.args(id)))
			}
		}
		if t.image {
			parts = append(parts, `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"`+pixel+`"}}`)
		}
		list = append(list, `{"role":"`+role+`","content":[`+strings.Join(parts, ",")+`]}`)
	}
	return `{"model":"m","max_tokens":77,` + system + `"messages":[` + strings.Join(list, ",") + `],"tools":[{"name":"look","description":"d","input_schema":` + shape + `}]` +
		k.one(`"temperature":0`, `"temperature":1.0`, `"top_p":0.5`, `"top_k":40`) + k.one(`"stop_sequences":["x"]`, `"stop_sequences":[]`) +
		k.one(`"tool_choice":{"type":"auto"}`, `"tool_choice":{"type":"any","disable_parallel_tool_use":true}`, `"tool_choice":{"type":"tool","name":"look"}`) +
		k.one(`"metadata":{"user_id":"u"}`, `"service_tier":"auto"`, `"unheard_of":[]`) + "}"
}

func (k *talk) responses() string {
	var list []string
	instructions := ""
	for _, t := range k.turns {
		kind := "input_text"
		switch t.role {
		case "system":
			instructions = `"instructions":` + str(t.texts[0]) + ","
			continue
		case "tool":
			for i, id := range t.calls {
				list = append(list, fmt.Sprintf(`{"type":"function_call_output","call_id":"%s","output":%s}`, id, []string{str(t.texts[i]), `[{"type":"input_text","text":` + str(t.texts[i]) + `}]`}[k.IntN(2)]))
			}
			continue
		case "assistant":
			kind = "output_text"
		}
		var parts []string
		for _, s := range t.texts {
			parts = append(parts, `{"type":"`+kind+`","text":`+str(s)+`}`)
		}
		if t.image {
			parts = append(parts, `{"type":"input_image","image_url":"data:image/png;base64,`+pixel+`"}`)
		}
		if len(parts) > 0 {
			list = append(list, []string{`{`, `{"type":"message",`}[k.IntN(2)]+`"role":"`+t.role+`","content":[`+strings.Join(parts, ",")+`]}`)
		}
		for _, id := range t.calls {
			list = append(list, fmt.Sprintf(`{"type":"function_call","call_id":"%s","name":"look","arguments":%s}`, id, str(k.args(id))))
		}
	}
	return `{"model":"m",` + instructions + `"input":[` + strings.Join(list, ",") + `],"tools":[{"type":"function","name":"look","description":"d","parameters":` + shape + `}]` +
		k.one(`"temperature":0`, `"top_p":1`) + k.one(`"max_output_tokens":77`, `"max_output_tokens":null`) + k.one(`"store":false`, `"parallel_tool_calls":true`, `"metadata":{"a":"b"}`) +
		k.one(`"tool_choice":"none"`, `"tool_choice":"required"`, `"tool_choice":{"type":"function","name":"look"}`) + k.one(`"text":{"format":{"type":"json_schema","name":"s","schema":`+shape+`}}`, `"text":{"verbosity":"low"}`) +
		k.one(`"reasoning":{"effort":"low","summary":"auto"}`, `"truncation":"disabled"`, `"unheard_of":0`) + "}"
}

func (k *talk) gemini() string {
	var list []string
	system := ""
	for _, t := range k.turns {
		var parts []string
		role := "user"
		switch t.role {
		case "system":
			system = []string{`"systemInstruction"`, `"system_instruction"`}[k.IntN(2)] + `:{"parts":[{"text":` + str(t.texts[0]) + `}]},`
			continue
		case "assistant":
			role = "model"
			fallthrough
		case "user":
			for _, s := range t.texts {
				parts = append(parts, `{"text":`+str(s)+`}`)
			}
			for _, id := range t.calls {
				parts = append(parts, fmt.Sprintf(`{"functionCall":{"id":"%s","name":"look","args":%s}}`, id, k.args(id)))
			}
		case "tool":
			for i, id := range t.calls {
				parts = append(parts, fmt.Sprintf(`{"functionResponse":{"id":"%s","name":"look","response":{"output":%s}}}`, id, str(t.texts[i])))
			}
		}
		if t.image {
			parts = append(parts, []string{`{"inlineData":{"mimeType":"image/png","data":"`, `{"inline_data":{"mime_type":"image/png","data":"`}[k.IntN(2)]+pixel+`"}}`)
		}
		list = append(list, `{"role":"`+role+`","parts":[`+strings.Join(parts, ",")+`]}`)
	}
	knobs := strings.TrimPrefix(k.one(`"temperature":0`, `"temperature":0.7`)+k.one(`"maxOutputTokens":77`)+k.one(`"stopSequences":["x"]`)+k.one(`"topK":40`, `"topP":0.5`, `"seed":7`)+
		k.one(`"responseMimeType":"application/json","responseJsonSchema":`+shape, `"responseMimeType":"text/plain"`), ",")
	return `{` + system + `"contents":[` + strings.Join(list, ",") + `],"tools":[{"functionDeclarations":[{"name":"look","description":"d","parametersJsonSchema":` + shape + `}]}]` +
		`,"generationConfig":{` + knobs + `}` + k.one(`"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}`, `"safetySettings":[]`, `"labels":{"a":"b"}`) + "}"
}

// respell writes the same JSON in other words: white space, escapes, and where
// nothing is acted on by its bytes (below the top) escapes in names, too.
func respell(r *rand.Rand, body string) string {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '"':
			end := i + 1
			for body[end] != '"' {
				if body[end] == '\\' {
					end++
				}
				end++
			}
			s, _ := wire.String([]byte(body[i : end+1]))
			name := strings.HasPrefix(strings.TrimLeft(body[end+1:], " "), ":")
			if name && depth <= 1 {
				b.WriteString(body[i : end+1])
			} else {
				b.WriteString(escaped(r, s))
			}
			i = end
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		b.WriteByte(body[i])
		if strings.IndexByte("{}[],:", body[i]) >= 0 {
			b.WriteString([]string{"", "", " ", "\n", "\t", "\r\n  "}[r.IntN(6)])
		}
	}
	return b.String()
}

func escaped(r *rand.Rand, s string) string {
	if len(s) > 60 && !strings.Contains(s, "<<") { // an image
		return str(s)
	}
	b := []byte{'"'}
	for _, c := range s {
		if r.IntN(4) != 0 {
			q := wire.AppendString(nil, string(c))
			b = append(b, q[1:len(q)-1]...)
			continue
		}
		for _, u := range utf16.Encode([]rune{c}) {
			b = fmt.Appendf(b, []string{`\u%04x`, `\u%04X`}[r.IntN(2)], u)
		}
	}
	return string(append(b, '"'))
}

// marksOf returns the marks in a text in their order.
func marksOf(s string) (list []int) {
	for _, part := range strings.Split(s, "<<")[1:] {
		n, err := strconv.Atoi(part[:strings.Index(part, ">>")])
		if err == nil {
			list = append(list, n)
		}
	}
	return list
}

// TestCombinations: whatever a conversation holds, in whatever spelling it comes,
// each upstream's format has all of it in its order and is JSON without twins, and
// what our own reader makes of that is the same conversation.
func TestCombinations(t *testing.T) {
	seed, n := uint64(time.Now().UnixNano()), 120
	if testing.Short() {
		n = 60
	}
	t.Logf("seed %d", seed)
	ingress := map[string]providers.Ingress{}
	for _, c := range benchCallers {
		ingress[c.name] = c.in
	}
	refused := 0
	for i := range n {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		k := newTalk(r)
		for _, c := range benchCallers {
			body := k.speak(c.name)
			plain, err := c.in.DecodeRequest([]byte(body))
			if err != nil {
				t.Fatalf("%s refuses %s: %v", c.name, body, err)
			}
			odd := respell(r, body)
			other, err := c.in.DecodeRequest([]byte(odd))
			if err != nil {
				t.Fatalf("%s refuses %s: %v", c.name, odd, err)
			}
			if _, err := c.in.Peek([]byte(odd)); err != nil {
				t.Fatalf("%s refuses at first sight %s: %v", c.name, odd, err)
			}
			for _, u := range benchUpstreams {
				plain.Model, other.Model = u.model, u.model
				out, dropped, err := u.out.AppendRequest(nil, plain)
				if err != nil {
					var e *providers.Error
					if !errors.As(err, &e) || e.Message == "" || e.HTTPStatus() != 400 {
						t.Fatalf("%s for %s: %s: %v", c.name, u.name, body, err)
					}
					refused++
					continue
				}
				fail := func(what string, args ...any) {
					t.Helper()
					t.Fatalf("%s for %s: %s\n%s\n%s", c.name, u.name, fmt.Sprintf(what, args...), body, out)
				}
				if !wire.ValidObject(out) {
					fail("not JSON")
				}
				if twin := twins(out); twin != "" {
					fail("%s stands there twice", twin)
				}
				again, droppedToo, err := u.out.AppendRequest(nil, other)
				if err != nil || !reflect.DeepEqual(tree(again), tree(out)) || !slices.Equal(dropped, droppedToo) {
					fail("spelt otherwise, as\n%s\nit is %v %v, %v\n%s", odd, droppedToo, dropped, err, again)
				}
				want := k.marks
				got := marksOf(string(out))
				sorted := slices.Sorted(slices.Values(got))
				if len(got) != want || sorted[0] != 1 || sorted[len(sorted)-1] != want || len(slices.Compact(sorted)) != want {
					fail("marks %v, want 1 to %d", got, want)
				}
				system := 0
				if k.turns[0].role == "system" {
					system = 1
				}
				if talk := slices.DeleteFunc(slices.Clone(got), func(m int) bool { return m <= system }); !slices.IsSorted(talk) {
					fail("the order is %v", got)
				}
				for _, turn := range k.turns {
					for _, id := range turn.calls {
						if turn.role == "assistant" && strings.Count(string(out), "of "+id+`\"`)+strings.Count(string(out), "of "+id+`"`) != 1 {
							fail("the call %s is not there once", id)
						}
					}
				}
				if in := ingress[u.name]; in != nil {
					back, err := in.DecodeRequest(out)
					if err != nil {
						fail("our own reader refuses it: %v", err)
					}
					if a, b := outline(plain), outline(back); a != b {
						fail("it was\n%s\nand is\n%s", a, b)
					}
				}
			}
		}
	}
	t.Logf("%d requests, %d refused by a format", n*len(benchCallers)*len(benchUpstreams), refused)
}

// outline tells the messages of a request in a form that all formats share.
func outline(r *providers.Request) string {
	var b strings.Builder
	tell := func(role providers.Role, blocks []providers.Block) {
		for i := range blocks {
			switch x := &blocks[i]; x.Kind {
			case providers.KindText:
				fmt.Fprintf(&b, "%s %v; ", role, marksOf(x.Text))
			case providers.KindImage:
				fmt.Fprintf(&b, "image of %d; ", len(x.Data))
			case providers.KindToolCall:
				fmt.Fprintf(&b, "call %s; ", x.ToolName)
			case providers.KindToolResult:
				fmt.Fprint(&b, "result ")
				for j := range x.Result {
					fmt.Fprintf(&b, "%v; ", marksOf(x.Result[j].Text))
				}
			}
		}
	}
	for i := range r.Messages {
		tell(r.Messages[i].Role, r.Messages[i].Blocks)
	}
	return b.String()
}

func tree(b []byte) (v any) {
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	return strings2json(v)
}

// strings2json opens strings that hold JSON (arguments of calls): their spelling is free.
func strings2json(v any) any {
	switch x := v.(type) {
	case string:
		var inner any
		if strings.HasPrefix(x, "{") && json.Unmarshal([]byte(x), &inner) == nil {
			return inner
		}
	case map[string]any:
		for k := range x {
			x[k] = strings2json(x[k])
		}
	case []any:
		for i := range x {
			x[i] = strings2json(x[i])
		}
	}
	return v
}

// twins returns a name that an object, at any depth, has twice.
func twins(v []byte) (twin string) {
	seen := map[string]bool{}
	wire.EachMember(v, func(name, value []byte) bool {
		if seen[string(name)] {
			twin = string(name)
		}
		seen[string(name)] = true
		if inner := twins(value); inner != "" {
			twin = inner
		}
		return twin == ""
	})
	if twin == "" && wire.IsArray(v) {
		wire.EachElement(v, func(e []byte) bool { twin = twins(e); return twin == "" })
	}
	return twin
}
