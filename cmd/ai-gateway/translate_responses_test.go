package main_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The third format beside chat and messages: Responses, to and from both.

// tellAs reads an answer of any of the three formats; its finish is in chat's words.
func tellAs(endpoint, payload string, stream bool) told {
	switch endpoint {
	case "openai_responses":
		if stream {
			return tellResponsesStream(payload)
		}
		return tellResponses(json.RawMessage(payload))
	case "openai_chat":
		t := tell(true, payload, stream)
		switch t.Finish {
		case "eos", "":
			t.Finish = "stop"
		case "function_call":
			t.Finish = "tool_calls"
		}
		if len(t.Calls) > 0 && t.Finish == "stop" {
			t.Finish = "tool_calls"
		}
		return t
	}
	t := tell(false, payload, stream).as(true)
	if len(t.Calls) > 0 && t.Finish == "stop" {
		t.Finish = "tool_calls"
	}
	return t
}

func tellResponses(body json.RawMessage) (t told) {
	if get(body, "output") == nil || str(body, "status") == "failed" {
		t.Error = true
		return t
	}
	for _, item := range list(body, "output") {
		t.responsesItem(item)
	}
	t.Finish = "stop"
	if len(t.Calls) > 0 {
		t.Finish = "tool_calls"
	}
	if str(body, "status") == "incomplete" {
		t.Finish = map[string]string{"max_output_tokens": "length", "content_filter": "content_filter"}[str(body, "incomplete_details", "reason")]
	}
	return t
}

func (t *told) responsesItem(item json.RawMessage) {
	switch str(item, "type") {
	case "message":
		for _, p := range list(item, "content") {
			t.Text += str(p, "text") + str(p, "refusal")
			t.Refused = t.Refused || str(p, "refusal") != ""
		}
	case "reasoning":
		s := ""
		for _, p := range list(item, "content") {
			s += str(p, "text")
		}
		if s == "" {
			var sections []string
			for _, p := range list(item, "summary") {
				sections = append(sections, str(p, "text"))
			}
			s = strings.Join(sections, "\n\n")
		}
		t.Reasoning += s
	case "function_call":
		name := str(item, "name")
		if ns := str(item, "namespace"); ns != "" {
			name = ns + "__" + name
		}
		t.Calls = append(t.Calls, toldCall{name, plainArgs(str(item, "arguments"))})
	case "custom_tool_call":
		q, _ := json.Marshal(str(item, "input"))
		t.Calls = append(t.Calls, toldCall{str(item, "name"), `{"input":` + string(q) + `}`})
	}
}

// tellResponsesStream reads the deltas, and of the rest only how it ended.
func tellResponsesStream(sse string) (t told) {
	type call struct {
		toldCall
		custom bool
	}
	calls := map[string]*call{}
	var order []*call
	thought := map[string]string{} // item → the last section of its summary
	ended := false
	for _, ev := range events(sse) {
		e := json.RawMessage(ev)
		at := string(get(e, "output_index"))
		switch typ := str(e, "type"); typ {
		case "response.output_text.delta", "response.refusal.delta":
			t.Text += str(e, "delta")
		case "response.reasoning_text.delta":
			t.Reasoning += str(e, "delta")
		case "response.reasoning_summary_text.delta":
			if last, ok := thought[at]; ok && last != string(get(e, "summary_index")) {
				t.Reasoning += "\n\n"
			}
			thought[at] = string(get(e, "summary_index"))
			t.Reasoning += str(e, "delta")
		case "response.output_item.added":
			item := get(e, "item")
			if k := str(item, "type"); k == "function_call" || k == "custom_tool_call" {
				var x told
				x.responsesItem(item)
				calls[at] = &call{toldCall: toldCall{Name: x.Calls[0].Name}, custom: k == "custom_tool_call"}
				order = append(order, calls[at])
			}
		case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
			if c := calls[at]; c != nil {
				c.Args += str(e, "delta")
			}
		case "response.output_item.done": // LM Studio streams no arguments
			if c := calls[at]; c != nil && c.Args == "" {
				c.Args = str(e, "item", "arguments")
			}
		case "response.completed", "response.incomplete":
			ended = true
			t.Finish = tellResponses(get(e, "response")).Finish
		case "response.failed", "error":
			t.Error = true
		}
	}
	for _, c := range order {
		if c.custom {
			q, _ := json.Marshal(c.Args)
			c.Args = `{"input":` + string(q) + `}`
		}
		if ended {
			c.Args = plainArgs(c.Args)
		}
		t.Calls = append(t.Calls, c.toldCall)
	}
	return t
}

