package gemini

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// spoken gathers what must not get lost of a conversation: words, calls, results and tools, in order.
func spoken(r *providers.Request) (list []string) {
	blocks := func(in []providers.Block) {
		for i := range in {
			switch b := &in[i]; b.Kind {
			case providers.KindText, providers.KindRefusal:
				if !blank(b.Text) {
					list = append(list, strings.TrimSpace(b.Text))
				}
			case providers.KindToolCall:
				list = append(list, "call "+b.ToolName+canonical(callArgs(b)))
			case providers.KindToolResult:
				var text []string
				for j := range b.Result {
					if k := b.Result[j].Kind; k == providers.KindText {
						text = append(text, b.Result[j].Text)
					}
				}
				if s := strings.TrimSpace(strings.Join(text, "\n")); s != "" {
					list = append(list, s)
				}
			case providers.KindImage, providers.KindFile:
				if len(b.Data) > 0 {
					list = append(list, fmt.Sprintf("%d bytes", len(b.Data)))
				}
			}
		}
	}
	blocks(r.System)
	for i := range r.Messages {
		blocks(r.Messages[i].Blocks)
	}
	for i := range r.Tools {
		if t := &r.Tools[i]; len(t.Raw) == 0 || t.Custom {
			list = append(list, "tool "+t.Name)
		}
	}
	return list
}

// TestRecordedForeignRequests: every recorded request of the other formats has a form
// in this one that holds all that was said, or is refused by the name of a member.
func TestRecordedForeignRequests(t *testing.T) {
	refused := 0
	for endpoint, in := range map[string]providers.Ingress{"openai_chat": openai.ChatIngress(), "anthropic_messages": anthropic.MessagesIngress()} {
		tally := providertest.NewTally(t, endpoint+" requests as Gemini's")
		for _, x := range providertest.Cassettes(t, providertest.Filter{Endpoint: endpoint}) {
			if x.Request.Body == nil {
				continue
			}
			r, err := in.DecodeRequest(x.Request.Body)
			if err != nil {
				continue // what its own format refuses
			}
			for _, model := range []string{"gemini-3-pro-preview", "gemini-2.5-flash", "gemini-1.5-pro"} {
				r.Model = model
				out, _, err := GenerateEgress(AIStudio).AppendRequest(nil, r)
				var e *providers.Error
				if errors.As(err, &e) && e.Param != "" {
					refused++
					continue
				}
				var again *providers.Request
				if err == nil {
					again, err = GenerateIngress().DecodeRequest(out)
				}
				if err == nil {
					got := strings.Join(spoken(again), "\n")
					for _, s := range spoken(r) {
						if !strings.Contains(got, s) {
							err = fmt.Errorf("%s: lost %.200q", model, s)
						}
					}
				}
				tally.Check(x.ID, err)
			}
		}
		tally.Done()
	}
	t.Logf("%d were refused by name", refused)
}
