package server

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestPlainTargets: the usual targets are spared the closer look, and none that it refuses.
func TestPlainTargets(t *testing.T) {
	for _, usual := range []string{
		"/", "/v1/chat/completions", "/v1/messages?beta=true", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
		"/openai/deployments/gpt-4.1/chat/completions?api-version=2025-01-01-preview", "/v1/chat/completions/",
	} {
		if !plainTarget([]byte(usual)) {
			t.Errorf("%s is looked at more closely", usual)
		}
	}
	pieces := []string{"/", "/", ".", ".", "..", "a", "v1", "-", "_", ":", "?", "#", "\\", "%", "%2f", "%2E", "%00", " ", "\x7f", "\x00", "é", "=", "&", "models/"}
	plain := 0
	for range 300_000 {
		var b strings.Builder
		b.WriteByte('/')
		for range rand.IntN(8) {
			b.WriteString(pieces[rand.IntN(len(pieces))])
		}
		if target := []byte(b.String()); plainTarget(target) {
			plain++
			if e := closerLook(target); e != nil {
				t.Fatalf("%q passes, but: %v", target, e)
			}
		}
	}
	if plain < 10_000 {
		t.Errorf("of 300,000 only %d were plain", plain)
	}
	for _, bad := range []string{"", "*", "x", "//", "/a//b", "/./a", "/a/..", "/a/.", "/..", "/a\\b", "/a#b", "/a?b#c", "/%2e/a", "/a%00", "/v1/a%2Fb", "/a b", "/a?\x7f", "/v1/models/a%2F..%2Fb"} {
		if checkTarget([]byte(bad)) == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
