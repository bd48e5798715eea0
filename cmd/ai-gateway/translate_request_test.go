package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A destination is an upstream of the other format that recorded requests are sent to.
type destination struct{ vendor, account, model string }

// Two Claude models that want thinking, effort and sampling said in different
// ways, and vendors of chat completions whose rows differ the most.
var (
	toMessages = []destination{{"anthropic", "to-anthropic", "claude-sonnet-4-5"}, {"anthropic", "to-anthropic", "claude-opus-4-8"}}
	toChats    = []destination{{"openai", "to-openai", "gpt-5.2"}, {"openrouter", "to-openrouter", "vendor/model"}, {"custom", "to-custom", "local"}, {"deepseek", "to-deepseek", "deepseek-chat"}, {"mistral", "to-mistral", "mistral-large-latest"}}
)

// asOther is a recorded request, asked of another model. Its values keep their bytes.
func asOther(r *recording, d destination) string {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(r.Request.Body, &m)
	m["model"], m["provider"] = json.RawMessage(`"`+d.model+`"`), json.RawMessage(`"`+d.account+`"`)
	var b strings.Builder
	for name, v := range m {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", name, v)
	}
	return "{" + b.String() + "}"
}

// TestTranslatedRequests sends every recorded request to upstreams of the other
// format. What they get passes strict checks of its structure, decodes with the
// vendors' own types, and loses nothing but what the answer's header names.
func TestTranslatedRequests(t *testing.T) {
	recs := requests(t)
	up := startStage(t)
	g := serve(t, "", nil, "--config", destinationConfig(t, up.url))
	key := g.newKey(`{"name":"requests"}`)
	score, judge := newScoreboard(), newJudge(t)
	type job struct {
		r *recording
		d destination
	}
	var jobs []job
	for _, r := range recs {
		to := toMessages
		if r.Endpoint == "anthropic_messages" {
			to = toChats
		}
		for _, d := range to {
			jobs = append(jobs, job{r, d})
		}
	}
	inParallel(len(jobs), func(i int) {
		r, d := jobs[i].r, jobs[i].d
		row := r.Provider + " to " + d.vendor
		sc := &scene{}
		body := asOther(r, d)
		got, err := play(g, up, key, routeOf[r.Endpoint], body, sc)
		id := r.ID + " to " + d.model
		if err == nil && got.status == 400 && sc.got == nil {
			if reason := refusedFor(got.body); reason != "" {
				score.refuse(row, reason+"  "+r.ID)
				return
			}
		}
		if err == nil {
			err = judgeRequest(r, d, got, sc)
		}
		if err != nil && r.Response.Status == 400 {
			score.refuse(row, "its own vendor answered it with 400  "+r.ID)
			return
		}
		if err == nil && (d.vendor == "anthropic" || d.vendor == "openai") { // the others' extensions are not in the SDKs' types
			judge.add(row, id, d.vendor, sc.got)
			return
		}
		score.add(row, id, err)
	})
	judge.run(t, score)
	score.print(t, "recorded requests to upstreams of the other format", 1300)
}

// refusedFor is what a 400 says that names the member at fault, "" for any other error.
func refusedFor(body string) string {
	raw := json.RawMessage(body)
	if p := str(raw, "error", "param"); p != "" {
		return p + ": " + str(raw, "error", "message")
	}
	if p, _, ok := strings.Cut(strings.TrimPrefix(str(raw, "error", "message"), "'"), "' "); ok && !strings.Contains(p, " ") {
		return str(raw, "error", "message")
	}
	if p, _, ok := strings.Cut(str(raw, "error", "message"), ": "); ok && !strings.Contains(p, " ") {
		return str(raw, "error", "message")
	}
	return ""
}

func destinationConfig(t *testing.T, url string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("accounts:\n")
	seen := map[string]bool{}
	for _, d := range append(toMessages, toChats...) {
		base := url + "/v1"
		if d.vendor == "anthropic" {
			base = url
		}
		if !seen[d.account] {
			fmt.Fprintf(&b, "  - {provider: %s, account_name: %s, api_key: sk-replayed-secret, base_url: %q, models: [\"*\"]}\n", d.vendor, d.account, base)
		}
		seen[d.account] = true
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// judgeRequest compares what the upstream got with what the caller sent.
func judgeRequest(r *recording, d destination, got answered, sc *scene) error {
	if got.status != 200 || sc.got == nil {
		return fmt.Errorf("status %d: %.300s", got.status, got.body)
	}
	dropped := droppedBy(got)
	if d.vendor == "anthropic" {
		if err := strictMessages(sc.got); err != nil {
			return fmt.Errorf("refused by the upstream: %w", err)
		}
		return messagesInventory(sc.got).missing(chatInventory(r.Request.Body), dropped, false)
	}
	if err := strictChat(sc.got, d.vendor); err != nil {
		return fmt.Errorf("refused by the upstream: %w", err)
	}
	return chatInventory(sc.got).missing(messagesInventory(r.Request.Body), dropped, true)
}
