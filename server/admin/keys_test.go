package admin

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

func TestCreateKey(t *testing.T) {
	h := newHarness(t)
	status, body := h.call(h.admin, "POST", "/v1/admin/api-keys", `{"name": "My First Key", "scopes": ["chat", "embeddings"]}`)
	if status != 201 || !strings.Contains(body, `"key":"sk-gw-`) {
		t.Fatalf("%d %s", status, body)
	}
	ctx, c := context.Background(), h.client(h.admin)
	k := must[*api.KeyCreated](t)(c.CreateKey(ctx, api.KeyCreate{Name: "ci", Scopes: []string{"chat", "chat"}, Models: []string{"gpt-4*"}, IPAllow: []string{"10.1.2.3/8", "::1"},
		ExpiresAt: "90d", Group: "team", Metadata: map[string]string{"a": "b"}, OnDisconnect: "cancel", Markup: "1.25"}))
	want := api.Key{ID: k.ID, Name: "ci", Prefix: "sk-gw-" + k.ID, Scopes: []string{"chat"}, Models: []string{"gpt-4*"}, IPAllow: []string{"10.0.0.0/8", "::1/128"}, Group: "team",
		Metadata: map[string]string{"a": "b"}, Markup: "1.25", Status: "active", CreatedAt: noon, CreatedBy: k.CreatedBy, ExpiresAt: k.ExpiresAt}
	if !reflect.DeepEqual(k.Key, want) || !k.ExpiresAt.Equal(noon.Add(90*24*time.Hour)) || !strings.HasPrefix(k.Secret, k.Prefix+"_") {
		t.Errorf("got  %+v\nwant %+v", k.Key, want)
	}
	if _, err := store.ParseKey(k.Secret); err != nil {
		t.Error(err)
	}
	got := must[*api.Key](t)(c.KeyByID(ctx, "ci"))
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("by name: %+v", got)
	}
	self := must[*api.KeySelf](t)(h.client(k.Secret).Self(ctx))
	if self.Name != "ci" || self.ID != k.ID || self.Admin || len(self.Limits) != 1 || self.Used == nil {
		t.Errorf("GET /v1/key: %+v", self)
	}
	snap := must[*store.Snapshot](t)(h.store.Load(ctx))
	if i := slices.IndexFunc(snap.Keys, func(s *store.Key) bool { return s.ID == k.ID }); i < 0 || snap.Keys[i].Hash != store.HashKey(k.Secret) {
		t.Error("the key is not stored")
	}
	if all := h.everything(); strings.Contains(all, k.Secret) {
		t.Error("the key itself is shown after it was made")
	}
}

