package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// recorded returns all exchanges in this format, the answers kept without their requests too.
func recorded(t testing.TB) []*providertest.Cassette {
	t.Helper()
	list := append(providertest.Cassettes(t, providertest.Filter{Endpoint: "gemini_generate"}), providertest.Cassettes(t, providertest.Filter{Endpoint: "gemini_stream"})...)
	fragments := providertest.Fragments(t, "google-")
	for _, name := range slices.Sorted(maps.Keys(fragments)) {
		x := &providertest.Cassette{}
		var more struct {
			Response struct{ Chunks []json.RawMessage }
		}
		if err := errors.Join(json.Unmarshal(fragments[name], x), json.Unmarshal(fragments[name], &more)); err != nil {
			t.Fatal(err)
		}
		if x.Endpoint != "gemini_generate" {
			continue
		}
		for _, c := range more.Response.Chunks {
			var line bytes.Buffer
			if err := json.Compact(&line, c); err != nil {
				t.Fatal(err)
			}
			x.Response.SSE += "data: " + line.String() + "\r\n\r\n"
		}
		if x.Response.Status == 0 && at(x.Response.Body, "error") == nil {
			x.Response.Status = 200
		}
		list = append(list, x)
	}
	if len(list) < 180 {
		t.Fatalf("only %d recorded exchanges were found", len(list))
	}
	return list
}

// payload returns the answer's bytes.
func payload(c *providertest.Cassette) []byte {
	if c.Response.SSE != "" {
		return []byte(c.Response.SSE)
	}
	return c.Response.Body
}

func streamed(c *providertest.Cassette) bool {
	return c.Response.SSE != "" || wire.IsArray(c.Response.Body)
}

// said is what an answer says, in plain words.
type said struct {
	text, thoughts string
	calls          []string
	signatures     int
	finish         string
	usage          [4]int64 // prompt, completion, cached, reasoning
}

// reference reads recorded events with plain maps and nothing of the package's own.
func reference(t testing.TB, c *providertest.Cassette) (s said) {
	t.Helper()
	var chunks []map[string]any
	read := func(b []byte) {
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		chunks = append(chunks, m)
	}
	switch {
	case c.Response.SSE != "":
		for line := range strings.Lines(c.Response.SSE) {
			if data, ok := strings.CutPrefix(line, "data:"); ok {
				read([]byte(data))
			}
		}
	case wire.IsArray(c.Response.Body):
		var list []json.RawMessage
		_ = json.Unmarshal(c.Response.Body, &list)
		for _, e := range list {
			read(e)
		}
	default:
		read(c.Response.Body)
	}
	num := func(m map[string]any, name string) int64 { f, _ := m[name].(float64); return int64(f) }
	for _, chunk := range chunks {
		if u, ok := chunk["usageMetadata"].(map[string]any); ok && (u["promptTokenCount"] != nil || u["candidatesTokenCount"] != nil) {
			s.usage = [4]int64{num(u, "promptTokenCount") + num(u, "toolUsePromptTokenCount"), num(u, "candidatesTokenCount") + num(u, "thoughtsTokenCount"), num(u, "cachedContentTokenCount"), num(u, "thoughtsTokenCount")}
		}
		if f, ok := chunk["promptFeedback"].(map[string]any); ok && chunk["candidates"] == nil {
			s.finish, _ = f["blockReason"].(string)
		}
		list, _ := chunk["candidates"].([]any)
		for _, e := range list {
			cand := e.(map[string]any)
			if num(cand, "index") != 0 {
				continue
			}
			switch r := cand["finishReason"].(type) {
			case string:
				s.finish = r
			case float64:
				s.finish = numbered[int(r)]
			}
			content, _ := cand["content"].(map[string]any)
			parts, _ := content["parts"].([]any)
			for _, p := range parts {
				part := p.(map[string]any)
				text, _ := part["text"].(string)
				if part["thought"] == true {
					s.thoughts += text
				} else {
					s.text += text
				}
				if part["thoughtSignature"] != nil && part["toolCall"] == nil && part["toolResponse"] == nil && part["executableCode"] == nil {
					s.signatures++
				}
				call, ok := part["functionCall"].(map[string]any)
				if ok && call["partialArgs"] == nil && call["name"] != nil && call["willContinue"] == nil {
					args, _ := json.Marshal(call["args"])
					if call["args"] == nil {
						args = []byte("{}")
					}
					s.calls = append(s.calls, call["name"].(string)+string(args))
				}
			}
		}
	}
	return s
}

