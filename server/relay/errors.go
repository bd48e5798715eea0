package relay

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/upstream"
)

var errTooLarge = errors.New("answer exceeds the limit")

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// explainBroken turns a broken exchange into an error for the caller and an attempt's outcome.
func explainBroken(err error, gotHead bool) (*providers.Error, string) {
	e := &providers.Error{Kind: providers.KindUpstream, Code: "upstream_unreachable"}
	var ue *upstream.Error
	switch {
	case errors.Is(err, errDeadline):
		e.Kind, e.Code, e.Message = providers.KindTimeout, "upstream_timeout", "the upstream did not answer in time"
		if gotHead {
			e.Code, e.Message = "upstream_idle_timeout", "the upstream stopped sending"
		}
		return e, "timeout"
	case errors.Is(err, errTooLarge):
		e.Code, e.Message = "bad_upstream_response", "the upstream's answer exceeds the size limit"
		return e, "bad_response"
	case errors.As(err, &ue):
		e.Message = "cannot reach the upstream: " + ue.Error()
		switch ue.Kind {
		case upstream.HeaderTimeout:
			e.Kind, e.Code, e.Message = providers.KindTimeout, "upstream_timeout", "the upstream did not answer in time"
			return e, "timeout"
		case upstream.Cut, upstream.Reset:
			e.Code, e.Message = "upstream_cut", "the upstream cut its answer short"
			return e, "cut"
		case upstream.BadResponse, upstream.TooLarge:
			e.Code, e.Message = "bad_upstream_response", "the upstream's answer is malformed: "+ue.Error()
			return e, "bad_response"
		}
		return e, "connect"
	}
	e.Message = fmt.Sprintf("the exchange with the upstream broke: %v", err)
	return e, "cut"
}

// deadlineFor names a tick at the end of all time what it is.
func deadlineFor(err error) error {
	if errors.Is(err, upstream.ErrTick) {
		return errDeadline
	}
	return err
}

// badResponse is a 200 that is no answer.
func badResponse(why string) *providers.Error {
	return &providers.Error{Kind: providers.KindUpstream, Code: "bad_upstream_response", Message: "the upstream's answer is malformed: " + why}
}

// final reports whether no other target may be tried after e.
func final(e *providers.Error) bool {
	switch e.Kind {
	case providers.KindInvalidRequest, providers.KindTooLarge, providers.KindContextLength, providers.KindContentPolicy, providers.KindUnsupportedType:
		return true
	}
	return false
}

// retryAfter reads how long the upstream asks to wait; 0 when it does not say. At most 300 s.
func retryAfter(up *upstream.Exchange, now time.Time) time.Duration {
	const most = 300 * time.Second
	if ms, err := strconv.ParseFloat(up.ResponseHeader("retry-after-ms"), 64); err == nil && ms > 0 {
		return min(time.Duration(min(ms, 300_000)*float64(time.Millisecond)), most)
	}
	v := strings.TrimSpace(up.ResponseHeader("retry-after"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if !(s > 0) { // also NaN
			return 0
		}
		return min(time.Duration(min(s, 300)*float64(time.Second)), most)
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return min(at.Sub(now), most)
	}
	return 0
}

// leaks reports whether b holds a secret of the account in use.
func (x *exchange) leaks(b []byte) bool {
	for _, s := range x.target.Account.Secrets {
		if v := s.Reveal(); len(v) >= 8 && strings.Contains(string(b), v) {
			return true
		}
	}
	return false
}

// scrub removes the account's secrets from a message.
func (x *exchange) scrub(msg string) string {
	for _, s := range x.target.Account.Secrets {
		if v := s.Reveal(); len(v) >= 8 {
			msg = strings.ReplaceAll(msg, v, "[redacted]")
		}
	}
	return msg
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
