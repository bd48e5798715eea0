package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

var recordedResponses = providertest.Filter{Endpoint: "openai_responses"}

func TestRecordedResponsesRequests(t *testing.T) {
	tally := providertest.NewTally(t, "Responses requests decoded and encoded")
	for _, c := range providertest.Cassettes(t, recordedResponses) {
		body := []byte(c.Request.Body)
		tally.Check(c.ID, func() error {
			r, err := ResponsesIngress().DecodeRequest(body)
			if err != nil {
				return err
			}
			out, dropped, err := ResponsesEgress(providers.Quirks{ProviderObject: true}).AppendRequest(nil, r)
			if err != nil || len(dropped) > 0 {
				return fmt.Errorf("dropped %v: %v", dropped, err)
			}
			return providertest.Diff(out, body, func(path string, got, want any) bool {
				list, empty := want.([]any)
				return got == nil && (want == "" || path == "stream" && want == false || empty && len(list) == 0) // says nothing
			})
		}())
	}
	tally.Done()
}

func TestRecordedResponsesPeeks(t *testing.T) {
	tally := providertest.NewTally(t, "Responses requests peeked")
	for _, c := range providertest.Cassettes(t, recordedResponses) {
		body := []byte(c.Request.Body)
		var want struct {
			Model  string
			Stream bool
			Input  json.RawMessage
			Tools  []json.RawMessage
			User   string
			Max    int64 `json:"max_output_tokens"`
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		var items []json.RawMessage
		_ = json.Unmarshal(want.Input, &items) // a string has none
		tally.Check(c.ID, func() error {
			p, err := ResponsesIngress().Peek(body)
			if err != nil {
				return err
			}
			if p.Model != want.Model || p.ModelSpan.Found() != (want.Model != "") || p.Stream != want.Stream || p.Messages != len(items) || p.Tools != len(want.Tools) || p.User != want.User || p.MaxTokens != want.Max {
				return fmt.Errorf("got %+v", p)
			}
			return nil
		}())
	}
	tally.Done()
}

func TestRecordedResponsesAnswers(t *testing.T) {
	tally := providertest.NewTally(t, "Responses answers decoded and encoded")
	for _, c := range providertest.Cassettes(t, recordedResponses) {
		if !c.OK() || c.Response.Body == nil {
			continue
		}
		tally.Check(c.ID, func() error {
			r, err := ResponsesEgress(providers.Quirks{}).DecodeResponse(c.Response.Body)
			if err != nil {
				return err
			}
			out, err := ResponsesIngress().AppendResponse(nil, r)
			if err != nil {
				return err
			}
			return providertest.Diff(out, c.Response.Body, func(path string, got, want any) bool {
				return path == "created_at" && strings.HasPrefix(fmt.Sprint(want), fmt.Sprint(got)+".") // written as a fraction
			})
		}())
	}
	tally.Done()
}

// TestRecordedResponsesErrors: an error keeps its words and gets its kind.
func TestRecordedResponsesErrors(t *testing.T) {
	for _, c := range providertest.Cassettes(t, recordedResponses) {
		if c.OK() {
			continue
		}
		e := ResponsesEgress(providers.Quirks{}).DecodeError(c.Response.Status, c.Response.Body)
		if e.Message == "" || e.Kind == providers.KindUpstream || e.HTTPStatus() != c.Response.Status || !bytes.Equal(e.Raw, c.Response.Body) {
			t.Errorf("%s: %d %s became %+v", c.ID, c.Response.Status, c.Response.Body, e)
		}
	}
}

// TestRecordedResponsesStreams compares each stream with the answer its last event
// holds, at random cuts, and sees that a shorter one is never taken for whole.
func TestRecordedResponsesStreams(t *testing.T) {
	tally := providertest.NewTally(t, "Responses streams decoded")
	out := ResponsesEgress(providers.Quirks{})
	for i, c := range providertest.Cassettes(t, recordedResponses) {
		if !c.OK() || c.Response.SSE == "" {
			continue
		}
		tally.Check(c.ID, func() error {
			events, err := providertest.Decode(out.NewDecoder(), providertest.Cuts([]byte(c.Response.SSE), uint64(i)))
			if err != nil {
				return err
			}
			last := lastResponse(c.Response.SSE)
			want, err := out.DecodeResponse(last)
			if err != nil {
				return err
			}
			if err := sameAsWhole(events, want); err != nil {
				return err
			}
			end := strings.LastIndex(c.Response.SSE, `"response.completed"`)
			for _, cut := range []int{end / 3, end / 2, end} {
				if _, err := providertest.Decode(out.NewDecoder(), [][]byte{[]byte(c.Response.SSE[:cut])}); !errors.Is(err, io.ErrUnexpectedEOF) {
					return fmt.Errorf("cut at %d it ended with %v", cut, err)
				}
			}
			return nil
		}())
	}
	tally.Done()
}

// lastResponse returns the response in the last event of a stream.
func lastResponse(sse string) []byte {
	var last []byte
	for _, line := range strings.Split(sse, "\n") {
		if data, ok := strings.CutPrefix(line, "data:"); ok {
			if r := at([]byte(strings.TrimSpace(data)), "response"); r != nil {
				last = r
			}
		}
	}
	return last
}

// sameAsWhole compares events with the answer they are the stream of.
func sameAsWhole(events []providers.Event, want *providers.Response) error {
	type block struct{ kind, id, name, text, signature string }
	var got []block
	at := map[int]int{}
	var usage providers.Usage
	var finish providers.Finish
	for _, ev := range events {
		switch ev.Kind {
		case providers.EventBlockStart:
			at[ev.Index] = len(got)
			got = append(got, block{kind: fmt.Sprint(ev.Block.Kind), id: ev.Block.ID, name: ev.Block.ToolName, signature: "false"})
		case providers.EventBlockDelta:
			b := &got[at[ev.Index]]
			b.text += ev.Block.Text
			b.signature = fmt.Sprint(b.signature == "true" || ev.Block.Signature != "")
		case providers.EventUsage:
			usage = ev.Usage
		case providers.EventFinish:
			finish = ev.Finish
		}
	}
	var list []block
	for _, b := range want.Choices[0].Blocks {
		w := block{kind: fmt.Sprint(b.Kind), id: b.ID, name: b.ToolName, text: b.Text, signature: fmt.Sprint(b.Signature != "")} // it is encrypted anew in each event
		switch b.Kind {
		case providers.KindToolCall:
			if !b.Custom {
				w.text = string(b.Args)
			}
		case providers.KindThinking:
			if w.text == "" && w.signature == "false" {
				continue
			}
			w.id = ""
		case providers.KindText:
			if w.text == "" {
				continue
			}
		}
		list = append(list, w)
	}
	// What nobody streamed comes last.
	opaque := func(b block) bool { return b.kind == fmt.Sprint(providers.KindOpaque) }
	for _, l := range [][]block{got, list} {
		slices.SortStableFunc(l, func(a, b block) int {
			if opaque(a) && opaque(b) {
				return strings.Compare(a.id, b.id)
			}
			return strings.Compare(fmt.Sprint(opaque(a)), fmt.Sprint(opaque(b)))
		})
	}
	if fmt.Sprint(got) != fmt.Sprint(list) || usage != want.Usage || finish != want.Choices[0].Finish {
		return fmt.Errorf("got  %.1500q %+v %s\nwant %.1500q %+v %s", got, usage, finish, list, want.Usage, want.Choices[0].Finish)
	}
	return nil
}
