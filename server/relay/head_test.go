package relay

import (
	"strings"
	"testing"
)

// TestHeading: what an answer's header says is found in any order and spelling.
func TestHeading(t *testing.T) {
	f := func(lines string, same bool, want heading) {
		t.Helper()
		var got heading
		for line := range strings.Lines(lines) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			got.line(name, value, same)
		}
		if got != want {
			t.Errorf("%q: got %+v, want %+v", lines, got, want)
		}
	}
	f("Server:x\nContent-Length:2\nDate:now", true, heading{})
	f("CONTENT-TYPE:text/plain\ncontent-type:text/html", true, heading{kind: "text/plain"})
	// The best name of the request goes before others, wherever it stands.
	f("Apim-Request-Id:d\nX-Amzn-Requestid:c\nRequest-Id:b\nX-Request-ID:a", true, heading{id: "a", rank: 1})
	f("x-request-id:\nx-request-id:a\nrequest-id:b\nx-request-id:e", true, heading{id: "a", rank: 1})
	f("request-id:b\napim-request-id:d", true, heading{id: "b", rank: 2})
	f("apim-request-id:d\nx-amzn-requestid:c", true, heading{id: "c", rank: 3})
	f("apim-request-id:d\nx-requestedid:a", true, heading{id: "d", rank: 4})
	f("X-RateLimit-Remaining-Tokens:1", false, heading{limits: true})
	f("anthropic-ratelimit-tokens-remaining:1", false, heading{limits: true})
	f("x-ratelimited-by-anyone:1\nanthropic-ratelimits:1\nx-ratelimit-:1", true, heading{})
	f("Anthropic-Ratelimit-Unified-Status:allowed", true, heading{limits: true, passes: true})
	f("Anthropic-Ratelimit-Unified-Status:allowed", false, heading{limits: true})
	for _, name := range []string{"OpenAI-Version", "OpenAI-Processing-MS", "Anthropic-Organization-ID"} {
		f(name+":1", false, heading{passes: true})
	}
}
