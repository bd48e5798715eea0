package tui

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

var (
	usageRanges  = []string{"1h", "24h", "7d", "30d", "90d"}
	usageBy      = []string{"model", "key", "provider", "account", "group", "owner", "end_user", "end_reason"}
	usageMetrics = []string{"cost", "requests", "tokens", "errors", "latency"}
	usageSorts   = []string{"cost", "requests", "tokens", "errors"}
)

// usagePage tells what was used and what it cost.
type usagePage struct {
	a                  *App
	rng, by, met, sort int
	chosen             bool   // the metric
	key, keyName       string // only this key; empty: all
	g                  grid
	now                *api.UsageReply
	over               *api.OverviewReply // for the chart
	asked              int                // numbers asks, so that a late answer is not shown
	err                error
}

func newUsagePage(a *App) *usagePage { return &usagePage{a: a, rng: 1} }

func (u *usagePage) typing() bool  { return false }
func (u *usagePage) open() tea.Cmd { return u.load() }

// load asks for the sums, those of the time before, and the chart.
func (u *usagePage) load() tea.Cmd {
	u.asked++
	n, last, by := u.asked, usageRanges[u.rng], usageBy[u.by]
	type all struct {
		now  *api.UsageReply
		over *api.OverviewReply
	}
	return call(u.a, func(ctx context.Context) (all, error) {
		var v all
		var err error
		if v.now, err = u.a.o.Client.Usage(ctx, api.UsageAsk{Last: last, GroupBy: []string{by}, Zone: u.a.o.Zone, Key: u.key, Compare: true}); err != nil {
			return v, err
		}
		ask := api.OverviewAsk{Last: last, Zone: u.a.o.Zone, Key: u.key, By: by}
		if by == "owner" || by == "end_user" { // which the roll-ups do not know
			ask.By = "model"
		}
		v.over, err = u.a.o.Client.Overview(ctx, ask)
		return v, err
	}, func(v all, err error) tea.Cmd {
		if n != u.asked {
			return nil
		}
		if u.err = err; err == nil {
			u.now, u.over = v.now, v.over
			u.order()
		}
		return nil
	})
}

func metricOf(s *api.UsageSums, metric string) float64 {
	switch metric {
	case "requests":
		return float64(s.Requests)
	case "tokens":
		return float64(s.PromptTokens + s.CompletionTokens)
	case "errors":
		return float64(s.Errors)
	}
	return float64(s.CostUSD) / float64(api.Dollar)
}

func (u *usagePage) order() {
	by := usageSorts[u.sort]
	slices.SortStableFunc(u.now.Data, func(x, y api.UsageGroup) int {
		return cmp.Or(cmp.Compare(metricOf(&y.UsageSums, by), metricOf(&x.UsageSums, by)), cmp.Compare(y.Requests, x.Requests), strings.Compare(u.nameOf(&x), u.nameOf(&y)))
	})
}

func (u *usagePage) nameOf(g *api.UsageGroup) string {
	by := usageBy[u.by]
	if by == "key" && g.KeyName != "" {
		return clean(g.KeyName)
	}
	return cmp.Or(clean(g.Group[by]), "–")
}

func (u *usagePage) update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tickMsg:
		if u.a.ticks%5 == 0 {
			return u.load()
		}
	case tea.MouseMsg:
		u.g.cursor = max(0, u.g.top+m.Y-u.chartRows(u.a.h-chrome)-4)
	case tea.KeyMsg:
		if u.now != nil {
			u.g.move(m.String(), len(u.now.Data))
		}
	}
	return nil
}

func (u *usagePage) binds() []bind {
	a := u.a
	next := func(i *int, n int, load bool) func() tea.Cmd {
		return func() tea.Cmd {
			*i = (*i + 1) % n
			if load {
				return u.load()
			}
			if u.now != nil {
				u.order()
			}
			return nil
		}
	}
	return []bind{
		a.on("b", "b", "break_down", next(&u.by, len(usageBy), true)),
		a.on("r", "r", "range", next(&u.rng, len(usageRanges), true)),
		a.on("m", "m", "metric", u.nextMetric),
		a.on("s", "s", "sort", next(&u.sort, len(usageSorts), false)),
		a.on("enter", "enter", "drill", u.drill),
		a.on("e", "e", "export", u.export),
		a.on("y", "y", "copy_table", u.copyTable),
		a.on("esc", "esc", "all_keys", func() tea.Cmd { u.key, u.keyName = "", ""; return u.load() }).hidden(),
	}
}

