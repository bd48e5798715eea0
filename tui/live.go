package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/your-org/ai-api-gateway/server/api"
)

const (
	liveKept  = 5000 // requests on the page; older ones are in the log
	liveFirst = 200  // read from the log at the start and after a break
)

// livePage shows every request in flight and those that ended, the newest first.
type livePage struct {
	a       *App
	rows    []*request // the oldest first
	byID    map[string]*request
	flying  int
	dropped int64
	silent  []string // gateways whose requests in flight are not known

	g      grid
	anchor *request // the row under the cursor while not following
	follow bool
	frozen []*request // what is shown while paused; nil: not paused
	missed int        // requests since the pause
	wide   bool       // names in full
	errors bool       // only those
	filter filter
	input  textinput.Model
	typed  bool // the filter is being typed
	shown  []*request
}

func newLivePage(a *App) *livePage {
	in := newInput("/ ")
	in.CharLimit = maxFilter
	return &livePage{a: a, byID: map[string]*request{}, follow: true, input: in}
}

func (l *livePage) open() tea.Cmd { return nil }
func (l *livePage) typing() bool  { return l.typed }

// take notes events.
func (l *livePage) take(events []api.LiveEvent, dropped int64) {
	l.dropped += dropped
	for i := range events {
		e := events[i]
		r := l.byID[e.RequestID]
		if r != nil && r.row != nil {
			continue // ended; a step that came late says nothing new
		}
		if r == nil {
			r = &request{}
			l.add(e.RequestID, r)
			l.flying++
		}
		row := e.Row
		e.Row = nil
		if r.e.Type == phaseLost {
			l.flying++
		}
		r.e = e
		if row != nil {
			r.row = row
			l.flying--
		}
	}
}

func (l *livePage) add(id string, r *request) {
	l.byID[id] = r
	l.rows = append(l.rows, r)
	if l.frozen != nil {
		l.missed++
	}
	if len(l.rows) < liveKept+liveKept/4 {
		return
	}
	old := l.rows[:len(l.rows)-liveKept] // a quarter at a time, so that it is seldom
	for _, o := range old {
		if o.flying() {
			l.flying--
		}
		delete(l.byID, o.id())
	}
	l.rows = slices.Clone(l.rows[len(old):])
}

// reconnected marks what was in flight: the feed tells anew of what still is.
func (l *livePage) reconnected() {
	for _, r := range l.rows {
		if r.flying() {
			r.e.Type = phaseLost
		}
	}
	l.flying = 0
}

// backfill reads the newest rows of the log: what ended before, or during a break.
func (l *livePage) backfill() tea.Cmd {
	return call(l.a, func(ctx context.Context) (*api.LogsReply, error) {
		return l.a.o.Client.Logs(ctx, api.LogsAsk{Limit: liveFirst})
	}, func(p *api.LogsReply, err error) tea.Cmd {
		if err != nil {
			l.a.fail(err)
			return nil
		}
		for i := range p.Data {
			row := &p.Data[i]
			if r := l.byID[row.RequestID]; r != nil {
				if r.flying() {
					l.flying--
				}
				r.row = row
				continue
			}
			l.a.pulse.ended(row, false)
			l.add(row.RequestID, &request{e: api.LiveEvent{RequestID: row.RequestID, Accepted: row.Time}, row: row})
		}
		slices.SortStableFunc(l.rows, func(a, b *request) int { return a.accepted().Compare(b.accepted()) })
		return nil
	})
}

// list is what is chosen, the newest first.
func (l *livePage) list() []*request {
	from := l.rows
	if l.frozen != nil {
		from = l.frozen
	}
	l.shown = l.shown[:0]
	for i := len(from) - 1; i >= 0; i-- {
		r := from[i]
		if l.errors && r.phase() != phaseFailed || !l.filter.match(r) {
			continue
		}
		l.shown = append(l.shown, r)
	}
	if l.follow {
		l.g.cursor, l.g.top, l.anchor = 0, 0, nil
		return l.shown
	}
	if i := slices.Index(l.shown, l.anchor); i >= 0 { // the row stays where it is on the screen
		l.g.top += i - l.g.cursor
		l.g.cursor = i
	}
	return l.shown
}

// at is the request under the cursor, nil if there is none.
func (l *livePage) at() *request {
	list := l.list()
	if l.g.cursor < len(list) {
		return list[l.g.cursor]
	}
	return nil
}

func (l *livePage) update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.MouseMsg:
		l.goTo(l.g.top + m.Y - 2)
	case tea.KeyMsg:
		if l.typed {
			return l.typeFilter(m)
		}
		list := l.list()
		if l.g.move(m.String(), len(list)) {
			l.goTo(l.g.cursor)
			l.follow = l.g.cursor == 0 && m.String() != "j" && m.String() != "down" && l.frozen == nil
		}
	}
	return nil
}

