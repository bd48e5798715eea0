package routing

import (
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
)

// A Fault says how an attempt failed, as far as it matters for what is tried next
// and for the health of the target (reliability.md 1.8).
type Fault uint8

// Faults.
const (
	// FaultNone is no failure.
	FaultNone Fault = iota
	// FaultUnsent: no connection came about; nothing was sent.
	FaultUnsent
	// FaultDropped: the connection ended before any byte of an answer.
	FaultDropped
	// FaultServer: 5xx.
	FaultServer
	// FaultWeak: 408, 409, 425, which say little about the target.
	FaultWeak
	// FaultTimeout: no answer, or no event, in time.
	FaultTimeout
	// FaultAnswer: a 200 that is none: malformed, empty, an error as first event.
	FaultAnswer
	// FaultBusy: 429 for lack of the upstream's own capacity.
	FaultBusy
	// FaultRate: 429, the key's rate.
	FaultRate
	// FaultQuota: the key's credit is used up.
	FaultQuota
	// FaultAuth: the key is refused.
	FaultAuth
	// FaultRegion: the vendor serves nobody from here; no key is at fault.
	FaultRegion
	// FaultDenied: the key is good but may not use this model.
	FaultDenied
	// FaultSuspect: the words of a 400 speak of the key or its credit, but may be the
	// caller's own, repeated: another key is tried, and none rests for it.
	FaultSuspect
	// FaultModel: the upstream does not know the model.
	FaultModel
	// FaultContext: the prompt does not fit the model.
	FaultContext
	// FaultPolicy: a content filter refused.
	FaultPolicy
	// FaultRequest: the request is at fault; nobody else will take it.
	FaultRequest
	// FaultUnfit: this target's format cannot carry the request; nothing was sent.
	FaultUnfit
)

var faultWords = [...]string{
	FaultNone: "ok", FaultUnsent: "connect", FaultDropped: "dropped", FaultServer: "server_error", FaultWeak: "conflict", FaultTimeout: "timeout",
	FaultAnswer: "bad_response", FaultBusy: "overloaded", FaultRate: "rate_limited", FaultQuota: "quota", FaultAuth: "auth", FaultRegion: "region_blocked",
	FaultDenied: "model_denied", FaultSuspect: "key_suspect", FaultModel: "model_not_found", FaultContext: "context_length", FaultPolicy: "content_policy", FaultRequest: "invalid_request", FaultUnfit: "unfit",
}

// String returns the word that records and metrics use.
func (f Fault) String() string { return faultWords[f] }

// again reports whether the same target may be tried once more.
func (f Fault) again() bool {
	switch f {
	case FaultUnsent, FaultDropped, FaultServer, FaultWeak, FaultBusy, FaultRate:
		return true
	}
	return false
}

// keyOnly reports whether the fault is the key's alone, so that another key of
// the same account may be tried.
func (f Fault) keyOnly() bool {
	switch f {
	case FaultRate, FaultQuota, FaultAuth, FaultDenied, FaultSuspect:
		return true
	}
	return false
}

// weight is what the fault counts against a target's health: 2 points a failure,
// 1 for what says little, 0 where the target has shown that it works.
func (f Fault) weight() uint32 {
	switch f {
	case FaultUnsent, FaultDropped, FaultServer, FaultTimeout, FaultAnswer:
		return 2
	case FaultWeak, FaultBusy:
		return 1
	}
	return 0
}

// A Failure is one failed attempt.
type Failure struct {
	Fault Fault
	// RetryAfter is how long the upstream asks to wait; 0: it does not say.
	RetryAfter time.Duration
	Message    string // scrubbed
}

// regionWords are how vendors say that they serve nobody from this address.
var regionWords = []string{
	"unsupported_country_region_territory", "country, region, or territory not supported", "not available in your country", "not available in your region",
	"user location is not supported", "location is not supported", "not supported in your country", "not supported in your region", "unsupported country",
	"region is not supported", "your region", "geographic", "error code: 1009", "sanction",
}

