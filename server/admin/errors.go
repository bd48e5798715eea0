package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// invalid is a 400 that names the member at fault.
func invalid(param, format string, args ...any) *api.Error {
	return &api.Error{Status: 400, Code: "invalid_value", Param: param, Message: param + " " + fmt.Sprintf(format, args...)}
}

func missing(param, example string) *api.Error {
	return &api.Error{Status: 400, Code: "missing_field", Param: param, Message: fmt.Sprintf("%s is missing: give one, such as %s", param, example)}
}

func notFound(what, id, list string) *api.Error {
	return &api.Error{Status: 404, Code: "not_found", Message: fmt.Sprintf("no %s %q: `%s` lists them", what, clip(id), list)}
}

func conflict(code, format string, args ...any) *api.Error {
	return &api.Error{Status: 409, Code: code, Message: fmt.Sprintf(format, args...)}
}

func forbidden(code, format string, args ...any) *api.Error {
	return &api.Error{Status: 403, Code: code, Message: fmt.Sprintf(format, args...)}
}

// clip shortens what a caller sent before it is shown back.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// fail answers with err in OpenAI's shape. What is not meant for callers is
// logged and answered without its text.
func (a *Admin) fail(c *Call, r Route, err error) {
	e := asAPI(err)
	if e == nil {
		e = &api.Error{Status: 500, Code: "internal_error", Message: "the gateway failed; its log has the reason under this request id"}
		if errors.Is(err, context.DeadlineExceeded) {
			e = &api.Error{Status: 503, Code: "store_timeout", Message: "the store did not answer within 30 s: ask for less, such as fewer days, one key or a grouping by less, or try again"}
		}
		a.d.Log.Error("admin call failed", "request_id", c.RequestID, "method", r.Method, "path", r.Path, "error", err)
	}
	detail := api.ErrorDetail{Message: e.Message, Type: e.Type, Metadata: &api.ErrorMetadata{RequestID: c.RequestID}}
	if detail.Type == "" {
		detail.Type = "invalid_request_error"
		if e.Status >= 500 {
			detail.Type = "server_error"
		}
	}
	if e.Param != "" {
		detail.Param = &e.Param
	}
	if e.Code != "" {
		detail.Code = &e.Code
	}
	b, err := json.Marshal(api.ErrorBody{Error: detail})
	if err != nil {
		panic("BUG: cannot encode an error: " + err.Error())
	}
	c.Ctx.SetStatusCode(e.Status)
	c.Ctx.Response.Header.SetContentType("application/json")
	c.Ctx.Response.SetBody(append(b, '\n'))
}

// asAPI returns err as an error for callers; nil if it is not for them.
func asAPI(err error) *api.Error {
	var e *api.Error
	if errors.As(err, &e) {
		return e
	}
	var pe *providers.Error
	if errors.As(err, &pe) {
		return &api.Error{Status: pe.HTTPStatus(), Code: pe.Code, Param: pe.Param, Message: pe.Message}
	}
	switch {
	case errors.Is(err, store.ErrAway):
		return &api.Error{Status: 503, Code: "store_unavailable", Message: "the database is away: requests are served on, and this works again when it is back"}
	case errors.Is(err, store.ErrQuery):
		return &api.Error{Status: 400, Code: "invalid_query", Message: err.Error()}
	case errors.Is(err, store.ErrStale):
		return conflict("changed_meanwhile", "the record was changed by someone else meanwhile: look at it and try again")
	case errors.Is(err, store.ErrNotFound):
		return &api.Error{Status: 404, Code: "not_found", Message: "no such record"}
	}
	return nil
}
