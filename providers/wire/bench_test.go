package wire

import (
	stdjson "encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// request has what translating a chat request decodes.
type request struct {
	Model     string `json:"model"`
	Stream    bool   `json:"stream"`
	MaxTokens *int64 `json:"max_tokens,omitempty"`
	Messages  []struct {
		Role    string         `json:"role"`
		Content jsontext.Value `json:"content"`
	} `json:"messages"`
}

type stdRequest struct {
	Model     string `json:"model"`
	Stream    bool   `json:"stream"`
	MaxTokens *int64 `json:"max_tokens,omitempty"`
	Messages  []struct {
		Role    string             `json:"role"`
		Content stdjson.RawMessage `json:"content"`
	} `json:"messages"`
}

func perKB(b *testing.B, body []byte, f func()) {
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000/(float64(len(body))/1024), "µs/KB")
}

func BenchmarkJSON(b *testing.B) {
	for _, kb := range []int{1, 10, 100} {
		body, out := chatBody(kb), make([]Field, 0, 8)
		run := func(name string, f func()) {
			b.Run(fmt.Sprintf("%s/%dKB", name, kb), func(b *testing.B) { perKB(b, body, f) })
		}
		names := NewNames(wanted...)
		run("Fields", func() { names.Fields(body, out) })
		run("Unmarshal", func() { var r request; Unmarshal(body, &r) })
		run("encoding-json", func() { var r stdRequest; stdjson.Unmarshal(body, &r) })
		run("encoding-json-map", func() { var r map[string]stdjson.RawMessage; stdjson.Unmarshal(body, &r) })
		var r request
		var std stdRequest
		if err := Unmarshal(body, &r); err != nil {
			b.Fatal(err)
		}
		if err := stdjson.Unmarshal(body, &std); err != nil {
			b.Fatal(err)
		}
		run("Marshal", func() { Marshal(&r) })
		run("encoding-json-Marshal", func() { stdjson.Marshal(&std) })
	}
}

func BenchmarkSplice(b *testing.B) {
	body := chatBody(10)
	fields, err := Fields(body, []string{"model"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 2*len(body))
	edits := []Edit{{Start: fields[0].Start, End: fields[0].End, New: []byte(`"other"`)}}
	perKB(b, body, func() { Splice(dst, body, edits) })
}

func BenchmarkPath(b *testing.B) {
	chunk := []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"Hello there"},"finish_reason":null}],"usage":{"prompt_tokens":7,"completion_tokens":9}}`)
	perKB(b, chunk, func() {
		start, end, _ := Path(chunk, "usage", "completion_tokens")
		Int(chunk[start:end])
	})
}

func BenchmarkSSE(b *testing.B) {
	stream := []byte(strings.Repeat("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n", 100))
	var s SSE
	perKB(b, stream, func() {
		s.Feed(stream)
		for _, ok := s.Next(); ok; _, ok = s.Next() {
		}
	})
}
