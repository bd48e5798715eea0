package cmd

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// exportFlags are what `logs export` takes.
type exportFlags struct {
	ask          api.LogsAsk
	since, until string
	format, file string
}

func (a *app) logsExport() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use: "export", Short: "Write requests, the newest first, as CSV or JSON lines", Args: cobra.NoArgs,
		Long: `Write requests, the newest first, as CSV or JSON lines: all that are kept, or those
of a time. Money is in USD with nine decimals. A value in CSV that a spreadsheet
would take for a formula gets a quote before it.`,
		Example: "  ai-gateway logs export --since 2026-11-01 --until 2026-12-01 --file november.csv\n  ai-gateway logs export --format jsonl --last 1h",
		RunE:    func(*cobra.Command, []string) error { return a.exportLogs(&f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.format, "format", "csv", "csv or jsonl")
	fs.StringVar(&f.file, "file", "-", "file to write; '-' is standard output")
	fs.StringVar(&f.ask.Status, "status", "", "only this status: 200, 4xx, error")
	fs.StringVar(&f.ask.Key, "key", "", "only this key, by name or id")
	fs.StringVar(&f.ask.Model, "model", "", "only this model")
	fs.StringVar(&f.ask.Provider, "provider", "", "only requests of which an attempt went to this provider")
	fs.StringVar(&f.ask.Account, "account", "", "only requests of which an attempt went to this account")
	fs.StringVar(&f.ask.Last, "last", "", "the time until now: 1h, 7d")
	fs.StringVar(&f.since, "since", "", "from this time: YYYY-MM-DD, or RFC 3339")
	fs.StringVar(&f.until, "until", "", "before this time: YYYY-MM-DD, or RFC 3339")
	c.MarkFlagsMutuallyExclusive("last", "since")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"csv", "jsonl"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) exportLogs(f *exportFlags) (err error) {
	if f.format != "csv" && f.format != "jsonl" {
		return wrongUsage("ai-gateway logs export --format csv", "--format knows csv and jsonl, not %q", f.format)
	}
	ask := f.ask
	ask.Limit = 1000
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
	out := a.stdout
	if f.file != "-" {
		file, err := os.OpenFile(f.file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return errorf("cannot write the file: %w", err)
		}
		defer func() {
			if cerr := file.Close(); err == nil && cerr != nil {
				err = errorf("cannot write the file: %w", cerr)
			}
		}()
		out = file
	}
	write := exportJSON(out)
	if f.format == "csv" {
		if write, err = exportCSV(out); err != nil {
			return err
		}
	}
	if ask.Last != "" {
		span, err := lengthOf(ask.Last)
		if err != nil {
			return wrongUsage("ai-gateway logs export --last 7d", "%v", err)
		}
		ask.Since, ask.Last = a.now().Add(-span), "" // the start must not move while pages are read
	}
	p, rows := a.progress("exporting", out), 0
	defer p.done()
	for {
		r, err := client.Logs(a.ctx, ask)
		if err != nil {
			return err
		}
		rows += len(r.Data)
		p.at("%s", a.say("%s requests", thousands(int64(rows))))
		if err := write(r.Data); err != nil {
			return errorf("cannot write the export: %w", err)
		}
		if ask.Cursor = r.NextCursor; ask.Cursor == "" {
			return nil
		}
	}
}

