package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestSDKVercelGoogle runs the AI SDK with google(), which speaks Gemini's format.
func TestSDKVercelGoogle(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{
		name: "ai + @ai-sdk/google",
		command: func(t *testing.T) *exec.Cmd {
			cmd := nodeClient("ai_sdk.mjs")(t)
			cmd.Env = append(os.Environ(), "PROVIDER=google")
			return cmd
		},
		scenarios: "chat stream image length structured tool_loop parallel_tools no_arguments two_steps tool_choice thinking" + sdkErrors,
		formats:   geminiUpstreams,
	})
}

// TestSDKVercel runs the AI SDK with each of its providers that speak the two formats.
func TestSDKVercel(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "openai-compatible", "anthropic"} {
		t.Run(provider, func(t *testing.T) {
			runSDK(t, sdkRun{
				name: "ai + @ai-sdk/" + provider,
				command: func(t *testing.T) *exec.Cmd {
					cmd := nodeClient("ai_sdk.mjs")(t)
					cmd.Env = append(os.Environ(), "PROVIDER="+provider)
					return cmd
				},
				scenarios: "chat stream image length structured tool_loop parallel_tools no_arguments two_steps tool_choice thinking" + sdkErrors,
			})
		})
	}
}

// opencode returns the agent's program, which comes with a package of the platform.
func opencode(t *testing.T) string {
	t.Helper()
	modules := tool(t, "AI_GATEWAY_TEST_NODE", "a folder whose node_modules has the packages of .ci/package.json")
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	var last error
	for _, variant := range []string{"", "-baseline"} { // the latter for processors without AVX2
		bin := filepath.Join(modules, "node_modules", "opencode-"+runtime.GOOS+"-"+arch+variant, "bin", "opencode")
		cmd := exec.Command(bin, "--version")
		cmd.Env = []string{"HOME=" + t.TempDir()}
		if last = cmd.Run(); last == nil {
			return bin
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("opencode does not run here: %v", last)
	}
	t.Skipf("SKIPPED: opencode does not run here: %v", last)
	return ""
}

// TestAgentOpencode runs the agent without a terminal: in two rounds of tool calls
// it reads a file, runs a command, and writes a file.
func TestAgentOpencode(t *testing.T) {
	t.Parallel()
	bin := opencode(t)
	for _, speaks := range []string{"openai-compatible", "anthropic"} {
		for _, format := range []string{"openai", "anthropic"} {
			t.Run(speaks+", upstream "+format, func(t *testing.T) { runOpencode(t, bin, speaks, format) })
		}
	}
}

func runOpencode(t *testing.T, bin, speaks, format string) {
	up := startVendor(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, sdkConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	model := strings.TrimPrefix(modelsOf(format)[0], "MODEL=")
	home, dir := t.TempDir(), t.TempDir()
	settings, err := json.Marshal(members{
		"provider": members{"gateway": members{
			"npm": "@ai-sdk/" + speaks, "name": "gateway",
			"options": members{"baseURL": g.url + "/v1", "apiKey": g.newKey(`{"name":"agent"}`)},
			"models":  members{model: members{"name": model, "limit": members{"context": 128000, "output": 16000}}},
		}},
		"permission": "allow", "autoupdate": false, "share": "disabled",
	})
	if err != nil {
		t.Fatal(err)
	}
	notes, made := filepath.Join(dir, "notes.txt"), filepath.Join(dir, "made.txt")
	rounds, err := json.Marshal([][]members{
		{{"name": "read", "args": members{"filePath": notes}}, {"name": "bash", "args": members{"command": "printf 'bash says %s' Zürich", "description": "Prints"}}},
		{{"name": "write", "args": members{"filePath": made, "content": "Grüezi \"ZH\"\n"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{filepath.Join(dir, "opencode.json"): string(settings), notes: "the word is Matterhorn\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bin, "run", "--model", "gateway/"+model, "--format", "json", "#rounds "+base64.URLEncoding.EncodeToString(rounds)+".")
	cmd.Dir = dir
	cmd.Env = []string{ // a home of its own, and no way out but to the gateway
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CACHE_HOME=" + home, "XDG_STATE_HOME=" + home, "LANG=C.UTF-8",
		"HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1,localhost",
		"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_LSP_DOWNLOAD=1", "OPENCODE_DISABLE_DEFAULT_PLUGINS=1",
	}
	out, errs, err := finish(cmd, 60*time.Second)
	written, _ := os.ReadFile(made)
	ok := err == nil && string(written) == "Grüezi \"ZH\"\n"
	for _, part := range []string{"the word is Matterhorn", "bash says Zürich", `"text":"Working on 2.`, `"text":"Working on 1.`} {
		ok = ok && strings.Contains(out, part)
	}
	if !ok {
		t.Errorf("opencode: %v, it wrote %q\n%.6000s\n%.3000s", err, written, out, errs)
	}
	for _, r := range up.refusals() {
		t.Errorf("the upstream refused: %.3000s", r)
	}
	path := "chat/completions"
	if format == "anthropic" {
		path = "messages"
	}
	if n := up.count(path); n < 3 {
		t.Errorf("the upstream answered %d times on %s", n, path)
	}
	checkRows(t, g)
}
