package tui

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/huh"

	"github.com/your-org/ai-api-gateway/server/api"
)

// keysPage shows the API keys of callers and how far their budgets are used.
type keysPage struct {
	a        *App
	list     []api.Key
	policies map[string][]api.Policy // by the key's id
	g        grid
	err      error
	ready    bool
}

func newKeysPage(a *App) *keysPage { return &keysPage{a: a} }

func (k *keysPage) typing() bool { return false }

func (k *keysPage) open() tea.Cmd {
	type all struct {
		keys     []api.Key
		policies []api.Policy
	}
	return call(k.a, func(ctx context.Context) (all, error) {
		var v all
		var err error
		if v.keys, err = k.a.apiKeys(ctx); err == nil {
			v.policies, err = k.a.policies(ctx)
		}
		return v, err
	}, func(v all, err error) tea.Cmd {
		k.ready = true
		if k.err = err; err != nil {
			return nil
		}
		k.list, k.policies = v.keys, map[string][]api.Policy{}
		for _, p := range v.policies {
			if id := p.Scope.APIKey; id != "" && p.Scope.Model == "" {
				k.policies[id] = append(k.policies[id], p)
			}
		}
		return nil
	})
}

func (k *keysPage) update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tickMsg:
		if k.a.ticks%5 == 0 {
			return k.open()
		}
	case tea.MouseMsg:
		k.g.cursor = min(k.g.top+max(0, m.Y-1), max(0, len(k.list)-1))
	case tea.KeyMsg:
		k.g.move(m.String(), len(k.list))
	}
	return nil
}

// with runs do for the key under the cursor; alive refuses keys that are revoked.
func (k *keysPage) with(alive bool, do func(api.Key) tea.Cmd) func() tea.Cmd {
	return func() tea.Cmd {
		if k.g.cursor >= len(k.list) {
			return nil
		}
		key := k.list[k.g.cursor]
		if alive && key.Status == api.KeyRevoked {
			k.a.fail(errors.New(k.a.t("tui.keys.is_revoked", clean(key.Name))))
			return nil
		}
		return do(key)
	}
}

func (k *keysPage) binds() []bind {
	a := k.a
	return []bind{
		a.on("n", "n", "create", k.create),
		a.on("enter", "enter", "detail", k.with(false, k.detail)),
		a.on("O", "O", "rotate", k.with(true, k.rotate)),
		a.on("R", "R", "revoke", k.with(true, k.revoke)),
		a.on("Q", "Q", "quota", k.with(true, k.quota)),
		a.on("p", "p", "pause_key", k.with(true, k.pause)),
		a.on("u", "u", "usage", k.with(false, func(key api.Key) tea.Cmd { return a.usage.forKey(key.ID, key.Name) })),
		a.on("v", "v", "requests", k.with(false, func(key api.Key) tea.Cmd {
			a.live.setFilter(`key:"` + key.Name + `"`)
			return a.show(4)
		})),
		a.on("y", "y", "copy_name", k.with(false, func(key api.Key) tea.Cmd { return a.copy(key.ID, key.ID) })).hidden(),
	}
}

// create asks for a new key and shows it this once.
func (k *keysPage) create() tea.Cmd {
	a, t := k.a, k.a.t
	var name, models, group, expires, cost string
	return a.ask(func() tea.Cmd {
		ask := api.KeyCreate{Name: strings.TrimSpace(name), Models: words(models), Group: strings.TrimSpace(group), ExpiresAt: strings.TrimSpace(expires)}
		return call(a, func(ctx context.Context) (*api.KeyCreated, error) {
			made, err := a.o.Client.CreateKey(ctx, ask)
			if err != nil || strings.TrimSpace(cost) == "" {
				return made, err
			}
			_, err = a.o.Client.CreatePolicy(ctx, api.PolicyCreate{Name: "key-" + made.ID, Scope: api.PolicyScope{APIKey: made.ID},
				Limits: []api.PolicyLimit{{Kind: "cost_usd", Limit: api.Decimal(strings.TrimSpace(cost)), Window: "month"}}})
			if err != nil { // the key is made all the same, and must be shown
				a.later(fmt.Errorf("%s: %w", t("tui.keys.no_quota"), err))
			}
			return made, nil
		}, func(made *api.KeyCreated, err error) tea.Cmd { return k.made(made, err) })
	}, huh.NewGroup(
		huh.NewInput().Title(t("tui.keys.name")).Value(&name).Validate(a.needed),
		huh.NewInput().Title(t("tui.keys.models")).Placeholder("gpt-4o*, claude-*").Value(&models),
		huh.NewInput().Title(t("tui.keys.group")).Value(&group),
		huh.NewInput().Title(t("tui.keys.expires")).Placeholder("90d").Value(&expires),
		huh.NewInput().Title(t("tui.keys.cost")).Placeholder("20").Value(&cost).Validate(a.amount),
	))
}

