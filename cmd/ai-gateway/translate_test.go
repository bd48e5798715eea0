package main_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A scene is one upstream exchange on the stage: what the upstream answers, and
// what it was sent.
type scene struct {
	rec   *recording // the answer; nil: a short one in the format of the path
	limit int        // bytes after which a stream ends; 0: it is sent whole
	abort bool       // it ends by a broken connection instead of a proper end
	seed  uint64     // of the borders at which a stream is cut into pieces

	mu   sync.Mutex
	got  []byte
	path string
}

// A stage is an upstream that plays many scenes at once. The caller's User-Agent,
// which translated requests carry on, tells which.
type stage struct {
	url    string
	scenes sync.Map // string → *scene
}

func startStage(t testing.TB) *stage {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{url: "http://" + ln.Addr().String()}
	srv := &http.Server{Handler: s}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return s
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, ok := s.scenes.Load(r.UserAgent())
	if r.Method == "GET" || !ok { // the listing of models
		http.Error(w, `{"error":{"message":"none"}}`, 404)
		return
	}
	sc := v.(*scene)
	body, _ := io.ReadAll(r.Body)
	sc.mu.Lock()
	sc.got, sc.path = body, r.URL.Path
	sc.mu.Unlock()
	if sc.rec == nil {
		shortAnswer(w, r.URL.Path, body)
		return
	}
	res := &sc.rec.Response
	w.Header().Set("Content-Type", cmp.Or(res.Headers["content-type"], map[bool]string{true: "text/event-stream", false: "application/json"}[res.SSE != ""]))
	w.WriteHeader(res.Status)
	payload := sc.rec.payload()
	if sc.limit > 0 {
		payload = payload[:sc.limit]
	}
	if res.SSE == "" {
		_, _ = w.Write(payload)
		return
	}
	rng := rand.New(rand.NewPCG(sc.seed, 7))
	for len(payload) > 0 {
		n := 1 + rng.IntN(min(len(payload), 1+rng.IntN(900)))
		_, _ = w.Write(payload[:n])
		w.(http.Flusher).Flush()
		payload = payload[n:]
	}
	if sc.abort {
		panic(http.ErrAbortHandler)
	}
}

