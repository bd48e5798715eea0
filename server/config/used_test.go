package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/store"
)

// TestSettingsAct holds every setting to have a reader: `serve` takes its field of
// Config somewhere. A setting that nothing reads must not be accepted.
func TestSettingsAct(t *testing.T) {
	read := selectors(t, "../../cmd")
	if len(read) < 100 {
		t.Fatalf("only %d selectors were found in cmd: the test looks in the wrong place", len(read))
	}
	c := &Config{}
	names := map[any]string{}
	fieldNames(reflect.ValueOf(c).Elem(), "", names)
	acts := func(field string) bool {
		if field == "TimeZone" {
			field = "Zone" // the same, loaded
		}
		if told, ok := strings.CutPrefix(field, "Telemetry.OTel."); ok { // these are read by what says where each signal goes
			switch told {
			case "Endpoint", "Traces", "TracesEndpoint":
				field = "Telemetry.OTel.TracesTo"
			case "Metrics", "MetricsEndpoint":
				field = "Telemetry.OTel.MetricsTo"
			}
		}
		if upstream, ok := strings.CutPrefix(field, "Timeouts.Upstream."); ok {
			return read["u."+upstream] && read["cfg.Timeouts.Upstream"]
		}
		return read["cfg."+field] || read["g.cfg."+field]
	}
	for _, row := range c.settings() {
		ptr := row.ptr
		if p, ok := ptr.(*size); ok {
			ptr = (*int64)(p)
		}
		if p, ok := ptr.(*address); ok {
			ptr = (*string)(p)
		}
		if p, ok := ptr.(*headers); ok {
			ptr = (*store.SecretString)(p)
		}
		field := names[ptr]
		if field == "" {
			t.Fatalf("%s has no field in Config", row.path)
		}
		if !acts(field) {
			t.Errorf("%s is accepted, but nothing reads Config.%s", row.path, field)
		}
	}
	if acts("Limits.Nothing") || acts("Path2") || acts("Timeouts.Upstream.Nothing") {
		t.Error("the test finds readers of fields that do not exist")
	}
}

// fieldNames fills names with the path of every field below v, by its address.
func fieldNames(v reflect.Value, prefix string, names map[any]string) {
	for i := range v.NumField() {
		f, ft := v.Field(i), v.Type().Field(i)
		if !ft.IsExported() {
			continue
		}
		names[f.Addr().Interface()] = prefix + ft.Name
		if f.Kind() == reflect.Struct {
			fieldNames(f, prefix+ft.Name+".", names)
		}
	}
}

// selectors returns all chains of names ("cfg.Log.Level") in the program's files of dir.
func selectors(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if chain, ok := chainOf(sel); ok {
					found[chain] = true
				}
			}
			return true
		})
	}
	return found
}

func chainOf(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name, true
	case *ast.SelectorExpr:
		before, ok := chainOf(e.X)
		return before + "." + e.Sel.Name, ok
	}
	return "", false
}
