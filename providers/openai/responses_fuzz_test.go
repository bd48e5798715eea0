package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

func FuzzResponsesRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","input":"hi","instructions":"s","text":{"format":{"type":"json_schema","name":"n","schema":{}},"verbosity":"low"},"reasoning":{"effort":"low","context":"x"},"include":["reasoning.encrypted_content"],"tool_choice":{"type":"any"}}`))
	f.Add([]byte(`{"model":"m","input":[{"role":"developer","content":"d"},{"role":"user","content":[{"type":"input_text","text":"t"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"},{"type":"input_file","file_data":"AAAA","filename":"f"}]},{"type":"reasoning","summary":[{"type":"summary_text","text":"r"}],"encrypted_content":"gwsig1.messages.S"},{"type":"function_call","call_id":"c","name":"f","namespace":"n","arguments":"{"},{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"o"}]},{"type":"custom_tool_call","call_id":"d","name":"g","input":"x"},{"type":"custom_tool_call_output","call_id":"d","output":"y"},{"type":"item_reference","id":"i"},{"type":"web_search_call","id":"w"}],"tools":[{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]},{"type":"custom","name":"g","format":{"type":"grammar","syntax":"lark","definition":"x"}},{"type":"web_search"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, peekErr := ResponsesIngress().Peek(body)
		if peekErr == nil && p.ModelSpan.Found() && p.Model == "" {
			t.Fatal("an empty model passed")
		}
		if n := EstimateResponses(body); n <= 0 {
			t.Fatalf("%d tokens", n)
		}
		r, err := ResponsesIngress().DecodeRequest(body)
		if _, malformed := wire.Fields(body, nil, nil); err != nil || malformed != nil { // of one that is malformed anything may come
			return
		}
		out, _, err := ResponsesEgress(providers.Quirks{ProviderObject: true}).AppendRequest(nil, r)
		if err != nil {
			if len(r.Stop) > 0 || r.N > 1 {
				return
			}
			t.Fatalf("a Responses request cannot be written as one: %v", err)
		}
		if !json.Valid(out) {
			t.Fatalf("wrote %s", out)
		}
		if !(responsesIngress{}).Mixed(body) {
			again, err := ResponsesIngress().DecodeRequest(out)
			if err != nil {
				t.Fatalf("cannot read what was written: %v\n%s", err, out)
			}
			if len(again.Tools) != len(r.Tools) || len(again.Messages) != len(r.Messages) || len(again.System) != len(r.System) {
				t.Fatalf("%d tools and %d messages became %d and %d\n%s", len(r.Tools), len(r.Messages), len(again.Tools), len(again.Messages), out)
			}
		}
		for _, q := range []providers.Quirks{{}, {MaxTokensField: "max_tokens", NoDeveloper: true}} {
			if out, _, err := ChatEgress(q).AppendRequest(nil, r); err == nil && !json.Valid(out) {
				t.Fatalf("as chat: %s", out)
			}
		}
		foreign := *r
		foreign.Origin = providers.Chat
		if out, _, err := ResponsesEgress(providers.Quirks{}).AppendRequest(nil, &foreign); err == nil && !json.Valid(out) {
			t.Fatalf("wrote %s", out)
		}
	})
}

func FuzzResponsesAnswer(f *testing.F) {
	f.Add([]byte(`{"id":"resp_1","object":"response","created_at":1.5,"status":"incomplete","incomplete_details":{"reason":"content_filter"},"model":"m","output":[{"type":"reasoning","summary":[{"text":"a"},{"text":"b"}],"encrypted_content":"e"},{"type":"message","content":[{"type":"output_text","text":"t","annotations":[{"type":"url_citation","url":"u"}],"logprobs":[{"token":"t"}]},{"type":"refusal","refusal":"no"}]},{"type":"function_call","call_id":"c","name":"f","arguments":""},{"type":"image_generation_call","result":"AAAA"},{"type":"x"}],"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":2}}`))
	f.Add([]byte(`{"status":"failed","error":{"code":"c","message":"m"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ResponsesEgress(providers.Quirks{}).DecodeResponse(body)
		if _, malformed := wire.Fields(body, nil, nil); err != nil || malformed != nil { // of one that is malformed anything may come
			return
		}
		for _, in := range []providers.Ingress{ResponsesIngress(), ChatIngress()} {
			for _, origin := range []providers.Dialect{providers.Responses, providers.Messages} {
				r.Origin = origin
				r.Asked = body
				out, err := in.AppendResponse(nil, r)
				if err != nil || !json.Valid(out) {
					t.Fatalf("%v: %s", err, out)
				}
			}
		}
	})
}

