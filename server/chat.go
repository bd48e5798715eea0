package server

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// passOn are the caller's headers an upstream of the same dialect gets.
var passOn = [...]struct {
	field field
	name  string
}{
	{fieldContentType, "Content-Type"}, {fieldAccept, "Accept"}, {fieldAnthropicVersion, "Anthropic-Version"},
	{fieldAnthropicBeta, "Anthropic-Beta"}, {fieldOpenAIBeta, "Openai-Beta"}, {fieldUserAgent, "User-Agent"},
}

// serveRelay is the handler of every route that reaches an upstream.
func (s *Server) serveRelay(c *call) {
	if c.isForm() {
		s.serveForm(c)
		return
	}
	r := newReading(s.gate)
	buf, e := c.readBody(s.o.MaxBody, &r.held)
	if e != nil {
		c.fail(e)
		return
	}
	r.buf = buf
	body, release := *buf, r.release
	if len(body) == 0 {
		release()
		c.fail(refuse(400, "invalid_json", "the request body is empty: a JSON object is expected"))
		return
	}
	if c.deployment != "" || c.route.operation != nil {
		body = c.withModel(body)
	}
	in := c.in()
	if in.Dialect() == providers.Responses {
		if c.refers, e = s.threadOf(c, body); e != nil {
			release()
			c.fail(e)
			return
		}
		body = c.refers.body
	}
	peek, err := in.Peek(body)
	if err != nil {
		release()
		c.fail(asError(err))
		return
	}
	if e := c.address(&peek); e != nil {
		release()
		c.fail(e)
		return
	}
	s.send(c, &peek, body, nil, release)
}

// send plans a request that has been read and hands it to the relay, which calls
// release when it has done with body.
func (s *Server) send(c *call, peek *providers.Peek, body []byte, up *relay.Upload, release func()) {
	in := c.in()
	if e := c.looped(); e != nil {
		release()
		c.fail(e)
		return
	}
	who := limits.Who{Model: peek.Model, KeyID: c.who.Name}
	if k := c.who.Key; k != nil {
		who.KeyID, who.Group = k.ID, k.Group
	}
	ticket, answered := s.replays(c, who.KeyID, body, up)
	if answered {
		release()
		return
	}
	if ticket != nil {
		inner := release
		release = func() {
			inner()
			ticket.End()
		}
	}
	lease, denied := s.relay.Admit(who, c.start)
	if denied != nil {
		release()
		s.relay.WriteRates(c.ctx, who, s.o.Now())
		c.refuse(*peek, denied)
		return
	}
	defer func() { lease.Cancel() }() // nil once a job has it
	table, allow := s.table.Load(), allowModels(c)
	plan, perr := table.Plan(routing.Ask{
		Op: c.route.op, Dialect: in.Dialect(), Model: peek.Model, Provider: peek.Provider, Fallback: peek.Fallbacks, Allow: allow,
	})
	if perr == nil && c.refers.account != "" {
		plan, perr = keptBy(plan, &c.refers)
	}
	if perr != nil {
		release()
		c.refuse(*peek, perr)
		return
	}
	job := relay.NewJob()
	job.ID, job.ClientID, job.Accepted, job.Conn, job.Trace = c.id, c.clientID, c.start, c.ctx.Conn(), c.trace()
	job.Whole = c.plain() && lease == nil // a limit may be waited for
	job.Op, job.Path, job.Query, job.In, job.Frames = c.route.op, c.upstreamPath(), c.query(), in, c.route.frames
	job.Open = c.route.operation != nil && c.route.operation.open
	job.Peek, job.Body, job.Upload, job.Release, job.EndUser, job.Thread = *peek, body, up, release, endUser(peek.User), c.refers.thread
	job.Plan, job.Lease, job.Ticket, job.Lines = plan, lease, ticket, c.lines
	job.Forward = c.forward(job.Forward)
	if k := c.who.Key; k != nil {
		job.KeyID, job.KeyName, job.Group, job.Metadata, job.Drain = k.ID, k.Name, k.Group, k.Metadata, k.OnDisconnect == "drain"
		job.Markup = k.MarkupMillionths()
	} else {
		job.KeyID, job.KeyName = c.who.Name, c.who.Name
	}
	job.ShowAccount = c.who.Admin
	job.Drain = job.Drain || ticket != nil
	job.Allow = allow
	if k := c.who.Key; k != nil && k.LogBodies != "" {
		job.Record, job.Address = k.LogBodies, string(c.ctx.Path())
	}
	if plan.Choices > 1 {
		job.Session = c.sessionOf()
	}
	if c.route.op.Counts() && (!countsTokens(plan, c.route.op, in.Dialect()) || mixed(in, body)) {
		s.estimateTokens(c, job)
		return
	}
	lease = nil
	s.relay.Do(c.ctx, job)
}

// query is what an upstream of the caller's dialect gets of the address's query:
// all of it, but for the version that an Azure address must name, and the key that
// a Gemini one may hold.
func (c *call) query() string {
	q := string(c.queryString())
	if !strings.Contains(q, "api-version=") && !c.route.gemini {
		return q
	}
	return strings.Join(slices.DeleteFunc(strings.Split(q, "&"), func(p string) bool {
		name, _, _ := strings.Cut(p, "=")
		if un, err := url.QueryUnescape(name); err == nil {
			name = un
		}
		return name == "api-version" || c.route.gemini && (name == "key" || name == "access_token")
	}), "&")
}

// allowModels returns the key's allow list as a test; nil allows all.
func allowModels(c *call) func(string) bool {
	if c.who.Key == nil || len(c.who.Key.Models) == 0 {
		return nil
	}
	list := c.who.Key.Models
	return func(model string) bool {
		return slices.ContainsFunc(list, func(p string) bool { return p == "*" || providers.MatchName(p, model) })
	}
}

// forward appends the headers an upstream of the caller's dialect is to see.
func (c *call) forward(out []providers.Header) []providers.Header {
	if c.plain() && len(c.head.forward) > 0 {
		return append(out, c.head.forward...)
	}
	cn, _ := c.ctx.Conn().(*conn)
	for i := range passOn {
		p := &passOn[i]
		if v := c.header(p.field); len(v) > 0 {
			if p.field == fieldAnthropicBeta {
				v = c.joined(p.field, p.name)
			}
			out = append(out, providers.Header{Name: p.name, Value: cn.heard(i, v)})
		}
	}
	if c.plain() {
		c.head.forward = append(c.head.forward, out...)
	}
	return out
}

// looped refuses a request that this gateway itself has sent.
func (c *call) looped() *providers.Error {
	if via := c.joined(fieldVia, "Via"); len(via) > 0 && bytes.Contains(via, c.s.via) {
		return &providers.Error{Kind: providers.KindLoop, Code: "loop_detected", NoRetry: true,
			Message: "this request has been here before: an account's base_url leads back to this gateway"}
	}
	return nil
}

// endUser makes what a caller says of his end user fit to be recorded.
func endUser(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
	if len(s) > 256 {
		s = strings.ToValidUTF8(s[:256], "")
	}
	return s
}

// countsTokens reports whether the plan's first target counts tokens itself, in the caller's format.
func countsTokens(p *routing.Plan, op providers.Op, d providers.Dialect) bool {
	t := &p.Targets[0]
	return slices.Contains(t.Account.Provider.Ops, op) &&
		t.Account.Provider.Serves(t.Model, d)
}

// mixed reports whether body replays content that its dialect's vendor would refuse.
func mixed(in providers.Ingress, body []byte) bool {
	m, ok := in.(providers.Mixed)
	return ok && m.Mixed(body)
}
