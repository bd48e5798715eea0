package bedrock

import (
	"fmt"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// What translation costs, decode and encode together, in µs for a KB read.

func benchConversation(kb int, turn string) string {
	words := strings.Repeat(`All \"quoted\" words of a line.\n`, 10)
	var b strings.Builder
	for b.Len() < kb<<10-600 {
		fmt.Fprintf(&b, turn, words, words)
	}
	return b.String()
}

func BenchmarkRequestFromChat(b *testing.B) {
	benchRequest(b, openai.ChatIngress(), func(kb int) string {
		return `{"model":"us.anthropic.claude-sonnet-4-5","stream":true,"max_tokens":1000,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"messages":[` +
			benchConversation(kb, `{"role":"user","content":"%s"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"path\":\"a\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"%s"},`) + `{"role":"user","content":"go"}]}`
	})
}

func BenchmarkRequestFromMessages(b *testing.B) {
	benchRequest(b, anthropic.MessagesIngress(), func(kb int) string {
		return `{"model":"us.anthropic.claude-sonnet-4-5","stream":true,"max_tokens":1000,"tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"hi"},` +
			benchConversation(kb, `{"role":"assistant","content":[{"type":"text","text":"%s"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"path":"a"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"%s"}]},`) + `{"role":"user","content":"go"}]}`
	})
}

func benchRequest(b *testing.B, in providers.Ingress, body func(kb int) string) {
	for _, kb := range []int{1, 10, 76} {
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			text := []byte(body(kb))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				r, err := in.DecodeRequest(text)
				if err != nil {
					b.Fatal(err)
				}
				if dst, _, err = (egress{}).AppendRequest(dst[:0], r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(b.N)/(float64(len(text))/1024), "µs/KB")
		})
	}
}

func BenchmarkStream(b *testing.B) {
	events := []string{`messageStart {"role":"assistant"}`}
	for range 200 {
		events = append(events, `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"some words "},"p":"abcdefghijklmnopqrstuvwxyz"}`)
	}
	events = append(events, `contentBlockStop {"contentBlockIndex":0}`, `messageStop {"stopReason":"end_turn"}`, `metadata {"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}`)
	stream := frames(events...)
	for name, in := range map[string]providers.Ingress{"chat": openai.ChatIngress(), "messages": anthropic.MessagesIngress()} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				list, err := providertest.Decode(egress{}.NewDecoder(), [][]byte{stream})
				if err != nil {
					b.Fatal(err)
				}
				providertest.Encode(in.NewEncoder(providers.EncodeOptions{Model: "m", RequestID: "r", Created: 1}), list)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
		})
	}
}
