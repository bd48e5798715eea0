package importer

import (
	"cmp"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

var pointsOfUSD = big.NewRat(pointsPerUSD, 1)

// perUnit is how many points a dollar of a price by request is.
func (o *oneAPI) perUnit() *big.Rat {
	if n := number(o.options["QuotaPerUnit"]); n != nil && n.Sign() > 0 {
		return n
	}
	return pointsOfUSD
}

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
	group := cmp.Or(r.text("group"), user.text("group"), usualGroup)
	if group == "auto" {
		group = cmp.Or(user.text("group"), usualGroup)
		o.plan.leave(fmt.Sprintf("a key has the models and the markup of one group: those of its user's, %q", group), "the group auto of %s", what)
	}
	models, why := o.reach.of(group, keyModels(r))
	markup := o.ratio("GroupRatio", group)
	if why == "" && markup != nil && (markup.Sign() < 0 || markup.Cmp(big.NewRat(1000, 1)) > 0) {
		why = fmt.Sprintf("the ratio %s of its group %q is no markup", o.options["GroupRatio"], group)
	}
	nets, bound := o.networks(r, what)
	if why == "" && bound && len(nets) == 0 {
		why = "none of the networks that it is bound to is one"
	}
	if why != "" {
		o.plan.leave(why, "%s", what)
		return
	}
	secret := "sk-" + strings.TrimPrefix(strings.TrimSpace(r.text("key")), "sk-")
	k := Key{Origin: fmt.Sprintf("%s token %d, %s", o.from, r.int("id"), hintOf(secret)), Create: api.KeyCreate{
		Name: name(r.text("name"), fmt.Sprintf("key %d", r.int("id"))), Group: name(user.text("username"), fmt.Sprintf("user %d", r.int("user_id"))),
		Models: models, IPAllow: nets, Metadata: map[string]string{"owner": user.text("username"), "group": group},
	}}
	if markup != nil && markup.Cmp(big.NewRat(1, 1)) != 0 {
		k.Create.Markup = strings.TrimRight(strings.TrimRight(markup.FloatString(6), "0"), ".")
	}
	if at := time.Unix(r.int("expired_time"), 0).UTC(); r.int("expired_time") > 0 && at.Year() <= 9000 { // one later than that is for ever
		k.Create.ExpiresAt = at.Format(time.RFC3339)
	}
	if !r.flag("unlimited_quota") {
		k.Limits = []api.PolicyLimit{{Kind: "cost_usd", Limit: points(r.int("remain_quota")), Window: "total"}}
	}
	o.keysOf[r.int("user_id")]++
	o.plan.addKey(k, secret, "", "")
}

// expired reports whether a token has ended: -1 is for ever, anything else a moment,
// also 0, which a NULL reads as.
func (o *oneAPI) expired(r row) bool {
	_, has := r["expired_time"]
	ends := r.int("expired_time")
	return has && ends != -1 && ends <= o.now.Unix()
}

// keyModels are the models that a token is limited to; none is all.
func keyModels(r row) []string {
	if r.flag("model_limits_enabled") {
		return csv(r.text("model_limits"))
	}
	return csv(r.text("models")) // of one-api
}

// networks are those that a token is bound to, and whether it is to any.
func (o *oneAPI) networks(r row, what string) (nets []string, bound bool) {
	for _, n := range csv(r.text("subnet") + "\n" + r.text("allow_ips")) {
		_, err := netip.ParsePrefix(n)
		if _, single := netip.ParseAddr(n); err != nil && single != nil {
			o.plan.leave("it is no address or network", "the network %q of %s", clip(n, 64), what)
			bound = true
			continue
		}
		nets, bound = append(nets, n), true
	}
	if len(nets) > api.MaxKeyNetworks {
		o.plan.leave(fmt.Sprintf("a key has at most %d", api.MaxKeyNetworks), "all but %d networks of %s", api.MaxKeyNetworks, what)
		nets = nets[:api.MaxKeyNetworks]
	}
	return nets, bound
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