// checkResponsesStream judges a stream by the order its clients rely on. ended: it
// is whole; else it ends in an error event and a failed response.
func checkResponsesStream(sse string, ended bool) error {
	evs := events(sse)
	if len(evs) == 0 {
		return fmt.Errorf("no events")
	}
	added, done := map[string]string{}, map[string]json.RawMessage{}
	order := 0
	var deltas told
	for i, ev := range evs {
		e := json.RawMessage(ev)
		typ := str(e, "type")
		if !strings.Contains(sse, "event: "+typ+"\ndata: ") {
			return fmt.Errorf("event %d, %q, has no event name", i, typ)
		}
		if n := string(get(e, "sequence_number")); n != fmt.Sprint(i) && ended {
			return fmt.Errorf("event %d has the number %s", i, n)
		}
		if want := []string{"response.created", "response.in_progress"}; ended && i < 2 && (typ != want[i] || str(e, "response", "status") != "in_progress" || get(e, "response", "tools") == nil) {
			return fmt.Errorf("event %d is %s: %.300s", i, typ, ev)
		}
		at := string(get(e, "output_index"))
		switch {
		case typ == "response.output_item.added":
			if at != fmt.Sprint(order) || str(e, "item", "id") == "" {
				return fmt.Errorf("item %s is added as number %d", at, order)
			}
			order++
			added[at] = str(e, "item", "id")
		case typ == "response.output_item.done":
			if done[at] != nil || str(e, "item", "id") != added[at] || str(e, "item", "call_id") == added[at] {
				return fmt.Errorf("item %s is done twice or as another: %.200s", at, ev)
			}
			done[at] = get(e, "item")
		case at != "" && (added[at] == "" || str(e, "item_id") != added[at] || done[at] != nil):
			return fmt.Errorf("%s about an item that is not open: %.200s", typ, ev)
		}
	}
	last := json.RawMessage(evs[len(evs)-1])
	if !ended {
		before := json.RawMessage(evs[max(0, len(evs)-2)])
		if str(last, "type") != "response.failed" || str(before, "type") != "error" || str(before, "error", "message") == "" || str(last, "response", "error", "message") == "" {
			return fmt.Errorf("does not end in an error: …%.600q", tail(sse))
		}
		return nil
	}
	if typ := str(last, "type"); typ != "response.completed" && typ != "response.incomplete" {
		return fmt.Errorf("ends in %q", typ)
	}
	output := list(last, "response", "output")
	if len(output) != order || len(done) != order {
		return fmt.Errorf("%d items were added, %d are done, the last event has %d", order, len(done), len(output))
	}
	for i, item := range output {
		if string(compact(item)) != string(compact(done[fmt.Sprint(i)])) {
			return fmt.Errorf("item %d of the last event is %.200s", i, item)
		}
	}
	whole := tellResponses(get(last, "response"))
	if deltas = tellResponsesStream(sse); deltas.differs(whole) != "" {
		return fmt.Errorf("the deltas and the last event: %s", deltas.differs(whole))
	}
	return nil
}

// A trip is a recorded answer on its way to a caller of a format.
type trip struct {
	rec    *recording
	to     string // the caller's endpoint
	stream bool
}

// trips are all recorded answers of Responses to the two other formats, and of those to Responses.
func trips(t *testing.T) (out []trip) {
	recs := append(answers(t), recordings(t, "openai_responses")...)
	recs = append(recs, responsesFragments(t)...)
	for _, r := range recs {
		to := []string{"openai_responses"}
		if r.Endpoint == "openai_responses" {
			to = []string{"openai_chat", "anthropic_messages"}
		}
		for _, e := range to {
			out = append(out, trip{r, e, r.Response.SSE != ""})
		}
	}
	return out
}

