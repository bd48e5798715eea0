package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// logFlags are what `logs` takes.
type logFlags struct {
	ask            api.LogsAsk
	follow, errors bool
	since, until   string
}

func (a *app) logsCommand() *cobra.Command {
	var f logFlags
	c := &cobra.Command{
		Use: "logs", Short: "Requests, the newest last", Args: cobra.NoArgs,
		Example: "  ai-gateway logs -f\n  ai-gateway logs --errors --last 1h\n  ai-gateway logs show 3F7K2M9Q",
		RunE:    func(*cobra.Command, []string) error { return a.logs(&f) },
	}
	fs := c.Flags()
	fs.BoolVarP(&f.follow, "follow", "f", false, "go on with new requests until Ctrl-C")
	fs.IntVarP(&f.ask.Limit, "lines", "n", 50, "how many, at most 1000")
	fs.BoolVar(&f.errors, "errors", false, "only those that failed")
	fs.StringVar(&f.ask.Status, "status", "", "only this status: 200, 4xx, error")
	fs.StringVar(&f.ask.Key, "key", "", "only this key, by name or id")
	fs.StringVar(&f.ask.Model, "model", "", "only this model")
	fs.StringVar(&f.ask.Provider, "provider", "", "only requests of which an attempt went to this provider")
	fs.StringVar(&f.ask.Account, "account", "", "only requests of which an attempt went to this account")
	fs.StringVar(&f.ask.Last, "last", "", "the time until now: 1h, 7d")
	fs.StringVar(&f.since, "since", "", "from this time: YYYY-MM-DD, or RFC 3339")
	fs.StringVar(&f.until, "until", "", "before this time: YYYY-MM-DD, or RFC 3339")
	c.MarkFlagsMutuallyExclusive("last", "since")
	c.MarkFlagsMutuallyExclusive("errors", "status")
	c.MarkFlagsMutuallyExclusive("follow", "until")
	group(c) // an unknown word after logs is a mistake, not an argument
	c.RunE = func(*cobra.Command, []string) error { return a.logs(&f) }
	c.AddCommand(a.logsShow(), a.logsReplay(), a.logsExport())
	return c
}

func (a *app) logs(f *logFlags) error {
	if f.ask.Limit < 1 || f.ask.Limit > 1000 {
		return wrongUsage("ai-gateway logs -n 50", "-n must be from 1 to 1000, not %d", f.ask.Limit)
	}
	ask := f.ask
	if f.errors {
		ask.Status = "error"
	}
	var err error
	if ask.Since, err = moment8601("--since", f.since); err != nil {
		return err
	}
	if ask.Until, err = moment8601("--until", f.until); err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	if ask.Key != "" {
		if ask.Key, err = a.keyID(client, ask.Key); err != nil {
			return err
		}
	}
	r, err := client.Logs(a.ctx, ask)
	if err != nil {
		return err
	}
	if f.follow {
		return a.follow(client, ask, r)
	}
	rows := reversed(r.Data)
	r.Data = rows
	if err := show(a, r, rows, logTable(rows)); err != nil {
		return err
	}
	if r.Partial {
		a.line("Only a part of the records was searched: narrow it with --since or --last.")
	}
	return nil
}

// moment8601 reads a day in local time, or a time in RFC 3339.
func moment8601(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, wrongUsage("ai-gateway logs --last 1h", "%s is a day (2026-11-01) or a time (2026-11-01T08:00:00Z), not %q", flag, text)
	}
	return t, nil
}

// reversed puts the newest last, where a terminal's reader looks.
func reversed(rows []api.LogRow) []api.LogRow {
	out := make([]api.LogRow, len(rows))
	for i, r := range rows {
		out[len(rows)-1-i] = r
	}
	return out
}

const (
	followEvery = time.Second
	followPages = 5      // of 200 rows, looked through at each poll
	followKnown = 20_000 // ids remembered, so that a row is shown once
)

// follow shows first, then polls. A row appears when its request has ended, in the
// order of its admission, so the newest thousand are looked through each time.
func (a *app) follow(client *api.Client, ask api.LogsAsk, first *api.LogsReply) error {
	ctx, stop := a.interruptible()
	defer stop()
	known := map[string]bool{}
	var order []string
	fresh := func(rows []api.LogRow) []api.LogRow {
		var out []api.LogRow
		for _, r := range rows {
			if !known[r.RequestID] {
				known[r.RequestID] = true
				order = append(order, r.RequestID)
				out = append(out, r)
			}
		}
		for len(order) > followKnown {
			delete(known, order[0])
			order = order[1:]
		}
		return out
	}
	start := a.now()
	w := &followWriter{app: a}
	if err := w.write(reversed(fresh(first.Data))); err != nil {
		return err
	}
	ask.Last, ask.Limit = "", 200
	if ask.Since.IsZero() { // not what was before the rows shown
		ask.Since = start.Add(-time.Hour)
		if n := len(first.Data); n > 0 && first.Data[n-1].Time.After(ask.Since) {
			ask.Since = first.Data[n-1].Time
		}
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // Ctrl-C is how it ends
		case <-tick.C:
		}
		rows, err := pollLogs(ctx, client, ask, known)
		var gone *api.Unreachable
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &gone):
			w.away(err)
			continue
		case err != nil:
			return err
		}
		w.back()
		if err := w.write(reversed(fresh(rows))); err != nil {
			return err
		}
	}
}