func TestKeyRefusals(t *testing.T) {
	h := newHarness(t)
	const keys = "/v1/admin/api-keys"
	bad := func(body, code, param string) {
		t.Helper()
		h.refused(h.admin, "POST", keys, body, 400, code, param)
	}
	bad(``, "invalid_json", "")
	bad(`null`, "invalid_json", "")
	bad(`[]`, "invalid_json", "")
	bad(`"x"`, "invalid_json", "")
	bad(`{"name":`, "invalid_json", "")
	bad(`{"name":"a"} trailing`, "invalid_json", "")
	bad(`{}`, "missing_field", "name")
	bad(`{"name":""}`, "missing_field", "name")
	bad(`{"name":5}`, "invalid_type", "name")
	bad(`{"name":" a"}`, "invalid_value", "name")
	bad(`{"name":"a\u0000b"}`, "invalid_value", "name")
	bad(`{"name":"a\nb"}`, "invalid_value", "name")
	bad(`{"name":"a\u202eb"}`, "invalid_value", "name")
	bad(`{"name":"`+strings.Repeat("é", 129)+`"}`, "invalid_value", "name")
	bad(`{"name":"a","name":"b"}`, "duplicate_field", "name")
	bad(`{"Name":"a"}`, "unknown_field", "Name")
	for _, name := range []string{"role", "spent", "id", "created_by", "key", "hash", "admin", "revoked_at", "prefix", "created_at", "weak", "status"} { // mass assignment
		bad(`{"name":"a","`+name+`":"x"}`, "unknown_field", name)
	}
	bad(`{"name":"a","scopes":"chat"}`, "invalid_type", "scopes")
	bad(`{"name":"a","scopes":[1]}`, "invalid_type", "scopes[0]")
	bad(`{"name":"a","scopes":["chat","root"]}`, "invalid_value", "scopes[1]")
	bad(`{"name":"a","models":[""]}`, "invalid_value", "models[0]")
	bad(`{"name":"a","ip_allow":["10.0.0.0/8","nonsense"]}`, "invalid_value", "ip_allow[1]")
	bad(`{"name":"a","ip_allow":["fe80::1%eth0"]}`, "invalid_value", "ip_allow[0]")
	bad(`{"name":"a","expires_at":"soon"}`, "invalid_value", "expires_at")
	bad(`{"name":"a","expires_at":"2020-01-01T00:00:00Z"}`, "invalid_value", "expires_at")
	bad(`{"name":"a","expires_at":"-5d"}`, "invalid_value", "expires_at")
	bad(`{"name":"a","expires_at":"99999999d"}`, "invalid_value", "expires_at")
	bad(`{"name":"a","on_disconnect":"run"}`, "invalid_value", "on_disconnect")
	for _, m := range []string{"-1", "1e3", "1001", "1.1234567", "x", "1."} {
		bad(`{"name":"a","markup":"`+m+`"}`, "invalid_value", "markup")
	}
	bad(`{"name":"a","metadata":{"a":1}}`, "invalid_type", "metadata.a")
	bad(`{"name":"a","metadata":{"":"x"}}`, "invalid_value", "metadata")
	bad(`{"name":"a","metadata":{"a":"x","a":"y"}}`, "duplicate_field", "metadata.a")
	if n := h.d.Keys.Len(); n != 1 {
		t.Errorf("%d keys after refusals, want the one", n)
	}
	h.refused(h.admin, "GET", keys+"?limit=0", "", 400, "invalid_value", "limit")
	h.refused(h.admin, "GET", keys+"?limit=1001", "", 400, "invalid_value", "limit")
	h.refused(h.admin, "GET", keys+"?status=odd", "", 400, "invalid_value", "status")
	h.refused(h.admin, "GET", keys+"?limti=3", "", 400, "unknown_parameter", "limti")
	h.refused(h.admin, "GET", keys+"?limit=3&limit=4", "", 400, "duplicate_parameter", "limit")
	for _, method := range []string{"GET", "DELETE"} {
		h.refused(h.admin, method, keys+"/nobody", "", 404, "not_found", "")
	}
	h.refused(h.admin, "PATCH", keys+"/nobody", "{}", 404, "not_found", "")
	h.refused(h.admin, "POST", keys+"/nobody/rotate", "", 404, "not_found", "")
}

func TestKeyPages(t *testing.T) {
	h := newHarness(t)
	for i := range 25 {
		h.clock.Add(int64(time.Millisecond))
		h.mint(&store.Key{Name: fmt.Sprintf("key-%02d", i), Group: fmt.Sprint(i % 2)})
	}
	ctx, c := context.Background(), h.client(h.admin)
	var names []string
	for cursor := ""; ; {
		p := must[*api.KeysReply](t)(c.Keys(ctx, api.Page{Limit: 4, Cursor: cursor}))
		for _, k := range p.Data {
			names = append(names, k.Name)
		}
		if len(names) == 8 { // a key that goes meanwhile moves nothing
			if err := c.DeleteKey(ctx, p.Data[3].ID); err != nil {
				t.Fatal(err)
			}
		}
		if cursor = p.NextCursor; cursor == "" {
			break
		}
	}
	if len(names) != 26 || names[0] != "key-24" || names[24] != "key-00" || names[25] != "root" || !slices.IsSortedFunc(names[:25], func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("got %d: %v", len(names), names)
	}
	if p := must[*api.KeysReply](t)(c.Keys(ctx, api.Page{Query: "KEY-1"})); len(p.Data) != 9 {
		t.Errorf("q=KEY-1 finds %d", len(p.Data))
	}
	h.mint(&store.Key{Name: "key-01"})
	h.refused(h.admin, "GET", "/v1/admin/api-keys/key-01", "", 409, "ambiguous_name", "")
}

