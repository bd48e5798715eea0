package relay

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// buildCall makes the upstream's request for t: spliced where the dialects are
// the same, translated otherwise.
func (x *exchange) buildCall(t *routing.Target) (*providers.Call, *providers.Error) {
	job := x.job
	c := &x.call
	*c = providers.Call{
		Header: c.Header[:0], Op: job.Op, Model: t.Model, Stream: job.Peek.Stream, Base: t.Base, Path: job.Path,
		Secret: secretOf(t.Account, x.key), Options: t.Account.Options,
	}
	if t.Egress != nil {
		c.Dialect = t.Egress.Dialect()
	} else if job.In != nil {
		c.Dialect = job.In.Dialect()
	}
	c.Relayed = x.same
	if x.same {
		body, err := x.own(t)
		if err != nil {
			return nil, err
		}
		c.Body = body
		c.Header = append(c.Header, job.Forward...)
		if c.Dialect == providers.Messages {
			x.filterBetas(c, t.Account)
		}
	} else {
		body, err := x.translate(t)
		if err != nil {
			return nil, err
		}
		c.Body = body
		for _, h := range job.Forward { // the caller's dialect headers mean nothing to a foreign upstream
			if strings.EqualFold(h.Name, "user-agent") {
				c.Header = append(c.Header, h)
			}
		}
		c.Set("Content-Type", "application/json")
	}
	if len(t.Account.Params) > 0 && x.job.Upload == nil {
		body, err := x.applyParams(t, c.Body)
		if err != nil {
			return nil, err
		}
		c.Body = body
	}
	if c.Stream {
		c.Set("Accept", "text/event-stream")
	}
	if len(t.Account.Headers) > 0 {
		for name, value := range t.Account.Headers {
			c.Set(name, value)
		}
	}
	p := t.Account.Provider
	if p.Shape != nil {
		if err := p.Shape(c); err != nil {
			e := asError(err)
			e.Provider = p.Name
			return nil, e
		}
	}
	if p.URL != nil {
		c.URL = p.URL(c)
	} else {
		c.URL = x.address.of(c)
	}
	if x.same && job.Query != "" && !strings.Contains(c.URL, "?") {
		c.URL += "?" + job.Query
	}
	if err := x.sign(c, t.Account); err != nil {
		return nil, &providers.Error{Kind: providers.KindUpstream, Code: "upstream_auth_failed", Provider: p.Name,
			Message: "cannot sign the upstream's request: " + x.target.Account.Scrub(err.Error())}
	}
	return c, nil
}

// sign adds credentials to a call.
func (x *exchange) sign(c *providers.Call, a *routing.Account) error {
	if sign := a.Provider.Sign; sign != nil {
		return sign(c)
	}
	if bearer := a.Bearer(x.key); bearer != "" { // what DefaultSign would make again
		c.Set("Authorization", bearer)
		return nil
	}
	return providers.DefaultSign(c)
}

// An address is the URL of an account's calls in the OpenAI way, kept while calls go to
// the same place.
type address struct{ base, path, url string }

func (a *address) of(c *providers.Call) string {
	if path := providers.DefaultPath(c); a.base != c.Base || a.path != path {
		*a = address{c.Base, path, providers.DefaultURL(c)}
	}
	return a.url
}

// secretOf returns the account's n-th key; an empty one for providers that need none.
func secretOf(a *routing.Account, n int) string {
	if n >= len(a.Secrets) {
		return ""
	}
	return a.Secrets[n].Reveal()
}

// own makes the body for an upstream of the caller's dialect: the caller's bytes,
// but for splices. What replays another vendor's thinking is written anew without
// it, since this vendor would refuse what it has not signed.
func (x *exchange) own(t *routing.Target) ([]byte, *providers.Error) {
	if m, ok := x.job.In.(providers.Mixed); ok && x.job.Op == providers.OpChat && m.Mixed(x.job.Body) {
		return x.translate(t)
	}
	if x.job.Upload != nil {
		return x.form(t), nil
	}
	if x.mustBound() && x.job.Op == providers.OpChat && x.boundMember(&t.Account.Provider.Quirks) == "" {
		return x.translate(t)
	}
	return x.splice(t)
}

