package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTranslatedThereAndBack sends every recorded request to the other format, and
// what came out of that back to its own: but for what either way names, it says the
// same as at the start.
func TestTranslatedThereAndBack(t *testing.T) {
	recs := requests(t)
	up := startStage(t)
	g := serve(t, "", nil, "--config", destinationConfig(t, up.url))
	key := g.newKey(`{"name":"there and back"}`)
	score := newScoreboard()
	inParallel(len(recs), func(i int) {
		r := recs[i]
		there, back := toMessages[i%len(toMessages)], toChats[i%len(toChats)]
		if r.Endpoint == "anthropic_messages" {
			there, back = back, there
		}
		first, second := &scene{}, &scene{}
		got, err := play(g, up, key, routeOf[r.Endpoint], asOther(r, there), first)
		if err == nil && got.status == 400 {
			score.refuse(r.Provider, "not sent at all  "+r.ID)
			return
		}
		lost := droppedBy(got)
		if err == nil && got.status == 200 {
			mid := &recording{Endpoint: map[string]string{"openai_chat": "anthropic_messages", "anthropic_messages": "openai_chat"}[r.Endpoint]}
			mid.Request.Body = first.got
			got, err = play(g, up, key, routeOf[mid.Endpoint], asOther(mid, back), second)
			lost = append(lost, droppedBy(got)...)
			if err == nil && got.status == 400 {
				score.refuse(r.Provider, "not sent back: "+refusedFor(got.body)+"  "+r.ID)
				return
			}
		}
		switch {
		case err != nil:
		case got.status != 200:
			err = fmt.Errorf("status %d: %.300s", got.status, got.body)
		case r.Endpoint == "openai_chat":
			err = chatInventory(second.got).returned(chatInventory(r.Request.Body), lost)
		default:
			err = messagesInventory(second.got).returned(messagesInventory(r.Request.Body), lost)
		}
		score.add(r.Provider, r.ID+" by "+there.model, err)
	})
	score.print(t, "recorded requests there and back", 600)
}

// returned compares a request that went both ways with what it was. What the
// formats demand stays behind: a bound of the output, the type of a schema.
func (v *inventory) returned(want *inventory, lost []string) error {
	if _, ok := want.params["max_tokens"]; !ok {
		delete(v.params, "max_tokens")
	}
	if want.params["reasoning"] == `"none"` && v.params["reasoning"] == "" { // what a model does anyway that thinks only when asked to
		delete(want.params, "reasoning")
	}
	return v.missing(want, lost, true)
}

func droppedBy(a answered) []string {
	if h := a.header.Get("X-Gateway-Dropped-Params"); h != "" {
		return strings.Split(h, ", ")
	}
	return nil
}

// requests are the recorded requests of both formats, and those that were caught
// from an unmodified coding agent, with its real tools.
func requests(t *testing.T) (out []*recording) {
	t.Helper()
	for _, r := range exchanges(t) {
		if len(r.Request.Body) > 0 {
			out = append(out, r)
		}
	}
	for _, c := range clientCaptures(t) {
		r := &recording{ID: c.name, Provider: "client"}
		switch {
		case strings.HasSuffix(c.path, "/chat/completions"):
			r.Endpoint = "openai_chat"
		case strings.HasSuffix(c.path, "/messages"):
			r.Endpoint = "anthropic_messages"
		default:
			continue
		}
		r.Request.Body = c.body
		out = append(out, r)
	}
	return out
}

type capture struct {
	name, path string
	body       json.RawMessage
}

// clientCaptures reads the requests of unmodified clients.
func clientCaptures(t *testing.T) (out []capture) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared(t, "cassettes/clients"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		path, _, _ := strings.Cut(str(b, "u"), "?")
		out = append(out, capture{filepath.Base(f), path, get(b, "body")})
	}
	return out
}
