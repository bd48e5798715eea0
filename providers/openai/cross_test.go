package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// gist is what a translation must keep of a conversation.
func gist(messages []providers.Message) (list []string) {
	for _, m := range messages {
		for _, b := range m.Blocks {
			switch b.Kind {
			case providers.KindText:
				list = append(list, b.Text)
			case providers.KindToolCall:
				list = append(list, "call "+b.ID+" "+b.ToolName+" "+compact(b.Args))
			case providers.KindToolResult:
				list = append(list, "result "+b.ID)
				list = append(list, gist([]providers.Message{{Blocks: b.Result}})...)
			case providers.KindFile:
				if b.Text != "" { // becomes text under its name
					list = append(list, b.Filename+b.Text)
				}
			case providers.KindImage:
				list = append(list, "image "+b.MediaType+b.URL)
			}
		}
	}
	return list
}

func compact(v json.RawMessage) string {
	var x any
	if json.Unmarshal(v, &x) != nil {
		return string(v)
	}
	b, _ := json.Marshal(x)
	return string(b)
}

// plainText joins what is not a call, a result's head or a picture, because
// translation may join and part texts.
func plainText(list []string) string {
	var b strings.Builder
	for _, s := range list {
		if !strings.HasPrefix(s, "call ") && !strings.HasPrefix(s, "result ") && !strings.HasPrefix(s, "image ") {
			b.WriteString(strings.Join(strings.Fields(s), ""))
		}
	}
	return b.String()
}

func heads(list []string) (out []string) {
	for _, s := range list {
		if strings.HasPrefix(s, "call ") || strings.HasPrefix(s, "result ") || strings.HasPrefix(s, "image ") {
			out = append(out, s)
		}
	}
	slices.Sort(out) // pictures in a result follow in a message of their own
	return out
}

// TestAnthropicRequests sends every recorded Anthropic request to a chat upstream.
func TestAnthropicRequests(t *testing.T) {
	tally := providertest.NewTally(t, "Anthropic requests as chat")
	lost, refused := map[string]int{}, map[string]int{}
	for _, c := range providertest.Cassettes(t, providertest.Filter{Endpoint: "anthropic_messages"}) {
		r, err := anthropic.MessagesIngress().DecodeRequest(c.Request.Body)
		if err != nil {
			continue // a recorded mistake of a client
		}
		out, dropped, err := ChatEgress(providers.Quirks{}).AppendRequest(nil, r)
		var e *providers.Error
		if errors.As(err, &e) { // stored files, documents by URL
			refused[e.Param]++
			continue
		}
		for _, name := range dropped {
			lost[name]++
		}
		tally.Check(c.ID, func() error {
			back, err := ChatIngress().DecodeRequest(out)
			if err != nil {
				return err
			}
			was, is := gist(r.Messages), gist(back.Messages)
			for _, list := range []*[]string{&was, &is} {
				*list = slices.DeleteFunc(*list, func(s string) bool { return s == "The result follows in the next message." })
			}
			if a, b := plainText(was), plainText(is); a != b {
				return fmt.Errorf("text %.300q became %.300q", a, b)
			}
			if a, b := heads(was), heads(is); !slices.Equal(a, b) {
				return fmt.Errorf("%q became %q", a, b)
			}
			return nil
		}())
	}
	t.Logf("dropped and reported: %v", lost)
	t.Logf("refused: %v", refused)
	tally.Done()
}

// TestAnthropicAnswers shows every recorded Anthropic answer and stream to a chat caller.
func TestAnthropicAnswers(t *testing.T) {
	whole := providertest.NewTally(t, "Anthropic answers as chat")
	streams := providertest.NewTally(t, "Anthropic streams as chat")
	q := anthropic.MessagesEgress(providers.Quirks{})
	for _, c := range providertest.Cassettes(t, providertest.Filter{Endpoint: "anthropic_messages"}) {
		if !c.OK() {
			continue
		}
		if c.Response.SSE != "" {
			streams.Check(c.ID, func() error {
				events, err := providertest.Decode(q.NewDecoder(), [][]byte{[]byte(c.Response.SSE)})
				if err != nil {
					return err
				}
				out := string(providertest.Encode(ChatIngress().NewEncoder(providers.EncodeOptions{}), events))
				got, want := fromChunks(t, out, 0), fromEvents(events, 0)
				got.Finish, want.Finish = "", ""
				if fmt.Sprint(got) != fmt.Sprint(want) {
					return fmt.Errorf("got %+v, want %+v", got, want)
				}
				return nil
			}())
			continue
		}
		if c.Response.Body == nil {
			continue
		}
		whole.Check(c.ID, func() error {
			r, err := q.DecodeResponse(c.Response.Body)
			if err != nil {
				return err
			}
			out, err := ChatIngress().AppendResponse(nil, r)
			if err != nil {
				return err
			}
			back, err := ChatEgress(providers.Quirks{}).DecodeResponse(out)
			if err != nil {
				return err
			}
			if back.Usage.Prompt() != r.Usage.Prompt() || back.Usage.Completion() != r.Usage.Completion() || back.Usage.CacheRead != r.Usage.CacheRead {
				return fmt.Errorf("usage %+v became %+v", r.Usage, back.Usage)
			}
			was := gist([]providers.Message{{Blocks: r.Choices[0].Blocks}})
			is := gist([]providers.Message{{Blocks: back.Choices[0].Blocks}})
			if plainText(was) != plainText(is) || !slices.Equal(heads(was), heads(is)) {
				return fmt.Errorf("%q became %q", was, is)
			}
			return nil
		}())
	}
	whole.Done()
	streams.Done()
}
