package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The models of an SDK test: each is one account, so that the trouble of one does
// not close another. The same client script runs with those of its own format and
// with those of the other.
const sdkConfig = `
accounts:
  - {provider: openai, account_name: openai, api_key: sk-vendor-openai-secret, base_url: "%[1]s/ok/v1", models: [gpt-4.1, gpt-5]}
  - {provider: custom, account_name: chat-alone, api_key: sk-vendor-openai-secret, base_url: "%[1]s/ok/v1", models: [chat-alone]}
  - {provider: custom, account_name: chat-limited, api_key: sk-vendor-openai-secret, base_url: "%[1]s/limited/v1", models: [chat-limited]}
  - {provider: custom, account_name: chat-broken, api_key: sk-vendor-openai-secret, base_url: "%[1]s/broken/v1", models: [chat-broken]}
  - {provider: custom, account_name: chat-cut, api_key: sk-vendor-openai-secret, base_url: "%[1]s/cut/v1", models: [chat-cut]}
  - {provider: openai, account_name: openai-limited, api_key: sk-vendor-openai-secret, base_url: "%[1]s/limited/v1", models: [gpt-limited]}
  - {provider: openai, account_name: openai-broken, api_key: sk-vendor-openai-secret, base_url: "%[1]s/broken/v1", models: [gpt-broken]}
  - {provider: openai, account_name: openai-cut, api_key: sk-vendor-openai-secret, base_url: "%[1]s/cut/v1", models: [gpt-cut]}
  - {provider: openai, account_name: openai-flaky, api_key: sk-vendor-openai-secret, base_url: "%[1]s/flaky/v1", models: [gpt-flaky]}
  - {provider: anthropic, account_name: anthropic-flaky, api_key: sk-vendor-anthropic-secret, base_url: "%[1]s/flaky", models: [claude-flaky]}
  - {provider: deepseek, account_name: deepseek, api_key: sk-vendor-openai-secret, base_url: "%[1]s/deepseek/v1", models: [deepseek-reasoner]}
  - {provider: anthropic, account_name: anthropic, api_key: sk-vendor-anthropic-secret, base_url: "%[1]s/ok", models: [claude-opus-4-8, claude-sonnet-4-5]}
  - {provider: anthropic, account_name: anthropic-limited, api_key: sk-vendor-anthropic-secret, base_url: "%[1]s/limited", models: [claude-limited]}
  - {provider: anthropic, account_name: anthropic-broken, api_key: sk-vendor-anthropic-secret, base_url: "%[1]s/broken", models: [claude-broken]}
  - {provider: anthropic, account_name: anthropic-cut, api_key: sk-vendor-anthropic-secret, base_url: "%[1]s/cut", models: [claude-cut]}
  - {provider: bedrock, account_name: bedrock, api_key: "AKIASCRIPTEDBEDROCK1:scripted/Bedrock+secret", base_url: "%[1]s/ok", options: {region: eu-west-1}, models: {bedrock-opus: us.anthropic.claude-opus-4-8-v1:0, bedrock-sonnet: "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"}}
  - {provider: bedrock, account_name: bedrock-limited, api_key: "AKIASCRIPTEDBEDROCK1:scripted/Bedrock+secret", base_url: "%[1]s/limited", models: [bedrock-limited]}
  - {provider: bedrock, account_name: bedrock-broken, api_key: "AKIASCRIPTEDBEDROCK1:scripted/Bedrock+secret", base_url: "%[1]s/broken", models: [bedrock-broken]}
  - {provider: bedrock, account_name: bedrock-cut, api_key: "AKIASCRIPTEDBEDROCK1:scripted/Bedrock+secret", base_url: "%[1]s/cut", models: [bedrock-cut]}
  - {provider: bedrock, account_name: bedrock-flaky, api_key: "AKIASCRIPTEDBEDROCK1:scripted/Bedrock+secret", base_url: "%[1]s/flaky", models: [bedrock-flaky]}
  - {provider: azure, account_name: azure, api_key: azure-secret, base_url: "%[1]s/ok", options: {api_version: 2024-12-01-preview}, models: {az-chat: gpt-4.1}}
  - {provider: azure, account_name: azure-limited, api_key: azure-secret, base_url: "%[1]s/limited", options: {api_version: 2024-12-01-preview}, models: {az-limited: gpt-limited}}
  - {provider: azure, account_name: azure-broken, api_key: azure-secret, base_url: "%[1]s/broken", options: {api_version: 2024-12-01-preview}, models: {az-broken: gpt-broken}}
  - {provider: azure, account_name: azure-cut, api_key: azure-secret, base_url: "%[1]s/cut", options: {api_version: 2024-12-01-preview}, models: {az-cut: gpt-cut}}
  - {provider: azure, account_name: azure-flaky, api_key: azure-secret, base_url: "%[1]s/flaky", options: {api_version: 2024-12-01-preview}, models: {az-flaky: gpt-flaky}}
  - {provider: gemini, account_name: gemini, api_key: AIza-vendor-gemini-secret, base_url: "%[1]s/ok", models: [gemini-3-flash-preview]}
  - {provider: gemini, account_name: gemini-limited, api_key: AIza-vendor-gemini-secret, base_url: "%[1]s/limited", models: [gemini-limited]}
  - {provider: gemini, account_name: gemini-broken, api_key: AIza-vendor-gemini-secret, base_url: "%[1]s/broken", models: [gemini-broken]}
  - {provider: gemini, account_name: gemini-cut, api_key: AIza-vendor-gemini-secret, base_url: "%[1]s/cut", models: [gemini-cut]}
  - {provider: gemini, account_name: gemini-flaky, api_key: AIza-vendor-gemini-secret, base_url: "%[1]s/flaky", models: [gemini-flaky]}
`

