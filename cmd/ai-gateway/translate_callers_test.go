package main_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Recorded answers of each format on their way to callers of each other one, where
// the tests of chat, messages and Responses leave a pair out: those with Gemini's
// format, and Bedrock's answers to callers of Responses.

// A haul is a recorded answer and the format of the caller it goes to.
type haul struct {
	rec    *recording
	to     string // chat, messages, responses or gemini
	stream bool
	tools  bool // he declares those that the answer calls
}

var callerEndpoint = map[string]string{"chat": "openai_chat", "messages": "anthropic_messages", "responses": "openai_responses", "gemini": "gemini_generate"}

// sourceOf is the format of a recorded answer.
func sourceOf(r *recording) string {
	switch {
	case strings.HasPrefix(r.Endpoint, "gemini_"):
		return "gemini"
	case strings.HasPrefix(r.Endpoint, "bedrock_"):
		return "converse"
	case r.Endpoint == "openai_responses":
		return "responses"
	case r.Endpoint == "openai_chat":
		return "chat"
	}
	return "messages"
}

// hauls are all recorded answers to the callers that no other test sends them to.
func hauls(t *testing.T) (out []haul) {
	t.Helper()
	add := func(recs []*recording, to ...string) {
		for _, r := range recs {
			for _, f := range to {
				out = append(out, haul{rec: r, to: f, stream: r.Response.SSE != "" || strings.HasSuffix(r.Endpoint, "_stream")})
			}
		}
	}
	add(geminiAnswers(t), "responses")
	add(converseAnswers(t), "responses", "gemini")
	add(append(recordings(t, "openai_responses"), responsesFragments(t)...), "gemini")
	add(answers(t), "gemini")
	return out
}

