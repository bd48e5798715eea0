package anthropic

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

func TestGolden(t *testing.T) {
	providertest.Golden(t, "testdata/golden/*.txtar",
		map[string]providers.Ingress{"messages": MessagesIngress(), "chat": openai.ChatIngress()},
		map[string]func(providers.Quirks) providers.Egress{"messages": MessagesEgress, "chat": openai.ChatEgress})
}

// Each recorded chat stream becomes a stream that a strict client of this format
// accepts and that holds the same text and calls.
func TestRecordedChatStreamsForClients(t *testing.T) {
	y := providertest.NewTally(t, "chat streams for Anthropic clients")
	for _, x := range providertest.Cassettes(t, providertest.Filter{Endpoint: "openai_chat"}) {
		if x.Response.SSE == "" {
			continue
		}
		q := providers.Quirks{NoDone: true}
		events, err := providertest.Decode(openai.ChatEgress(q).NewDecoder(), [][]byte{[]byte(x.Response.SSE)})
		if err != nil {
			continue // broken off, or failed: openai's tests judge these
		}
		sse := encodeStream(events, providers.EncodeOptions{})
		got, want := said(t, sse), ""
		var text, calls strings.Builder
		seen := map[int]*strings.Builder{}
		var order []int
		for i := range events {
			ev := &events[i]
			if ev.Choice != 0 {
				continue
			}
			switch {
			case ev.Kind == providers.EventBlockStart && ev.Block.Kind == providers.KindToolCall:
				seen[ev.Index] = &strings.Builder{}
				seen[ev.Index].WriteString(ev.Block.ToolName + " ")
				order = append(order, ev.Index)
			case ev.Kind == providers.EventBlockDelta && seen[ev.Index] != nil:
				seen[ev.Index].WriteString(ev.Block.Text)
			case ev.Kind == providers.EventBlockDelta && (ev.Block.Kind == providers.KindText || ev.Block.Kind == providers.KindRefusal || ev.Block.Kind == providers.KindAudio):
				text.WriteString(ev.Block.Text)
			}
		}
		for _, i := range order {
			c := seen[i].String()
			if strings.HasSuffix(c, " ") {
				c += "{}"
			}
			calls.WriteString(c + "\n")
		}
		if want = text.String() + "\n" + calls.String(); got != want {
			y.Check(x.ID, fmt.Errorf("client reads %.200q instead of %.200q", got, want))
			continue
		}
		y.Check(x.ID, bounds(sse))
	}
	y.Done()
}

// bounds checks how a stream starts and ends.
func bounds(sse string) error {
	if !strings.HasSuffix(sse, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n") || strings.Count(sse, "event: message_start\n") != 1 {
		return errors.New("no proper start or end")
	}
	return nil
}

// said is what a client of this format accumulates: the text, and the calls in their order.
func said(t *testing.T, sse string) string {
	t.Helper()
	outlineShape(t, sse)
	var text, calls strings.Builder
	for _, p := range payloads(t, sse) {
		var e struct {
			Type         string
			ContentBlock struct{ Type, Name string } `json:"content_block"`
			Delta        struct {
				Type, Text  string
				PartialJSON string `json:"partial_json"`
			}
		}
		if err := json.Unmarshal(p, &e); err != nil {
			t.Fatal(err)
		}
		switch {
		case e.ContentBlock.Type == "tool_use":
			if calls.Len() > 0 {
				calls.WriteString("\n")
			}
			calls.WriteString(e.ContentBlock.Name + " ")
		case e.Delta.Type == "input_json_delta":
			calls.WriteString(e.Delta.PartialJSON)
		case e.Delta.Type == "text_delta":
			text.WriteString(e.Delta.Text)
		}
	}
	if calls.Len() > 0 {
		calls.WriteString("\n")
	}
	return text.String() + "\n" + calls.String()
}

// Each recorded chat request can be asked of an Anthropic model, or is refused by
// name; what is sent reads back with the same text, calls and results.
func TestRecordedChatRequestsForUpstreams(t *testing.T) {
	y := providertest.NewTally(t, "chat requests for Anthropic upstreams")
	refused := 0
	for _, x := range providertest.Cassettes(t, providertest.Filter{Endpoint: "openai_chat"}) {
		if x.Request.Body == nil {
			continue
		}
		r, err := openai.ChatIngress().DecodeRequest(x.Request.Body)
		if err != nil {
			continue // openai's tests judge these
		}
		r.Model = "claude-sonnet-4-5"
		body, _, err := MessagesEgress(providers.Quirks{}).AppendRequest(nil, r)
		if e, ok := err.(*providers.Error); ok && e.Param != "" && e.HTTPStatus() == 400 {
			refused++
			continue
		} else if err != nil {
			y.Check(x.ID, err)
			continue
		}
		back, err := MessagesIngress().DecodeRequest(body)
		if err != nil {
			y.Check(x.ID, fmt.Errorf("%w: %s", err, body))
			continue
		}
		if got, want := substance(back), substance(r); got != want {
			err = fmt.Errorf("%.300q instead of %.300q", got, want)
		}
		y.Check(x.ID, err)
	}
	t.Logf("%d requests were refused by name", refused)
	y.Done()
}

// substance counts what must not get lost in a request: letters of text, calls, results, media and tools.
func substance(r *providers.Request) string {
	letters, calls, results, media, tools := 0, 0, 0, 0, 0
	var count func(list []providers.Block)
	count = func(list []providers.Block) {
		for i := range list {
			switch b := &list[i]; b.Kind {
			case providers.KindText, providers.KindRefusal:
				text := strings.TrimSuffix(strings.TrimPrefix(b.Text, "<system>\n"), "\n</system>")
				if text != jsonOnly && text != opening {
					letters += len(strings.Fields(text))
				}
			case providers.KindToolCall:
				calls++
			case providers.KindToolResult:
				results++
				count(b.Result)
			case providers.KindImage, providers.KindFile:
				media++
			}
		}
	}
	count(r.System)
	for i := range r.Messages {
		count(r.Messages[i].Blocks)
	}
	for _, t := range r.Tools {
		if (t.Raw == nil || t.Custom) && (r.ToolChoice.Mode != providers.ToolAllowed) {
			tools++
		}
	}
	return fmt.Sprintf("%d words, %d calls, %d results, %d media, %d tools", letters, calls, results, media, tools)
}
