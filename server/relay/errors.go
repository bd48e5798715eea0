package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
)

var errTooLarge = errors.New("answer exceeds the limit")

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// explainBroken turns a broken exchange into an error for the caller, an attempt's
// outcome and what it says about the target.
func explainBroken(err error, gotHead bool) (*providers.Error, string, routing.Fault) {
	e := &providers.Error{Kind: providers.KindUpstream, Code: "upstream_unreachable"}
	var ue *upstream.Error
	switch {
	case errors.Is(err, errDeadline):
		e.Kind, e.Code, e.Message = providers.KindTimeout, "upstream_timeout", "the upstream did not answer in time"
		if gotHead {
			e.Code, e.Message = "upstream_idle_timeout", "the upstream stopped sending"
		}
		return e, "timeout", routing.FaultTimeout
	case errors.Is(err, errTooLarge):
		e.Code, e.Message = "bad_upstream_response", "the upstream's answer exceeds the size limit"
		return e, "bad_response", routing.FaultAnswer
	case errors.As(err, &ue):
		e.Message = "cannot reach the upstream: " + ue.Error()
		switch ue.Kind {
		case upstream.HeaderTimeout:
			e.Kind, e.Code, e.Message = providers.KindTimeout, "upstream_timeout", "the upstream did not answer in time"
			return e, "timeout", routing.FaultTimeout
		case upstream.Cut, upstream.Reset:
			e.Code, e.Message = "upstream_cut", "the upstream cut its answer short"
			if gotHead || ue.Kind == upstream.Cut {
				return e, "cut", routing.FaultAnswer
			}
			return e, "cut", routing.FaultDropped
		case upstream.BadResponse, upstream.TooLarge:
			e.Code, e.Message = "bad_upstream_response", "the upstream's answer is malformed: "+ue.Error()
			return e, "bad_response", routing.FaultAnswer
		case upstream.Write:
			return e, "connect", routing.FaultDropped
		}
		var late net.Error
		if errors.As(err, &late) && late.Timeout() { // a second dial would take as long
			return e, "connect", routing.FaultTimeout
		}
		return e, "connect", routing.FaultUnsent
	}
	e.Message = fmt.Sprintf("the exchange with the upstream broke: %v", err)
	return e, "cut", routing.FaultAnswer
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

// readable reports whether body is an error in a form that the caller's clients know.
// Proxies before a vendor answer pages, compatible vendors shapes of their own, and an
// event of a stream is not always what a body is.
func (x *exchange) readable(body []byte) bool {
	if x.job.Op != providers.OpChat { // clients of these are a vendor's own
		_, err := wire.Fields(body, nil, nil)
		return err == nil
	}
	s, e, ok := wire.Path(body, "error")
	if !ok || body[s] != '{' && body[s] != '"' || e == s {
		return false
	}
	if x.job.In.Dialect() != providers.Messages {
		return true
	}
	s, e, ok = wire.Path(body, "type")
	return ok && string(body[s:e]) == `"error"`
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}
