package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/huh"

	"github.com/your-org/ai-api-gateway/server/api"
)

// modelsPage shows what may be asked for: aliases first, then models with prices.
type modelsPage struct {
	a      *App
	list   []api.CatalogueModel
	alias  map[string]api.Mapping
	usage  map[string]api.UsageSums // of the last 24 hours, by the name asked for
	g      grid
	err    error
	ready  bool
	search string
}

func newModelsPage(a *App) *modelsPage { return &modelsPage{a: a} }

func (m *modelsPage) typing() bool { return false }

func (m *modelsPage) open() tea.Cmd { return m.load(false) }

func (m *modelsPage) load(refresh bool) tea.Cmd {
	type all struct {
		models  *api.CatalogueReply
		aliases []api.Mapping
		usage   *api.UsageReply
	}
	return call(m.a, func(ctx context.Context) (all, error) {
		var v all
		var err error
		if v.models, err = m.a.o.Client.CatalogueModels(ctx, refresh); err != nil {
			return v, err
		}
		if v.aliases, err = m.a.mappings(ctx); err != nil {
			return v, err
		}
		v.usage, err = m.a.o.Client.Usage(ctx, api.UsageAsk{Last: "24h", GroupBy: []string{"model"}})
		return v, err
	}, func(v all, err error) tea.Cmd {
		m.ready = true
		if m.err = err; err != nil {
			return nil
		}
		m.list, m.alias, m.usage = nil, map[string]api.Mapping{}, map[string]api.UsageSums{}
		for _, g := range v.usage.Data {
			m.usage[g.Group["model"]] = g.UsageSums
		}
		for _, x := range v.aliases {
			m.alias[x.Alias] = x
			m.list = append(m.list, api.CatalogueModel{ID: x.Alias, Alias: true})
		}
		for _, x := range v.models.Data {
			if _, known := m.alias[x.ID]; !known {
				m.list = append(m.list, x)
			}
		}
		if refresh {
			m.refreshed(v.models)
		}
		return nil
	})
}

// refreshed tells how reading the upstreams' own lists went.
func (m *modelsPage) refreshed(r *api.CatalogueReply) {
	for _, x := range r.Refreshed {
		if x.Error != "" {
			m.a.fail(errors.New(clean(x.Account) + ": " + clean(x.Error)))
			return
		}
	}
	m.a.say(m.a.t("tui.models.refreshed", len(r.Refreshed), len(r.Data)))
}

// shown are the models that the search chooses.
func (m *modelsPage) shown() []api.CatalogueModel {
	if m.search == "" {
		return m.list
	}
	var out []api.CatalogueModel
	for _, x := range m.list {
		if strings.Contains(strings.ToLower(x.ID+" "+x.Provider+" "+strings.Join(x.Accounts, " ")), strings.ToLower(m.search)) {
			out = append(out, x)
		}
	}
	return out
}

func (m *modelsPage) update(msg tea.Msg) tea.Cmd {
	switch k := msg.(type) {
	case tea.MouseMsg:
		m.g.cursor = min(m.g.top+max(0, k.Y-1), max(0, len(m.shown())-1))
	case tea.KeyMsg:
		m.g.move(k.String(), len(m.shown()))
	}
	return nil
}

func (m *modelsPage) with(do func(api.CatalogueModel) tea.Cmd) func() tea.Cmd {
	return func() tea.Cmd {
		if list := m.shown(); m.g.cursor < len(list) {
			return do(list[m.g.cursor])
		}
		return nil
	}
}

