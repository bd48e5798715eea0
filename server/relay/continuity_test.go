package relay_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/vault"
)

const tools = `[{"type":"function","function":{"name":"read","parameters":{"type":"object"}}},{"type":"function","function":{"name":"list","parameters":{"type":"object"}}}]`

// begin returns a request that asks for thinking.
func begin() object {
	return object{
		"model": "m1", "max_tokens": 20000, "reasoning_effort": "medium", "tools": json.RawMessage(tools),
		"messages": []any{object{"role": "system", "content": "Be brief."}, object{"role": "user", "content": "What is in a?"}},
	}
}

// results appends an answer and the results of its calls to a request.
func results(req, answer object) {
	list := append(req["messages"].([]any), answer)
	calls, _ := answer["tool_calls"].([]any)
	for _, call := range calls {
		list = append(list, object{"role": "tool", "tool_call_id": call.(object)["id"], "content": "nothing"})
	}
	req["messages"] = list
}

// bare is the message as a client of OpenAI's format knows it.
func bare(m object) object {
	return object{"role": "assistant", "content": m["content"], "tool_calls": m["tool_calls"]}
}

const (
	thought   = `{"type":"thinking","thinking":"Let me look at „a“ first.","signature":"c2lnbmF0dXJl/+=="}`
	other     = `{"type":"thinking","thinking":"Or at b.","signature":"b3RoZXI="}`
	unshown   = `{"type":"thinking","thinking":"","signature":"b21pdHRlZA=="}`
	encrypted = `{"type":"redacted_thinking","data":"ZW5jcnlwdGVk"}`
	speech    = `{"type":"text","text":"Reading."}`
	more      = `{"type":"text","text":" Listing, too."}`
	readA     = `{"type":"tool_use","id":"toolu_A","name":"read","input":{"path":"a","n":[1.50,12345678901234567890],"o":{"y":1,"x":2}}}`
	listB     = `{"type":"tool_use","id":"toolu_B","name":"list","input":{}}`
)

func content(blocks ...string) string { return "[" + strings.Join(blocks, ",") + "]" }

// assistant returns the content of the last assistant message in a request to Anthropic.
func assistant(t *testing.T, body object) []any {
	t.Helper()
	list := body["messages"].([]any)
	for i := len(list) - 1; i >= 0; i-- {
		if m := list[i].(object); m["role"] == "assistant" {
			return m["content"].([]any)
		}
	}
	t.Fatalf("no assistant message in %v", body)
	return nil
}

func list(t *testing.T, s string) []any {
	t.Helper()
	return parse(t, `{"l":`+s+`}`)["l"].([]any)
}

func (c *caller) dropped() []string {
	h := c.header.Get("X-Gateway-Dropped-Params")
	if h == "" {
		return nil
	}
	return strings.Split(h, ", ")
}

// both runs f for whole answers and for streams.
func both(t *testing.T, f func(t *testing.T, stream bool)) {
	t.Run("whole", func(t *testing.T) { t.Parallel(); f(t, false) })
	t.Run("stream", func(t *testing.T) { t.Parallel(); f(t, true) })
}

// clients are ways in which clients of OpenAI's format send an answer back.
var clients = map[string]func(object) object{
	"drops all": bare,
	"keeps all": func(m object) object { return m },
	"keeps the text": func(m object) object {
		b := bare(m)
		if s, ok := m["reasoning_content"].(string); ok {
			b["reasoning_content"] = " " + s + "\n"
		}
		return b
	},
	"writes arguments anew": func(m object) object {
		b := bare(m)
		var calls []any
		for _, call := range m["tool_calls"].([]any) {
			f := call.(object)["function"].(object)
			args := anew(json.RawMessage(f["arguments"].(string)))
			calls = append(calls, object{"id": call.(object)["id"], "type": "function", "function": object{"name": f["name"], "arguments": args}})
		}
		b["tool_calls"] = calls
		return b
	},
	"sends parts": func(m object) object {
		b := bare(m)
		if s, ok := m["content"].(string); ok {
			b["content"] = []any{object{"type": "text", "text": s}}
		}
		return b
	},
}

