package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	return l.tables(ctx, db)
}

func (l *lite) tables(ctx context.Context, db database) error {
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
	orgs, err := byID("LiteLLM_OrganizationTable", "organization_id")
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
	t := liteTables{teams: teams, users: users, budgets: budgets, orgs: orgs, used: map[string]row{}, owners: map[string]row{}}
	for _, r := range keys {
		l.dbKey(r, &t)
	}
	for id, u := range sorted(t.owners) {
		if limits := l.limits(u, userName(id)); len(limits) > 0 {
			l.plan.Policies = append(l.plan.Policies, api.PolicyCreate{Name: name("litellm "+userName(id), ""), Scope: api.PolicyScope{Group: userName(id)}, Limits: limits})
		}
	}
	for id, team := range sorted(t.used) {
		if limits := l.limits(team, "team "+t.teamName(id)); len(limits) > 0 {
			l.plan.Policies = append(l.plan.Policies, api.PolicyCreate{Name: name("litellm team "+t.teamName(id), ""), Scope: api.PolicyScope{Group: t.teamName(id)}, Limits: limits})
		}
	}
	return l.leaveTables(ctx, db, &t)
}

// liteTables are what the keys of LiteLLM's database refer to, by their ids.
type liteTables struct {
	teams, users, budgets, orgs map[string]row
	used, owners                map[string]row // teams and users that have keys here
}

// teamName is the group of the keys of a team: its alias, unless another team has that, too.
func (t *liteTables) teamName(id string) string {
	alias := name(t.teams[id].text("team_alias"), id)
	for other, team := range t.teams {
		if other != id && name(team.text("team_alias"), other) == alias {
			return name(alias+" "+id, id)
		}
	}
	return alias
}

// userName is the group of the keys of a user, so that they share the user's budget.
func userName(id string) string { return name("user "+id, "") }

// spent reports whether nothing is left of a budget, or never anything was in it.
func spent(r row) bool {
	most, used := r.num("max_budget"), r.num("spend")
	if most == nil || most.Sign() <= 0 {
		return most != nil
	}
	window, _ := window(r.text("budget_duration"))
	return window == "total" && used != nil && used.Cmp(most) >= 0
}

// dbKey plans a key. Of a key without a team LiteLLM counts what its user may spend.
func (l *lite) dbKey(r row, t *liteTables) {
	sum := strings.ToLower(r.text("token"))
	title := cmp.Or(r.text("key_alias"), r.text("key_name"))
	what := fmt.Sprintf("key %q", title)
	team, hasTeam := t.teams[r.text("team_id")]
	expires, hasEnd := moment(r.text("expires"))
	owner, known := t.users[r.text("user_id")]
	owned := known && !hasTeam && (owner.num("max_budget") != nil || owner.num("rpm_limit") != nil || owner.num("tpm_limit") != nil)
	scopes, routes := scopesOf(r.list("allowed_routes"))
	models, some := l.models(r.list("models"), team, owner, hasTeam)
	why := ""
	switch {
	case r.text("team_id") == "litellm-dashboard":
		why = "it is a session of LiteLLM's own page"
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
	case !routes:
		why = "the routes that it may use are none of this gateway's"
	case !some:
		why = "it, its team and its user have no model in common that it may use"
	case len(models) > api.MaxKeyModels:
		why = fmt.Sprintf("it may ask for %d models, and a key names at most %d", len(models), api.MaxKeyModels)
	}
	if why != "" {
		l.plan.leave(why, "%s", what)
		return
	}
	k := Key{Origin: "litellm key " + sum[:16], Create: api.KeyCreate{Name: name(title, "key "+sum[:8]), Models: models, Scopes: scopes}}
	if user := r.text("user_id"); user != "" {
		k.Create.Metadata = map[string]string{"owner": user}
	}
	if hasEnd && expires.Year() <= 9000 {
		k.Create.ExpiresAt = expires.UTC().Format(time.RFC3339)
	}
	if hasTeam {
		k.Create.Group = t.teamName(r.text("team_id"))
	} else if owned {
		k.Create.Group = userName(r.text("user_id"))
	}
	before := len(l.plan.Left)
	k.Limits = l.limits(r, what)
	if b, ok := t.budgets[r.text("budget_id")]; ok && r.num("max_budget") == nil {
		b = maps.Clone(b)
		b["spend"] = r["spend"]
		k.Limits = joined(k.Limits, l.limits(b, what))
	}
	if usedUp(k.Limits) {
		l.plan.Left = l.plan.Left[:before]
		l.plan.leave("its budget is used up", "%s", what)
		return
	}
	if hasTeam {
		t.used[r.text("team_id")] = team
	} else if owned {
		t.owners[r.text("user_id")] = owner
	}
	l.leaveOfKey(r, what)
	hint := r.text("key_name") // LiteLLM's own: "sk-...wxyz"
	if hint == "" || len(hint) > 24 || !strings.Contains(hint, "...") {
		hint = "sk-…"
	}
	l.plan.addKey(k, "", sum, hint)
}

// joined adds limits to others; of two alike the smaller one holds.
func joined(limits, more []api.PolicyLimit) []api.PolicyLimit {
	for _, m := range more {
		i := slices.IndexFunc(limits, func(x api.PolicyLimit) bool { return x.Kind == m.Kind && x.Window == m.Window })
		if i < 0 {
			limits = append(limits, m)
		} else if a, b := number(string(limits[i].Limit)), number(string(m.Limit)); a != nil && b != nil && b.Cmp(a) < 0 {
			limits[i] = m
		}
	}
	return limits
}

func usedUp(limits []api.PolicyLimit) bool {
	return slices.ContainsFunc(limits, func(x api.PolicyLimit) bool {
		n := number(string(x.Limit))
		return n == nil || n.Sign() <= 0
	})
}

