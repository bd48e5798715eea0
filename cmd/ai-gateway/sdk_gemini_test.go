package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// geminiUpstreams are what Google's SDKs are run against: their own format, and two others.
var geminiUpstreams = []string{"gemini", "openai", "anthropic"}

const sdkGemini = "chat stream image tool_loop tool_loop_streamed parallel_tools parallel_tools_streamed no_arguments two_steps count_tokens wrong_key unknown_model rate_limited mid_stream_error context_length"

func TestSDKGeminiPython(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "google-genai (Python)", command: pythonClient("gemini_sdk.py"),
		scenarios: sdkGemini + " history async_stream length structured automatic_tools tool_choice models other_model lost_connection", more: []string{"gemini"}})
}

func TestSDKGeminiNode(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "@google/genai (Node)", command: nodeClient("gemini_sdk.mjs"), scenarios: sdkGemini + " chat_object", more: []string{"gemini"}})
}

func TestSDKGeminiGo(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "genai (Go)", command: goClient("gemini"), scenarios: "chat stream tool_loop tool_loop_streamed parallel_tools no_arguments count_tokens wrong_key unknown_model rate_limited mid_stream_error", more: []string{"gemini"}})
}

// TestAgentGeminiCLI runs Google's agent without a terminal: it runs a command, and
// writes a file, in two rounds of tool calls.
func TestAgentGeminiCLI(t *testing.T) {
	t.Parallel()
	modules := tool(t, "AI_GATEWAY_TEST_NODE", "a folder whose node_modules has the packages of .ci/package.json")
	bin := filepath.Join(modules, "node_modules", ".bin", "gemini")
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("the Gemini CLI is not among the packages of .ci/package.json: %v", err)
	}
	for _, format := range geminiUpstreams {
		t.Run("upstream "+format, func(t *testing.T) { runGeminiCLI(t, bin, format) })
	}
}

func runGeminiCLI(t *testing.T, bin, format string) {
	up := startVendor(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, sdkConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	home, dir := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".gemini"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".gemini", "settings.json"), []byte(`{"security":{"auth":{"selectedType":"gemini-api-key"}},"telemetry":{"enabled":false},"general":{"disableAutoUpdate":true}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, "made.txt")
	rounds, err := json.Marshal([][]members{
		{{"name": "run_shell_command", "args": members{"command": "printf 'shell says %s' Zürich", "description": "Prints"}}},
		{{"name": "write_file", "args": members{"file_path": made, "content": "Grüezi \"ZH\"\n"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-m", strings.TrimPrefix(modelsOf(format)[0], "MODEL="), "--yolo", "--skip-trust", "-p", "#rounds "+base64.URLEncoding.EncodeToString(rounds)+".")
	cmd.Dir = dir
	cmd.Env = []string{ // a home of its own, and no way out but to the gateway
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "HTTPS_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1,localhost",
		"GEMINI_API_KEY=" + g.newKey(`{"name":"agent"}`), "GOOGLE_GEMINI_BASE_URL=" + g.url,
	}
	out, errs, err := finish(cmd, 90*time.Second)
	written, _ := os.ReadFile(made)
	if err != nil || string(written) != "Grüezi \"ZH\"\n" || !strings.Contains(out, "shell says Zürich") {
		t.Errorf("Gemini CLI: %v, it wrote %q\n%.4000s\n%.3000s", err, written, out, errs)
	}
	for _, r := range up.refusals() {
		t.Errorf("the upstream refused: %.3000s", r)
	}
	path := map[string]string{"gemini": "gemini", "openai": "chat/completions", "anthropic": "messages"}[format]
	if n := up.count(path); n < 3 {
		t.Errorf("the upstream answered %d times on %s", n, path)
	}
	checkRows(t, g)
}
