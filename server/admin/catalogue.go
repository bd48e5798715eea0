package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// options are the members of an account's `options`, by provider.
var options = map[string][]api.ProviderOption{
	"azure": {
		{Name: "api_version", Description: "version of the Azure OpenAI API", Example: "2024-10-21"},
	},
	"bedrock": {
		{Name: "region", Required: true, Description: "AWS region; api_key is a Bedrock API key", Example: "us-east-1"},
	},
	"vertex": {
		{Name: "project", Required: true, Description: "Google Cloud project", Example: "my-project"},
		{Name: "region", Required: true, Description: "Google Cloud region", Example: "europe-west4"},
	},
}

func (a *Admin) listProviders(c *Call) error {
	if _, err := c.params(); err != nil {
		return err
	}
	t := a.d.Table()
	used := map[string]int{}
	for _, acc := range t.Accounts() {
		used[acc.Provider.Name]++
	}
	reply := api.ProvidersReply{Data: []api.ProviderInfo{}}
	for _, p := range t.Providers() {
		info := api.ProviderInfo{
			Name: p.Name, Title: p.Title, Aliases: list(p.Aliases), BaseURL: p.BaseURL, NeedsBaseURL: p.BaseURL == "", NeedsKey: p.NeedsKey(),
			Local: p.Local, Dialects: []string{}, Operations: []string{}, EnvKeys: list(p.EnvKeys), Models: list(p.Models),
			Options: options[p.Name], Accounts: used[p.Name],
		}
		if info.Options == nil {
			info.Options = []api.ProviderOption{}
		}
		for _, e := range p.Speaks {
			info.Dialects = append(info.Dialects, string(e.Dialect()))
		}
		if len(p.Speaks) > 0 {
			info.Operations = append(info.Operations, string(providers.OpChat))
		}
		for _, op := range p.Ops {
			info.Operations = append(info.Operations, string(op))
		}
		reply.Data = append(reply.Data, info)
	}
	return c.answer(200, reply)
}

func (a *Admin) listModels(c *Call) error {
	get, err := c.params("refresh", "provider", "q", "usage")
	if err != nil {
		return err
	}
	reply := api.CatalogueReply{Data: []api.CatalogueModel{}}
	switch get("refresh") {
	case "", "false", "0":
		if c.Ctx.QueryArgs().Has("refresh") && get("refresh") == "" { // ?refresh alone
			reply.Refreshed, err = a.refresh(c)
		}
	case "true", "1":
		reply.Refreshed, err = a.refresh(c)
	default:
		err = invalid("refresh", "must be true or false")
	}
	if err != nil {
		return err
	}
	used, err := a.usedLately(c, get("usage"))
	if err != nil {
		return err
	}
	t := a.d.Table()
	reply.Version = t.Catalogue().Version()
	q := strings.ToLower(get("q"))
	for _, m := range t.Models(nil) {
		if q != "" && !strings.Contains(strings.ToLower(m.ID), q) {
			continue
		}
		row := modelRow(t, m)
		if get("provider") == "" || row.Provider == get("provider") {
			if used != nil {
				sums := used[row.ID]
				row.Used = &sums
			}
			reply.Data = append(reply.Data, row)
		}
	}
	return c.answer(200, reply)
}

// usedLately returns what was asked of each model in the last 24 hours and how long
// it took; nil where that is not wanted.
func (a *Admin) usedLately(c *Call, wanted string) (map[string]api.UsageSums, error) {
	if yes, err := truth("usage", wanted); err != nil || !yes {
		return nil, err
	}
	ctx, cancel := bounded()
	defer cancel()
	if err := a.d.Sync(ctx); err != nil {
		return nil, err
	}
	data, _, err := a.summed(ctx, store.TotalsQuery{Since: c.Now.Add(-24 * time.Hour).UTC(), Until: c.Now.UTC(), GroupBy: []string{"model"}}, false)
	out := make(map[string]api.UsageSums, len(data))
	for _, g := range data {
		out[g.Group["model"]] = g.UsageSums
	}
	return out, err
}

