package anthropic

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/your-org/ai-api-gateway/providers"
)

// story says a list of events in short, one line each.
func story(events []providers.Event, err error) string {
	var out strings.Builder
	for i := range events {
		ev := &events[i]
		switch b := &ev.Block; ev.Kind {
		case providers.EventStart:
			fmt.Fprintf(&out, "start %s %s input=%d\n", ev.ID, ev.Model, ev.Usage.Prompt())
		case providers.EventBlockStart:
			fmt.Fprintf(&out, "block %d kind=%d id=%q name=%q\n", ev.Index, b.Kind, b.ID, b.ToolName)
		case providers.EventBlockDelta:
			fmt.Fprintf(&out, "delta %d kind=%d text=%q signature=%q data=%q citations=%s raw=%s\n", ev.Index, b.Kind, b.Text, b.Signature, b.Data, b.Citations, b.Raw)
		case providers.EventBlockStop:
			fmt.Fprintf(&out, "stop %d\n", ev.Index)
		case providers.EventUsage:
			fmt.Fprintf(&out, "usage input=%d cached=%d output=%d reasoning=%d\n", ev.Usage.Prompt(), ev.Usage.CacheRead, ev.Usage.Completion(), ev.Usage.Reasoning)
		case providers.EventFinish:
			fmt.Fprintf(&out, "finish %s raw=%s sequence=%q", ev.Finish, ev.RawFinish, ev.StopSequence)
			for _, m := range ev.Extra {
				fmt.Fprintf(&out, " %s=%s", m.Name, m.Value)
			}
			out.WriteString("\n")
		case providers.EventError:
			fmt.Fprintf(&out, "error %s %d %s\n", ev.Err.Kind, ev.Err.HTTPStatus(), ev.Err.Message)
		case providers.EventPing:
			out.WriteString("ping\n")
		case providers.EventEnd:
			out.WriteString("end\n")
		}
	}
	fmt.Fprintf(&out, "error: %v\n", err)
	return out.String()
}

// TestHandmade reads answers that are recorded nowhere, made after the types of
// anthropic-sdk-go: what they become, and that they come back as they were.
func TestHandmade(t *testing.T) {
	const file = "testdata/handmade.txtar"
	update := flag.Lookup("update").Value.String() == "true" // providertest's
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range ar.Files {
		want[f.Name] = string(f.Data)
	}
	var out []txtar.File
	n := 0
	for _, f := range ar.Files {
		name, kind, _ := strings.Cut(f.Name, ".")
		if kind == "want" {
			continue
		}
		n++
		var got string
		if kind == "sse" {
			events, err := decodeStream(string(f.Data))
			got = story(events, err)
			if err == nil && strings.HasPrefix(string(f.Data), "event: ") {
				sse, _ := pings(payloads(t, string(f.Data)))
				back, _ := pings(payloads(t, encodeStream(events, providers.EncodeOptions{})))
				if len(sse) != len(back) {
					t.Errorf("%s: %d events come back of %d", name, len(back), len(sse))
				}
				for i := 0; i < min(len(sse), len(back)); i++ {
					if d := differ(t, back[i], sse[i]); d != "" {
						t.Errorf("%s: event %d: %s", name, i, d)
					}
				}
			}
		} else {
			got = whole(t, name, f.Data)
		}
		if !update && got != want[name+".want"] {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want[name+".want"])
		}
		out = append(out, f, txtar.File{Name: name + ".want", Data: []byte(got)})
	}
	if n < 8 {
		t.Errorf("only %d cases", n)
	}
	if update {
		if err := os.WriteFile(file, txtar.Format(&txtar.Archive{Comment: ar.Comment, Files: out}), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func whole(t *testing.T, name string, body []byte) string {
	t.Helper()
	r, err := MessagesEgress(providers.Quirks{}).DecodeResponse(body)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	back, err := MessagesIngress().AppendResponse(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	if d := differ(t, back, body); d != "" {
		t.Errorf("%s: %s", name, d)
	}
	var out strings.Builder
	c := r.Choices[0]
	fmt.Fprintf(&out, "finish %s raw=%s sequence=%q blocks=%d input=%d output=%d\n", c.Finish, c.RawFinish, c.StopSequence, len(c.Blocks), r.Usage.Prompt(), r.Usage.Completion())
	for _, b := range c.Blocks {
		fmt.Fprintf(&out, "kind=%d text=%q signature=%q data=%q id=%q args=%s\n", b.Kind, b.Text, b.Signature, b.Data, b.ID, b.Args)
	}
	// To a caller of another kind of upstream the same words are said.
	r.Origin, r.Choices[0].RawFinish = providers.Chat, ""
	back, _ = MessagesIngress().AppendResponse(nil, r)
	fmt.Fprintf(&out, "stop_reason %s\n", stringAt(back, "stop_reason"))
	return out.String()
}
