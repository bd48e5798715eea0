package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/store"
)

func (a *Admin) policyView(p *store.Policy, now time.Time) api.Policy {
	v := api.Policy{
		ID: p.ID, Name: p.Name, Scope: api.PolicyScope(p.Scope), Limits: []api.PolicyLimit{}, Mode: store.ModeNormal,
		DefaultMaxTokens: p.DefaultMaxTokens, OnStoreOutage: "deny", TimeZone: p.TimeZone, SoftPercent: p.SoftPercent,
		Origin: p.Origin, ReadOnly: p.Origin != store.OriginDB, CreatedAt: timePtr(p.CreatedAt), Usage: []api.Limit{},
	}
	if p.Mode != "" {
		v.Mode = p.Mode
	}
	if p.OnStoreOutage != "" {
		v.OnStoreOutage = p.OnStoreOutage
	}
	if p.DefaultMaxTokens == 0 {
		v.DefaultMaxTokens = store.DefaultMaxTokens
	}
	for _, l := range p.Limits {
		v.Limits = append(v.Limits, api.PolicyLimit{Kind: l.Kind, Limit: decimal(l.Kind, l.Limit), Window: l.Window, Burst: l.Burst})
	}
	if a.d.Limiter == nil {
		return v
	}
	states := a.d.Limiter.States(func(o *store.Policy) bool { return o.ID == p.ID }, now)
	for _, l := range p.Limits {
		for i := range states {
			if states[i].Limit.Kind == l.Kind && states[i].Limit.Window == l.Window {
				v.Usage = append(v.Usage, limitView(&states[i]))
			}
		}
	}
	return v
}

// decimal writes an amount of a kind: dollars as such.
func decimal(kind string, n int64) api.Decimal {
	if kind == store.LimitCost {
		return api.Decimal(store.FormatUSD(n))
	}
	return api.Decimal(strconv.FormatInt(n, 10))
}

func limitView(s *limits.State) api.Limit {
	kind := s.Limit.Kind
	return api.Limit{
		Policy: s.Policy.Name, PolicyID: s.Policy.ID, Scope: s.Policy.Scope.String(), Kind: kind, Window: s.Limit.Window,
		Limit: decimal(kind, s.Limit.Limit), Used: decimal(kind, s.Used), Reserved: decimal(kind, s.Reserved), Remaining: decimal(kind, s.Remaining),
		InFlight: s.Running, ResetsAt: timePtr(s.Resets), Overspend: overspend(s),
	}
}

// overspend says by how much a limit of tokens or money can be passed.
func overspend(s *limits.State) string {
	if s.Limit.Kind != store.LimitCost && s.Limit.Kind != store.LimitTokens {
		return ""
	}
	if s.Policy.Mode == store.ModeStrict {
		return "none, unless a provider bills more than the bytes and the max_tokens it was sent"
	}
	n := s.Policy.DefaultMaxTokens
	if n == 0 {
		n = store.DefaultMaxTokens
	}
	return fmt.Sprintf("what each request in flight (%d now) uses beyond its reservation: output over %d tokens where it states no max_tokens, input denser than a token in 2.5 bytes, and what attempts before its last told to have used, of which there are two at most", s.Running, n)
}

// keyLimits are the limits that hold for a key.
func (a *Admin) keyLimits(id, group string, now time.Time) []api.Limit {
	out := []api.Limit{}
	if a.d.Limiter == nil {
		return out
	}
	for _, s := range a.d.Limiter.States(func(p *store.Policy) bool { return limits.For(p, id, group) }, now) {
		out = append(out, limitView(&s))
	}
	return out
}

