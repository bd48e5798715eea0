package bedrock

import (
	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Usage reads the usage of a whole answer or of a metadata event.
func (egress) Usage(data []byte, u *providers.Usage) bool {
	raw := at(data, "usage")
	return raw != nil && readUsage(raw, u)
}

// readUsage reads a usage object. inputTokens excludes what was read from and
// written to the cache, and totalTokens counts all of it; some models behind the
// same format (OpenAI's) count the cached tokens in inputTokens, which shows by a
// total that is input and output alone. cacheDetails split the writes by time to live.
func readUsage(raw []byte, u *providers.Usage) (any bool) {
	var input, output, total, read, written, hour int64
	wire.EachMember(raw, func(name, v []byte) bool {
		count := func(dst *int64) {
			if n, ok := wire.Int(v); ok {
				*dst, any = u.Clamp(n), true
			}
		}
		switch string(name) {
		case "inputTokens":
			count(&input)
		case "outputTokens":
			count(&output)
		case "totalTokens":
			count(&total)
		case "cacheReadInputTokens", "cacheReadInputTokenCount":
			count(&read)
		case "cacheWriteInputTokens", "cacheWriteInputTokenCount":
			count(&written)
		case "cacheDetails":
			wire.EachElement(v, func(elem []byte) bool {
				if n, ok := wire.Int(at(elem, "inputTokens")); ok && stringAt(elem, "ttl") == "1h" {
					hour = u.Clamp(hour + u.Clamp(n))
				}
				return true
			})
		}
		return true
	})
	if !any {
		return false
	}
	if cached := read + written; cached > 0 && total == input+output && input >= cached {
		input -= cached
	}
	u.Input, u.Output, u.CacheRead = input, output, read
	u.CacheWrite1h = min(hour, written)
	u.CacheWrite5m = written - u.CacheWrite1h
	return true
}
