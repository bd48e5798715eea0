package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// TestPageZH keeps docs/configuration.zh-CN.md equal to what the rows of the settings
// say, in Chinese: `go test ./server/config -run TestPageZH -update`.
func TestPageZH(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "configuration.zh-CN.md")
	var b bytes.Buffer
	b.WriteString(pageHeadZH)
	b.WriteString("\n## 配置项\n\n| 配置项 | 环境变量 | 参数 | 默认值 | 含义 |\n|---|---|---|---|---|\n")
	zh := locales.Load("zh-CN")
	for _, r := range Rows() {
		key := "web.setting." + r.Path
		if !zh.Has(key) {
			t.Errorf("%s has no Chinese words: %q of web/locales/zh-CN.json", r.Path, key)
		}
		words := asInPages.Replace(zh.T(key))
		def := "无"
		if r.Default != "" {
			def = "`" + r.Default + "`"
		}
		if len(r.Words) > 0 {
			words += ";可选 `" + strings.Join(r.Words, "`、`") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `--%s` | %s | %s |\n", r.Path, r.Env, r.Flag, def, words)
	}
	membersPageZH(t, &b)
	b.WriteString(pageTailZH)
	if got, err := os.ReadFile(file); err == nil && bytes.Equal(got, b.Bytes()) {
		return
	}
	if !*updatePage {
		t.Fatalf("%s is stale: run go test ./server/config -run TestPageZH -update", file)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// asInPages writes what the catalogue says as the pages in Chinese do.
var asInPages = strings.NewReplacer("，", ",", "；", ";", "：", ":", "（", "(", "）", ")",
	"$XDG_DATA_HOME/ai-gateway", "`$XDG_DATA_HOME/ai-gateway`", "<data_dir>/master.key", "`<data_dir>/master.key`")

const pageHeadZH = `# 配置

[English](configuration.md)

<!-- Made from the rows of server/config by its pagezh_test.go. Do not edit. -->

什么都不配置也能运行。配置来自四处,后面的优先:

1. 下表的默认值;
2. YAML 文件:` + "`--config FILE`、`AI_GATEWAY_CONFIG`,否则是 `config/gateway.yaml`、`/etc/ai-gateway/gateway.yaml`" + ` 中第一个存在的;
3. 环境变量;
4. ` + "`ai-gateway serve`" + ` 的参数。

渠道、模型映射和额度策略也可以用命令行、管理 API 或管理页面创建;来自文件和环境变量的在那里是只读的。

- 文件里可以写 ` + "`${NAME}`、`${NAME:-默认值}`、`${file:/run/secrets/x}`" + `。
- 不认识的字段会被拒绝,并指出行号和最接近的名字。
- ` + "`ai-gateway config server check FILE`" + ` 检查文件,` + "`ai-gateway config server show --origin`" + ` 显示生效的值及其来源。
- ` + "`SIGHUP` 或 `ai-gateway config server reload`" + ` 重新读取,并指出哪些配置项要重启才生效。
- 供应商密钥直接取自它们常用的环境变量(` + "`OPENAI_API_KEY`、`ANTHROPIC_API_KEY`" + `……),全部见 [providers.md](providers.md)。
- ` + "`AI_GATEWAY_MASTER_KEY`" + ` 是加密供应商密钥的主密钥;` + "`AI_GATEWAY_ADMIN_KEY`" + `(至少 32 个字符)是设置期间有效的管理员令牌。

时长写作 ` + "`90d`、`12h`、`30s`、`250ms`" + ` 或秒数;大小写作 ` + "`32MiB`" + ` 或字节数;列表在文件里是 YAML 列表,在环境变量和参数里用逗号分隔。
`

const pageTailZH = `
## providers

供应商到 ` + "`base_url`" + ` 的映射,用来代替供应商自己的地址:

` + "```yaml\nproviders:\n  openai: {base_url: https://eu.api.openai.com/v1}\n```" + `

每个配置项及其默认值都写在 [config/gateway.example.yaml](../config/gateway.example.yaml) 里。
`