func FuzzResponsesStream(f *testing.F) {
	f.Add([]byte("event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"m\"}}\n\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"id\":\"f\",\"call_id\":\"c\",\"name\":\"g\"}}\n\ndata: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":0,\"delta\":\"{}\"}\n\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":1,\"content_index\":0,\"delta\":\"t\"}\n\ndata: {\"type\":\"response.reasoning_summary_text.delta\",\"output_index\":2,\"summary_index\":1,\"delta\":\"t\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{\"type\":\"web_search_call\",\"id\":\"w\"}],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\ndata: [DONE]\n\n"), uint64(3))
	f.Add([]byte("event: error\ndata: {\"type\":\"error\",\"message\":\"m\",\"code\":\"c\"}\n\n"), uint64(1))
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		out := ResponsesEgress(providers.Quirks{})
		events, whole := providertest.Decode(out.NewDecoder(), [][]byte{body})
		cut, cutErr := providertest.Decode(out.NewDecoder(), providertest.Cuts(body, seed))
		if fmt.Sprint(whole) != fmt.Sprint(cutErr) || len(cut) != len(events) {
			t.Fatalf("%d events, %v; cut: %d, %v", len(events), whole, len(cut), cutErr)
		}
		inOrder(t, events)
		for _, in := range []providers.Ingress{ResponsesIngress(), ChatIngress()} {
			enc := in.NewEncoder(providers.EncodeOptions{RequestID: "1"})
			var sse []byte
			for i := range events {
				if events[i].Kind != providers.EventEnd {
					sse = enc.Append(sse, &events[i])
				}
			}
			if whole == nil {
				sse = enc.End(sse)
			}
			for _, line := range bytes.Split(sse, []byte("\n")) {
				if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && string(data) != "[DONE]" && !json.Valid(data) {
					t.Fatalf("wrote %s", data)
				}
			}
			if in.Dialect() == providers.Responses && whole == nil {
				again, err := providertest.Decode(out.NewDecoder(), [][]byte{sse})
				if err != nil {
					t.Fatalf("what was written is read with %v:\n%s", err, sse)
				}
				inOrder(t, again)
			}
		}
	})
}

// inOrder: blocks start once, have deltas while they are open, and stop once.
func inOrder(t *testing.T, events []providers.Event) {
	t.Helper()
	open, next := map[int]bool{}, 0
	for i, ev := range events {
		switch ev.Kind {
		case providers.EventBlockStart:
			if ev.Index != next {
				t.Fatalf("event %d: block %d starts, %d is next", i, ev.Index, next)
			}
			next++
			open[ev.Index] = true
		case providers.EventBlockDelta:
			if !open[ev.Index] {
				t.Fatalf("event %d: a delta of block %d, which is not open", i, ev.Index)
			}
		case providers.EventBlockStop:
			if !open[ev.Index] {
				t.Fatalf("event %d: block %d stops, which is not open", i, ev.Index)
			}
			delete(open, ev.Index)
		case providers.EventEnd:
			if len(open) > 0 {
				t.Fatalf("the end leaves %d blocks open", len(open))
			}
		}
	}
}

func FuzzResponsesFrame(f *testing.F) {
	f.Add("response.completed", []byte(`{"type":"response.completed","response":{"model":"m","usage":{"input_tokens":1}}}`))
	f.Add("", []byte(`{"type":"response.output_text.delta","delta":"x"}`))
	f.Fuzz(func(t *testing.T, event string, data []byte) {
		e := responsesEgress{}
		e.Frame(event, data)
		if s := e.ModelSpan(data); s.Found() && data[s.Start] != '"' {
			t.Fatalf("the span %v of %s", s, data)
		}
		var u providers.Usage
		if e.Usage(data, &u) && (u.Prompt() < 0 || u.Completion() < 0) {
			t.Fatalf("usage %+v", u)
		}
		if err := e.DecodeError(0, data); err.Message == "" {
			t.Fatal("an error without words")
		}
	})
}
