package tui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/huh"
	"github.com/charmbracelet/lipgloss"

	"github.com/your-org/ai-api-gateway/server/api"
)

// providersPage shows the accounts at providers and how they fare.
type providersPage struct {
	a     *App
	list  []api.Account
	g     grid
	err   error
	ready bool
}

func newProvidersPage(a *App) *providersPage { return &providersPage{a: a} }

func (p *providersPage) typing() bool { return false }

func (p *providersPage) open() tea.Cmd {
	return call(p.a, p.a.accounts, func(list []api.Account, err error) tea.Cmd {
		p.ready = true
		if p.err = err; err == nil {
			p.list = list
		}
		return nil
	})
}

func (p *providersPage) update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tickMsg:
		if p.a.ticks%3 == 0 {
			return p.open()
		}
	case tea.MouseMsg:
		p.g.cursor = min(p.g.top+max(0, m.Y-1), max(0, len(p.list)-1))
	case tea.KeyMsg:
		p.g.move(m.String(), len(p.list))
	}
	return nil
}

func (p *providersPage) at() *api.Account {
	if p.g.cursor < len(p.list) {
		return &p.list[p.g.cursor]
	}
	return nil
}

// with runs do for the account under the cursor.
func (p *providersPage) with(do func(*api.Account) tea.Cmd) func() tea.Cmd {
	return func() tea.Cmd {
		if acc := p.at(); acc != nil {
			copied := *acc
			return do(&copied)
		}
		return nil
	}
}

// changing runs do for an account that may be changed here.
func (p *providersPage) changing(do func(*api.Account) tea.Cmd) func() tea.Cmd {
	return p.with(func(acc *api.Account) tea.Cmd {
		if acc.ReadOnly {
			p.a.fail(errors.New(p.a.t("tui.providers.read_only", clean(acc.Name), acc.Origin)))
			return nil
		}
		return do(acc)
	})
}

func (p *providersPage) binds() []bind {
	a := p.a
	return []bind{
		a.on("enter", "enter", "detail", p.with(p.detail)),
		a.on("a", "a", "add", p.add),
		a.on("t", "t", "test", p.with(p.test)),
		a.on("e", "e", "edit", p.changing(p.edit)),
		a.on("space", "space", "enable", p.changing(p.toggle)),
		a.on("D", "D", "drain", p.changing(p.drain)),
		a.on("K", "K", "rotate_keys", p.changing(p.keys)),
		a.on("R", "R", "reset", p.with(p.reset)),
		a.on("X", "X", "remove", p.changing(p.remove)),
		a.on("y", "y", "copy_name", p.with(func(acc *api.Account) tea.Cmd { return a.copy(acc.Name, clean(acc.Name)) })).hidden(),
	}
}

// changed tells the outcome of a change and reads the list anew.
func changed[T any](a *App, page page, done string) func(T, error) tea.Cmd {
	return func(_ T, err error) tea.Cmd {
		if err != nil {
			a.fail(err)
			return nil
		}
		a.say(done)
		return page.open()
	}
}

func (p *providersPage) test(acc *api.Account) tea.Cmd {
	a := p.a
	a.over = a.confirm(a.t("tui.providers.test", clean(acc.Name)), func() tea.Cmd {
		a.say(a.t("tui.providers.testing", clean(acc.Name)))
		return call(a, func(ctx context.Context) (*api.TestResult, error) { return a.o.Client.TestAccount(ctx, acc.ID, "") }, func(r *api.TestResult, err error) tea.Cmd {
			switch {
			case err != nil:
				a.fail(err)
			case !r.OK:
				a.fail(errors.New(a.t("tui.providers.test_bad", clean(acc.Name), strings.TrimSpace(strconv.Itoa(r.Status)+" "+clean(r.Error)))))
			default:
				a.say("● " + a.t("tui.providers.test_ok", clean(acc.Name), clean(r.Model), took(float64(r.LatencyMs)), money(r.CostUSD)))
			}
			return p.open()
		})
	})
	return nil
}

func (p *providersPage) toggle(acc *api.Account) tea.Cmd {
	on := !acc.Enabled
	word := "tui.providers.disabled"
	if on {
		word = "tui.providers.enabled"
	}
	return call(p.a, func(ctx context.Context) (*api.Account, error) {
		return p.a.o.Client.UpdateAccount(ctx, acc.ID, api.AccountPatch{Enabled: &on})
	}, changed[*api.Account](p.a, p, p.a.t(word, clean(acc.Name))))
}

