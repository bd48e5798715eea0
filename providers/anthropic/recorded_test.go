package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// An exchange is one recorded request and answer; an answer kept without its request has only the latter.
type exchange = providertest.Cassette

// recorded returns all exchanges in this format.
func recorded(t testing.TB) []*exchange {
	t.Helper()
	var list []*exchange
	for _, endpoint := range []string{"anthropic_messages", "vertex_anthropic", "vertex_anthropic_stream", "anthropic_count_tokens"} {
		list = append(list, providertest.Cassettes(t, providertest.Filter{Endpoint: endpoint})...)
	}
	fragments := providertest.Fragments(t, "anthropic-")
	for _, name := range slices.Sorted(maps.Keys(fragments)) {
		list = append(list, fragment(t, fragments[name])...)
	}
	if len(list) < 220 {
		t.Fatalf("only %d recorded exchanges were found", len(list))
	}
	return list
}

// fragment reads an answer that is kept without its request, or the streams of a whole conversation.
func fragment(t testing.TB, data []byte) (list []*exchange) {
	t.Helper()
	x := &exchange{}
	var more struct {
		Response struct{ Chunks []json.RawMessage }
	}
	if err := errors.Join(json.Unmarshal(data, x), json.Unmarshal(data, &more)); err != nil {
		t.Fatal(err)
	}
	switch {
	case x.ID == "anthropic-anthropic-skill-version-create":
		return nil // another endpoint's answer
	case len(more.Response.Chunks) == 0:
		return []*exchange{x}
	}
	parts := strings.SplitAfter(frames(t, more.Response.Chunks), "data: {\"type\":\"message_stop\"}\n\n")
	for i, part := range parts {
		if part == "" {
			continue
		}
		y := *x
		if y.Response.SSE = part; i > 0 {
			y.ID += fmt.Sprintf("#%d", i)
		}
		list = append(list, &y)
	}
	return list
}

// frames turns chunks kept without their framing into an event stream.
func frames(t testing.TB, chunks []json.RawMessage) string {
	t.Helper()
	var out strings.Builder
	for _, c := range chunks {
		var typ struct{ Type string }
		if err := json.Unmarshal(c, &typ); err != nil {
			t.Fatal(err)
		}
		var line bytes.Buffer
		if err := json.Compact(&line, c); err != nil {
			t.Fatal(err)
		}
		out.WriteString("event: " + typ.Type + "\ndata: " + line.String() + "\n\n")
	}
	return out.String()
}

func parse(t testing.TB, data []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("cannot parse %.300s: %v", data, err)
	}
	return v
}

// alike removes what may differ between a value and its round trip. The list is
// short and means the same to the API each time:
//   - a null member is an absent one
//   - an empty description of a tool is none
//   - "stream": false, "is_error": false and a tool's "type": "custom" are the defaults
func alike(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, x := range v {
			switch {
			case name == "input", name == "input_schema", name == "schema":
			case x == nil, name == "stream" && x == false, name == "is_error" && x == false, name == "type" && x == "custom", name == "description" && x == "":
				delete(v, name)
			default:
				v[name] = alike(x)
			}
		}
	case []any:
		for i := range v {
			v[i] = alike(v[i])
		}
	}
	return v
}

// differ returns the first path at which two JSON values differ, "" if none.
func differ(t testing.TB, got, want []byte) string {
	t.Helper()
	return differAt("$", alike(parse(t, got)), alike(parse(t, want)))
}

func differAt(at string, got, want any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: %.200v instead of an object", at, got)
		}
		for name := range w {
			if _, ok := g[name]; !ok {
				return at + "." + name + " is missing"
			}
			if d := differAt(at+"."+name, g[name], w[name]); d != "" {
				return d
			}
		}
		for name := range g {
			if _, ok := w[name]; !ok {
				return at + "." + name + " is new"
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: %.200v instead of %d elements", at, got, len(w))
		}
		for i := range w {
			if d := differAt(fmt.Sprintf("%s[%d]", at, i), g[i], w[i]); d != "" {
				return d
			}
		}
		return ""
	case json.Number:
		if g, ok := got.(json.Number); ok && g != w { // 1.0 is 1
			a, errA := g.Float64()
			b, errB := w.Float64()
			if errA == nil && errB == nil && a == b {
				return ""
			}
		}
	}
	if got != want {
		return fmt.Sprintf("%s: %.200v instead of %.200v", at, got, want)
	}
	return ""
}

// tally counts successes and fails the test below 99 %.
type tally struct {
	name       string
	done, good int
	except     []string
}

func (c *tally) add(t *testing.T, id string, ok bool, why string) {
	t.Helper()
	if slices.Contains(c.except, id) {
		if ok {
			t.Errorf("%s: %s is listed as an exception but passes", c.name, id)
		}
		return
	}
	c.done++
	if ok {
		c.good++
	} else {
		t.Logf("%s: %s: %s", c.name, id, why)
	}
}

func (c *tally) check(t *testing.T, least int) {
	t.Helper()
	t.Logf("%s: %d of %d, %d exceptions", c.name, c.good, c.done, len(c.except))
	if c.done < least {
		t.Errorf("%s: only %d cases, expected at least %d", c.name, c.done, least)
	}
	if c.good*100 < c.done*99 {
		t.Errorf("%s: %d of %d is below 99 %%", c.name, c.good, c.done)
	}
}

func TestRequestsRoundTrip(t *testing.T) {
	c := tally{name: "request round trip", except: []string{
		// A user message follows one of tool results: they are joined, as the API does itself.
		"anthropic-anthropic_messages-2867de81ab03", "anthropic-anthropic_messages-42922b92a32c",
	}}
	in, out := MessagesIngress(), MessagesEgress(providers.Quirks{})
	for _, x := range recorded(t) {
		if !wire.IsObject(x.Request.Body) || strings.Contains(x.Endpoint, "count_tokens") {
			continue
		}
		r, err := in.DecodeRequest(x.Request.Body)
		if err != nil {
			c.add(t, x.ID, false, err.Error())
			continue
		}
		got, dropped, err := out.AppendRequest(nil, r)
		if err != nil || len(dropped) > 0 {
			c.add(t, x.ID, false, strings.Join(dropped, ",")+" dropped")
			continue
		}
		d := differ(t, got, x.Request.Body)
		c.add(t, x.ID, d == "", d)
	}
	c.check(t, 170)
}

func TestAnswersRoundTrip(t *testing.T) {
	c := tally{name: "answer round trip"}
	in, out := MessagesIngress(), MessagesEgress(providers.Quirks{})
	for _, x := range recorded(t) {
		if x.Response.Status > 299 || !wire.IsObject(x.Response.Body) || strings.Contains(x.Endpoint, "count_tokens") {
			continue
		}
		r, err := out.DecodeResponse(x.Response.Body)
		if err != nil {
			c.add(t, x.ID, false, err.Error())
			continue
		}
		got, err := in.AppendResponse(nil, r)
		if err != nil {
			c.add(t, x.ID, false, err.Error())
			continue
		}
		d := differ(t, got, x.Response.Body)
		c.add(t, x.ID, d == "", d)
	}
	c.check(t, 120)
}