func usageNumbers(u providers.Usage) [4]int64 {
	return [4]int64{u.Prompt(), u.Completion(), u.CacheRead, u.Reasoning}
}

func canonical(args []byte) string {
	var v any
	if json.Unmarshal(args, &v) != nil {
		return "not JSON: " + string(args)
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// ofResponse reads a neutral answer.
func ofResponse(r *providers.Response) (s said) {
	s.usage = usageNumbers(r.Usage)
	for _, c := range r.Choices {
		if c.Index != 0 {
			continue
		}
		s.finish = c.RawFinish
		for _, b := range c.Blocks {
			s.take(&b)
		}
	}
	return s
}

func (s *said) take(b *providers.Block) {
	switch b.Kind {
	case providers.KindText:
		s.text += b.Text
	case providers.KindThinking:
		s.thoughts += b.Text
	case providers.KindToolCall:
		s.calls = append(s.calls, b.ToolName+canonical(b.Args))
	}
	if b.Signature != "" {
		s.signatures++
	}
}

// ofEvents reads neutral events.
func ofEvents(events []providers.Event) (s said) {
	open := map[int]*providers.Block{}
	for i := range events {
		ev := &events[i]
		if ev.Choice != 0 {
			continue
		}
		switch ev.Kind {
		case providers.EventUsage:
			s.usage = usageNumbers(ev.Usage)
		case providers.EventFinish:
			s.finish = ev.RawFinish
		case providers.EventBlockStart:
			b := ev.Block
			open[ev.Index] = &b
		case providers.EventBlockDelta:
			b := open[ev.Index]
			if b.Kind == providers.KindToolCall {
				b.Args = append(b.Args, ev.Block.Text...)
				continue
			}
			if ev.Block.Signature != "" {
				s.signatures++
			}
			b.Text += ev.Block.Text
		case providers.EventBlockStop:
			s.take(open[ev.Index])
		}
	}
	return s
}

func (s said) differs(want said) error {
	if !reflect.DeepEqual(s, want) {
		return fmt.Errorf("got  %.1500s\nwant %.1500s", fmt.Sprintf("%+v", s), fmt.Sprintf("%+v", want))
	}
	return nil
}

// pieced are the fragments whose calls come in pieces, which the reference does not read.
func pieced(c *providertest.Cassette) bool { return bytes.Contains(payload(c), []byte("partialArgs")) }

func TestRecordedAnswers(t *testing.T) {
	whole, streams := providertest.NewTally(t, "answers decoded"), providertest.NewTally(t, "streams decoded, cut at random")
	for _, c := range recorded(t) {
		if !c.OK() || pieced(c) {
			continue
		}
		want := reference(t, c)
		if !streamed(c) {
			r, err := GenerateEgress(AIStudio).DecodeResponse(payload(c))
			if err == nil {
				err = ofResponse(r).differs(want)
			}
			whole.Check(c.ID, err)
			continue
		}
		var err error
		for seed := range uint64(5) {
			events, e := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), providertest.Cuts(payload(c), seed))
			if e == nil {
				e = ofEvents(events).differs(want)
			}
			err = errors.Join(err, e)
		}
		streams.Check(c.ID, err)
	}
	whole.Done()
	streams.Done()
}

// TestRecordedStreamsTruncated: what is cut before its end is never taken for whole.
func TestRecordedStreamsTruncated(t *testing.T) {
	tally := providertest.NewTally(t, "streams cut short")
	for _, c := range recorded(t) {
		if !c.OK() || !streamed(c) {
			continue
		}
		body := bytes.TrimSpace(payload(c))
		last := bytes.LastIndex(body, []byte(`"finishReason"`))
		if last < 0 {
			last = bytes.LastIndex(body, []byte(`"blockReason"`))
		}
		var err error
		for _, n := range []int{last / 3, last / 2, last - 1, last + 5} {
			if _, e := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), providertest.Cuts(body[:n], 3)); e == nil {
				err = fmt.Errorf("cut after %d of %d bytes it ended well", n, len(body))
			} else if !errors.Is(e, io.ErrUnexpectedEOF) {
				err = e
			}
		}
		tally.Check(c.ID, err)
	}
	tally.Done()
}

