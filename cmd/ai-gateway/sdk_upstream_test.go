package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A vendor is a scripted provider for the SDK tests. It speaks OpenAI's chat
// format and Anthropic's messages, whole and streamed, refuses what those vendors
// refuse, and lets the conversation alone decide what it answers, so that what a
// translation loses or garbles shows in the answer or as a 400.
type vendor struct {
	url     string
	mu      sync.Mutex
	refused []string // what it refused as malformed, outside the scripted errors
	served  map[string]int
	flaky   int // requests to accounts that fail every other time
}

func startVendor(t testing.TB) *vendor {
	t.Helper()
	v := &vendor{served: map[string]int{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(v.serve), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	v.url = "http://" + ln.Addr().String()
	return v
}

func (v *vendor) refusals() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return append([]string(nil), v.refused...)
}

// count returns how many whole and streamed answers of a format were given.
func (v *vendor) count(format string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.served[format]
}

// An ask is a request of either format, as the model sees it.
type ask struct {
	model, system string
	turns         []said
	tools         []string
	choice        string // auto, none, required, or a tool's name
	serial        bool   // one call at a time
	schema        json.RawMessage
	maxTokens     int64
	stop          []string
	thinks        bool
	stream        bool
	usage         bool // the usage event of a chat stream was asked for
}

type said struct {
	role, text string // user, assistant
	calls      []toolCall
	results    []toolResult
	media      []string // "image/png 68"
}

type toolCall struct{ id, name, args string }

type toolResult struct{ id, text string }

// A reply is what the model answers.
type reply struct {
	thinking, text string
	calls          []toolCall
	long           bool   // it ran into max_tokens
	stopped        string // the stop sequence it ran into
	refused        bool   // text is a refusal
}

// A refusal is a vendor's error.
type refusal struct {
	status           int
	typ, code, words string
	scripted         bool
}

func refuse(format string, args ...any) *refusal {
	return &refusal{status: 400, typ: "invalid_request_error", words: fmt.Sprintf(format, args...)}
}

// What every answer costs, in OpenAI's convention.
const (
	usedInput, usedCached, usedOutput = 20, 5, 10
	tooLongOpenAI                     = "This model's maximum context length is 128000 tokens. However, your messages resulted in 250000 tokens. Please reduce the length of the messages."
	tooLongAnthropic                  = "prompt is too long: 250000 tokens > 200000 maximum"
)

var toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// answer is the model: what it says depends on the last words of the user, and on
// the results of the tools it asked for since.
func (a *ask) answer() (*reply, *refusal) {
	var last string
	var results []toolResult
	user := 0
	for i := range a.turns {
		t := &a.turns[i]
		if t.role == "user" && t.text != "" {
			last, results, user = t.text, nil, i
		}
		results = append(results, t.results...)
	}
	r := &reply{}
	if a.thinks {
		r.thinking = fmt.Sprintf("The user wrote %d bytes; step %d.", len(last), len(results)+1)
	}
	has := func(tag string) bool { return strings.Contains(last, tag) }
	call := func(name, args string) {
		r.calls = append(r.calls, toolCall{fmt.Sprintf("%02d_%d_%d", len(r.calls), user, len(results)), name, args})
	}
	const weather, clock = "get_weather", "get_time"
	switch {
	case has("#rounds "):
		scripted, bad := a.script(last, results)
		if bad == nil {
			scripted.thinking = r.thinking
		}
		return scripted, bad
	case has("#toolong"):
		return nil, &refusal{status: 400, scripted: true}
	case has("#steps") && len(results) == 1:
		call(clock, `{}`)
	case len(results) > 0:
		var said []string
		for _, res := range results {
			said = append(said, res.text)
		}
		r.text = "The tools said: " + strings.Join(said, " | ")
	case has("#parallel"):
		call(weather, `{"city":"Paris","days":1}`)
		call(weather, `{"city":"Oslo","days":3}`)
	case has("#weather"), has("#steps"):
		r.text = "Let me look."
		call(weather, `{"city":"Zürich \"ZH\"","days":2}`)
	case has("#noargs"):
		call(clock, `{}`)
	case has("#forced"):
		if a.choice == "required" {
			a.choice = weather
		}
		call(a.choice, `{"city":"Bern","days":1}`)
	case has("#json") && a.schema == nil && slices.Contains(a.tools, "json"): // asked for by way of a tool
		call("json", `{"city":"Zürich","celsius":21}`)
	case has("#json"):
		if a.schema == nil {
			return nil, refuse("the schema did not arrive")
		}
		r.text = `{"city":"Zürich","celsius":21}`
	case has("#choice"):
		r.text = fmt.Sprintf("choice=%s serial=%v", a.choice, a.serial)
	case has("#image"):
		r.text = "I see " + strings.Join(a.turns[len(a.turns)-1].media, ", ")
	case has("#long"):
		r.text, r.long = fmt.Sprintf("Cut at %d", a.maxTokens), true
	case has("#refuse"):
		r.text, r.refused = "I cannot help with that.", true
	case has("#stop"):
		if len(a.stop) == 0 {
			return nil, refuse("no stop sequence arrived")
		}
		r.text, r.stopped = "Up to here", a.stop[0]
	default:
		r.text = fmt.Sprintf("Grüezi 👋 sys=%s turns=%d last=%s", a.system, len(a.turns), last)
	}
	for _, c := range r.calls {
		if !slices.Contains(a.tools, c.name) {
			return nil, refuse("the tool %s did not arrive; there are %v", c.name, a.tools)
		}
	}
	return r, nil
}

// script plays the rounds of tool calls that the user's words hold, as base64 of
// JSON, and ends with what the tools said. Where there are no tools, an agent only
// asks for a title.
func (a *ask) script(words string, results []toolResult) (*reply, *refusal) {
	if len(a.tools) == 0 {
		return &reply{text: "A title"}, nil
	}
	_, code, _ := strings.Cut(words, "#rounds ")
	code, _, _ = strings.Cut(code, ".")
	var rounds [][]struct {
		Name string
		Args json.RawMessage
	}
	if b, err := base64.URLEncoding.DecodeString(code); err != nil || json.Unmarshal(b, &rounds) != nil {
		return nil, refuse("no script in %q", words)
	}
	r := &reply{}
	done := 0
	for _, round := range rounds {
		if done == len(results) {
			for i, c := range round {
				if !slices.Contains(a.tools, c.Name) {
					return nil, refuse("the tool %s did not arrive; there are %v", c.Name, a.tools)
				}
				r.calls = append(r.calls, toolCall{fmt.Sprintf("%d_%d", done, i), c.Name, string(c.Args)})
			}
			r.text = fmt.Sprintf("Working on %d. ", len(round))
			return r, nil
		}
		done += len(round)
	}
	for _, res := range results {
		r.text += "[" + strings.TrimSpace(res.text) + "]"
	}
	return r, nil
}

// signature is what the vendor signs its thinking with.
func signature(thinking string) string {
	sum := sha256.Sum256([]byte("vendor secret " + thinking))
	return "Sig" + hex.EncodeToString(sum[:])
}

// pieces cuts a text into streamed fragments, at characters.
func pieces(s string) []string {
	var out []string
	runes := []rune(s)
	for len(runes) > 0 {
		n := min(5, len(runes))
		out = append(out, string(runes[:n]))
		runes = runes[n:]
	}
	return out
}

// strict decodes JSON into v and refuses members v does not have.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// closed checks what both vendors ask of a strict schema: every object says
// additionalProperties false.
func closed(schema json.RawMessage) bool {
	var node struct {
		Type                 json.RawMessage
		Properties           map[string]json.RawMessage
		AdditionalProperties json.RawMessage
		Items                json.RawMessage
	}
	if json.Unmarshal(schema, &node) != nil {
		return false
	}
	if node.Properties != nil && string(node.AdditionalProperties) != "false" {
		return false
	}
	for _, p := range node.Properties {
		if !closed(p) {
			return false
		}
	}
	return node.Items == nil || closed(node.Items)
}

// serve routes. The first segment of the path names the trouble an account is for:
// /ok none, /limited 429, /flaky 429 every other time, /broken an error in mid-stream, /cut a lost connection.
func (v *vendor) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	trouble, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	path = strings.TrimPrefix(path, "v1/")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("request-id", "req_upstream")
	var p protocol
	if rest, ok := strings.CutPrefix(path, "openai/deployments/"); ok { // Azure: the deployment is the model
		_, path, _ = strings.Cut(rest, "/")
		if r.Header.Get("api-key") != "azure-secret" || r.URL.Query().Get("api-version") != "2024-12-01-preview" {
			http.Error(w, `{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}`, http.StatusUnauthorized)
			return
		}
		r.Header.Set("Authorization", "Bearer sk-vendor-openai-secret")
	}
	if strings.HasPrefix(path, "model/") {
		path = "converse"
	}
	if rest, ok := geminiVendorPath(path); ok {
		if strings.HasSuffix(rest, ":countTokens") {
			_, _ = io.WriteString(w, `{"totalTokens":42}`)
			return
		}
		p, path = &geminiAPI{w: w, path: rest}, "gemini"
	}
	switch path {
	case "gemini":
	case "responses/input_tokens":
		_, _ = io.WriteString(w, `{"object":"response.input_tokens","input_tokens":9}`)
		return
	case "responses/compact":
		_, _ = io.WriteString(w, `{"id":"resp_2","object":"response.compaction","created_at":1,"output":[],"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":5},"output_tokens":10,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":30}}`)
		return
	case "converse":
		p = &converse{w: w}
	case "chat/completions":
		p = &openAI{w: w, deepseek: trouble == "deepseek"}
	case "responses":
		p = &responsesAPI{w: w}
	case "messages", "messages/count_tokens":
		p = &anthropic{w: w}
	case "models":
		_, _ = io.WriteString(w, `{"object":"list","data":[]}`)
		return
	default:
		if strings.HasPrefix(path, "responses/") { // what is stored
			writeJSON(w, 200, members{"id": "resp_1", "object": "response", "asked": r.Method + "/" + path})
			return
		}
		http.Error(w, `{"error":{"message":"no such path","type":"invalid_request_error"}}`, 404)
		return
	}
	a, bad := p.read(r, body)
	var rep *reply
	if bad == nil {
		bad = v.limit(w, trouble)
	}
	if bad == nil && path == "messages/count_tokens" {
		_, _ = io.WriteString(w, `{"input_tokens":42}`)
		return
	}
	if bad == nil {
		rep, bad = a.answer()
	}
	v.mu.Lock()
	if bad != nil && !bad.scripted {
		v.refused = append(v.refused, fmt.Sprintf("%s: %s\n%s", path, bad.words, body))
	} else if bad == nil {
		v.served[path]++
	}
	v.mu.Unlock()
	if bad != nil {
		p.fail(bad)
		return
	}
	if !a.stream {
		p.whole(a, rep)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	p.stream(a, rep, trouble)
	if trouble == "cut" {
		panic(http.ErrAbortHandler)
	}
}

// limit refuses what comes too fast.
func (v *vendor) limit(w http.ResponseWriter, trouble string) *refusal {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch trouble {
	case "limited":
		w.Header().Set("retry-after", "7")
		return &refusal{status: 429, scripted: true}
	case "flaky":
		if v.flaky++; v.flaky%2 == 1 {
			w.Header().Set("retry-after", "1")
			return &refusal{status: 429, scripted: true}
		}
	}
	return nil
}

// A protocol is one of the two formats, for one exchange.
type protocol interface {
	read(r *http.Request, body []byte) (*ask, *refusal)
	fail(*refusal)
	whole(*ask, *reply)
	stream(a *ask, r *reply, trouble string)
}
