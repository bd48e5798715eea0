package admin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/limits"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// scopeOf is the scope that an operation needs (decision 30).
func scopeOf(op string) string {
	switch op {
	case "embeddings", "images", "audio", "moderations", "rerank":
		return op
	}
	return "chat"
}

func refusedWith(code, format string, args ...any) *api.ErrorDetail {
	return &api.ErrorDetail{Message: fmt.Sprintf(format, args...), Type: "invalid_request_error", Code: &code}
}

// barred says why the key's request would be refused before any routing, and what
// mends it; nil if it would not. A nil key stands for the operator's own.
func (a *Admin) barred(k *store.Key, ask *routing.Ask, now time.Time) *api.ErrorDetail {
	if k == nil {
		return nil
	}
	who := Caller{Key: k, Scopes: k.Scopes, Admin: slices.Contains(k.Scopes, "admin")}
	scope := scopeOf(string(ask.Op))
	switch {
	case !k.RevokedAt.IsZero() && !now.Before(k.RevokedAt):
		return refusedWith("invalid_api_key", "key %q has been revoked: `ai-gateway api-key create` makes another", k.Name)
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return refusedWith("invalid_api_key", "key %q expired at %s: `ai-gateway api-key update %s --expires 90d` prolongs it", k.Name, k.ExpiresAt.UTC().Format(time.RFC3339), k.ID)
	case len(k.Scopes) > 0 && !who.May(scope):
		return refusedWith("missing_scope", "key %q lacks the scope %q: `ai-gateway api-key update %s --scopes %s` gives it", k.Name, scope, k.ID, strings.Join(append(slices.Clone(k.Scopes), scope), ","))
	case ask.Allow != nil && !ask.Allow(ask.Model):
		return refusedWith("model_not_allowed", "key %q may use %s, not %q: `ai-gateway api-key update %s --models '%s'` allows it", k.Name, strings.Join(k.Models, ", "),
			clip(ask.Model), k.ID, strings.ReplaceAll(strings.Join(append(slices.Clone(k.Models), ask.Model), ","), "'", ""))
	}
	return nil
}

// overBudget says which limit would refuse a request of the usual size; nil: none.
func (a *Admin) overBudget(k *store.Key, model string, targets []api.ExplainTarget, now time.Time) *api.ErrorDetail {
	if a.d.Limiter == nil || k == nil {
		return nil
	}
	var dearest api.USD
	for _, t := range targets {
		if t.Eligible && t.EstimatedCostUSD != nil {
			dearest = max(dearest, *t.EstimatedCostUSD)
		}
	}
	for _, s := range a.d.Limiter.States(func(p *store.Policy) bool { return limits.For(p, k.ID, k.Group) && limits.FitsModel(p, model) }, now) {
		need := int64(1)
		switch s.Limit.Kind {
		case store.LimitCost:
			need = max(1, int64(dearest))
		case store.LimitTokens:
			need = 2 * sampleTokens
		}
		if s.Remaining >= need {
			continue
		}
		v := limitView(&s)
		code, resets := "rate_limit_exceeded", "never"
		if s.Limit.Kind == store.LimitCost || s.Limit.Window != store.WindowMinute && s.Limit.Kind != store.LimitConcurrency {
			code = "insufficient_quota"
		}
		if v.ResetsAt != nil {
			resets = v.ResetsAt.Format(time.RFC3339)
		}
		per := v.Window
		if per == "" {
			per = "now"
		}
		return refusedWith(code, "policy %q (%s) leaves %s of %s %s per %s, and a request of 1,000 tokens in and out needs more: used %s, reserved %s, resets %s. `ai-gateway quota set '%s'` raises it, `ai-gateway quota explain '%s'` shows it",
			s.Policy.Name, s.Policy.Scope.String(), v.Remaining, v.Limit, v.Kind, per, v.Used, v.Reserved, resets, s.Policy.Name, s.Policy.Name)
	}
	return nil
}