func (m *modelsPage) binds() []bind {
	a := m.a
	return []bind{
		a.on("enter", "enter", "explain", m.with(func(x api.CatalogueModel) tea.Cmd { return m.explain(x.ID) })),
		a.on("c", "c", "chat_with", m.with(func(x api.CatalogueModel) tea.Cmd {
			_ = a.chat.use(x.ID)
			return a.show(0)
		})),
		a.on("a", "a", "alias", m.with(m.setAlias)),
		a.on("X", "X", "remove_alias", m.with(m.removeAlias)),
		a.on("r", "r", "refresh", func() tea.Cmd { a.say(a.t("tui.models.refreshing")); return m.load(true) }),
		a.on("/", "/", "search", m.find),
		a.on("y", "y", "copy_name", m.with(func(x api.CatalogueModel) tea.Cmd { return a.copy(x.ID, clean(x.ID)) })).hidden(),
		a.on("esc", "esc", "back", func() tea.Cmd { m.search = ""; return nil }).hidden(),
	}
}

func (m *modelsPage) find() tea.Cmd {
	text := m.search
	return m.a.ask(func() tea.Cmd { m.search, m.g.cursor = strings.TrimSpace(text), 0; return nil },
		huh.NewGroup(huh.NewInput().Title(m.a.t("tui.key.search")).Value(&text)))
}

// setAlias gives a model another name, or changes where an alias leads.
func (m *modelsPage) setAlias(x api.CatalogueModel) tea.Cmd {
	a := m.a
	name, targets := "", x.ID
	if old, ok := m.alias[x.ID]; ok {
		if old.ReadOnly {
			a.fail(errors.New(a.t("tui.models.read_only", clean(old.Alias), old.Origin)))
			return nil
		}
		name, targets = old.Alias, targetsOf(&old)
	} else if x.Provider != "" {
		targets = x.Provider + "/" + x.ID
	}
	return a.ask(func() tea.Cmd {
		name = strings.TrimSpace(name)
		var to []api.MappingTarget
		for _, w := range words(targets) {
			t := api.MappingTarget{Model: w}
			if p, rest, ok := strings.Cut(w, "/"); ok {
				t.Provider, t.Model = p, rest
			}
			to = append(to, t)
		}
		return call(a, func(ctx context.Context) (*api.Mapping, error) {
			if old, ok := m.alias[name]; ok {
				return a.o.Client.UpdateMapping(ctx, old.ID, api.MappingPatch{Targets: &to})
			}
			return a.o.Client.CreateMapping(ctx, api.MappingCreate{Alias: name, Targets: to})
		}, changed[*api.Mapping](a, m, a.t("tui.models.alias_set", clean(name), clean(targets))))
	}, huh.NewGroup(
		huh.NewInput().Title(a.t("tui.models.alias")).Value(&name).Validate(a.needed),
		huh.NewInput().Title(a.t("tui.models.targets")).Description(a.t("tui.models.targets_note")).Value(&targets).Validate(a.needed),
	))
}

func targetsOf(x *api.Mapping) string {
	var out []string
	for _, t := range x.Targets {
		out = append(out, strings.Trim(cmp.Or(t.Account, t.Provider)+"/"+t.Model, "/"))
	}
	return strings.Join(out, ", ")
}

func (m *modelsPage) removeAlias(x api.CatalogueModel) tea.Cmd {
	old, ok := m.alias[x.ID]
	if !ok || old.ReadOnly {
		m.a.fail(errors.New(m.a.t("tui.models.no_alias", clean(x.ID))))
		return nil
	}
	m.a.over = m.a.confirm(m.a.t("tui.models.remove", clean(old.Alias)), func() tea.Cmd {
		return call(m.a, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, m.a.o.Client.DeleteMapping(ctx, old.ID)
		},
			changed[struct{}](m.a, m, m.a.t("tui.models.removed", clean(old.Alias))))
	})
	return nil
}

