package tui

import (
	"cmp"
	"strings"
	"time"

	"github.com/NimbleMarkets/ntcharts/barchart"
	"github.com/NimbleMarkets/ntcharts/linechart/timeserieslinechart"

	"github.com/your-org/ai-api-gateway/server/api"
)

// A part is one series of the chart: a group, or all together.
type part struct {
	name   string
	values []float64
}

// parts are the series of what the chart shows.
func (u *usagePage) parts() []part {
	o, s := u.over, &u.over.Series
	if u.metric() == "tokens" { // which are told of all together
		in, out := part{name: u.a.t("tui.col.in")}, part{name: u.a.t("tui.col.out")}
		for i := range o.Times {
			in.values, out.values = append(in.values, at(s.PromptTokens, i)), append(out.values, at(s.CompletionTokens, i))
		}
		return []part{in, out}
	}
	var all []part
	for _, g := range o.Groups {
		p := part{name: cmp.Or(clean(g.Label), clean(g.Name), "–")}
		for i := range o.Times {
			switch u.metric() {
			case "cost":
				v := 0.0
				if i < len(g.CostUSD) {
					v = float64(g.CostUSD[i]) / float64(api.Dollar)
				}
				p.values = append(p.values, v)
			case "errors":
				p.values = append(p.values, at(g.Errors, i))
			default:
				p.values = append(p.values, at(g.Requests, i))
			}
		}
		all = append(all, p)
	}
	return all
}

func at(list []int64, i int) float64 {
	if i < len(list) {
		return float64(list[i])
	}
	return 0
}

// chart draws the metric over time, with a legend above it.
func (u *usagePage) chart(w, h int) string {
	if u.metric() == "latency" {
		return u.latency(w, h)
	}
	parts, n := u.parts(), len(u.over.Times)
	most := 0.0
	for i := range n {
		total := 0.0
		for _, p := range parts {
			total += p.values[i]
		}
		most = max(most, total)
	}
	legend := " " + u.a.th.muted.Render(u.a.t("tui.usage.peak", u.a.t("tui.metric."+u.metric()), u.amount(most), u.a.t("tui.step."+u.over.Step))) + "  "
	for i, p := range parts {
		legend += u.a.th.of(i).Render("█") + " " + p.name + "  "
	}
	room := w - 2
	from := max(0, n-room)
	wide, gap := 1, 0
	if 2*n <= room {
		wide, gap = max(1, min(6, room/max(1, n)-1)), 1
	}
	c := barchart.New(max(1, (n-from)*(wide+gap)), h-1, barchart.WithNoAxis(), barchart.WithNoAutoBarWidth(), barchart.WithNoAutoMaxValue(), barchart.WithMaxValue(max(most, 1e-12)), barchart.WithBarGap(gap))
	c.SetBarWidth(wide)
	for i := from; i < n; i++ {
		d := barchart.BarData{}
		for k, p := range parts {
			d.Values = append(d.Values, barchart.BarValue{Name: p.name, Value: p.values[i], Style: u.a.th.of(k)})
		}
		if len(d.Values) == 0 {
			d.Values = []barchart.BarValue{{}}
		}
		c.Push(d)
	}
	c.Draw()
	return cut(legend, w) + "\n" + block(indented(c.View()), w, h-1) + "\n"
}

// latency draws the median and the 95th percentile as lines.
func (u *usagePage) latency(w, h int) string {
	o, s := u.over, &u.over.Series
	c := timeserieslinechart.New(max(10, w-2), max(2, h-1), timeserieslinechart.WithYLabelFormatter(func(_ int, v float64) string { return took(v) }), timeserieslinechart.WithXYSteps(0, 2))
	c.SetDataSetStyle("p95", u.a.th.of(1))
	most, any := 0.0, false
	for i, t := range o.Times {
		if i < len(s.LatencyP50) && s.LatencyP50[i] != nil {
			c.Push(timeserieslinechart.TimePoint{Time: t, Value: *s.LatencyP50[i]})
		}
		if i < len(s.LatencyP95) && s.LatencyP95[i] != nil {
			c.PushDataSet("p95", timeserieslinechart.TimePoint{Time: t, Value: *s.LatencyP95[i]})
			most, any = max(most, *s.LatencyP95[i]), true
		}
	}
	legend := " " + u.a.th.of(0).Render("⠤") + " p50  " + u.a.th.of(1).Render("⠤") + " p95  " + u.a.th.muted.Render(u.a.t("tui.usage.peak", u.a.t("tui.metric.latency"), took(most), u.a.t("tui.step."+o.Step)))
	if !any {
		return cut(legend, w) + "\n" + block("", w, h-1) + "\n"
	}
	c.SetStyle(u.a.th.of(0))
	c.SetViewTimeAndYRange(o.Times[0], o.Times[len(o.Times)-1].Add(time.Second), 0, most*1.05)
	c.DrawBrailleAll()
	return cut(legend, w) + "\n" + block(indented(c.View()), w, h-1) + "\n"
}

func indented(s string) string { return " " + strings.ReplaceAll(s, "\n", "\n ") }

func (u *usagePage) amount(v float64) string {
	if u.metric() == "cost" {
		return money(api.USD(v * float64(api.Dollar)))
	}
	return short(int64(v))
}
