package all

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// whole writes the reply as one answer of the upstream of that name.
func (p *reply) whole(upstream string) string {
	list := func(form map[string]string) string {
		var out []string
		for i, x := range p.parts {
			text := str(x.text)
			if x.kind == "call" && (upstream == "messages" || upstream == "gemini" || upstream == "converse") {
				text = x.text // an object, not its text
			}
			out = append(out, strings.NewReplacer("$text", text, "$id", x.id, "$n", fmt.Sprint(i)).Replace(form[x.kind]))
		}
		return strings.Join(out, ",")
	}
	switch upstream {
	case "chat":
		return p.wholeChat()
	case "messages":
		return fmt.Sprintf(`{"id":"m","type":"message","role":"assistant","model":"m","content":[%s],"stop_reason":"%s","stop_sequence":null,"usage":{"input_tokens":%d,"output_tokens":%d}}`,
			list(map[string]string{"text": `{"type":"text","text":$text}`, "think": `{"type":"thinking","thinking":$text,"signature":""}`, "call": `{"type":"tool_use","id":"$id","name":"look","input":$text}`}),
			p.finish("end_turn", "max_tokens", "tool_use"), p.in, p.out)
	case "responses":
		status, why := "completed", "null"
		if p.truncated {
			status, why = "incomplete", `{"reason":"max_output_tokens"}`
		}
		return fmt.Sprintf(`{"id":"resp_1","object":"response","created_at":1,"status":"%s","incomplete_details":%s,"model":"m","output":[%s],"usage":{"input_tokens":%d,"output_tokens":%d,"total_tokens":%d}}`, status, why,
			list(map[string]string{"text": `{"id":"item_$n","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":$text,"annotations":[]}]}`,
				"think": `{"id":"item_$n","type":"reasoning","summary":[{"type":"summary_text","text":$text}]}`, "call": `{"id":"item_$n","type":"function_call","status":"completed","call_id":"$id","name":"look","arguments":$text}`}),
			p.in, p.out, p.in+p.out)
	case "gemini":
		return fmt.Sprintf(`{"candidates":[{"content":{"parts":[%s],"role":"model"},"finishReason":"%s","index":0}],"usageMetadata":{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d},"modelVersion":"m","responseId":"r"}`,
			list(map[string]string{"text": `{"text":$text}`, "think": `{"text":$text,"thought":true}`, "call": `{"functionCall":{"id":"$id","name":"look","args":$text}}`}),
			p.finish("STOP", "MAX_TOKENS", "STOP"), p.in, p.out, p.in+p.out)
	}
	return fmt.Sprintf(`{"output":{"message":{"role":"assistant","content":[%s]}},"stopReason":"%s","usage":{"inputTokens":%d,"outputTokens":%d,"totalTokens":%d},"metrics":{"latencyMs":1}}`,
		list(map[string]string{"text": `{"text":$text}`, "think": `{"reasoningContent":{"reasoningText":{"text":$text}}}`, "call": `{"toolUse":{"toolUseId":"$id","name":"look","input":$text}}`}),
		p.finish("end_turn", "max_tokens", "tool_use"), p.in, p.out, p.in+p.out)
}

func (p *reply) wholeChat() string {
	said := p.told()
	message := `"role":"assistant","content":null`
	if said.Text != "" {
		message = `"role":"assistant","content":` + str(said.Text)
	}
	if said.Thought != "" {
		message += `,"reasoning_content":` + str(said.Thought)
	}
	var calls []string
	for _, x := range p.parts {
		if x.kind == "call" {
			calls = append(calls, fmt.Sprintf(`{"id":"%s","type":"function","function":{"name":"look","arguments":%s}}`, x.id, str(x.text)))
		}
	}
	if len(calls) > 0 {
		message += `,"tool_calls":[` + strings.Join(calls, ",") + `]`
	}
	return fmt.Sprintf(`{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{%s},"finish_reason":"%s"}],"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`,
		message, p.finish("stop", "length", "tool_calls"), p.in, p.out, p.in+p.out)
}

// answered is what an answer says, in the form that all formats share.
func answered(r *providers.Response) (s told) {
	for i := range r.Choices[0].Blocks {
		switch b := &r.Choices[0].Blocks[i]; b.Kind {
		case providers.KindText:
			s.Text += b.Text
		case providers.KindThinking:
			s.Thought += b.Text
		case providers.KindToolCall:
			s.Calls = append(s.Calls, b.ID+compact(string(b.Args)))
		}
	}
	s.Finish, s.In, s.Out = r.Choices[0].Finish, r.Usage.Prompt(), r.Usage.Completion()
	return s
}

// TestAnswerCombinations: what an upstream answers, however it spells it, is what a
// caller of any format reads.
func TestAnswerCombinations(t *testing.T) {
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
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			p := newReply(r)
			body, want := p.whole(u.name), p.told()
			odd := respell(r, body)
			for _, b := range []string{body, odd} {
				answer, err := u.out.DecodeResponse([]byte(b))
				if err != nil {
					t.Fatalf("%s: %v\n%s", u.name, err, b)
				}
				if got := answered(answer); !reflect.DeepEqual(got, want) {
					t.Fatalf("%s is read as\n%+q\nwant\n%+q\n%s", u.name, fmt.Sprint(got), fmt.Sprint(want), b)
				}
				answer.Model, answer.ID, answer.Created = "m", "r1", 1
				for _, c := range benchCallers {
					out, err := c.in.AppendResponse(nil, answer)
					if err != nil || !wire.ValidObject(out) || twins(out) != "" {
						t.Fatalf("%s for %s: %v, %q twice\n%s\n%s", u.name, c.name, err, twins(out), b, out)
					}
					again, err := readers[c.name].DecodeResponse(out)
					if err != nil {
						t.Fatalf("%s for %s: %v\n%s\n%s", u.name, c.name, err, b, out)
					}
					if got := answered(again); !reflect.DeepEqual(got, want) {
						t.Fatalf("%s for %s is read as\n%+q\nwant\n%+q\n%s\n%s", u.name, c.name, fmt.Sprint(got), fmt.Sprint(want), b, out)
					}
				}
			}
		}
	}
}
