package anthropic

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// decodeStream reads a stream fed in pieces that end at the given offsets.
func decodeStream(sse string, cuts ...int) (events []providers.Event, err error) {
	d := MessagesEgress(providers.Quirks{}).NewDecoder()
	var ev providers.Event
	take := func() {
		for d.Next(&ev) {
			events = append(events, ev)
		}
	}
	from := 0
	for _, to := range append(cuts, len(sse)) {
		piece := []byte(sse[from:to])
		d.Feed(piece)
		for i := range piece { // the decoder must not look at it again
			piece[i] = 'x'
		}
		take()
		from = to
	}
	err = d.End()
	take()
	return events, err
}

func encodeStream(events []providers.Event, o providers.EncodeOptions) string {
	e := MessagesIngress().NewEncoder(o)
	var out []byte
	for i := range events {
		out = e.Append(out, &events[i])
	}
	return string(e.End(out))
}

// payloads splits a stream into the payloads of its events, by the simplest reading.
func payloads(t testing.TB, sse string) (list []json.RawMessage) {
	t.Helper()
	for block := range strings.SplitSeq(strings.ReplaceAll(sse, "\r\n", "\n"), "\n\n") {
		var name string
		for line := range strings.SplitSeq(block, "\n") {
			if v, ok := strings.CutPrefix(line, "event: "); ok {
				name = v
			}
			if v, ok := strings.CutPrefix(line, "data: "); ok {
				var typ struct{ Type string }
				if err := json.Unmarshal([]byte(v), &typ); err != nil {
					t.Fatalf("payload is no JSON: %q", v)
				}
				if name != typ.Type {
					t.Errorf("event is named %q, its type is %q", name, typ.Type)
				}
				list = append(list, json.RawMessage(v))
			}
		}
	}
	return list
}

func pings(list []json.RawMessage) (rest []json.RawMessage, n int) {
	for _, p := range list {
		if strings.Contains(string(p), `"ping"`) && len(p) < 30 {
			n++
			continue
		}
		rest = append(rest, p)
	}
	return rest, n
}

// streams returns the recorded streams by id.
func streams(t testing.TB) []*exchange {
	t.Helper()
	var list []*exchange
	for _, x := range recorded(t) {
		if x.Response.SSE != "" {
			list = append(list, x)
		}
	}
	return list
}

// spliced holds two answers in one stream, which is an error here.
const spliced = "anthropic-spliced-message-start.chunks-chunks"

// wholeStarts holds a conversation in which most answers come whole in their message_start.
const wholeStarts = "anthropic-anthropic-programmatic-tool-calling.1.chunks-chunks"

func TestAnswerInMessageStart(t *testing.T) {
	n := 0
	for _, x := range streams(t) {
		if !strings.HasPrefix(x.ID, wholeStarts+"#") || len(payloads(t, x.Response.SSE)) > 2 {
			continue
		}
		events, err := decodeStream(x.Response.SSE)
		if err != nil {
			t.Fatal(err)
		}
		got := encodeStream(events, providers.EncodeOptions{})
		for _, want := range []string{`"name":"rollDie"`, `"caller":{"type":"code_execution_20250825"`, `"partial_json":"{\"player\": \"player`, `"stop_reason":"tool_use"`} {
			if !strings.Contains(strings.ReplaceAll(got, `\":\"`, `\": \"`), want) {
				t.Errorf("%s: %s is missing:\n%s", x.ID, want, got)
			}
		}
		n++
	}
	if n < 10 {
		t.Errorf("only %d such answers were found", n)
	}
}

func TestStreamsRoundTrip(t *testing.T) {
	c := tally{name: "stream round trip", except: []string{spliced}}
	for _, x := range streams(t) {
		if strings.HasPrefix(x.ID, wholeStarts) {
			continue // told in other events: TestAnswerInMessageStart
		}
		events, err := decodeStream(x.Response.SSE)
		if err != nil {
			c.add(t, x.ID, false, err.Error())
			continue
		}
		want, _ := pings(payloads(t, x.Response.SSE))
		got, n := pings(payloads(t, encodeStream(events, providers.EncodeOptions{})))
		why := ""
		if n == 0 && len(want) > 3 {
			why = "no ping"
		}
		if len(got) != len(want) {
			why = fmt.Sprintf("%d events instead of %d", len(got), len(want))
		}
		for i := 0; why == "" && i < len(want); i++ {
			if d := differ(t, got[i], want[i]); d != "" {
				why = fmt.Sprintf("event %d: %s", i, d)
			}
		}
		c.add(t, x.ID, why == "", why)
	}
	c.check(t, 55)
}

func TestStreamsCutAnywhere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	c := tally{name: "streams at random cuts"}
	for _, x := range streams(t) {
		sse := x.Response.SSE
		want, wantErr := decodeStream(sse)
		crlf, _ := decodeStream(strings.ReplaceAll(sse, "\n", "\r\n"))
		ok := reflect.DeepEqual(crlf, want)
		for range 8 {
			var cuts []int
			for at := 0; at < len(sse); at += 1 + rnd.IntN(400) {
				cuts = append(cuts, at)
			}
			got, err := decodeStream(sse, cuts...)
			ok = ok && reflect.DeepEqual(got, want) && fmt.Sprint(err) == fmt.Sprint(wantErr)
		}
		c.add(t, x.ID, ok, "events differ")
	}
	c.check(t, 55)
}

