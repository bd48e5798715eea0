package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// An ErrorBody is how the gateway answers a refusal on the OpenAI surface and the admin API.
type ErrorBody struct {
	Error ErrorDetail `json:"error"`
}

// An ErrorDetail is the inside of an ErrorBody. Param and Code are null where there is none.
type ErrorDetail struct {
	Message  string         `json:"message"`
	Type     string         `json:"type"`
	Param    *string        `json:"param"`
	Code     *string        `json:"code"`
	Metadata *ErrorMetadata `json:"metadata,omitempty"`
}

// ErrorMetadata is what the gateway adds to an error.
type ErrorMetadata struct {
	RequestID string `json:"request_id,omitempty"`
	Provider  string `json:"provider,omitempty"` // where an upstream's error came from
	Attempts  int    `json:"attempts,omitempty"`
}

// An Error is a refusal by the gateway, or a failure it reports.
type Error struct {
	Status    int // HTTP status; 0: the error came in a stream that had begun
	Code      string
	Type      string
	Param     string
	Message   string
	RequestID string
}

func (e *Error) Error() string { return e.Message }

// An Unreachable error tells that no gateway answered.
type Unreachable struct {
	URL string // its base
	Err error
}

func (e *Unreachable) Error() string {
	return fmt.Sprintf("cannot reach the gateway at %s: %v", e.URL, e.Err)
}

func (e *Unreachable) Unwrap() error { return e.Err }

// readError makes an Error of an answer that is not a success. Anything may
// stand between client and gateway, so the body need not be ours.
func readError(status int, body []byte, requestID string) *Error {
	e := &Error{Status: status, RequestID: requestID}
	e.fill(body)
	switch {
	case e.Message != "":
	case status == 0:
		e.Message = "the stream ended in an error without an explanation"
	default:
		e.Message = fmt.Sprintf("the answer is HTTP %d without an explanation; is this the gateway's address?", status)
		if text := strings.TrimSpace(string(body)); text != "" && len(text) <= 300 && text[0] != '<' {
			e.Message = fmt.Sprintf("HTTP %d: %s", status, text)
		}
	}
	return e
}

// fill takes what it can from an error body; members may be of other types than ours.
func (e *Error) fill(body []byte) {
	var b struct {
		Error     json.RawMessage `json:"error"`
		RequestID string          `json:"request_id"`
		Reason    string          `json:"reason"` // of /health and /readyz
	}
	if json.Unmarshal(body, &b) != nil {
		return
	}
	if b.Reason != "" && len(b.Error) == 0 {
		e.Code, e.Message = "unavailable", "the gateway cannot serve: "+b.Reason
		return
	}
	var d struct {
		Message  string        `json:"message"`
		Type     string        `json:"type"`
		Param    any           `json:"param"`
		Code     any           `json:"code"`
		Metadata ErrorMetadata `json:"metadata"`
	}
	if json.Unmarshal(b.Error, &d) != nil {
		_ = json.Unmarshal(b.Error, &e.Message) // "error": "text"; anything else leaves it empty
		return
	}
	e.Message, e.Type = d.Message, d.Type
	e.Param, e.Code = word(d.Param), word(d.Code)
	e.RequestID = cmp.Or(e.RequestID, d.Metadata.RequestID, b.RequestID)
}

func word(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return ""
}
