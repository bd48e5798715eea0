package admin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
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
	case Paused(k):
		return refusedWith("key_paused", "key %q is paused: `ai-gateway api-key resume %s` lets it go on", k.Name, k.ID)
	case len(k.Scopes) > 0 && !who.May(scope):
		return refusedWith("missing_scope", "key %q lacks the scope %q: `ai-gateway api-key update %s --scopes %s` gives it", k.Name, scope, k.ID, strings.Join(append(slices.Clone(k.Scopes), scope), ","))
	case ask.Allow != nil && !ask.Allow(ask.Model):
		return refusedWith("model_not_allowed", "key %q may use %s, not %q: `ai-gateway api-key update %s --models '%s'` allows it", k.Name, strings.Join(k.Models, ", "),
			clip(ask.Model), k.ID, strings.ReplaceAll(strings.Join(append(slices.Clone(k.Models), ask.Model), ","), "'", ""))
	}
	return nil
}

// overLimit says which limit would refuse a request of sampleTokens in and as many
// out at the dearest of the targets it may go to; nil: none. Limits of accounts are
// not asked: they exclude a target and refuse no request.
func (a *Admin) overLimit(k *store.Key, model string, targets []api.ExplainTarget, now time.Time) *api.ErrorDetail {
	if a.d.Limiter == nil || k == nil {
		return nil
	}
	need := limits.Amount{Tokens: 2 * sampleTokens}
	for _, t := range targets {
		if t.Eligible && t.EstimatedCostUSD != nil {
			need.Cost = max(need.Cost, int64(*t.EstimatedCostUSD))
		}
	}
	beyond := int64(0)
	if m := k.MarkupMillionths(); m != 0 {
		beyond, _ = providers.Markup(need.Cost, store.MarkupUnit+m)
	}
	need.Nano = store.AddNano(need.Cost, beyond)
	d := a.d.Limiter.Try(limits.Who{KeyID: k.ID, Group: k.Group, Model: model}, need, now)
	if d == nil {
		return nil
	}
	code, resets, per := "rate_limit_exceeded", "", ""
	switch { // as the caller would be told
	case d.TooLarge:
		code = "request_exceeds_limit"
	case d.Budget():
		code, resets = "insufficient_quota", ", never resets"
	}
	switch {
	case !d.Resets.IsZero():
		resets = ", resets " + d.Resets.Format(time.RFC3339)
	case d.RetryAfter > 0:
		resets = fmt.Sprintf(", try again in %s", d.RetryAfter.Round(time.Millisecond))
	}
	if w := d.Limit.Window; w != "" {
		per = " per " + w
	}
	kind := d.Limit.Kind
	return refusedWith(code, "policy %q (%s) allows %s %s%s: used %s, reserved %s, and a request of %d tokens in and %d out needs %s%s. `%s` raises it, `ai-gateway quota explain '%s'` shows it",
		d.Policy.Name, d.Policy.Scope.String(), decimal(kind, d.Limit.Limit), kind, per, decimal(kind, d.Used), decimal(kind, d.Reserved),
		sampleTokens, sampleTokens, decimal(kind, d.Need), resets, d.Raise(), d.Policy.Name)
}