// responsesFragments are answers of this format kept without their requests.
func responsesFragments(t *testing.T) (out []*recording) {
	files, err := filepath.Glob(filepath.Join(shared(t, "cassettes/fragments/open"), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var r recording
		if json.Unmarshal(b, &r) != nil || r.Endpoint != "openai_responses" {
			continue
		}
		r.Response.Status = cmp.Or(r.Response.Status, 200)
		chunks := list(b, "response", "chunks")
		if len(chunks) == 0 {
			out = append(out, &r)
		}
		var sse strings.Builder
		for i, c := range chunks { // some files hold several streams
			fmt.Fprintf(&sse, "event: %s\ndata: %s\n\n", str(c, "type"), compact(c))
			if str(c, "type") == "response.completed" || i == len(chunks)-1 {
				x := r
				x.ID += fmt.Sprintf("#%d", i)
				x.Response.SSE = sse.String()
				out = append(out, &x)
				sse.Reset()
			}
		}
	}
	return out
}

func (c trip) request() string {
	model := "any"
	if c.rec.Endpoint == "openai_responses" {
		model = "gpt-5-codex"
	}
	head := fmt.Sprintf(`{"model":%q,"provider":%q,"stream":%v`, model, accountOf(c.rec), c.stream)
	switch c.to {
	case "openai_responses":
		return head + `,"input":"Go on."}`
	case "openai_chat":
		if c.stream {
			head += `,"stream_options":{"include_usage":true}`
		}
	}
	return head + `,"max_tokens":4096,"messages":[{"role":"user","content":"Go on."}]}`
}

func (c trip) row() string {
	return c.rec.Provider + " " + strings.TrimPrefix(c.rec.Endpoint, "openai_") + " to " + strings.TrimPrefix(c.to, "openai_")
}

func (c trip) check(body string, ended bool) error {
	if c.to == "openai_responses" {
		return checkResponsesStream(body, ended)
	}
	return checkStream(c.to == "openai_chat", body, ended)
}

// reports tells whether a recorded 200 is an error, or no end.
func (c trip) reports() bool {
	if c.rec.Endpoint != "openai_responses" {
		return broken(c.rec) || spliced(c.rec)
	}
	if !c.stream {
		return get(c.rec.Response.Body, "error") != nil
	}
	return tellResponsesStream(c.rec.Response.SSE).Error || !strings.Contains(c.rec.Response.SSE, `"response.completed"`) && !strings.Contains(c.rec.Response.SSE, `"response.incomplete"`)
}

func (c trip) judge(got answered) error {
	r := c.rec
	if failed := r.Response.Status >= 400 || c.reports(); failed && got.status >= 400 && strings.Contains(got.body, "(parked: ") {
		return nil // by an earlier answer of the kind
	}
	if status := r.Response.Status; status >= 400 {
		if status == 401 || status == 403 || strings.Contains(string(r.payload()), "Incorrect API key") {
			status = 502
		}
		return checkError(c.to != "anthropic_messages", got, status, r.payload())
	}
	if c.reports() {
		if got.status == 200 {
			return c.check(got.body, false)
		}
		return checkError(c.to != "anthropic_messages", got, got.status, nil)
	}
	if got.status != 200 {
		return fmt.Errorf("status %d: %.300s", got.status, got.body)
	}
	if c.stream {
		if err := c.check(got.body, true); err != nil {
			return err
		}
	}
	want, have := tellAs(r.Endpoint, string(r.payload()), c.stream), tellAs(c.to, got.body, c.stream)
	if want.Refused && c.to == "anthropic_messages" && want.Finish == "stop" {
		want.Finish = "content_filter" // its reason alone says so
	}
	if d := have.differs(want); d != "" {
		return fmt.Errorf("%s", d)
	}
	return c.sameUsage(got.body)
}

func (c trip) sameUsage(body string) error {
	want, reported := recordedUsage(c.rec)
	if !reported || want == (usage{}) {
		return nil
	}
	shown := recording{Endpoint: c.to}
	if c.stream {
		shown.Response.SSE = body
	} else {
		shown.Response.Body = json.RawMessage(body)
	}
	if got, ok := recordedUsage(&shown); !ok || got != want {
		return fmt.Errorf("usage %+v, recorded %+v", got, want)
	}
	return nil
}

func tripConfig(t *testing.T, url string, list []trip) string {
	var recs []*recording
	for _, c := range list {
		recs = append(recs, c.rec)
	}
	file := stageConfig(t, url, recs)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = bothWays.ReplaceAll(b, []byte("provider: custom, account_name: rec-$2"))
	b = responsesAlone.ReplaceAll(b, []byte("provider: openai, account_name: rec-responses-"))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Vendors that serve both formats would relay what is recorded in the other one:
// chat recordings come from a vendor of chat alone, and those of Responses from
// OpenAI under the name of a model that it serves in Responses alone.
var (
	bothWays       = regexp.MustCompile(`provider: (openai|xai|azure|deepseek|groq|openrouter), account_name: rec-([^r])`)
	responsesAlone = regexp.MustCompile(`provider: [a-z-]+, account_name: rec-responses-`)
)

// TestTranslatedResponses replays every recorded Responses answer to callers of
// the two other formats, and every recorded answer of those to Responses callers.
func TestTranslatedResponses(t *testing.T) {
	list := trips(t)
	up := startStage(t)
	g := serve(t, "", nil, "--config", tripConfig(t, up.url, list))
	key := g.newKey(`{"name":"translate"}`)
	score := newScoreboard()
	// An account whose key or credit an answer says is no good gets no more requests
	// for a while: such answers come last.
	failed := func(c trip) bool { return c.rec.Response.Status >= 400 || c.reports() }
	slices.SortStableFunc(list, func(a, b trip) int {
		return strings.Compare(fmt.Sprint(failed(a)), fmt.Sprint(failed(b)))
	})
	first := slices.IndexFunc(list, failed)
	inParallel(first, func(i int) { tripOf(g, up, key, list[i], i, score) })
	for i, c := range list[first:] {
		tripOf(g, up, key, c, first+i, score)
	}
	score.print(t, "recorded answers to and from Responses", 1000)
}

// tripOf plays one trip and counts it.
func tripOf(g *gateway, up *stage, key string, c trip, i int, score *scoreboard) {
	got, err := play(g, up, key, routeOf[c.to], c.request(), &scene{rec: c.rec, seed: uint64(i)})
	if err == nil {
		err = c.judge(got)
	}
	if err == nil && !spliced(c.rec) && !c.reports() {
		usageRow(g, c.rec, got.header.Get("X-Request-Id"), func(f string, a ...any) { err = fmt.Errorf(f, a...) })
	}
	score.add(c.row(), c.rec.ID+" to "+c.to, err)
}

// TestTranslatedResponsesCut breaks streams off on the same ways: callers are told.
func TestTranslatedResponsesCut(t *testing.T) {
	var list []trip
	for _, c := range trips(t) {
		if c.stream && c.rec.Response.Status == 200 && !c.reports() {
			list = append(list, c)
		}
	}
	up := startStage(t)
	g := serve(t, "", nil, "--config", tripConfig(t, up.url, list))
	key := g.newKey(`{"name":"cut"}`)
	score := newScoreboard()
	inParallel(3*len(list), func(i int) {
		c := list[i/3]
		limit, abort := cutPoint(c.rec, i%3, uint64(i))
		got, err := play(g, up, key, routeOf[c.to], c.request(), &scene{rec: c.rec, seed: uint64(i), limit: limit, abort: abort})
		switch {
		case err != nil:
		case got.status != 200:
			if got.status < 500 {
				err = fmt.Errorf("status %d: %.300s", got.status, got.body)
			} else {
				err = checkError(c.to != "anthropic_messages", got, got.status, nil)
			}
		default:
			if err = c.check(got.body, false); err == nil {
				part, whole := tellAs(c.to, got.body, true), tellAs(c.rec.Endpoint, c.rec.Response.SSE, true)
				if !strings.HasPrefix(whole.Text, part.Text) || !strings.HasPrefix(whole.Reasoning, part.Reasoning) || len(part.Calls) > len(whole.Calls) {
					err = fmt.Errorf("%+.400v is no beginning of %+.400v", part, whole)
				}
			}
		}
		score.add(c.row(), fmt.Sprintf("%s to %s, %d of %d bytes, connection lost %v", c.rec.ID, c.to, limit, len(c.rec.Response.SSE), abort), err)
	})
	score.print(t, "streams to and from Responses broken off", 600)
}