func TestStreamsTruncated(t *testing.T) {
	c := tally{name: "truncated streams", except: []string{spliced}}
	for _, x := range streams(t) {
		sse := x.Response.SSE
		stop := strings.LastIndex(sse, "event: message_stop")
		ok := stop > 0
		for cut := 0; cut < stop; cut += 1 + stop/97 {
			events, err := decodeStream(sse[:cut])
			ok = ok && errors.Is(err, io.ErrUnexpectedEOF)
			for i := range events {
				ok = ok && events[i].Kind != providers.EventEnd
			}
		}
		c.add(t, x.ID, ok, "a truncated stream passes for whole")
	}
	c.check(t, 55)
}

// refUsage is the reference: the events' usage by maps, written apart from the code under test.
func refUsage(t *testing.T, reports ...json.RawMessage) providers.Usage {
	t.Helper()
	all := map[string]int64{}
	var flat func(prefix string, m map[string]any)
	flat = func(prefix string, m map[string]any) {
		for name, v := range m {
			switch v := v.(type) {
			case float64:
				all[prefix+name] = int64(v)
			case map[string]any:
				flat(prefix+name+".", v)
			}
		}
	}
	for _, raw := range reports {
		var m map[string]any
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		flat("", m)
	}
	return providers.Usage{
		Input: all["input_tokens"], CacheRead: all["cache_read_input_tokens"],
		CacheWrite1h: all["cache_creation.ephemeral_1h_input_tokens"],
		Searches:     all["server_tool_use.web_search_requests"],
		CacheWrite5m: all["cache_creation_input_tokens"] - all["cache_creation.ephemeral_1h_input_tokens"],
		Output:       all["output_tokens"] - all["output_tokens_details.thinking_tokens"],
		Reasoning:    all["output_tokens_details.thinking_tokens"],
	}
}

func TestRecordedUsage(t *testing.T) {
	c := tally{name: "usage", except: []string{spliced}}
	e := MessagesEgress(providers.Quirks{})
	for _, x := range recorded(t) {
		if strings.Contains(x.Endpoint, "count_tokens") || x.Response.Status > 299 {
			continue
		}
		var reports []json.RawMessage
		var got, decoded providers.Usage
		type report struct {
			Usage   json.RawMessage
			Message struct{ Usage json.RawMessage }
		}
		if x.Response.SSE == "" {
			var r report
			if json.Unmarshal(x.Response.Body, &r) != nil || r.Usage == nil {
				continue
			}
			reports = append(reports, r.Usage)
			e.Usage(x.Response.Body, &got)
			res, err := e.DecodeResponse(x.Response.Body)
			if err != nil {
				t.Fatal(err)
			}
			decoded = res.Usage
		}
		for _, p := range payloads(t, x.Response.SSE) {
			var r report
			if err := json.Unmarshal(p, &r); err != nil {
				t.Fatal(err)
			}
			if r.Usage == nil {
				r.Usage = r.Message.Usage
			}
			if r.Usage != nil {
				reports = append(reports, r.Usage)
			}
			if info := e.Frame("", p); info&providers.FrameUsage != 0 {
				e.Usage(p, &got)
			} else if e.Usage(p, &got) {
				t.Errorf("%s: usage in an event not classified so: %s", x.ID, p)
			}
		}
		events, _ := decodeStream(x.Response.SSE)
		for i := range events {
			if events[i].Kind == providers.EventUsage {
				decoded = events[i].Usage
			}
		}
		want := refUsage(t, reports...)
		c.add(t, x.ID, got == want && decoded == want, fmt.Sprintf("%+v and %+v instead of %+v", got, decoded, want))
	}
	c.check(t, 190)
}

func TestFramesOfRecordedStreams(t *testing.T) {
	e := MessagesEgress(providers.Quirks{})
	n := 0
	for _, x := range streams(t) {
		terminal, deltas := 0, 0
		for _, p := range payloads(t, x.Response.SSE) {
			var typ struct {
				Type    string
				Message struct{ Model string }
			}
			if err := json.Unmarshal(p, &typ); err != nil {
				t.Fatal(err)
			}
			info := e.Frame(typ.Type, p)
			if nameless := e.Frame("", p); nameless != info {
				t.Errorf("%s: %b by name, %b by type: %s", x.ID, info, nameless, p)
			}
			if info&providers.FrameTerminal != 0 {
				terminal++
			}
			if info&providers.FrameDelta != 0 {
				deltas++
			}
			if span := e.ModelSpan(p); info&providers.FrameModel != 0 && string(p[span.Start:span.End]) != `"`+typ.Message.Model+`"` {
				t.Errorf("%s: model span holds %q", x.ID, p[span.Start:span.End])
			}
			n++
		}
		if terminal != 1 {
			t.Errorf("%s: %d terminal events", x.ID, terminal)
		}
		if deltas == 0 && !strings.Contains(x.ID, "refusal") {
			t.Errorf("%s: no content was seen", x.ID)
		}
	}
	t.Logf("%d events", n)
}

// An answer that comes whole in its message_start tells its usage there, and zeros
// are a report as well: nothing is to be estimated.
func TestWholeStartTellsUsage(t *testing.T) {
	const body = "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"content\":[],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}}\n\ndata: {\"type\":\"message_stop\"}\n\n"
	events, err := providertest.Decode(MessagesEgress(providers.Quirks{}).NewDecoder(), [][]byte{[]byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range events {
		if events[i].Kind == providers.EventUsage {
			return
		}
	}
	t.Errorf("no usage among %+v", events)
}