// explain shows where a request for the model would go, and why.
func (m *modelsPage) explain(model string) tea.Cmd {
	a, t := m.a, m.a.t
	return call(a, func(ctx context.Context) (*api.ExplainReply, error) {
		return a.o.Client.Explain(ctx, api.ExplainAsk{Model: model})
	}, func(r *api.ExplainReply, err error) tea.Cmd {
		if err != nil {
			a.fail(err)
			return nil
		}
		lines := pairs(a, [][2]string{{t("tui.models.rule"), r.Rule}, {t("tui.models.strategy"), r.Strategy}, {t("tui.models.prices"), r.PriceVersion}})
		if r.Error != nil {
			lines = append(lines, "")
			for _, l := range wrapped("✗ "+clean(r.Error.Message), a.w-6) {
				lines = append(lines, a.th.bad.Render(l))
			}
		}
		lines = append(lines, "")
		for _, x := range r.Targets {
			sign, look := fmt.Sprintf("%d →", x.Order), a.th.ok
			if !x.Eligible {
				sign, look = "✗  ", a.th.muted
			}
			cost := ""
			if x.EstimatedCostUSD != nil {
				cost = t("tui.models.per_2000", money(*x.EstimatedCostUSD))
			}
			lines = append(lines, look.Render(fmt.Sprintf("%s %s %s %s", sign, pad(clean(x.Account), 18, false), pad(clean(x.Model), 24, false), pad(t("tui.state."+cmp.Or(x.State, "ok")), 10, false))+" "+cost))
			for _, l := range wrapped(clean(x.Reason), max(20, a.w-12)) {
				lines = append(lines, "     "+a.th.muted.Render(l))
			}
		}
		a.over = newTextBox(a, t("tui.models.explain", clean(model)), lines)
		return nil
	})
}

func (m *modelsPage) view(w, h int) string {
	t, th := m.a.t, m.a.th
	switch {
	case m.err != nil:
		return "\n" + indent(wrapped(m.a.words(m.err), w-4))
	case !m.ready:
		return "\n  " + t("tui.loading")
	}
	list := m.shown()
	if len(list) == 0 {
		return "\n" + indent(wrapped(t("tui.models.empty"), w-4))
	}
	cols := []column{{title: t("tui.col.model"), least: 16, most: 40}, {title: t("tui.models.serves"), least: 10, most: 40}, {title: t("tui.models.does"), least: 5, drop: 4}, {title: t("tui.models.context"), least: 6, right: true, drop: 2},
		{title: t("tui.models.max_out"), least: 6, right: true, drop: 3}, {title: t("tui.models.price_in"), least: 8, right: true}, {title: t("tui.models.price_out"), least: 8, right: true},
		{title: t("tui.models.price_cache"), least: 7, right: true, drop: 5}, {title: t("tui.models.day"), least: 5, right: true, drop: 1}, {title: t("tui.col.average"), least: 6, right: true, drop: 1}, {title: t("tui.models.source"), least: 9, most: 24, drop: 6}}
	return m.g.view(th, cols, len(list), func(i int) []cell {
		x := &list[i]
		c := make([]cell, len(cols))
		for k := range c {
			c[k].text = "–"
		}
		c[0].text, c[1] = clean(x.ID), cell{text: clean(strings.Join(x.Accounts, " ")), look: &th.muted}
		if x.Alias {
			old := m.alias[x.ID]
			c[1] = cell{text: "→ " + clean(targetsOf(&old)), look: &th.accent}
		}
		if c[2].text = cmp.Or(x.Operation, "chat"); x.Alias {
			c[2].text = t("tui.models.is_alias")
		}
		if x.Context > 0 {
			c[3].text = short(x.Context)
		}
		if x.MaxOutput > 0 {
			c[4].text = short(x.MaxOutput)
		}
		if x.Priced && x.Price != nil {
			c[5].text, c[6].text = money(x.Price.Input), money(x.Price.Output)
			c[7].text = money(x.Price.CacheRead)
		} else if !x.Alias {
			c[5] = cell{text: t("tui.models.no_price"), look: &th.warn}
		}
		if s, ok := m.usage[x.ID]; ok && s.Requests > 0 {
			c[8].text, c[9].text = short(s.Requests), took(float64(s.DurationMs)/float64(s.Requests))
		}
		c[10] = cell{text: strings.TrimSpace(clean(x.Source) + " " + x.AsOf), look: &th.muted}
		return c
	}, w, h)
}