// splice performs the closed list of changes on a relayed body: the model's
// name, the gateway's own members, members the vendor refuses, the request for
// stream usage, and the bound of the output that a strict budget needs. All other bytes stay as they came.
func (x *exchange) splice(t *routing.Target) ([]byte, *providers.Error) {
	body, p := x.job.Body, &x.job.Peek
	var few [8]wire.Edit
	edits := few[:0]
	if p.ModelSpan.Found() && !spells(body[p.ModelSpan.Start:p.ModelSpan.End], t.Model) {
		if name := wire.AppendString(nil, t.Model); !bytes.Equal(body[p.ModelSpan.Start:p.ModelSpan.End], name) {
			edits = append(edits, wire.Edit{Start: p.ModelSpan.Start, End: p.ModelSpan.End, New: name})
		}
	}
	for _, tail := range p.ModelTails {
		if name := wire.AppendString(nil, strings.TrimPrefix(t.Model, "models/")); !bytes.Equal(body[tail.Start:tail.End], name[1:len(name)-1]) {
			edits = append(edits, wire.Edit{Start: tail.Start, End: tail.End, New: name[1 : len(name)-1]})
		}
	}
	quirks := &t.Account.Provider.Quirks
	for _, own := range p.Own {
		if own.Name == "provider" && p.ProviderObject && quirks.ProviderObject {
			continue
		}
		if own.Name == "provider" && p.ProviderObject {
			x.dropped = append(x.dropped, "provider")
		}
		edits = append(edits, wire.Edit{Start: own.Cut.Start, End: own.Cut.End})
	}
	if x.mustBound() {
		edits = append(edits, boundEdit(body, x.boundMember(quirks), x.outputBound(t)))
	}
	if len(quirks.Drop) > 0 {
		fields, err := wire.Fields(body, quirks.Drop, nil)
		if err != nil {
			return nil, syntaxError(err)
		}
		for _, f := range fields {
			edits = append(edits, wire.Edit{Start: f.CutStart, End: f.CutEnd})
			x.dropped = append(x.dropped, f.Name)
		}
	}
	if quirks.NoBase64 && x.job.Op == providers.OpEmbeddings {
		if s, e, ok := wire.Path(body, "encoding_format"); ok && string(body[s:e]) == `"base64"` {
			edits = append(edits, wire.Edit{Start: s, End: e, New: []byte(`"float"`)}) // see providers.Refitter
		}
	}
	if x.addsUsage(t) {
		edits = append(edits, usageEdit(body, p.StreamOptions))
	}
	if len(edits) == 0 {
		return body, nil
	}
	slices.SortStableFunc(edits, func(a, b wire.Edit) int { return a.Start - b.Start })
	return wire.Splice(make([]byte, 0, len(body)+64), body, edits), nil
}

// spells reports whether a JSON string is s without any escape.
func spells(quoted []byte, s string) bool {
	return len(quoted) == len(s)+2 && string(quoted[1:len(quoted)-1]) == s
}

// addsUsage reports whether stream usage must be asked for on the caller's behalf.
func (x *exchange) addsUsage(t *routing.Target) bool {
	if !x.job.Peek.Stream || x.job.Peek.IncludeUsage || t.Account.Provider.Quirks.NoStreamUsage {
		return false
	}
	return x.job.In != nil && x.job.In.Dialect() == providers.Chat && (x.job.Op == providers.OpChat || x.job.Op == providers.OpCompletions)
}

// usageEdit sets stream_options.include_usage, keeping the options the caller gave.
func usageEdit(body []byte, options providers.Span) wire.Edit {
	if options.Found() && body[options.Start] != '{' { // null, or nonsense the vendor would refuse: replaced
		return wire.Edit{Start: options.Start, End: options.End, New: []byte(`{"include_usage":true}`)}
	}
	if !options.Found() {
		const member = `"stream_options":{"include_usage":true}`
		brace := bytes.IndexByte(body, '{')
		return wire.Edit{Start: brace + 1, End: brace + 1, New: []byte(member + ",")}
	}
	value := []byte(`{"include_usage":true`)
	wire.EachMember(body[options.Start:options.End], func(name, v []byte) bool {
		if string(name) != "include_usage" {
			value = append(wire.AppendString(append(value, ','), name), ':')
			value = append(value, v...)
		}
		return true
	})
	return wire.Edit{Start: options.Start, End: options.End, New: append(value, '}')}
}

// translate encodes the request for a target of another dialect.
func (x *exchange) translate(t *routing.Target) ([]byte, *providers.Error) {
	if x.decoded == nil {
		if b, ok := x.job.In.(providers.Bound); ok && !x.same {
			if err := b.Unbound(x.job.Body); err != nil {
				return nil, err
			}
		}
		req, err := x.job.In.DecodeRequest(x.job.Body)
		if err != nil {
			return nil, asError(err)
		}
		x.decoded = req
	}
	req := *x.decoded
	req.Model = t.Model
	req.Stream = x.job.Peek.Stream
	if t.Entry != nil {
		req.DefaultMaxTokens = t.Entry.MaxOutput
	}
	if err := x.inline(t, &req); err != nil {
		return nil, err
	}
	if x.mustBound() && (req.MaxTokens == nil || *req.MaxTokens <= 0) {
		n := x.outputBound(t)
		req.MaxTokens = &n
	}
	lost := x.recallThinking(&req)
	body, dropped, err := t.Egress.AppendRequest(make([]byte, 0, len(x.job.Body)+1024), &req)
	if err != nil {
		e := asError(err)
		e.Provider = t.Account.Provider.Name
		e.Message += " (target: " + e.Provider + "/" + t.Model + ")"
		return nil, e
	}
	x.dropped = append(dropped, lost...)
	return body, nil
}

// asError returns err as an error for the caller; anything untyped is his request's fault.
func asError(err error) *providers.Error {
	var e *providers.Error
	if errors.As(err, &e) {
		c := *e
		return &c
	}
	return &providers.Error{Kind: providers.KindInvalidRequest, Message: err.Error()}
}

func syntaxError(err error) *providers.Error {
	return &providers.Error{Kind: providers.KindInvalidRequest, Code: "invalid_json", Message: "cannot read the request body: " + err.Error()}
}
