package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A judge hands requests to a program that reads them with the vendors' own SDK
// types (testdata/judge, a module of its own) and tells what these do not know.
type judge struct {
	mu    sync.Mutex
	lines bytes.Buffer
	rows  map[string]string // id → row of the table
}

func newJudge(*testing.T) *judge { return &judge{rows: map[string]string{}} }

func (j *judge) add(row, id, vendor string, body []byte) {
	line, err := json.Marshal(map[string]any{"id": id, "vendor": vendor, "body": json.RawMessage(body)})
	if err != nil {
		panic("BUG: a checked request is no JSON: " + err.Error())
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rows[id] = row
	j.lines.Write(append(line, '\n'))
}

// run enters the judge's verdicts in the table. Without the SDKs, which are not
// modules of this one, the requests count by the other checks alone.
func (j *judge) run(t *testing.T, score *scoreboard) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "judge")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = filepath.Join("testdata", "judge")
	if out, err := build.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("cannot build the judge: %v\n%s", err, out)
		}
		t.Logf("NOT PROVEN: the vendors' SDKs cannot be built: %v\n%s", err, out)
		for id, row := range j.rows {
			score.add(row, id, nil)
		}
		return
	}
	canaries := map[string]string{
		"gemini":    `{"contents":[{"parts":[{"text":"x","mood":"y"}]}]}`,
		"openai":    `{"model":"m","messages":[{"role":"user","content":"x"}],"top_k":3}`,
		"responses": `{"model":"m","input":"x","top_k":3}`,
		"anthropic": `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"x","mood":"y"}]}]}`,
		"bedrock":   `{"messages":[{"role":"user","content":[{"text":"x"},{"mood":"y"}]}]}`,
	}
	for vendor, body := range canaries {
		j.add("", "canary "+vendor, vendor, []byte(body))
	}
	cmd := exec.Command(bin)
	cmd.Stdin = &j.lines
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the judge ended with %v", err)
	}
	judged := 0
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var verdict struct{ ID, Fault string }
		if err := json.Unmarshal([]byte(line), &verdict); err != nil {
			t.Fatalf("the judge said %q: %v", line, err)
		}
		judged++
		if strings.HasPrefix(verdict.ID, "canary ") {
			if verdict.Fault == "" {
				t.Errorf("the judge let the %s pass", verdict.ID)
			}
			continue
		}
		var fault error
		if verdict.Fault != "" {
			fault = fmt.Errorf("not in the SDK's types: %s", verdict.Fault)
		}
		score.add(j.rows[verdict.ID], verdict.ID, fault)
	}
	if judged != len(j.rows) {
		t.Errorf("%d of %d requests were judged", judged, len(j.rows))
	}
}