func (l *livePage) goTo(i int) {
	if i < 0 || i >= len(l.shown) {
		return
	}
	l.g.cursor, l.anchor, l.follow = i, l.shown[i], false
}

func (l *livePage) typeFilter(m tea.KeyMsg) tea.Cmd {
	var cmd tea.Cmd
	l.input, cmd = l.input.Update(m)
	return cmd
}

func (l *livePage) setFilter(text string) {
	f, err := parseFilter(text)
	if err != nil {
		l.a.fail(err)
		return
	}
	l.filter, l.typed = f, false
	l.input.SetValue(f.text)
	l.input.Blur()
	l.follow, l.anchor = true, nil
}

func (l *livePage) binds() []bind {
	a := l.a
	return []bind{
		a.on("enter", "enter", "detail", l.enter).whileTyping(),
		a.on("X", "X", "cancel_request", l.cancel),
		a.on("/", "/", "filter", l.openFilter),
		a.on("f", "f", "follow", l.followOn),
		a.on("space", "space", "pause", l.pause),
		a.on("E", "E", "only_errors", func() tea.Cmd { l.errors = !l.errors; l.follow = true; return nil }),
		a.on("c", "c", "copy_curl", func() tea.Cmd { return l.copyCurl(l.at()) }),
		a.on("P", "P", "replay", func() tea.Cmd { return l.replay(l.at()) }),
		a.on("y", "y", "copy_id", l.copyID),
		a.on("w", "w", "wide", func() tea.Cmd { l.wide = !l.wide; return nil }),
		a.on("esc", "esc", "back", l.back).whileTyping().hidden(),
	}
}

func (l *livePage) enter() tea.Cmd {
	if l.typed {
		l.setFilter(l.input.Value())
		return nil
	}
	return l.detail(l.at())
}

func (l *livePage) openFilter() tea.Cmd {
	l.typed = true
	return l.input.Focus()
}

func (l *livePage) back() tea.Cmd {
	if l.typed {
		l.typed = false
		l.input.SetValue(l.filter.text)
		l.input.Blur()
		return nil
	}
	l.setFilter("")
	l.errors = false
	return nil
}

func (l *livePage) followOn() tea.Cmd {
	l.follow, l.frozen, l.missed = true, nil, 0
	return nil
}

func (l *livePage) pause() tea.Cmd {
	if l.frozen != nil {
		return l.followOn()
	}
	l.frozen = slices.Clone(l.rows)
	if l.frozen == nil {
		l.frozen = []*request{}
	}
	return nil
}

func (l *livePage) copyID() tea.Cmd {
	if r := l.at(); r != nil {
		return l.a.copy(r.id(), r.id())
	}
	return nil
}

// cancel ends a request in flight, after asking.
func (l *livePage) cancel() tea.Cmd {
	r := l.at()
	if r == nil {
		return nil
	}
	if !r.flying() {
		l.a.fail(errors.New(l.a.t("tui.live.not_flying")))
		return nil
	}
	l.a.over = l.a.confirm(l.a.t("tui.live.cancel", tail(r.id()), clean(r.e.Model), clean(r.e.KeyName)), func() tea.Cmd {
		return call(l.a, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, l.a.o.Client.CancelRequest(ctx, r.id())
		}, func(_ struct{}, err error) tea.Cmd {
			if err != nil {
				l.a.fail(err)
			} else {
				l.a.say(l.a.t("tui.live.cancelled", tail(r.id())))
			}
			return nil
		})
	})
	return nil
}

// summary is the line above the list.
func (l *livePage) summary(n int) string {
	t := l.a.t
	parts := []string{t("tui.live.in_flight", l.flying), t("tui.live.shown", n)}
	switch {
	case l.frozen != nil:
		parts = append(parts, "‖ "+t("tui.live.paused", l.missed))
	case l.follow:
		parts = append(parts, "▶ "+t("tui.live.following"))
	}
	if l.errors {
		parts = append(parts, "✗ "+t("tui.live.errors"))
	}
	if l.dropped > 0 {
		parts = append(parts, "▲ "+t("tui.live.dropped", l.dropped))
	}
	if len(l.silent) > 0 {
		parts = append(parts, "▲ "+t("tui.live.silent", clean(strings.Join(l.silent, ", "))))
	}
	s := ""
	for _, p := range parts {
		s += " " + p + "  "
	}
	return s
}

