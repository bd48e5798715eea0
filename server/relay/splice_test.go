package relay

import (
	"encoding/json"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// TestSplice: the closed list of changes on a relayed body, and nothing else.
func TestSplice(t *testing.T) {
	in := openai.ChatIngress()
	f := func(body, model string, quirks providers.Quirks, want string) {
		t.Helper()
		peek, err := in.Peek([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		x := &exchange{job: &Job{Op: providers.OpChat, In: in, Peek: peek, Body: []byte(body)}}
		got, perr := x.splice(&routing.Target{Model: model, Account: &routing.Account{Account: &store.Account{}, Provider: &providers.Provider{Quirks: quirks}}})
		if perr != nil || string(got) != want {
			t.Errorf("%s\ngot  %s %v\nwant %s", body, got, perr, want)
		}
		if !json.Valid(got) {
			t.Errorf("%s is not JSON", got)
		}
	}
	none := providers.Quirks{}
	f(`{"model":"a","messages":[]}`, "a", none, `{"model":"a","messages":[]}`)
	f(` { "messages" : [ ] , "model" : "a" } `, "b\"c", none, ` { "messages" : [ ] , "model" : "b\"c" } `)
	f(`{"model":"a","provider":"x","messages":[]}`, "a", none, `{"model":"a","messages":[]}`)
	f(`{"provider":"x","fallbacks":["y"],"model":"a","messages":[]}`, "a", none, `{"model":"a","messages":[]}`)
	f(`{"model":"a","messages":[],"provider":"x","fallbacks":["y"]}`, "a", none, `{"model":"a","messages":[]}`)
	f(`{"model":"a","provider":{"order":["x"]},"messages":[]}`, "a", none, `{"model":"a","messages":[]}`)
	f(`{"model":"a","provider":{"order":["x"]},"messages":[]}`, "a", providers.Quirks{ProviderObject: true}, `{"model":"a","provider":{"order":["x"]},"messages":[]}`)
	f(`{"model":"a","store":true,"messages":[]}`, "a", providers.Quirks{Drop: []string{"store"}}, `{"model":"a","messages":[]}`)
	f(`{"model":"a","stream":true,"messages":[]}`, "a", none, `{"stream_options":{"include_usage":true},"model":"a","stream":true,"messages":[]}`)
	f(`{"model":"a","stream":true,"messages":[]}`, "a", providers.Quirks{NoStreamUsage: true}, `{"model":"a","stream":true,"messages":[]}`)
	f(`{"model":"a","stream":true,"stream_options":{"include_usage":true},"messages":[]}`, "a", none, `{"model":"a","stream":true,"stream_options":{"include_usage":true},"messages":[]}`)
	f(`{"model":"a","stream":true,"stream_options":{"include_usage":false,"include_obfuscation":false},"messages":[]}`, "a", none, `{"model":"a","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"messages":[]}`)
	f(`{"model":"a","stream":true,"stream_options":null,"messages":[]}`, "a", none, `{"model":"a","stream":true,"stream_options":{"include_usage":true},"messages":[]}`)
	f(`{"model":"a","stream":true,"stream_options":{},"provider":"p","messages":[]}`, "b", none, `{"model":"b","stream":true,"stream_options":{"include_usage":true},"messages":[]}`)
}