// modelsOf returns the models of a format: its usual one, one that thinks, and those
// in trouble; and by whose rules the upstream goes.
func modelsOf(format string) []string {
	switch format {
	case "bedrock":
		return []string{"MODEL=bedrock-opus", "THINKER=bedrock-sonnet", "LIMITED=bedrock-limited", "BROKEN=bedrock-broken", "CUT=bedrock-cut", "FLAKY=bedrock-flaky", "OTHER=gpt-4.1", "FORMAT=bedrock"}
	case "gemini":
		return []string{"MODEL=gemini-3-flash-preview", "THINKER=gemini-3-flash-preview", "LIMITED=gemini-limited", "BROKEN=gemini-broken", "CUT=gemini-cut", "FLAKY=gemini-flaky", "OTHER=gpt-4.1", "FORMAT=gemini"}
	case "azure": // OpenAI's format in all but the address
		return []string{"MODEL=az-chat", "THINKER=deepseek-reasoner", "LIMITED=az-limited", "BROKEN=az-broken", "CUT=az-cut", "FLAKY=az-flaky", "OTHER=claude-sonnet-4-5", "FORMAT=openai"}
	}
	switch format {
	case "anthropic":
		return []string{"MODEL=claude-opus-4-8", "THINKER=claude-sonnet-4-5", "LIMITED=claude-limited", "BROKEN=claude-broken", "CUT=claude-cut", "FLAKY=claude-flaky", "OTHER=gpt-4.1", "FORMAT=anthropic"}
	case "chat": // a vendor that serves chat completions alone
		return []string{"MODEL=chat-alone", "THINKER=chat-alone", "LIMITED=chat-limited", "BROKEN=chat-broken", "CUT=chat-cut", "FLAKY=gpt-flaky", "OTHER=claude-sonnet-4-5", "FORMAT=chat"}
	case "responses": // and one whose thinking model is asked in Responses
		return []string{"MODEL=gpt-4.1", "THINKER=gpt-5", "LIMITED=gpt-limited", "BROKEN=gpt-broken", "CUT=gpt-cut", "FLAKY=gpt-flaky", "OTHER=claude-sonnet-4-5", "FORMAT=responses"}
	}
	return []string{"MODEL=gpt-4.1", "THINKER=deepseek-reasoner", "LIMITED=gpt-limited", "BROKEN=gpt-broken", "CUT=gpt-cut", "FLAKY=gpt-flaky", "OTHER=claude-sonnet-4-5", "FORMAT=openai"}
}