func TestUpdateKey(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	k := must[*api.KeyCreated](t)(c.CreateKey(ctx, api.KeyCreate{Name: "a", Scopes: []string{"chat"}, ExpiresAt: "1h"}))
	never, name, none := "never", "b", []string{}
	got := must[*api.Key](t)(c.UpdateKey(ctx, k.ID, api.KeyPatch{Name: &name, ExpiresAt: &never, Scopes: &none}))
	if got.Name != "b" || got.ExpiresAt != nil || len(got.Scopes) != 0 {
		t.Errorf("got %+v", got)
	}
	if live, _ := h.d.Keys.ByID(k.ID); live.Name != "b" {
		t.Error("the change is not in force")
	}
	path := "/v1/admin/api-keys/" + k.ID
	h.refused(h.admin, "PATCH", path, `{"revoked":false}`, 400, "invalid_value", "revoked")
	h.refused(h.admin, "PATCH", path, `{"created_by":"me"}`, 400, "unknown_field", "created_by")
	h.refused(h.admin, "PATCH", path, `{"name":""}`, 400, "missing_field", "name")
	if got := must[*api.Key](t)(c.RevokeKey(ctx, k.ID)); got.Status != api.KeyRevoked {
		t.Errorf("revoked: %+v", got)
	}
	if status, _ := h.call(k.Secret, "GET", "/v1/key", ""); status != 401 {
		t.Errorf("a revoked key gets %d", status)
	}
	h.refused(h.admin, "POST", path+"/rotate", "", 409, "key_revoked", "")
}

func TestRotateKey(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	k := must[*api.KeyCreated](t)(c.CreateKey(ctx, api.KeyCreate{Name: "a"}))
	works := func(key string, want int) {
		t.Helper()
		if status, _ := h.call(key, "GET", "/v1/key", ""); status != want {
			t.Errorf("got %d, want %d", status, want)
		}
	}
	second := must[*api.KeyCreated](t)(c.RotateKey(ctx, k.ID, "24h"))
	if second.ID != k.ID || second.Secret == k.Secret || second.PreviousUntil == nil {
		t.Errorf("got %+v", second)
	}
	works(k.Secret, 200)
	works(second.Secret, 200)
	h.clock.Add(int64(24*time.Hour + 1))
	works(k.Secret, 401)
	works(second.Secret, 200)
	third := must[*api.KeyCreated](t)(c.RotateKey(ctx, k.ID, ""))
	works(second.Secret, 401)
	works(third.Secret, 200)
	h.refused(h.admin, "POST", "/v1/admin/api-keys/"+k.ID+"/rotate", `{"grace":"91d"}`, 400, "invalid_value", "grace")
	h.refused(h.admin, "POST", "/v1/admin/api-keys/"+k.ID+"/rotate", `{"grace":24}`, 400, "invalid_type", "grace")
}

func TestNoEscalation(t *testing.T) {
	h := newHarness(t)
	clerk := h.mint(&store.Key{Name: "clerk", Scopes: []string{"keys:write", "chat"}, Models: []string{"gpt-4*"}})
	const keys = "/v1/admin/api-keys"
	for _, body := range []string{`{"name":"x","models":["gpt-4"],"scopes":["admin"]}`, `{"name":"x","models":["gpt-4"],"scopes":["chat","embeddings"]}`, `{"name":"x","models":["gpt-4"]}`} {
		h.refused(clerk, "POST", keys, body, 403, "scope_escalation", "")
	}
	for _, body := range []string{`{"name":"x","scopes":["chat"]}`, `{"name":"x","scopes":["chat"],"models":["*"]}`, `{"name":"x","scopes":["chat"],"models":["gpt-*"]}`} {
		h.refused(clerk, "POST", keys, body, 403, "model_escalation", "")
	}
	status, body := h.call(clerk, "POST", keys, `{"name":"x","scopes":["chat","viewer"],"models":["gpt-4o*"]}`)
	if status != 201 {
		t.Errorf("what the clerk has, it may give: %d %s", status, body)
	}
	root := h.d.Keys.ByName("root")[0].ID
	h.refused(clerk, "POST", keys+"/"+root+"/rotate", "", 403, "scope_escalation", "")
	h.refused(clerk, "DELETE", keys+"/"+root, "", 403, "scope_escalation", "")
	h.refused(clerk, "PATCH", keys+"/"+root, `{"revoked":true}`, 403, "scope_escalation", "")
	h.refused(clerk, "PATCH", keys+"/x", `{"scopes":["admin"]}`, 403, "scope_escalation", "")
	own := h.d.Keys.ByName("clerk")[0].ID
	h.refused(clerk, "PATCH", keys+"/"+own, `{"models":[]}`, 403, "model_escalation", "")
}