// drain takes an account out of the choice; what runs there runs on to its end.
func (p *providersPage) drain(acc *api.Account) tea.Cmd {
	n := p.flying(acc.Name)
	p.a.over = p.a.confirm(p.a.t("tui.providers.drain", clean(acc.Name), n), func() tea.Cmd {
		off := false
		return call(p.a, func(ctx context.Context) (*api.Account, error) {
			return p.a.o.Client.UpdateAccount(ctx, acc.ID, api.AccountPatch{Enabled: &off})
		}, changed[*api.Account](p.a, p, p.a.t("tui.providers.draining", clean(acc.Name))))
	})
	return nil
}

// flying counts what runs at an account.
func (p *providersPage) flying(name string) int64 {
	var n int64
	for _, acc := range p.list {
		if acc.Name == name && acc.Health != nil {
			for _, t := range acc.Health.Targets {
				n += t.InFlight
			}
		}
	}
	return n
}

func (p *providersPage) reset(acc *api.Account) tea.Cmd {
	return call(p.a, func(ctx context.Context) (*api.ResetReply, error) { return p.a.o.Client.ResetAccount(ctx, acc.ID) },
		changed[*api.ResetReply](p.a, p, p.a.t("tui.providers.reset", clean(acc.Name))))
}

func (p *providersPage) remove(acc *api.Account) tea.Cmd {
	p.a.over = p.a.confirmTyped(p.a.t("tui.providers.remove", clean(acc.Name)), acc.Name, func() tea.Cmd {
		return call(p.a, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, p.a.o.Client.DeleteAccount(ctx, acc.ID)
		},
			changed[struct{}](p.a, p, p.a.t("tui.providers.removed", clean(acc.Name))))
	})
	return nil
}

// keys replaces the pool of an account's keys.
func (p *providersPage) keys(acc *api.Account) tea.Cmd {
	var hints []string
	for _, k := range acc.Keys {
		hints = append(hints, k.Hint)
	}
	var text string
	return p.a.ask(func() tea.Cmd {
		var pool []api.AccountKey
		for _, k := range strings.Fields(strings.ReplaceAll(text, ",", " ")) {
			pool = append(pool, api.AccountKey{Key: k})
		}
		if len(pool) == 0 {
			return nil
		}
		return call(p.a, func(ctx context.Context) (*api.Account, error) {
			return p.a.o.Client.UpdateAccount(ctx, acc.ID, api.AccountPatch{APIKeys: &pool})
		}, changed[*api.Account](p.a, p, p.a.t("tui.providers.rotated", clean(acc.Name), len(pool))))
	}, huh.NewGroup(huh.NewInput().Title(p.a.t("tui.providers.new_keys", clean(acc.Name))).Description(p.a.t("tui.providers.keys_now", strings.Join(hints, " "))).EchoMode(huh.EchoModePassword).Value(&text)))
}

// add asks for a new account: first which provider, then what that one needs.
func (p *providersPage) add() tea.Cmd {
	a := p.a
	return call(a, a.o.Client.Providers, func(r *api.ProvidersReply, err error) tea.Cmd {
		if err != nil {
			a.fail(err)
			return nil
		}
		var names, side []string
		for _, i := range r.Data {
			names, side = append(names, i.Name), append(side, i.Title)
		}
		a.pick(a.t("tui.providers.which"), names, side, false, func(i int, _ string) tea.Cmd { return p.fill(r.Data[i]) })
		return nil
	})
}