// An sdkRun is a client program and the scenarios it must report as passed.
type sdkRun struct {
	name      string
	command   func(t *testing.T) *exec.Cmd
	scenarios string   // separated by spaces
	more      []string // upstream formats besides OpenAI's and Anthropic's
	formats   []string // of the upstream; nil: openai, anthropic
}

// runSDK runs a client program once for each upstream format.
func runSDK(t *testing.T, run sdkRun) {
	formats := run.formats
	if formats == nil {
		formats = append([]string{"openai", "anthropic"}, run.more...)
	}
	for _, format := range formats {
		t.Run("upstream "+format, func(t *testing.T) {
			cmd := run.command(t)
			up := startVendor(t)
			config := filepath.Join(t.TempDir(), "gateway.yaml")
			if err := os.WriteFile(config, fmt.Appendf(nil, sdkConfig, up.url), 0o600); err != nil {
				t.Fatal(err)
			}
			g := serve(t, "", nil, "--config", config)
			env := append(modelsOf(format), "GATEWAY="+g.url, "KEY="+g.newKey(`{"name":"sdk"}`))
			if cmd.Env == nil {
				cmd.Env = os.Environ()
			}
			cmd.Env = append(cmd.Env, env...)
			out, errs, err := finish(cmd, 90*time.Second)
			passed := reportTable(t, run, format, out)
			if err != nil || !passed {
				t.Errorf("%s: %v\n%s", run.name, err, errs)
				for _, r := range up.refusals() {
					t.Errorf("the upstream refused: %s", r)
				}
				t.Logf("the gateway's log:\n%.4000s", g.log)
			}
			checkRows(t, g)
		})
	}
}

// finish runs a command within a time.
func finish(cmd *exec.Cmd, limit time.Duration) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err = cmd.Wait()
	return out.String(), errs.String(), err
}

// reportTable prints what a client program reports, one JSON line a scenario, and
// compares the names with those that were to run.
func reportTable(t *testing.T, run sdkRun, format, out string) bool {
	t.Helper()
	ok := true
	var seen []string
	var table strings.Builder
	for line := range strings.Lines(out) {
		var r struct {
			Scenario string
			Error    *string
			Seconds  float64
		}
		if json.Unmarshal([]byte(line), &r) != nil || r.Scenario == "" {
			fmt.Fprintf(&table, "  (%s)\n", strings.TrimSpace(line))
			continue
		}
		seen = append(seen, r.Scenario)
		verdict := "passed"
		if r.Seconds > 1 {
			verdict = fmt.Sprintf("passed in %.1f s", r.Seconds)
		}
		if r.Error != nil {
			ok = false
			verdict = "FAILED: " + strings.ReplaceAll(*r.Error, "\n", "\n      ")
		}
		fmt.Fprintf(&table, "  %-28s %s\n", r.Scenario, verdict)
	}
	t.Logf("%s with an upstream of %s's format:\n%s", run.name, format, table.String())
	want := strings.Fields(run.scenarios)
	slices.Sort(want)
	slices.Sort(seen)
	if !slices.Equal(want, seen) {
		t.Errorf("scenarios\ngot  %v\nwant %v", seen, want)
		ok = false
	}
	return ok
}

// checkRows: what was answered whole is accounted as the upstream reported it.
func checkRows(t *testing.T, g *gateway) {
	t.Helper()
	status, body, _ := g.call("GET", "/v1/admin/usage/logs?limit=200", g.admin, "")
	var rows struct {
		Data []struct {
			RequestID   string `json:"request_id"`
			Status      int
			EndReason   string `json:"end_reason"`
			UsageSource string `json:"usage_source"`
			Operation   string
			Prompt      int `json:"prompt_tokens"`
			Completion  int `json:"completion_tokens"`
			CacheRead   int `json:"cache_read_tokens"`
		}
	}
	if status != 200 || json.Unmarshal([]byte(body), &rows) != nil {
		t.Fatalf("rows: %d %.300s", status, body)
	}
	whole := 0
	for _, r := range rows.Data {
		if r.UsageSource != "provider" || r.Operation == "count_tokens" || r.Operation == "embeddings" {
			continue
		}
		whole++
		if r.Prompt != usedInput || r.Completion != usedOutput || r.CacheRead != usedCached {
			t.Errorf("row %+v, want %d, %d and %d tokens", r, usedInput, usedOutput, usedCached)
		}
	}
	if whole == 0 {
		t.Errorf("no row has the upstream's usage: %.600s", body)
	}
}