// storedLimits reads limits as they are kept.
func storedLimits(in []api.PolicyLimit) ([]store.PolicyLimit, error) {
	out := make([]store.PolicyLimit, len(in))
	for i, l := range in {
		out[i] = store.PolicyLimit{Kind: l.Kind, Window: l.Window, Burst: l.Burst}
		path := fmt.Sprintf("limits[%d].limit", i)
		if l.Limit == "" {
			return nil, missing(path, "60")
		}
		if l.Kind == store.LimitCost {
			usd, err := api.ParseUSD(string(l.Limit))
			if err != nil {
				return nil, invalid(path, "must be a number of US dollars with at most 9 decimals")
			}
			out[i].Limit = int64(usd)
			continue
		}
		n, err := strconv.ParseInt(string(l.Limit), 10, 64)
		if err != nil {
			return nil, invalid(path, "must be a whole number")
		}
		out[i].Limit = n
	}
	return out, nil
}

// checkPolicy checks p and that what its scope names exists.
func (a *Admin) checkPolicy(p *store.Policy) error {
	var bad *store.PolicyError
	if p.Name == "" {
		return missing("name", `"team budget"`)
	}
	if !printable(p.Name, 128) {
		return invalid("name", "must be at most 128 printable characters")
	}
	if err := p.Check(); errors.As(err, &bad) {
		return invalid(bad.Member, "%s", bad.Problem)
	}
	if g := p.Scope.Group; g != strings.TrimSpace(g) || !printable(g, 128) { // no key can be of it
		return invalid("scope.group", "must be at most 128 printable characters, without space around them")
	}
	if m := p.Scope.Model; m != strings.TrimSpace(m) || !printable(m, 256) {
		return invalid("scope.model", "must be a model's name or a pattern such as gpt-4*, of at most 256 characters")
	}
	if id := p.Scope.APIKey; id != "" {
		k, ok := a.d.Keys.ByID(strings.TrimPrefix(id, "sk-gw-"))
		if named := a.d.Keys.ByName(id); !ok && len(named) == 1 {
			k, ok = named[0], true
		}
		if !ok {
			return invalid("scope.api_key", "%q is the id of no API key: `ai-gateway api-key list` shows all", clip(id))
		}
		p.Scope.APIKey = k.ID
	}
	if name := p.Scope.Account; name != "" {
		acc, ok := a.d.Table().Account(name)
		if !ok {
			return invalid("scope.account", "%q does not exist: `ai-gateway providers list` shows all", clip(name))
		}
		p.Scope.Account = acc.Name
	}
	return nil
}

// policies returns the policies in force: those of the store, then those of the
// file whose name the store does not have.
func (a *Admin) policies(snap *store.Snapshot) []*store.Policy {
	return withFile(snap.Policies, a.d.Policies, policyNames)
}

func policyNames(x *store.Policy) (id, name string, own bool) {
	return x.ID, x.Name, x.Origin == store.OriginDB
}

// policy finds a policy by id or name.
func (a *Admin) policy(ctx context.Context, id string) (*store.Snapshot, *store.Policy, error) {
	snap, err := a.d.Store.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	x := find(a.policies(snap), id, policyNames)
	if x == nil {
		return nil, nil, notFound("quota policy", id, "ai-gateway quota list")
	}
	return snap, x, nil
}

func (a *Admin) createPolicy(c *Call) error {
	in, err := decode[api.PolicyCreate](c)
	if err != nil {
		return err
	}
	p := &store.Policy{
		ID: a.d.NewID(), Name: in.Name, Scope: store.PolicyScope(in.Scope), Mode: in.Mode, DefaultMaxTokens: in.DefaultMaxTokens,
		OnStoreOutage: in.OnStoreOutage, TimeZone: in.TimeZone, SoftPercent: in.SoftPercent, Origin: store.OriginDB, CreatedAt: c.Now.UTC(),
	}
	if p.Limits, err = storedLimits(in.Limits); err != nil {
		return err
	}
	if err := a.checkPolicy(p); err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.putPolicy(ctx, c, "policy.create", nil, p, store.Change{Policy: p, Create: true}); err != nil {
		return err
	}
	return c.answer(201, a.policyView(p, c.Now))
}