// made shows a secret once and puts it on the clipboard.
func (k *keysPage) made(made *api.KeyCreated, err error) tea.Cmd {
	a := k.a
	if err != nil {
		a.fail(err)
		return nil
	}
	lines := append([]string{""}, wrapped(a.t("tui.keys.once", clean(made.Name)), a.w-6)...)
	lines = append(lines, "", a.th.accent.Render(clean(made.Secret)), "")
	lines = append(lines, wrapped(a.t("tui.keys.copied"), a.w-6)...)
	box := newTextBox(a, a.t("tui.keys.secret"), lines)
	box.extra = []bind{a.on("y", "y", "copy_secret", func() tea.Cmd { return a.copy(made.Secret, a.t("tui.keys.the_key")) })}
	a.over = box
	return tea.Batch(a.copy(made.Secret, a.t("tui.keys.the_key")), k.open())
}

// later shows an error from outside the loop at its next turn.
func (a *App) later(err error) {
	select {
	case a.failures <- err:
	default: // one is waiting to be shown already
	}
}

func words(s string) []string { return strings.Fields(strings.ReplaceAll(s, ",", " ")) }

// amount checks a sum of money that may be left out.
func (a *App) amount(s string) error {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	if u, err := api.ParseUSD(s); err != nil || u < 0 {
		return errors.New(a.t("tui.amount"))
	}
	return nil
}

func (a *App) countOrNone(s string) error {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return a.wholeNumber(s)
}

func (k *keysPage) rotate(key api.Key) tea.Cmd {
	grace := "24h"
	return k.a.ask(func() tea.Cmd {
		return call(k.a, func(ctx context.Context) (*api.KeyCreated, error) {
			return k.a.o.Client.RotateKey(ctx, key.ID, strings.TrimSpace(grace))
		}, func(made *api.KeyCreated, err error) tea.Cmd { return k.made(made, err) })
	}, huh.NewGroup(huh.NewInput().Title(k.a.t("tui.keys.grace", clean(key.Name))).Description(k.a.t("tui.keys.grace_note")).Value(&grace)))
}

func (k *keysPage) revoke(key api.Key) tea.Cmd {
	k.a.over = k.a.confirmTyped(k.a.t("tui.keys.revoke", clean(key.Name)), key.Name, func() tea.Cmd {
		return call(k.a, func(ctx context.Context) (*api.Key, error) { return k.a.o.Client.RevokeKey(ctx, key.ID) },
			changed[*api.Key](k.a, k, k.a.t("tui.keys.revoked", clean(key.Name))))
	})
	return nil
}

// pause refuses a key's requests, or accepts them again.
func (k *keysPage) pause(key api.Key) tea.Cmd {
	on, said := key.Status != api.KeyPaused, "tui.keys.paused"
	if !on {
		said = "tui.keys.resumed"
	}
	return call(k.a, func(ctx context.Context) (*api.Key, error) {
		return k.a.o.Client.UpdateKey(ctx, key.ID, api.KeyPatch{Paused: &on})
	}, changed[*api.Key](k.a, k, k.a.t(said, clean(key.Name))))
}

// own is the policy of a key alone that this page edits: the first, which the form makes.
func (k *keysPage) own(id string) *api.Policy {
	for i, p := range k.policies[id] {
		if !p.ReadOnly {
			return &k.policies[id][i]
		}
	}
	return nil
}

