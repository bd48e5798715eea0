package cmd

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// rateFlags name the rates that have flags of their own; --rate takes any.
var rateFlags = []struct{ flag, rate, doc string }{
	{"input", "input", "USD for a million tokens read"},
	{"output", "output", "USD for a million tokens written"},
	{"cache-read", "cache_read", "USD for a million tokens read from a cache"},
	{"cache-write", "cache_write_5m", "USD for a million tokens written to a cache"},
	{"cache-write-1h", "cache_write_1h", "USD for a million tokens written to a cache for an hour"},
	{"reasoning", "reasoning", "USD for a million tokens of thinking"},
}

// priceFlags are what `models price set` and `import` take.
type priceFlags struct {
	provider string
	rates    map[string]*string
	more     []string
	source   string
	dryRun   bool
	yes      bool
}

func (f *priceFlags) applyFlags(c *cobra.Command) {
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "only show what would change")
	asksFirst(c, &f.yes)
}

func (a *app) priceCommand() *cobra.Command {
	c := newGroup("price", "Prices that go before the catalogue's", "prices")
	list := &cobra.Command{Use: "list", Short: "List the prices that were set", Args: cobra.NoArgs, Aliases: []string{"ls"},
		RunE: func(*cobra.Command, []string) error { return a.listPrices() }}
	var set, imp, rm priceFlags
	set.rates = map[string]*string{}
	setCmd := &cobra.Command{
		Use: "set MODEL", Short: "Set the price of a model", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(modelNames),
		Long: `Set the price of a model at a provider; MODEL may be a pattern with '*'. Rates that
are not given cost what they are a part of: cached tokens what fresh ones do,
thinking what other output does. --rate takes any rate by name, in USD for a
million units: image, audio_ms, character, search_unit, request, input_audio, …`,
		Example: "  ai-gateway models price set gpt-4o --provider openai --input 2 --output 8\n  ai-gateway models price set my-model --provider custom --input 0.2 --output 0.6 --rate request=1000",
		RunE:    func(_ *cobra.Command, args []string) error { return a.setPrice(args[0], &set) },
	}
	setCmd.Flags().StringVar(&set.provider, "provider", "", "whose model it is")
	for _, r := range rateFlags {
		set.rates[r.rate] = setCmd.Flags().String(r.flag, "", r.doc)
	}
	setCmd.Flags().StringArrayVar(&set.more, "rate", nil, "NAME=USD for a million units")
	setCmd.Flags().StringVar(&set.source, "source", "", "where the price is from, for the record")
	set.applyFlags(setCmd)
	impCmd := &cobra.Command{
		Use: "import FILE", Short: "Set prices from a file in the format of LiteLLM's public price list", Args: cobra.ExactArgs(1),
		Long: `Set prices from a file in the format of LiteLLM's public price list
(model_prices_and_context_window.json; '-' reads standard input). What differs from
the prices in force is shown before it is applied, all of it or nothing. Entries of
providers this gateway does not have, and those without prices, are left out.`,
		Example: "  ai-gateway models price import model_prices.json --dry-run\n  ai-gateway models price import model_prices.json --provider groq --yes",
		RunE:    func(_ *cobra.Command, args []string) error { return a.importPrices(args[0], &imp) },
	}
	impCmd.Flags().StringVar(&imp.provider, "provider", "", "only the models of this provider")
	imp.applyFlags(impCmd)
	rmCmd := &cobra.Command{Use: "remove MODEL", Short: "Go back to the catalogue's price", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeFirst(modelNames), Aliases: []string{"rm"},
		RunE: func(_ *cobra.Command, args []string) error {
			if rm.provider == "" {
				return wrongUsage("ai-gateway models price remove gpt-4o --provider openai", "--provider is missing")
			}
			return a.changePrices(api.PricesSet{Remove: []api.PriceRef{{Provider: rm.provider, Model: args[0]}}}, &rm)
		}}
	rmCmd.Flags().StringVar(&rm.provider, "provider", "", "whose model it is")
	rm.applyFlags(rmCmd)
	c.AddCommand(list, setCmd, impCmd, rmCmd)
	return c
}

func (a *app) listPrices() error {
	client, err := a.client()
	if err != nil {
		return err
	}
	r, err := client.Prices(a.ctx)
	if err != nil {
		return err
	}
	t := table{columns: []column{{head: "PROVIDER"}, {head: "MODEL", flex: true}, {head: "RATES", name: "rates", flex: true}, {head: "SOURCE", flex: true}, {head: "SET", name: "set_at"}},
		empty: phrase("No prices were set: those of the catalogue hold (ai-gateway models list).")}
	for _, p := range r.Data {
		t.rows = append(t.rows, []cell{str(p.Provider), str(p.Model), str(ratesText(p.Rates, p.Tiers)), str(p.Source), momentOf(p.SetAt)})
	}
	return show(a, r, r.Data, t)
}