// modelRow tells of a model where it leads to and what is known of it.
func modelRow(t *routing.Table, m routing.ModelInfo) api.CatalogueModel {
	row := api.CatalogueModel{ID: m.ID, Alias: m.Alias, Provider: m.OwnedBy, Accounts: []string{}, Context: m.Context, MaxOutput: m.MaxOutput}
	plan, err := t.Plan(routing.Ask{Model: m.ID})
	if err != nil {
		return row
	}
	for _, target := range plan.Targets {
		row.Accounts = append(row.Accounts, target.Account.Name)
	}
	row.Provider = plan.Targets[0].Account.Provider.Name
	e := plan.Targets[0].Entry
	if e == nil {
		row.Operation = namedFor(m.ID)
		if plan.Targets[0].Account.Provider.Local {
			row.Priced, row.Price, row.Source = true, &api.Price{}, "local"
		}
		return row
	}
	row.Title, row.Operation, row.Context, row.MaxOutput = e.Title, string(e.Op), e.Context, e.MaxOutput
	row.Source, row.AsOf, row.Priced = e.Source, e.AsOf, e.Priced
	if e.Priced {
		p := priceView(e.Price)
		row.Price = &p
		for _, tier := range e.Tiers {
			row.Tiers = append(row.Tiers, api.Tier{Above: tier.Above, Price: priceView(tier.Price)})
		}
	}
	return row
}

// namedFor is the operation that a model nobody has facts of is for, as far as its
// name tells; "" where it does not.
func namedFor(model string) string {
	model = strings.ToLower(model)
	for _, sign := range [...]struct{ part, op string }{{"embed", "embeddings"}, {"rerank", "rerank"}, {"moderation", "moderations"}, {"whisper", "audio"}, {"tts", "audio"}, {"dall-e", "images"}} {
		if strings.Contains(model, sign.part) {
			return sign.op
		}
	}
	return ""
}

func priceView(p providers.Price) api.Price {
	return api.Price{
		Input: api.USD(p.Input), Output: api.USD(p.Output), CacheRead: api.USD(p.CacheRead), CacheWrite5m: api.USD(p.CacheWrite5m),
		CacheWrite1h: api.USD(p.CacheWrite1h), Reasoning: api.USD(p.Reasoning), InputAudio: api.USD(p.InputAudio),
		InputImage: api.USD(p.InputImage), OutputAudio: api.USD(p.OutputAudio), OutputImage: api.USD(p.OutputImage), Request: api.USD(p.Request),
		Image: api.USD(p.Image), AudioMs: api.USD(p.AudioMs), Character: api.USD(p.Character), Search: api.USD(p.Search),
	}
}

const (
	refreshAtOnce = 8
	refreshEach   = 20 * time.Second
)

// refresh reads the lists of all accounts that are in use, some at a time.
func (a *Admin) refresh(c *Call) ([]api.Refreshed, error) {
	if !c.Who.May("providers:write") {
		return nil, forbidden("missing_scope", "reading the upstreams' lists needs the scope \"providers:write\": `ai-gateway api-key create NAME --scopes providers:write` makes a key that has it")
	}
	var accounts []*routing.Account
	for _, acc := range a.d.Table().Accounts() {
		if acc.Enabled && (len(acc.Secrets) > 0 || !acc.Provider.NeedsKey()) && slices.Contains(acc.Provider.Ops, providers.OpModels) {
			accounts = append(accounts, acc)
		}
	}
	out := make([]api.Refreshed, len(accounts))
	slots := make(chan struct{}, refreshAtOnce)
	var wg sync.WaitGroup
	for i, acc := range accounts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			out[i] = a.refreshOne(acc)
		})
	}
	wg.Wait()
	ctx, cancel := bounded()
	defer cancel()
	return out, a.reload(ctx)
}

func (a *Admin) refreshOne(acc *routing.Account) (r api.Refreshed) {
	r.Account = acc.Name
	defer func() {
		if v := recover(); v != nil {
			a.d.Log.Error("reading a list of models panicked", "account", acc.Name, "panic", fmt.Sprint(v))
			r.Error = "internal error"
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), refreshEach)
	defer cancel()
	models, err := a.d.RefreshModels(ctx, acc)
	r.Models = len(models)
	if err != nil {
		r.Error = acc.Scrub(err.Error())
	}
	return r
}