func TestLastAdminKey(t *testing.T) {
	h := newHarness(t)
	const keys = "/v1/admin/api-keys"
	root := keys + "/" + h.d.Keys.ByName("root")[0].ID
	for _, call := range [][2]string{{"DELETE", ""}, {"PATCH", `{"revoked":true}`}, {"PATCH", `{"scopes":["viewer"]}`}, {"PATCH", `{"scopes":[]}`}} {
		msg := h.refused(h.admin, call[0], root, call[1], 409, "last_admin_key", "")
		if !strings.Contains(msg, "api-key create") || !strings.Contains(msg, "admin reset-key") {
			t.Errorf("the way out is not named: %s", msg)
		}
	}
	h.mint(&store.Key{Name: "late", Scopes: []string{"admin"}, ExpiresAt: noon.Add(-time.Hour)})
	h.refused(h.admin, "DELETE", root, "", 409, "last_admin_key", "")
	if status, body := h.call(h.admin, "POST", root+"/rotate", `{"grace":"1h"}`); status != 200 {
		t.Errorf("rotating the last admin key: %d %s", status, body)
	}
	h.mint(&store.Key{Name: "second", Scopes: []string{"admin"}})
	if status, body := h.call(h.admin, "DELETE", root, ""); status != 200 {
		t.Errorf("with another admin key: %d %s", status, body)
	}
	second := keys + "/second"
	if status, body := h.call("local", "DELETE", second, ""); status != 200 {
		t.Errorf("the local CLI can make another: %d %s", status, body)
	}
}

// TestPauseKey: a paused key is refused with the way back until it is resumed; its
// metadata stays its own, and nobody sets the mark of a pause by hand.
func TestPauseKey(t *testing.T) {
	h := newHarness(t)
	ctx, c := context.Background(), h.client(h.admin)
	k := must[*api.KeyCreated](t)(c.CreateKey(ctx, api.KeyCreate{Name: "ci", Metadata: map[string]string{"a": "b"}}))
	on, off := true, false
	paused := must[*api.Key](t)(c.UpdateKey(ctx, k.ID, api.KeyPatch{Paused: &on}))
	if paused.Status != api.KeyPaused || paused.PausedAt == nil || !paused.PausedAt.Equal(noon) || len(paused.Metadata) != 1 {
		t.Errorf("paused: %+v", paused)
	}
	if r := must[*api.ExplainReply](t)(c.Explain(ctx, api.ExplainAsk{Model: "demo", Key: k.ID})); r.Error == nil || r.Error.Code == nil || *r.Error.Code != "key_paused" {
		t.Errorf("explain: %+v", r.Error)
	}
	other := map[string]string{"c": "d"}
	if got := must[*api.Key](t)(c.UpdateKey(ctx, k.ID, api.KeyPatch{Metadata: &other})); got.Status != api.KeyPaused || !reflect.DeepEqual(got.Metadata, other) {
		t.Errorf("metadata of a paused key: %+v", got)
	}
	h.refused(h.admin, "PATCH", "/v1/admin/api-keys/"+k.ID, `{"metadata": {"ai-gateway.paused_at": ""}}`, 400, "invalid_value", "metadata")
	h.refused(h.admin, "POST", "/v1/admin/api-keys", `{"name": "x", "metadata": {"ai-gateway.paused_at": "now"}}`, 400, "invalid_value", "metadata")
	if got := must[*api.Key](t)(c.UpdateKey(ctx, k.ID, api.KeyPatch{Paused: &off})); got.Status != api.KeyActive || got.PausedAt != nil || !reflect.DeepEqual(got.Metadata, other) {
		t.Errorf("resumed: %+v", got)
	}
}
