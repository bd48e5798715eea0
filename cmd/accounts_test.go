package cmd

import (
	"strings"
	"testing"
)

// TestAfterTest: what is advised fits what the upstream said.
func TestAfterTest(t *testing.T) {
	for status, want := range map[int]string{0: "--base-url", 500: "--base-url", 401: "--api-key -", 403: "--api-key -", 404: "test 'my account' --model", 400: "doctor", 429: "providers list"} {
		if got := afterTest("my account", status); !strings.Contains(got, want) {
			t.Errorf("%d: %s", status, got)
		}
	}
}
