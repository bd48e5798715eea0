package all

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// A reply is an answer made at random, which stream writes as an upstream of each format would.
type reply struct {
	*rand.Rand
	parts     []part
	in, out   int64
	truncated bool // the bound of the output ended it
}

type part struct {
	kind string // text, think, call
	text string // or arguments
	id   string
}

func newReply(r *rand.Rand) *reply {
	p := &reply{Rand: r, in: 1 + r.Int64N(1<<40-1), out: 1 + r.Int64N(1<<20), truncated: r.IntN(4) == 0}
	for i := range 1 + r.IntN(6) { // in any order: models think and speak between calls
		x := part{kind: []string{"text", "think", "call"}[r.IntN(3)], text: p.words()}
		if x.kind == "call" {
			x.id, x.text = fmt.Sprintf("call_%d", i), fmt.Sprintf(`{"q":%s,"n":%d.50,"deep":[{"a":null},[]]}`, str(x.text), r.Int64())
			if r.IntN(5) == 0 {
				x.text = "{}"
			}
		}
		p.parts = append(p.parts, x)
	}
	if !p.called() {
		p.parts = append(p.parts, part{kind: "text", text: p.words()})
	}
	return p
}

func (p *reply) words() string {
	var b strings.Builder
	for range 1 + p.IntN(6) {
		b.WriteString([]string{"word ", "\n", "é", "🦊", "\u2028", `"`, `\`, "\t", "data: x\n\n", "[DONE]", "</think>", "{", "\u0000", "快速"}[p.IntN(14)])
	}
	return b.String() + "."
}

// pieces cuts a text between runes.
func (p *reply) pieces(s string) (list []string) {
	for runes := []rune(s); len(runes) > 0; {
		n := 1 + p.IntN(len(runes))
		list = append(list, string(runes[:n]))
		runes = runes[n:]
	}
	return list
}

func (p *reply) called() bool {
	return slices.ContainsFunc(p.parts, func(x part) bool { return x.kind == "call" })
}

func (p *reply) finish(stop, length, calls string) string {
	switch {
	case p.truncated:
		return length
	case p.called():
		return calls
	}
	return stop
}

// stream writes the reply as the upstream of that name.
func (p *reply) stream(upstream string) string {
	var b strings.Builder
	say := func(event, format string, args ...any) {
		data := fmt.Sprintf(format, args...)
		switch {
		case upstream == "converse":
			b.WriteString(benchFrame(event, data))
		case event != "":
			b.WriteString("event: " + event + "\ndata: " + data + "\n\n")
		default:
			b.WriteString("data: " + data + "\n\n")
		}
	}
	switch upstream {
	case "chat":
		p.chat(say)
		b.WriteString("data: [DONE]\n\n")
	case "messages":
		p.messages(say)
	case "responses":
		p.responses(say)
	case "gemini":
		p.gemini(say)
	case "converse":
		p.converse(say)
	}
	return b.String()
}

type say = func(event, format string, args ...any)

func (p *reply) chat(say say) {
	delta := func(d string) {
		say("", `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":%s,"finish_reason":null}]}`, d)
	}
	delta(`{"role":"assistant","content":""}`)
	calls := 0
	for _, x := range p.parts {
		if x.kind == "call" {
			delta(fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":"%s","type":"function","function":{"name":"look","arguments":""}}]}`, calls, x.id))
		}
		for _, s := range p.pieces(x.text) {
			switch x.kind {
			case "text":
				delta(`{"content":` + str(s) + `}`)
			case "think":
				delta(`{"reasoning_content":` + str(s) + `}`)
			case "call":
				delta(fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}`, calls, str(s)))
			}
		}
		if x.kind == "call" {
			calls++
		}
	}
	say("", `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"%s"}]}`, p.finish("stop", "length", "tool_calls"))
	say("", `{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`, p.in, p.out, p.in+p.out)
}

func (p *reply) messages(say say) {
	say("message_start", `{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":%d,"output_tokens":1}}}`, p.in)
	for i, x := range p.parts {
		start := map[string]string{"text": `{"type":"text","text":""}`, "think": `{"type":"thinking","thinking":"","signature":""}`, "call": `{"type":"tool_use","id":"` + x.id + `","name":"look","input":{}}`}[x.kind]
		say("content_block_start", `{"type":"content_block_start","index":%d,"content_block":%s}`, i, start)
		for _, s := range p.pieces(x.text) {
			d := map[string]string{"text": `{"type":"text_delta","text":`, "think": `{"type":"thinking_delta","thinking":`, "call": `{"type":"input_json_delta","partial_json":`}[x.kind]
			say("content_block_delta", `{"type":"content_block_delta","index":%d,"delta":%s%s}}`, i, d, str(s))
			if p.IntN(4) == 0 {
				say("ping", `{"type": "ping"}`)
			}
		}
		say("content_block_stop", `{"type":"content_block_stop","index":%d}`, i)
	}
	say("message_delta", `{"type":"message_delta","delta":{"stop_reason":"%s","stop_sequence":null},"usage":{"output_tokens":%d}}`, p.finish("end_turn", "max_tokens", "tool_use"), p.out)
	say("message_stop", `{"type":"message_stop"}`)
}

func (p *reply) responses(say say) {
	n := 0
	ev := func(name, format string, args ...any) {
		say(name, `{"type":"%s","sequence_number":%d,%s}`, name, n, fmt.Sprintf(format, args...))
		n++
	}
	ev("response.created", `"response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"m","output":[]}`)
	var items []string
	for i, x := range p.parts {
		id := fmt.Sprintf("item_%d", i)
		switch x.kind {
		case "text":
			ev("response.output_item.added", `"output_index":%d,"item":{"id":"%s","type":"message","status":"in_progress","role":"assistant","content":[]}`, i, id)
			ev("response.content_part.added", `"item_id":"%s","output_index":%d,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}`, id, i)
			for _, s := range p.pieces(x.text) {
				ev("response.output_text.delta", `"item_id":"%s","output_index":%d,"content_index":0,"delta":%s`, id, i, str(s))
			}
			ev("response.output_text.done", `"item_id":"%s","output_index":%d,"content_index":0,"text":%s`, id, i, str(x.text))
			items = append(items, fmt.Sprintf(`{"id":"%s","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":%s,"annotations":[]}]}`, id, str(x.text)))
		case "think":
			ev("response.output_item.added", `"output_index":%d,"item":{"id":"%s","type":"reasoning","summary":[]}`, i, id)
			ev("response.reasoning_summary_part.added", `"item_id":"%s","output_index":%d,"summary_index":0,"part":{"type":"summary_text","text":""}`, id, i)
			for _, s := range p.pieces(x.text) {
				ev("response.reasoning_summary_text.delta", `"item_id":"%s","output_index":%d,"summary_index":0,"delta":%s`, id, i, str(s))
			}
			ev("response.reasoning_summary_text.done", `"item_id":"%s","output_index":%d,"summary_index":0,"text":%s`, id, i, str(x.text))
			items = append(items, fmt.Sprintf(`{"id":"%s","type":"reasoning","summary":[{"type":"summary_text","text":%s}]}`, id, str(x.text)))
		case "call":
			ev("response.output_item.added", `"output_index":%d,"item":{"id":"%s","type":"function_call","status":"in_progress","call_id":"%s","name":"look","arguments":""}`, i, id, x.id)
			for _, s := range p.pieces(x.text) {
				ev("response.function_call_arguments.delta", `"item_id":"%s","output_index":%d,"delta":%s`, id, i, str(s))
			}
			ev("response.function_call_arguments.done", `"item_id":"%s","output_index":%d,"arguments":%s`, id, i, str(x.text))
			items = append(items, fmt.Sprintf(`{"id":"%s","type":"function_call","status":"completed","call_id":"%s","name":"look","arguments":%s}`, id, x.id, str(x.text)))
		}
		ev("response.output_item.done", `"output_index":%d,"item":%s`, i, items[i])
	}
	end, why := "completed", "null"
	if p.truncated {
		end, why = "incomplete", `{"reason":"max_output_tokens"}`
	}
	ev("response."+end, `"response":{"id":"resp_1","object":"response","created_at":1,"status":"%s","incomplete_details":%s,"model":"m","output":[%s],"usage":{"input_tokens":%d,"output_tokens":%d,"total_tokens":%d}}`,
		end, why, strings.Join(items, ","), p.in, p.out, p.in+p.out)
}

func (p *reply) gemini(say say) {
	chunk := func(part, more string) {
		say("", `{"candidates":[{"content":{"parts":[%s],"role":"model"},"index":0%s}],"modelVersion":"m","responseId":"r"}`, part, more)
	}
	for _, x := range p.parts {
		if x.kind == "call" {
			chunk(`{"functionCall":{"id":"`+x.id+`","name":"look","args":`+x.text+`}}`, "")
			continue
		}
		for _, s := range p.pieces(x.text) {
			if x.kind == "think" {
				chunk(`{"text":`+str(s)+`,"thought":true}`, "")
			} else {
				chunk(`{"text":`+str(s)+`}`, "")
			}
		}
	}
	say("", `{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"%s","index":0}],"usageMetadata":{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d},"modelVersion":"m","responseId":"r"}`,
		p.finish("STOP", "MAX_TOKENS", "STOP"), p.in, p.out, p.in+p.out)
}

func (p *reply) converse(say say) {
	say("messageStart", `{"role":"assistant"}`)
	for i, x := range p.parts {
		if x.kind == "call" {
			say("contentBlockStart", `{"contentBlockIndex":%d,"start":{"toolUse":{"toolUseId":"%s","name":"look"}}}`, i, x.id)
		}
		for _, s := range p.pieces(x.text) {
			d := map[string]string{"text": `{"text":` + str(s) + `}`, "think": `{"reasoningContent":{"text":` + str(s) + `}}`, "call": `{"toolUse":{"input":` + str(s) + `}}`}[x.kind]
			say("contentBlockDelta", `{"contentBlockIndex":%d,"delta":%s}`, i, d)
		}
		say("contentBlockStop", `{"contentBlockIndex":%d}`, i)
	}
	say("messageStop", `{"stopReason":"%s"}`, p.finish("end_turn", "max_tokens", "tool_use"))
	say("metadata", `{"usage":{"inputTokens":%d,"outputTokens":%d,"totalTokens":%d},"metrics":{"latencyMs":1}}`, p.in, p.out, p.in+p.out)
}

// told gathers what events come to, in a form that all formats share.
type told struct {
	Text, Thought string
	Calls         []string
	Finish        providers.Finish
	In, Out       int64
}

func (p *reply) told() (s told) {
	for _, x := range p.parts {
		switch x.kind {
		case "text":
			s.Text += x.text
		case "think":
			s.Thought += x.text
		case "call":
			s.Calls = append(s.Calls, x.id+compact(x.text))
		}
	}
	s.Finish, s.In, s.Out = providers.Finish(p.finish("stop", "length", "tool_calls")), p.in, p.out
	return s
}

func compact(s string) string {
	var b strings.Builder
	for i, quoted := 0, false; i < len(s); i++ {
		if s[i] == '"' && (i == 0 || s[i-1] != '\\' || i > 1 && s[i-2] == '\\') {
			quoted = !quoted
		}
		if quoted || s[i] != ' ' {
			b.WriteByte(s[i])
		}
	}
	var v any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return "no JSON: " + b.String()
	}
	out, _ := json.Marshal(v)
	return string(out)
}

func gathered(events []providers.Event) (s told) {
	calls, open := map[int]*providers.Block{}, []int{}
	for i := range events {
		ev := &events[i]
		switch ev.Kind {
		case providers.EventStart, providers.EventUsage:
			if ev.Kind == providers.EventUsage || !ev.Usage.Zero() {
				s.In, s.Out = ev.Usage.Prompt(), ev.Usage.Completion()
			}
		case providers.EventBlockStart:
			if ev.Block.Kind == providers.KindToolCall {
				b := ev.Block
				b.Text = ""
				calls[ev.Index] = &b
				open = append(open, ev.Index)
			}
		case providers.EventBlockDelta:
			switch b := calls[ev.Index]; {
			case b != nil:
				b.Text += ev.Block.Text
			case ev.Block.Kind == providers.KindThinking:
				s.Thought += ev.Block.Text
			case ev.Block.Kind == providers.KindText:
				s.Text += ev.Block.Text
			}
		case providers.EventFinish:
			s.Finish = ev.Finish
		}
	}
	for _, i := range open {
		args := calls[i].Text
		if args == "" {
			args = "{}"
		}
		s.Calls = append(s.Calls, calls[i].ID+compact(args))
	}
	return s
}

// TestStreamCombinations: what an upstream streams, wherever its bytes are cut, is
// what a caller of any format reads: every text, thought, call, reason and count.
func TestStreamCombinations(t *testing.T) {
	seed, n := uint64(time.Now().UnixNano()), 150
	if testing.Short() {
		n = 60
	}
	t.Logf("seed %d", seed)
	readers := map[string]providers.Egress{}
	for _, u := range benchUpstreams {
		readers[u.name] = u.out
	}
	for i := range n {
		for _, u := range benchUpstreams {
			p := newReply(rand.New(rand.NewPCG(seed, uint64(i))))
			bytes := p.stream(u.name)
			want := p.told()
			events, err := providertest.Decode(u.out.NewDecoder(), providertest.Cuts([]byte(bytes), seed+uint64(i)))
			if err != nil {
				t.Fatalf("%s: %v\n%s", u.name, err, bytes)
			}
			if got := gathered(events); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s is read as\n%+q\nwant\n%+q\n%s", u.name, fmt.Sprint(got), fmt.Sprint(want), bytes)
			}
			for _, c := range benchCallers {
				enc := c.in.NewEncoder(providers.EncodeOptions{Model: "m", IncludeUsage: true, RequestID: "r1", Created: 1})
				out := providertest.Encode(enc, events)
				again, err := providertest.Decode(readers[c.name].NewDecoder(), providertest.Cuts(out, seed-uint64(i)))
				if err != nil {
					t.Fatalf("%s for %s: %v\n%s\n%s", u.name, c.name, err, bytes, out)
				}
				if got := gathered(again); !reflect.DeepEqual(got, want) {
					t.Fatalf("%s for %s is read as\n%+q\nwant\n%+q\n%s\n%s", u.name, c.name, fmt.Sprint(got), fmt.Sprint(want), bytes, out)
				}
			}
		}
	}
}

// TestStreamsCutShort: a stream that ends before the model said why it stopped is
// never taken for a whole one, wherever it ends.
func TestStreamsCutShort(t *testing.T) {
	before := map[string]string{"chat": `"finish_reason":"`, "messages": "event: message_delta", "responses": "event: response.", "gemini": `"finishReason"`, "converse": "messageStop"}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for i := range 400 {
		for _, u := range benchUpstreams {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			text := newReply(r).stream(u.name)
			text = text[:r.IntN(1+strings.LastIndex(text, before[u.name]))]
			events, err := providertest.Decode(u.out.NewDecoder(), providertest.Cuts([]byte(text), seed))
			for _, ev := range events {
				if ev.Kind == providers.EventEnd || ev.Kind == providers.EventFinish {
					t.Fatalf("%s, cut short, has ended: %+v\n%s", u.name, ev, text)
				}
				if ev.Kind == providers.EventError {
					err = ev.Err
				}
			}
			if err == nil {
				t.Fatalf("%s, cut short, is taken for whole\n%s", u.name, text)
			}
		}
	}
}