// forKey shows one key alone.
func (u *usagePage) forKey(id, name string) tea.Cmd {
	u.key, u.keyName = id, name
	return u.a.show(1)
}

// drill shows the requests behind a line.
func (u *usagePage) drill() tea.Cmd {
	if u.now == nil || u.g.cursor >= len(u.now.Data) {
		return nil
	}
	field := map[string]string{"model": "model", "key": "key", "provider": "provider", "account": "account", "group": "group", "end_user": "user", "end_reason": "reason"}[usageBy[u.by]]
	name := u.nameOf(&u.now.Data[u.g.cursor])
	if field == "" {
		u.a.say(u.a.t("tui.usage.no_drill"))
		return nil
	}
	u.a.live.setFilter(field + `:"` + name + `"`)
	return u.a.show(4)
}

// table is the lines as they are exported.
func (u *usagePage) table() [][]string {
	out := [][]string{{usageBy[u.by], "requests", "prompt_tokens", "completion_tokens", "cache_read_tokens", "cost_usd", "errors", "avg_ms"}}
	for i := range u.now.Data {
		g := &u.now.Data[i]
		name := u.nameOf(g)
		if strings.ContainsAny(name[:1], "=+-@") && name != "–" { // no formula of a spreadsheet
			name = "'" + name
		}
		n := func(v int64) string { return strconv.FormatInt(v, 10) }
		out = append(out, []string{name, n(g.Requests), n(g.PromptTokens), n(g.CompletionTokens), n(g.CacheReadTokens), g.CostUSD.String(), n(g.Errors), n(g.DurationMs / max(1, g.Requests))})
	}
	return out
}

// export writes the table as CSV into the folder the program was started in.
func (u *usagePage) export() tea.Cmd {
	if u.now == nil {
		return nil
	}
	table := u.table()
	name := fmt.Sprintf("ai-gateway-usage-%s-%s-%s.csv", usageBy[u.by], usageRanges[u.rng], u.a.o.Now().Format("20060102-150405"))
	return call(u.a, func(context.Context) (string, error) {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return "", locales.Errorf("cannot export: %w", err)
		}
		w := csv.NewWriter(f)
		err = cmp.Or(w.WriteAll(table), f.Close())
		if path, perr := filepath.Abs(name); perr == nil {
			return path, err
		}
		return name, err
	}, func(path string, err error) tea.Cmd {
		if err != nil {
			u.a.fail(err)
			return nil
		}
		u.a.say(u.a.t("tui.usage.exported", path))
		return nil
	})
}

func (u *usagePage) copyTable() tea.Cmd {
	if u.now == nil {
		return nil
	}
	var b strings.Builder
	for _, row := range u.table() {
		b.WriteString(strings.Join(row, "\t") + "\n")
	}
	return u.a.copy(b.String(), u.a.t("tui.usage.table", len(u.now.Data)))
}

func (u *usagePage) chartRows(h int) int { return max(0, min(9, h-10)) }

func (u *usagePage) view(w, h int) string {
	t, th := u.a.t, u.a.th
	title := " " + th.strong.Render(t("tui.usage.title", usageRanges[u.rng], t("tui.by."+usageBy[u.by])))
	if u.key != "" {
		title += th.accent.Render("  " + t("tui.usage.of_key", clean(u.keyName)))
	}
	var ranges []string
	for i, r := range usageRanges {
		if i == u.rng {
			ranges = append(ranges, th.tab.Render(" "+r+" "))
		} else {
			ranges = append(ranges, " "+r+" ")
		}
	}
	head := spread(title, strings.Join(ranges, "")+" ", w)
	switch {
	case u.err != nil:
		return head + "\n\n" + indent(wrapped(u.a.words(u.err), w-4))
	case u.now == nil:
		return head + "\n\n  " + t("tui.loading")
	case u.now.Total.Requests == 0:
		return head + "\n\n" + indent(wrapped(t("tui.usage.empty"), w-4))
	}
	out := head + "\n" + cut(" "+u.totals(), w) + "\n"
	rows := u.chartRows(h)
	if rows >= 3 {
		out += u.chart(w, rows)
	}
	return out + u.g.view(th, u.columns(), len(u.now.Data), u.cells, w, h-2-max(0, rows))
}