// fill asks what an account at a provider needs, makes it, and tests it.
func (p *providersPage) fill(info api.ProviderInfo) tea.Cmd {
	a, t := p.a, p.a.t
	acc := api.AccountCreate{Provider: info.Name, Name: p.free(info.Name), BaseURL: ""}
	fields := []huh.Field{huh.NewInput().Title(t("tui.providers.name")).Value(&acc.Name).Validate(a.needed)}
	if !info.Local || info.NeedsKey {
		key := huh.NewInput().Title(t("tui.providers.key")).EchoMode(huh.EchoModePassword).Value(&acc.APIKey)
		if info.NeedsKey && !slices.ContainsFunc(info.Options, func(o api.ProviderOption) bool { return o.Required }) {
			key.Validate(a.needed)
		}
		fields = append(fields, key)
	}
	url := huh.NewInput().Title(t("tui.providers.url")).Placeholder(info.BaseURL).Value(&acc.BaseURL)
	if info.NeedsBaseURL {
		url.Validate(a.needed)
	}
	fields = append(fields, url)
	values := make([]string, len(info.Options))
	for i, o := range info.Options {
		in := huh.NewInput().Title(o.Name).Description(o.Description).Placeholder(o.Example).Value(&values[i])
		if o.Required {
			in.Validate(a.needed)
		}
		fields = append(fields, in)
	}
	return a.ask(func() tea.Cmd {
		for i, o := range info.Options {
			if v := strings.TrimSpace(values[i]); v != "" {
				if acc.Options == nil {
					acc.Options = map[string]json.RawMessage{}
				}
				raw, _ := json.Marshal(v)
				acc.Options[o.Name] = raw
			}
		}
		return call(a, func(ctx context.Context) (*api.Account, error) { return a.o.Client.CreateAccount(ctx, acc) }, func(made *api.Account, err error) tea.Cmd {
			if err != nil {
				a.fail(err)
				return nil
			}
			a.say(t("tui.providers.added", clean(made.Name)))
			return tea.Batch(p.open(), p.test(made))
		})
	}, huh.NewGroup(fields...))
}

// free is a name that no account has: openai, openai-2, ….
func (p *providersPage) free(name string) string {
	for i := 1; ; i++ {
		n := name
		if i > 1 {
			n = name + "-" + strconv.Itoa(i)
		}
		if !slices.ContainsFunc(p.list, func(a api.Account) bool { return a.Name == n }) {
			return n
		}
	}
}

func (a *App) needed(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New(a.t("tui.needed"))
	}
	return nil
}

func (a *App) wholeNumber(s string) error {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err != nil || n < 0 {
		return errors.New(a.t("tui.whole"))
	}
	return nil
}

func (p *providersPage) edit(acc *api.Account) tea.Cmd {
	t := p.a.t
	name, url, weight, priority := acc.Name, acc.BaseURL, strconv.Itoa(acc.Weight), strconv.Itoa(acc.Priority)
	return p.a.ask(func() tea.Cmd {
		w, _ := strconv.Atoi(strings.TrimSpace(weight)) // the form has checked both
		r, _ := strconv.Atoi(strings.TrimSpace(priority))
		patch := api.AccountPatch{Weight: &w, Priority: &r}
		if name != acc.Name {
			patch.Name = &name
		}
		if url != acc.BaseURL {
			patch.BaseURL = &url
		}
		return call(p.a, func(ctx context.Context) (*api.Account, error) { return p.a.o.Client.UpdateAccount(ctx, acc.ID, patch) },
			changed[*api.Account](p.a, p, t("tui.providers.changed", clean(name))))
	}, huh.NewGroup(
		huh.NewInput().Title(t("tui.providers.name")).Value(&name).Validate(p.a.needed),
		huh.NewInput().Title(t("tui.providers.url")).Value(&url),
		huh.NewInput().Title(t("tui.providers.weight")).Value(&weight).Validate(p.a.wholeNumber),
		huh.NewInput().Title(t("tui.providers.priority")).Value(&priority).Validate(p.a.wholeNumber),
	))
}

// stateOf is an account's state as a sign and a word.
func (a *App) stateOf(acc *api.Account) (string, *lipgloss.Style) {
	if !acc.Enabled {
		return "‖ " + a.t("tui.state.disabled"), &a.th.muted
	}
	if acc.Health == nil {
		return "– ", nil
	}
	return a.stateWord(acc.Health.State, acc.Health.Serving)
}

func (a *App) stateWord(state string, serving bool) (string, *lipgloss.Style) {
	word := a.t("tui.state." + state)
	switch {
	case state == "ok":
		return "● " + word, &a.th.ok
	case serving:
		return "▲ " + word, &a.th.warn
	}
	return "✗ " + word, &a.th.bad
}

