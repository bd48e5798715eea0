package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Of fasthttp: the clock, one a process, and the cleaner of a listener's
		// workers, which ends within ten seconds of the listener.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// A peer is a client of an engine in memory.
type peer struct {
	t    *testing.T
	s    *Server
	http *http.Client
}

// instant answers without any delay.
var instant = Options{TTFT: -1, TPS: -1}

func newPeer(t *testing.T, o Options) *peer {
	t.Helper()
	s := New(o)
	tr := &http.Transport{DialContext: s.Dial}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return &peer{t: t, s: s, http: &http.Client{Transport: tr, Timeout: 10 * time.Second}}
}

func (p *peer) post(path, body string) *http.Response {
	p.t.Helper()
	res, err := p.http.Post("http://"+Host+path, "application/json", strings.NewReader(body))
	if err != nil {
		p.t.Fatalf("POST %s %s: %v", path, body, err)
	}
	p.t.Cleanup(func() { res.Body.Close() })
	return res
}

// body posts and returns status and body.
func (p *peer) body(path, body string) (int, string) {
	p.t.Helper()
	res := p.post(path, body)
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatalf("POST %s %s: read body: %v", path, body, err)
	}
	return res.StatusCode, string(b)
}

type sse struct{ event, data string }

// events reads a whole event stream; err is what ended it (nil: in order).
func events(r io.Reader) (list []sse, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 4<<20)
	var e sse
	for s.Scan() {
		line := s.Text()
		switch {
		case line == "":
			if e.data != "" {
				list = append(list, e)
			}
			e = sse{}
		case strings.HasPrefix(line, "event: "):
			e.event = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			e.data += line[len("data: "):]
		}
	}
	return list, s.Err()
}

func (p *peer) stream(path, body string) []sse {
	p.t.Helper()
	res := p.post(path, body)
	if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || !strings.HasPrefix(ct, "text/event-stream") {
		b, _ := io.ReadAll(res.Body)
		p.t.Fatalf("POST %s %s: %d %s %s", path, body, res.StatusCode, ct, b)
	}
	list, err := events(res.Body)
	if err != nil {
		p.t.Fatalf("POST %s %s: read stream: %v", path, body, err)
	}
	return list
}

type chatUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
	Details    struct {
		Reasoning int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

type chatToolCall struct {
	Index    int    `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type chatDelta struct {
	Role      string         `json:"role"`
	Content   *string        `json:"content"`
	Reasoning string         `json:"reasoning_content"`
	ToolCalls []chatToolCall `json:"tool_calls"`
}

type chatObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Model   string `json:"model"`
	Created int64  `json:"created"`
	Choices []struct {
		Message chatDelta `json:"message"`
		Delta   chatDelta `json:"delta"`
		Text    string    `json:"text"`
		Finish  string    `json:"finish_reason"`
	} `json:"choices"`
	Usage *chatUsage      `json:"usage"`
	Error json.RawMessage `json:"error"`
}

func parse[T any](t *testing.T, data string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(data))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("bad JSON %.300q: %v", data, err)
	}
	return v
}

// A told is a chat answer put together.
type told struct {
	text, reasoning, finish string
	calls                   []chatToolCall
	usage                   *chatUsage
	done                    bool
	deltas                  int
}

// tell puts a chat stream together, checking its form.
func tell(t *testing.T, list []sse) told {
	t.Helper()
	var w told
	for i, e := range list {
		if e.event != "" {
			t.Errorf("event %d has the name %q; chat has none", i, e.event)
		}
		if e.data == "[DONE]" {
			w.done = true
			if i != len(list)-1 {
				t.Errorf("[DONE] is event %d of %d", i, len(list))
			}
			continue
		}
		c := parse[chatObject](t, e.data)
		if c.Object != "chat.completion.chunk" || !strings.HasPrefix(c.ID, "chatcmpl-") {
			t.Errorf("event %d: object %q, id %q", i, c.Object, c.ID)
		}
		if c.Usage != nil {
			w.usage = c.Usage
			if len(c.Choices) != 0 {
				t.Errorf("the usage chunk has choices: %s", e.data)
			}
			continue
		}
		if len(c.Choices) != 1 {
			t.Fatalf("event %d has %d choices", i, len(c.Choices))
		}
		d := c.Choices[0].Delta
		if (d.Role != "") != (i == 0) {
			t.Errorf("event %d has the role %q", i, d.Role)
		}
		if d.Content != nil && *d.Content != "" {
			w.text += *d.Content
			w.deltas++
		}
		w.reasoning += d.Reasoning
		for _, tc := range d.ToolCalls {
			if tc.ID != "" {
				if tc.Index != len(w.calls) {
					t.Errorf("call %d has the index %d", len(w.calls), tc.Index)
				}
				w.calls = append(w.calls, tc)
				continue
			}
			w.calls[tc.Index].Function.Arguments += tc.Function.Arguments
		}
		if f := c.Choices[0].Finish; f != "" {
			w.finish = f
		}
	}
	return w
}

func chatAsk(model, said, more string) string {
	b, _ := json.Marshal(said)
	return `{"model":"` + model + `","messages":[{"role":"user","content":` + string(b) + `}]` + more + `}`
}

func TestChatStreamEqualsBuffered(t *testing.T) {
	p := newPeer(t, instant)
	for _, model := range []string{"demo", "demo-fast", "demo-thinking", "gpt-4", "demo-no-done", "demo-empty"} {
		_, body := p.body("/v1/chat/completions", chatAsk(model, "What is a gateway?", ""))
		whole := parse[chatObject](t, body)
		got := tell(t, p.stream("/v1/chat/completions", chatAsk(model, "What is a gateway?", `,"stream":true,"stream_options":{"include_usage":true}`)))
		m := whole.Choices[0].Message
		if *m.Content != got.text || m.Reasoning != got.reasoning || whole.Choices[0].Finish != got.finish {
			t.Errorf("%s: buffered %q %q %q, streamed %q %q %q", model, *m.Content, m.Reasoning, whole.Choices[0].Finish, got.text, got.reasoning, got.finish)
		}
		if whole.Model != model || whole.Object != "chat.completion" {
			t.Errorf("%s: answer names model %q, object %q", model, whole.Model, whole.Object)
		}
		if *whole.Usage != *got.usage {
			t.Errorf("%s: usage %+v buffered, %+v streamed", model, whole.Usage, got.usage)
		}
		u := whole.Usage
		if u.Total != u.Prompt+u.Completion || u.Prompt < 5 || u.Completion != count(*m.Content)+count(m.Reasoning) || u.Details.Reasoning != count(m.Reasoning) {
			t.Errorf("%s: usage %+v for %d tokens of text", model, u, count(*m.Content))
		}
		if got.done != (model != "demo-no-done") {
			t.Errorf("%s: [DONE] seen: %v", model, got.done)
		}
		if empty := model == "demo-empty"; empty != (got.text == "") {
			t.Errorf("%s: text %q", model, got.text)
		}
		if thinks := model == "demo-thinking"; thinks != (got.reasoning != "") {
			t.Errorf("%s: reasoning %q", model, got.reasoning)
		}
	}
}

func TestChatSaysWhatWasAsked(t *testing.T) {
	p := newPeer(t, instant)
	f := func(said string, want ...string) {
		t.Helper()
		got := tell(t, p.stream("/v1/chat/completions", chatAsk("demo", said, `,"stream":true`)))
		for _, w := range append(want, "ai-gateway providers add openai --api-key sk-...") {
			if !strings.Contains(got.text, w) {
				t.Errorf("%q is answered without %q: %s", said, w, got.text)
			}
		}
		if got.usage != nil {
			t.Error("usage was sent unasked")
		}
	}
	f("Why is the sky blue?", `"Why is the sky blue?"`, "offline demo", "usage record")
	f("天空为什么是蓝色的?", "“天空为什么是蓝色的?”", "离线演示")
	f("日本語で答えてください", "offline demo")
	f("line\none \u2028 "+strings.Repeat("long ", 100), "…")
	f("", "You sent no text")
}

func TestChatBounds(t *testing.T) {
	p := newPeer(t, instant)
	f := func(path, more string, wantFinish string, wantTokens int, wantStop string) {
		t.Helper()
		_, body := p.body(path, chatAsk("demo-thinking", "hello there", more))
		c := parse[chatObject](t, body)
		if c.Choices[0].Finish != wantFinish || wantTokens >= 0 && c.Usage.Completion != wantTokens {
			t.Errorf("%s: finish %q, %d tokens; want %q, %d", more, c.Choices[0].Finish, c.Usage.Completion, wantFinish, wantTokens)
		}
		if m := c.Choices[0].Message; m.Content != nil && wantStop != "" && strings.Contains(*m.Content, wantStop) {
			t.Errorf("the stop sequence %q is in %q", wantStop, *m.Content)
		}
	}
	const chat = "/v1/chat/completions"
	f(chat, `,"max_tokens":7`, "length", 7, "")
	f(chat, `,"max_completion_tokens":1`, "length", 1, "")
	f(chat, `,"max_completion_tokens":40`, "length", 40, "")
	f(chat, `,"max_tokens":100000`, "stop", -1, "")
	f(chat, `,"stop":"network"`, "stop", -1, "network")
	f(chat, `,"stop":["nowhere","demo model"]`, "stop", -1, "demo model")
	f(chat, `,"stop":["network"],"max_tokens":3`, "length", 3, "")
	f(chat, `,"n":3`, "stop", -1, "")
}

func TestChatRefusesNonsense(t *testing.T) {
	p := newPeer(t, instant)
	f := func(path, body string, status int, word string) {
		t.Helper()
		got, text := p.body(path, body)
		if got != status || !strings.Contains(text, word) || !json.Valid([]byte(text)) {
			t.Errorf("%s %.80s: %d %s; want %d and %q", path, body, got, text, status, word)
		}
	}
	const chat = "/v1/chat/completions"
	f(chat, `{"model":`, 400, "could not parse")
	f(chat, `{}`, 400, "model")
	f(chat, `{"model":"demo","messages":[]}`, 400, `"param":"messages"`)
	f(chat, `{"model":"demo","messages":[{"role":"king","content":"x"}]}`, 400, "messages[0].role")
	f(chat, `{"model":"demo","messages":[{"role":"user","content":7}]}`, 400, "messages[0].content")
	f(chat, `{"model":"demo","messages":[{"role":"tool","tool_call_id":"c","content":"x"}]}`, 400, "role 'tool'")
	f(chat, chatAsk("demo", "x", `,"max_tokens":0`), 400, "max_tokens")
	f(chat, chatAsk("demo", "x", `,"stop":{}`), 400, "stop")
	f(chat, chatAsk("demo-nosuch", "x", ""), 404, "model_not_found")
	f(chat, chatAsk("demo-error-99", "x", ""), 404, "model_not_found")
	f("/v1/nothing", `{}`, 404, "unknown_url")
	f("/v1/messages", `{"model":"demo","messages":[{"role":"user","content":"x"}]}`, 400, "max_tokens: Field required")
	f("/v1/messages", `{"model":"demo","max_tokens":5,"messages":[]}`, 400, `{"type":"error","error":{"type":"invalid_request_error"`)
	f("/v1/messages", `{"model":"demo-nosuch","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`, 404, "not_found_error")
	res, err := p.http.Get("http://" + Host + chat)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 405 {
		t.Errorf("GET %s: %d", chat, res.StatusCode)
	}
}

func TestModels(t *testing.T) {
	p := newPeer(t, instant)
	get := func(path string) (int, string) {
		res, err := p.http.Get("http://" + Host + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	status, body := get("/v1/models")
	list := parse[struct {
		Data []struct{ ID string }
	}](t, body)
	if status != 200 || len(list.Data) != len(modelNames()) {
		t.Fatalf("%d %s", status, body)
	}
	for _, m := range list.Data {
		if status, body := get("/v1/models/" + m.ID); status != 200 || !strings.Contains(body, `"`+m.ID+`"`) {
			t.Errorf("model %s: %d %s", m.ID, status, body)
		}
	}
	if status, _ := get("/v1/models/demo-nosuch"); status != 404 {
		t.Errorf("an unknown model is found: %d", status)
	}
	if status, _ := get("/health"); status != 200 {
		t.Errorf("/health: %d", status)
	}
}

// TestDocTable holds the package comment to the table of behaviours.
func TestDocTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range behaviours {
		if !bytes.Contains(doc, []byte("//\t"+b.name+" ")) {
			t.Errorf("the package comment does not tell of %s", b.name)
		}
	}
	for _, line := range strings.Split(string(doc), "\n") {
		name, found := strings.CutPrefix(line, "//\t")
		if !found {
			continue
		}
		name = strings.Replace(strings.Fields(name)[0], "NNN", "500", 1)
		if b, known := behaviourOf(name); !known || b.name != name {
			t.Errorf("the package comment tells of %q, which the engine does not know", name)
		}
	}
}
