package catalog

import "github.com/your-org/ai-api-gateway/providers"

// chinese lists the vendors of China; where a vendor has another site abroad,
// that is a row of its own.
func chinese() []*providers.Provider {
	deepseek := &providers.Provider{
		Name: "deepseek", Title: "DeepSeek",
		BaseURL: "https://api.deepseek.com", EnvKeys: []string{"DEEPSEEK_API_KEY"},
		Ops:    opsModel,
		Models: []string{"deepseek-*"},
		// Documented: within a tool loop reasoning_content must come back, else 400;
		// without tools it is ignored.
		Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content", ReasoningBack: true}),
	}

	qwen := providers.Provider{
		Name: "qwen", Title: "Qwen (阿里云百炼)", Aliases: []string{"dashscope", "alibaba", "aliyun", "tongyi"},
		BaseURL: "https://dashscope.aliyuncs.com/compatible-mode/v1", EnvKeys: []string{"DASHSCOPE_API_KEY"},
		Ops:    []providers.Op{providers.OpEmbeddings},
		Models: []string{"qwen*", "qwq-*", "qvq-*", "text-embedding-v*"},
		// Documented: embeddings know encoding_format float only.
		Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content", NoBase64: true}),
	}

	moonshot := providers.Provider{
		Name: "moonshot", Title: "Moonshot (Kimi)", Aliases: []string{"kimi", "moonshotai"},
		BaseURL: "https://api.moonshot.cn/v1", EnvKeys: []string{"MOONSHOT_API_KEY", "KIMI_API_KEY"},
		Ops:    opsModel,
		Models: []string{"kimi-*", "moonshot-*"},
		Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content", ReasoningBack: true, NoStrict: true}),
	}

	zhipu := providers.Provider{
		Name: "zhipu", Title: "Zhipu (智谱)", Aliases: []string{"zhipuai", "bigmodel", "glm"},
		BaseURL: "https://open.bigmodel.cn/api/paas/v4", EnvKeys: []string{"ZHIPUAI_API_KEY", "BIGMODEL_API_KEY"},
		Ops:    []providers.Op{providers.OpEmbeddings},
		Models: []string{"glm-*", "cogview-*", "embedding-2", "embedding-3"},
		Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content", ReasoningBack: true}),
	}

	minimax := providers.Provider{
		Name: "minimax", Title: "MiniMax",
		BaseURL: "https://api.minimaxi.com/v1", EnvKeys: []string{"MINIMAX_API_KEY"},
		Models: []string{"MiniMax-*", "minimax-*", "abab*"},
		Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content"}),
	}

	doubao := &providers.Provider{
		Name: "doubao", Title: "Doubao (火山方舟)", Aliases: []string{"ark", "volcengine", "volc", "bytedance"},
		BaseURL: "https://ark.cn-beijing.volces.com/api/v3", EnvKeys: []string{"ARK_API_KEY", "VOLCENGINE_API_KEY"},
		Ops:    []providers.Op{providers.OpEmbeddings},
		Models: []string{"doubao-*", "ep-*"}, // ep-…: an inference endpoint of the account's own
		Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content"}),
	}

	siliconflow := providers.Provider{
		Name: "siliconflow", Title: "SiliconFlow (硅基流动)", Aliases: []string{"silicon"},
		BaseURL: "https://api.siliconflow.cn/v1", EnvKeys: []string{"SILICONFLOW_API_KEY"},
		Ops:    []providers.Op{providers.OpEmbeddings, providers.OpModels, providers.OpRerank, providers.OpImages, providers.OpAudio},
		Models: []string{"*/*"},
		Quirks: compatible(providers.Quirks{ReasoningField: "reasoning_content"}),
	}

	return []*providers.Provider{
		deepseek,
		&qwen, abroad(qwen, "qwen-intl", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
		&moonshot, abroad(moonshot, "moonshot-intl", "https://api.moonshot.ai/v1"),
		&zhipu, abroad(zhipu, "zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
		&minimax, abroad(minimax, "minimax-intl", "https://api.minimax.io/v1"),
		doubao,
		&siliconflow, abroad(siliconflow, "siliconflow-intl", "https://api.siliconflow.com/v1"),
	}
}

// abroad returns the row of a vendor's site outside China.
func abroad(p providers.Provider, name, base string, env ...string) *providers.Provider {
	p.Name, p.BaseURL, p.EnvKeys, p.Aliases = name, base, env, nil
	p.Title += ", international"
	if name == "zai" {
		p.Title, p.Aliases = "Z.ai", []string{"z.ai", "z-ai"}
	}
	return &p
}
