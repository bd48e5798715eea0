package gemini

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// What Google's own clients stumble over.

// TestOpaqueThoughtIsBase64: opaque thinking that another vendor reports of one of
// Google's models has a thoughtSignature that clients can read as bytes, and comes
// back as what it was.
func TestOpaqueThoughtIsBase64(t *testing.T) {
	for _, origin := range []providers.Dialect{providers.Gemini, providers.Messages} {
		block := providers.Block{Kind: providers.KindRedacted, Data: []byte("EjQKMgEMOdbH+k=="), SignatureOrigin: origin}
		var part struct{ ThoughtSignature string }
		raw := appendPart([]byte{'['}, &block)[1:]
		if err := json.Unmarshal(raw, &part); err != nil {
			t.Fatal(err)
		}
		if _, err := base64.StdEncoding.DecodeString(part.ThoughtSignature); err != nil || part.ThoughtSignature == "" {
			t.Errorf("%s: %s: %v", origin, raw, err)
		}
		req, err := GenerateIngress().DecodeRequest([]byte(`{"contents":[{"role":"model","parts":[` + string(raw) + `]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if b := req.Messages[0].Blocks[0]; b.Kind != providers.KindRedacted || string(b.Data) != string(block.Data) || b.SignatureOrigin != origin {
			t.Errorf("%s came back as %+v", origin, b)
		}
		if !GenerateIngress().(providers.Mixed).Mixed(raw) {
			t.Errorf("%s would be relayed: %s", origin, raw)
		}
	}
}

// TestCandidatesAreNotMixed: clients take the first candidate of each event of a
// stream for the first one of the answer, so that the others stand behind it.
func TestCandidatesAreNotMixed(t *testing.T) {
	enc := GenerateIngress().NewEncoder(providers.EncodeOptions{Model: "m"})
	var out []byte
	for _, ev := range []providers.Event{
		{Kind: providers.EventStart, ID: "r", Model: "m"},
		{Kind: providers.EventBlockStart, Index: 0, Choice: 0, Block: providers.Block{Kind: providers.KindText}},
		{Kind: providers.EventBlockStart, Index: 1, Choice: 1, Block: providers.Block{Kind: providers.KindText}},
		{Kind: providers.EventBlockDelta, Index: 1, Choice: 1, Block: providers.Block{Kind: providers.KindText, Text: "second "}},
		{Kind: providers.EventBlockDelta, Index: 0, Choice: 0, Block: providers.Block{Kind: providers.KindText, Text: "first "}},
		{Kind: providers.EventBlockDelta, Index: 1, Choice: 1, Block: providers.Block{Kind: providers.KindText, Text: "answer"}},
		{Kind: providers.EventFinish, Choice: 1, Finish: providers.FinishLength},
		{Kind: providers.EventFinish, Choice: 0, Finish: providers.FinishStop},
	} {
		out = enc.Append(out, &ev)
	}
	out = enc.End(out)
	text, finish := "", ""
	for _, line := range strings.Split(string(out), "\r\n\r\n") {
		var ev struct {
			Candidates []struct {
				Index        int
				FinishReason string
				Content      struct{ Parts []struct{ Text string } }
			}
		}
		if line == "" {
			continue
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &ev); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		first := ev.Candidates[0]
		if first.Index != 0 {
			t.Errorf("an event begins with candidate %d: %s", first.Index, line)
		}
		for _, p := range first.Content.Parts {
			text += p.Text
		}
		finish += first.FinishReason
	}
	if text != "first " || finish != "STOP" || !strings.Contains(string(out), `"text":"answer"`) {
		t.Errorf("text %q, finish %q of\n%s", text, finish, out)
	}
}

// TestCitationsAreAboutTheirText: citations that come before their text, as Anthropic
// tells them, are about that text, in bytes of the whole answer.
func TestCitationsAreAboutTheirText(t *testing.T) {
	enc := GenerateIngress().NewEncoder(providers.EncodeOptions{Model: "m"})
	var out []byte
	delta := func(i int, text, cited string) providers.Event {
		return providers.Event{Kind: providers.EventBlockDelta, Index: i, Block: providers.Block{Kind: providers.KindText, Text: text, Citations: json.RawMessage(cited)}}
	}
	start := func(i int) providers.Event {
		return providers.Event{Kind: providers.EventBlockStart, Index: i, Block: providers.Block{Kind: providers.KindText}}
	}
	for _, ev := range []providers.Event{start(0), delta(0, "Äh: ", ""), start(1), delta(1, "", `{"type":"web_search_result_location","url":"https://a","title":"A"}`), delta(1, "", `{"type":"web_search_result_location","url":"https://b","title":"B"}`),
		delta(1, "Par", ""), delta(1, "is", ""), {Kind: providers.EventFinish, Finish: providers.FinishStop}} {
		out = enc.Append(out, &ev)
	}
	out = enc.End(out)
	if n := strings.Count(string(out), `"segment":{"startIndex":5,"endIndex":10}`); n != 2 {
		t.Errorf("%d of 2 segments are about the text:\n%s", n, out)
	}
}
