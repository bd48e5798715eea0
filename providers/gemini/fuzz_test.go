package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func eachElement(list []byte, f func(elem []byte)) {
	wire.EachElement(list, func(elem []byte) bool {
		f(elem)
		return true
	})
}

// A request that is taken can be written again, as JSON, and is then the same; one
// that is refused is refused with a typed error.
func FuzzDecodeRequest(f *testing.F) {
	for _, s := range []string{
		`{"contents":[{"role":"user","parts":[{"text":"hi"},{"inlineData":{"mimeType":"image/png","data":"AAEC"}}]}]}`,
		`{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"AAEC"}]},{"parts":[{"function_response":{"name":"f","response":{"result":"x"}}},{"text":"y"}]}]}`,
		`{"contents":{"parts":{"text":"x"}},"system_instruction":{"parts":[{"text":"s"}]},"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","nullable":true}}],"googleSearch":{}}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"generationConfig":{"thinkingConfig":{"thinkingBudget":-1},"responseSchema":{"type":"STRING"},"candidateCount":2}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if p, err := GenerateIngress().Peek(body); err == nil {
			for _, s := range p.ModelTails {
				if s.Start < 0 || s.End > len(body) || s.Start > s.End {
					t.Fatalf("span %v of %d bytes", s, len(body))
				}
			}
		}
		r, err := GenerateIngress().DecodeRequest(body)
		if err != nil {
			var e *providers.Error
			if !errors.As(err, &e) {
				t.Fatalf("untyped: %v", err)
			}
			return
		}
		if _, malformed := wire.Fields(body, nil, nil); malformed != nil { // of one that is malformed anything may come
			return
		}
		EstimateTokens(body)
		out, _, err := GenerateEgress(Vertex).AppendRequest(nil, r)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%s is no JSON", out)
		}
		if _, err := GenerateIngress().DecodeRequest(out); err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, out)
		}
	})
}

// An answer that is read can be shown, as JSON.
func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(`{"candidates":[{"content":{"parts":[{"text":"x","thought":true},{"functionCall":{"name":"f"}}],"role":"model"},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"endIndex":1},"groundingChunkIndices":[0]}]}}],"usageMetadata":{"promptTokenCount":1}}`))
	f.Add([]byte(`[{"candidates":[{"content":{"parts":[{"text":"x"}]}}]},{"candidates":[{"finishReason":1}]}]`))
	f.Add([]byte(`{"promptFeedback":{"blockReason":"SAFETY"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var u providers.Usage
		GenerateEgress(AIStudio).Usage(body, &u)
		GenerateEgress(AIStudio).DecodeError(400, body)
		if r, err := GenerateEgress(AIStudio).(egress).ReadAnswer(body, &u); err == nil && r.Model.End > len(body) {
			t.Fatal("a span beyond the body")
		}
		if u.Prompt() < 0 || u.Completion() < 0 {
			t.Fatalf("negative usage %+v", u)
		}
		r, err := GenerateEgress(AIStudio).DecodeResponse(body)
		if _, malformed := wire.Fields(body, nil, nil); err != nil || malformed != nil && !wire.IsArray(trimSpace(body)) { // of one that is malformed anything may come
			return
		}
		out, err := GenerateIngress().AppendResponse(nil, r)
		if err != nil || !json.Valid(out) {
			t.Fatalf("%v %s", err, out)
		}
	})
}

// However a stream is cut, it reads the same; and what is shown of it are whole
// events, or one array, of JSON.
func FuzzStream(f *testing.F) {
	f.Add([]byte(chunk(`{"text":"a"}`, "")+chunk(`{"functionCall":{"name":"f","args":{"x":1}}}`, `,"finishReason":"STOP"`)), uint64(1))
	f.Add([]byte(`[{"candidates":[{"content":{"parts":[{"text":"x"}]}}]},{"candidates":[{"finishReason":"STOP"}]}]`), uint64(2))
	f.Add([]byte(chunk(`{"functionCall":{"name":"f","willContinue":true}}`, "")+chunk(`{"functionCall":{"partialArgs":[{"jsonPath":"$.a[0].b","stringValue":"x","willContinue":true}]}}`, `,"finishReason":"STOP"`)), uint64(3))
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		whole, err := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), [][]byte{body})
		cut, cutErr := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), providertest.Cuts(body, seed))
		if (err == nil) != (cutErr == nil) || !reflect.DeepEqual(whole, cut) {
			t.Fatalf("cut it reads otherwise: %v %v", err, cutErr)
		}
		out := providertest.Encode(ArrayIngress().NewEncoder(providers.EncodeOptions{}), whole)
		failed := bytes.Contains(out, []byte(`"error"`))
		if !json.Valid(out) && !failed {
			t.Fatalf("no JSON: %s", out)
		}
		for line := range bytes.SplitSeq(providertest.Encode(GenerateIngress().NewEncoder(providers.EncodeOptions{}), whole), []byte("\r\n")) {
			data, ok := bytes.CutPrefix(line, []byte("data: "))
			if len(line) > 0 && (!ok || !json.Valid(data)) {
				t.Fatalf("no event: %s", line)
			}
		}
	})
}

// What is left of a schema is JSON, whatever it was.
func FuzzSchema(f *testing.F) {
	f.Add([]byte(`{"type":["string","null"],"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"type":"null"},{"const":1}]}},"enum":["x",1]}`))
	f.Add([]byte(`{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true,"minLength":"3"}},"items":{"$ref":"#"}}`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		if !json.Valid(schema) {
			return
		}
		schema = bytes.TrimSpace(schema)
		if out := jsonSchema(schema); !json.Valid(out) {
			t.Fatalf("%s", out)
		}
		if out := openAPISchema(schema); !json.Valid(out) {
			t.Fatalf("%s", out)
		}
	})
}
