package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

var (
	strategies     = []string{"", "priority", "weighted", "latency", "cost", "least_busy"}
	fallbackCauses = []string{"error", "context_window", "content_policy"}
)

func mappingView(m *store.Mapping) api.Mapping {
	v := api.Mapping{ID: m.ID, Alias: m.Alias, Targets: []api.MappingTarget{}, Strategy: m.Strategy, Fallbacks: m.Fallbacks,
		Origin: m.Origin, ReadOnly: m.Origin != store.OriginDB, CreatedAt: timePtr(m.CreatedAt)}
	for _, t := range m.Targets {
		v.Targets = append(v.Targets, api.MappingTarget(t))
	}
	return v
}

func storedTargets(in []api.MappingTarget) []store.MappingTarget {
	out := make([]store.MappingTarget, len(in))
	for i, t := range in {
		out[i] = store.MappingTarget(t)
	}
	return out
}

// mappings returns the mappings in force: those of the store, then those of the
// file whose alias the store does not have.
func (a *Admin) mappings(snap *store.Snapshot) []*store.Mapping {
	return withFile(snap.Mappings, a.d.Mappings, mappingNames)
}

func mappingNames(x *store.Mapping) (id, name string, own bool) {
	return x.ID, x.Alias, x.Origin == store.OriginDB
}

// mapping finds a mapping by id or alias.
func (a *Admin) mapping(ctx context.Context, id string) (*store.Snapshot, *store.Mapping, error) {
	snap, err := a.d.Store.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	x := find(a.mappings(snap), id, mappingNames)
	if x == nil {
		return nil, nil, notFound("model mapping", id, "ai-gateway route list")
	}
	return snap, x, nil
}

func (a *Admin) createMapping(c *Call) error {
	in, err := decode[api.MappingCreate](c)
	if err != nil {
		return err
	}
	m := &store.Mapping{ID: a.d.NewID(), Alias: in.Alias, Targets: storedTargets(in.Targets), Strategy: in.Strategy,
		Fallbacks: in.Fallbacks, Origin: store.OriginDB, CreatedAt: c.Now.UTC()}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	snap, err := a.d.Store.Load(ctx)
	if err != nil {
		return err
	}
	if err := a.checkMapping(m, a.mappings(snap)); err != nil {
		return err
	}
	err = a.change(ctx, c, "mapping.create", m.ID, nil, mappingView(m), store.Change{Mapping: m, Create: true, IfRev: snap.Rev})
	if err != nil {
		return aliasTaken(err, m.Alias)
	}
	if err := a.reload(ctx); err != nil {
		return err
	}
	return c.answer(201, mappingView(m))
}

func aliasTaken(err error, alias string) error {
	if errors.Is(err, store.ErrConflict) {
		e := conflict("alias_exists", "a mapping for %q exists already: change it with `ai-gateway route set`", alias)
		e.Param = "alias"
		return e
	}
	return err
}

func (a *Admin) listMappings(c *Call) error {
	get, err := c.params("limit", "cursor", "q")
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
	q, all := strings.ToLower(get("q")), []api.Mapping{}
	for _, m := range a.mappings(snap) {
		if q == "" || strings.Contains(strings.ToLower(m.Alias), q) {
			all = append(all, mappingView(m))
		}
	}
	slices.SortFunc(all, func(x, y api.Mapping) int { return strings.Compare(x.Alias, y.Alias) })
	data, next, err := page("mappings", all, limit, get("cursor"), func(m api.Mapping) string { return m.Alias })
	if err != nil {
		return err
	}
	return c.answer(200, api.MappingsReply{Data: data, NextCursor: next})
}

func (a *Admin) showMapping(c *Call) error {
	ctx, cancel := bounded()
	defer cancel()
	_, m, err := a.mapping(ctx, c.Params["id"])
	if err != nil {
		return err
	}
	return c.answer(200, mappingView(m))
}

