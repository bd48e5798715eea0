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
