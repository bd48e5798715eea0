package server

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/your-org/ai-api-gateway/providers/gemini"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/api/contract"
)

var theDescription = sync.OnceValues(contract.Load)

func description(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := theDescription()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asDescribed holds a call that was made against the description of the API.
func (b *bench) asDescribed(method, path, asked string, got answer) {
	b.t.Helper()
	u, err := url.Parse(path)
	if err != nil {
		return
	}
	r, _, _ := b.s.routes.find(method, u.Path)
	if r == nil || method == http.MethodHead {
		return
	}
	call := contract.Call{Method: method, Route: r.path, Body: []byte(asked), Status: got.status, MediaType: got.head.Get("Content-Type"), Answer: []byte(got.body)}
	if err := description(b.t).Check(call); err != nil {
		b.t.Error(err)
	}
}

// TestEveryRouteIsDescribed: the description has every route of the table with its
// scope, and none besides. HEAD is what GET is.
func TestEveryRouteIsDescribed(t *testing.T) {
	b := newBench(t, func(o *Options) {
		o.Surfaces.Gemini = Surface{In: gemini.GenerateIngress(), Frames: gemini.GenerateEgress(gemini.AIStudio)}
	})
	c := description(t)
	routes := map[string]string{}
	for _, r := range b.s.routes.all {
		if r.method != http.MethodHead {
			routes[r.method+" "+contract.Path(r.path)] = r.scope
		}
	}
	seen := map[string]bool{}
	ids := map[string]string{}
	for path, item := range c.Doc.Paths.Map() {
		for method, op := range item.Operations() {
			name := method + " " + path
			seen[name] = true
			if scope, ok := routes[name]; !ok {
				t.Errorf("%s is described and not served", name)
			} else if op.Extensions["x-scope"] != scope {
				t.Errorf("%s needs scope %q, described is %v", name, scope, op.Extensions["x-scope"])
			}
			if op.OperationID == "" || ids[op.OperationID] != "" {
				t.Errorf("%s and %s are both called %q", name, ids[op.OperationID], op.OperationID)
			}
			ids[op.OperationID] = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(routes)) {
		if !seen[name] {
			t.Errorf("%s is not described in server/api/openapi.yaml", name)
		}
	}
	t.Logf("%d operations", len(seen))
}

// TestDescriptionIsServed in both forms.
func TestDescriptionIsServed(t *testing.T) {
	b := newBench(t)
	key := b.key([]string{"viewer"})
	if got := b.call("GET", "/v1/admin/openapi.json", key, ""); got.status != 200 || !strings.HasPrefix(got.body, `{"openapi":"3.1.0","info":{"title"`) {
		t.Errorf("%.200v", got)
	}
	if got := b.call("GET", "/v1/admin/openapi.yaml", key, ""); got.status != 200 || got.body != string(api.OpenAPI) || got.head.Get("Content-Type") != "application/yaml" {
		t.Errorf("%.200v", got)
	}
}