// detail shows the pool of an account: each key and model with its state.
func (p *providersPage) detail(acc *api.Account) tea.Cmd {
	a, t := p.a, p.a.t
	var models, keys []string
	for _, m := range acc.Models {
		models = append(models, m.Name)
	}
	for _, k := range acc.Keys {
		keys = append(keys, fmt.Sprintf("%s ×%d", k.Hint, k.Weight))
	}
	state, _ := a.stateOf(acc)
	lines := pairs(a, [][2]string{
		{t("tui.providers.provider"), acc.Provider}, {t("tui.providers.url"), acc.BaseURL}, {t("tui.col.state"), state}, {t("tui.col.origin"), acc.Origin},
		{t("tui.col.keys"), strings.Join(keys, "  ")}, {t("tui.col.models"), strings.Join(models, ", ")}, {t("tui.providers.listed"), strconv.Itoa(acc.Listed)},
		{t("tui.providers.weight"), strconv.Itoa(acc.Weight)}, {t("tui.providers.priority"), strconv.Itoa(acc.Priority)}, {t("tui.providers.note"), acc.AddressNote},
	})
	if acc.Health != nil && len(acc.Health.Targets) > 0 {
		lines = append(lines, "", a.th.strong.Render(t("tui.providers.targets")))
		for _, x := range acc.Health.Targets {
			word, look := a.stateWord(x.State, x.Until == nil)
			lines = append(lines, fmt.Sprintf("%s %s %s  %s", look.Render(pad(word, 14, false)), pad(clean(x.Model), 24, false), pad(x.KeyHint, 7, false),
				t("tui.providers.target", x.InFlight, x.Good, x.Failures, took(x.LatencyMs))))
			if len(x.Allowed) > 0 {
				lines = append(lines, "    "+a.th.muted.Render(t("tui.providers.allowed", a.ago(x.AllowedAt), p.allowed(x.Allowed))))
			}
			if x.LastError != "" {
				for _, l := range wrapped(clean(x.LastError), max(20, a.w-10)) {
					lines = append(lines, "    "+a.th.muted.Render(l))
				}
			}
		}
	}
	a.over = newTextBox(a, clean(acc.Name), lines)
	return nil
}

// allowed tells what is left of a provider's limits: "9.99k/10.0k requests, 5/60 tokens".
func (p *providersPage) allowed(list []api.Allowance) string {
	var parts []string
	for _, x := range list {
		left := short(x.Left)
		if x.Limit > 0 {
			left += "/" + short(x.Limit)
		}
		parts = append(parts, left+" "+p.a.t("web.allowance."+x.Kind))
	}
	return strings.Join(parts, ", ")
}

func (p *providersPage) view(w, h int) string {
	t, th := p.a.t, p.a.th
	switch {
	case p.err != nil:
		return "\n" + indent(wrapped(p.a.words(p.err), w-4))
	case !p.ready:
		return "\n  " + t("tui.loading")
	case len(p.list) == 0:
		return "\n" + indent(wrapped(t("tui.providers.empty"), w-4))
	}
	cols := []column{{title: t("tui.providers.account"), least: 10, most: 24}, {title: t("tui.providers.provider"), least: 8, most: 16, drop: 5}, {title: t("tui.col.state"), least: 11, most: 16},
		{title: t("tui.col.keys"), least: 4, right: true, drop: 4}, {title: t("tui.col.origin"), least: 6, drop: 6}, {title: t("tui.col.in_flight"), least: 4, right: true, drop: 3},
		{title: t("tui.col.average"), least: 7, right: true, drop: 2}, {title: t("tui.usage.errors"), least: 6, right: true, drop: 1}, {title: t("tui.providers.minutes"), least: 15, drop: 1}, {title: t("tui.providers.last_error"), least: 12, most: 60, drop: 7}}
	now := p.a.o.Now()
	return p.g.view(th, cols, len(p.list), func(i int) []cell {
		acc := &p.list[i]
		word, look := p.a.stateOf(acc)
		pulse := p.a.pulse.of(acc.Name)
		all, bad := pulse.minutes(now)
		var n int64
		for _, v := range all {
			n += int64(v)
		}
		avg, errs := cell{text: "–"}, cell{text: "–"}
		if pulse.waits > 0 {
			avg.text = took(pulse.took / pulse.waits)
		}
		if n > 0 {
			if errs.text = fmt.Sprintf("%.1f%%", 100*float64(bad)/float64(n)); bad > 0 {
				errs.look = &th.bad
			}
		}
		last := ""
		if acc.Health != nil && acc.Health.LastError != "" {
			last = p.a.lastError(acc.Health)
		}
		return []cell{{text: clean(acc.Name)}, {text: clean(acc.Provider), look: &th.muted}, {word, look}, {text: strconv.Itoa(len(acc.Keys))}, {text: acc.Origin, look: &th.muted},
			{text: strconv.FormatInt(p.flying(acc.Name), 10)}, avg, errs, {text: spark(all), look: &th.accent}, {text: last, look: &th.warn}}
	}, w, h)
}