// models are those of a key that its team, or without one its user, may use, too; none
// is all. Not some: there are none. Groups of models stand for those that the
// configuration puts into them.
func (l *lite) models(own []string, team, user row, hasTeam bool) (out []string, some bool) {
	bound := user.list("models")
	if hasTeam {
		bound = team.list("models")
	}
	own, bound = l.listed(own), l.listed(bound)
	switch {
	case own == nil:
		out = bound
	case bound == nil:
		out = own
	default:
		out = []string{}
		for _, m := range own {
			if slices.ContainsFunc(bound, func(b string) bool { return covers(b, m) }) {
				out = append(out, m)
			}
		}
		for _, b := range bound { // what is narrower there
			if !slices.Contains(out, b) && slices.ContainsFunc(own, func(m string) bool { return covers(m, b) }) {
				out = append(out, b)
			}
		}
	}
	return out, out == nil || len(out) > 0
}

// listed is a list of models as LiteLLM understands it; nil is all.
func (l *lite) listed(models []string) []string {
	if len(models) == 0 || slices.Contains(models, "all-proxy-models") || slices.Contains(models, "all-team-models") || slices.Contains(models, "*") {
		return nil
	}
	out := []string{}
	for _, m := range models {
		of, group := l.access[m]
		switch {
		case m == "no-default-models":
		case group:
			out = append(out, of...)
		default:
			out = append(out, m)
		}
	}
	return out
}

// covers reports whether a name or a pattern with one * stands for a name.
func covers(pattern, name string) bool {
	head, tail, wild := strings.Cut(pattern, "*")
	return pattern == name || wild && len(name) >= len(head)+len(tail) && strings.HasPrefix(name, head) && strings.HasSuffix(name, tail)
}

// scopesOf are the scopes that routes of LiteLLM come to; none is all. Not some: the
// key may use no route that this gateway has.
func scopesOf(routes []string) (scopes []string, some bool) {
	if len(routes) == 0 {
		return nil, true
	}
	for _, r := range routes {
		if slices.Contains([]string{"llm_api_routes", "openai_routes", "*", "/*", "/v1/*"}, r) {
			return nil, true
		}
		scope := ""
		switch part := strings.Split(strings.TrimPrefix(strings.TrimPrefix(r, "/"), "v1/"), "/")[0]; part {
		case "chat", "completions", "messages", "responses", "anthropic_routes", "google_routes":
			scope = "chat"
		case "embeddings", "images", "audio", "moderations", "rerank":
			scope = part
		}
		if scope != "" && !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	return scopes, len(scopes) > 0
}

// leaveOfKey names what a key has besides that is not carried over.
func (l *lite) leaveOfKey(r row, what string) {
	for column, why := range sorted(map[string]string{
		"model_max_budget": "limit the key and model with `ai-gateway quota set --key … --model …`", "budget_limits": "limit the key with `ai-gateway quota set --key …`",
		"aliases": "names of models are the same for all keys: `ai-gateway route set`", "router_settings": "routing is the same for all keys", "config": "routing is the same for all keys",
		"permissions": "keys have scopes here", "object_permission_id": "keys have scopes here", "policies": "this gateway has no guardrails",
	}) {
		if v := r.text(column); v != "" && !emptyMember(json.RawMessage(v)) {
			l.plan.leave(why, "%s of %s", column, what)
		}
	}
}

// leaveTables names what of the database limits callers and is not carried over.
func (l *lite) leaveTables(ctx context.Context, db database, t *liteTables) error {
	for id, org := range sorted(t.orgs) {
		if b := t.budgets[org.text("budget_id")]; b.num("max_budget") != nil || b.num("rpm_limit") != nil || b.num("tpm_limit") != nil || len(org.list("models")) > 0 {
			l.plan.leave("keys have one group here, that of their team: limit each team", "the limits of the organization %q", cmp.Or(org.text("organization_alias"), id))
		}
	}
	for id, team := range sorted(t.used) {
		if v := team.text("model_max_budget"); v != "" && !emptyMember(json.RawMessage(v)) {
			l.plan.leave("limit the group and model with `ai-gateway quota set --group … --model …`", "model_max_budget of team %q", t.teamName(id))
		}
	}
	for table, why := range sorted(map[string]string{
		"LiteLLM_EndUserTable":   "what end users used is told by `usage --by end_user`; they are not limited or blocked here",
		"LiteLLM_TeamMembership": "keys of a team share its budget; limit a key of its own with `ai-gateway quota set --key …`",
		"LiteLLM_TagTable":       "what tags used is told by `usage --by metadata.NAME`; they are not limited here",
		"LiteLLM_ProjectTable":   "keys have one group here, that of their team",
	}) {
		rows, err := db.rows(ctx, table)
		if err != nil && !errors.Is(err, errNoTable) {
			return err
		}
		n := 0
		for _, r := range rows {
			if r.text("budget_id") != "" || r.flag("blocked") {
				n++
			}
		}
		if n > 0 {
			l.plan.leave(why, "the limits of %d rows of %s", n, table)
		}
	}
	rows, err := db.rows(ctx, "LiteLLM_Config")
	if err != nil && !errors.Is(err, errNoTable) {
		return err
	}
	for _, r := range rows {
		l.plan.leave("what LiteLLM's page has set is not read: write it into config.yaml and import that", "%s of LiteLLM_Config", r.text("param_name"))
	}
	return nil
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
		if !exact {
			l.plan.leave("this gateway's longest window is a month: what is left of the present period is one budget, which is not filled again", "the period %q of the budget of %s", r.text("budget_duration"), what)
		}
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
