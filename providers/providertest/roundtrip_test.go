package providertest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// nothingSaid lists a request whose only message has the content null: it is sent as
// empty text. Its vendor refused it.
var nothingSaid = map[string][]string{"openai_chat": {"openai-openai_chat-6eb09e0b4983"}}

// A format is a dialect with both its sides, and where it was recorded.
type format struct {
	endpoint string
	in       providers.Ingress
	out      func(providers.Quirks) providers.Egress
}

var formats = []format{
	{"openai_chat", openai.ChatIngress(), openai.ChatEgress},
	{"openai_responses", openai.ResponsesIngress(), openai.ResponsesEgress},
	{"anthropic_messages", anthropic.MessagesIngress(), anthropic.MessagesEgress},
}

// alike takes from a neutral value what holds bytes as they came, and sorts what
// has no order; JSON is compacted.
func alike(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			alike(v.Elem())
		}
	case reflect.Slice:
		if raw, ok := v.Interface().(json.RawMessage); ok {
			var out bytes.Buffer
			if json.Compact(&out, raw) == nil {
				v.SetBytes(out.Bytes())
			}
			return
		}
		if list, ok := v.Interface().([]providers.Member); ok {
			sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
		}
		if v.Len() == 0 && v.CanSet() {
			v.SetZero()
		}
		for i := range v.Len() {
			alike(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "Raw" {
				v.Field(i).SetZero()
				continue
			}
			alike(v.Field(i))
		}
	}
}