// modelWords are how vendors say that a good key may not use this model.
var modelWords = []string{"does not have access to model", "not have access to the model", "access to this model", "access to the model", "model is not available for your", "not authorized to access this model", "not authorized to invoke", "you don't have access to the model"}

// ownWords begin messages of a 400 by which vendors refuse the account itself. Only
// the beginning counts: further on may stand what the caller sent.
var ownWords = []struct {
	words string
	fault Fault
}{
	{"user location is not supported", FaultRegion}, // Gemini
	{"your credit balance is too low", FaultQuota},  // Anthropic
	{"incorrect api key provided", FaultAuth},       // xAI
	{"api key not valid", FaultAuth},                // Gemini
	{"invalid api key", FaultAuth},
	{"this organization has been disabled", FaultAuth},
}

var busyWords = []string{"overloaded", "over capacity", "at capacity", "no capacity", "engine is currently", "temporarily unavailable", "high demand", "try again later due to load", "model is loading"}

func says(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// Classify tells the fault of an error that an upstream answered with; status is
// its HTTP status, 0 for an error event inside a stream or a 200.
func Classify(e *providers.Error, status int) Fault {
	words := strings.ToLower(e.Code + " " + e.Type + " " + e.Message)
	switch e.Kind {
	case providers.KindContextLength:
		return FaultContext
	case providers.KindContentPolicy:
		return FaultPolicy
	}
	if status == 400 || status == 422 || status == 0 {
		return classifyRequest(e, status)
	}
	switch e.Kind {
	case providers.KindQuota, providers.KindBilling:
		return FaultQuota
	}
	switch {
	case status >= 500 && status != 501 && status != 508:
		return FaultServer
	case says(words, regionWords) && (status == 401 || status == 403 || status == 451):
		return FaultRegion
	}
	switch e.Kind {
	case providers.KindAuthentication:
		return FaultAuth
	case providers.KindPermission:
		if says(words, modelWords) || strings.Contains(words, "model") && strings.Contains(words, "access") {
			return FaultDenied
		}
		return FaultAuth
	case providers.KindRateLimit:
		if says(words, busyWords) {
			return FaultBusy
		}
		return FaultRate
	case providers.KindModelNotFound, providers.KindNotFound, providers.KindNotImplemented:
		return FaultModel
	}
	switch {
	case status == 402:
		return FaultQuota
	case status == 401 || status == 403:
		return FaultAuth
	case status == 408 || status == 409 || status == 425:
		return FaultWeak
	case status == 429:
		if says(words, busyWords) {
			return FaultBusy
		}
		return FaultRate
	case status == 404 || status == 410 || status == 501 || status == 508:
		return FaultModel
	case status >= 300 && status < 400:
		return FaultAnswer
	case status >= 400:
		return FaultRequest
	}
	return FaultAnswer
}

// classifyRequest tells the fault of an answer that finds the request at fault, or
// of an error without status.
func classifyRequest(e *providers.Error, status int) Fault {
	message := strings.ToLower(strings.TrimSpace(e.Message))
	for _, own := range ownWords {
		if strings.HasPrefix(message, own.words) {
			return own.fault
		}
	}
	exact := e.Code == "invalid_api_key" || e.Code == "API_KEY_INVALID" || e.Code == "insufficient_quota" || e.Code == "UNAUTHENTICATED" ||
		e.Type == "authentication_error" || e.Type == "billing_error"
	switch e.Kind {
	case providers.KindAuthentication, providers.KindPermission:
		if exact {
			return FaultAuth
		}
		return FaultSuspect
	case providers.KindQuota, providers.KindBilling:
		if exact {
			return FaultQuota
		}
		return FaultSuspect
	case providers.KindRateLimit:
		return FaultRate
	case providers.KindModelNotFound, providers.KindNotFound, providers.KindNotImplemented:
		return FaultModel
	case providers.KindInvalidRequest, providers.KindTooLarge, providers.KindUnsupportedType:
		return FaultRequest
	}
	if status == 0 {
		return FaultAnswer
	}
	return FaultRequest
}
