package relay

import (
	"time"

	"github.com/your-org/ai-api-gateway/server/upstream"
)

// accountTimeouts puts an account's own timers in place of the general ones. own
// was checked when it was written; what cannot be read is left as it was.
func accountTimeouts(to upstream.Timeouts, own map[string]string, stream bool) upstream.Timeouts {
	for name, text := range own {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			continue
		}
		switch name {
		case "dial":
			to.Dial = d
		case "tls":
			to.TLS = d
		case "first_event":
			to.FirstEvent = d
		case "idle":
			to.Idle = d
		case "ttfb", "ttfb_stream":
			if stream == (name == "ttfb_stream") {
				to.Header = d
			}
		case "total", "total_stream":
			if stream == (name == "total_stream") {
				to.Total = d
			}
		}
	}
	return to
}
