package relay

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/vault"
)

// attempt returns an exchange at a target of that model, about to send messages.
func newAttempt(v *vault.Vault, model string, messages ...providers.Message) *exchange {
	return &exchange{
		r: &Relay{o: Options{Vault: v}}, job: &Job{KeyID: "key-1"},
		target: &routing.Target{Egress: anthropic.MessagesEgress(providers.Quirks{}), Model: model},
		decoded: &providers.Request{
			Origin: providers.Chat, Tools: []providers.Tool{{Name: "read"}}, Reasoning: &providers.Reasoning{Effort: "low"}, Messages: messages,
		},
	}
}

// send is what translate does for continuity.
func (x *exchange) send() ([]providers.Message, []string) {
	req := *x.decoded
	dropped := x.recallThinking(&req)
	return req.Messages, dropped
}

func message(role providers.Role, blocks ...providers.Block) providers.Message {
	return providers.Message{Role: role, Blocks: blocks}
}

func said(s string) providers.Block { return providers.Block{Kind: providers.KindText, Text: s} }

func thinking(s string) providers.Block {
	return providers.Block{Kind: providers.KindThinking, Text: s, Signature: "sig of " + s, SignatureOrigin: providers.Messages, Origin: providers.Messages}
}

func calling(id string) providers.Block {
	return providers.Block{Kind: providers.KindToolCall, ID: id, ToolName: "read", Args: json.RawMessage(`{"n":1}`)}
}

func result(id string) providers.Message {
	return message(providers.RoleTool, providers.Block{Kind: providers.KindToolResult, ID: id, Result: []providers.Block{said("nothing")}})
}

var question = message(providers.RoleUser, said("What?"))

// shown is what a client of chat has of an answer.
func shown(blocks ...providers.Block) (m providers.Message) {
	text := ""
	m.Role = providers.RoleAssistant
	for _, b := range blocks {
		if b.Kind == providers.KindText {
			text += b.Text
		}
	}
	if text != "" {
		m.Blocks = append(m.Blocks, said(text))
	}
	for _, b := range blocks {
		if b.Kind == providers.KindToolCall {
			m.Blocks = append(m.Blocks, b)
		}
	}
	return m
}

// outline names the blocks of a message.
func outline(m providers.Message) string {
	var parts []string
	for _, b := range m.Blocks {
		switch b.Kind {
		case providers.KindToolCall:
			parts = append(parts, "#"+b.ID)
		case providers.KindThinking:
			parts = append(parts, "("+b.Text+")")
		case providers.KindRedacted:
			parts = append(parts, "(*"+string(b.Data)+")")
		default:
			parts = append(parts, b.Text)
		}
	}
	return strings.Join(parts, " ")
}

