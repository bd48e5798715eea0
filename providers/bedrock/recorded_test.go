package bedrock

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// TestRecordedAnswers decodes every recorded answer, and reads the usage on the way the relay does.
func TestRecordedAnswers(t *testing.T) {
	tally := providertest.NewTally(t, "recorded Converse answers")
	for _, c := range providertest.Cassettes(t, providertest.Filter{Endpoint: "bedrock_converse"}) {
		if !c.OK() {
			e := egress{}.DecodeTypedError(c.Response.Status, c.Response.Header[errorHeader], c.Response.Body)
			var err error
			if e.Message == "" || e.Kind == providers.KindInternal {
				err = fmt.Errorf("error %+v", e)
			}
			tally.Check(c.ID, err)
			continue
		}
		r, err := egress{}.DecodeResponse(c.Response.Body)
		if err == nil {
			err = checkUsage(c.Response.Body, r.Usage)
		}
		if err == nil && len(r.Choices[0].Blocks) == 0 {
			err = fmt.Errorf("no content")
		}
		tally.Check(c.ID, err)
	}
	tally.Done()
}

// checkUsage compares disjoint buckets with the vendor's sum.
func checkUsage(body []byte, u providers.Usage) error {
	var m struct {
		Usage struct{ InputTokens, OutputTokens, TotalTokens, CacheReadInputTokens, CacheWriteInputTokens int64 }
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return err
	}
	w := m.Usage
	if u.Prompt()+u.Completion() != w.TotalTokens || u.CacheRead != w.CacheReadInputTokens || u.CacheWrite() != w.CacheWriteInputTokens || u.Completion() != w.OutputTokens {
		return fmt.Errorf("usage %+v, recorded %+v", u, w)
	}
	return nil
}

// TestRecordedStreams decodes every recorded stream, whole and cut at random
// borders alike; cut short, it never ends well before messageStop is through.
func TestRecordedStreams(t *testing.T) {
	tally := providertest.NewTally(t, "recorded ConverseStream answers")
	for _, c := range providertest.Cassettes(t, providertest.Filter{Endpoint: "bedrock_converse_stream"}) {
		if len(c.Response.B64) == 0 {
			continue
		}
		tally.Check(c.ID, checkStream(c.Response.B64))
	}
	tally.Done()
}

func checkStream(b []byte) error {
	want, err := providertest.Decode(egress{}.NewDecoder(), [][]byte{b})
	if err != nil {
		return err
	}
	last := want[len(want)-1]
	if want[0].Kind != providers.EventStart || last.Kind != providers.EventEnd || want[len(want)-2].Kind != providers.EventUsage {
		return fmt.Errorf("it starts with %v and ends with %v", want[0].Kind, last.Kind)
	}
	starts, stops := 0, 0
	for i := range want {
		switch want[i].Kind {
		case providers.EventBlockStart:
			starts++
		case providers.EventBlockStop:
			stops++
		}
	}
	if starts != stops || starts == 0 {
		return fmt.Errorf("%d blocks start, %d stop", starts, stops)
	}
	for seed := range uint64(8) {
		got, err := providertest.Decode(egress{}.NewDecoder(), providertest.Cuts(b, seed))
		if err != nil || !reflect.DeepEqual(got, want) {
			return fmt.Errorf("cut with seed %d: %d events of %d, %v", seed, len(got), len(want), err)
		}
	}
	end := wholeAt(b)
	rng := rand.New(rand.NewPCG(1, uint64(len(b))))
	for range 50 {
		n := rng.IntN(end)
		if _, err := providertest.Decode(egress{}.NewDecoder(), [][]byte{b[:n]}); err == nil {
			return fmt.Errorf("%d of %d bytes end well", n, len(b))
		}
	}
	return nil
}

// wholeAt returns where the message messageStop ends.
func wholeAt(b []byte) int {
	var s wire.EventStream
	for i := range b {
		s.Feed(b[i : i+1])
		if f, ok := s.Next(); ok && string(f.Name) == "messageStop" {
			return i + 1
		}
	}
	return len(b)
}

// frames writes a stream: each event "name payload".
func frames(events ...string) (b []byte) {
	for _, ev := range events {
		name, payload, _ := strings.Cut(ev, " ")
		kind, header := "event", ":event-type"
		if strings.HasSuffix(name, "Exception") {
			kind, header = "exception", ":exception-type"
		}
		b = wire.AppendFrame(b, []byte(payload), ":message-type", kind, header, name, ":content-type", "application/json")
	}
	return b
}

// TestStreamErrors: what goes wrong in mid-stream ends in an error, never well.
func TestStreamErrors(t *testing.T) {
	const start, text = `messageStart {"role":"assistant"}`, `contentBlockDelta {"contentBlockIndex":0,"delta":{"text":"Hel"}}`
	f := func(name string, b []byte, kind providers.ErrorKind, message string) {
		t.Helper()
		events, err := providertest.Decode(egress{}.NewDecoder(), [][]byte{b})
		last := events[len(events)-1]
		if err == nil || last.Kind != providers.EventError || last.Err.Kind != kind || !strings.Contains(last.Err.Message, message) {
			t.Errorf("%s: %+v, %v", name, last.Err, err)
		}
	}
	f("throttled", frames(start, text, `throttlingException {"message":"Too many tokens"}`), providers.KindRateLimit, "Too many tokens")
	f("overloaded", frames(start, text, `serviceUnavailableException {"message":"busy"}`), providers.KindOverloaded, "busy")
	f("internal", frames(start, `internalServerException {"message":"oops"}`), providers.KindInternal, "oops")
	f("model", frames(start, text, `modelStreamErrorException {"message":"The model broke","originalStatusCode":424}`), providers.KindUpstream, "The model broke")
	f("too long", frames(start, `validationException {"message":"Input is too long for requested model."}`), providers.KindContextLength, "too long")
	f("unmodelled", wire.AppendFrame(frames(start), nil, ":message-type", "error", ":error-code", "InternalFailure", ":error-message", "it broke"), providers.KindInternal, "it broke")
	f("malformed tool use", frames(start, text, `messageStop {"stopReason":"malformed_tool_use"}`), providers.KindUpstream, "malformed")
	f("no JSON", frames(start, `contentBlockDelta {"contentBlockIndex":`), providers.KindUpstream, "broken")
	f("a second message", frames(start, text, start), providers.KindUpstream, "second message")
	bad := frames(start, text)
	bad[len(bad)-1] ^= 1
	f("checksum", bad, providers.KindUpstream, "checksum")
	bad = frames(start, text)
	bad[len(bad)-10] ^= 1
	f("flipped bit", bad, providers.KindUpstream, "checksum")

	if _, err := providertest.Decode(egress{}.NewDecoder(), [][]byte{frames(start, text)}); err != io.ErrUnexpectedEOF {
		t.Errorf("without messageStop: %v", err)
	}
	if _, err := providertest.Decode(egress{}.NewDecoder(), [][]byte{frames(start, text, `messageStop {"stopReason":"end_turn"}`)}); err != nil {
		t.Errorf("with messageStop and a proper end: %v", err)
	}
}
