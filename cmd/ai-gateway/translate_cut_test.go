package main_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestTranslatedStreamsCut breaks every recorded stream off at three points, by a
// lost connection or by an end that comes too early, on its way to a caller of the
// other format. He is told of it, whatever he has got so far, and what he has got
// is the beginning of the answer.
func TestTranslatedStreamsCut(t *testing.T) {
	var recs []*recording
	for _, r := range answers(t) {
		if r.Response.SSE != "" && r.Response.Status == 200 && !broken(r) && !spliced(r) {
			recs = append(recs, r)
		}
	}
	up := startStage(t)
	g := serve(t, "", nil, "--config", stageConfig(t, up.url, recs))
	key := g.newKey(`{"name":"cut"}`)
	score := newScoreboard()
	inParallel(3*len(recs), func(i int) {
		c := cross(recs[i/3])
		limit, abort := cutPoint(c.rec, i%3, uint64(i))
		got, err := play(g, up, key, c.path(), c.request(), &scene{rec: c.rec, seed: uint64(i), limit: limit, abort: abort})
		if err == nil {
			err = c.judgeCut(g, got)
		}
		score.add(c.row(), fmt.Sprintf("%s, %d of %d bytes, connection lost %v", c.rec.ID, limit, len(c.rec.Response.SSE), abort), err)
	})
	score.print(t, "recorded streams broken off", 600)
}

// cutPoint chooses where a stream breaks off: the first two anywhere before the
// event that says why the model stopped, the third anywhere before the last event.
func cutPoint(r *recording, n int, seed uint64) (limit int, abort bool) {
	rng := rand.New(rand.NewPCG(seed, 11))
	end := finishAt(r)
	if n == 2 {
		// Some vendors leave their last event out, so that only a lost connection tells.
		end, abort = lastEventAt(r), true
	} else {
		abort = n == 0
	}
	return 1 + rng.IntN(max(1, end-1)), abort
}

// finishAt returns where the first event starts that says why the model stopped.
func finishAt(r *recording) int {
	at := 0
	for _, block := range strings.SplitAfter(r.Response.SSE, "\n") {
		if data, ok := strings.CutPrefix(block, "data:"); ok && stops(json.RawMessage(strings.TrimSpace(data))) {
			return at
		}
		at += len(block)
	}
	return lastEventAt(r)
}

func stops(ev json.RawMessage) bool {
	for _, c := range list(ev, "choices") {
		if str(c, "finish_reason") != "" {
			return true
		}
	}
	return str(ev, "delta", "stop_reason") != "" || str(ev, "message", "stop_reason") != ""
}

func lastEventAt(r *recording) int {
	sse := strings.TrimRight(r.Response.SSE, "\r\n")
	if i := strings.LastIndex(sse, "\ndata:"); i > 0 {
		return i
	}
	return len(sse)
}

// judgeCut judges what a caller got of a stream that broke off.
func (c crossing) judgeCut(g *gateway, got answered) error {
	if got.status != 200 { // before any content
		if got.status < 500 {
			return fmt.Errorf("status %d: %.300s", got.status, got.body)
		}
		return checkError(c.toChat, got, got.status, nil)
	}
	if err := checkStream(c.toChat, got.body, false); err != nil {
		return err
	}
	part := tell(c.toChat, got.body, true)
	whole := tell(!c.toChat, c.rec.Response.SSE, true)
	if !strings.HasPrefix(whole.Text, part.Text) || !strings.HasPrefix(whole.Reasoning, part.Reasoning) || len(part.Calls) > len(whole.Calls) {
		return fmt.Errorf("%+.400v is no beginning of %+.400v", part, whole)
	}
	_, row, _ := g.call("GET", "/v1/admin/usage/logs/"+got.header.Get("X-Request-Id"), g.admin, "")
	if str(json.RawMessage(row), "usage_source") == "provider" {
		return fmt.Errorf("a stream that broke off was accounted as whole: %s", row)
	}
	return nil
}
