package openai

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// TestPlainDelta: the usual chunks are known at a glance, and of none that is more than
// text is anything overlooked.
func TestPlainDelta(t *testing.T) {
	q := ChatEgress(providers.Quirks{})
	f := func(data string, plain bool) {
		t.Helper()
		if got := plainDelta([]byte(data)); got != plain {
			t.Errorf("%s: taken for plain: %v", data, got)
		}
		if got, want := q.Frame("", []byte(data)), referenceFrame(t, data); got != want {
			t.Errorf("%s: got %07b, want %07b", data, got, want)
		}
	}
	f(chunk, true)
	usual := `{"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[{"index":0,"delta":{"content":"T"},"finish_reason":null}]}`
	in := func(old, new string) string { return strings.Replace(usual, old, new, 1) }
	f(usual, true)
	for _, text := range []string{"a", `\"`, `\\`, `\"error\": {\"x_groq\":1}`, `{\"finish_reason\":\"stop\"},{`, `,\"usage\":{}`, strings.Repeat("日本語, {", 20), "[], {}"} {
		f(in("T", text), true)
	}
	f(in(`}]}`, `}],"usage":null}`), true)
	f(in(`}]}`, `}],"system_fingerprint":"{,"}`), true)
	f(in(`"finish_reason":null`, `"logprobs":null`), true)
	f(in(`"T"`, `"T","refusal":null,"role":"assistant"`), true)
	f(in(`}]}`, `},{"index":1,"delta":{"content":"U"},"finish_reason":null}]}`), true)
	for _, more := range []string{`"usage":{"prompt_tokens":1}`, `"error":{"message":"m"}`, `"x_groq":{"usage":{}}`, `"error": null`, `"usage" : {}`} {
		f(in(`}]}`, `}],`+more+`}`), false)
		f(in(`}]}`, "}],\n\t"+more+`}`), false)
		f(in(`{`, `{`+more+`,`), false)
		f(in(`{`, "{ "+more+`,`), false)
	}
	f(in(`null`, `"stop"`), false)
	f(in(`}]}`, `},{"index":1,"delta":{},"finish_reason":"stop"}]}`), false)
	f(in(`"T"`, `""`), false)
	f(in(`"T"`, `null`), false)
	f(in(`{"content":"T"}`, `{}`), false)
	f(in(`{"content":"T"}`, `{"role":"assistant","content":""}`), false)
	f(in(`{"content":"T"}`, `{"tool_calls":[{"index":0,"function":{"arguments":"{\"delta\":{\"content\":\"T\"}"}}]}`), false)
	f(in(`"model":"m",`, ``), false)
	f(in(`"m"`, `null`), false)
}

// TestPlainDeltaIsSure: whatever is in a chunk, one that is taken for plain reads as one.
func TestPlainDeltaIsSure(t *testing.T) {
	parts := []string{`"error":{"message":"m"},`, `"usage":{"prompt_tokens":1},`, `"usage":null,`, `"x_groq":{"usage":{}},`, `"finish_reason":"stop",`, `"finish_reason":null,`,
		`"a":[{"error":1},2,"x,"],`, `"b":{"c":{}},`, `"d":"{,\",",`, `"index":1,`, `"usage" :{},`, `"error": 1,`, " ", "\n", `{"delta":{"content":"U"}},`, `{"finish_reason":"length"},`,
		`{"index":1,"finish_reason":"length"},`, `"delta":{"content":"V"},`, `"delta":{},`, `"content":"",`, `"logprobs":{"content":[{"token":"t"}]},`, `}],"usage":{},"e":[{`, `},{`}
	r := rand.New(rand.NewPCG(3, 4))
	valid, plain := 0, 0
	for range 300_000 {
		data := []byte(`{"id":"c","created":17,"model":"m","choices":[{"index":0,"delta":{"content":"T"},"finish_reason":null}],"obfuscation":"x"}`)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(data))
			for at > 0 && data[at-1] != ',' && data[at-1] != '{' && data[at-1] != '[' { // where a member or an element may begin
				at--
			}
			data = slices.Insert(data, at, []byte(parts[r.IntN(len(parts))])...)
		}
		if !json.Valid(data) {
			continue
		}
		valid++
		if !plainDelta(data) {
			continue
		}
		plain++
		if got := frameMembers(data); got != providers.FrameDelta|providers.FrameModel {
			t.Fatalf("%s: taken for plain, and is %07b", data, got)
		}
	}
	if plain < 1000 || valid-plain < 1000 {
		t.Errorf("%d of %d were plain: this tells little", plain, valid)
	}
}