// pollLogs reads pages until one holds nothing new.
func pollLogs(ctx context.Context, client *api.Client, ask api.LogsAsk, known map[string]bool) ([]api.LogRow, error) {
	var rows []api.LogRow
	for range followPages {
		r, err := client.Logs(ctx, ask)
		if err != nil {
			return nil, err
		}
		news := 0
		for _, row := range r.Data {
			if !known[row.RequestID] {
				news++
			}
		}
		rows = append(rows, r.Data...)
		if ask.Cursor = r.NextCursor; ask.Cursor == "" || news == 0 {
			break
		}
	}
	return rows, nil
}

// A followWriter writes rows as they come, with one head; another where the columns
// change, as they do with the first row of a gateway that has a name.
type followWriter struct {
	app     *app
	headed  bool
	columns int
	gone    bool
}

func (w *followWriter) write(rows []api.LogRow) error {
	if len(rows) == 0 {
		return nil
	}
	a := w.app
	if a.output == "json" || a.output == "jsonl" {
		a.output = "jsonl" // one object a line: a stream has no end to close a list at
		return show(a, nil, rows, table{})
	}
	t := logTable(rows)
	t.fixed, t.headless = true, w.headed && w.columns == len(t.columns)
	w.headed, w.columns = true, len(t.columns)
	if a.output == "csv" {
		return t.csv(a.stdout)
	}
	return a.writeTable(t)
}

func (w *followWriter) away(err error) {
	if !w.gone {
		w.app.line("%s; trying again", cleanText(err.Error()))
	}
	w.gone = true
}

func (w *followWriter) back() {
	if w.gone {
		w.app.line("the gateway is back")
	}
	w.gone = false
}

func logTable(rows []api.LogRow) table {
	t := table{
		columns: []column{{head: "TIME", least: 19}, {head: "ID", name: "request_id", least: 8}, {head: "KEY", least: 10, flex: true}, {head: "MODEL", least: 24, flex: true}, {head: "STATUS", least: 6},
			{head: "IN", name: "prompt_tokens", least: 6, right: true}, {head: "OUT", name: "completion_tokens", least: 6, right: true}, {head: "COST", name: "cost_usd", least: 10, right: true},
			{head: "TTFT", name: "ttft_ms", least: 8, right: true}, {head: "TIME", name: "duration_ms", least: 8, right: true}, {head: "ERROR", flex: true}},
		empty: phrase("No requests. Make one: ai-gateway chat \"Hello\""),
	}
	fleet := ranAtNodes(rows)
	if fleet {
		t.columns = slices.Insert(t.columns, 2, column{head: "NODE", least: 16, flex: true})
	}
	for _, r := range rows {
		ttft := cell{text: "–"}
		if r.TTFTMs != nil {
			ttft = millis(*r.TTFTMs)
		}
		t.rows = append(t.rows, []cell{moment(r.Time), {text: tail(r.RequestID), raw: r.RequestID}, str(r.KeyName), {text: modelPath(&r), raw: r.Model}, statusCell(&r),
			tokens(r.PromptTokens), tokens(r.CompletionTokens), money(r.CostUSD), ttft, millis(r.DurationMs), str(r.Error)})
		if fleet {
			last := &t.rows[len(t.rows)-1]
			*last = slices.Insert(*last, 2, str(r.Node))
		}
	}
	return t
}

// ranAtNodes reports whether rows are of gateways that share a database.
func ranAtNodes(rows []api.LogRow) bool {
	return slices.ContainsFunc(rows, func(r api.LogRow) bool { return r.Node != "" })
}

// modelPath writes the name asked for, and where it went if that is another.
func modelPath(r *api.LogRow) string {
	if r.UpstreamModel == "" || r.UpstreamModel == r.Model {
		return cleanText(r.Model)
	}
	return cleanText(r.Model + " → " + r.UpstreamModel)
}

