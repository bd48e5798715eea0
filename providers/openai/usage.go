package openai

import (
	"math"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Usage reads the usage member of a chunk or of a whole answer (also of
// completions, embeddings, images and transcriptions), or Groq's x_groq.usage.
func (chatEgress) Usage(data []byte, u *providers.Usage) bool {
	raw := at(data, "usage")
	if !wire.IsObject(raw) {
		raw = at(data, "x_groq", "usage")
	}
	if !wire.IsObject(raw) || !readUsage(raw, u) {
		return false
	}
	if tier := tierOf(at(data, "service_tier")); tier != "" {
		u.Kind = tier
	}
	return true
}

// tierOf returns the service tier that an answer was given by, if that is one
// which is priced apart (developers.openai.com/api/docs/pricing).
func tierOf(v []byte) string {
	switch string(v) {
	case `"flex"`, `"priority"`, `"batch"`:
		return string(v[1 : len(v)-1])
	}
	return ""
}

// counts are the numbers of a usage object; -1: not told.
type counts struct {
	prompt, completion, total                   int64
	cached, hit, miss, written                  int64
	audioIn, imageIn, audioOut, imageOut, think int64
	searches                                    int64
	images                                      bool // the images API, which prices image input apart
	cost                                        float64
	byok                                        bool
	byokCost                                    float64
	bad                                         bool // a count was negative or absurd
}

// untold is the begin of reading a usage object: nothing is told yet.
func untold() counts {
	return counts{prompt: -1, completion: -1, total: -1, cached: -1, hit: -1, miss: -1, written: -1,
		audioIn: -1, imageIn: -1, audioOut: -1, imageOut: -1, think: -1, cost: math.NaN()}
}

// readUsage converts one usage object into disjoint buckets; see counts.tell.
func readUsage(raw []byte, u *providers.Usage) bool {
	c := untold()
	wire.EachMember(raw, func(name, v []byte) bool {
		c.member(name, v)
		return true
	})
	return c.tell(u)
}

// tell makes disjoint buckets of what was told, and reports whether anything was. Input
// and output are replaced each as a whole, if they are told.
func (c *counts) tell(u *providers.Usage) bool {
	if c.prompt < 0 && c.hit >= 0 {
		c.prompt = c.hit + max(c.miss, 0)
	}
	if c.prompt < 0 && c.completion < 0 { // embeddings (Voyage) may tell the total alone
		c.prompt = c.total
	}
	told := false
	if c.prompt >= 0 {
		c.input(u)
		told = true
	}
	if c.completion >= 0 {
		c.output(u)
		told = true
	} else if c.prompt >= 0 { // embeddings: there is none
		u.Output, u.OutputAudio, u.OutputImage, u.Reasoning = 0, 0, 0, 0
	}
	u.Searches = max(u.Searches, c.searches)
	if c.setCost(u) {
		told = true
	}
	u.Clamped = u.Clamped || c.bad
	return told
}

func (c *counts) member(name, v []byte) {
	if isNull(v) {
		return
	}
	switch string(name) {
	case "prompt_tokens", "input_tokens":
		c.set(&c.prompt, v)
	case "completion_tokens", "output_tokens":
		c.set(&c.completion, v)
	case "total_tokens":
		c.set(&c.total, v)
	case "prompt_tokens_details":
		c.promptDetails(v)
	case "input_tokens_details", "input_token_details":
		c.images = true
		c.promptDetails(v)
	case "completion_tokens_details", "output_tokens_details":
		c.completionDetails(v)
	case "prompt_cache_hit_tokens": // DeepSeek
		c.set(&c.hit, v)
	case "prompt_cache_miss_tokens":
		c.set(&c.miss, v)
	case "cached_tokens", "num_cached_tokens": // Together, Hugging Face; Mistral
		c.raise(&c.cached, v)
	case "cache_read_input_tokens": // LiteLLM
		c.raise(&c.cached, v)
	case "cache_creation_input_tokens": // Vercel, LiteLLM
		c.raise(&c.written, v)
	case "reasoning_tokens": // Perplexity's deep research
		c.raise(&c.think, v)
	case "num_search_queries": // Perplexity
		c.set(&c.searches, v)
	case "cost":
		if wire.IsObject(v) { // Perplexity
			v = at(v, "total_cost")
		}
		if f, err := strconv.ParseFloat(string(v), 64); err == nil {
			c.cost = f
		}
	case "cost_in_usd_ticks":
		// xAI: 10¹⁰ ticks are one USD (docs.x.ai/developers/cost-tracking). Its models
		// on Azure report 0 whatever Azure charges, so 0 says nothing.
		if n, ok := wire.Int(v); ok && n > 0 && math.IsNaN(c.cost) {
			c.cost = float64(n) / 1e10
		}
	case "is_byok":
		c.byok = isTrue(v)
	case "cost_details":
		c.byokCost, _ = strconv.ParseFloat(string(at(v, "upstream_inference_cost")), 64)
	}
}

func (c *counts) promptDetails(v []byte) {
	wire.EachMember(v, func(name, v []byte) bool {
		switch string(name) {
		case "cached_tokens":
			c.raise(&c.cached, v)
		case "cache_write_tokens", "cache_creation_tokens":
			c.raise(&c.written, v)
		case "audio_tokens":
			c.set(&c.audioIn, v)
		case "image_tokens":
			c.set(&c.imageIn, v)
		}
		return true
	})
}

func (c *counts) completionDetails(v []byte) {
	wire.EachMember(v, func(name, v []byte) bool {
		switch string(name) {
		case "reasoning_tokens":
			c.raise(&c.think, v)
		case "audio_tokens":
			c.set(&c.audioOut, v)
		case "image_tokens":
			c.set(&c.imageOut, v)
		}
		return true
	})
}

// set takes a number, corrected to what a count can be.
func (c *counts) set(dst *int64, v []byte) {
	n, ok := wire.Int(v)
	if !ok {
		return
	}
	*dst = min(max(n, 0), providers.MaxTokensPlausible)
	c.bad = c.bad || *dst != n
}

// raise is set for a number that vendors put in several places at once.
func (c *counts) raise(dst *int64, v []byte) {
	was := *dst
	c.set(dst, v)
	*dst = max(*dst, was)
}

// input splits the prompt: reported parts are taken out of it one by one, and
// none may be larger than what is left (xAI's models on Azure report 161 cached
// of 24 prompt tokens).
func (c *counts) input(u *providers.Usage) {
	left := c.prompt
	take := func(n int64) int64 {
		n = max(n, 0)
		if n > left {
			n, u.Clamped = left, true
		}
		left -= n
		return n
	}
	u.CacheRead = take(max(c.cached, c.hit))
	u.CacheWrite5m, u.CacheWrite1h = take(c.written), 0
	u.InputAudio = min(left, max(c.audioIn, 0)) // cached audio is told in both places and counts as cached
	left -= u.InputAudio
	u.InputImage = 0
	if c.images {
		u.InputImage = take(c.imageIn)
	}
	u.Input = left
}

// output splits the completion. Whether it holds the reasoning is not said on
// the wire. The total shows where it does not (xAI: total = prompt + completion +
// reasoning), and so does a reasoning count larger than the completion (Gemini
// models behind Vercel, whose cost confirms it). Google's own compatible endpoint
// reports the reasoning only as the difference to the total.
func (c *counts) output(u *providers.Usage) {
	completion, think := c.completion, max(c.think, 0)
	prompt := max(c.prompt, 0)
	switch {
	case think > completion, think > 0 && c.total == prompt+completion+think:
	case think == 0 && c.think < 0 && c.total > prompt+completion && c.prompt >= 0:
		think = c.total - prompt - completion
	default:
		completion -= think
	}
	u.Reasoning = think
	take := func(n int64) int64 {
		n = max(n, 0)
		if n > completion {
			n, u.Clamped = completion, true
		}
		completion -= n
		return n
	}
	u.OutputAudio = take(c.audioOut)
	u.OutputImage = take(c.imageOut)
	u.Output = completion
}

// setCost notes what the vendor charged. With a key of one's own at OpenRouter
// its cost is the fee alone and the model's vendor charges beside it.
func (c *counts) setCost(u *providers.Usage) bool {
	if math.IsNaN(c.cost) {
		return false
	}
	cost := c.cost
	if c.byok && c.byokCost > 0 {
		cost += c.byokCost
	}
	nano := math.Round(cost * 1e9)
	if nano < 0 || nano > providers.MaxTokensPlausible*1e6 {
		u.Clamped = true
		return false
	}
	u.CostNano, u.HasCost = int64(nano), true
	return true
}

// putUsage writes a usage object in OpenAI's counting: prompt and completion hold all their parts.
func putUsage(dst []byte, u *providers.Usage) []byte {
	dst = append(dst, '{')
	dst = wire.PutInt(dst, "prompt_tokens", u.Prompt())
	dst = wire.PutInt(dst, "completion_tokens", u.Completion())
	dst = wire.PutInt(dst, "total_tokens", u.Prompt()+u.Completion())
	dst = append(wire.Key(dst, "prompt_tokens_details"), '{')
	dst = wire.PutInt(dst, "cached_tokens", u.CacheRead)
	dst = wire.PutInt(dst, "audio_tokens", u.InputAudio)
	if n := u.CacheWrite(); n > 0 {
		dst = wire.PutInt(dst, "cache_write_tokens", n)
	}
	dst = append(dst, '}')
	dst = append(wire.Key(dst, "completion_tokens_details"), '{')
	dst = wire.PutInt(dst, "reasoning_tokens", u.Reasoning)
	dst = wire.PutInt(dst, "audio_tokens", u.OutputAudio)
	if u.OutputImage > 0 {
		dst = wire.PutInt(dst, "image_tokens", u.OutputImage)
	}
	return append(dst, "}}"...)
}
