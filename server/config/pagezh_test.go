package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPageZH keeps docs/configuration.zh-CN.md equal to what the rows of the settings
// say, in Chinese: `go test ./server/config -run TestPageZH -update`.
func TestPageZH(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "configuration.zh-CN.md")
	var b bytes.Buffer
	b.WriteString(pageHeadZH)
	b.WriteString("\n## 配置项\n\n| 配置项 | 环境变量 | 参数 | 默认值 | 含义 |\n|---|---|---|---|---|\n")
	left := len(settingsZH)
	for _, r := range Rows() {
		words, ok := settingsZH[r.Path]
		if !ok {
			t.Errorf("%s has no Chinese words: add them to settingsZH", r.Path)
			continue
		}
		left--
		def := "无"
		if r.Default != "" {
			def = "`" + r.Default + "`"
		}
		if len(r.Words) > 0 {
			words += ";可选 `" + strings.Join(r.Words, "`、`") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `--%s` | %s | %s |\n", r.Path, r.Env, r.Flag, def, words)
	}
	if left != 0 {
		t.Errorf("settingsZH has words for %d settings that are none", left)
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

// settingsZH are the meanings of the settings in Chinese.
var settingsZH = map[string]string{
	"listen":                             "监听地址;`:8080` 表示所有网卡",
	"data_dir":                           "数据目录;默认 `$XDG_DATA_HOME/ai-gateway`",
	"database_url":                       "多个网关共用的 Postgres,形如 postgres://user@host/database;默认使用数据目录里的内置存储",
	"migrate":                            "`serve` 何时升级数据库结构",
	"log.level":                          "日志级别",
	"log.format":                         "日志格式;auto 在终端是文本,否则是 JSON",
	"time_zone":                          "报表按天统计时的默认时区,如 Asia/Shanghai、UTC、Local",
	"trusted_proxies":                    "信任其 X-Forwarded-For 的网段",
	"cors_origins":                       "允许从网页直接调用转发接口的来源,如 https://chat.example.com;* 表示全部",
	"master_key_file":                    "主密钥文件;默认 `<data_dir>/master.key`",
	"proxy":                              "访问上游的代理(http、https、socks5h 或 direct);默认取 HTTPS_PROXY 和 NO_PROXY",
	"drain_delay":                        "收到 SIGTERM 后,已标记未就绪但仍接受请求的时间",
	"drain_timeout":                      "退出时等待进行中的回答结束的时间",
	"unknown_price":                      "没有已知价格的模型如何计费:按供应商最高价、拒绝、或不计费",
	"metrics.listen":                     "不需要令牌即可访问 /metrics 的地址",
	"admin_listen":                       "管理 API、管理页面和指标的单独地址;默认与转发接口相同",
	"public_url":                         "浏览器访问管理页面所用的地址(localhost 和 IP 之外的)",
	"advertise_url":                      "共用数据库的其他网关访问本网关管理 API 的地址(经过 NAT 或使用 TLS 时);默认是监听地址,以数据库所见的本机地址为准",
	"tls.cert":                           "证书链(PEM),更换后自动重新读取;默认使用 HTTP",
	"tls.key":                            "证书的私钥(PEM)",
	"tls.client_ca":                      "要求客户端证书时的签发机构(PEM);默认不要求",
	"ledger.durability":                  "sync:用量落盘之后才发出回答的最后一个字节;async:不等落盘,崩溃时可能丢失最后 50 毫秒加一次提交的用量",
	"ledger.on_failure":                  "用量无法写入时如何处理请求",
	"ledger.on_crash":                    "因进程崩溃而中断的请求如何计费",
	"routing.breaker_window":             "熔断统计的时间窗口:其中失败 5 次且占一半以上即熔断",
	"routing.breaker_open":               "熔断后多久用一个请求试探",
	"routing.probe_every":                "一个模型的所有目标都不可用时,两次试探的最小间隔",
	"routing.key_pause":                  "被供应商拒绝或余额不足的密钥停用多久",
	"retention.rows":                     "使用日志保留多久;0 表示永久",
	"retention.rollups":                  "汇总数据保留多久;0 表示永久",
	"retention.bodies":                   "开启 log_bodies 的令牌的请求与回答保留多久;0 表示永久",
	"telemetry.otel.endpoint":            "OpenTelemetry 收集器(OTLP over HTTP),如 http://collector:4318,自动加上 /v1/traces 和 /v1/metrics;默认不发送",
	"telemetry.otel.traces_endpoint":     "链路追踪的完整地址,代替 endpoint",
	"telemetry.otel.metrics_endpoint":    "指标的完整地址,代替 endpoint",
	"telemetry.otel.headers":             "发给收集器的请求头,形如 name=value,name=value,值用百分号编码(属于机密)",
	"telemetry.otel.traces_headers":      "链路追踪的请求头,代替 headers(属于机密)",
	"telemetry.otel.metrics_headers":     "指标的请求头,代替 headers(属于机密)",
	"telemetry.otel.traces":              "是否发送链路追踪",
	"telemetry.otel.metrics":             "是否发送指标",
	"telemetry.otel.service_name":        "网关在那里的服务名",
	"telemetry.otel.resource_attributes": "附加的资源属性,形如 name=value,值用百分号编码",
	"telemetry.otel.sampler":             "采样方式;parentbased 表示调用方已有追踪时按其决定",
	"telemetry.otel.sample_ratio":        "traceidratio 采样的比例,0 到 1",
	"telemetry.otel.propagate":           "是否把 traceparent 和 tracestate 发给上游",
	"telemetry.otel.compression":         "消息的压缩方式",
	"telemetry.otel.timeout":             "发送一条消息的时间",
	"telemetry.otel.interval":            "多久发送一次指标",
	"media.fetch":                        "上游只接受字节时,是否代为下载请求里的图片和 PDF 地址",
	"notifications.webhook":              "有事需要处理时通知的地址(属于机密);默认不通知",
	"notifications.template":             "消息格式:json 供程序使用,其余为各聊天工具的格式",
	"notifications.events":               "通知哪些事件",
	"notifications.repeat":               "同一件事多久之内不重复通知",
	"limits.max_body":                    "JSON 请求的大小上限",
	"limits.max_upload":                  "带音频或图片的表单的大小上限(边收边发)",
	"limits.connections_per_address":     "单个地址(IPv6 为一个 /64)可同时打开的连接数,受信代理不限;0 表示不限",
	"timeouts.read_header":               "读取调用方请求行、请求头和小请求体的时间",
	"timeouts.keep_alive":                "调用方空闲连接的保留时间",
	"timeouts.write":                     "向调用方写一次的时间",
	"timeouts.dial":                      "连接上游的时间",
	"timeouts.tls":                       "与上游 TLS 握手的时间",
	"timeouts.ttfb":                      "等待上游响应头的时间(非流式)",
	"timeouts.ttfb_stream":               "等待上游响应头的时间(流式)",
	"timeouts.first_event":               "等待流的第一个事件的时间",
	"timeouts.idle":                      "流中间无数据的最长时间",
	"timeouts.total":                     "一个非流式回答的总时间",
	"timeouts.total_stream":              "一个流式回答的总时间",
	"timeouts.heartbeat":                 "流静默多久后向调用方发送心跳",
}
