package openai

import (
	"bytes"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

const (
	maxErrorText  = 4 << 10           // bytes of an upstream's message that are kept
	maxRetryAfter = 300 * time.Second // no upstream may ask for a longer pause
)

// DecodeError reads an error body of any vendor. What kind it is, the status
// says first and then the body, because vendors disagree on both: xAI answers a
// wrong key with 400, Azure and OpenRouter put the status into the code.
func (chatEgress) DecodeError(status int, body []byte) *providers.Error {
	r, ok := readError(body)
	if !ok {
		r = reported{message: plainError(status, body)}
	}
	if r.message == "" {
		r.message = "the upstream reported an error without a message"
		if r.code != "" {
			r.message += ": " + r.code
		}
	}
	e := &providers.Error{Status: status, Code: r.code, Type: r.typ, Param: r.param,
		Message: clip(r.message, maxErrorText), Raw: bytes.Clone(body)}
	if status == 0 {
		status = r.status
	}
	e.Kind = kindOf(status, &r)
	if e.Kind == providers.KindContextLength {
		e.Code = "context_length_exceeded"
	}
	e.RetryAfter = retryHint(r.message, body)
	return e
}

// plainError words an answer that is no JSON error: a proxy's page, an empty body.
func plainError(status int, body []byte) string {
	s := strings.TrimSpace(strings.ToValidUTF8(string(body[:min(len(body), 512)]), ""))
	prefix := "the upstream failed"
	if status != 0 {
		prefix = "the upstream answered with status " + strconv.Itoa(status)
	}
	switch {
	case s == "":
		return prefix + " and no message"
	case s[0] == '<':
		return prefix + " and an HTML page"
	}
	return prefix + ": " + s
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

func kindOf(status int, r *reported) providers.ErrorKind {
	if k := kindByWords(status, r); k != "" {
		return k
	}
	switch status {
	case 0:
		return kindByType(r)
	case 500:
		return providers.KindInternal
	}
	if kind := providers.KindOfStatus(status); kind != "" {
		return kind
	}
	if status >= 400 && status < 500 {
		return providers.KindInvalidRequest
	}
	return providers.KindUpstream
}

// kindByWords finds the kinds that matter to routing, which share statuses with others.
func kindByWords(status int, r *reported) providers.ErrorKind {
	msg := strings.ToLower(r.message)
	word := strings.ToLower(r.code + " " + r.typ)
	client := status == 0 || status == 400 || status == 404 || status == 413 || status == 422
	switch {
	case client && (anyOf(word, "context_length_exceeded", "too_many_prompt_tokens", "exceed_context_size", "model_context_window") || anyOf(msg, contextWords...)):
		return providers.KindContextLength
	case (client || status == 403) && (anyOf(word, "content_filter", "content_policy", "data_inspection_failed", "contentfilter") || anyOf(msg, policyWords...)):
		return providers.KindContentPolicy
	case (status == 429 || status == 0 || status == 403) && (anyOf(word, "insufficient_quota", "billing_hard_limit", "insufficient_balance") || anyOf(msg, quotaWords...)):
		return providers.KindQuota
	case (status == 400 || status == 0) && (anyOf(word, "invalid_api_key", "api_key_invalid") || anyOf(msg, "incorrect api key", "api key not valid", "invalid api key", "invalid_api_key")):
		return providers.KindAuthentication
	case client && (anyOf(word, "model_not_found", "deploymentnotfound", "model_not_exist") || status == 404 && strings.Contains(msg, "model") || anyOf(msg, "is not a valid model id", "model does not exist", "model not exist", "no endpoints found for")):
		return providers.KindModelNotFound
	}
	return ""
}

// kindByType is for errors inside a stream, which have no status.
func kindByType(r *reported) providers.ErrorKind {
	word := strings.ToLower(r.code + " " + r.typ)
	switch {
	case anyOf(word, "rate_limit", "resource_exhausted", "too_many_requests"):
		return providers.KindRateLimit
	case anyOf(word, "overloaded", "unavailable"):
		return providers.KindOverloaded
	case anyOf(word, "timeout", "deadline_exceeded"):
		return providers.KindTimeout
	case anyOf(word, "authentication", "unauthenticated"):
		return providers.KindAuthentication
	case anyOf(word, "permission"):
		return providers.KindPermission
	case anyOf(word, "invalid_request", "tool_use_failed", "invalid_argument", "invalid-argument"):
		return providers.KindInvalidRequest
	}
	return providers.KindUpstream
}

var (
	contextWords = []string{
		"maximum context length", "context window", "context length", "prompt is too long", "input is too long",
		"total length of all messages is too long", "input token count", "maximum prompt length", "exceeds the available context size",
		"too many input tokens", "maximum number of input tokens",
	}
	policyWords = []string{"content management policy", "content filter", "content policy", "flagged by moderation", "requires moderation", "safety system", "sensitive content"}
	quotaWords  = []string{"exceeded your current quota", "insufficient balance", "insufficient credits", "requires more credits", "credit balance is too low"}
)

func anyOf(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

var (
	// "Please try again in 6m0s", "in 1.5s", "in 20ms" (OpenAI, Groq)
	tryAgain = regexp.MustCompile(`(?i)try again in ((?:[0-9.]+(?:ms|s|m|h))+)`)
	// "Please retry after 31 seconds" (Azure)
	retryAfter = regexp.MustCompile(`(?i)retry after ([0-9.]+) (milli)?second`)
)

// retryHint reads how long the upstream asks to wait from its words; 0: it does not say.
func retryHint(message string, body []byte) time.Duration {
	message = message[:min(len(message), maxErrorText)]
	if m := tryAgain.FindStringSubmatch(message); m != nil {
		if d, err := time.ParseDuration(m[1]); err == nil {
			return pause(d.Seconds())
		}
	}
	if m := retryAfter.FindStringSubmatch(message); m != nil {
		s, _ := strconv.ParseFloat(m[1], 64) // its error leaves 0 or ±Inf, which pause judges
		if m[2] != "" {
			s /= 1000
		}
		return pause(s)
	}
	if bytes.Contains(body, []byte(`"retryDelay"`)) { // Google's RetryInfo, at any place in details
		if d := googleDelay(body); d > 0 {
			return d
		}
	}
	for _, path := range [][]string{{"error", "metadata", "headers", "Retry-After"}, {"error", "metadata", "retry_after_seconds"}} {
		v := at(body, path...)
		if isText(v) {
			v = []byte(text(v))
		}
		if s, err := strconv.ParseFloat(string(v), 64); err == nil {
			return pause(s)
		}
	}
	return 0
}

func googleDelay(body []byte) (d time.Duration) {
	if wire.IsArray(bytes.TrimSpace(body)) {
		body = at(body, "0")
	}
	for i := range 16 { // details are few
		item := at(body, "error", "details", strconv.Itoa(i))
		if item == nil {
			return 0
		}
		if v, err := time.ParseDuration(textAt(item, "retryDelay")); err == nil {
			return pause(v.Seconds())
		}
	}
	return 0
}

func pause(seconds float64) time.Duration {
	if math.IsNaN(seconds) || seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
}