func (a *Admin) updateMapping(c *Call) error {
	in, err := decode[api.MappingPatch](c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	snap, old, err := a.mapping(ctx, c.Params["id"])
	if err != nil {
		return err
	}
	if old.Origin != store.OriginDB {
		return managed("model mapping", old.Alias, old.Origin)
	}
	m := *old
	set(&m.Alias, in.Alias)
	if in.Targets != nil {
		m.Targets = storedTargets(*in.Targets)
	}
	set(&m.Strategy, in.Strategy)
	set(&m.Fallbacks, in.Fallbacks)
	m.Targets = slices.Clone(m.Targets)
	if err := a.checkMapping(&m, a.mappings(snap)); err != nil {
		return err
	}
	err = a.change(ctx, c, "mapping.update", m.ID, mappingView(old), mappingView(&m), store.Change{Mapping: &m, IfRev: snap.Rev})
	if err != nil {
		return aliasTaken(err, m.Alias)
	}
	if err := a.reload(ctx); err != nil {
		return err
	}
	return c.answer(200, mappingView(&m))
}

func (a *Admin) deleteMapping(c *Call) error {
	ctx, cancel := bounded()
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	snap, m, err := a.mapping(ctx, c.Params["id"])
	if err != nil {
		return err
	}
	if m.Origin != store.OriginDB {
		return managed("model mapping", m.Alias, m.Origin)
	}
	err = a.change(ctx, c, "mapping.delete", m.ID, mappingView(m), nil, store.Change{Delete: &store.Ref{Kind: store.KindMapping, ID: m.ID}, IfRev: snap.Rev})
	if err != nil {
		return err
	}
	if err := a.reload(ctx); err != nil {
		return err
	}
	return c.answer(200, api.Deleted{ID: m.ID, Deleted: true})
}

// checkMapping checks m beside all other mappings, and brings it into the form that is stored.
func (a *Admin) checkMapping(m *store.Mapping, others []*store.Mapping) error {
	if m.Alias == "" {
		return missing("alias", `"fast"`)
	}
	if m.Alias != strings.TrimSpace(m.Alias) || !printable(m.Alias, 256) {
		return invalid("alias", "must be at most 256 printable characters, without space around them")
	}
	if len(m.Targets) == 0 {
		return missing("targets", `[{"model": "gpt-4o"}]`)
	}
	if len(m.Targets) > 32 {
		return invalid("targets", "may have at most 32 entries")
	}
	for i := range m.Targets {
		if err := a.checkTarget(&m.Targets[i], fmt.Sprintf("targets[%d]", i)); err != nil {
			return err
		}
	}
	if !slices.Contains(strategies, m.Strategy) {
		return invalid("strategy", "must be one of %s", strings.Join(strategies[1:], ", "))
	}
	for cause, names := range m.Fallbacks {
		if !slices.Contains(fallbackCauses, cause) {
			return invalid("fallbacks", "has no member %q; there are %s", clip(cause), strings.Join(fallbackCauses, ", "))
		}
		if len(names) > 16 || slices.ContainsFunc(names, func(s string) bool { return s == "" || !printable(s, 256) }) {
			return invalid("fallbacks."+cause, "must be a list of at most 16 model names")
		}
	}
	return noLoop(m, others)
}

func (a *Admin) checkTarget(t *store.MappingTarget, path string) error {
	table := a.d.Table()
	if t.Model == "" || t.Model != strings.TrimSpace(t.Model) || !printable(t.Model, 256) || strings.Contains(t.Model, "*") {
		return invalid(path+".model", "must be a model's name of 1 to 256 printable characters, without '*'")
	}
	if t.Provider != "" {
		p, err := a.provider(t.Provider)
		if err != nil {
			return err
		}
		t.Provider = p.Name
	}
	if t.Account != "" {
		acc, ok := table.Account(t.Account)
		if !ok {
			return invalid(path+".account", "%q does not exist: `ai-gateway providers list` shows all", clip(t.Account))
		}
		if t.Provider != "" && acc.Provider.Name != t.Provider {
			return invalid(path+".account", "%q is an account of %s, not of %s", acc.Name, acc.Provider.Name, t.Provider)
		}
		t.Account = acc.Name
	}
	if t.Weight < 0 || t.Weight > maxWeight || t.Priority < 0 || t.Priority > maxWeight {
		return invalid(path, "must have a weight and a priority from 0 to %d", maxWeight)
	}
	return nil
}

// noLoop refuses a mapping that leads back to itself by way of others.
func noLoop(m *store.Mapping, others []*store.Mapping) error {
	src := routing.Source{Mappings: []*store.Mapping{m}}
	for _, o := range others {
		if o.ID != m.ID && o.Alias != m.Alias {
			src.Mappings = append(src.Mappings, o)
		}
	}
	t, err := routing.Build(src)
	if err != nil {
		return err
	}
	done := map[string]bool{} // names that lead into no circle
	var visit func(at *store.Mapping, name string, path []string) []string
	visit = func(at *store.Mapping, name string, path []string) []string {
		path = append(slices.Clone(path), name)
		defer func() { done[name] = true }()
		for _, target := range at.Targets {
			// What names an account or a provider, or the alias itself, is searched among models and leads no further.
			if target.Account != "" || target.Provider != "" || target.Model == at.Alias || target.Model == name {
				continue
			}
			if slices.Contains(path, target.Model) {
				return append(path, target.Model)
			}
			if next, ok := t.Mapping(target.Model); ok && !done[target.Model] {
				if loop := visit(next, target.Model, path); loop != nil {
					return loop
				}
			}
		}
		return nil
	}
	if loop := visit(m, m.Alias, nil); loop != nil {
		return &api.Error{Status: 400, Code: "alias_loop", Param: "targets", Message: "the mappings would lead in a circle: " + strings.Join(loop, " → ")}
	}
	return nil
}

// allowList returns a key's list of models as a test; nil allows all.
func allowList(k *store.Key) func(string) bool {
	if k == nil || len(k.Models) == 0 {
		return nil
	}
	return func(model string) bool {
		return slices.ContainsFunc(k.Models, func(p string) bool { return p == "*" || providers.MatchName(p, model) })
	}
}
