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

// codexConfig is a Codex CLI whose only provider is the gateway.
const codexConfig = `
model = %q
model_provider = "gateway"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
model_reasoning_summary = "auto"

[model_providers.gateway]
name = "gateway"
base_url = "%s/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
supports_websockets = false

[analytics]
enabled = false
[otel]
exporter = "none"
`

// TestAgentCodex runs the agent without a terminal: in two rounds of tool calls it
// reads a file, runs a command, and writes a file, with an upstream of its own
// format and of the two others.
func TestAgentCodex(t *testing.T) {
	t.Parallel()
	modules := tool(t, "AI_GATEWAY_TEST_NODE", "a folder whose node_modules has the packages of .ci/package.json")
	bin := filepath.Join(modules, "node_modules", ".bin", "codex")
	version := exec.Command(bin, "--version")
	version.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	if err := version.Run(); err != nil {
		t.Skipf("SKIPPED: codex does not run here: %v", err)
	}
	for _, up := range []struct{ model, path string }{{"gpt-5", "responses"}, {"claude-sonnet-4-5", "messages"}, {"chat-alone", "chat/completions"}} {
		t.Run("upstream "+up.path, func(t *testing.T) { runCodex(t, bin, up.model, up.path) })
	}
}

func runCodex(t *testing.T, bin, model, path string) {
	up := startVendor(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, sdkConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	home, dir := t.TempDir(), t.TempDir()
	notes, made := filepath.Join(dir, "notes.txt"), filepath.Join(dir, "made.txt")
	rounds, err := json.Marshal([][]members{
		{{"name": "exec_command", "args": members{"cmd": "cat " + notes}}, {"name": "exec_command", "args": members{"cmd": "printf 'shell says %s' Zürich"}}},
		{{"name": "exec_command", "args": members{"cmd": "printf 'Grüezi \"ZH\"' > " + made}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(home, ".codex"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{filepath.Join(home, ".codex", "config.toml"): fmt.Sprintf(codexConfig, model, g.url), notes: "the word is Matterhorn\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bin, "exec", "--json", "--skip-git-repo-check", "#rounds "+base64.URLEncoding.EncodeToString(rounds)+".")
	cmd.Dir = dir
	cmd.Env = []string{ // a home of its own, and no way out but to the gateway
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "CODEX_HOME=" + filepath.Join(home, ".codex"), "LANG=C.UTF-8", "GATEWAY_KEY=" + g.newKey(`{"name":"agent"}`),
		"HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1,localhost",
	}
	out, errs, err := finish(cmd, 90*time.Second)
	written, _ := os.ReadFile(made)
	ok := err == nil && string(written) == `Grüezi "ZH"`
	for _, part := range []string{"the word is Matterhorn", "shell says Zürich", "Working on 2.", "Working on 1."} {
		ok = ok && strings.Contains(out, part)
	}
	if !ok {
		t.Errorf("codex: %v, it wrote %q\n%.6000s\n%.3000s", err, written, out, errs)
		t.Logf("the gateway's log:\n%.4000s", g.log)
	}
	for _, r := range up.refusals() {
		t.Errorf("the upstream refused: %.3000s", r)
	}
	if n := up.count(path); n < 3 {
		t.Errorf("the upstream answered %d times on %s", n, path)
	}
	checkRows(t, g)
}
