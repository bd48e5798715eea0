package anthropic

import (
	"fmt"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
)

// What translation costs, decode and encode together, in µs for a KB read.
// docs/performance.md has the figures.

// benchWords are n bytes of text with what JSON escapes.
func benchWords(n int) string {
	return strings.Repeat(`All \"quoted\" words of a line.\n`, n/33+1)[:n/33*33]
}

func benchChat(kb int) string {
	var b strings.Builder
	b.WriteString(`{"model":"claude-sonnet-4-5","stream":true,"temperature":0.5,"max_tokens":1000,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}],"messages":[{"role":"system","content":"Be brief."}`)
	for b.Len() < kb<<10-600 {
		fmt.Fprintf(&b, `,{"role":"user","content":"%s"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"path\":\"a\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"%s"}`, benchWords(350), benchWords(350))
	}
	b.WriteString(`,{"role":"user","content":"go"}]}`)
	return b.String()
}

func benchOwn(kb int) string {
	var b strings.Builder
	b.WriteString(`{"model":"gpt-4.1","stream":true,"temperature":0.5,"max_tokens":1000,"tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"path":{"type":"string"}}}}],"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"hi"}`)
	for b.Len() < kb<<10-600 {
		fmt.Fprintf(&b, `,{"role":"assistant","content":[{"type":"text","text":"%s"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"path":"a"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"%s"}]}`, benchWords(350), benchWords(350))
	}
	b.WriteString(`,{"role":"user","content":"go"}]}`)
	return b.String()
}

func perKB(b *testing.B, size int) {
	b.SetBytes(int64(size))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(b.N)/(float64(size)/1024), "µs/KB")
}

func BenchmarkRequestFromChat(b *testing.B) {
	benchRequest(b, openai.ChatIngress(), MessagesEgress(providers.Quirks{}), benchChat)
}

func BenchmarkRequestToChat(b *testing.B) {
	benchRequest(b, MessagesIngress(), openai.ChatEgress(providers.Quirks{}), benchOwn)
}

func benchRequest(b *testing.B, in providers.Ingress, out providers.Egress, body func(kb int) string) {
	for _, kb := range []int{1, 10, 76} {
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			text := []byte(body(kb))
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				r, err := in.DecodeRequest(text)
				if err != nil {
					b.Fatal(err)
				}
				if dst, _, err = out.AppendRequest(dst[:0], r); err != nil {
					b.Fatal(err)
				}
			}
			perKB(b, len(text))
		})
	}
}

func BenchmarkAnswerToChat(b *testing.B) {
	benchAnswer(b, MessagesEgress(providers.Quirks{}), openai.ChatIngress(),
		`{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"%s"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":10}}`)
}

func BenchmarkAnswerFromChat(b *testing.B) {
	benchAnswer(b, openai.ChatEgress(providers.Quirks{}), MessagesIngress(),
		`{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":10,"total_tokens":20}}`)
}

func benchAnswer(b *testing.B, out providers.Egress, in providers.Ingress, format string) {
	for _, kb := range []int{1, 10} {
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			text := fmt.Appendf(nil, format, benchWords(kb<<10))
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				r, err := out.DecodeResponse(text)
				if err != nil {
					b.Fatal(err)
				}
				if dst, err = in.AppendResponse(dst[:0], r); err != nil {
					b.Fatal(err)
				}
			}
			perKB(b, len(text))
		})
	}
}

func BenchmarkChunkToChat(b *testing.B) {
	benchChunk(b, MessagesEgress(providers.Quirks{}).NewDecoder(), openai.ChatIngress().NewEncoder(providers.EncodeOptions{Model: "m"}),
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" some words\"}}\n\n")
}

func BenchmarkChunkFromChat(b *testing.B) {
	benchChunk(b, openai.ChatEgress(providers.Quirks{}).NewDecoder(), MessagesIngress().NewEncoder(providers.EncodeOptions{Model: "m"}), "",
		"data: {\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":\"chat.completion.chunk\",\"created\":1741570283,\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_50cad350e4\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" some words\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n")
}

func benchChunk(b *testing.B, d providers.Decoder, e providers.Encoder, head, chunk string) {
	var ev providers.Event
	var out []byte
	feed := func(p []byte) {
		d.Feed(p)
		for out = out[:0]; d.Next(&ev); {
			out = e.Append(out, &ev)
		}
	}
	feed([]byte(head))
	p := []byte(chunk)
	b.ReportAllocs()
	for b.Loop() {
		feed(p)
	}
	if len(out) == 0 {
		b.Fatal("nothing was written")
	}
	perKB(b, len(p))
}
