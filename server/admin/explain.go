package admin

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

var operations = []providers.Op{
	providers.OpChat, providers.OpCountTokens, providers.OpInputTokens, providers.OpCompact, providers.OpCompletions, providers.OpEmbeddings, providers.OpEmbedContent, providers.OpImages,
	providers.OpAudio, providers.OpModerations, providers.OpRerank,
}

var dialects = []providers.Dialect{providers.Chat, providers.Messages, providers.Responses, providers.Gemini}

// explain answers where a request would go, without making it.
func (a *Admin) explain(c *Call) error {
	get, err := c.params("model", "key", "operation", "provider", "dialect")
	if err != nil {
		return err
	}
	model := get("model")
	if model == "" {
		return missing("model", "?model=gpt-4o")
	}
	ask := routing.Ask{Op: providers.OpChat, Dialect: providers.Chat, Model: model, Provider: get("provider")}
	if op := get("operation"); op != "" {
		ask.Op = providers.Op(op)
		if !slices.Contains(operations, ask.Op) {
			return invalid("operation", "%q is not known; there are %s", clip(op), listed(operations))
		}
	}
	if d := get("dialect"); d != "" {
		ask.Dialect = providers.Dialect(d)
		if !slices.Contains(dialects, ask.Dialect) {
			return invalid("dialect", "%q is not known; there are %s", clip(d), listed(dialects))
		}
	}
	var key *store.Key
	if id := get("key"); id != "" {
		k, ok := a.d.Keys.ByID(id)
		if !ok {
			return notFound("API key", id, "ai-gateway api-key list")
		}
		key = k
		ask.Allow = allowList(k)
	}
	t := a.d.Table()
	reply := api.ExplainReply{Model: model, Operation: string(ask.Op), Targets: []api.ExplainTarget{}, PriceVersion: t.Catalogue().Version()}
	if key != nil {
		reply.Key = key.ID
	}
	if reply.Error = a.barred(key, &ask, c.Now); reply.Error != nil {
		ask.Allow = nil // show where it would go otherwise
	}
	plan, perr := t.Plan(ask)
	if perr != nil {
		code := perr.Code
		if reply.Error == nil {
			reply.Error = &api.ErrorDetail{Message: perr.Message, Type: "invalid_request_error", Code: &code}
		}
		reply.Targets = notEligible(t)
		return c.answer(200, reply)
	}
	reply.Rule, reply.Aliased = plan.Rule, plan.Aliased
	reply.Strategy = cmp.Or(plan.Strategy, routing.StrategyWeighted)
	for _, look := range plan.Look(c.Now, ask.Allow) {
		reply.Targets = append(reply.Targets, a.looked(t, plan, &look))
	}
	if reply.Error == nil && !slices.ContainsFunc(reply.Targets, func(x api.ExplainTarget) bool { return x.Eligible }) {
		reply.Error = a.refusal(plan, ask.Allow, c.Now)
	}
	if reply.Error == nil {
		reply.Error = a.overLimit(key, model, reply.Targets, c.Now)
	}
	if reply.Error != nil {
		for i := range reply.Targets {
			if x := &reply.Targets[i]; x.Eligible {
				x.Eligible, x.Order, x.Reason = false, 0, "the key's request would be refused: "+*reply.Error.Code
			}
		}
	}
	for _, e := range plan.Excluded {
		reply.Targets = append(reply.Targets, api.ExplainTarget{Provider: e.Provider, Account: e.Account, Model: e.Model, Reason: e.Reason})
	}
	return c.answer(200, reply)
}

// ruleWords say why an account was found.
var ruleWords = map[string]string{
	"alias":     "a model mapping leads here",
	"account":   "the account lists this model",
	"catalogue": "the catalogue knows this model at this provider",
	"pattern":   "the name fits this provider's names",
	"listed":    "the upstream lists this model",
	"any":       "the account takes any model",
}

// sampleTokens is the size of the request that estimates are made for: as many in as out.
const sampleTokens = 1000

// sentences puts one sentence behind another, where there are two.
func sentences(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

func (a *Admin) looked(t *routing.Table, plan *routing.Plan, look *routing.Look) api.ExplainTarget {
	target := look.Target
	out := api.ExplainTarget{
		Provider: target.Account.Provider.Name, Account: target.Account.Name, Model: target.Model, Eligible: look.Order > 0,
		Reason: sentences(cmp.Or(look.Reason, ruleWords[plan.Rule]), look.Held), Order: look.Order, Priority: target.Priority, Weight: target.Weight,
	}
	out.State = routing.StateParked
	for _, l := range look.Lanes {
		if rank[l.State] < rank[out.State] {
			out.State = l.State
		}
		if !l.Until.IsZero() && (out.CooldownUntil == nil || l.Until.Before(*out.CooldownUntil)) {
			out.CooldownUntil = timePtr(l.Until)
		}
		out.LastError = cmp.Or(out.LastError, l.LastError)
	}
	if target.Egress != nil {
		out.Dialect = string(target.Egress.Dialect())
	}
	price, source := providers.Price{}, "local"
	switch {
	case target.Entry != nil && target.Entry.Priced:
		price, source = *target.Entry.PriceFor(&providers.Usage{Input: sampleTokens}), "catalogue"
	case target.Account.Provider.Local:
	default:
		price, source = t.Catalogue().Dearest(target.Account.Provider.Name), "fallback"
		if a.d.UnknownPrice == "deny" {
			out.Eligible, out.Order = false, 0
			out.Reason = fmt.Sprintf("no price is known for it and unknown_price is deny: %s gives it one", routing.SetPrice(target.Account.Provider.Name, target.Model))
		}
		if price == (providers.Price{}) {
			return out
		}
	}
	nano, _ := price.Cost(providers.Usage{Input: sampleTokens, Output: sampleTokens})
	cost := api.USD(nano)
	out.EstimatedCostUSD, out.PriceSource = &cost, source
	return out
}

// refusal is what a caller would be told now, when no target may be asked.
func (a *Admin) refusal(plan *routing.Plan, allow func(string) bool, now time.Time) *api.ErrorDetail {
	e := plan.Refusal(now, allow)
	if e == nil { // every one of them is refused for its price
		code, t := "price_unknown", &plan.Targets[0]
		return &api.ErrorDetail{Type: "invalid_request_error", Code: &code,
			Message: "no price is known for this model and unknown_price is deny: " + routing.SetPrice(t.Account.Provider.Name, t.Model) + " gives it one, or set unknown_price to dearest or zero"}
	}
	return &api.ErrorDetail{Message: e.Message, Type: "api_error", Code: &e.Code}
}

// notEligible tells of each account why it does not serve what no account serves.
func notEligible(t *routing.Table) []api.ExplainTarget {
	out := []api.ExplainTarget{}
	for _, acc := range t.Accounts() {
		reason := "does not serve this model"
		switch {
		case !acc.Enabled:
			reason = "account is disabled: ai-gateway providers enable " + acc.Name
		case len(acc.Secrets) == 0 && acc.Provider.NeedsKey():
			reason = "account has no key: ai-gateway providers edit " + acc.Name + " --api-key …"
		}
		out = append(out, api.ExplainTarget{Provider: acc.Provider.Name, Account: acc.Name, Reason: reason})
	}
	return out
}