func exportJSON(w io.Writer) func([]api.LogRow) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(rows []api.LogRow) error {
		for i := range rows {
			if err := enc.Encode(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// exportColumns are the columns of CSV. Text may be of a caller's making; the rest is not.
var exportColumns = []struct {
	name string
	text bool
	of   func(r *api.LogRow) string
}{
	{"request_id", false, func(r *api.LogRow) string { return r.RequestID }},
	{"time", false, func(r *api.LogRow) string { return r.Time.UTC().Format(time.RFC3339Nano) }},
	{"api_key_id", true, func(r *api.LogRow) string { return r.KeyID }},
	{"api_key_name", true, func(r *api.LogRow) string { return r.KeyName }},
	{"group", true, func(r *api.LogRow) string { return r.Group }},
	{"end_user", true, func(r *api.LogRow) string { return r.EndUser }},
	{"operation", true, func(r *api.LogRow) string { return r.Operation }},
	{"model", true, func(r *api.LogRow) string { return r.Model }},
	{"provider", true, func(r *api.LogRow) string { return r.Provider }},
	{"account", true, func(r *api.LogRow) string { return r.Account }},
	{"upstream_model", true, func(r *api.LogRow) string { return r.UpstreamModel }},
	{"upstream_request_id", true, func(r *api.LogRow) string { return r.UpstreamRequestID }},
	{"status", false, func(r *api.LogRow) string { return strconv.Itoa(r.Status) }},
	{"stream", false, func(r *api.LogRow) string { return strconv.FormatBool(r.Stream) }},
	{"end_reason", true, func(r *api.LogRow) string { return r.EndReason }},
	{"attempts", false, func(r *api.LogRow) string { return strconv.Itoa(len(r.Attempts)) }},
	{"prompt_tokens", false, func(r *api.LogRow) string { return strconv.FormatInt(r.PromptTokens, 10) }},
	{"cache_read_tokens", false, func(r *api.LogRow) string { return strconv.FormatInt(r.CacheReadTokens, 10) }},
	{"cache_write_tokens", false, func(r *api.LogRow) string { return strconv.FormatInt(r.CacheWriteTokens, 10) }},
	{"completion_tokens", false, func(r *api.LogRow) string { return strconv.FormatInt(r.CompletionTokens, 10) }},
	{"reasoning_tokens", false, func(r *api.LogRow) string { return strconv.FormatInt(r.ReasoningTokens, 10) }},
	{"images", false, func(r *api.LogRow) string { return strconv.FormatInt(r.Images, 10) }},
	{"audio_seconds", false, func(r *api.LogRow) string { return strconv.FormatFloat(r.AudioSecs, 'f', -1, 64) }},
	{"characters", false, func(r *api.LogRow) string { return strconv.FormatInt(r.Characters, 10) }},
	{"search_units", false, func(r *api.LogRow) string { return strconv.FormatInt(r.SearchUnits, 10) }},
	{"usage_source", true, func(r *api.LogRow) string { return r.UsageSource }},
	{"cost_usd", false, func(r *api.LogRow) string { return r.CostUSD.String() }},
	{"charged_usd", false, func(r *api.LogRow) string { return r.ChargedUSD.String() }},
	{"unconfirmed_usd", false, func(r *api.LogRow) string { return r.UnconfirmedUSD.String() }},
	{"price_version", true, func(r *api.LogRow) string { return r.PriceVersion }},
	{"price_source", true, func(r *api.LogRow) string { return r.PriceSource }},
	{"flags", true, func(r *api.LogRow) string { return strings.Join(r.Flags, " ") }},
	{"ttft_ms", false, func(r *api.LogRow) string {
		if r.TTFTMs == nil {
			return ""
		}
		return strconv.FormatFloat(*r.TTFTMs, 'f', -1, 64)
	}},
	{"duration_ms", false, func(r *api.LogRow) string { return strconv.FormatFloat(r.DurationMs, 'f', -1, 64) }},
	{"error", true, func(r *api.LogRow) string { return r.Error }},
	{"metadata", true, func(r *api.LogRow) string {
		if len(r.Metadata) == 0 {
			return ""
		}
		b, _ := json.Marshal(r.Metadata) // of text by text
		return string(b)
	}},
	{"earlier_attempts_usd", false, func(r *api.LogRow) string { // the part of the cost that the columns of target and tokens are not of
		var sum api.USD
		for _, at := range r.Attempts[:max(0, len(r.Attempts)-1)] {
			sum += at.CostUSD
		}
		return sum.String()
	}},
	{"node", true, func(r *api.LogRow) string { return r.Node }},
}

func exportCSV(w io.Writer) (func([]api.LogRow) error, error) {
	out := csv.NewWriter(w)
	record := make([]string, len(exportColumns))
	for i, c := range exportColumns {
		record[i] = c.name
	}
	if err := out.Write(record); err != nil {
		return nil, errorf("cannot write the export: %w", err)
	}
	return func(rows []api.LogRow) error {
		for n := range rows {
			for i, c := range exportColumns {
				if record[i] = c.of(&rows[n]); c.text {
					record[i] = plainCell(record[i])
				}
			}
			_ = out.Write(record) // an error is kept and told by Error
		}
		out.Flush()
		return out.Error()
	}, nil
}

// plainCell keeps a spreadsheet from taking text for a formula.
func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// lengthOf reads a length of time: "12h", "7d", "2w".
func lengthOf(s string) (time.Duration, error) {
	for unit, hours := range map[string]int{"d": 24, "w": 7 * 24} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			if k, err := strconv.Atoi(n); err == nil && k > 0 && k <= 36_500/(hours/24) {
				return time.Duration(k*hours) * time.Hour, nil
			}
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, errorf("%q is no length of time such as 12h or 7d", s)
	}
	return d, nil
}
