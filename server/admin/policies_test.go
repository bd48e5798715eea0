package admin

import (
	"context"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

const policies = "/v1/admin/quota-policies"

func TestPolicies(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	k := must[*api.KeyCreated](t)(c.CreateKey(ctx, api.KeyCreate{Name: "ci", Group: "team"}))
	p := must[*api.Policy](t)(c.CreatePolicy(ctx, api.PolicyCreate{Name: "budget", Scope: api.PolicyScope{APIKey: "ci", Model: "gpt-*"}, SoftPercent: 80, TimeZone: "Asia/Shanghai",
		Limits: []api.PolicyLimit{{Kind: "cost_usd", Limit: "1.000000001", Window: "month"}, {Kind: "requests", Limit: "60"}, {Kind: "concurrency", Limit: "2"}}}))
	if p.Scope.APIKey != k.ID || p.Mode != "normal" || p.DefaultMaxTokens != store.DefaultMaxTokens || p.Limits[0].Limit != "1.000000001" || p.Limits[1].Window != "minute" || p.Origin != "db" {
		t.Errorf("got %+v", p)
	}
	if len(p.Usage) != 3 || p.Usage[0].Remaining != "1.000000001" || p.Usage[0].ResetsAt == nil || !strings.Contains(p.Usage[0].Overspend, "4096") || p.Usage[1].Remaining != "6" {
		t.Errorf("usage: %+v", p.Usage)
	}
	h.refused(h.admin, "POST", policies, `{"name":"budget","scope":{"global":true},"limits":[{"kind":"requests","limit":1}]}`, 409, "policy_exists", "name")
	if got := must[*api.PoliciesReply](t)(c.Policies(ctx, api.PoliciesAsk{})); len(got.Data) != 2 || got.Data[1].Name != "from-file" || !got.Data[1].ReadOnly || len(got.Data[1].Usage) != 1 {
		t.Errorf("got %+v", got.Data)
	}
	if got := must[*api.PoliciesReply](t)(c.Policies(ctx, api.PoliciesAsk{Key: k.ID, Model: "gpt-4"})); len(got.Data) != 2 {
		t.Errorf("of the key: %+v", got.Data)
	}
	if got := must[*api.PoliciesReply](t)(c.Policies(ctx, api.PoliciesAsk{Model: "claude"})); len(got.Data) != 1 {
		t.Errorf("of the model: %+v", got.Data)
	}
	if self := must[*api.KeySelf](t)(h.client(k.Secret).Self(ctx)); len(self.Limits) != 4 {
		t.Errorf("GET /v1/key: %+v", self.Limits)
	}

	limits := []api.PolicyLimit{{Kind: "tokens", Limit: "5000000000000", Window: "total"}}
	strict := "strict"
	if got := must[*api.Policy](t)(c.UpdatePolicy(ctx, "budget", api.PolicyPatch{Limits: &limits, Mode: &strict})); len(got.Limits) != 1 || got.Mode != "strict" || got.SoftPercent != 80 ||
		got.Usage[0].Limit != "5000000000000" || !strings.HasPrefix(got.Usage[0].Overspend, "none") {
		t.Errorf("got %+v", got)
	}
	h.refused(h.admin, "PATCH", policies+"/from-file", "{}", 409, "managed_by_file", "")
	h.refused(h.admin, "DELETE", policies+"/file-p", "", 409, "managed_by_file", "")
	if err := c.DeletePolicy(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	h.refused(h.admin, "GET", policies+"/budget", "", 404, "not_found", "")
	if self := must[*api.KeySelf](t)(h.client(k.Secret).Self(ctx)); len(self.Limits) != 1 {
		t.Errorf("a deleted policy still holds: %+v", self.Limits)
	}
	audit := must[*api.AuditReply](t)(c.Audit(ctx, api.AuditAsk{}))
	var actions []string
	for _, row := range audit.Data {
		actions = append(actions, row.Action)
	}
	if got := strings.Join(actions, " "); !strings.HasPrefix(got, "policy.delete policy.update policy.create") {
		t.Errorf("audited: %s", got)
	}
	// A policy of the store takes the place of the file's of its name.
	must[*api.Policy](t)(c.CreatePolicy(ctx, api.PolicyCreate{Name: "from-file", Scope: api.PolicyScope{Global: true}, Limits: limits}))
	if got := must[*api.PoliciesReply](t)(c.Policies(ctx, api.PoliciesAsk{})); len(got.Data) != 1 || got.Data[0].ReadOnly {
		t.Errorf("got %+v", got.Data)
	}
}

func TestPolicyRefusals(t *testing.T) {
	h := newHarness(t)
	bad := func(body, code, param string) {
		t.Helper()
		h.refused(h.admin, "POST", policies, body, 400, code, param)
	}
	with := func(scope, limits string) string {
		return `{"name":"p","scope":` + scope + `,"limits":[` + limits + `]}`
	}
	const one = `{"kind":"requests","limit":1}`
	bad(`{"scope":{"global":true},"limits":[`+one+`]}`, "missing_field", "name")
	bad(with(`{}`, one), "invalid_value", "scope")
	bad(with(`{"global":true,"group":"a"}`, one), "invalid_value", "scope")
	bad(with(`{"api_key":"nobody"}`, one), "invalid_value", "scope.api_key")
	bad(with(`{"account":"nobody"}`, one), "invalid_value", "scope.account")
	bad(with(`{"group":"\u202eevil"}`, one), "invalid_value", "scope.group")
	bad(with(`{"group":" team"}`, one), "invalid_value", "scope.group")
	bad(with(`{"global":true,"model":"a\u0007"}`, one), "invalid_value", "scope.model")
	bad(with(`{"global":true}`, ``), "invalid_value", "limits")
	bad(with(`{"global":true}`, `{"kind":"wishes","limit":1}`), "invalid_value", "limits[0].kind")
	bad(with(`{"global":true}`, `{"kind":"requests"}`), "missing_field", "limits[0].limit")
	bad(with(`{"global":true}`, `{"kind":"requests","limit":1.5}`), "invalid_value", "limits[0].limit")
	bad(with(`{"global":true}`, `{"kind":"requests","limit":-1}`), "invalid_value", "limits[0].limit")
	bad(with(`{"global":true}`, `{"kind":"requests","limit":"1"}`), "invalid_type", "limits[0].limit")
	bad(with(`{"global":true}`, `{"kind":"cost_usd","limit":0.0000000001,"window":"day"}`), "invalid_value", "limits[0].limit")
	bad(with(`{"global":true}`, `{"kind":"cost_usd","limit":1,"window":"minute"}`), "invalid_value", "limits[0].window")
	bad(with(`{"global":true}`, `{"kind":"requests","limit":1,"window":"fortnight"}`), "invalid_value", "limits[0].window")
	bad(with(`{"global":true}`, `{"kind":"concurrency","limit":1,"window":"day"}`), "invalid_value", "limits[0].window")
	bad(with(`{"global":true}`, `{"kind":"tokens","limit":1,"window":"day","burst":1}`), "invalid_value", "limits[0].burst")
	bad(with(`{"global":true}`, one+`,`+one), "invalid_value", "limits[1]")
	bad(`{"name":"p","scope":{"global":true},"limits":[`+one+`],"mode":"lax"}`, "invalid_value", "mode")
	bad(`{"name":"p","scope":{"global":true},"limits":[`+one+`],"time_zone":"Mars/Base"}`, "invalid_value", "time_zone")
	bad(`{"name":"p","scope":{"global":true},"limits":[`+one+`],"soft_percent":101}`, "invalid_value", "soft_percent")
	bad(`{"name":"p","scope":{"global":true},"limits":[`+one+`],"spent":0}`, "unknown_field", "spent")
	bad(`{"name":"p","scope":{"globe":true},"limits":[`+one+`]}`, "unknown_field", "scope.globe")
	bad(`{"name":"p","scope":{"global":true},"limits":[{"kind":"requests","limit":1,"used":0}]}`, "unknown_field", "limits[0].used")
	h.refused(h.admin, "GET", policies+"?group=a", "", 400, "unknown_parameter", "group")
	h.refused(h.mint(&store.Key{Name: "plain", Scopes: []string{"viewer"}}), "POST", policies, with(`{"global":true}`, one), 403, "missing_scope", "")
}