// totals are the sums, and how they differ from the same time before.
func (u *usagePage) totals() string {
	t, now := u.a.t, &u.now.Total
	was := api.UsageSums{}
	if u.now.Previous != nil {
		was = u.now.Previous.Total
	}
	delta := func(now, before int64) string {
		if before <= 0 {
			return ""
		}
		sign := "▲"
		if now < before {
			sign = "▼"
		}
		return u.a.th.muted.Render(fmt.Sprintf(" %s%.0f%%", sign, 100*abs(float64(now-before))/float64(before)))
	}
	strong := u.a.th.strong.Render
	return strings.Join([]string{
		t("tui.col.cost") + " " + strong(money(now.CostUSD)) + delta(int64(now.CostUSD), int64(was.CostUSD)),
		t("tui.col.requests") + " " + strong(locales.Thousands(now.Requests)) + delta(now.Requests, was.Requests),
		t("tui.usage.tokens") + " " + strong(short(now.PromptTokens)) + " / " + strong(short(now.CompletionTokens)) + delta(now.PromptTokens+now.CompletionTokens, was.PromptTokens+was.CompletionTokens),
		t("tui.usage.cache") + " " + locales.Percent(now.CacheReadTokens, now.PromptTokens),
		t("tui.usage.errors") + " " + locales.Percent(now.Errors, now.Requests) + delta(now.Errors, was.Errors),
	}, "  ")
}

func abs(f float64) float64 { return max(f, -f) }

// metric is what the chart shows: requests until another is chosen where all was free.
func (u *usagePage) metric() string {
	if u.met == 0 && !u.chosen && u.now.Total.CostUSD == 0 {
		return "requests"
	}
	return usageMetrics[u.met]
}

// nextMetric shows another one in the chart.
func (u *usagePage) nextMetric() tea.Cmd {
	if u.now == nil {
		return nil
	}
	u.met = (slices.Index(usageMetrics, u.metric()) + 1) % len(usageMetrics)
	u.chosen = true
	return nil
}

func (u *usagePage) columns() []column {
	t := u.a.t
	return []column{
		{title: t("tui.by." + usageBy[u.by]), least: 16, most: 40}, {title: t("tui.col.requests"), least: 7, right: true}, {title: t("tui.col.in"), least: 6, right: true},
		{title: t("tui.col.out"), least: 6, right: true}, {title: t("tui.col.cached"), least: 6, right: true, drop: 4}, {title: t("tui.col.cost"), least: 8, right: true},
		{title: t("tui.usage.errors"), least: 6, right: true, drop: 1}, {title: "P95", least: 6, right: true, drop: 2}, {title: "TTFT", least: 6, right: true, drop: 3}, {title: "", least: 12, drop: 5},
	}
}

func (u *usagePage) cells(i int) []cell {
	g := &u.now.Data[i]
	s := &g.UsageSums
	by := usageSorts[u.sort]
	errs := cell{text: locales.Percent(s.Errors, s.Requests)}
	if s.Errors > 0 {
		errs.look = &u.a.th.bad
	}
	name := u.nameOf(g)
	if s.Estimated == s.Requests && s.Requests > 0 {
		name = "~ " + name
	}
	return []cell{{text: name}, {text: locales.Thousands(s.Requests)}, {text: short(s.PromptTokens)}, {text: short(s.CompletionTokens)}, {text: locales.Percent(s.CacheReadTokens, s.PromptTokens)},
		{text: money(s.CostUSD)}, errs, {text: p95(s.Latency)}, {text: p50(s.TTFT)}, {text: bar(metricOf(s, by), metricOf(&u.now.Total, by), 12), look: &u.a.th.accent}}
}

func p95(p *api.Percentiles) string {
	if p == nil || p.P95 == nil {
		return "–"
	}
	return took(*p.P95)
}

func p50(p *api.Percentiles) string {
	if p == nil || p.P50 == nil {
		return "–"
	}
	return took(*p.P50)
}
