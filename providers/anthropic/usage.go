package anthropic

import (
	"encoding/json"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Usage reads the usage of a whole answer, a message_start or a message_delta.
// Both reports of a stream are cumulative: what the second says replaces the
// first, what it leaves out stays (many report output_tokens alone; some vendors
// put the whole prompt in the first and its split into cached and not in the second).
func (egress) Usage(data []byte, u *providers.Usage) bool {
	raw := usageOf(data)
	if raw == nil {
		return false
	}
	return readUsage(raw, u)
}

// usageOf finds the usage object of an event or answer.
func usageOf(data []byte) []byte {
	if start, end, ok := wire.Path(data, "usage"); ok {
		return data[start:end]
	}
	if start, end, ok := wire.Path(data, "message", "usage"); ok {
		return data[start:end]
	}
	return nil
}

// readUsage reads a usage object. input_tokens excludes both cache counts;
// output_tokens includes thinking; cache_creation splits cache_creation_input_tokens
// by time to live. Of the server's tools the web searches are charged one by one
// (platform.claude.com/docs/en/about-claude/pricing).
func readUsage(raw []byte, u *providers.Usage) (any bool) {
	output, thinking, written := u.Completion(), u.Reasoning, u.CacheWrite()
	five, hour, split, total := int64(0), int64(0), false, false
	wire.EachMember(raw, func(name, v []byte) bool {
		count := func(dst *int64) {
			if n, ok := wire.Int(v); ok {
				*dst, any = u.Clamp(n), true
			}
		}
		switch string(name) {
		case "input_tokens":
			count(&u.Input)
		case "cache_read_input_tokens":
			count(&u.CacheRead)
		case "cache_creation_input_tokens":
			count(&written)
			total = !isNull(v)
		case "output_tokens":
			count(&output)
		case "cache_creation":
			five, hour, split = readSplit(v, u)
		case "service_tier":
			if string(v) == `"batch"` {
				u.Kind = "batch"
			}
		case "server_tool_use":
			if n, ok := pathInt(v, "web_search_requests"); ok {
				u.Searches = u.Clamp(n)
			}
		case "output_tokens_details":
			if n, ok := pathInt(v, "thinking_tokens"); ok {
				thinking = u.Clamp(n)
			}
		}
		return true
	})
	if split {
		any = true
		if !total || five+hour > written {
			written = five + hour
		}
		u.CacheWrite5m, u.CacheWrite1h = written-hour, hour
	} else if written != u.CacheWrite() { // the total alone: what was known of the longer kind stays
		u.CacheWrite1h = min(u.CacheWrite1h, written)
		u.CacheWrite5m = written - u.CacheWrite1h
	}
	if thinking > output {
		thinking, u.Clamped = output, true
	}
	u.Output, u.Reasoning = output-thinking, thinking
	return any
}

func readSplit(v []byte, u *providers.Usage) (five, hour int64, ok bool) {
	f, okF := pathInt(v, "ephemeral_5m_input_tokens")
	h, okH := pathInt(v, "ephemeral_1h_input_tokens")
	return u.Clamp(f), u.Clamp(h), okF || okH
}

func pathInt(v []byte, path ...string) (int64, bool) {
	start, end, ok := wire.Path(v, path...)
	if !ok {
		return 0, false
	}
	return wire.Int(v[start:end])
}

// appendUsage writes a whole usage object in this format's terms.
func appendUsage(dst []byte, u *providers.Usage) []byte {
	dst = append(dst, `{"input_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input+u.InputAudio+u.InputImage, 10)
	dst = wire.PutInt(dst, "cache_creation_input_tokens", u.CacheWrite())
	dst = wire.PutInt(dst, "cache_read_input_tokens", u.CacheRead)
	if u.CacheWrite() > 0 {
		dst = append(wire.Key(dst, "cache_creation"), '{')
		dst = wire.PutInt(dst, "ephemeral_5m_input_tokens", u.CacheWrite5m)
		dst = append(wire.PutInt(dst, "ephemeral_1h_input_tokens", u.CacheWrite1h), '}')
	}
	dst = wire.PutInt(dst, "output_tokens", u.Completion())
	if u.Reasoning > 0 {
		dst = append(wire.Key(dst, "output_tokens_details"), '{')
		dst = append(wire.PutInt(dst, "thinking_tokens", u.Reasoning), '}')
	}
	return append(dst, '}')
}

// rawUsage returns the usage object as its origin wrote it, which an answer or
// event decoded from this format carries among its extra members.
func rawUsage(extra []providers.Member, origin providers.Dialect) json.RawMessage {
	if origin != dialect {
		return nil
	}
	for i := range extra {
		if extra[i].Name == "usage" {
			return extra[i].Value
		}
	}
	return nil
}