// pythonClient runs a script of testdata/sdk.
func pythonClient(script string) func(*testing.T) *exec.Cmd {
	return func(t *testing.T) *exec.Cmd {
		python := tool(t, "AI_GATEWAY_TEST_PYTHON", "a Python that has openai, anthropic and mypy")
		return exec.Command(python, "-u", filepath.Join("testdata", "sdk", script))
	}
}

// nodeClient runs a module of testdata/sdk beside the installed packages.
func nodeClient(script string) func(*testing.T) *exec.Cmd {
	return func(t *testing.T) *exec.Cmd {
		dir := besideModules(t)
		cmd := exec.Command("node", script)
		cmd.Dir = dir
		return cmd
	}
}

// besideModules copies the Node scripts to where they find their packages.
func besideModules(t *testing.T) string {
	t.Helper()
	modules := tool(t, "AI_GATEWAY_TEST_NODE", "a folder whose node_modules has the packages of .ci/package.json")
	dir, err := os.MkdirTemp(modules, "sdk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	files, _ := filepath.Glob(filepath.Join("testdata", "sdk", "*.mjs"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// goClient builds a program of the module in testdata/sdk/go, which has the SDKs
// as its own requirements.
func goClient(program string) func(*testing.T) *exec.Cmd {
	return func(t *testing.T) *exec.Cmd {
		bin := filepath.Join(t.TempDir(), program)
		if runtime.GOOS == "windows" {
			bin += ".exe"
		}
		build := exec.Command("go", "build", "-o", bin, "./"+program)
		build.Dir = filepath.Join("testdata", "sdk", "go")
		build.Env = append(os.Environ(), "GOFLAGS=-mod=readonly")
		if out, err := build.CombinedOutput(); err != nil {
			if os.Getenv("CI") == "true" || !strings.Contains(string(out), "dial tcp") && !strings.Contains(string(out), "module lookup disabled") {
				t.Fatalf("cannot build the Go client: %v\n%s", err, out)
			}
			t.Skipf("SKIPPED: the Go SDKs cannot be fetched: %s", out)
		}
		return exec.Command(bin)
	}
}

const (
	sdkErrors = " wrong_key unknown_model rate_limited mid_stream_error lost_connection context_length"
	sdkTools  = " tool_loop tool_loop_streamed parallel_tools parallel_tools_streamed no_arguments two_steps tool_choice"
	sdkChat   = "chat history stream stop length image structured models" + sdkTools + sdkErrors
)

func TestSDKOpenAIPython(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "openai (Python)", command: pythonClient("openai_sdk.py"), scenarios: sdkChat + " async_stream parse_tools thinking_kept thinking_dropped other_model refused retried", more: []string{"bedrock", "azure"}})
}

func TestSDKAnthropicPython(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "anthropic (Python)", command: pythonClient("anthropic_sdk.py"), scenarios: sdkChat + " async_stream thinking thinking_streamed other_model refused retried count_tokens", more: []string{"bedrock", "azure"}})
}

func TestSDKOpenAINode(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "openai (Node)", command: nodeClient("openai_sdk.mjs"), scenarios: sdkChat + " run_tools thinking_kept thinking_dropped"})
}

func TestSDKAnthropicNode(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "@anthropic-ai/sdk (Node)", command: nodeClient("anthropic_sdk.mjs"), scenarios: sdkChat + " thinking thinking_streamed count_tokens"})
}

func TestSDKOpenAIGo(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "openai-go", command: goClient("openai"), scenarios: sdkChat})
}

func TestSDKAnthropicGo(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "anthropic-sdk-go", command: goClient("anthropic"), scenarios: sdkChat + " thinking thinking_streamed count_tokens"})
}
