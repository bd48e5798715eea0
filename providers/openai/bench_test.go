package openai

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

const (
	chunk = `{"id":"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_50cad350e4","choices":[{"index":0,"delta":{"content":" assist"},"logprobs":null,"finish_reason":null}],"obfuscation":"aKs8fTq"}`
	last  = `{"id":"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG","object":"chat.completion.chunk","created":1741570283,"model":"gpt-4o-2024-08-06","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}`
	ask   = `{"model":"gpt-4o","messages":[{"role":"system","content":"You are helpful."},{"role":"user","content":"%"}],"temperature":0.7,"stream":true,"max_tokens":100}`
)

func TestAllocs(t *testing.T) {
	q, in := ChatEgress(providers.Quirks{}), ChatIngress()
	body := []byte(strings.Replace(ask, "%", strings.Repeat("word ", 200), 1))
	f := func(name string, most float64, run func()) {
		t.Helper()
		if n := testing.AllocsPerRun(200, run); n > most {
			t.Errorf("%s allocates %v times, at most %v are allowed", name, n, most)
		}
	}
	data, end := []byte(chunk), []byte(last)
	var u providers.Usage
	f("Frame of a delta", 0, func() { q.Frame("", data) })
	f("Frame of the usage", 0, func() { q.Frame("", end) })
	f("Usage", 0, func() { q.Usage(end, &u) })
	f("ModelSpan", 0, func() { q.ModelSpan(data) })
	f("Peek", 1, func() { // the model's name
		if _, err := in.Peek(body); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	q, data := ChatEgress(providers.Quirks{}), []byte(chunk)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		q.Frame("", data)
	}
}

func BenchmarkUsage(b *testing.B) {
	q, data := ChatEgress(providers.Quirks{}), []byte(last)
	var u providers.Usage
	b.ReportAllocs()
	for b.Loop() {
		q.Usage(data, &u)
	}
}

func BenchmarkPeek(b *testing.B) {
	in, body := ChatIngress(), []byte(strings.Replace(ask, "%", strings.Repeat("word ", 2000), 1))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := in.Peek(body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTranslateChunk decodes one chunk and encodes it again.
func BenchmarkTranslateChunk(b *testing.B) {
	d := ChatEgress(providers.Quirks{}).NewDecoder()
	e := ChatIngress().NewEncoder(providers.EncodeOptions{Model: "m"})
	data := sse(chunk)
	var ev providers.Event
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		d.Feed(data)
		out = out[:0]
		for d.Next(&ev) {
			out = e.Append(out, &ev)
		}
	}
	_ = out
}

func BenchmarkRequest(b *testing.B) {
	body := []byte(strings.Replace(ask, "%", strings.Repeat("word ", 2000), 1))
	q := ChatEgress(providers.Quirks{})
	var out []byte
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := ChatIngress().DecodeRequest(body)
		if err != nil {
			b.Fatal(err)
		}
		if out, _, err = q.AppendRequest(out[:0], r); err != nil {
			b.Fatal(err)
		}
	}
}