// TestRecordedAnswersThereAndBack: written in this format and read again, an answer is the same.
func TestRecordedAnswersThereAndBack(t *testing.T) {
	tally := providertest.NewTally(t, "answers there and back")
	for _, c := range recorded(t) {
		if !c.OK() || pieced(c) {
			continue
		}
		want := reference(t, c)
		var err error
		if !streamed(c) {
			r, e := GenerateEgress(AIStudio).DecodeResponse(payload(c))
			if e != nil {
				t.Fatalf("%s: %v", c.ID, e)
			}
			out, _ := GenerateIngress().AppendResponse(nil, r)
			again, e := GenerateEgress(AIStudio).DecodeResponse(out)
			if err = e; e == nil {
				err = ofResponse(again).differs(want)
			}
		} else {
			for _, in := range []providers.Ingress{GenerateIngress(), ArrayIngress()} {
				events, _ := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), [][]byte{payload(c)})
				out := providertest.Encode(in.NewEncoder(providers.EncodeOptions{}), events)
				again, e := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), providertest.Cuts(out, 1))
				if e == nil {
					e = ofEvents(again).differs(want)
				}
				err = errors.Join(err, e)
			}
		}
		tally.Check(c.ID, err)
	}
	tally.Done()
}

// TestRecordedRequests: a recorded request, read and written again, is the same to
// the API; and it has a form in the other formats.
func TestRecordedRequests(t *testing.T) {
	own, chat, messages := providertest.NewTally(t, "requests there and back"), providertest.NewTally(t, "requests as chat"), providertest.NewTally(t, "requests as messages")
	for _, c := range recorded(t) {
		if c.Request.Body == nil || c.ID == "gemini-gemini_generate-none" {
			continue
		}
		r, err := GenerateIngress().DecodeRequest(c.Request.Body)
		if err != nil {
			own.Check(c.ID, err)
			continue
		}
		out, dropped, err := GenerateEgress(AIStudio).AppendRequest(nil, r)
		if err == nil && len(dropped) > 0 {
			err = fmt.Errorf("dropped %v", dropped)
		}
		if err == nil {
			err = providertest.Diff(normal(t, out), normal(t, c.Request.Body), nil)
		}
		own.Check(c.ID, err)
		_, _, err = openai.ChatEgress(providers.Quirks{}).AppendRequest(nil, r)
		chat.Check(c.ID, expected(err))
		_, _, err = anthropic.MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
		messages.Check(c.ID, expected(err))
	}
	own.Done()
	chat.Done()
	messages.Done()
}

// expected lets refusals pass that name what the other format has no form for.
func expected(err error) error {
	var e *providers.Error
	if errors.As(err, &e) && e.Param != "" && e.Kind == providers.KindInvalidRequest {
		return nil
	}
	return err
}

// normal brings a request to one spelling: names in camel case, schemas as JSON
// Schema under one name, empty and null members left out.
func normal(t testing.TB, body []byte) []byte {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	out, _ := json.Marshal(spell(v, ""))
	return out
}

func spell(v any, under string) any {
	switch v := v.(type) {
	case map[string]any:
		if under == "args" || under == "response" {
			return v
		}
		out := map[string]any{}
		for name, x := range v {
			name = camel([]byte(name))
			switch name {
			case "parameters", "responseSchema":
				raw, _ := json.Marshal(x)
				var y any
				d := json.NewDecoder(bytes.NewReader(jsonSchema(raw)))
				d.UseNumber()
				_ = d.Decode(&y)
				out[map[string]string{"parameters": "parametersJsonSchema", "responseSchema": "responseJsonSchema"}[name]] = y
				continue
			case "parametersJsonSchema", "responseJsonSchema":
				out[name] = x
				continue
			case "description":
				if x == "" {
					continue
				}
			case "role":
				if x == "user" && under == "systemInstruction" {
					continue
				}
			case "generationConfig":
				if m, ok := x.(map[string]any); ok && len(m) == 0 {
					continue
				}
			}
			if name == "data" || name == "thoughtSignature" {
				if s, ok := x.(string); ok {
					raw, _ := decodeBase64(s)
					x = fmt.Sprintf("%x", raw)
				}
			}
			out[name] = spell(x, name)
		}
		return out
	case []any:
		var out []any
		for _, x := range v {
			x = spell(x, under)
			if m, ok := x.(map[string]any); ok && under == "tools" { // one declaration list, first
				if list, ok := m["functionDeclarations"].([]any); ok && len(out) > 0 {
					if first, ok := out[0].(map[string]any); ok && first["functionDeclarations"] != nil {
						first["functionDeclarations"] = append(first["functionDeclarations"].([]any), list...)
						continue
					}
				}
			}
			out = append(out, x)
		}
		if under == "tools" {
			slices.SortStableFunc(out, func(a, b any) int { return rank(a) - rank(b) })
		}
		return out
	}
	return v
}

func rank(tool any) int {
	if m, ok := tool.(map[string]any); ok && m["functionDeclarations"] != nil {
		return 0
	}
	return 1
}
