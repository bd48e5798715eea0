package main_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// toGemini are models that want thinking, signatures and schemas said in different ways.
var toGemini = []destination{{"gemini", "to-gemini", "gemini-3-pro-preview"}, {"gemini", "to-gemini", "gemini-2.5-flash"}}

// geminiRequests are the recorded requests in Google's format, the real client's among them.
func geminiRequests(t *testing.T) (out []*recording) {
	t.Helper()
	for _, r := range recordings(t, "gemini_generate", "gemini_stream") {
		if get(r.Request.Body, "contents") != nil {
			out = append(out, r)
		}
	}
	for _, c := range clientCaptures(t) {
		if strings.Contains(c.path, "enerateContent") {
			r := &recording{ID: c.name, Provider: "client", Endpoint: "gemini_stream"}
			r.Request.Body = c.body
			out = append(out, r)
		}
	}
	return out
}

// inventoryOf reads a recorded request of any format.
func inventoryOf(r *recording) *inventory {
	switch sourceOf(r) {
	case "gemini":
		return geminiInventory(r.Request.Body)
	case "responses":
		return responsesInventory(r.Request.Body)
	case "chat":
		return chatInventory(r.Request.Body)
	}
	return messagesInventory(r.Request.Body)
}

// A delivery is a recorded request on its way to an upstream of another format.
type delivery struct {
	r *recording
	d destination
}

func (c delivery) row() string { return sourceOf(c.r) + " to " + c.target() }

// target is the format the upstream speaks.
func (c delivery) target() string {
	switch c.d.account {
	case "to-gemini":
		return "gemini"
	case "to-anthropic":
		return "messages"
	case "to-bedrock":
		return "converse"
	case "to-responses":
		return "responses"
	}
	return "chat"
}

func deliveries(t *testing.T) (out []delivery) {
	add := func(recs []*recording, to ...destination) {
		for _, r := range recs {
			for _, d := range to {
				out = append(out, delivery{r, d})
			}
		}
	}
	add(requests(t), toGemini...)
	add(responsesRequests(t), append(toConverse[:3:3], toGemini...)...)
	add(geminiRequests(t), slices.Concat(toMessages, toChats, []destination{toResponses}, toConverse)...)
	return out
}

