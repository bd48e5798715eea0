package importer

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// database plans the keys of LiteLLM's database. It keeps the SHA-256 of each key,
// which is what this gateway keeps, too: so the keys go on being valid.
func (l *lite) database(ctx context.Context, src string) error {
	db, err := open(ctx, src)
	if err != nil {
		return err
	}
	defer func() { _ = db.close() }()
	keys, err := db.rows(ctx, "LiteLLM_VerificationToken")
	if errors.Is(err, errNoTable) {
		return errors.New(`the source has no table "LiteLLM_VerificationToken": is it the database of LiteLLM?`)
	}
	if err != nil {
		return err
	}
	byID := func(table, id string) (map[string]row, error) {
		rows, err := db.rows(ctx, table)
		if err != nil && !errors.Is(err, errNoTable) {
			return nil, err
		}
		out := map[string]row{}
		for _, r := range rows {
			out[r.text(id)] = r
		}
		return out, nil
	}
	teams, err := byID("LiteLLM_TeamTable", "team_id")
	if err != nil {
		return err
	}
	budgets, err := byID("LiteLLM_BudgetTable", "budget_id")
	if err != nil {
		return err
	}
	models, err := byID("LiteLLM_ProxyModelTable", "model_id")
	if err != nil {
		return err
	}
	for id, m := range sorted(models) {
		l.plan.leave("its settings are encrypted in the database: write it into config.yaml and import that, or add the account here", "the model %q (%s)", m.text("model_name"), id)
	}
	users, err := byID("LiteLLM_UserTable", "user_id")
	if err != nil {
		return err
	}
	used, owners := map[string]row{}, map[string]row{}
	for _, r := range keys {
		l.dbKey(r, teams, users, budgets, used, owners)
	}
	for id, u := range sorted(owners) {
		if limits := l.limits(u, userName(id)); len(limits) > 0 {
			l.plan.Policies = append(l.plan.Policies, api.PolicyCreate{Name: name("litellm "+userName(id), ""), Scope: api.PolicyScope{Group: userName(id)}, Limits: limits})
		}
	}
	for id, t := range sorted(used) {
		if limits := l.limits(t, "team "+teamName(id, t)); len(limits) > 0 {
			l.plan.Policies = append(l.plan.Policies, api.PolicyCreate{Name: name("litellm team "+teamName(id, t), ""), Scope: api.PolicyScope{Group: teamName(id, t)}, Limits: limits})
		}
	}
	return nil
}

func teamName(id string, t row) string { return name(t.text("team_alias"), id) }

// userName is the group of the keys of a user, so that they share the user's budget.
func userName(id string) string { return name("user "+id, "") }

// spent reports whether nothing is left of a budget without periods.
func spent(r row) bool {
	most, used := r.num("max_budget"), r.num("spend")
	return most != nil && r.text("budget_duration") == "" && used != nil && used.Cmp(most) >= 0
}

// dbKey plans a key. Of a key without a team LiteLLM counts what its user may spend.
func (l *lite) dbKey(r row, teams, users, budgets, used, owners map[string]row) {
	sum := strings.ToLower(r.text("token"))
	title := r.text("key_alias")
	if title == "" {
		title = r.text("key_name")
	}
	what := fmt.Sprintf("key %q", title)
	team, hasTeam := teams[r.text("team_id")]
	expires, hasEnd := moment(r.text("expires"))
	owner, owned := users[r.text("user_id")]
	owned = owned && !hasTeam && (owner.num("max_budget") != nil || owner.num("rpm_limit") != nil || owner.num("tpm_limit") != nil)
	why := ""
	switch {
	case !sha256Hex.MatchString(sum):
		why = "its hash is no SHA-256"
	case r.flag("blocked"):
		why = "it is blocked"
	case hasTeam && team.flag("blocked"):
		why = fmt.Sprintf("its team %q is blocked", team.text("team_alias"))
	case !hasEnd && r.text("expires") != "":
		why = fmt.Sprintf("its end %q cannot be read", clip(r.text("expires"), 40))
	case hasEnd && !expires.After(l.now):
		why = "it has expired"
	case hasTeam && spent(team):
		why = fmt.Sprintf("the budget of its team %q is used up", team.text("team_alias"))
	case owned && spent(owner):
		why = fmt.Sprintf("the budget of its user %q is used up", r.text("user_id"))
	case r.text("team_id") == "litellm-dashboard":
		why = "it is a session of LiteLLM's own page"
	}
	if why != "" {
		l.plan.leave(why, "%s", what)
		return
	}
	k := Key{Origin: "litellm key " + sum[:16], Create: api.KeyCreate{Name: name(title, "key "+sum[:8]), Models: keyModels(r, team)}}
	if user := r.text("user_id"); user != "" {
		k.Create.Metadata = map[string]string{"owner": clip(user, 512)}
	}
	if hasEnd {
		k.Create.ExpiresAt = expires.UTC().Format(time.RFC3339)
	}
	if hasTeam {
		k.Create.Group = teamName(r.text("team_id"), team)
		used[r.text("team_id")] = team
	} else if owned {
		k.Create.Group = userName(r.text("user_id"))
		owners[r.text("user_id")] = owner
	}
	k.Limits = l.limits(r, what)
	if b, ok := budgets[r.text("budget_id")]; ok && r.num("max_budget") == nil {
		b["spend"] = r["spend"]
		k.Limits = append(k.Limits, l.limits(b, what)...)
	}
	if usedUp(k.Limits) {
		l.plan.leave("its budget is used up", "%s", what)
		return
	}
	hint := r.text("key_name") // LiteLLM's own: "sk-...wxyz"
	if hint == "" || len(hint) > 24 {
		hint = "sk-…"
	}
	l.plan.addKey(k, "", sum, hint)
}

