package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/your-org/ai-api-gateway/providers"
)

// Update: tests write what they make into the files they compare it with.
var Update = flag.Bool("update", false, "write what the tests got into their golden files")

// Sections of a golden file.
const (
	callerRequest   = "caller-request"
	upstreamRequest = "upstream-request"
	dropped         = "dropped"
	upstreamAnswer  = "upstream-answer"
	callerAnswer    = "caller-answer"
	usage           = "usage"
)

// Golden runs every file that pattern matches as one exchange that is
// translated, and compares what comes out with what the file holds. A file is a
// txtar archive; its head has lines "name: value":
//
//	in: chat                         the caller's dialect
//	out: messages                    the upstream's
//	quirks: {"NoDone":true}          the upstream's quirks (optional)
//	status: 429                      the upstream's status (optional, 200)
//
// The sections caller-request and upstream-answer (JSON, or an event stream) are
// given, each optional; upstream-request, dropped, caller-answer and usage are
// compared, and written with -update. A request that cannot be served has the
// error's body as its caller-answer.
func Golden(t *testing.T, pattern string, in map[string]providers.Ingress, out map[string]func(providers.Quirks) providers.Egress) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no golden file matches %s", pattern)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			runGolden(t, file, in, out)
		})
	}
}

func runGolden(t *testing.T, file string, ins map[string]providers.Ingress, outs map[string]func(providers.Quirks) providers.Egress) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head := heads(archive.Comment)
	given := map[string][]byte{}
	for _, f := range archive.Files {
		given[f.Name] = f.Data
	}
	g := &golden{in: ins[head["in"]], status: 200}
	if g.in == nil || outs[head["out"]] == nil {
		t.Fatalf("no dialects %q and %q", head["in"], head["out"])
	}
	var q providers.Quirks
	if s := head["quirks"]; s != "" {
		if err := json.Unmarshal([]byte(s), &q); err != nil {
			t.Fatal(err)
		}
	}
	if s := head["status"]; s != "" {
		if g.status, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	g.out = outs[head["out"]](q)
	got := g.run(given)
	if *Update {
		rewrite(t, file, archive, got)
		return
	}
	for _, name := range []string{upstreamRequest, dropped, callerAnswer, usage} {
		if want := given[name]; !bytes.Equal(got[name], want) {
			t.Errorf("%s: section %s differs\n--- got\n%s--- want\n%s", file, name, got[name], want)
		}
	}
}

func heads(comment []byte) map[string]string {
	m := map[string]string{}
	for _, line := range strings.Split(string(comment), "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, "#") {
			m[name] = strings.TrimSpace(value)
		}
	}
	return m
}

// rewrite keeps the given sections and puts what came out behind them.
func rewrite(t *testing.T, file string, archive *txtar.Archive, got map[string][]byte) {
	var files []txtar.File
	for _, name := range []string{callerRequest, upstreamRequest, dropped, upstreamAnswer, callerAnswer, usage} {
		data := got[name]
		for _, f := range archive.Files {
			if f.Name == name && (name == callerRequest || name == upstreamAnswer) {
				data = f.Data
			}
		}
		if len(data) > 0 {
			files = append(files, txtar.File{Name: name, Data: data})
		}
	}
	archive.Files = files
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

type golden struct {
	in     providers.Ingress
	out    providers.Egress
	status int
}

func (g *golden) run(given map[string][]byte) map[string][]byte {
	got := map[string][]byte{}
	options := providers.EncodeOptions{RequestID: "REQUEST", Created: 1700000000}
	if body := given[callerRequest]; body != nil {
		if p, err := g.in.Peek(body); err != nil {
			got[callerAnswer] = g.failed(err)
			return got
		} else if p.ModelSpan.Found() {
			options.IncludeUsage = p.IncludeUsage
		}
		r, err := g.in.DecodeRequest(body)
		if err != nil {
			got[callerAnswer] = g.failed(err)
			return got
		}
		sent, lost, err := g.out.AppendRequest(nil, r)
		if err != nil {
			got[callerAnswer] = g.failed(err)
			return got
		}
		got[upstreamRequest] = pretty(sent)
		if len(lost) > 0 {
			got[dropped] = []byte(strings.Join(lost, "\n") + "\n")
		}
	}
	body := given[upstreamAnswer]
	switch {
	case body == nil:
	case g.status >= 400:
		got[callerAnswer] = pretty(g.in.AppendError(nil, g.out.DecodeError(g.status, bytes.TrimSpace(body))))
	case isStream(body):
		g.stream(body, options, got)
	default:
		r, err := g.out.DecodeResponse(body)
		if err != nil {
			got[callerAnswer] = g.failed(err)
			return got
		}
		answer, err := g.in.AppendResponse(nil, r)
		if err != nil {
			got[callerAnswer] = g.failed(err)
			return got
		}
		got[callerAnswer], got[usage] = pretty(answer), counts(r.Usage)
	}
	return got
}

func (g *golden) stream(body []byte, o providers.EncodeOptions, got map[string][]byte) {
	events, err := Decode(g.out.NewDecoder(), [][]byte{body})
	enc := g.in.NewEncoder(o)
	var answer []byte
	var u providers.Usage
	for i := range events {
		ev := &events[i]
		if ev.Kind == providers.EventUsage || ev.Kind == providers.EventStart && !ev.Usage.Zero() {
			u = ev.Usage
		}
		if ev.Kind != providers.EventEnd && ev.Kind != providers.EventError {
			answer = enc.Append(answer, ev)
		}
	}
	var e *providers.Error
	switch {
	case err == nil:
		answer = enc.End(answer)
	case errors.As(err, &e):
		answer = enc.Fail(answer, e)
	default:
		answer = enc.Fail(answer, &providers.Error{Kind: providers.KindUpstream, Message: err.Error()})
	}
	got[callerAnswer], got[usage] = answer, counts(u)
}

func isStream(body []byte) bool {
	body = bytes.TrimSpace(body)
	return bytes.HasPrefix(body, []byte("data:")) || bytes.HasPrefix(body, []byte("event:")) || bytes.HasPrefix(body, []byte(":"))
}

func (g *golden) failed(err error) []byte {
	var e *providers.Error
	if !errors.As(err, &e) {
		return []byte("error: " + err.Error() + "\n")
	}
	return append([]byte(fmt.Sprintf("status %d\n", e.HTTPStatus())), pretty(g.in.AppendError(nil, e))...)
}

// pretty lays JSON out on lines, in the order it has.
func pretty(body []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return append(body, '\n')
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// counts lists what was used, in the order of the type.
func counts(u providers.Usage) []byte {
	out := fmt.Sprintf("prompt %d completion %d\ninput %d cache_read %d cache_write_5m %d cache_write_1h %d\noutput %d reasoning %d\n",
		u.Prompt(), u.Completion(), u.Input, u.CacheRead, u.CacheWrite5m, u.CacheWrite1h, u.Output, u.Reasoning)
	if u.HasCost {
		out += fmt.Sprintf("cost_nano %d\n", u.CostNano)
	}
	if u.Clamped {
		out += "clamped\n"
	}
	return []byte(out)
}