// putPolicy writes a change of a policy and puts it in force.
func (a *Admin) putPolicy(ctx context.Context, c *Call, action string, old, p *store.Policy, change store.Change) error {
	var before, after any // what the audit trail keeps: not how far limits are used
	object := p
	if old != nil {
		before, object = old, old
	}
	if p != nil {
		after, object = p, p
	}
	err := a.change(ctx, c, action, object.ID, before, after, change)
	if errors.Is(err, store.ErrConflict) {
		e := conflict("policy_exists", "a quota policy %q exists already: change it with `ai-gateway quota set`", clip(object.Name))
		e.Param = "name"
		return e
	}
	if err != nil {
		return err
	}
	return a.reload(ctx)
}

func (a *Admin) listPolicies(c *Call) error {
	get, err := c.params("limit", "cursor", "q", "key", "model")
	if err != nil {
		return err
	}
	limit, err := limitOf(get("limit"))
	if err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	snap, err := a.d.Store.Load(ctx)
	if err != nil {
		return err
	}
	var group string
	if id := get("key"); id != "" {
		k, ok := a.d.Keys.ByID(id)
		if !ok {
			return notFound("API key", id, "ai-gateway api-key list")
		}
		group = k.Group
	}
	q, all := strings.ToLower(get("q")), []*store.Policy{}
	for _, p := range a.policies(snap) {
		if (q == "" || strings.Contains(strings.ToLower(p.Name), q)) &&
			(get("key") == "" || limits.For(p, get("key"), group)) &&
			(get("model") == "" || limits.FitsModel(p, get("model"))) {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(x, y *store.Policy) int { return strings.Compare(x.Name, y.Name) })
	some, next, err := page("policies", all, limit, get("cursor"), func(p *store.Policy) string { return p.Name })
	if err != nil {
		return err
	}
	reply := api.PoliciesReply{Data: make([]api.Policy, 0, len(some)), NextCursor: next}
	for _, p := range some {
		reply.Data = append(reply.Data, a.policyView(p, c.Now))
	}
	return c.answer(200, reply)
}

func (a *Admin) showPolicy(c *Call) error {
	ctx, cancel := bounded()
	defer cancel()
	_, p, err := a.policy(ctx, c.Params["id"])
	if err != nil {
		return err
	}
	return c.answer(200, a.policyView(p, c.Now))
}

func (a *Admin) updatePolicy(c *Call) error {
	in, err := decode[api.PolicyPatch](c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	snap, old, err := a.policy(ctx, c.Params["id"])
	if err != nil {
		return err
	}
	if old.Origin != store.OriginDB {
		return managed("quota policy", old.Name, old.Origin)
	}
	p := *old
	p.Limits = slices.Clone(old.Limits)
	set(&p.Name, in.Name)
	if in.Scope != nil {
		p.Scope = store.PolicyScope(*in.Scope)
	}
	if in.Limits != nil {
		if p.Limits, err = storedLimits(*in.Limits); err != nil {
			return err
		}
	}
	set(&p.Mode, in.Mode)
	set(&p.DefaultMaxTokens, in.DefaultMaxTokens)
	set(&p.OnStoreOutage, in.OnStoreOutage)
	set(&p.TimeZone, in.TimeZone)
	set(&p.SoftPercent, in.SoftPercent)
	if err := a.checkPolicy(&p); err != nil {
		return err
	}
	if err := a.putPolicy(ctx, c, "policy.update", old, &p, store.Change{Policy: &p, IfRev: snap.Rev}); err != nil {
		return err
	}
	return c.answer(200, a.policyView(&p, c.Now))
}

func (a *Admin) deletePolicy(c *Call) error {
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	snap, p, err := a.policy(ctx, c.Params["id"])
	if err != nil {
		return err
	}
	if p.Origin != store.OriginDB {
		return managed("quota policy", p.Name, p.Origin)
	}
	gone := store.Change{Delete: &store.Ref{Kind: store.KindPolicy, ID: p.ID}, IfRev: snap.Rev}
	if err := a.putPolicy(ctx, c, "policy.delete", p, nil, gone); err != nil {
		return err
	}
	return c.answer(200, api.Deleted{ID: p.ID, Deleted: true})
}
