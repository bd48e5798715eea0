package importer

import (
	"cmp"
	"iter"
	"maps"
	"slices"
)

// The types of channels by their numbers, as far as this gateway has a provider for
// them. Up to 25 one-api and new-api agree.
var (
	oneAPITypes = join(sharedTypes, map[int64]string{
		27: "minimax", 28: "mistral", 29: "groq", 30: "ollama", 33: "bedrock", 35: "cohere", 36: "deepseek", 39: "together", 40: "doubao",
		42: "vertex", 44: "siliconflow", 45: "xai", 49: "qwen", 50: "custom", 51: "gemini",
	})
	newAPITypes = join(sharedTypes, map[int64]string{
		4: "ollama", 26: "zhipu", 27: "perplexity", 33: "bedrock", 34: "cohere", 35: "minimax", 38: "jina", 40: "siliconflow", 41: "vertex",
		42: "mistral", 43: "deepseek", 45: "doubao", 47: "custom", 48: "xai",
	})
	sharedTypes = map[int64]string{
		1: "openai", 3: "azure", 6: "custom", 7: "custom", 8: "custom", 14: "anthropic", 16: "zhipu", 17: "qwen", 20: "openrouter", 24: "gemini", 25: "moonshot",
	}
)

func join(parts ...map[int64]string) map[int64]string {
	out := map[int64]string{}
	for _, p := range parts {
		maps.Copy(out, p)
	}
	return out
}

// sorted ranges over a map in the order of its keys.
func sorted[K cmp.Ordered, V any](m map[K]V) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