func statusCell(r *api.LogRow) cell {
	c := cell{text: strconv.Itoa(r.Status), raw: strconv.Itoa(r.Status)}
	switch {
	case r.Status >= 500 || r.EndReason == "stream_error":
		c.text, c.sgr = "✗ "+c.text, red
	case r.Status >= 400:
		c.text, c.sgr = "▲ "+c.text, yellow
	default:
		c.text, c.sgr = "● "+c.text, green
	}
	return c
}

// tail is the part of a request id that people type.
func tail(id string) string {
	if len(id) > 8 {
		return cleanText(id[len(id)-8:])
	}
	return cleanText(id)
}

func (a *app) logsShow() *cobra.Command {
	var bodies bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show one request, by its id or the last 8 characters", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			client, err := a.client()
			if err != nil {
				return err
			}
			r, err := client.Log(a.ctx, args[0])
			if err != nil {
				return a.showFlight(client, args[0], err)
			}
			if a.output == "json" || a.output == "jsonl" {
				return a.writeJSON(r)
			}
			if err := a.showLog(r); err != nil || !bodies {
				return err
			}
			b, err := client.Bodies(a.ctx, args[0])
			if err != nil {
				return err
			}
			a.showBodies(b)
			return nil
		},
	}
	c.Flags().BoolVar(&bodies, "bodies", false, "also what was asked and answered, if its key keeps that; entered in the audit trail")
	return c
}

func (a *app) showLog(r *api.LogReply) error {
	ttft := ""
	if r.TTFTMs != nil {
		ttft = millis(*r.TTFTMs).text
	}
	tokensText := a.word("%s in (%s cached, %s written to cache), %s out (%s reasoning), from %s", thousands(r.PromptTokens), thousands(r.CacheReadTokens),
		thousands(r.CacheWriteTokens), thousands(r.CompletionTokens), thousands(r.ReasoningTokens), r.UsageSource)
	rows := [][2]string{
		{"request", r.RequestID}, {"client's id", r.ClientRequestID}, {"upstream's id", r.UpstreamRequestID}, {"time", moment(r.Time).text},
		{"key", strings.TrimSpace(r.KeyName + " " + parens(r.KeyID))}, {"group", r.Group}, {"user", r.EndUser}, {"operation", r.Operation + " " + parens(r.Dialect)},
		{"model", modelPath(&r.LogRow)}, {"served by", strings.Trim(r.Provider+" / "+r.Account, " /")}, {"node", r.Node}, {"status", strconv.Itoa(r.Status) + " " + r.EndReason},
		{"tokens", tokensText}, {"cost", dollars(r.CostUSD) + " " + parens(r.PriceSource)}, {"flags", strings.Join(r.Flags, ", ")},
		{"first token", ttft}, {"took", millis(r.DurationMs).text}, {"overhead", took(time.Duration(r.OverheadUs) * time.Microsecond)}, {"error", r.Error},
	}
	for _, name := range sortedNames(r.Metadata) {
		rows = append(rows, [2]string{"metadata " + name, r.Metadata[name]})
	}
	if err := a.facts(rows); err != nil {
		return err
	}
	if len(r.Attempts) > 0 {
		t := table{columns: []column{{head: "AT", right: true}, {head: "", name: "when"}, {head: "ACCOUNT"}, {head: "MODEL"}, {head: "STATUS", right: true}, {head: "OUTCOME"}, {head: "TOOK", right: true},
			{head: "IN", name: "prompt_tokens", right: true}, {head: "OUT", name: "completion_tokens", right: true}, {head: "COST", right: true}, {head: "ERROR", flex: true}}}
		for _, at := range r.Attempts {
			t.rows = append(t.rows, []cell{millis(at.StartMs), str(bar(at.StartMs, at.DurationMs, r.DurationMs)), str(strings.Trim(at.Provider+" / "+at.Account, " /")), str(at.Model), count(int64(at.Status)), str(at.Outcome), millis(at.DurationMs),
				tokens(at.PromptTokens), tokens(at.CompletionTokens), money(at.CostUSD), str(at.Error)})
		}
		fmt.Fprintln(a.stdout)
		if err := a.writeTable(t); err != nil {
			return err
		}
	}
	for i, line := range r.Trace {
		if i == 0 {
			fmt.Fprintln(a.stdout)
		}
		fmt.Fprintln(a.stdout, cleanText(line))
	}
	return nil
}

func parens(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

// bar draws when something happened within the whole, as a waterfall's line.
func bar(start, took, whole float64) string {
	const width = 24
	if whole <= 0 {
		return ""
	}
	from := min(width-1, max(0, int(start/whole*width)))
	n := min(width-from, max(1, int(took/whole*width+0.5)))
	return strings.Repeat("·", from) + strings.Repeat("█", n) + strings.Repeat("·", width-from-n)
}
