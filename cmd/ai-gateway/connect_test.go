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

// A connectedAgent is a real program that `connect` and `launch` set up.
type connectedAgent struct {
	tool, program string
	model, path   string // asked, and of the upstream
	file          string // of its settings, below the home folder
	settings      string // before, with what must survive
	args          func(prompt string) []string
	call          func(made string) members // the tool call with which it writes a file
	env           []string
}

var connectedAgents = []connectedAgent{
	{
		tool: "codex", program: "codex", model: "gpt-5", path: "responses", file: ".codex/config.toml",
		settings: "# mine\nmodel = \"of-before\" # usual\napproval_policy = \"never\"\nsandbox_mode = \"danger-full-access\"\ncheck_for_update_on_startup = false\n\n[analytics]\nenabled = false\n",
		args:     func(prompt string) []string { return []string{"exec", "--skip-git-repo-check", prompt} },
		call: func(made string) members {
			return members{"name": "exec_command", "args": members{"cmd": "printf Zürich > " + made}}
		},
	},
	{
		tool: "gemini-cli", program: "gemini", model: "gemini-3-flash-preview", path: "gemini", file: ".gemini/settings.json",
		settings: "{\n  // mine\n  \"telemetry\": {\"enabled\": false},\n  \"general\": {\"disableAutoUpdate\": true},\n  \"security\": {\"auth\": {\"selectedType\": \"oauth-personal\"}}\n}\n",
		args:     func(prompt string) []string { return []string{"--yolo", "--skip-trust", "-p", prompt} },
		call: func(made string) members {
			return members{"name": "write_file", "args": members{"file_path": made, "content": "Zürich"}}
		},
	},
	{
		tool: "opencode", program: "opencode", model: "gpt-4.1", path: "chat/completions", file: ".config/opencode/opencode.json",
		settings: "{\n  \"$schema\": \"https://opencode.ai/config.json\",\n  \"permission\": \"allow\", // all\n  \"autoupdate\": false,\n  \"share\": \"disabled\",\n}\n",
		args:     func(prompt string) []string { return []string{"run", prompt} },
		call: func(made string) members {
			return members{"name": "write", "args": members{"filePath": made, "content": "Zürich"}}
		},
		env: []string{"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_LSP_DOWNLOAD=1", "OPENCODE_DISABLE_DEFAULT_PLUGINS=1"},
	},
}

// agentPath returns a PATH on which the programs of .ci/package.json and ai-gateway are found.
func agentPath(t *testing.T, program string) string {
	modules := tool(t, "AI_GATEWAY_TEST_NODE", "a folder whose node_modules has the packages of .ci/package.json")
	bins := filepath.Join(modules, "node_modules", ".bin")
	if program == "opencode" { // the one that runs here; the wrapper may choose another
		bins = filepath.Dir(opencode(t))
	}
	if _, err := os.Stat(filepath.Join(bins, program)); err != nil {
		t.Fatalf("%s is not among the packages of .ci/package.json: %v", program, err)
	}
	return binary(t) + ":" + bins + ":" + os.Getenv("PATH")
}

// TestConnectAgents connects real programs with one command, lets each do its work
// over the gateway, and takes the settings back; then each is launched without any.
func TestConnectAgents(t *testing.T) {
	t.Parallel()
	for _, agent := range connectedAgents {
		t.Run(agent.tool, func(t *testing.T) { agent.run(t) })
	}
}

func (agent connectedAgent) run(t *testing.T) {
	path := agentPath(t, agent.program)
	up := startVendor(t)
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, sdkConfig, up.url), 0o600); err != nil {
		t.Fatal(err)
	}
	g := serve(t, "", nil, "--config", config)
	home := t.TempDir()
	file := filepath.Join(home, agent.file)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(agent.settings), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append([]string{ // a home of its own, and no way out but to the gateway
		"PATH=" + path, "HOME=" + home, "LANG=C.UTF-8", "AI_GATEWAY_DATA_DIR=" + g.dir,
		"HTTPS_PROXY=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:9", "NO_PROXY=127.0.0.1,localhost",
	}, agent.env...)
	dir := t.TempDir()
	command := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir, cmd.Env = dir, env
		out, errs, err := finish(cmd, 90*time.Second)
		if err != nil {
			t.Fatalf("%s %.200q: %v\n%.4000s\n%.4000s\nthe gateway's log:\n%.3000s", program, args, err, out, errs, g.log)
		}
		return out + errs
	}
	gateway := filepath.Join(binary(t), "ai-gateway")
	works := func(program string, before ...string) {
		t.Helper()
		made := filepath.Join(dir, "made.txt")
		_ = os.Remove(made)
		rounds, err := json.Marshal([][]members{{agent.call(made)}})
		if err != nil {
			t.Fatal(err)
		}
		asked := up.count(agent.path)
		out := command(program, append(before, agent.args("#rounds "+base64.URLEncoding.EncodeToString(rounds)+".")...)...)
		if written, _ := os.ReadFile(made); string(written) != "Zürich" {
			t.Errorf("%s wrote %q\n%.4000s", program, written, out)
		}
		if n := up.count(agent.path) - asked; n < 2 {
			t.Errorf("the upstream answered %d times on %s", n, agent.path)
		}
	}
	program, err := exec.LookPath(filepath.Join(strings.Split(path, ":")[1], agent.program))
	if err != nil {
		t.Fatal(err)
	}

	said := command(gateway, "connect", agent.tool, "--model", agent.model, "--write")
	if strings.Contains(said, "sk-gw-") {
		t.Errorf("the key is shown: %s", said)
	}
	works(program)
	if again := command(gateway, "connect", agent.tool, "--model", agent.model, "--write"); !strings.Contains(again, "is as it should be") || strings.Contains(again, "changed") {
		t.Errorf("the second time it said %s", again)
	}
	command(gateway, "connect", agent.tool, "--undo")
	if back, err := os.ReadFile(file); err != nil || string(back) != agent.settings {
		t.Errorf("undone, the settings are %q, %v", back, err)
	}

	works(gateway, "launch", agent.tool, "--model", agent.model, "--")
	if left, err := os.ReadFile(file); err != nil || string(left) != agent.settings {
		t.Errorf("launched, the settings are %q, %v", left, err)
	}
	_, keys, _ := g.call("GET", "/v1/admin/api-keys?q="+agent.tool, g.admin, "")
	if strings.Count(keys, `"status":"revoked"`) != 1 || strings.Count(keys, `"name":"`+agent.tool) != 2 {
		t.Errorf("the key of the launch must have ended with it, the other not: %s", keys)
	}
	for _, r := range up.refusals() {
		t.Errorf("the upstream refused: %.3000s", r)
	}
	checkRows(t, g)
}
