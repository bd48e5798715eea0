package relay

import (
	"math"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/upstream"
)

// passBack are the upstream's headers that callers get.
var passBack = [...]string{"openai-processing-ms", "openai-version", "anthropic-organization-id"}

// writeHead sets the headers every answer has. known: the target that answers is
// settled (not so for a stream whose 200 goes out before any content).
func (x *exchange) writeHead(ctx *fasthttp.RequestCtx, known bool) {
	h := &ctx.Response.Header
	h.Set("X-Request-Id", x.job.ID)
	if !known || x.target == nil {
		return
	}
	h.Set("X-Gateway-Provider", x.target.Account.Provider.Name)
	h.Set("X-Gateway-Model", clean(x.target.Model))
	h.Set("X-Gateway-Attempts", strconv.Itoa(max(1, x.tries)))
	if x.job.ShowAccount {
		h.Set("X-Gateway-Account", clean(x.target.Account.Name))
	}
	if len(x.dropped) > 0 {
		h.Set("X-Gateway-Dropped-Params", clean(strings.Join(x.dropped, ", ")))
	}
	if x.row.UpstreamID != "" {
		h.Set("X-Upstream-Request-Id", clean(x.row.UpstreamID))
	}
	if x.up == nil {
		return
	}
	for _, name := range passBack {
		if v := x.up.ResponseHeader(name); v != "" {
			h.Set(name, clean(v))
		}
	}
	if x.same {
		x.up.EachHeader(func(name, value string) {
			if len(name) > len(unified) && strings.EqualFold(name[:len(unified)], unified) {
				h.Set(name, clean(value))
			}
		})
	}
}

const unified = "anthropic-ratelimit-unified-"

var _ = (*upstream.Exchange).EachHeader

// answerError writes x.fail in the caller's dialect. It must be settled already.
func (x *exchange) answerError(ctx *fasthttp.RequestCtx) {
	e := x.fail
	if e == nil {
		e = &providers.Error{Kind: providers.KindInternal, Status: 499, Code: "client_closed", Message: "the caller left before the answer"}
	}
	e.RequestID, e.Attempts = x.job.ID, x.tries
	x.writeHead(ctx, x.target != nil)
	WriteError(ctx, x.job.In, e)
}

// WriteError answers with e in the dialect of in.
func WriteError(ctx *fasthttp.RequestCtx, in providers.Ingress, e *providers.Error) {
	h := &ctx.Response.Header
	ctx.Response.ResetBody()
	ctx.Response.SetStatusCode(e.HTTPStatus())
	h.SetContentType("application/json")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(e.RetryAfter.Seconds())), 10))
		h.Set("Retry-After-Ms", strconv.FormatInt(e.RetryAfter.Milliseconds(), 10))
	}
	if e.NoRetry {
		h.Set("X-Should-Retry", "false")
	}
	if e.Raw != nil {
		ctx.Response.SetBody(e.Raw)
		return
	}
	ctx.Response.SetBody(in.AppendError(nil, e))
}

// clean makes a header value of s: one line of printable ASCII, bounded.
func clean(s string) string {
	ok := len(s) <= 512
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= 0x20 && s[i] < 0x7f
	}
	if ok {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s) && i < 512; i++ {
		if s[i] >= 0x20 && s[i] < 0x7f {
			b.WriteByte(s[i])
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}
func isJSON(contentType string) bool { return strings.Contains(contentType, "json") }