// shortAnswer answers in the format of the path, streamed if that was asked for.
func shortAnswer(w http.ResponseWriter, path string, body []byte) {
	if say := (matrixSay{text: "Yes."}); strings.HasSuffix(path, "/converse-stream") {
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		_, _ = io.WriteString(w, strings.Join(converseEvents(say, false), ""))
		return
	} else if strings.HasSuffix(path, "/converse") {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, converseWhole(say))
		return
	}
	const generated = `{"candidates":[{"content":{"parts":[{"text":"Yes."}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3},"modelVersion":"m","responseId":"r"}`
	switch {
	case strings.HasSuffix(path, ":generateContent"):
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, generated)
		return
	case strings.HasSuffix(path, ":streamGenerateContent"):
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: "+generated+"\r\n\r\n")
		return
	}
	messages, stream := strings.HasSuffix(path, "/messages"), string(get(body, "stream")) == "true"
	w.Header().Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[stream])
	const response = `{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"m","output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Yes.","annotations":[]}]}],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}`
	switch {
	case strings.HasSuffix(path, "/responses") && stream:
		_, _ = io.WriteString(w, "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":0,\"response\":"+response+"}\n\n")
	case strings.HasSuffix(path, "/responses"):
		_, _ = io.WriteString(w, response)
	case messages && stream:
		_, _ = io.WriteString(w, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n"+
			"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"+
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Yes.\"}}\n\n"+
			"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"+
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\n"+
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	case messages:
		_, _ = io.WriteString(w, `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Yes."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}`)
	case stream:
		_, _ = io.WriteString(w, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Yes.\"},\"finish_reason\":null}]}\n\n"+
			"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\ndata: [DONE]\n\n")
	default:
		_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`)
	}
}

// An answered is what a caller got.
type answered struct {
	status int
	body   string
	header http.Header
}

// play sends one request through the gateway with sc on the stage.
func play(g *gateway, s *stage, key, path, body string, sc *scene) (answered, error) {
	id := fmt.Sprintf("scene-%p", sc)
	s.scenes.Store(id, sc)
	defer s.scenes.Delete(id)
	req, err := http.NewRequest("POST", g.url+path, strings.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("User-Agent", id)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return answered{resp.StatusCode, string(b), resp.Header}, err
}

// inParallel does n pieces of work, four at a time.
func inParallel(n int, work func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range next {
				work(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// A scoreboard counts by provider what passed, what was refused for a stated
// reason, and what did not pass.
type scoreboard struct {
	mu            sync.Mutex
	passed, total map[string]int
	refused       map[string]map[string]int // provider → reason → how many
	failed        []string
}

func newScoreboard() *scoreboard {
	return &scoreboard{passed: map[string]int{}, total: map[string]int{}, refused: map[string]map[string]int{}}
}

func (s *scoreboard) add(row, id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total[row]++
	if err == nil {
		s.passed[row]++
		return
	}
	s.failed = append(s.failed, id+": "+err.Error())
}

func (s *scoreboard) refuse(row, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused[row] == nil {
		s.refused[row] = map[string]int{}
	}
	s.refused[row][reason]++
}

// print writes the table and fails the test if under 99 % passed, or fewer than least were tried.
func (s *scoreboard) print(t *testing.T, name string, least int) {
	t.Helper()
	passed, total := 0, 0
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", name)
	for _, row := range slices.Sorted(maps.Keys(s.total)) {
		fmt.Fprintf(&b, "  %-34s %4d / %4d\n", row, s.passed[row], s.total[row])
		passed, total = passed+s.passed[row], total+s.total[row]
	}
	fmt.Fprintf(&b, "  %-34s %4d / %4d\n", "all", passed, total)
	reasons := map[string]int{}
	for _, m := range s.refused {
		for reason, n := range m {
			reasons[reason] += n
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(&b, "  refused, not counted: %4d  %s\n", reasons[reason], reason)
	}
	slices.Sort(s.failed)
	for _, f := range s.failed {
		fmt.Fprintf(&b, "  exception: %s\n", f)
	}
	t.Log(b.String())
	if total < least {
		t.Errorf("%s: only %d were tried, expected %d", name, total, least)
	}
	if passed*100 < total*99 {
		t.Errorf("%s: %d of %d passed, less than 99 %%", name, passed, total)
	}
}

// exchanges are the recorded ones of both formats, Anthropic's on Vertex among them.
func exchanges(t *testing.T) []*recording {
	t.Helper()
	out := recordings(t, "openai_chat", "anthropic_messages", "vertex_anthropic", "vertex_anthropic_stream")
	for _, r := range out {
		if strings.HasPrefix(r.Endpoint, "vertex") {
			r.Endpoint = "anthropic_messages"
		}
	}
	return out
}

// answers are the recorded answers of both formats: exchanges, and answers kept without their request.
func answers(t *testing.T) []*recording {
	t.Helper()
	out := exchanges(t)
	files, err := filepath.Glob(filepath.Join(shared(t, "cassettes/fragments/open"), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		out = append(out, fragments(t, f)...)
	}
	return out
}

// fragments reads one file of answers without requests: a body, or the chunks of
// one or several streams, kept without their framing.
func fragments(t *testing.T, file string) (out []*recording) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if r.Endpoint != "openai_chat" && r.Endpoint != "anthropic_messages" || strings.Contains(r.ID, "skill-version") || strings.Contains(r.ID, "transcription") { // another endpoint's answer
		return nil
	}
	r.Response.Status = cmp.Or(r.Response.Status, 200)
	chunks := list(b, "response", "chunks")
	if len(chunks) == 0 {
		return []*recording{&r}
	}
	var sse strings.Builder
	keep := func(end string) {
		x := r
		x.Response.SSE = sse.String() + end
		if len(out) > 0 {
			x.ID += fmt.Sprintf("#%d", len(out))
		}
		out = append(out, &x)
		sse.Reset()
	}
	for _, c := range chunks {
		if r.Endpoint == "openai_chat" {
			fmt.Fprintf(&sse, "data: %s\n\n", compact(c))
			continue
		}
		typ := str(c, "type")
		fmt.Fprintf(&sse, "event: %s\ndata: %s\n\n", typ, compact(c))
		if typ == "message_stop" {
			keep("")
		}
	}
	switch {
	case r.Endpoint == "openai_chat":
		keep("data: [DONE]\n\n")
	case sse.Len() > 0:
		keep("")
	}
	return out
}

// A crossing asks for a recorded answer in the other format.
type crossing struct {
	rec    *recording
	toChat bool // the caller speaks chat
	stream bool
}

func cross(r *recording) crossing {
	return crossing{rec: r, toChat: strings.HasPrefix(r.Endpoint, "anthropic"), stream: r.Response.SSE != ""}
}

func (c crossing) path() string {
	return routeOf[map[bool]string{true: "openai_chat", false: "anthropic_messages"}[c.toChat]]
}

// request is the caller's: any, as the answer is recorded.
func (c crossing) request() string {
	body := fmt.Sprintf(`{"model":"any","provider":%q,"max_tokens":4096,"stream":%v,"messages":[{"role":"user","content":"Go on."}]`, accountOf(c.rec), c.stream)
	if c.toChat && c.stream {
		body += `,"stream_options":{"include_usage":true}`
	}
	return body + "}"
}

// row names the line of the table a recording counts in.
func (c crossing) row() string {
	kind := "whole"
	if c.stream {
		kind = "streamed"
	}
	return c.rec.Provider + " " + kind
}

// TestTranslatedAnswers replays every recorded answer, whole or streamed, to a
// caller of the other format: what it says, why it ended and what it used are the
// same as in a reading of the recording that shares no code with the gateway.
func TestTranslatedAnswers(t *testing.T) {
	recs := answers(t)
	up := startStage(t)
	g := serve(t, "", nil, "--config", stageConfig(t, up.url, recs))
	key := g.newKey(`{"name":"translate"}`)
	score := newScoreboard()
	// An account that an answer parks gets no more requests: such answers come last.
	failed := func(r *recording) bool { return r.Response.Status >= 400 || broken(r) || spliced(r) }
	slices.SortStableFunc(recs, func(a, b *recording) int { return strings.Compare(fmt.Sprint(failed(a)), fmt.Sprint(failed(b))) })
	one := func(i int) {
		c := cross(recs[i])
		got, err := play(g, up, key, c.path(), c.request(), &scene{rec: c.rec, seed: uint64(i)})
		if parked := failed(c.rec) && got.status >= 400 && strings.Contains(got.body, "(parked: "); err == nil && !parked {
			err = c.judge(got)
		}
		if err == nil && !spliced(c.rec) {
			usageRow(g, c.rec, got.header.Get("X-Request-Id"), func(f string, a ...any) { err = fmt.Errorf(f, a...) })
		}
		score.add(c.row(), c.rec.ID, err)
	}
	first := slices.IndexFunc(recs, failed)
	inParallel(first, one)
	for i := range recs[first:] {
		one(first + i)
	}
	score.print(t, "recorded answers to callers of the other format", 650)
}

// stageConfig is corpusConfig for answers without requests too.
func stageConfig(t *testing.T, url string, recs []*recording) string {
	t.Helper()
	file := corpusConfig(t, url, recs)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("provider: moonshotai,"), []byte("provider: moonshot,"))
	b = bytes.ReplaceAll(b, []byte("provider: open-responses,"), []byte("provider: custom-responses,"))
	b = bytes.ReplaceAll(b, []byte("provider: openai-compatible,"), []byte("provider: custom,"))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// spliced reports whether a second answer starts inside a recorded stream: what
// belongs to which cannot be told any more, so that it has to end in an error.
func spliced(r *recording) bool {
	return r.Endpoint == "anthropic_messages" && strings.Count(r.Response.SSE, "event: message_start") > 1
}

// judge compares what the caller got with what the recording says.
func (c crossing) judge(got answered) error {
	r := c.rec
	if status := r.Response.Status; status >= 400 {
		if status == 401 || status == 403 {
			status = 502
		}
		return checkError(c.toChat, got, status, r.payload())
	}
	if broken(r) || spliced(r) {
		if got.status == 200 {
			return checkStream(c.toChat, got.body, false)
		}
		return checkError(c.toChat, got, got.status, nil)
	}
	if got.status != 200 {
		return fmt.Errorf("status %d: %.300s", got.status, got.body)
	}
	if c.stream {
		if err := checkStream(c.toChat, got.body, true); err != nil {
			return err
		}
	}
	want := tell(!c.toChat, string(r.payload()), c.stream)
	if d := tell(c.toChat, got.body, c.stream).differs(want.as(c.toChat)); d != "" {
		return fmt.Errorf("%s", d)
	}
	return c.sameUsage(got.body)
}

// sameUsage compares the usage a caller is told with the recorded one.
func (c crossing) sameUsage(body string) error {
	want, reported := recordedUsage(c.rec)
	if !reported || want == (usage{}) { // an answer that counts nothing says nothing
		return nil
	}
	var shown recording
	shown.Endpoint = map[bool]string{true: "openai_chat", false: "anthropic_messages"}[c.toChat]
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

// checkError judges an error body: the caller's shape, the status, and the upstream's words.
func checkError(chat bool, got answered, status int, upstream []byte) error {
	body := json.RawMessage(got.body)
	msg := str(body, "error", "message")
	if got.status != status || msg == "" || str(body, "error", "type") == "" || chat == (str(body, "type") == "error") {
		return fmt.Errorf("status %d, want %d: %.300s", got.status, status, got.body)
	}
	if said := cmp.Or(str(upstream, "error", "message"), str(upstream, "message")); said != "" && status != 502 && !strings.Contains(msg, said[:min(len(said), 40)]) {
		return fmt.Errorf("message %q, the upstream said %q", msg, said)
	}
	return nil
}