// TestPlace: where the thoughts of an answer go in what comes back of it.
func TestPlace(t *testing.T) {
	f := func(name string, answer []providers.Block, back []providers.Message, want string, lost bool) {
		t.Run(name, func(t *testing.T) {
			v := vault.New(vault.Options{})
			x := newAttempt(v, "m", question)
			x.send()
			x.remember(answer)
			list := append(append([]providers.Message{question}, back...), result("1"))
			before := fmt.Sprint(list)
			sent, dropped := newAttempt(v, "m", list...).send()
			var got []string
			for _, m := range sent[1 : len(sent)-1] {
				if o := outline(m); o != "" {
					got = append(got, o)
				}
			}
			if strings.Join(got, " | ") != want || (len(dropped) > 0) != lost {
				t.Errorf("%q, dropped %v; want %q, %v", got, dropped, want, lost)
			}
			if fmt.Sprint(list) != before {
				t.Error("the decoded request was changed")
			}
		})
	}
	one := func(m providers.Message) []providers.Message { return []providers.Message{m} }
	answer := func(b ...providers.Block) []providers.Block { return b }
	a, b, c, c1, c2 := thinking("a"), thinking("b"), thinking("c"), calling("1"), calling("2")

	full := answer(a, said("x"), b, said("yz"), c1)
	f("front", answer(a, b, said("x"), c1), one(shown(said("x"), c1)), "(a) (b) x #1", false)
	f("text parted again", full, one(shown(full...)), "(a) x (b) yz #1", false)
	f("other text", full, one(shown(said("x yz"), c1)), "(a) x yz #1", true)
	f("text in other parts", full, one(message(providers.RoleAssistant, said("xy"), said("z"), c1)), "(a) x (b) y z #1", false)
	f("two messages", full, []providers.Message{shown(said("xyz")), shown(c1)}, "(a) x (b) yz #1", false)
	f("between calls", answer(a, c1, b, c2), one(shown(c1, c2)), "(a) #1 (b) #2", false)
	f("before a call", answer(said("x"), a, c1), one(shown(said("x"), c1)), "x (a) #1", false)
	f("behind text behind a call", answer(a, c1, said("x"), b, c2), one(shown(said("x"), c1, c2)), "(a) x #1 (b) #2", false)
	f("before text behind a call", answer(a, c1, b, said("x"), c2), one(shown(said("x"), c1, c2)), "(a) x #1 #2", true)
	f("last", answer(a, said("x"), c1, b), one(shown(said("x"), c1)), "(a) x #1", true)
	f("three", answer(said("w"), a, b, said("x"), c, c1), one(shown(said("wx"), c1)), "w (a) (b) x (c) #1", false)
	f("own, moved", full, one(message(providers.RoleAssistant, a, b, said("xyz"), c1)), "(a) x (b) yz #1", false)
	f("own, in part", full, one(message(providers.RoleAssistant, b, said("xyz"), c1)), "(b) xyz #1", false)
	f("own, more", full, one(message(providers.RoleAssistant, a, b, c, said("xyz"), c1)), "(a) (b) (c) xyz #1", false)
	f("own, in another message", full, []providers.Message{message(providers.RoleAssistant, a), shown(full...)}, "(a) | xyz #1", false)
	plain := providers.Block{Kind: providers.KindThinking, Text: "a  b"}
	f("same words", full, one(message(providers.RoleAssistant, plain, said("xyz"), c1)), "(a) x (b) yz #1", false)
	foreign := thinking("a")
	foreign.SignatureOrigin = providers.Gemini
	f("foreign", full, one(message(providers.RoleAssistant, foreign, said("xyz"), c1)), "(a) xyz #1", false)
	opaque := providers.Block{Kind: providers.KindOpaque, Origin: providers.Messages, Raw: json.RawMessage(`{"type":"server_tool_use"}`)}
	f("behind what is not shown", answer(a, opaque, b, c1), one(shown(c1)), "(a) #1", false)
	f("nothing was thought", answer(said("x"), c1), one(shown(said("x"), c1)), "x #1", false)
	f("unknown call", full, one(shown(said("xyz"), c2)), "xyz #2", true)
	f("one call of two known", answer(a, c1, c2), one(shown(calling("9"), c2)), "(a) #9 #2", false)
	f("no call", full, one(shown(said("xyz"))), "xyz", false)
	foreign.SignatureOrigin = ""
	f("not signed by this format", answer(foreign, c1), one(shown(c1)), "#1", false)
}

// TestSameModel: what one model has signed is not shown to another; a model has one
// entry in the catalogue whatever it is called.
func TestSameModel(t *testing.T) {
	v := vault.New(vault.Options{})
	x := newAttempt(v, "m", question)
	x.target.Entry = &providers.Model{ID: "m-1"}
	x.send()
	x.remember([]providers.Block{thinking("a"), calling("1")})
	list := []providers.Message{question, shown(calling("1")), result("1")}
	f := func(model, entry, want string) {
		t.Helper()
		y := newAttempt(v, model, list...)
		if entry != "" {
			y.target.Entry = &providers.Model{ID: entry}
		}
		if sent, _ := y.send(); outline(sent[1]) != want {
			t.Errorf("%s (%s) gets %q", model, entry, outline(sent[1]))
		}
	}
	f("m", "m-1", "(a) #1")
	f("m-latest", "m-1", "(a) #1")
	f("n", "n-1", "#1")
	f("n", "", "#1")
	f("m-1", "", "(a) #1")
}

