package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Recorded answers as the official SDKs put them together: each is relayed to a
// caller of its own format, or translated for one of another, and the whole message
// that each SDK of that format makes of it says what the recording says. Then the
// conversation goes on with that message.

// goodHauls are all recorded answers that end well, to callers of every format.
func goodHauls(t *testing.T, streamed bool) (out []haul) {
	t.Helper()
	var recs []*recording
	recs = append(recs, answers(t)...)
	recs = append(recs, recordings(t, "openai_responses")...)
	recs = append(recs, responsesFragments(t)...)
	recs = append(recs, geminiAnswers(t)...)
	recs = append(recs, converseAnswers(t)...)
	for _, r := range recs {
		if (r.Response.SSE != "") != streamed || r.Response.Status != 200 {
			continue
		}
		for _, to := range []string{"chat", "messages", "responses", "gemini"} {
			if c := (haul{rec: r, to: to, stream: streamed, tools: true}); !c.reports() {
				out = append(out, c)
			}
		}
	}
	return out
}

// A rebuilder is a long-lived program that puts streams together with the vendors'
// SDKs of its language (testdata/sdk/rebuild.*, and the Go program of that name).
type rebuilder struct {
	name    string
	command func(*testing.T) *exec.Cmd
}

var rebuilders = []rebuilder{{"Go", goClient("rebuild")}, {"Node", nodeClient("rebuild.mjs")}, {"Python", pythonClient("rebuild.py")}}

// A rebuilt message is one an SDK has put together, or why it could not.
type rebuilt struct {
	Body  json.RawMessage
	Error string
}

// rebuild gives all streams to the SDKs of one language.
func (r rebuilder) rebuild(cmd *exec.Cmd, all []haul, streams []string) (map[string]rebuilt, error) {
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for i, c := range all {
		if streams[i] == "" {
			continue
		}
		if err := enc.Encode(map[string]string{"id": c.id(), "format": c.to, "stream": streams[i]}); err != nil {
			return nil, err
		}
	}
	cmd.Stdin = &in
	stdout, stderr, err := finish(cmd, 6*time.Minute)
	if err != nil {
		return nil, fmt.Errorf("%w\n%.3000s", err, stderr)
	}
	out := map[string]rebuilt{}
	for line := range strings.Lines(stdout) {
		var x struct {
			ID string
			rebuilt
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			return nil, fmt.Errorf("%w: %.300s", err, line)
		}
		out[x.ID] = x.rebuilt
	}
	return out, nil
}

// judge compares what an SDK has put together with what the recording says. Two
// things are the SDKs' own: chat has no member for thinking, and only Python's gathers
// the pieces of members that it does not know; Go's sums up no writes to a cache.
func (r rebuilder) judge(c haul, got rebuilt) error {
	if got.Error != "" || len(got.Body) == 0 {
		return fmt.Errorf("%.400s", got.Error)
	}
	shown := &recording{ID: c.rec.ID, Endpoint: callerEndpoint[c.to]}
	shown.Response.Status, shown.Response.Body = 200, got.Body
	want, have := tells(c.rec), tells(shown)
	for i := range want.Calls {
		want.Calls[i].Args = sortedArgs(want.Calls[i].Args)
	}
	for i := range have.Calls {
		have.Calls[i].Args = sortedArgs(have.Calls[i].Args)
	}
	if string(get(got.Body, "forgotten")) == "true" && want.Text+fmt.Sprint(want.Calls) != "[]" {
		return fmt.Errorf("the chat does not remember the answer: %.400s", got.Body)
	}
	if want.Refused && c.to != "chat" && c.to != "responses" && want.Finish == "stop" {
		want.Finish = "content_filter" // its reason alone says so
	}
	if c.to == "chat" && r.name != "Python" {
		want.Reasoning, have.Reasoning = "", ""
	}
	if d := have.differs(want); d != "" {
		return fmt.Errorf("%s", d)
	}
	used, reported := usageTold(c.rec)
	if !reported || used == (usage{}) { // an answer that counts nothing says nothing
		return nil
	}
	if c.to == "gemini" || c.to == "chat" && r.name == "Go" {
		used.CacheWrite = 0 // the format does not tell it
	}
	if said, ok := usageTold(shown); !ok || said != used {
		return fmt.Errorf("usage %+v, recorded %+v", said, used)
	}
	return nil
}

