package openai

import (
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
