package contract

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/server/api"
)

func TestDescriptionIsValid(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	f := func(want bool, answer string) {
		t.Helper()
		err := c.Check(Call{Method: "GET", Route: "/v1/admin/api-keys", Status: 200, MediaType: "application/json", Answer: []byte(answer)})
		if (err == nil) != want {
			t.Errorf("%s: %v", answer, err)
		}
	}
	const key = `{"id":"a","name":"b","prefix":"c","scopes":[],"models":[],"ip_allow":[],"status":"active","created_at":"2026-11-01T00:00:00Z","expires_at":null`
	f(true, `{"data":[`+key+`}],"next_cursor":""}`)
	f(false, `{"data":[`+key+`,"secret":"x"}],"next_cursor":""}`)
	f(false, `{"data":[`+key+`,"limits":[{"policy":1}]}],"next_cursor":""}`)
	f(false, `{"data":[]}`)
}

// TestTypesAreDescribed: a schema has the members of the type of its name, and asks
// for those that are always there.
func TestTypesAreDescribed(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{
		api.Account{}, api.AccountCreate{}, api.AccountHealth{}, api.AccountKey{}, api.AccountPatch{}, api.AccountsReply{}, api.Attempt{}, api.AuditReply{},
		api.AuditRow{}, api.Bodies{}, api.CatalogueModel{}, api.CatalogueReply{}, api.CostLine{}, api.Deleted{}, api.ErrorBody{}, api.ErrorDetail{},
		api.ErrorMetadata{}, api.ExplainReply{}, api.ExplainTarget{}, api.Health{}, api.InFlightReply{}, api.Key{}, api.KeyCreate{}, api.KeyCreated{},
		api.KeyHint{}, api.KeyImport{}, api.KeyPatch{}, api.KeyRotate{}, api.KeySelf{}, api.KeysReply{}, api.LedgerResolve{}, api.Limit{}, api.LiveEvent{}, api.LogReply{},
		api.LogRow{}, api.LogsReply{}, api.Mapping{}, api.MappingCreate{}, api.MappingPatch{}, api.MappingTarget{}, api.MappingsReply{}, api.OverviewBudget{},
		api.OverviewChange{}, api.OverviewGroup{}, api.OverviewReply{}, api.Percentiles{}, api.PoliciesReply{}, api.Policy{}, api.PolicyCreate{},
		api.PolicyLimit{}, api.PolicyPatch{}, api.PolicyScope{}, api.Price{}, api.PriceChange{}, api.PriceRef{}, api.PriceRow{}, api.PricesDiff{},
		api.PricesReply{}, api.PricesSet{}, api.ProviderInfo{}, api.ProviderOption{}, api.ProvidersReply{}, api.RatesTier{}, api.Refreshed{}, api.Reload{},
		api.Rerate{}, api.RerateReply{}, api.Rerated{}, api.ResetReply{}, api.Series{}, api.Setting{}, api.SettingsReply{}, api.Status{}, api.TargetHealth{}, api.Allowance{},
		api.TestAsk{}, api.TestResult{}, api.Tier{}, api.UnreachableNode{}, api.UsageBefore{}, api.UsageReply{}, api.UsageSums{}, api.Verification{},
	} {
		typ := reflect.TypeOf(v)
		schema := c.Doc.Components.Schemas[typ.Name()]
		if schema == nil {
			t.Errorf("%s is not described", typ.Name())
			continue
		}
		names, always := members(typ)
		slices.Sort(names)
		slices.Sort(always)
		described := slices.Sorted(maps.Keys(schema.Value.Properties))
		required := slices.Sorted(slices.Values(schema.Value.Required))
		if !slices.Equal(names, described) || !slices.Equal(always, required) {
			t.Errorf("%s\nhas       %q\ndescribed %q\nalways    %q\nrequired  %q", typ.Name(), names, described, always, required)
		}
	}
}

// members are the names of a type's JSON members, and of those that are never left out.
func members(typ reflect.Type) (names, always []string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			n, a := members(f.Type)
			names, always = append(names, n...), append(always, a...)
		case name != "" && name != "-":
			names = append(names, name)
			if !strings.Contains(options, "omit") {
				always = append(always, name)
			}
		}
	}
	return names, always
}
