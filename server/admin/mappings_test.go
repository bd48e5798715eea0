package admin

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/server/api"
)

const mappings = "/v1/admin/model-mappings"

func TestMappings(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	m := must[*api.Mapping](t)(c.CreateMapping(ctx, api.MappingCreate{Alias: "fast", Strategy: "weighted", Fallbacks: map[string][]string{"error": {"gpt-4"}},
		Targets: []api.MappingTarget{{Provider: "claude", Model: "claude-3-opus", Weight: 2}, {Account: "file-spare", Model: "gpt-4", Priority: 1}}}))
	want := api.Mapping{ID: m.ID, Alias: "fast", Strategy: "weighted", Fallbacks: map[string][]string{"error": {"gpt-4"}}, Origin: "db", CreatedAt: m.CreatedAt,
		Targets: []api.MappingTarget{{Provider: "anthropic", Model: "claude-3-opus", Weight: 2}, {Account: "spare", Model: "gpt-4", Priority: 1}}}
	if !reflect.DeepEqual(*m, want) {
		t.Errorf("got  %+v\nwant %+v", *m, want)
	}
	if got := must[*api.Mapping](t)(c.Mapping(ctx, "fast")); !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v", got)
	}
	if _, ok := h.table.Load().Mapping("fast"); !ok {
		t.Error("the mapping is not in force")
	}
	h.refused(h.admin, "POST", mappings, `{"alias":"fast","targets":[{"model":"gpt-4"}]}`, 409, "alias_exists", "alias")
	page := must[*api.MappingsReply](t)(c.Mappings(ctx, api.Page{}))
	if len(page.Data) != 2 || page.Data[1].Alias != "from-file" || !page.Data[1].ReadOnly {
		t.Errorf("got %+v", page.Data)
	}
	h.refused(h.admin, "DELETE", mappings+"/from-file", "", 409, "managed_by_file", "")
	h.refused(h.admin, "PATCH", mappings+"/file-m", "{}", 409, "managed_by_file", "")

	targets := []api.MappingTarget{{Model: "gpt-4"}}
	if got := must[*api.Mapping](t)(c.UpdateMapping(ctx, m.ID, api.MappingPatch{Targets: &targets})); len(got.Targets) != 1 || got.Alias != "fast" {
		t.Errorf("got %+v", got)
	}
	if err := c.DeleteMapping(ctx, m.ID); err != nil {
		t.Fatal(err)
	}
	h.refused(h.admin, "GET", mappings+"/fast", "", 404, "not_found", "")
	if _, ok := h.table.Load().Mapping("fast"); ok {
		t.Error("a deleted mapping is in force")
	}
}

func TestMappingRefusals(t *testing.T) {
	h := newHarness(t)
	bad := func(body, code, param string) {
		t.Helper()
		h.refused(h.admin, "POST", mappings, body, 400, code, param)
	}
	bad(`{"targets":[{"model":"m"}]}`, "missing_field", "alias")
	bad(`{"alias":"a"}`, "missing_field", "targets")
	bad(`{"alias":"a\tb","targets":[{"model":"m"}]}`, "invalid_value", "alias")
	bad(`{"alias":"a","targets":[{}]}`, "invalid_value", "targets[0].model")
	bad(`{"alias":"a","targets":[{"model":"m*"}]}`, "invalid_value", "targets[0].model")
	bad(`{"alias":"a","targets":[{"model":"m"},{"model":"m","account":"nobody"}]}`, "invalid_value", "targets[1].account")
	bad(`{"alias":"a","targets":[{"model":"m","account":"spare","provider":"claude"}]}`, "invalid_value", "targets[0].account")
	bad(`{"alias":"a","targets":[{"model":"m","provider":"nobody"}]}`, "unknown_provider", "provider")
	bad(`{"alias":"a","targets":[{"model":"m","weight":-1}]}`, "invalid_value", "targets[0]")
	bad(`{"alias":"a","targets":[{"model":"m","wieght":1}]}`, "unknown_field", "targets[0].wieght")
	bad(`{"alias":"a","targets":[{"model":"m"}],"strategy":"luck"}`, "invalid_value", "strategy")
	bad(`{"alias":"a","targets":[{"model":"m"}],"fallbacks":{"rain":["b"]}}`, "invalid_value", "fallbacks")
	bad(`{"alias":"a","targets":[{"model":"m"}],"fallbacks":{"error":[""]}}`, "invalid_value", "fallbacks.error")
	bad(`{"alias":"a","targets":[{"model":"m"}],"origin":"file"}`, "unknown_field", "origin")
}

func TestMappingLoops(t *testing.T) {
	h := newHarness(t)
	make := func(alias, model string) {
		t.Helper()
		if status, body := h.call(h.admin, "POST", mappings, `{"alias":"`+alias+`","targets":[{"model":"`+model+`"}]}`); status != 201 {
			t.Fatalf("%s → %s: %d %s", alias, model, status, body)
		}
	}
	make("self", "self") // searched among models: no loop
	make("a", "b")       // no such alias yet
	make("b", "c")
	text := h.refused(h.admin, "POST", mappings, `{"alias":"c","targets":[{"model":"gpt-4"},{"model":"a"}]}`, 400, "alias_loop", "targets")
	if !strings.Contains(text, "c → a → b → c") {
		t.Errorf("the circle is not shown: %s", text)
	}
	h.refused(h.admin, "PATCH", mappings+"/b", `{"targets":[{"model":"a"}]}`, 400, "alias_loop", "targets")
	make("d", "a")
	make("e", "d") // e → d → a → b → c is long, but ends
	h.refused(h.admin, "PATCH", mappings+"/b", `{"targets":[{"model":"gpt-4"},{"model":"e"}]}`, 400, "alias_loop", "targets")
	many := `{"model":"gpt-4"}` + strings.Repeat(`,{"model":"x"}`, 31)
	for i := range 20 { // 32²⁰ ways, none of them a circle
		next := fmt.Sprintf("y%d", i)
		if status, body := h.call(h.admin, "POST", mappings, `{"alias":"`+next+`","targets":[`+strings.ReplaceAll(many, `"x"`, fmt.Sprintf(`"y%d"`, i-1))+`]}`); status != 201 {
			t.Fatalf("%s: %d %s", next, status, body)
		}
	}
	make("wild-*", "wild-one") // the pattern fits its own target: searched
	h.refused(h.admin, "POST", mappings, `{"alias":"wild-two","targets":[{"model":"x"}],"id":"mine"}`, 400, "unknown_field", "id")
}