// quota edits what a key may cost a month and ask a minute.
func (k *keysPage) quota(key api.Key) tea.Cmd {
	a, t := k.a, k.a.t
	var cost, requests string
	p := k.own(key.ID)
	if p != nil {
		for _, l := range p.Limits {
			switch l.Kind + "/" + l.Window {
			case "cost_usd/month":
				cost = string(l.Limit)
			case "requests/minute":
				requests = string(l.Limit)
			}
		}
	}
	return a.ask(func() tea.Cmd {
		return call(a, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, a.setQuota(ctx, key.ID, p, strings.TrimSpace(cost), strings.TrimSpace(requests))
		}, changed[struct{}](a, k, t("tui.keys.quota_set", clean(key.Name))))
	}, huh.NewGroup(
		huh.NewInput().Title(t("tui.keys.cost")).Description(t("tui.keys.none")).Value(&cost).Validate(a.amount),
		huh.NewInput().Title(t("tui.keys.rpm")).Description(t("tui.keys.none")).Value(&requests).Validate(a.countOrNone),
	))
}

// setQuota writes the two limits of a key and keeps all others of its policy.
func (a *App) setQuota(ctx context.Context, id string, p *api.Policy, cost, requests string) error {
	var limits []api.PolicyLimit
	if p != nil {
		for _, l := range p.Limits {
			if s := l.Kind + "/" + l.Window; s != "cost_usd/month" && s != "requests/minute" {
				limits = append(limits, l)
			}
		}
	}
	if cost != "" {
		limits = append(limits, api.PolicyLimit{Kind: "cost_usd", Limit: api.Decimal(cost), Window: "month"})
	}
	if requests != "" {
		limits = append(limits, api.PolicyLimit{Kind: "requests", Limit: api.Decimal(requests), Window: "minute"})
	}
	var err error
	switch {
	case len(limits) == 0 && p != nil:
		err = a.o.Client.DeletePolicy(ctx, p.ID)
	case len(limits) == 0:
	case p != nil:
		_, err = a.o.Client.UpdatePolicy(ctx, p.ID, api.PolicyPatch{Limits: &limits})
	default:
		_, err = a.o.Client.CreatePolicy(ctx, api.PolicyCreate{Name: "key-" + id, Scope: api.PolicyScope{APIKey: id}, Limits: limits})
	}
	return err
}

// statusOf is a key's state as a sign and a word.
func (k *keysPage) statusOf(key *api.Key) cell {
	th, word := k.a.th, k.a.t("tui.state."+key.Status)
	switch {
	case key.Status == api.KeyRevoked:
		return cell{"✗ " + word, &th.muted}
	case key.Status == api.KeyPaused:
		return cell{"‖ " + word, &th.warn}
	case key.Status == api.KeyExpired:
		return cell{"▲ " + word, &th.warn}
	case key.PreviousUntil != nil && key.PreviousUntil.After(k.a.o.Now()):
		return cell{"● " + k.a.t("tui.state.rotating"), &th.ok}
	}
	return cell{"● " + word, &th.ok}
}

// tightest is the limit of a key of which the largest part is used.
func (k *keysPage) tightest(id string) (api.Limit, float64, bool) {
	var worst api.Limit
	most, found := -1.0, false
	for _, p := range k.policies[id] {
		for _, l := range p.Usage {
			if part := partOf(&l); part > most {
				worst, most, found = l, part, true
			}
		}
	}
	return worst, most, found
}

func partOf(l *api.Limit) float64 {
	limit, _ := strconv.ParseFloat(string(l.Limit), 64)
	used, _ := strconv.ParseFloat(string(l.Used), 64)
	if limit <= 0 {
		return 0
	}
	return used / limit
}