// ratesText writes rates as people set them: "input 2.5, output 10".
func ratesText(rates api.Rates, tiers []api.RatesTier) string {
	if len(rates) == 0 {
		return "–"
	}
	order := []string{"input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning"}
	names := slices.SortedFunc(maps.Keys(rates), func(x, y string) int {
		return cmp.Or(place(order, x)-place(order, y), strings.Compare(x, y))
	})
	var out []string
	for _, name := range names {
		out = append(out, name+" "+rates[name].String())
	}
	text := strings.Join(out, ", ")
	for _, t := range tiers {
		text += fmt.Sprintf("; above %s: %s", short(t.Above), ratesText(t.Rates, nil))
	}
	return text
}

// place is where a name stands in order; all others come after.
func place(order []string, name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

func (a *app) setPrice(model string, f *priceFlags) error {
	const usage = "ai-gateway models price set gpt-4o --provider openai --input 2 --output 8"
	if f.provider == "" {
		return wrongUsage(usage, "--provider is missing")
	}
	row := api.PriceRow{Provider: f.provider, Model: model, Rates: api.Rates{}, Source: f.source}
	add := func(name, text string) error {
		v, err := api.ParseUSD(text)
		if err != nil || v < 0 {
			return wrongUsage(usage, "%s is an amount of USD for a million units, not %q", name, text)
		}
		row.Rates[name] = v
		return nil
	}
	for name, text := range f.rates {
		if *text != "" {
			if err := add(name, *text); err != nil {
				return err
			}
		}
	}
	for _, one := range f.more {
		name, text, ok := strings.Cut(one, "=")
		if !ok {
			return wrongUsage(usage, "--rate is NAME=USD, not %q", one)
		}
		if err := add(name, text); err != nil {
			return err
		}
	}
	if len(row.Rates) == 0 {
		return wrongUsage(usage, "no rate is given")
	}
	return a.changePrices(api.PricesSet{Prices: []api.PriceRow{row}}, f)
}

const maxPriceFile = 64 << 20

func (a *app) importPrices(file string, f *priceFlags) error {
	data, err := a.readInput(file, maxPriceFile)
	if err != nil {
		return err
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	known, err := client.Providers(a.ctx)
	if err != nil {
		return err
	}
	rows, skipped, err := litellmPrices(data, known.Data, f.provider)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if skipped > 0 {
		a.line("%d entries are left out: of other providers, or without a price", skipped)
	}
	if len(rows) == 0 {
		return errorf("the file has no prices of providers that this gateway has")
	}
	return a.changePrices(api.PricesSet{Prices: rows}, f)
}

// readInput reads a file, or standard input for "-".
func (a *app) readInput(file string, most int64) ([]byte, error) {
	in := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, errorf("cannot read the file: %w", err)
		}
		defer f.Close()
		in = f
	}
	return readBounded(in, most)
}

// changePrices shows what would change, asks, and applies it.
func (a *app) changePrices(set api.PricesSet, f *priceFlags) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	set.DryRun = true
	diff, err := client.SetPrices(a.ctx, set)
	if err != nil {
		return err
	}
	if f.dryRun || len(diff.Changes) == 0 {
		return a.showDiff(diff)
	}
	if a.output == "table" {
		if err := a.showDiff(diff); err != nil {
			return err
		}
	}
	if err := a.confirm(f.yes, phrase("Set %s prices?", thousands(int64(len(diff.Changes))))); err != nil {
		return err
	}
	set.DryRun = false
	if diff, err = client.SetPrices(a.ctx, set); err != nil {
		return err
	}
	if a.output != "table" {
		return a.showDiff(diff)
	}
	a.line("%s prices changed. Past requests keep theirs: ai-gateway usage rerate", thousands(int64(len(diff.Changes))))
	return nil
}

func (a *app) showDiff(d *api.PricesDiff) error {
	t := table{columns: []column{{head: "PROVIDER"}, {head: "MODEL", flex: true}, {head: "WAS", name: "old", flex: true}, {head: "IS", name: "new", flex: true}},
		empty: phrase("Nothing changes: these prices hold already.")}
	for _, c := range d.Changes {
		t.rows = append(t.rows, []cell{str(c.Provider), str(c.Model), str(ratesText(c.Old, c.OldTiers)), str(ratesText(c.New, c.NewTiers))})
	}
	return show(a, d, d.Changes, t)
}
