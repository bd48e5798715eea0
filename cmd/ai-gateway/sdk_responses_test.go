package main_test

import (
	"os"
	"os/exec"
	"testing"
)

// The SDKs speaking Responses: to an upstream of that format, of chat completions
// alone, and of Anthropic's.
var responsesUpstreams = []string{"responses", "anthropic", "chat"}

const sdkResponses = "chat stream history length image structured tool_loop tool_loop_streamed parallel_tools no_arguments two_steps thinking tool_choice goes_on" + sdkErrors

func TestSDKResponsesPython(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "openai (Python), Responses", command: pythonClient("openai_responses.py"), scenarios: sdkResponses, formats: responsesUpstreams})
}

func TestSDKResponsesNode(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "openai (Node), Responses", command: nodeClient("openai_responses.mjs"), scenarios: "chat stream length structured tool_loop parallel_tools no_arguments two_steps thinking" + sdkErrors, formats: responsesUpstreams})
}

func TestSDKResponsesGo(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{name: "openai-go, Responses", command: goClient("responses"), scenarios: "chat stream length tool_loop parallel_tools no_arguments two_steps thinking mid_stream_error lost_connection", formats: responsesUpstreams})
}

// TestSDKResponsesVercel: the AI SDK's openai() speaks Responses.
func TestSDKResponsesVercel(t *testing.T) {
	t.Parallel()
	runSDK(t, sdkRun{
		name: "ai + @ai-sdk/openai, Responses",
		command: func(t *testing.T) *exec.Cmd {
			cmd := nodeClient("ai_sdk.mjs")(t)
			cmd.Env = append(os.Environ(), "PROVIDER=openai-responses")
			return cmd
		},
		scenarios: "chat stream image length structured tool_loop parallel_tools no_arguments two_steps tool_choice thinking" + sdkErrors, formats: responsesUpstreams,
	})
}
