package main_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updateMatrix = flag.Bool("update", false, "write the matrix of docs/compatibility.md anew")

// A matrixTarget is one kind of provider.
type matrixTarget struct {
	name string
	// account is its account in YAML, but for the models: %s is where the upstream is.
	account string
	model   string // its own name of the model
}

var matrixTargets = []matrixTarget{
	{"chat", `provider: custom, api_key: sk-matrix-secret, base_url: "%s/chat/v1"`, "some-model"},
	{"responses", `provider: openai, api_key: sk-matrix-secret, base_url: "%s/responses/v1"`, "o3-pro"},
	{"messages", `provider: anthropic, api_key: sk-matrix-secret, base_url: "%s/messages"`, "claude-sonnet-4-5"},
	{"gemini", `provider: gemini, api_key: matrix-secret, base_url: "%s/gemini"`, "gemini-2.5-pro"},
	{"converse", `provider: bedrock, api_key: matrix-secret, base_url: "%s/converse", options: {region: us-east-1}`, "anthropic.claude-sonnet-4-5-20250929-v1:0"},
	{"vertex", `provider: vertex, api_key: matrix-secret, base_url: "%s/vertex", options: {project: p, location: europe-west4}`, "gemini-2.5-pro"},
	{"vertex-claude", `provider: vertex, api_key: matrix-secret, base_url: "%s/vertex", options: {project: p, location: europe-west4}`, "claude-sonnet-4-5@20250929"},
	{"azure", `provider: azure, api_key: matrix-secret, base_url: "%s/azure", options: {api_version: 2024-12-01-preview}`, "my-deployment"},
}

// matrixIngress are the callers' formats that are served.
var matrixIngress = []string{"chat", "responses", "messages", "gemini"}

var matrixScenarios = []struct{ name, title string }{
	{"text", "text"}, {"tools", "tool call"}, {"parallel", "parallel calls"}, {"result", "tool result"}, {"image", "image"}, {"pdf", "PDF"},
	{"thinking", "thinking loop"}, {"structured", "structured output"}, {"stop", "stop sequence"}, {"error", "error"}, {"broken", "error in mid-answer"},
}

const (
	matrixOK   = "✓"
	matrixNone = "–" // the caller's format has no such thing
	// matrixUnsigned: the loop goes on, but thinking comes back without its signature.
	matrixUnsigned = "unsigned"
)

// matrixModel names the model of a target; each caller has one of his own for what
// breaks, so that the trouble of one cell does not close another's account.
func matrixModel(t *matrixTarget, caller, scenario string) string {
	if scenario == "broken" {
		return "m-" + t.name + "-" + caller + "-broken"
	}
	return "m-" + t.name
}

func matrixConfig(t *testing.T, up string) string {
	var b strings.Builder
	b.WriteString("accounts:\n")
	for i := range matrixTargets {
		tg := &matrixTargets[i]
		add := func(name, models string) {
			fmt.Fprintf(&b, "  - {account_name: %s, models: {%s}, "+tg.account+"}\n", name, models, up)
		}
		add("acc-"+tg.name, fmt.Sprintf("%s: %q", matrixModel(tg, "", ""), tg.model))
		for _, c := range matrixIngress {
			add("acc-"+tg.name+"-"+c, fmt.Sprintf("%s: %q", matrixModel(tg, c, "broken"), tg.model))
		}
	}
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A matrixRun is a gateway before all scripted providers.
type matrixRun struct {
	t   *testing.T
	g   *gateway
	up  *matrixUpstream
	key string
}

// TestMatrix runs every caller's format against every kind of provider in every
// scenario, buffered and streamed: each passes or is refused by name. What came of
// it stands in docs/compatibility.md: `go test ./cmd/ai-gateway -run TestMatrix -update`.
func TestMatrix(t *testing.T) {
	t.Parallel()
	up := startMatrixUpstream(t)
	g := serve(t, "", nil, "--config", matrixConfig(t, up.url))
	m := &matrixRun{t, g, up, g.newKey(`{"name":"matrix"}`)}
	var page strings.Builder
	for _, stream := range []bool{false, true} {
		fmt.Fprintf(&page, "\n### %s\n\n| caller → provider |", map[bool]string{false: "Buffered", true: "Streamed"}[stream])
		for _, s := range matrixScenarios {
			page.WriteString(" " + s.title + " |")
		}
		page.WriteString("\n|---|" + strings.Repeat("---|", len(matrixScenarios)) + "\n")
		for _, caller := range matrixIngress {
			for i := range matrixTargets {
				tg := &matrixTargets[i]
				fmt.Fprintf(&page, "| %s → %s |", caller, tg.name)
				for _, s := range matrixScenarios {
					verdict := m.cell(caller, tg, s.name, stream)
					if strings.HasPrefix(verdict, "FAILED") {
						t.Errorf("%s → %s, %s, streamed %v: %s", caller, tg.name, s.name, stream, verdict)
						verdict = "FAILED"
					}
					page.WriteString(" " + verdict + " |")
				}
				page.WriteString("\n")
			}
		}
	}
	if t.Failed() {
		t.Logf("%s", page.String())
		return
	}
	matrixPage(t, page.String())
}

const matrixHead = `## Every caller, every provider

<!-- Made by cmd/ai-gateway/matrix_test.go by running each cell against the binary. Do not edit below. -->

✓ passes with text, calls, thinking, usage and reason of the stop intact; a name in
` + "`code`" + ` is what the request is refused for, with a 400 in the caller's format; – the
caller's format has no such thing; *unsigned* goes on, but the provider's thinking comes
back to it without its signature. Elsewhere thinking comes back signed to the provider that
signed it, also from callers whose format has no place for it.
`

// matrixPage compares the matrix with the end of docs/compatibility.md.
func matrixPage(t *testing.T, tables string) {
	file := filepath.Join("..", "..", "docs", "compatibility.md")
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(page), matrixHead[:strings.IndexByte(matrixHead, '\n')])
	want := strings.TrimRight(head, "\n") + "\n\n" + matrixHead + tables
	if *updateMatrix {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Errorf("%s is stale: run go test ./cmd/ai-gateway -run TestMatrix -update", file)
	}
}