func (l *livePage) view(w, h int) string {
	list := l.list()
	right := ""
	if l.filter.text != "" {
		right = l.a.th.accent.Render("/ "+clean(l.filter.text)) + " "
	}
	top := l.a.th.muted.Render(l.summary(len(list)))
	if l.typed {
		l.input.Width = max(4, w-4)
		top, right = " "+l.input.View(), ""
	}
	if len(list) == 0 {
		empty := "tui.live.empty"
		if l.filter.text != "" || l.errors {
			empty = "tui.live.none"
		}
		return spread(top, right, w) + "\n\n" + indent(wrapped(l.a.t(empty), w-4))
	}
	now := l.a.o.Now()
	return spread(top, right, w) + "\n" + l.g.view(l.a.th, l.columns(), len(list), func(i int) []cell { return l.cells(list[i], now) }, w, h-1)
}

func (l *livePage) columns() []column {
	t := l.a.t
	names, model := 12, 34
	if l.wide {
		names, model = 40, 80
	}
	return []column{
		{title: t("tui.col.time"), least: 8}, {title: t("tui.col.id"), least: 8, drop: 9},
		{title: t("tui.col.state"), least: 11, most: 14}, {title: t("tui.col.model"), least: 14, most: model}, {title: t("tui.col.key"), least: 5, most: names, drop: 4},
		{title: t("tui.col.account"), least: 6, most: names, drop: 8}, {title: t("tui.col.in"), least: 5, right: true, drop: 5}, {title: t("tui.col.out"), least: 4, right: true},
		{title: t("tui.col.cost"), least: 9, most: 11, right: true}, {title: "TTFT", least: 6, right: true, drop: 3}, {title: t("tui.col.took"), least: 6, right: true},
		{title: t("tui.col.speed"), least: 5, right: true, drop: 6}, {title: t("tui.col.tries"), least: 1, right: true, drop: 7}, {title: "", least: 16, drop: 10},
	}
}

func (l *livePage) cells(r *request, now time.Time) []cell {
	th := l.a.th
	c := make([]cell, 14)
	for i := range c {
		c[i].text = "–"
	}
	c[0] = cell{text: r.accepted().Local().Format("15:04:05"), look: &th.muted}
	c[1] = cell{text: tail(r.id()), look: &th.muted}
	c[2] = l.state(r)
	model, to := clean(r.text("model")), clean(r.text("upstream"))
	if to != "" && to != model {
		model += " → " + to
	}
	c[3].text, c[4].text = model, clean(r.text("key"))
	if acc := clean(r.text("account")); acc != "" {
		c[5].text = acc
	}
	if ttft, ok := r.number("ttft"); ok {
		c[9].text = took(ttft)
	}
	c[13].text = ""
	row := r.row
	if row == nil {
		if r.flying() && !r.e.Accepted.IsZero() {
			c[10] = cell{text: took(float64(max(0, now.Sub(r.e.Accepted).Round(100*time.Millisecond)).Milliseconds())), look: &th.accent}
		}
		return c
	}
	c[6].text, c[7].text, c[8].text, c[10].text = short(row.PromptTokens), short(row.CompletionTokens), money(row.CostUSD), took(row.DurationMs)
	if s := speed(row); s > 0 {
		c[11].text = fmt.Sprintf("%.0f/s", s)
	}
	c[12].text = strconv.Itoa(len(row.Attempts))
	c[13] = cell{text: split(row, 16), look: &th.muted}
	return c
}

// state is a sign, the status and a word: never colour alone.
func (l *livePage) state(r *request) cell {
	th, t := l.a.th, l.a.t
	switch r.phase() {
	case phaseDone:
		return cell{"● " + strconv.Itoa(r.row.Status), &th.ok}
	case phaseFailed:
		if r.row.EndReason == "cancelled" {
			return cell{"✗ " + t("tui.state.cancelled"), &th.bad}
		}
		word := ""
		if r.row.Status < 400 {
			word = " " + clean(r.row.EndReason)
		}
		if r.row.Status >= 500 || r.row.Status < 400 {
			return cell{"✗ " + strconv.Itoa(r.row.Status) + word, &th.bad}
		}
		return cell{"▲ " + strconv.Itoa(r.row.Status) + word, &th.warn}
	case phaseAnswering:
		return cell{"▸ " + t("tui.phase.answering"), &th.accent}
	case phaseLost:
		return cell{"? " + t("tui.phase.lost"), &th.muted}
	}
	return cell{"◌ " + t("tui.phase.waiting"), &th.accent}
}

// split draws how long the first content took, and the rest, of at most ten seconds.
func split(r *api.LogRow, w int) string {
	const whole = 10_000.0
	total := min(w, max(1, int(r.DurationMs/whole*float64(w)+0.5)))
	first := total
	if r.TTFTMs != nil {
		first = min(total, int(*r.TTFTMs/whole*float64(w)+0.5))
	}
	s := ""
	for i := range total {
		if i < first {
			s += "▒"
		} else {
			s += "█"
		}
	}
	return s
}
