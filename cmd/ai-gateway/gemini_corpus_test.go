package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

var geminiEndpoints = []string{"gemini_generate", "gemini_stream", "gemini_embed", "gemini_count_tokens"}

// geminiConfig gives Google's two hosts an account each, and one to the recorded rate limits.
func geminiConfig(t *testing.T, url string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf(`accounts:
  - {provider: gemini, account_name: rec-gemini, api_key: sk-replayed-secret, base_url: %q, models: ["*"]}
  - {provider: gemini, account_name: rec-gemini-limited, api_key: sk-replayed-secret, base_url: %q, models: ["*"]}
  - {provider: vertex, account_name: rec-vertex, api_key: sk-replayed-secret, base_url: %q, models: ["*"], options: {project: PROJECT}}
`, url, url, url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// lastGeminiUsage reads the usage of a recorded answer: the last report that counts anything.
func lastGeminiUsage(r *recording) (u usage, reported bool) {
	payloads := []json.RawMessage{r.Response.Body}
	if r.Response.SSE != "" {
		payloads = nil
		for _, ev := range events(r.Response.SSE) {
			payloads = append(payloads, json.RawMessage(ev))
		}
	} else if l := list(r.Response.Body); l != nil {
		payloads = l
	}
	for _, p := range payloads {
		var m map[string]any
		if json.Unmarshal(get(p, "usageMetadata"), &m) != nil {
			continue
		}
		n := func(name string) int64 { f, _ := m[name].(float64); return int64(f) }
		if m["promptTokenCount"] == nil && m["candidatesTokenCount"] == nil {
			continue
		}
		reported = true
		u = usage{Prompt: n("promptTokenCount") + n("toolUsePromptTokenCount"), Completion: n("candidatesTokenCount") + n("thoughtsTokenCount"),
			CacheRead: n("cachedContentTokenCount"), Reasoning: n("thoughtsTokenCount")}
	}
	return u, reported
}

// TestRecordedGeminiRelay replays every recorded exchange in Gemini's format: the
// caller gets the recorded bytes in the framing he asked for, at the address that was
// recorded, and the row holds the recorded usage.
func TestRecordedGeminiRelay(t *testing.T) {
	recs := recordings(t, geminiEndpoints...)
	up := startReplayer(t)
	g := serve(t, "", nil, "--config", geminiConfig(t, up.url))
	key := g.newKey(`{"name":"corpus"}`)
	passed, total := map[string]int{}, map[string]int{}
	for _, r := range recs {
		if len(r.Request.Body) == 0 {
			t.Logf("left out: %s has no request body", r.ID)
			continue
		}
		fail := func(format string, args ...any) { t.Errorf("%s: %s", r.ID, fmt.Sprintf(format, args...)) }
		name := r.Provider + " " + r.Endpoint
		total[name]++
		up.now = r
		path := strings.NewReplacer("<GOOGLE_CLOUD_PROJECT>", "p", "<GOOGLE_CLOUD_LOCATION>", "l").Replace(r.Request.Path)
		status, body, h := g.call("POST", path, key, withProvider(r))
		if geminiRelayed(r, status, body, h, up.got, fail) && usageRow(g, r, h.Get("X-Request-Id"), fail) {
			passed[name]++
		}
	}
	printPassed(t, "relayed byte for byte, usage equal", passed, total, 180)
}

// withProvider names the account by the gateway's own member.
func withProvider(r *recording) string {
	account := accountOf(r)
	if r.Response.Status == 429 { // an account that refused a model is not asked for it again for a while
		account += "-limited"
	}
	return strings.TrimSuffix(strings.TrimSpace(string(r.Request.Body)), "}") + `,"provider":"` + account + `"}`
}

func geminiRelayed(r *recording, status int, body string, h http.Header, sent []byte, fail func(string, ...any)) bool {
	if strings.Contains(string(r.payload()), "API_KEY_INVALID") { // the gateway's own key, not the caller's
		if status != 502 || !strings.Contains(body, "UPSTREAM_AUTH_FAILED") {
			fail("the upstream's refusal of the key became %d %.200s", status, body)
			return false
		}
		return true
	}
	return relayed(r, status, body, h, sent, fail)
}

func printPassed(t *testing.T, what string, passed, total map[string]int, least int) {
	t.Helper()
	sum, all := 0, 0
	var names []string
	for n := range total {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		t.Logf("%-36s %4d / %4d", n, passed[n], total[n])
		sum, all = sum+passed[n], all+total[n]
	}
	t.Logf("%-36s %4d / %4d", what, sum, all)
	if all < least || sum*100 < all*99 {
		t.Errorf("%d of %d passed", sum, all)
	}
}

// tellGemini reads a recorded answer apart from the gateway's own code.
func tellGemini(r *recording) (t told) {
	payloads := []json.RawMessage{r.Response.Body}
	if r.Response.SSE != "" {
		payloads = nil
		for _, ev := range events(r.Response.SSE) {
			payloads = append(payloads, json.RawMessage(ev))
		}
	}
	for _, p := range payloads {
		for _, c := range list(p, "candidates") {
			if n := string(get(c, "index")); n != "" && n != "0" {
				continue
			}
			for _, part := range list(c, "content", "parts") {
				switch call := get(part, "functionCall"); {
				case call != nil:
					t.Calls = append(t.Calls, toldCall{str(call, "name"), plainArgs(string(get(call, "args")))})
				case string(get(part, "thought")) == "true":
					t.Reasoning += str(part, "text")
				default:
					t.Text += str(part, "text")
				}
			}
			if f := get(c, "finishReason"); f != nil {
				t.Finish = strings.Trim(string(f), `"`)
			}
		}
		if f := str(p, "promptFeedback", "blockReason"); f != "" {
			t.Finish = "SAFETY"
		}
	}
	return t
}

// geminiFinish is the word of the other formats for a recorded reason.
func geminiFinish(t told, chat bool) string {
	words := map[string][2]string{"STOP": {"stop", "end_turn"}, "1": {"stop", "end_turn"}, "MAX_TOKENS": {"length", "max_tokens"}, "2": {"length", "max_tokens"}, "SAFETY": {"content_filter", "refusal"}}
	w := words[t.Finish]
	if len(t.Calls) > 0 && w[0] == "stop" {
		w = [2]string{"tool_calls", "tool_use"}
	}
	if chat {
		return w[0]
	}
	return w[1]
}

// TestRecordedGeminiTranslated gives every recorded answer of Gemini to callers of
// chat completions and of messages, who are told the same.
func TestRecordedGeminiTranslated(t *testing.T) {
	recs := recordings(t, "gemini_generate", "gemini_stream")
	up := startStage(t)
	g := serve(t, "", nil, "--config", geminiConfig(t, up.url))
	key := g.newKey(`{"name":"corpus"}`)
	score := newScoreboard()
	for _, r := range recs {
		if r.Response.Status != 200 || list(r.Response.Body) != nil { // streams are asked for as events
			continue
		}
		stream := r.Response.SSE != ""
		for _, chat := range []bool{true, false} {
			path, more := "/v1/messages", `,"max_tokens":1000`
			if chat {
				path, more = "/v1/chat/completions", ""
			}
			body := fmt.Sprintf(`{"model":"gemini-2.5-flash","provider":%q,"stream":%v,"messages":[{"role":"user","content":"x"}]%s}`, accountOf(r), stream, more)
			got, err := play(g, up, key, path, body, &scene{rec: r, seed: 5})
			if err == nil && got.status != 200 {
				err = fmt.Errorf("%d %.300s", got.status, got.body)
			}
			if err == nil && stream {
				err = checkStream(chat, got.body, true)
			}
			if err == nil {
				want, heard := tellGemini(r), tell(chat, got.body, stream)
				want.Finish, want.Refused, heard.Refused = geminiFinish(want, chat), false, false
				if d := heard.differs(want); d != "" {
					err = fmt.Errorf("%s", d)
				}
			}
			score.add(r.Provider+" "+r.Endpoint+map[bool]string{true: " to chat", false: " to messages"}[chat], r.ID, err)
		}
	}
	score.print(t, "recorded answers of Gemini to callers of other formats", 300)
}