// cell runs one cell.
func (m *matrixRun) cell(caller string, tg *matrixTarget, scenario string, stream bool) string {
	c := matrixCallers[caller]
	if caller == "responses" && scenario == "stop" {
		return matrixNone
	}
	m.up.faults()
	model := matrixModel(tg, caller, scenario)
	status, h, body := m.ask(&c, model, stream, c.ask(scenario, model, stream, nil))
	if scenario == "error" {
		return failedAs(status, body)
	}
	if scenario == "broken" {
		switch {
		case !stream && status == 502, stream && status == 200 && h.failed != "" && !h.ended && h.text != "":
			return matrixOK
		}
		return fmt.Sprintf("FAILED: a broken answer became %d, %+v: %.300s", status, h, body)
	}
	if status == 400 {
		return matrixRefusal(body)
	}
	want, _ := matrixAnswer(scenario, "", false)
	if fault := m.compare(want, h, status, body); fault != "" {
		return fault
	}
	if scenario != "thinking" {
		return matrixOK
	}
	if h.thinking != markThought {
		return fmt.Sprintf("FAILED: the thinking became %q: %.600s", h.thinking, body)
	}
	status, h, body = m.ask(&c, model, stream, c.ask(scenario, model, stream, &h))
	if bad := m.up.faults(); len(bad) == 1 && strings.Contains(bad[0], "did not get "+markSignature) {
		return matrixUnsigned
	}
	if fault := m.compare(matrixSay{text: "The answer is forty-two."}, h, status, body); fault != "" {
		return fault
	}
	return matrixOK
}

// ask sends one request and hears the answer.
func (m *matrixRun) ask(c *matrixCaller, model string, stream bool, body string) (int, heard, string) {
	status, out, _ := m.g.call("POST", c.path(model, stream), m.key, body)
	if status != 200 {
		return status, heard{}, out
	}
	if stream {
		return status, c.events(events(out)), out
	}
	return status, c.whole(out), out
}

// compare returns how an answer differs from what the model said; "": not at all.
func (m *matrixRun) compare(want matrixSay, h heard, status int, body string) string {
	if bad := m.up.faults(); len(bad) > 0 {
		return "FAILED: " + bad[0]
	}
	if status != 200 || h.failed != "" || !h.ended {
		return fmt.Sprintf("FAILED: %d, ended %v, error %q: %.1200s", status, h.ended, h.failed, body)
	}
	if h.text != want.text || len(h.calls) != len(want.calls) {
		return fmt.Sprintf("FAILED: heard %q and %v, said was %q and %v: %.1200s", h.text, h.calls, want.text, want.calls, body)
	}
	for i, c := range want.calls {
		if got := h.calls[i]; got.name != c.name || !sameJSON(got.args, c.args) || slices.ContainsFunc(h.calls[:i], func(o toolCall) bool { return o.id != "" && o.id == got.id }) {
			return fmt.Sprintf("FAILED: heard the call %v, said was %v", got, c)
		}
	}
	if h.prompt != 20 || h.completion != 10 {
		return fmt.Sprintf("FAILED: usage %d and %d: %.1200s", h.prompt, h.completion, body)
	}
	finishes := "stop end_turn completed STOP"
	if len(want.calls) > 0 {
		finishes = "tool_calls tool_use completed STOP"
	} else if want.stopped {
		finishes = "stop end_turn stop_sequence STOP"
	}
	if !slices.Contains(strings.Fields(finishes), h.finish) {
		return fmt.Sprintf("FAILED: finish %q: %.600s", h.finish, body)
	}
	return ""
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

// failedAs: the upstream's refusal keeps its status and its message, in an error body.
func failedAs(status int, body string) string {
	var e struct{ Error struct{ Message string } }
	if status == 400 && json.Unmarshal([]byte(body), &e) == nil && strings.Contains(e.Error.Message, markError) {
		return matrixOK
	}
	return fmt.Sprintf("FAILED: an error became %d %.300s", status, body)
}

// matrixRefusal returns what a request is refused for.
func matrixRefusal(body string) string {
	var e struct {
		Error struct {
			Message, Status, Code, Param any
			Type                         string
		}
	}
	if json.Unmarshal([]byte(body), &e) != nil {
		return "FAILED: refused with " + body
	}
	message, _ := e.Error.Message.(string)
	name, _, ok := strings.Cut(message, ":")
	if rest, quoted := strings.CutPrefix(message, "'"); quoted {
		name, _, ok = strings.Cut(rest, "'")
	}
	if p, isText := e.Error.Param.(string); isText && p != "" {
		name, ok = p, true
	}
	if !ok || strings.ContainsAny(name, " |") || strings.Contains(message, markError) {
		return "FAILED: refused without saying what for: " + body
	}
	return "`" + name + "`"
}