// TestLostLink: a vendor chains each thought to those before it. When an early one
// is lost, what was written behind it stays away, and what is written from then on
// comes back again.
func TestLostLink(t *testing.T) {
	v := vault.New(vault.Options{})
	list := []providers.Message{question}
	turn := func(v *vault.Vault, id string) ([]string, []string) {
		t.Helper()
		x := newAttempt(v, "m", list...)
		sent, dropped := x.send()
		x.remember([]providers.Block{thinking("t" + id), calling(id)})
		var got []string
		for _, m := range sent {
			if m.Role == providers.RoleAssistant {
				got = append(got, outline(m))
			}
		}
		list = append(list, shown(calling(id)), result(id))
		return got, dropped
	}
	turn(v, "1")
	turn(v, "2")
	got, dropped := turn(v, "3")
	if want := []string{"(t1) #1", "(t2) #2"}; !reflect.DeepEqual(got, want) || dropped != nil {
		t.Errorf("%q, dropped %v", got, dropped)
	}
	// The first is forgotten: a vault that holds what was kept of the others.
	v.Put("key-1", "1", "read", []byte(`{"n":1}`), []byte("damaged"))
	got, dropped = turn(v, "4")
	if want := []string{"#1", "#2", "#3"}; !reflect.DeepEqual(got, want) || dropped == nil {
		t.Errorf("%q, dropped %v", got, dropped)
	}
	got, dropped = turn(v, "5")
	if want := []string{"#1", "#2", "#3", "(t4) #4"}; !reflect.DeepEqual(got, want) || dropped != nil {
		t.Errorf("%q, dropped %v", got, dropped)
	}
}

// TestReported: only who asked for thinking, and waits for an answer to a result, is told of a loss.
func TestReported(t *testing.T) {
	f := func(want bool, reasoning *providers.Reasoning, messages ...providers.Message) {
		t.Helper()
		x := newAttempt(vault.New(vault.Options{}), "m", messages...)
		x.decoded.Reasoning = reasoning
		if _, dropped := x.send(); (len(dropped) > 0) != want {
			t.Errorf("dropped %v", dropped)
		}
	}
	none, budget := int64(0), int64(2000)
	call := shown(calling("1"))
	on := &providers.Reasoning{Effort: "low"}
	f(true, on, question, call, result("1"))
	f(true, on, question, call, result("1"), question)
	f(true, &providers.Reasoning{Budget: &budget}, question, call, result("1"))
	f(true, &providers.Reasoning{Mode: "adaptive"}, question, call, result("1"))
	f(false, nil, question, call, result("1"))
	f(false, &providers.Reasoning{Summary: "auto"}, question, call, result("1"))
	f(false, &providers.Reasoning{Effort: "none"}, question, call, result("1"))
	f(false, &providers.Reasoning{Mode: "disabled"}, question, call, result("1"))
	f(false, &providers.Reasoning{Budget: &none}, question, call, result("1"))
	f(false, on, question)
	f(false, on, question, call)
	f(false, on, question, call, result("1"), shown(said("Done.")), question)
	f(true, on, question, call, result("1"), shown(calling("2")), result("2"))
	f(false, on, question, call, result("1"), message(providers.RoleAssistant, thinking("own"), calling("2")), result("2"))
}

// TestBounds: one answer cannot fill the vault, and one request cannot empty it into itself.
func TestBounds(t *testing.T) {
	v := vault.New(vault.Options{})
	x := newAttempt(v, "m", question)
	x.send()
	answer := []providers.Block{thinking(strings.Repeat("a", maxKept/5))}
	for i := range 100 {
		answer = append(answer, calling(fmt.Sprint(i)))
	}
	x.remember(answer)
	if s := v.Stats(); s.Entries != 2 || s.Bytes > maxKept {
		t.Errorf("%+v", s)
	}
	var list []providers.Message
	for i := range maxLookups + 100 {
		list = append(list, shown(calling(fmt.Sprint("c", i))), result("1"))
	}
	before := v.Stats()
	newAttempt(v, "m", list...).send()
	if got := v.Stats().Misses - before.Misses; got != maxLookups {
		t.Errorf("%d lookups", got)
	}
}

// BenchmarkRecall is a conversation of 100 turns with a kilobyte of thinking and two of results each.
func BenchmarkRecall(b *testing.B) {
	v := vault.New(vault.Options{})
	list := []providers.Message{question}
	for i := range 100 {
		id := fmt.Sprint(i)
		x := newAttempt(v, "m", list...)
		x.send()
		x.remember([]providers.Block{thinking(strings.Repeat("thought ", 128)), calling(id)})
		r := result(id)
		r.Blocks[0].Result[0].Text = strings.Repeat("result! ", 256)
		list = append(list, shown(calling(id)), r)
	}
	x := newAttempt(v, "m", list...)
	b.ReportAllocs()
	for b.Loop() {
		if sent, _ := x.send(); len(sent[199].Blocks) != 2 {
			b.Fatal(outline(sent[199]))
		}
	}
}
