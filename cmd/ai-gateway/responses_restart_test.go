package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestResponsesStateSurvives: answers are gone on from after a restart, after a crash
// and after the master key was changed; those that were sealed with another master
// key, or whose file is damaged, are unknown, and the gateway starts and remembers anew.
func TestResponsesStateSurvives(t *testing.T) {
	up := startVendor(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, sdkConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "vault.db")
	g := serve(t, dir, nil, "--config", config)
	key := g.newKey(`{"name":"one"}`)
	models := []string{"gpt-4.1", "claude-opus-4-8"} // kept by the vendor; kept here
	ids := map[string]string{}
	ask := func(model, previous string, want int) string {
		t.Helper()
		body := fmt.Sprintf(`{"model":%q,"input":"one"}`, model)
		if previous != "" {
			body = fmt.Sprintf(`{"model":%q,"input":"two","previous_response_id":%q}`, model, previous)
		}
		status, answer, _ := g.call("POST", "/v1/responses", key, body)
		if status != want || status == 400 && str(json.RawMessage(answer), "error", "code") != "previous_response_not_found" {
			t.Fatalf("%s going on from %q: %d %s, want %d", model, previous, status, answer, want)
		}
		return str(json.RawMessage(answer), "id")
	}
	all := func(want int) {
		t.Helper()
		for _, model := range models {
			ask(model, ids[model], want)
		}
	}
	begin := func() {
		t.Helper()
		for _, model := range models {
			ids[model] = ask(model, "", 200)
		}
		all(200)
	}
	begin()
	g.stop()
	if b, err := os.ReadFile(file); err != nil || bytes.Contains(b, []byte("two")) || bytes.Contains(b, []byte(ids[models[1]])) {
		t.Errorf("%v, or what was said is in the open", err)
	}
	g = serve(t, dir, nil, "--config", config)
	all(200)

	begin()
	asked := time.Now()
	for until := asked.Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if info, err := os.Stat(file); err == nil && info.ModTime().After(asked) {
			break
		} else if time.Now().After(until) {
			t.Fatal("nothing was written")
		}
	}
	time.Sleep(100 * time.Millisecond) // the writing seen may have been the one before
	g.kill()
	g = serve(t, dir, nil, "--config", config)
	all(200)

	g.stop()
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := g.run(`ai-gateway secrets rotate`); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	g = serve(t, dir, nil, "--config", config)
	all(200)
	g.stop()
	if err := os.WriteFile(file, before, 0o600); err != nil { // sealed with the key of then
		t.Fatal(err)
	}
	g = serve(t, dir, nil, "--config", config)
	all(400)
	begin()
	g.stop()
	if err := os.WriteFile(file, bytes.Repeat([]byte("no database "), 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	g = serve(t, dir, nil, "--config", config)
	all(400)
	begin()
	g.stop()
	if !strings.Contains(g.log.String(), "set aside") {
		t.Errorf("nobody was told of the damage:\n%s", g.log)
	}
	g = serve(t, dir, nil, "--config", config)
	all(200)
}

// TestResponsesStateIsHandedOver: a successor on the same socket goes on from what
// its predecessor answered, while that one still serves a stream.
func TestResponsesStateIsHandedOver(t *testing.T) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	dir, log := t.TempDir(), &syncBuffer{}
	running := activated(t, dir, socket, log)
	url := "http://" + ln.Addr().String()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(body string) (string, error) {
		req, _ := http.NewRequest("POST", url+"/v1/responses", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+lifecycleKey)
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		var answer struct{ ID string }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != 200 || answer.ID == "" {
			return "", fmt.Errorf("status %d, %w", resp.StatusCode, err)
		}
		return answer.ID, nil
	}
	first, err := ask(`{"model":"demo-fast","input":"one"}`)
	if err != nil {
		t.Fatal(err)
	}
	load := startChats(url, 2, 1) // so that something is in flight
	next := activated(t, dir, socket, log)
	if err := running.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- running.Wait() }()
	for over := false; !over; {
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the predecessor ended with %v", err)
			}
			over = true
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := ask(fmt.Sprintf(`{"model":"demo-fast","input":"two","previous_response_id":%q}`, first)); err != nil {
			t.Errorf("going on: %v", err)
			break
		}
	}
	load.end(t)
	if err := next.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := next.Wait(); err != nil {
		t.Errorf("the successor ended with %v", err)
	}
	if t.Failed() || strings.Contains(log.String(), "set aside") {
		t.Errorf("log: %s", log)
	}
}