// anew writes JSON as another library might: spaces, members backwards, escapes.
func anew(raw json.RawMessage) string {
	var members map[string]json.RawMessage
	if raw[0] == '"' {
		return fmt.Sprintf(`"\u%04x%s`, raw[1], raw[2:])
	}
	if raw[0] != '{' || json.Unmarshal(raw, &members) != nil {
		return string(raw)
	}
	var parts []string
	for name, v := range members {
		parts = append(parts, fmt.Sprintf("\n  %q : %s", name, anew(v)))
	}
	slices.Sort(parts)
	slices.Reverse(parts)
	return "{" + strings.Join(parts, ", ") + " }"
}

// TestThinkingComesBack: whatever the client keeps, the upstream gets its answer
// back as it was, with every signature, and goes on thinking.
func TestThinkingComesBack(t *testing.T) {
	f := func(name string, blocks ...string) {
		for how, client := range clients {
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				both(t, func(t *testing.T, stream bool) {
					v := &vendor{answers: []http.HandlerFunc{says(content(blocks...))}}
					c := newCaller(t, vault.New(vault.Options{}), target{dialect: asMessages, handler: v.ServeHTTP})
					c.stream = stream
					req := begin()
					results(req, client(c.post("/v1/chat/completions", req)))
					c.post("/v1/chat/completions", req)
					sent := v.sent(t, 2)
					if got, want := assistant(t, sent), list(t, content(blocks...)); !reflect.DeepEqual(got, want) {
						t.Errorf("the upstream gets\n%v, want\n%v", got, want)
					}
					if thinking, _ := sent["thinking"].(object); thinking["type"] != "enabled" || len(c.dropped()) > 0 {
						t.Errorf("thinking %v, dropped %q", thinking, c.dropped())
					}
				})
			})
		}
	}
	f("one call", thought, readA)
	f("with text", thought, speech, readA)
	f("parallel calls", thought, speech, readA, listB)
	f("redacted", encrypted, readA)
	f("signature only", unshown, speech, listB)
	f("several", thought, encrypted, other, speech, readA)
	f("between texts", thought, speech, other, more, readA)
	f("before each call", thought, speech, readA, other, listB)
}

// TestLoop: in a long loop every turn keeps its thinking, and the turns whose
// model did not think are not taken for losses.
func TestLoop(t *testing.T) {
	both(t, func(t *testing.T, stream bool) {
		var answers []http.HandlerFunc
		var want []string
		for i := range 6 {
			call := strings.Replace(readA, "toolu_A", fmt.Sprint("toolu_", i), 1)
			one := content(strings.Replace(thought, "first", fmt.Sprint("at step ", i), 1), call)
			if i == 3 {
				one = content(call)
			}
			want = append(want, one)
			answers = append(answers, says(one))
		}
		v := &vendor{answers: append(answers, says(content(speech)))}
		c := newCaller(t, vault.New(vault.Options{}), target{dialect: asMessages, handler: v.ServeHTTP})
		c.stream = stream
		req := begin()
		for range 6 {
			results(req, bare(c.post("/v1/chat/completions", req)))
			if slices.Contains(c.dropped(), "thinking") {
				t.Errorf("dropped %q", c.dropped())
			}
		}
		c.post("/v1/chat/completions", req)
		n := 0
		for _, m := range v.sent(t, 7)["messages"].([]any) {
			if m := m.(object); m["role"] == "assistant" {
				if !reflect.DeepEqual(m["content"], any(list(t, want[n]))) {
					t.Errorf("turn %d is %v", n, m["content"])
				}
				n++
			}
		}
		if n != 6 {
			t.Errorf("%d turns", n)
		}
	})
}