func usedUp(limits []api.PolicyLimit) bool {
	return slices.ContainsFunc(limits, func(x api.PolicyLimit) bool {
		n := number(string(x.Limit))
		return x.Window == "total" && (n == nil || n.Sign() <= 0)
	})
}

// keyModels are the models of a key, or of its team if it has all of the team's.
func keyModels(key, team row) []string {
	models := key.list("models")
	if len(models) == 0 || slices.Contains(models, "all-team-models") {
		models = team.list("models")
	}
	if slices.Contains(models, "all-proxy-models") {
		return nil
	}
	return models
}

// limits reads the budget and the rates of a key, a team or a budget.
func (l *lite) limits(r row, what string) []api.PolicyLimit {
	out := rates(r.num("rpm_limit"), r.num("tpm_limit"), r.num("max_parallel_requests"))
	most := r.num("max_budget")
	if most == nil {
		return out
	}
	spent := r.num("spend")
	if spent == nil {
		spent = new(big.Rat)
	}
	window, exact := window(r.text("budget_duration"))
	if window == "total" {
		return append(out, api.PolicyLimit{Kind: "cost_usd", Limit: usd(new(big.Rat).Sub(most, spent)), Window: window})
	}
	if !exact {
		l.plan.note("The budget of %s is of %s there; here it is of a %s, the next longer window.", what, r.text("budget_duration"), window)
	}
	if spent.Sign() > 0 {
		l.plan.leave("windows follow the calendar here, and the first begins with nothing used", "the %s USD that %s used of its present period", spent.FloatString(4), what)
	}
	return append(out, api.PolicyLimit{Kind: "cost_usd", Limit: usd(most), Window: window})
}

// rates are limits a minute, and of requests at a time; nil ones are none.
func rates(requests, tokens, concurrent *big.Rat) (out []api.PolicyLimit) {
	for _, x := range []struct {
		kind, window string
		n            *big.Rat
	}{{"requests", "minute", requests}, {"tokens", "minute", tokens}, {"concurrency", "", concurrent}} {
		if x.n != nil && x.n.Sign() > 0 {
			out = append(out, api.PolicyLimit{Kind: x.kind, Limit: whole(x.n), Window: x.window})
		}
	}
	return out
}

// window is the shortest window of this gateway that is not shorter than a duration
// of LiteLLM ("30d"), so that no budget allows more than it did.
func window(duration string) (name string, exact bool) {
	if duration == "" {
		return "total", true
	}
	units := []struct {
		suffix  string
		seconds int64
	}{{"mo", 30 * 86400}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 7 * 86400}}
	for _, u := range units {
		n, err := strconv.ParseInt(strings.TrimSuffix(duration, u.suffix), 10, 32)
		if err != nil || !strings.HasSuffix(duration, u.suffix) {
			continue
		}
		for _, w := range []struct {
			name    string
			seconds int64
		}{{"hour", 3600}, {"day", 86400}, {"week", 7 * 86400}, {"month", 30 * 86400}} {
			if n*u.seconds <= w.seconds {
				return w.name, n*u.seconds == w.seconds
			}
		}
		break
	}
	return "total", false
}

// moment reads a time as Postgres writes it in JSON.
func moment(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
