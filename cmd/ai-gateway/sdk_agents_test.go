package main_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestSDKVercel runs the AI SDK with each of its providers that speak the two formats.
func TestSDKVercel(t *testing.T) {
	for _, provider := range []string{"openai", "openai-compatible", "anthropic"} {
		t.Run(provider, func(t *testing.T) {
			runSDK(t, sdkRun{
				name: "ai + @ai-sdk/" + provider,
				command: func(t *testing.T) *exec.Cmd {
					cmd := nodeClient("ai_sdk.mjs")(t)
					cmd.Env = append(os.Environ(), "PROVIDER="+provider)
					return cmd
				},
				scenarios: "chat stream image length structured tool_loop parallel_tools no_arguments two_steps tool_choice thinking" + sdkErrors,
			})
		})
	}
}