// TestThinkingStaysAway: where thinking would be another's, or refused, nothing
// is put back, the request is served without, and the caller is told.
func TestThinkingStaysAway(t *testing.T) {
	f := func(name string, change func(c *caller, req, answer object)) {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, stream bool) {
				v := &vendor{answers: []http.HandlerFunc{says(content(thought, speech, readA))}}
				c := newCaller(t, vault.New(vault.Options{}), target{dialect: asMessages, handler: v.ServeHTTP})
				c.stream = stream
				req := begin()
				answer := bare(c.post("/v1/chat/completions", req))
				change(c, req, answer)
				results(req, answer)
				c.post("/v1/chat/completions", req)
				sent := v.sent(t, 2)
				got := assistant(t, sent)
				for _, b := range got {
					if typ := b.(object)["type"]; typ == "thinking" || typ == "redacted_thinking" {
						t.Errorf("the upstream gets %v", got)
					}
				}
				if sent["thinking"] != nil || !slices.Contains(c.dropped(), "thinking") {
					t.Errorf("thinking %v, dropped %q", sent["thinking"], c.dropped())
				}
			})
		})
	}
	call := func(answer object) object { return answer["tool_calls"].([]any)[0].(object) }
	f("another key", func(c *caller, _, _ object) { c.key = "key-2" })
	f("no key", func(c *caller, _, _ object) { c.key = "" })
	f("another call", func(_ *caller, _, answer object) { call(answer)["id"] = "toolu_X" })
	f("other arguments", func(_ *caller, _, answer object) {
		call(answer)["function"].(object)["arguments"] = `{"path":"b"}`
	})
	f("another tool", func(_ *caller, _, answer object) { call(answer)["function"].(object)["name"] = "list" })
	f("another system prompt", func(_ *caller, req, _ object) {
		req["messages"].([]any)[0].(object)["content"] = "Be long."
	})
	f("another question", func(_ *caller, req, _ object) {
		req["messages"].([]any)[1].(object)["content"] = "What is in b?"
	})
	f("other tools", func(_ *caller, req, _ object) {
		req["tools"] = json.RawMessage(strings.Replace(tools, "list", "lists", 1))
	})
}

// TestThinkingUndone: what a client changed in the thinking itself is not written over.
func TestThinkingUndone(t *testing.T) {
	v := &vendor{answers: []http.HandlerFunc{says(content(thought, readA))}}
	c := newCaller(t, vault.New(vault.Options{}), target{dialect: asMessages, handler: v.ServeHTTP})
	req := begin()
	answer := bare(c.post("/v1/chat/completions", req))
	answer["reasoning_content"] = "I was told to think this."
	results(req, answer)
	c.post("/v1/chat/completions", req)
	if got := assistant(t, v.sent(t, 2)); !reflect.DeepEqual(got, list(t, content(readA))) || !slices.Contains(c.dropped(), "messages.thinking") {
		t.Errorf("%v, dropped %q", got, c.dropped())
	}
}

// TestForgotten: after its time, and where there is no vault at all, a
// conversation goes on without; of a thought too large nothing is kept.
func TestForgotten(t *testing.T) {
	f := func(name string, open func(now func() time.Time) *vault.Vault, answer string, want int) {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, stream bool) {
				var mu sync.Mutex
				now := time.Now()
				v := &vendor{answers: []http.HandlerFunc{says(answer)}}
				store := open(func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
				c := newCaller(t, store, target{dialect: asMessages, handler: v.ServeHTTP})
				c.stream = stream
				req := begin()
				results(req, bare(c.post("/v1/chat/completions", req)))
				if store != nil && store.Stats().Entries != want {
					t.Errorf("%+v", store.Stats())
				}
				mu.Lock()
				now = now.Add(time.Hour)
				mu.Unlock()
				c.post("/v1/chat/completions", req)
				if got := assistant(t, v.sent(t, 2)); !reflect.DeepEqual(got, list(t, content(readA))) || !slices.Contains(c.dropped(), "thinking") {
					t.Errorf("%.200v, dropped %q", got, c.dropped())
				}
			})
		})
	}
	f("late", func(now func() time.Time) *vault.Vault {
		return vault.New(vault.Options{TTL: time.Hour, Now: now})
	}, content(thought, readA), 1)
	f("no vault", func(func() time.Time) *vault.Vault { return nil }, content(thought, readA), 0)
	long := strings.Replace(thought, "first", strings.Repeat("again ", 200_000), 1)
	f("too large", func(now func() time.Time) *vault.Vault { return vault.New(vault.Options{}) }, content(long, readA), 0)
}