// geminiAnswers are the recorded answers of Gemini's format, and those kept without
// their request. A stream that was recorded as one array is left out: it is asked
// for as events.
func geminiAnswers(t *testing.T) []*recording {
	t.Helper()
	out := recordings(t, "gemini_generate", "gemini_stream")
	files, err := filepath.Glob(filepath.Join(shared(t, "cassettes/fragments/open"), "google-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r := &recording{}
		if err := json.Unmarshal(b, r); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if r.Endpoint != "gemini_generate" || bytes.Contains(b, []byte(`"partialArgs"`)) { // calls in pieces have tests of their own
			continue
		}
		r.Response.Status = cmp.Or(r.Response.Status, 200)
		if e := get(r.Response.Body, "error"); e != nil {
			_ = json.Unmarshal(get(e, "code"), &r.Response.Status)
		}
		var sse strings.Builder
		for _, c := range list(b, "response", "chunks") {
			fmt.Fprintf(&sse, "data: %s\r\n\r\n", compact(c))
		}
		r.Response.SSE = sse.String()
		out = append(out, r)
	}
	return slices.DeleteFunc(out, func(r *recording) bool { return list(r.Response.Body) != nil })
}

func (c haul) account() string {
	if s := sourceOf(c.rec); s == "gemini" || s == "converse" {
		name := s
		if c.rec.Response.Status == 401 || c.rec.Response.Status == 403 || strings.Contains(string(c.rec.payload()), "API_KEY_INVALID") {
			name += "-refused" // an account whose key was refused is not asked again
		}
		return name
	}
	return accountOf(c.rec)
}

func (c haul) row() string { return sourceOf(c.rec) + " to " + c.to }

func (c haul) id() string { return c.rec.ID + " to " + c.to }

// ask sends the caller's request with the recorded answer on the stage.
func (c haul) ask(g *gateway, up *stage, key string, sc *scene) (answered, error) {
	sc.rec = c.rec
	body := dict{"messages": []any{dict{"role": "user", "content": "Go on."}}, "max_tokens": 4096}
	switch c.to {
	case "gemini":
		body = dict{"contents": []any{dict{"role": "user", "parts": []any{dict{"text": "Go on."}}}}}
	case "responses":
		body = dict{"input": "Go on."}
	case "chat":
		if c.stream {
			body["stream_options"] = dict{"include_usage": true}
		}
	}
	return c.send(g, up, key, sc, body)
}

// send sends a request of the caller's to the account that has the recorded answer.
func (c haul) send(g *gateway, up *stage, key string, sc *scene, body dict) (answered, error) {
	model := map[string]string{"responses": "gpt-5-codex", "gemini": "gemini-2.5-flash", "converse": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"}[sourceOf(c.rec)]
	model = cmp.Or(model, "any")
	if c.rec.Response.Status >= 400 && sourceOf(c.rec) == "gemini" {
		model += c.rec.ID // a limit of one model's is none of another's
	}
	body["provider"] = c.account()
	if list := c.toolsOf(); c.tools && list != nil {
		body["tools"] = list
	}
	if c.to == "gemini" {
		verb := map[bool]string{true: "streamGenerateContent?alt=sse", false: "generateContent"}[c.stream]
		return play(g, up, key, "/v1beta/models/"+model+":"+verb, wrote(body), sc)
	}
	body["model"], body["stream"] = model, c.stream
	return play(g, up, key, routeOf[callerEndpoint[c.to]], wrote(body), sc)
}

// tells reads a recorded answer, or what a caller got; the finish is in chat's words.
func tells(r *recording) told {
	switch sourceOf(r) {
	case "gemini":
		t := tellGemini(r)
		for _, p := range append(events(r.Response.SSE), string(r.Response.Body)) {
			t.Error = t.Error || get(json.RawMessage(p), "error") != nil
		}
		t.Finish = geminiFinish(t, true)
		return t
	case "converse":
		t, _ := tellConverse(r)
		t.Finish = converseFinishes[true][t.Finish]
		if len(t.Calls) > 0 && t.Finish == "stop" {
			t.Finish = "tool_calls"
		}
		return t
	}
	return tellAs(r.Endpoint, string(r.payload()), r.Response.SSE != "")
}

// heard is what a caller got, in the form of a recording.
func (c haul) heard(body string) *recording {
	out := &recording{ID: c.rec.ID, Endpoint: callerEndpoint[c.to]}
	out.Response.Status = 200
	if c.stream {
		out.Response.SSE = body
	} else {
		out.Response.Body = json.RawMessage(body)
	}
	return out
}

// usageTold is the usage an answer reports.
func usageTold(r *recording) (usage, bool) {
	if sourceOf(r) != "converse" {
		return recordedUsage(r)
	}
	_, raw := tellConverse(r)
	if raw == nil {
		return usage{}, false
	}
	var w struct{ InputTokens, OutputTokens, CacheReadInputTokens, CacheWriteInputTokens int64 }
	_ = json.Unmarshal(raw, &w)
	return usage{Prompt: w.InputTokens + w.CacheReadInputTokens + w.CacheWriteInputTokens, Completion: w.OutputTokens, CacheRead: w.CacheReadInputTokens, CacheWrite: w.CacheWriteInputTokens}, true
}

// reports tells whether a recorded 200 is an error, or no end.
func (c haul) reports() bool {
	switch sourceOf(c.rec) {
	case "gemini":
		return tells(c.rec).Error
	case "converse":
		return false
	}
	return trip{c.rec, callerEndpoint[c.to], c.stream}.reports()
}

// check judges a stream by what its clients rely on.
func (c haul) check(sse string, ended bool) error {
	switch c.to {
	case "gemini":
		return checkGeminiStream(sse, ended)
	case "responses":
		return checkResponsesStream(sse, ended)
	}
	return checkStream(c.to == "chat", sse, ended)
}

// checkGeminiStream: each event holds one answer, and the last one says why it
// ended; a stream that is not whole ends in an error instead.
func checkGeminiStream(sse string, ended bool) error {
	evs := events(sse)
	if len(evs) == 0 {
		return fmt.Errorf("no events")
	}
	for i, ev := range evs {
		e := json.RawMessage(ev)
		last, finished := i == len(evs)-1, false
		for _, cand := range list(e, "candidates") {
			finished = finished || get(cand, "finishReason") != nil
		}
		switch {
		case !json.Valid(e):
			return fmt.Errorf("event %d is no JSON: %.200s", i, ev)
		case last && !ended:
			if str(e, "error", "message") == "" || str(e, "error", "status") == "" || get(e, "error", "code") == nil {
				return fmt.Errorf("does not end in an error: …%.300q", tail(sse))
			}
		case get(e, "error") != nil:
			return fmt.Errorf("event %d of %d is an error: %.300s", i, len(evs), ev)
		case finished != last && (finished || str(e, "promptFeedback", "blockReason") == ""):
			return fmt.Errorf("event %d of %d, finished %v: %.300s", i, len(evs), finished, ev)
		case str(e, "modelVersion") == "" || str(e, "responseId") == "":
			return fmt.Errorf("event %d lacks a name: %.300s", i, ev)
		}
	}
	return nil
}

// refuses judges an error's body: the caller's shape, the status, the upstream's words.
func (c haul) refuses(got answered, status int, upstream []byte) error {
	if c.to != "gemini" {
		return checkError(c.to != "messages", got, status, upstream)
	}
	body := json.RawMessage(got.body)
	msg := str(body, "error", "message")
	if got.status != status || msg == "" || str(body, "error", "status") == "" || string(get(body, "error", "code")) != fmt.Sprint(status) {
		return fmt.Errorf("status %d, want %d: %.300s", got.status, status, got.body)
	}
	if said := cmp.Or(str(upstream, "error", "message"), str(upstream, "message")); said != "" && status != 502 && !strings.Contains(msg, said[:min(len(said), 40)]) {
		return fmt.Errorf("message %q, the upstream said %q", msg, said)
	}
	return nil
}

// judge compares what the caller got with what the recording says.
func (c haul) judge(g *gateway, got answered) error {
	r, payload := c.rec, string(c.rec.payload())
	status := r.Response.Status
	if (status >= 400 || c.reports()) && got.status >= 400 && strings.Contains(got.body, "(parked: ") {
		return nil // by an earlier answer of the kind
	}
	switch {
	case status == 401 || status == 403 || strings.Contains(payload, "Incorrect API key") || strings.Contains(payload, "API_KEY_INVALID"):
		return c.refuses(got, 502, r.payload())
	case strings.Contains(payload, "model identifier is invalid"):
		return c.refuses(got, 404, r.payload())
	case status >= 400:
		return c.refuses(got, status, r.payload())
	case c.reports() && got.status == 200:
		return c.check(got.body, false)
	case c.reports():
		return c.refuses(got, got.status, nil)
	case got.status != 200:
		return fmt.Errorf("status %d: %.300s", got.status, got.body)
	}
	if c.stream {
		if err := c.check(got.body, true); err != nil {
			return err
		}
	}
	shown := c.heard(got.body)
	want, have := tells(r), tells(shown)
	if want.Refused && c.to == "gemini" && want.Finish == "stop" {
		want.Finish = "content_filter" // its reason alone says so
	}
	if d := have.differs(want); d != "" {
		return fmt.Errorf("%s", d)
	}
	return c.sameUsage(g, shown, got)
}

// sameUsage compares the usage the caller is told, and the row's, with the recorded.
func (c haul) sameUsage(g *gateway, shown *recording, got answered) error {
	want, reported := usageTold(c.rec)
	if reported && want != (usage{}) { // an answer that counts nothing says nothing
		told, ok := usageTold(shown)
		if c.to == "gemini" {
			want.CacheWrite = 0 // the format does not tell it
		}
		if !ok || told != want {
			return fmt.Errorf("usage %+v, recorded %+v", told, want)
		}
	}
	if sourceOf(c.rec) != "converse" {
		var err error
		usageRow(g, c.rec, got.header.Get("X-Request-Id"), func(f string, a ...any) { err = fmt.Errorf(f, a...) })
		return err
	}
	want, _ = usageTold(c.rec)
	_, body, _ := g.call("GET", "/v1/admin/usage/logs/"+got.header.Get("X-Request-Id"), g.admin, "")
	var row struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		CacheRead  int64 `json:"cache_read_tokens"`
		CacheWrite int64 `json:"cache_write_tokens"`
		Reasoning  int64 `json:"reasoning_tokens"`
	}
	if err := json.Unmarshal([]byte(body), &row); err != nil || reported && usage(row) != want {
		return fmt.Errorf("the row says %s, recorded %+v", body, want)
	}
	return nil
}

// haulConfig gives every vendor that a recorded answer is of an account.
func haulConfig(t *testing.T, url string, all []haul) string {
	t.Helper()
	var trips []trip
	for _, c := range all {
		if s := sourceOf(c.rec); s != "gemini" && s != "converse" {
			trips = append(trips, trip{rec: c.rec})
		}
	}
	file := tripConfig(t, url, trips)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, vendor := range map[string]string{"gemini": "gemini", "gemini-refused": "gemini", "converse": "bedrock", "converse-refused": "bedrock"} {
		b = fmt.Appendf(b, "  - {provider: %s, account_name: %s, api_key: sk-replayed-secret, base_url: %q, models: [\"*\"]}\n", vendor, name, url)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestRecordedAnswersToCallers replays every recorded answer, whole or streamed and
// cut into pieces at random, to the callers no other test sends it to: what it says,
// why it ended and what it used are the same, and the row holds the usage. The one
// exception, openai-openai_responses-8420245b547d, was made by hand: its status,
// complete, is no word of the API, so that a caller of Gemini's is told OTHER.
func TestRecordedAnswersToCallers(t *testing.T) {
	all := hauls(t)
	up := startStage(t)
	g := serve(t, "", nil, "--config", haulConfig(t, up.url, all))
	key := g.newKey(`{"name":"callers"}`)
	score := newScoreboard()
	// An account that an answer parks gets no more requests: such answers come last.
	failed := func(c haul) bool { return c.rec.Response.Status >= 400 || c.reports() }
	slices.SortStableFunc(all, func(a, b haul) int { return strings.Compare(fmt.Sprint(failed(a)), fmt.Sprint(failed(b))) })
	one := func(i int) {
		c := all[i]
		got, err := c.ask(g, up, key, &scene{seed: uint64(i)})
		if err == nil {
			err = c.judge(g, got)
		}
		score.add(c.row(), c.id(), err)
	}
	first := slices.IndexFunc(all, failed)
	inParallel(first, one)
	for i := range all[first:] {
		one(first + i)
	}
	score.print(t, "recorded answers to callers of the other formats", 1200)
}

// TestRecordedStreamsCutToCallers breaks the same streams off: the caller is told,
// what he has is the beginning, and the row does not pass for a whole answer.
func TestRecordedStreamsCutToCallers(t *testing.T) {
	all := slices.DeleteFunc(hauls(t), func(c haul) bool {
		return c.rec.Response.SSE == "" || c.rec.Response.Status != 200 || c.reports()
	})
	up := startStage(t)
	g := serve(t, "", nil, "--config", haulConfig(t, up.url, all))
	key := g.newKey(`{"name":"callers cut"}`)
	score := newScoreboard()
	inParallel(3*len(all), func(i int) {
		c := all[i/3]
		limit, abort := c.cutAt(i%3, uint64(i))
		got, err := c.ask(g, up, key, &scene{seed: uint64(i), limit: limit, abort: abort})
		if err == nil {
			err = c.judgeCut(g, got)
		}
		score.add(c.row(), fmt.Sprintf("%s, %d of %d bytes, connection lost %v", c.id(), limit, len(c.rec.Response.SSE), abort), err)
	})
	score.print(t, "recorded streams broken off on their way to callers", 900)
}

// cutAt chooses where a stream breaks off, before it has said why the model stopped.
func (c haul) cutAt(n int, seed uint64) (limit int, abort bool) {
	end := 0
	switch sourceOf(c.rec) {
	case "converse":
		for _, e := range converseStream(c.rec.Response.SSE) {
			if e.name == "messageStop" {
				end = e.end - 1
			}
		}
	case "gemini":
		end = max(strings.Index(c.rec.Response.SSE, `"finishReason"`), strings.Index(c.rec.Response.SSE, `"blockReason"`))
	default:
		return cutPoint(c.rec, n, seed)
	}
	if end < 2 {
		end = len(c.rec.Response.SSE) / 2
	}
	return 1 + rand.New(rand.NewPCG(seed, 11)).IntN(end-1), n == 0
}

func (c haul) judgeCut(g *gateway, got answered) error {
	if got.status != 200 { // before any content
		if got.status < 500 {
			return fmt.Errorf("status %d: %.300s", got.status, got.body)
		}
		return c.refuses(got, got.status, nil)
	}
	if err := c.check(got.body, false); err != nil {
		return err
	}
	part, whole := tells(c.heard(got.body)), tells(c.rec)
	if !strings.HasPrefix(whole.Text, part.Text) || !strings.HasPrefix(whole.Reasoning, part.Reasoning) || len(part.Calls) > len(whole.Calls) {
		return fmt.Errorf("%+.400v is no beginning of %+.400v", part, whole)
	}
	_, row, _ := g.call("GET", "/v1/admin/usage/logs/"+got.header.Get("X-Request-Id"), g.admin, "")
	if str(json.RawMessage(row), "usage_source") == "provider" {
		return fmt.Errorf("a stream that broke off was accounted as whole: %s", row)
	}
	return nil
}
