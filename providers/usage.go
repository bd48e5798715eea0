package providers

// Usage counts what one exchange used: tokens in disjoint buckets, each token in
// exactly one, and units of other kinds. No bucket is ever negative.
//
// The formats count differently (OpenAI's prompt_tokens include cached ones,
// Anthropic's input_tokens do not; Gemini's candidates exclude thoughts): the
// dialects convert, so that everything behind them adds buckets and nothing else.
type Usage struct {
	Input        int64 // uncached text (and image) input
	InputAudio   int64
	InputImage   int64 // only where the vendor counts and prices image input apart
	CacheRead    int64
	CacheWrite5m int64 // also writes whose time to live is not told
	CacheWrite1h int64
	Output       int64 // output without reasoning
	OutputAudio  int64
	OutputImage  int64
	Reasoning    int64

	// What is counted in no tokens, for operations or vendors that charge by it.
	// The same exchange may report tokens besides; a price has a rate for one of them.
	Images     int64 // pictures made
	AudioMs    int64 // sound heard or spoken, in milliseconds
	Characters int64 // text spoken
	Searches   int64 // rerank search units, web searches

	// Kind is how the call was served, where vendors price that apart (Variant.Kind);
	// empty: the usual way.
	Kind string

	// CostNano is what the upstream said it charged, in nano-USD; 0 with HasCost false: it said nothing.
	CostNano int64
	HasCost  bool
	// Clamped: a reported count was negative or absurd and was corrected.
	Clamped bool
}

// Prompt returns all input tokens, cache reads and writes included (OpenAI's prompt_tokens).
func (u *Usage) Prompt() int64 {
	return u.Input + u.InputAudio + u.InputImage + u.CacheRead + u.CacheWrite()
}

// Completion returns all output tokens, reasoning included (OpenAI's completion_tokens).
func (u *Usage) Completion() int64 {
	return u.Output + u.OutputAudio + u.OutputImage + u.Reasoning
}

// CacheWrite returns the tokens written to a prompt cache, whatever their time to live.
func (u *Usage) CacheWrite() int64 { return u.CacheWrite5m + u.CacheWrite1h }

// Zero reports whether nothing was counted.
func (u *Usage) Zero() bool { return u.Prompt() == 0 && u.Completion() == 0 && !u.HasUnits() }

// HasUnits reports whether anything but tokens was counted.
func (u *Usage) HasUnits() bool {
	return u.Images != 0 || u.AudioMs != 0 || u.Characters != 0 || u.Searches != 0
}

// MaxTokensPlausible bounds a reported count: more is taken for an error of the upstream.
const MaxTokensPlausible = 1 << 40

// Absurd reports whether u holds a number that no exchange can have used.
func (u *Usage) Absurd() bool {
	return u.Prompt() >= MaxTokensPlausible || u.Completion() >= MaxTokensPlausible
}

// Clamp returns n as a count: negative becomes 0, an absurd one MaxTokensPlausible;
// u.Clamped records that it had to.
func (u *Usage) Clamp(n int64) int64 {
	switch {
	case n < 0:
		u.Clamped = true
		return 0
	case n > MaxTokensPlausible:
		u.Clamped = true
		return MaxTokensPlausible
	}
	return n
}
