package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// blocks returns the fenced code blocks of a Markdown text by the heading above them.
func blocks(md string) map[string][]string {
	out := map[string][]string{}
	var heading string
	var block []string
	open := false
	for line := range strings.Lines(md) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			if open {
				out[heading] = append(out[heading], strings.Join(block, "\n"))
			}
			open, block = !open, nil
		case open:
			block = append(block, line)
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	return out
}

// commands splits a shell block at the comment lines between its commands.
func commands(block string) []string {
	var out []string
	for _, part := range regexp.MustCompile(`(?m)^#.*$`).Split(block, -1) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// TestQuickStart runs the owner's quick start, from its source path on, as it is
// written: only the address, the keys' placeholders and what the product's own
// page openly changes are replaced.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	md, err := os.ReadFile(filepath.Join(shared(t, "seed"), "quickstart.zh.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := blocks(string(md))
	up := startUpstream(t)
	g := serve(t, "", []string{"AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up.url + "/v1", "AI_GATEWAY_PROVIDER_ANTHROPIC_BASE_URL=" + up.url})
	host := strings.TrimPrefix(g.url, "http://")
	var key string
	fill := func(cmd, admin string) string {
		cmd = strings.ReplaceAll(cmd, "localhost:8080", host)
		cmd = strings.ReplaceAll(cmd, "<admin-key>", admin)
		cmd = strings.ReplaceAll(cmd, "<your-api-key>", key)
		return strings.Replace(cmd, "curl ", "curl -sS --fail-with-body ", 1)
	}
	must := func(cmd string) string {
		t.Helper()
		out, err := g.run(cmd)
		if err != nil {
			t.Fatalf("%s\n%v\n%s", cmd, err, out)
		}
		return out
	}

	// 4. health
	health := must(fill(commands(page["4. 检查服务状态"][0])[2], ""))
	if !strings.Contains(health, `"status":"ok"`) {
		t.Fatalf("health: %s", health)
	}

	// 5. keys, by command (the binary is ./gateway in the container) and by API
	step5 := commands(page["5. 创建API Key"][0])
	if out := must(strings.Replace(step5[1], "./gateway", "ai-gateway", 1)); !strings.Contains(out, "sk-gw-") {
		t.Fatalf("api-key create: %s", out)
	}
	var made struct {
		Key    string
		Scopes []string
	}
	if out := must(fill(step5[2], g.admin)); json.Unmarshal([]byte(out), &made) != nil || made.Key == "" || len(made.Scopes) != 2 {
		t.Fatalf("create by API: %s", out)
	}
	key = made.Key

	// 6. accounts: a plain key is refused, with the way out; the admin key is taken
	for _, cmd := range commands(page["6. 配置Provider账户"][0]) {
		out, err := g.run(strings.Replace(fill(cmd, ""), "--fail-with-body", "-o - -w '%{http_code}'", 1))
		if err != nil || !strings.Contains(out, "missing_scope") || !strings.HasSuffix(out, "403") {
			t.Fatalf("a plain key added an account: %v %s", err, out)
		}
		plain := key
		key = g.admin
		if out := must(fill(cmd, "")); strings.Contains(out, "sk-...") || !strings.Contains(out, "api_key_hint") {
			t.Fatalf("add account: %s", out)
		}
		key = plain
	}

	// 7. chat in OpenAI's format, to both
	step7 := commands(page["7. 测试聊天API"][0])
	if out := must(fill(step7[0], "")); !strings.Contains(out, "Hello there.") {
		t.Fatalf("chat to openai: %s", out)
	}
	if strings.Contains(up.last().body, `"provider"`) || up.last().header.Get("Authorization") != "Bearer sk-..." {
		t.Fatalf("the upstream got %+v", up.last())
	}
	if out := must(fill(step7[1], "")); !strings.Contains(out, "Hello from Claude.") || !strings.Contains(out, `"chat.completion"`) {
		t.Fatalf("chat to claude: %s", out)
	}
	if up.last().path != "/v1/messages" || up.last().header.Get("X-Api-Key") != "sk-ant-..." {
		t.Fatalf("the upstream got %+v", up.last())
	}

	// 8. usage: the start date lies in the past, the rows are there at once
	usage := must(fill(strings.Replace(page["8. 查看使用统计"][0], "http://localhost:8080/v1/admin/usage?start_date=2025-11-01", `"http://localhost:8080/v1/admin/usage?start_date=2025-11-01"`, 1), ""))
	var sums struct {
		Total struct {
			Requests int64
			Prompt   int64       `json:"prompt_tokens"`
			Cost     json.Number `json:"cost_usd"`
		}
	}
	if err := json.Unmarshal([]byte(usage), &sums); err != nil || sums.Total.Requests != 2 || sums.Total.Prompt != 20 || sums.Total.Cost == "0" {
		t.Fatalf("usage: %v %s", err, usage)
	}

	// the question about quotas: the quota policy API makes one, and it holds
	if answer := "使用配额策略API创建和管理配额限制"; !strings.Contains(string(md), answer) {
		t.Errorf("the page says nothing of quotas any more: %s", answer)
	}
	id := key[len("sk-gw-") : len("sk-gw-")+8]
	policy := must(`curl -sS --fail-with-body -X POST http://` + host + `/v1/admin/quota-policies \
  -H "Authorization: Bearer ` + g.admin + `" \
  -H "Content-Type: application/json" \
  -d '{
    "name": "My First Quota",
    "scope": {"api_key": "` + id + `"},
    "limits": [{"kind": "cost_usd", "limit": 10, "window": "month"}, {"kind": "requests", "limit": 60, "window": "minute"}]
  }'`)
	if !strings.Contains(policy, `"limit":10`) || !strings.Contains(policy, `"remaining":9.99`) {
		t.Errorf("quota policy: %s", policy)
	}

	// the CLI section
	for _, cmd := range commands(page["配置CLI"][0]) {
		for line := range strings.Lines(cmd) {
			must(fill(line, ""))
		}
	}
	want := map[string]string{
		"chat \"Hello": "Hello there.", "chat \"Tell": "Hello there.", "usage": "gpt-4", "providers list": "OpenAI Production", "providers add": "openai", "models list": "gpt-4",
	}
	seen := 0
	for _, block := range commands(page["使用CLI"][0]) {
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			for part, expect := range want {
				if strings.HasPrefix(line, "ai-gateway "+part) {
					seen++
					cmd := line
					if strings.HasPrefix(part, "providers") { // the owner's rights are the admin key's
						cmd = "AI_GATEWAY_API_KEY=" + g.admin + " " + cmd
					}
					if strings.Contains(line, "--stream") { // no model named: the first account's chat model
						cmd += " --model gpt-4"
					}
					if part == "usage" {
						cmd += " --by model"
					}
					if out := must(cmd); !strings.Contains(out, expect) {
						t.Errorf("%s\nsays not %q: %s", line, expect, out)
					}
				}
			}
		}
	}
	if seen != 6 {
		t.Errorf("%d of the 6 CLI lines were found on the page", seen)
	}
	if out := must(fill(page["cURL"][0], "")); !strings.Contains(out, "Hello there.") {
		t.Errorf("curl: %s", out)
	}
	t.Run("python", func(t *testing.T) { pythonSnippet(t, g, page["Python (使用OpenAI SDK)"][0], key) })
	t.Run("typescript", func(t *testing.T) { typescriptSnippet(t, g, page["JavaScript/TypeScript (使用OpenAI SDK)"][0], key) })
}

func pythonSnippet(t *testing.T, g *gateway, code, key string) {
	python := tool(t, "AI_GATEWAY_TEST_PYTHON", "a Python that has openai, anthropic and mypy")
	code = strings.NewReplacer("http://localhost:8080", g.url, "your-gateway-api-key", key).Replace(code)
	code += "\nprint(response.choices[0].message.content, response.usage)\n"
	file := filepath.Join(t.TempDir(), "snippet.py")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(python, "-m", "mypy", "--strict", "--cache-dir", os.DevNull, file).CombinedOutput(); err != nil {
		t.Errorf("mypy: %v\n%s", err, out)
	}
	if out, err := exec.Command(python, file).CombinedOutput(); err != nil || !strings.Contains(string(out), "Hello from Claude.") {
		t.Errorf("python: %v\n%s", err, out)
	}
}

func typescriptSnippet(t *testing.T, g *gateway, code, key string) {
	modules := tool(t, "AI_GATEWAY_TEST_NODE", "a folder whose node_modules has openai and typescript")
	code = strings.NewReplacer("http://localhost:8080", g.url, "your-gateway-api-key", key).Replace(code)
	// The SDK's types know no member `provider`: the page shows the cast.
	code = strings.Replace(code, "provider: 'openai', // 自定义参数", "...({ provider: 'openai' } as object),", 1)
	// The page shows two calls of the same name, one after the other.
	first, second, _ := strings.Cut(code, "// 使用Claude")
	code = first + "console.log(response.choices[0].message.content);\n{\n" + second + "\nconsole.log(response.choices[0].message.content);\n}\nexport {};\n"
	dir, err := os.MkdirTemp(modules, "snippet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, text := range map[string]string{"snippet.mts": code, "tsconfig.json": `{"compilerOptions":{"strict":true,"module":"nodenext","target":"es2022","types":["node"]},"files":["snippet.mts"]}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tsc := exec.Command(filepath.Join(modules, "node_modules", ".bin", "tsc"), "-p", ".")
	tsc.Dir = dir
	if out, err := tsc.CombinedOutput(); err != nil {
		t.Fatalf("tsc: %v\n%s", err, out)
	}
	run := exec.Command("node", "snippet.mjs")
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil || !strings.Contains(string(out), "Hello there.\nHello from Claude.") {
		t.Errorf("node: %v\n%s", err, out)
	}
}

// TestOnlyKeyAndURLDiffer runs an OpenAI script against a gateway that was given
// nothing but OPENAI_API_KEY.
func TestOnlyKeyAndURLDiffer(t *testing.T) {
	python := tool(t, "AI_GATEWAY_TEST_PYTHON", "a Python that has openai, anthropic and mypy")
	up := startUpstream(t)
	g := serve(t, "", []string{"OPENAI_API_KEY=sk-upstream-secret", "AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + up.url + "/v1"})
	script := `
from openai import OpenAI
client = OpenAI()
r = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
print(r.choices[0].message.content, r.usage.prompt_tokens)
for chunk in client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True):
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="")
print()
print(len(client.embeddings.create(model="text-embedding-3-small", input="x").data[0].embedding))
print(any(m.id == "gpt-4" for m in client.models.list()))
`
	cmd := exec.Command(python, "-c", script)
	cmd.Env = append(os.Environ(), "OPENAI_BASE_URL="+g.url+"/v1", "OPENAI_API_KEY="+g.newKey(`{"name":"script"}`))
	out, err := cmd.CombinedOutput()
	if want := "Hello there. 11\nHello there.\n2\nTrue\n"; err != nil || string(out) != want {
		t.Fatalf("%v\ngot  %s\nwant %s\n%s", err, out, want, g.log)
	}
	if a := up.last().header.Get("Authorization"); a != "Bearer sk-upstream-secret" {
		t.Errorf("the upstream was given %q", a)
	}
	if strings.Contains(g.log.String(), "sk-upstream-secret") {
		t.Error("the log holds the secret")
	}
}

// TestFirstMinute follows the README: from the first command to a streamed answer, offline.
func TestFirstMinute(t *testing.T) {
	start := time.Now()
	g := serve(t, "", nil)
	status, body, _ := g.call("POST", "/v1/chat/completions", g.admin, `{"model":"demo","stream":true,"messages":[{"role":"user","content":"Hello"}]}`)
	if status != 200 || !strings.HasSuffix(body, "data: [DONE]\n\n") || strings.Count(body, "data: ") < 5 {
		t.Fatalf("%d %s", status, body)
	}
	out, err := g.run(`ai-gateway chat "Hello, how are you?"`)
	if err != nil || len(out) < 20 {
		t.Fatalf("%v %s", err, out)
	}
	t.Logf("from start to both answers: %v", time.Since(start).Round(time.Millisecond))
}
