package config

import (
	"bytes"
	"fmt"
	"testing"
)

// membersPageZH writes the parts of the file after its settings, in Chinese.
func membersPageZH(t *testing.T, b *bytes.Buffer) {
	used := 0
	for _, part := range pageParts() {
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n| 字段 | 含义 |\n|---|---|\n", part.title, partsZH[part.title])
		nodeRows(b, part.schema, "", func(path string, p *node, required bool) string {
			words, ok := membersZH[part.title+"."+path]
			if !ok {
				t.Errorf("%s.%s has no Chinese words: add them to membersZH", part.title, path)
			}
			used++
			if len(p.Enum) > 0 {
				words += ";可选 " + enumWords(p, "、")
			}
			if required {
				words += "(必填)"
			}
			return words
		})
	}
	if used != len(membersZH) {
		t.Errorf("membersZH has words for %d members, the schema has %d", len(membersZH), used)
	}
}

// partsZH introduces each part.
var partsZH = map[string]string{
	"accounts":       "渠道的列表。",
	"model_mappings": "自定义模型名(模型重定向)的列表。`ai-gateway route explain NAME` 说明一个名字通向哪里。",
	"quota_policies": "额度策略的列表。`ai-gateway quota explain` 说明哪些策略对谁生效。",
}

// membersZH are the meanings of the members in Chinese.
var membersZH = map[string]string{
	"accounts.account_name":             "唯一的名字;默认是供应商的名字",
	"accounts.api_key":                  "供应商的密钥;最好写成引用,例如 ${OPENAI_API_KEY}",
	"accounts.api_keys":                 "轮流使用的多个密钥",
	"accounts.api_keys[].key":           "一个密钥",
	"accounts.api_keys[].weight":        "它的权重;0 即 1",
	"accounts.base_url":                 "代替供应商自己的地址",
	"accounts.enabled":                  "false 保留渠道但不使用",
	"accounts.headers":                  "每次调用都发送的请求头",
	"accounts.models":                   "提供的模型:名字的列表,或调用方用的名字到上游名字的映射;默认取模型目录",
	"accounts.name":                     "同 account_name",
	"accounts.options":                  "供应商自己的选项",
	"accounts.params":                   "参数覆盖",
	"accounts.params.drop":              "要去掉的请求参数",
	"accounts.params.rename":            "要改名的请求参数",
	"accounts.params.set":               "要设置的请求参数",
	"accounts.prices":                   "代替目录价的实付价格,按模型或通配符:每百万单位的美元价,或一个倍率",
	"accounts.priority":                 "优先级,小的先用",
	"accounts.provider":                 "供应商的名字",
	"accounts.proxy":                    "这个渠道的代理:http、https、socks5h 地址或 'direct'",
	"accounts.timeouts":                 "这个渠道的超时",
	"accounts.timeouts.dial":            "同 timeouts.dial",
	"accounts.timeouts.first_event":     "同 timeouts.first_event",
	"accounts.timeouts.idle":            "同 timeouts.idle",
	"accounts.timeouts.tls":             "同 timeouts.tls",
	"accounts.timeouts.total":           "同 timeouts.total",
	"accounts.timeouts.total_stream":    "同 timeouts.total_stream",
	"accounts.timeouts.ttfb":            "同 timeouts.ttfb",
	"accounts.timeouts.ttfb_stream":     "同 timeouts.ttfb_stream",
	"accounts.weight":                   "同一优先级的渠道之间的权重;0 即 1",
	"model_mappings.alias":              "调用方使用的名字;可以含 '*'",
	"model_mappings.targets":            "通向哪里:\"模型\"、\"供应商/模型\",或写明各字段",
	"model_mappings.targets[].account":  "渠道的名字;优先于 provider",
	"model_mappings.targets[].model":    "那里的模型名",
	"model_mappings.targets[].priority": "优先级,小的先用",
	"model_mappings.targets[].provider": "供应商的名字",
	"model_mappings.targets[].weight":   "同一优先级的目标之间的权重;0 即 1",
	"quota_policies.default_max_tokens": "请求没有限制输出时预扣多少输出 token;默认 4096",
	"quota_policies.limits":             "同时生效的限制",
	"quota_policies.limits.burst":       "每分钟限制的突发量;请求数默认为限制的十分之一,token 默认为全部",
	"quota_policies.limits.kind":        "限制什么",
	"quota_policies.limits.limit":       "请求数、token 数、美元,或同时进行的请求数",
	"quota_policies.limits.window":      "默认 minute,cost_usd 默认 total",
	"quota_policies.mode":               "请求没有限制输出时预扣多少:通常的量(normal),或告知上游的上限(strict)",
	"quota_policies.name":               "唯一的名字",
	"quota_policies.on_store_outage":    "存储不可用时怎么办",
	"quota_policies.scope":              "对谁生效",
	"quota_policies.scope.account":      "渠道的名字",
	"quota_policies.scope.api_key":      "令牌的 id",
	"quota_policies.scope.global":       "全部使用",
	"quota_policies.scope.group":        "令牌的分组",
	"quota_policies.scope.model":        "只限这个模型;可以含 '*'",
	"quota_policies.soft_percent":       "用到限制的百分之几时提醒",
	"quota_policies.time_zone":          "日、周、月所用的时区;默认 time_zone",
}