// TestResponsesFailureIsNumbered: the events that tell of a failure go on from
// those before them, relayed and translated, and are of the same answer.
func TestResponsesFailureIsNumbered(t *testing.T) {
	up := startVendor(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, sdkConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	key := g.newKey(`{"name":"one"}`)
	for _, model := range []string{"gpt-cut", "claude-cut", "chat-cut"} {
		_, answer, _ := g.call("POST", "/v1/responses", key, fmt.Sprintf(`{"model":%q,"stream":true,"input":"one"}`, model))
		all := events(answer)
		if len(all) < 5 {
			t.Errorf("%s: %s", model, answer)
			continue
		}
		for i, e := range all {
			if n := string(get(json.RawMessage(e), "sequence_number")); n != fmt.Sprint(i) {
				t.Errorf("%s: event %d has the number %s: %s", model, i, n, e)
			}
		}
		first, last := json.RawMessage(all[0]), json.RawMessage(all[len(all)-1])
		if str(last, "type") != "response.failed" || str(last, "response", "id") == "" || str(first, "response", "id") != str(last, "response", "id") {
			t.Errorf("%s: it begins with %s and ends with %s", model, first, last)
		}
	}
}

// TestItemReferencePins: a reference to an item goes to the account that keeps it,
// and to no other.
func TestItemReferencePins(t *testing.T) {
	vendors := map[string]*vendor{"a": startVendor(t), "b": startVendor(t), "c": startVendor(t)}
	text := "accounts:\n"
	for name, v := range vendors {
		text += fmt.Sprintf("  - {provider: openai, account_name: %s, api_key: sk-vendor-openai-secret, base_url: %q, models: [gpt-4.1]}\n", name, v.url+"/ok/v1")
	}
	text += fmt.Sprintf("  - {provider: anthropic, account_name: d, api_key: sk-vendor-anthropic-secret, base_url: %q, models: [claude-opus-4-8]}\n", vendors["a"].url+"/ok")
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	for _, stream := range []bool{false, true} {
		key := g.newKey(fmt.Sprintf(`{"name":"key-%v"}`, stream))
		refer := func(model string) (int, string, string) {
			status, answer, h := g.call("POST", "/v1/responses", key, fmt.Sprintf(`{"model":%q,"input":[{"role":"user","content":"one"},{"type":"item_reference","id":"msg_1"},{"role":"user","content":"two"}]}`, model))
			return status, answer, h.Get("X-Gateway-Account")
		}
		status, answer, h := g.call("POST", "/v1/responses", key, fmt.Sprintf(`{"model":"gpt-4.1","input":"one","stream":%v}`, stream))
		if status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
		keeper := h.Get("X-Gateway-Account")
		served := map[string]int{}
		for name, v := range vendors {
			served[name] = v.count("responses")
		}
		for range 12 {
			if status, answer, account := refer("gpt-4.1"); status != 200 || account != keeper {
				t.Fatalf("kept by %q, asked %q: %d %s", keeper, account, status, answer)
			}
		}
		moved := 0
		for name, v := range vendors {
			if v.count("responses") != served[name] {
				moved++
			}
		}
		if moved != 1 {
			t.Errorf("%d accounts were asked", moved)
		}
		if status, answer, _ := refer("claude-opus-4-8"); status != 400 || str(json.RawMessage(answer), "error", "code") != "item_not_found" {
			t.Errorf("another vendor's model: %d %s", status, answer)
		}
	}
}