// TestNothingToRemember: answers without calls, and requests without tools, leave no trace.
func TestNothingToRemember(t *testing.T) {
	both(t, func(t *testing.T, stream bool) {
		v := &vendor{answers: []http.HandlerFunc{says(content(thought, speech))}}
		kept := vault.New(vault.Options{})
		c := newCaller(t, kept, target{dialect: asMessages, handler: v.ServeHTTP})
		c.stream = stream
		c.post("/v1/chat/completions", begin())
		req := begin()
		delete(req, "tools")
		c.post("/v1/chat/completions", req)
		if s := kept.Stats(); s.Entries != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestNextTargetWithoutThinking: what was put back for one target is not seen by
// the next, which speaks another dialect.
func TestNextTargetWithoutThinking(t *testing.T) {
	v := &vendor{answers: []http.HandlerFunc{says(content(thought, readA)), replies(529, `{"type":"error","error":{"type":"overloaded_error","message":"no"}}`)}}
	v2 := &vendor{answers: []http.HandlerFunc{replies(200, whole)}}
	c := newCaller(t, vault.New(vault.Options{}), target{dialect: asMessages, handler: v.ServeHTTP}, target{dialect: asMessages, handler: v.ServeHTTP}, target{dialect: asChat, handler: v2.ServeHTTP})
	c.bench.book.rows = nil
	req := begin()
	results(req, bare(c.post("/v1/chat/completions", req)))
	req["model"] = "m1"
	answer := c.post("/v1/chat/completions", req)
	if answer["content"] != "Hello" {
		t.Fatalf("%v", answer)
	}
	for n := 2; n <= 3; n++ {
		if got := assistant(t, v.sent(t, n)); !reflect.DeepEqual(got, list(t, content(thought, readA))) {
			t.Errorf("attempt %d gets %v", n-1, got)
		}
	}
	if sent := v2.bodies[0]; strings.Contains(sent, "Let me look") || strings.Contains(sent, "c2lnbmF0dXJl") {
		t.Errorf("the last target gets %s", sent)
	}
}

// TestForeignThinking is the reverse: thinking of a chat upstream is shown to an
// Anthropic caller, whose next request gives no signature of another's making to it.
func TestForeignThinking(t *testing.T) {
	const answer = `{"id":"c1","object":"chat.completion","created":1,"model":"m1","choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"Let me look.","tool_calls":[{"id":"call_1","type":"function","function":{"name":"read","arguments":"{\"path\":\"a\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}`
	v := &vendor{answers: []http.HandlerFunc{replies(200, answer), replies(200, whole)}}
	kept := vault.New(vault.Options{})
	c := newCaller(t, kept, target{dialect: asChat, handler: v.ServeHTTP})
	req := object{
		"model": "m1", "max_tokens": 20000, "thinking": object{"type": "enabled", "budget_tokens": 2000},
		"tools":    json.RawMessage(`[{"name":"read","input_schema":{"type":"object"}}]`),
		"messages": []any{object{"role": "user", "content": "What is in a?"}},
	}
	got := c.post("/v1/messages", req)["content"].([]any)
	first := got[0].(object)
	if len(got) != 2 || first["type"] != "thinking" || first["thinking"] != "Let me look." {
		t.Fatalf("the caller gets %v", got)
	}
	if s, _ := first["signature"].(string); s != "" && !strings.HasPrefix(s, "gwsig1.") {
		t.Errorf("signature %q", s)
	}
	req["messages"] = append(req["messages"].([]any), object{"role": "assistant", "content": got},
		object{"role": "user", "content": []any{object{"type": "tool_result", "tool_use_id": "call_1", "content": "nothing"}}})
	if out := c.post("/v1/messages", req)["content"].([]any); out[0].(object)["text"] != "Hello" {
		t.Errorf("the second turn: %v", out)
	}
	if strings.Contains(v.bodies[1], "gwsig1") || strings.Contains(v.bodies[1], "signature") || !strings.Contains(v.bodies[1], `"call_1"`) {
		t.Errorf("the upstream gets %s", v.bodies[1])
	}
	if s := kept.Stats(); s.Entries != 0 {
		t.Errorf("unsigned thinking is kept: %+v", s)
	}
}