func deliveryConfig(t *testing.T, url string) string {
	t.Helper()
	b, err := os.ReadFile(responsesDestinations(t, url))
	if err != nil {
		t.Fatal(err)
	}
	for account, vendor := range map[string]string{"to-gemini": "gemini", "to-bedrock": "bedrock"} {
		b = fmt.Appendf(b, "  - {provider: %s, account_name: %s, api_key: sk-replayed-secret, base_url: %q, models: [\"*\"]}\n", vendor, account, url)
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (c delivery) send(g *gateway, up *stage, key string, sc *scene) (answered, error) {
	body := asOther(c.r, c.d)
	if sourceOf(c.r) != "gemini" {
		return play(g, up, key, routeOf[c.r.Endpoint], body, sc)
	}
	verb := "generateContent"
	if strings.HasSuffix(c.r.Endpoint, "_stream") {
		verb = "streamGenerateContent?alt=sse"
	}
	return play(g, up, key, "/v1beta/models/"+strings.ReplaceAll(c.d.model, "/", "%2F")+":"+verb, body, sc)
}

// judge compares what the upstream got with what the caller sent.
func (c delivery) judge(got answered, sc *scene) error {
	if got.status != 200 || sc.got == nil {
		return fmt.Errorf("status %d: %.300s", got.status, got.body)
	}
	want, dropped := inventoryOf(c.r), droppedBy(got)
	if slices.Contains(dropped, "messages.redacted_thinking") {
		dropped = append(dropped, "messages.thinking")
	}
	for _, name := range dropped {
		if strings.HasPrefix(name, "reasoning.") {
			dropped = append(dropped, "reasoning")
		}
	}
	if allowed := get(c.r.Request.Body, "tool_choice", "tools"); allowed != nil && c.target() == "converse" { // the others are not sent
		want.tools = slices.DeleteFunc(want.tools, func(it item) bool {
			name, _, _ := strings.Cut(it.text, "|")
			return !strings.Contains(string(allowed), `"`+name+`"`)
		})
		dropped = append(dropped, "tools.strict") // of those
	}
	var have *inventory
	var err error
	delete(want.params, "stream") // in the address, and compared by what is asked for
	switch c.target() {
	case "gemini":
		have, err = geminiInventory(sc.got), strictGemini(sc.got)
	case "messages":
		have, err = messagesInventory(sc.got), strictMessages(sc.got)
	case "converse":
		have, err = converseInventory(sc.got), strictConverse(sc.got)
		want.asConverse(have)
	case "responses":
		have = responsesInventory(sc.got)
	default:
		have, err = chatInventory(sc.got), strictChat(sc.got, c.d.vendor)
	}
	if err != nil {
		return fmt.Errorf("refused by the upstream: %w", err)
	}
	delete(have.params, "stream")
	for _, l := range [][]item{have.turns, want.turns} { // the name Bedrock demands of a document that has none
		for i := range l {
			l[i].text = strings.ReplaceAll(l[i].text, "document.txt", "")
		}
	}
	if n := allowedOf(c.r); len(n) > 1 && len(have.tools) == len(n) && len(want.tools) > len(n) { // the others are not sent
		want.tools = slices.DeleteFunc(want.tools, func(it item) bool {
			name, _, _ := strings.Cut(it.text, "|")
			return it.kind == "tool" && !slices.Contains(n, name)
		})
	}
	for _, p := range []*inventory{have, want} {
		for _, name := range []string{"top_k", "frequency_penalty", "presence_penalty"} {
			if v := p.params[name]; v != "" {
				p.params[name] = number(json.RawMessage(v))
			}
		}
	}
	for _, name := range dropped { // Google's names of parameters others have, too
		if as, ok := map[string]string{"generationConfig.frequencyPenalty": "frequency_penalty", "generationConfig.presencePenalty": "presence_penalty",
			"generationConfig.responseLogprobs": "logprobs", "generationConfig.logprobs": "top_logprobs", "generationConfig.responseModalities": "modalities"}[name]; ok {
			dropped = append(dropped, as)
		}
	}
	return have.plainSchemas().missing(want.plainSchemas(), dropped, c.target() != "messages" && c.target() != "converse")
}

// allowedOf are the tools that a request in Google's format allows.
func allowedOf(r *recording) (out []string) {
	for _, n := range list(camelMembers(r.Request.Body, ""), "toolConfig", "functionCallingConfig", "allowedFunctionNames") {
		out = append(out, str(n))
	}
	return out
}

// strictGemini refuses what the API's documentation and recorded errors say it refuses.
func strictGemini(body json.RawMessage) error {
	contents := list(body, "contents")
	if len(contents) == 0 {
		return fmt.Errorf("contents is not specified")
	}
	last, called := "", 0
	for i, c := range contents {
		role, results := str(c, "role"), 0
		if role != "user" && role != "model" || role == last || i == 0 && role != "user" {
			return fmt.Errorf("content %d is the %s's", i, role)
		}
		if len(list(c, "parts")) == 0 {
			return fmt.Errorf("content %d has no parts", i)
		}
		calls := 0
		for _, p := range list(c, "parts") {
			if get(p, "text") == nil && get(p, "inlineData") == nil && get(p, "fileData") == nil && get(p, "functionCall") == nil && get(p, "functionResponse") == nil {
				return fmt.Errorf("content %d: a part without data: %.200s", i, p)
			}
			if get(p, "functionCall") != nil {
				calls++
			}
			if get(p, "functionResponse") != nil {
				results++
			}
		}
		if results != called {
			return fmt.Errorf("content %d answers %d of %d calls", i, results, called)
		}
		last, called = role, calls
	}
	return nil
}

// TestRecordedRequestsToGeminiAndBack sends every recorded request of the other
// formats to Gemini, those of Responses to Bedrock, and Gemini's to all of them: what
// arrives passes the checks of its format, is known to the vendor's own types, and
// loses nothing but what the answer's header names. The exceptions are two requests,
// gemini_generate-0a97290b9be6 and -3171ef0f6e26, with a signature on a plain text of
// the model: other vendors' models get the text without it, which is not reported.
func TestRecordedRequestsToGeminiAndBack(t *testing.T) {
	all := deliveries(t)
	up := startStage(t)
	g := serve(t, "", []string{"AI_GATEWAY_MEDIA_FETCH=never"}, "--config", deliveryConfig(t, up.url)) // nothing of a recording is asked for again
	key := g.newKey(`{"name":"deliveries"}`)
	score, judge := newScoreboard(), newJudge(t)
	types := map[string]string{"gemini": "gemini", "messages": "anthropic", "converse": "bedrock", "responses": "responses", "chat": "openai"}
	inParallel(len(all), func(i int) {
		c, sc := all[i], &scene{}
		got, err := c.send(g, up, key, sc)
		if err == nil && got.status == 400 && sc.got == nil {
			if reason := cmp.Or(refusedFor(got.body), namedBy(got.body)); reason != "" || strings.Contains(got.body, "cannot fetch") {
				score.refuse(c.row(), cmp.Or(reason, "cannot fetch")+"  "+c.r.ID)
				return
			}
		}
		if err == nil {
			err = c.judge(got, sc)
		}
		id := c.r.ID + " to " + c.d.model
		switch {
		case err != nil && c.r.Response.Status == 400:
			score.refuse(c.row(), "its own vendor answered it with 400  "+c.r.ID)
		case err == nil && (c.target() != "chat" || c.d.vendor == "openai"): // the others' extensions are not in the SDKs' types
			judge.add(c.row(), id, types[c.target()], sc.got)
		default:
			score.add(c.row(), id, err)
		}
	})
	judge.run(t, score)
	score.print(t, "recorded requests to Gemini, of Responses to Bedrock, and of Gemini to all", 3000)
}

// namedBy is what an error in Google's shape says of the member at fault.
func namedBy(body string) string {
	for _, d := range list(json.RawMessage(body), "error", "details") {
		for _, v := range list(d, "fieldViolations") {
			return str(v, "field") + ": " + str(v, "description")
		}
	}
	return ""
}
