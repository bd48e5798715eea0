package anthropic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// An exchange is one recorded request and answer.
type exchange struct {
	ID       string
	Provider string
	Endpoint string
	Request  struct {
		Body json.RawMessage
	}
	Response struct {
		Status int
		Body   json.RawMessage
		SSE    string
		Chunks []json.RawMessage
	}
}

// shared finds the folder of recorded traffic, or skips the test.
func shared(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("AI_GATEWAY_SHARED")
	if dir == "" {
		at, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for ; ; at = filepath.Dir(at) {
			if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
				dir = filepath.Join(filepath.Dir(at), "shared")
				break
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	dir = filepath.Join(dir, "cassettes")
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("recorded traffic is missing: %v", err)
		}
		t.Skipf("SKIPPED: THE RECORDED TRAFFIC IS NOT HERE: %v", err)
	}
	return dir
}

// recorded returns all exchanges in this format.
func recorded(t testing.TB) []exchange {
	t.Helper()
	dir := shared(t)
	var list []exchange
	for _, pattern := range []string{
		"open/*-anthropic_messages-*.json", "open/*-vertex_anthropic*-*.json", "open/*-anthropic_count_tokens-*.json",
		"fragments/open/anthropic-*.json",
	} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var x exchange
			if err := json.Unmarshal(data, &x); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if x.ID == "anthropic-anthropic-skill-version-create" {
				continue // another endpoint's answer
			}
			if len(x.Response.Chunks) == 0 {
				list = append(list, x)
				continue
			}
			parts := strings.SplitAfter(frames(t, x.Response.Chunks), "data: {\"type\":\"message_stop\"}\n\n")
			for i, part := range parts { // some files hold the streams of a whole conversation
				if part == "" {
					continue
				}
				y := x
				if y.Response.SSE = part; i > 0 {
					y.ID += fmt.Sprintf("#%d", i)
				}
				list = append(list, y)
			}
		}
	}
	if len(list) < 150 {
		t.Fatalf("only %d recorded exchanges were found", len(list))
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
		if !isObject(x.Request.Body) || strings.Contains(x.Endpoint, "count_tokens") {
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
		if x.Response.Status > 299 || !isObject(x.Response.Body) || strings.Contains(x.Endpoint, "count_tokens") {
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
