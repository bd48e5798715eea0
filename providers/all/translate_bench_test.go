package all

import (
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/bedrock"
	"github.com/your-org/ai-api-gateway/providers/gemini"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// What a pair of formats costs: a request of a tool's round read in the caller's and
// written in the upstream's, and one chunk of text back. docs/performance.md has the figures.

// A callers' format, with one short conversation in it.
var benchCallers = []struct {
	name, request string
	in            providers.Ingress
}{
	{"chat", `{"model":"m","max_tokens":1000,"temperature":0.5,"tools":[{"type":"function","function":{"name":"f","description":"Reads.","parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}],"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"What is in a?"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"path\":\"a\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"words"},{"role":"user","content":"go on"}]}`, openai.ChatIngress()},
	{"messages", `{"model":"m","max_tokens":1000,"temperature":0.5,"tools":[{"name":"f","description":"Reads.","input_schema":{"type":"object","properties":{"path":{"type":"string"}}}}],"system":"Be brief.","messages":[{"role":"user","content":"What is in a?"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"path":"a"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"words"},{"type":"text","text":"go on"}]}]}`, anthropic.MessagesIngress()},
	{"responses", `{"model":"m","max_output_tokens":1000,"temperature":0.5,"tools":[{"type":"function","name":"f","description":"Reads.","parameters":{"type":"object","properties":{"path":{"type":"string"}}}}],"instructions":"Be brief.","input":[{"role":"user","content":"What is in a?"},{"type":"function_call","call_id":"call_1","name":"f","arguments":"{\"path\":\"a\"}"},{"type":"function_call_output","call_id":"call_1","output":"words"},{"role":"user","content":"go on"}]}`, openai.ResponsesIngress()},
	{"gemini", `{"generationConfig":{"maxOutputTokens":1000,"temperature":0.5},"tools":[{"functionDeclarations":[{"name":"f","description":"Reads.","parametersJsonSchema":{"type":"object","properties":{"path":{"type":"string"}}}}]}],"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"What is in a?"}]},{"role":"model","parts":[{"functionCall":{"id":"call_1","name":"f","args":{"path":"a"}}}]},{"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"f","response":{"output":"words"}}},{"text":"go on"}]}]}`, gemini.GenerateIngress()},
}

// An upstreams' format, with what begins a stream and one chunk of it.
var benchUpstreams = []struct {
	name, model, head, chunk string
	out                      providers.Egress
}{
	{"chat", "gpt-4.1", "", "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1741570283,\"model\":\"gpt-4.1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" some words\"},\"finish_reason\":null}]}\n\n", openai.ChatEgress(providers.Quirks{})},
	{"messages", "claude-sonnet-4-5", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" some words\"}}\n\n", anthropic.MessagesEgress(providers.Quirks{})},
	{"responses", "gpt-5-codex", "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1,\"status\":\"in_progress\",\"model\":\"m\",\"output\":[]}}\n\nevent: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}}\n\nevent: response.content_part.added\ndata: {\"type\":\"response.content_part.added\",\"sequence_number\":2,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}}\n\n",
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":3,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\" some words\"}\n\n", openai.ResponsesEgress(providers.Quirks{})},
	{"gemini", "gemini-2.5-flash", "", "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" some words\"}],\"role\":\"model\"},\"index\":0}],\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"r\"}\r\n\r\n", gemini.GenerateEgress(gemini.AIStudio)},
	{"converse", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", benchFrame("messageStart", `{"role":"assistant"}`), benchFrame("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":" some words"}}`), bedrock.ConverseEgress()},
}

func benchFrame(name, payload string) string {
	return string(wire.AppendFrame(nil, []byte(payload), ":message-type", "event", ":event-type", name, ":content-type", "application/json"))
}

// BenchmarkPairRequest reads a request of one format and writes it in another.
func BenchmarkPairRequest(b *testing.B) {
	for _, c := range benchCallers {
		for _, u := range benchUpstreams {
			if c.name == u.name {
				continue
			}
			b.Run(c.name+"-"+u.name, func(b *testing.B) {
				body := []byte(c.request)
				var dst []byte
				b.ReportAllocs()
				for b.Loop() {
					r, err := c.in.DecodeRequest(body)
					if err != nil {
						b.Fatal(err)
					}
					r.Model = u.model
					if dst, _, err = u.out.AppendRequest(dst[:0], r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkPairChunk reads one chunk of text of an upstream and writes it for a caller.
func BenchmarkPairChunk(b *testing.B) {
	for _, u := range benchUpstreams {
		for _, c := range benchCallers {
			if c.name == u.name {
				continue
			}
			b.Run(u.name+"-"+c.name, func(b *testing.B) {
				d, e := u.out.NewDecoder(), c.in.NewEncoder(providers.EncodeOptions{Model: "m"})
				var ev providers.Event
				var out []byte
				feed := func(p []byte) {
					d.Feed(p)
					for out = out[:0]; d.Next(&ev); {
						out = e.Append(out, &ev)
					}
				}
				feed([]byte(u.head))
				p := []byte(u.chunk)
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					if n == 10_000 { // an answer has an end: some formats repeat all its text there
						d, e, n = u.out.NewDecoder(), c.in.NewEncoder(providers.EncodeOptions{Model: "m"}), 0
						feed([]byte(u.head))
					}
					if feed(p); len(out) == 0 {
						b.Fatal("nothing was written")
					}
				}
			})
		}
	}
}
