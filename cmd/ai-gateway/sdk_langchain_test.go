package main_test

import (
	"strings"
	"testing"
)

// sdkLangChain are the scenarios of each of LangChain's clients: chat completions,
// Responses and Anthropic's messages.
func sdkLangChain() string {
	var all []string
	for _, client := range []string{"openai", "responses", "anthropic"} {
		for _, what := range []string{"chat", "stream", "tool_loop", "tool_loop_streamed", "parallel_tools"} {
			all = append(all, client+"_"+what)
		}
	}
	return strings.Join(append(all, "embeddings"), " ")
}

func TestSDKLangChainPython(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "langchain-openai, langchain-anthropic (Python)", command: pythonClient("langchain_sdk.py"), scenarios: sdkLangChain()})
}

func TestSDKLangChainNode(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "@langchain/openai, @langchain/anthropic (Node)", command: nodeClient("langchain_sdk.mjs"), scenarios: sdkLangChain()})
}