// limitText writes how far a limit is used.
func (a *App) limitText(l *api.Limit) string {
	of := func(d api.Decimal) string {
		if l.Kind == "cost_usd" {
			if u, err := api.ParseUSD(string(d)); err == nil {
				return money(u)
			}
		}
		if n, err := strconv.ParseFloat(string(d), 64); err == nil {
			return short(int64(n))
		}
		return string(d)
	}
	s := of(l.Used) + " / " + of(l.Limit)
	if l.Kind == "requests" || l.Kind == "tokens" || l.Kind == "concurrency" {
		s += " " + a.t("tui.kind."+l.Kind)
	}
	if l.Window != "" {
		s += " " + a.t("tui.window."+l.Window)
	}
	return s
}

func (k *keysPage) detail(key api.Key) tea.Cmd {
	a, t := k.a, k.a.t
	when := func(at *time.Time) string {
		if at == nil {
			return t("common.never")
		}
		return at.Local().Format("2006-01-02 15:04")
	}
	lines := pairs(a, [][2]string{
		{t("tui.col.id"), key.ID}, {t("tui.col.prefix"), key.Prefix + "…"}, {t("tui.col.state"), k.statusOf(&key).text}, {t("tui.fact.group"), key.Group},
		{t("tui.keys.scopes"), strings.Join(key.Scopes, ", ")}, {t("tui.col.models"), strings.Join(key.Models, ", ")}, {t("tui.keys.addresses"), strings.Join(key.IPAllow, ", ")},
		{t("tui.keys.bodies"), key.LogBodies}, {t("tui.keys.created"), when(&key.CreatedAt)}, {t("tui.col.expires"), when(key.ExpiresAt)}, {t("tui.col.last_used"), a.ago(key.LastUsedAt)},
	})
	for _, p := range k.policies[key.ID] {
		lines = append(lines, "", a.th.strong.Render(clean(p.Name)))
		for _, l := range p.Usage {
			part := partOf(&l)
			lines = append(lines, fmt.Sprintf("%s %4.0f%%  %s", meter(part, 1, 20), 100*part, a.limitText(&l)))
		}
	}
	a.over = newTextBox(a, clean(key.Name), lines)
	return nil
}

func (k *keysPage) view(w, h int) string {
	t, th := k.a.t, k.a.th
	switch {
	case k.err != nil:
		return "\n" + indent(wrapped(k.a.words(k.err), w-4))
	case !k.ready:
		return "\n  " + t("tui.loading")
	case len(k.list) == 0:
		return "\n" + indent(wrapped(t("tui.keys.empty"), w-4))
	}
	cols := []column{{title: t("tui.col.name"), least: 10, most: 28}, {title: t("tui.col.prefix"), least: 12, drop: 4}, {title: t("tui.col.state"), least: 10},
		{title: t("tui.by.group"), least: 6, most: 16, drop: 5}, {title: t("tui.col.models"), least: 6, most: 24, drop: 6}, {title: t("tui.col.quota"), least: 10, drop: 2}, {title: t("tui.col.used"), least: 24, most: 36},
		{title: t("tui.col.last_used"), least: 9, drop: 3}, {title: t("tui.col.expires"), least: 10, drop: 7}}
	return k.g.view(th, cols, len(k.list), func(i int) []cell {
		key := &k.list[i]
		models, expires := strings.Join(key.Models, " "), t("common.never")
		if models == "" {
			models = "*"
		}
		if key.ExpiresAt != nil {
			expires = key.ExpiresAt.Local().Format(time.DateOnly)
		}
		bar, used := cell{text: "–"}, cell{text: "–"}
		if l, part, ok := k.tightest(key.ID); ok {
			bar.text, used.text = meter(part, 1, 10), fmt.Sprintf("%.0f%% %s", 100*part, k.a.limitText(&l))
			switch {
			case part >= 1:
				bar.look, used.look = &th.bad, &th.bad
			case part >= .8:
				bar.look, used.look = &th.warn, &th.warn
			default:
				bar.look = &th.ok
			}
		}
		return []cell{{text: clean(key.Name)}, {text: clean(key.Prefix) + "…", look: &th.muted}, k.statusOf(key), {text: clean(key.Group)}, {text: clean(models), look: &th.muted},
			bar, used, {text: k.a.ago(key.LastUsedAt)}, {text: expires, look: &th.muted}}
	}, w, h)
}
