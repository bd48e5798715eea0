package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A specJudge is OpenAI's published API description, served by a program that
// answers 400 to a request the description does not allow, naming the member.
type specJudge struct{ url string }

func startSpecJudge(t *testing.T) *specJudge {
	t.Helper()
	spec := filepath.Join(shared(t, "specs"), "openai-openapi.yaml")
	modules := tool(t, "AI_GATEWAY_TEST_NODE", "a folder whose node_modules has the packages of .ci/package.json")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	_ = ln.Close()
	cmd := exec.Command(filepath.Join(modules, "node_modules", ".bin", "steady"), "-q", "--host", "127.0.0.1", "-p", strconv.Itoa(port), spec)
	var log syncBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.WaitDelay = time.Second
	kill := ownGroup(cmd) // the command is a script that starts the program
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kill()
		_ = cmd.Wait()
	})
	j := &specJudge{"http://127.0.0.1:" + strconv.Itoa(port)}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if resp, err := http.Get(j.url + "/models"); err == nil {
			_ = resp.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the judge did not start:\n%s", &log)
		}
	}
	for path, body := range map[string]string{
		"/chat/completions": `{"model":"gpt-4.1","messages":[{"role":"nobody","content":"x"}]}`,
		"/responses":        `{"model":"gpt-4.1","input":"x","max_output_tokens":"many"}`,
	} {
		if j.check(path, []byte(body)) == nil {
			t.Fatalf("the judge lets %s %s pass", path, body)
		}
	}
	return j
}

// withoutItems puts a text in place of the items of a Responses request. What the
// judge says of items depends on what it was asked before, and it refuses those of
// OpenAI's own documentation, so it judges the rest.
func withoutItems(body []byte) []byte {
	var req map[string]json.RawMessage
	if json.Unmarshal(body, &req) != nil || req["input"] == nil {
		return body
	}
	req["input"] = json.RawMessage(`"x"`)
	out, _ := json.Marshal(req)
	return out
}

// check returns what the description says against a request.
func (j *specJudge) check(path string, body []byte) error {
	req, err := http.NewRequest("POST", j.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer x")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if n := resp.Header.Get("X-Steady-Error-Count"); n != "" && n != "0" {
		return fmt.Errorf("%s: %s", resp.Header.Get("X-Steady-Error-1-Path"), resp.Header.Get("X-Steady-Error-1-Message"))
	}
	return nil
}

const specConfig = `
accounts:
  - {provider: openai, account_name: chat, api_key: sk-judged-secret, base_url: "%[1]s/chat/v1", models: {to-chat: gpt-4o-search-preview}}
  - {provider: openai, account_name: responses, api_key: sk-judged-secret, base_url: "%[1]s/responses/v1", models: {to-responses: o3-pro}}
`

// TestSpecAcceptsTranslated: every recorded request, translated for upstreams of
// OpenAI's two formats, is one that OpenAI's own description allows.
func TestSpecAcceptsTranslated(t *testing.T) {
	judge := startSpecJudge(t)
	up := startMatrixUpstream(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, specConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	key := g.newKey(`{"name":"judged"}`)
	recs := recordings(t, "openai_chat", "anthropic_messages", "openai_responses")
	accepted, refused, failed := map[string]int{}, map[string]int{}, map[string]int{}
	for _, r := range recs {
		var ask map[string]json.RawMessage
		if r.Request.Method != "POST" || json.Unmarshal(r.Request.Body, &ask) != nil || r.Response.Status == 400 {
			continue // what its own vendor refuses proves nothing
		}
		delete(ask, "stream")
		delete(ask, "stream_options")
		delete(ask, "provider")
		delete(ask, "service_tier")         // other vendors have names of their own for it
		delete(ask, "previous_response_id") // of an account that is not here
		for target, own := range map[string]string{"chat": "openai_chat", "responses": "openai_responses"} {
			if r.Endpoint == own {
				continue
			}
			ask["model"] = json.RawMessage(`"to-` + target + `"`)
			body, err := json.Marshal(ask)
			if err != nil {
				t.Fatal(err)
			}
			row := r.Endpoint + " to " + target
			up.mu.Lock()
			up.body = nil
			up.mu.Unlock()
			route := map[string]string{"openai_chat": "/v1/chat/completions", "anthropic_messages": "/v1/messages", "openai_responses": "/v1/responses"}[r.Endpoint]
			status, out, _ := g.call("POST", route, key, string(body))
			up.mu.Lock()
			sent := up.body
			up.mu.Unlock()
			if sent == nil {
				if status == 400 && refusedFor(out) != "" {
					refused[row]++
					continue
				}
				t.Errorf("%s to %s: %d %.300s", r.ID, target, status, out)
				failed[row]++
				continue
			}
			if err := judge.check(map[string]string{"chat": "/chat/completions", "responses": "/responses"}[target], withoutItems(sent)); err != nil {
				t.Errorf("%s to %s: %v in %.600s", r.ID, target, err, sent)
				failed[row]++
				continue
			}
			accepted[row]++
		}
	}
	var rows []string
	all := 0
	for row := range accepted {
		rows = append(rows, row)
		all += accepted[row]
	}
	sort.Strings(rows)
	for _, row := range rows {
		t.Logf("%-36s accepted %4d, refused by name %3d, not accepted %3d", row, accepted[row], refused[row], failed[row])
	}
	if all < 500 {
		t.Errorf("only %d requests were judged: %s", all, strings.Join(rows, ", "))
	}
}
