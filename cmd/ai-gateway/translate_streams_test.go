package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// A dumped stream is what a caller got of a translated recorded stream, in a file,
// beside what a client's accumulator must make of it.
type dumped struct {
	ID     string
	Chat   bool   // the stream is in chat's format; else in Anthropic's
	File   string // the event stream
	Text   string
	Think  string // reasoning
	Calls  []toldCall
	Finish string
	Usage  usage
}

// dumpStreams writes n translated streams of each format below dir, the most
// varied first: thinking, several calls, calls without arguments, every vendor.
// Each <id>.sse has beside it <id>.json, the dumped it is about.
func dumpStreams(t *testing.T, dir string, n int) (out []dumped) {
	t.Helper()
	var recs []*recording
	for _, r := range answers(t) {
		if r.Response.SSE != "" && r.Response.Status == 200 && !broken(r) && !spliced(r) {
			recs = append(recs, r)
		}
	}
	up := startStage(t)
	g := serve(t, "", nil, "--config", stageConfig(t, up.url, recs))
	key := g.newKey(`{"name":"dump"}`)
	seen, count := map[string]bool{}, map[bool]int{}
	for round := range 2 { // first one of each kind, then more
		for i, r := range recs {
			c := cross(r)
			want := tell(!c.toChat, r.Response.SSE, true).as(c.toChat)
			kind := fmt.Sprint(c.row(), len(want.Text) > 0, len(want.Reasoning) > 0, len(want.Calls), want.Finish)
			if count[c.toChat] == n || seen[r.ID] || round == 0 && seen[kind] {
				continue
			}
			seen[kind], seen[r.ID] = true, true
			got, err := play(g, up, key, c.path(), c.request(), &scene{rec: r, seed: uint64(i)})
			if err != nil || got.status != 200 {
				t.Fatalf("%s: %d, %v", r.ID, got.status, err)
			}
			d := dumped{ID: r.ID, Chat: c.toChat, File: filepath.Join(dir, r.ID+".sse"), Text: want.Text, Think: want.Reasoning, Calls: want.Calls, Finish: want.Finish}
			d.Usage, _ = recordedUsage(r)
			about, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			for file, b := range map[string][]byte{d.File: []byte(got.body), filepath.Join(dir, r.ID+".json"): about} {
				if err := os.WriteFile(file, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out = append(out, d)
			count[c.toChat]++
		}
	}
	return out
}

func TestDumpStreams(t *testing.T) {
	dir := t.TempDir()
	count := map[bool]int{}
	for _, d := range dumpStreams(t, dir, 12) {
		b, err := os.ReadFile(d.File)
		if err != nil {
			t.Fatal(err)
		}
		got := tell(d.Chat, string(b), true)
		if diff := got.differs(told{Text: d.Text, Reasoning: d.Think, Calls: d.Calls, Finish: d.Finish}); diff != "" {
			t.Errorf("%s: %s", d.ID, diff)
		}
		count[d.Chat]++
	}
	if count[true] != 12 || count[false] != 12 {
		t.Errorf("streams by format: %v", count)
	}
}
