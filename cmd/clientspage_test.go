package cmd

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/cmd/settings"
)

var updateClients = flag.Bool("update", false, "write docs/clients*.md anew")

// TestClientsPages keeps the pages of the clients what `connect` would write:
// `go test ./cmd -run ClientsPages -update`.
func TestClientsPages(t *testing.T) {
	for lang, file := range map[string]string{"en": "../docs/clients.md", "zh": "../docs/clients.zh-CN.md"} {
		want := clientsPage(t, lang)
		if got, err := os.ReadFile(file); err == nil && bytes.Equal(got, want) {
			continue
		}
		if !*updateClients {
			t.Errorf("%s is stale: run go test ./cmd -run ClientsPages -update", file)
			continue
		}
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// clientsWords are the words of the pages.
var clientsWords = map[string]map[string]string{
	"en": {
		"head": `# Clients

[中文](clients.zh-CN.md)

<!-- Made by cmd/clientspage_test.go from the tools of ` + "`ai-gateway connect`" + `. Do not edit. -->

A program reaches the gateway by two settings: the base URL and a key of its own
(` + "`ai-gateway api-key create my-app`" + `). Every address works with and without ` + "`/v1`" + `. ` + "`ai-gateway connect TOOL --write`" + ` writes the
settings into the tool's own file and keeps a copy, ` + "`--undo`" + ` gives it back; ` + "`ai-gateway launch TOOL`" + ` runs a tool with the
gateway and leaves its settings alone.

What the four formats can ask of which provider is in [compatibility.md](compatibility.md); the calls themselves are in
[03-api-specification.md](03-api-specification.md).
`,
		"file": "In `%s`:", "env": "In its environment:", "hand": "By hand:", "run": "Or at once:",
	},
	"zh": {
		"head": `# 客户端

[English](clients.md)

<!-- Made by cmd/clientspage_test.go from the tools of ` + "`ai-gateway connect`" + `. Do not edit. -->

接入一个程序只需两项设置:Base URL 和它自己的令牌(` + "`ai-gateway api-key create my-app`" + `)。地址带不带 ` + "`/v1`" + ` 都可以。
` + "`ai-gateway connect TOOL --write`" + ` 把设置写入工具自己的配置文件并保留备份,` + "`--undo`" + ` 恢复原样;` + "`ai-gateway launch TOOL`" + ` 直接用本网关启动工具,
不改动它的配置。

四种接口格式与各供应商之间能转换什么,见 [compatibility.md](compatibility.md);接口本身见 [03-api-specification.md](03-api-specification.md)。
`,
		"file": "写入 `%s`:", "env": "环境变量:", "hand": "手动设置:", "run": "或者直接运行:",
	},
}

func clientsPage(t *testing.T, lang string) []byte {
	t.Helper()
	words := clientsWords[lang]
	var b bytes.Buffer
	b.WriteString(words["head"])
	a := &app{env: map[string]string{"HOME": "~"}}
	fence := func(kind, text string) { fmt.Fprintf(&b, "\n```%s\n%s\n```\n", kind, strings.TrimRight(text, "\n")) }
	for i := range tools {
		tool := &tools[i]
		r := reach{base: defaultURL, key: keyMark, models: []string{"gpt-4o"}}
		if !tool.needsModel {
			r.models = nil
		}
		title := strings.TrimPrefix(tool.title, "the ")
		fmt.Fprintf(&b, "\n## %s\n", title)
		if tool.files != nil {
			for _, f := range tool.files(a, r) {
				content, err := settings.Apply(f.format, nil, f.edits)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&b, "\n"+words["file"]+"\n", f.path)
				kind := string(f.format)
				if f.format == settings.Env {
					kind = "text"
				}
				fence(kind, string(content))
			}
		}
		if tool.env != nil {
			var lines strings.Builder
			for _, v := range tool.env(r) {
				fmt.Fprintf(&lines, "export %s=%s\n", v[0], quoteArg(v[1]))
			}
			b.WriteString("\n" + words["env"] + "\n")
			fence("bash", lines.String())
		}
		if tool.hand != nil {
			b.WriteString("\n" + words["hand"] + "\n")
			fence("text", strings.Join(tool.hand(r), "\n"))
		}
		b.WriteString("\n" + words["run"] + "\n")
		line := "ai-gateway connect " + tool.name
		if tool.program != "" {
			line += "\nai-gateway launch " + tool.name
		}
		fence("text", line)
	}
	return b.Bytes()
}
