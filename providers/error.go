package providers

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrorKind classifies a failure, whoever reports it.
type ErrorKind string

// Error kinds. Each dialect maps them to its own words.
const (
	KindInvalidRequest  ErrorKind = "invalid_request"  // 400
	KindTooLarge        ErrorKind = "too_large"        // 413
	KindContextLength   ErrorKind = "context_length"   // 400: the prompt does not fit the model
	KindContentPolicy   ErrorKind = "content_policy"   // 400: refused by a content filter
	KindAuthentication  ErrorKind = "authentication"   // 401
	KindBilling         ErrorKind = "billing"          // 402, or 429 by quota
	KindPermission      ErrorKind = "permission"       // 403
	KindNotFound        ErrorKind = "not_found"        // 404
	KindModelNotFound   ErrorKind = "model_not_found"  // 404
	KindConflict        ErrorKind = "conflict"         // 409
	KindRateLimit       ErrorKind = "rate_limit"       // 429
	KindQuota           ErrorKind = "quota"            // 429, insufficient_quota
	KindTimeout         ErrorKind = "timeout"          // 408, 504
	KindOverloaded      ErrorKind = "overloaded"       // 503, 529
	KindInternal        ErrorKind = "internal"         // 500
	KindUpstream        ErrorKind = "upstream"         // 502: the upstream failed or answered nonsense
	KindUnavailable     ErrorKind = "unavailable"      // 503
	KindNotImplemented  ErrorKind = "not_implemented"  // 501
	KindLoop            ErrorKind = "loop"             // 508
	KindMethod          ErrorKind = "method"           // 405
	KindUnsupportedType ErrorKind = "unsupported_type" // 415
)

// An Error is a failure on its way to a caller, in no vendor's format.
type Error struct {
	Kind    ErrorKind
	Status  int    // HTTP status to answer with; 0: the kind's usual one
	Code    string // machine word (model_not_found, insufficient_quota, …); may be empty
	Type    string // the origin's type word, written back by the same dialect; may be empty
	Param   string // the member at fault; may be empty
	Message string // for people; never holds a secret

	RetryAfter time.Duration // 0: not said
	NoRetry    bool          // tells SDKs not to retry (x-should-retry: false)

	RequestID string // ours
	Provider  string // where an upstream's error came from
	Attempts  int
	// Raw is the upstream's own body, when the caller speaks the upstream's dialect it is relayed as it is.
	Raw []byte
}

func (e *Error) Error() string { return e.Message }

// HTTPStatus returns the status to answer with.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	switch e.Kind {
	case KindInvalidRequest, KindContextLength, KindContentPolicy:
		return 400
	case KindAuthentication:
		return 401
	case KindBilling:
		return 402
	case KindPermission:
		return 403
	case KindNotFound, KindModelNotFound:
		return 404
	case KindMethod:
		return 405
	case KindConflict:
		return 409
	case KindTooLarge:
		return 413
	case KindUnsupportedType:
		return 415
	case KindRateLimit, KindQuota:
		return 429
	case KindNotImplemented:
		return 501
	case KindUpstream:
		return 502
	case KindOverloaded, KindUnavailable:
		return 503
	case KindTimeout:
		return 504
	case KindLoop:
		return 508
	}
	return 500
}

// KindOfStatus returns the kind that an HTTP status alone tells, those that proxies
// and overloaded vendors made up included (520 to 524, 529); "" where it says little.
func KindOfStatus(status int) ErrorKind {
	switch status {
	case 400, 422:
		return KindInvalidRequest
	case 401:
		return KindAuthentication
	case 402:
		return KindBilling
	case 403:
		return KindPermission
	case 404, 410:
		return KindNotFound
	case 405:
		return KindMethod
	case 408, 504, 524:
		return KindTimeout
	case 409:
		return KindConflict
	case 413:
		return KindTooLarge
	case 415:
		return KindUnsupportedType
	case 429:
		return KindRateLimit
	case 501:
		return KindNotImplemented
	case 502, 520, 521, 522, 523:
		return KindUpstream
	case 503, 529:
		return KindOverloaded
	case 508:
		return KindLoop
	}
	return ""
}

// Complete gives e, whose kind is known, the code that callers go by, and a message
// where the upstream, which answered with status (0: in a stream), gave none.
func (e *Error) Complete(status int) {
	switch e.Kind {
	case KindContextLength:
		e.Code = "context_length_exceeded"
	case KindModelNotFound:
		e.Code = "model_not_found"
	case KindQuota, KindBilling:
		e.Code = "insufficient_quota"
	}
	if e.Message == "" {
		e.Message = "the upstream failed without saying why"
		if status != 0 {
			e.Message = strings.TrimSpace("the upstream answered " + strconv.Itoa(status) + " " + http.StatusText(status))
		}
	}
}