// same compares two neutral values. What a format always asks for itself, the
// usage of a stream, counts as asked for.
func same(a, b any) error {
	for _, v := range []any{a, b} {
		if r, ok := v.(*providers.Request); ok {
			r.IncludeUsage = r.IncludeUsage || r.Stream
			r.Extra = withoutOptions(r.Extra)
			r.Messages = together(r.Messages)
		}
		alike(reflect.ValueOf(v))
	}
	if reflect.DeepEqual(a, b) {
		return nil
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if err := providertest.Diff(x, y, nil); err != nil {
		return err
	}
	return fmt.Errorf("%.300s is not %.300s", x, y)
}

// together joins user messages that follow results: Anthropic's format has one for both.
func together(list []providers.Message) (out []providers.Message) {
	for _, m := range list {
		if n := len(out); n > 1 && m.Role == providers.RoleUser && out[n-1].Role == providers.RoleUser && out[n-2].Role == providers.RoleTool {
			out[n-1].Blocks = append(out[n-1].Blocks, m.Blocks...)
			continue
		}
		out = append(out, m)
	}
	return out
}

func withoutOptions(list []providers.Member) (out []providers.Member) {
	for _, m := range list {
		if m.Name != "stream_options" {
			out = append(out, m)
		}
	}
	return out
}

// TestRequestsThereAndBack: what is decoded, encoded and decoded again is what it was.
func TestRequestsThereAndBack(t *testing.T) {
	for _, f := range formats {
		tally := providertest.NewTally(t, f.endpoint+" requests there and back", nothingSaid[f.endpoint]...)
		for _, c := range providertest.Cassettes(t, providertest.Filter{Endpoint: f.endpoint}) {
			if c.Request.Body == nil {
				continue
			}
			tally.Check(c.ID, func() error {
				first, err := f.in.DecodeRequest(c.Request.Body)
				if err != nil {
					return err
				}
				wire, dropped, err := f.out(providers.Quirks{ProviderObject: true}).AppendRequest(nil, first)
				if err != nil || len(dropped) > 0 {
					return fmt.Errorf("dropped %q, %v", dropped, err)
				}
				second, err := f.in.DecodeRequest(wire)
				if err != nil {
					return fmt.Errorf("%w in %.300s", err, wire)
				}
				return same(second, first)
			}())
		}
		tally.Done()
	}
}

// TestAnswersThereAndBack does the same with answers.
func TestAnswersThereAndBack(t *testing.T) {
	for _, f := range formats {
		tally := providertest.NewTally(t, f.endpoint+" answers there and back")
		out := f.out(providers.Quirks{})
		for _, c := range providertest.Cassettes(t, providertest.Filter{Endpoint: f.endpoint}) {
			if !c.OK() || c.Response.Body == nil {
				continue
			}
			tally.Check(c.ID, func() error {
				first, err := out.DecodeResponse(c.Response.Body)
				if err != nil {
					return err
				}
				wire, err := f.in.AppendResponse(nil, first)
				if err != nil {
					return err
				}
				second, err := out.DecodeResponse(wire)
				if err != nil {
					return fmt.Errorf("%w in %.300s", err, wire)
				}
				if first.ID == "" { // so must an id
					first.ID = second.ID
				}
				for i := range first.Choices { // a reason must be given
					if first.Choices[i].RawFinish == "" {
						first.Choices[i].RawFinish = second.Choices[i].RawFinish
					}
				}
				return same(second, first)
			}())
		}
		tally.Done()
	}
}

// TestStreamsThereAndBack does the same with streams, event for event but for pings,
// and with each cut into pieces at random borders.
func TestStreamsThereAndBack(t *testing.T) {
	for _, f := range formats {
		tally := providertest.NewTally(t, f.endpoint+" streams there and back")
		out := f.out(providers.Quirks{NoDone: true})
		for i, c := range providertest.Cassettes(t, providertest.Filter{Endpoint: f.endpoint}) {
			if !c.OK() || c.Response.SSE == "" {
				continue
			}
			first, err := providertest.Decode(out.NewDecoder(), [][]byte{[]byte(c.Response.SSE)})
			if err != nil { // it reports an error, or is broken off: the dialect's own tests judge it
				continue
			}
			tally.Check(c.ID, func() error {
				wire := providertest.Encode(f.in.NewEncoder(providers.EncodeOptions{IncludeUsage: true, RequestID: "1"}), first)
				second, err := providertest.Decode(out.NewDecoder(), providertest.Cuts(wire, uint64(i)))
				if err != nil {
					return err
				}
				return sameStory(second, first)
			}())
		}
		tally.Done()
	}
}

// A chapter is one block of a streamed answer, put together.
type chapter struct {
	Kind                                       providers.BlockKind
	ID, Name, Text, Data, Signature, Citations string
}

// number is the place of a citation in its list, which streams of chat tell.
var number = regexp.MustCompile(`,"index":[0-9]+}`)

// story puts the events of a choice together: blocks, finish, usage.
func story(events []providers.Event, choice int) (list []chapter, finish providers.Finish, usage providers.Usage) {
	at := map[int]int{}
	for _, ev := range events {
		if ev.Kind == providers.EventUsage || ev.Kind == providers.EventStart && !ev.Usage.Zero() {
			usage = ev.Usage
		}
		if ev.Choice != choice {
			continue
		}
		switch ev.Kind {
		case providers.EventFinish:
			if ev.Finish != "" {
				finish = ev.Finish
			}
		case providers.EventBlockStart:
			at[ev.Index] = len(list)
			list = append(list, chapter{Kind: ev.Block.Kind, ID: ev.Block.ID, Name: ev.Block.ToolName})
		case providers.EventBlockDelta:
			c := &list[at[ev.Index]]
			c.Text += ev.Block.Text
			c.Data += string(ev.Block.Data)
			c.Signature += ev.Block.Signature
			c.Citations += number.ReplaceAllString(string(ev.Block.Citations), "}")
		}
	}
	for i := range list {
		if list[i].Kind == providers.KindToolCall && list[i].Text == "" {
			list[i].Text = "{}"
		}
	}
	return list, finish, usage
}

func sameStory(got, want []providers.Event) error {
	choices := 1
	for _, ev := range want {
		choices = max(choices, ev.Choice+1)
	}
	for n := range choices {
		g, gf, gu := story(got, n)
		w, wf, wu := story(want, n)
		if !reflect.DeepEqual(g, w) || gf != wf {
			return fmt.Errorf("choice %d: %.400q %s, want %.400q %s", n, fmt.Sprint(g), gf, fmt.Sprint(w), wf)
		}
		gu.HasCost, gu.CostNano, wu.HasCost, wu.CostNano = false, 0, false, 0 // no member of the format
		if gu.Clamped, wu.Clamped = false, false; gu != wu {
			return fmt.Errorf("usage %+v, want %+v", gu, wu)
		}
	}
	return nil
}
