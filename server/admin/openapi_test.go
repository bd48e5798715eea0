package admin

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/api/contract"
)

var theDescription = sync.OnceValues(contract.Load)

func description(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := theDescription()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const unknownParameter = "no_such_parameter"

// asDescribed holds a call that was made against the description of the API.
func (h *harness) asDescribed(r Route, ctx *fasthttp.RequestCtx) {
	call := contract.Call{Method: r.Method, Route: r.Path, Body: ctx.Request.Body(), Status: ctx.Response.StatusCode(),
		MediaType: string(ctx.Response.Header.ContentType())}
	if !ctx.Response.IsBodyStream() {
		call.Answer = ctx.Response.Body()
	}
	for name := range ctx.QueryArgs().All() {
		if string(name) != unknownParameter { // which some take and ignore
			call.Query = append(call.Query, string(name))
		}
	}
	if err := description(h.t).Check(call); err != nil {
		h.t.Error(err)
	}
}

// TestParametersAreDescribed: what a route says of the parameters that it knows is
// what the description says.
func TestParametersAreDescribed(t *testing.T) {
	h := newHarness(t)
	c, told := description(t), 0
	for _, r := range h.Routes() {
		if strings.Contains(r.Path, "{") {
			continue
		}
		_, body := h.call(h.admin, r.Method, r.Path+"?"+unknownParameter+"=1", "")
		var e api.ErrorBody
		_ = json.Unmarshal([]byte(body), &e)
		_, list, ok := strings.Cut(e.Error.Message, "known here: ")
		if !ok {
			continue
		}
		told++
		known := strings.Split(list, ", ")
		if list == "" {
			known = nil
		}
		var described []string
		for _, p := range c.Operation(r.Method, r.Path).Parameters {
			if p.Value.In == "query" {
				described = append(described, p.Value.Name)
			}
		}
		slices.Sort(known)
		slices.Sort(described)
		if !slices.Equal(known, described) {
			t.Errorf("%s %s knows %q, described are %q", r.Method, r.Path, known, described)
		}
	}
	if told < 15 {
		t.Errorf("only %d routes told what they know", told)
	}
}
