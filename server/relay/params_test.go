package relay

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

func TestParams(t *testing.T) {
	f := func(op providers.Op, params, body, want string, dropped ...string) {
		t.Helper()
		x := &exchange{job: &Job{Op: op}}
		target := &routing.Target{Account: &routing.Account{Account: &store.Account{Params: json.RawMessage(params)}}}
		out, err := x.applyParams(target, []byte(body))
		if err != nil || string(out) != want || !slices.Equal(x.dropped, dropped) {
			t.Errorf("%s of %s:\n got %s, dropped %q, %v\nwant %s, %q", params, body, out, x.dropped, err, want, dropped)
		}
	}
	const chat = providers.OpChat
	f(chat, `{}`, `{"model":"m"}`, `{"model":"m"}`)
	f(chat, `{"drop":["seed","n"]}`, `{"n":1,"seed":2,"model":"m"}`, `{"model":"m"}`, "n", "seed")
	f(chat, `{"drop":["model2"]}`, `{"model":"m"}`, `{"model":"m"}`)
	f(chat, `{"rename":{"max_tokens":"max_out"}}`, `{"model":"m","max_tokens" : 5}`, `{"model":"m","max_out" : 5}`)
	f(chat, `{"rename":{"max_tokens":"max_out"}}`, `{"max_out":1,"max_tokens":5}`, `{"max_out":1}`, "max_tokens")
	f(chat, `{"drop":["b"],"rename":{"a":"b"}}`, `{"b":1,"a":5}`, `{"b":5}`, "b")
	f(chat, `{"set":{"top_k":7,"a":{"b":null}}}`, `{"model":"m"}`, `{"a":{"b":null},"top_k":7,"model":"m"}`)
	f(chat, `{"set":{"top_k":7}}`, `{"top_k" : 3,"model":"m"}`, `{"top_k" : 7,"model":"m"}`)
	f(chat, `{"set":{"x":1}}`, ` { }`, ` {"x":1 }`)
	f(chat, `{"set":{"b":1},"rename":{"a":"b"}}`, `{"a":2}`, `{"b":1}`, "a")
	f(chat, `{"set":{"s":1},"drop":["s"]}`, `{"s":2}`, `{"s":1}`)
	f(providers.OpEmbeddings, `{"set":{"s":1},"drop":["u"]}`, `{"u":2}`, `{}`, "u")

	x := &exchange{job: &Job{Op: chat}}
	target := &routing.Target{Account: &routing.Account{Account: &store.Account{Params: json.RawMessage(`{"drop":["seed"]}`)}}}
	for _, body := range []string{`{"seed":1,"seed":2}`, `{"SEED":1}`, `[]`} {
		if _, err := x.applyParams(target, []byte(body)); err == nil {
			t.Errorf("%s is not refused", body)
		}
	}
}