// keepsThinking reports whether a caller with that SDK can bring back an answer's
// thinking: chat's SDKs drop members they do not know, Python's apart, so that it takes
// a call, under which the gateway remembers it. The vendors of chat that are recorded
// with proofs (OpenRouter) take them in that format alone.
func (r rebuilder) keepsThinking(c haul) bool {
	switch {
	case sourceOf(c.rec) == "chat":
		return c.to == "chat" && r.name == "Python"
	case c.to == "chat" && r.name != "Python":
		return len(tells(c.rec).Calls) > 0
	}
	return true
}

// sortedArgs writes arguments anew, the members of objects in order: what an SDK has
// read into a map has lost theirs.
func sortedArgs(args string) string {
	var v any
	dec := json.NewDecoder(strings.NewReader(args))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return args
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// TestRecordedStreamsRebuilt gives every recorded stream, cut into pieces at random,
// to callers of all four formats, and what each got to the SDKs of his format.
func TestRecordedStreamsRebuilt(t *testing.T) {
	score, back := rebuildAll(t, goodHauls(t, true), rebuilders)
	score.print(t, "recorded streams put together by the official SDKs", 4200)
	back.print(t, "thinking that comes back with the next turn, as the SDKs kept it", 500)
}

// TestRecordedAnswersRead does the same with the whole answers, and Python's SDKs
// alone, which hold them against their types. The one exception was made by hand, see
// TestRecordedAnswersToCallers.
func TestRecordedAnswersRead(t *testing.T) {
	score, back := rebuildAll(t, goodHauls(t, false), rebuilders[2:])
	score.print(t, "recorded whole answers read by the official SDKs", 3300)
	back.print(t, "thinking of whole answers that comes back with the next turn", 400)
}

// rebuildAll counts which messages say what the recordings say, and whose thinking
// came back.
func rebuildAll(t *testing.T, all []haul, rebuilders []rebuilder) (score, back *scoreboard) {
	t.Helper()
	commands := make([]*exec.Cmd, len(rebuilders))
	for i, r := range rebuilders {
		commands[i] = r.command(t)
	}
	up := startStage(t)
	g := serve(t, "", nil, "--config", haulConfig(t, up.url, all))
	key := g.newKey(`{"name":"rebuilt"}`)
	streams, theirs := make([]string, len(all)), newScoreboard()
	score, back = newScoreboard(), newScoreboard()
	inParallel(len(all), func(i int) {
		got, err := all[i].ask(g, up, key, &scene{seed: uint64(i)})
		if err == nil && got.status != 200 {
			err = fmt.Errorf("status %d: %.300s", got.status, got.body)
		}
		if err != nil {
			score.add(all[i].rec.Provider+" "+all[i].rec.Endpoint, all[i].id(), err)
			return
		}
		streams[i] = got.body
	})
	var wg sync.WaitGroup
	for i, r := range rebuilders {
		wg.Go(func() {
			made, err := r.rebuild(commands[i], all, streams)
			if err != nil {
				t.Errorf("%s: %v", r.name, err)
				return
			}
			for j, c := range all {
				if streams[j] == "" {
					continue
				}
				row, id := c.rec.Provider+" "+c.rec.Endpoint, c.id()+" in "+r.name
				err := r.judge(c, made[c.id()])
				if err != nil && streams[j] == string(c.rec.payload()) { // relayed as it was recorded
					theirs.add(row, id, err)
					continue
				}
				score.add(row, id, err)
				if err == nil && r.keepsThinking(c) && len(c.proofs()) > 0 {
					back.add(row, id, c.comesBack(g, up, key, made[c.id()].Body))
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(theirs.failed)
	t.Logf("relayed byte for byte, and read otherwise by the SDK, as it does without the gateway:\n  %s", strings.Join(theirs.failed, "\n  "))
	return score, back
}
