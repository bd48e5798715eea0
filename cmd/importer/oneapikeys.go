package importer

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// points returns an amount of quota in dollars.
func points(n int64) api.Decimal { return usd(big.NewRat(n, pointsPerUSD)) }

// token plans the key of one token: what may still be spent with it is bounded by
// what is left of its own quota, and of its user's.
func (o *oneAPI) token(r row) {
	what := fmt.Sprintf("key %d %q", r.int("id"), r.text("name"))
	user, known := o.users[r.int("user_id")]
	why := ""
	switch {
	case strings.TrimSpace(r.text("key")) == "":
		why = "it is empty"
	case !known || user.int("status") != rowEnabled:
		why = "its user is switched off or gone"
	case r.int("status") == rowExhausted || !r.flag("unlimited_quota") && r.int("remain_quota") <= 0:
		why = "its quota is used up"
	case o.expired(r):
		why = "it has expired"
	case r.int("status") != rowEnabled:
		why = "it is switched off"
	case r.flag("model_limits_enabled") && len(csv(r.text("model_limits"))) == 0:
		why = "its list of models is empty"
	case user.int("quota") <= 0:
		why = fmt.Sprintf("the quota of its user %q is used up", user.text("username"))
	}
	if why != "" {
		o.plan.leave(why, "%s", what)
		return
	}
	group := r.text("group")
	if group == "" || group == "auto" {
		group = user.text("group")
	}
	k := Key{Origin: fmt.Sprintf("%s token %d", o.from, r.int("id")), Create: api.KeyCreate{
		Name: name(r.text("name"), fmt.Sprintf("key %d", r.int("id"))), Group: name(user.text("username"), fmt.Sprintf("user %d", r.int("user_id"))),
		Models: o.keyModels(r, group), IPAllow: o.networks(r, what), Metadata: map[string]string{"owner": clip(user.text("username"), 512)},
	}}
	if group != "" {
		k.Create.Metadata["group"] = clip(group, 512)
	}
	if f := o.ratio("GroupRatio", group); f != nil && f.Cmp(big.NewRat(1, 1)) != 0 {
		k.Create.Markup = strings.TrimRight(strings.TrimRight(f.FloatString(6), "0"), ".")
	}
	if at := r.int("expired_time"); at > 0 {
		k.Create.ExpiresAt = time.Unix(at, 0).UTC().Format(time.RFC3339)
	}
	if !r.flag("unlimited_quota") {
		k.Limits = []api.PolicyLimit{{Kind: "cost_usd", Limit: points(r.int("remain_quota")), Window: "total"}}
	}
	o.keysOf[r.int("user_id")]++
	o.plan.addKey(k, "sk-"+strings.TrimPrefix(strings.TrimSpace(r.text("key")), "sk-"), "", "")
}

// expired reports whether a token has ended: -1 is for ever, anything else a moment,
// also 0, which a NULL reads as.
func (o *oneAPI) expired(r row) bool {
	_, has := r["expired_time"]
	ends := r.int("expired_time")
	return has && ends != -1 && ends <= o.now.Unix()
}

// keyModels are the models a key may ask for: its own list, or, where its group does
// not reach every channel, what the channels of its group serve.
func (o *oneAPI) keyModels(r row, group string) []string {
	limits := r.text("models")
	if r.flag("model_limits_enabled") {
		limits = r.text("model_limits")
	}
	if models := csv(limits); len(models) > 0 {
		return models
	}
	if models := o.groupModels[group]; len(models) > 0 && !slices.Equal(models, o.allModels) {
		return models
	}
	return nil
}

func (o *oneAPI) networks(r row, what string) []string {
	nets := csv(r.text("subnet") + "\n" + r.text("allow_ips"))
	if len(nets) > 256 {
		o.plan.leave("a key has at most 256", "all but 256 networks of %s", what)
		nets = nets[:256]
	}
	return nets
}

// userBudgets plans what is left to each user as a budget that the user's keys share.
func (o *oneAPI) userBudgets() {
	for id, n := range sorted(o.keysOf) {
		if n == 0 {
			continue
		}
		u := o.users[id]
		group := name(u.text("username"), fmt.Sprintf("user %d", id))
		o.plan.Policies = append(o.plan.Policies, api.PolicyCreate{
			Name: name(o.from+" user "+group, ""), Scope: api.PolicyScope{Group: group},
			Limits: []api.PolicyLimit{{Kind: "cost_usd", Limit: points(u.int("quota")), Window: "total"}},
		})
	}
}
