package aigateway

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/your-org/ai-api-gateway"

// allowed lists, for each package of ours, the packages of ours it may import.
// A trailing "/..." stands for everything below. The rows are the architecture:
// docs/02-architecture-design.md draws them. Tests are held to the same rows,
// plus testOnly.
var allowed = map[string][]string{
	"":                       {},
	"cmd":                    {"...", ""},
	"cmd/ai-gateway":         {"cmd"},
	"cmd/importer":           {"server/api"},
	"cmd/bench":              {}, // measures any gateway, and so knows none
	"cmd/settings":           {},
	"providers":              {},
	"providers/wire":         {},
	"providers/openai":       {"providers", "providers/wire"},
	"providers/anthropic":    {"providers", "providers/wire"},
	"providers/gemini":       {"providers", "providers/wire"},
	"providers/bedrock":      {"providers", "providers/wire", "providers/anthropic"},
	"providers/azure":        {"providers", "providers/wire", "providers/openai"},
	"providers/vertex":       {"providers", "providers/wire", "providers/gemini", "providers/anthropic"},
	"providers/catalog":      {"providers", "providers/wire", "providers/openai", "providers/anthropic"},
	"providers/demo":         {"providers", "providers/wire", "providers/openai", "providers/anthropic"},
	"providers/all":          {"providers", "providers/..."},
	"providers/providertest": {"providers", "providers/..."},
	"store":                  {},
	"store/bolt":             {"store"},
	"store/postgres":         {"store"},
	"store/storetest":        {"store"},
	"server":                 {"", "server/admin", "server/relay", "server/routing", "server/ledger", "server/limits", "server/replay", "server/sock", "server/threads", "server/upstream", "server/vault", "server/api", "server/config", "server/telemetry", "server/telemetry/otel", "providers", "providers/wire", "store", "web/locales"},
	"server/api":             {},
	"server/api/contract":    {"server/api"},
	"server/admin":           {"server/capture", "server/api", "server/routing", "server/limits", "server/ledger", "server/upstream", "server/vault", "server/config", "server/telemetry", "providers", "store", "web/locales"},
	"server/media":           {"server/upstream"},
	"server/capture":         {"store"},
	"server/relay":           {"server/capture", "server/routing", "server/limits", "server/replay", "server/ledger", "server/upstream", "server/media", "server/threads", "server/vault", "server/telemetry", "server/telemetry/otel", "providers", "providers/wire", "store"},
	"server/routing":         {"providers", "store"},
	"server/limits":          {"store"},
	"server/replay":          {"store"},
	"server/ledger":          {"store"},
	"server/sock":            {},
	"server/upstream":        {"server/sock", "providers", "providers/wire"},
	"server/threads":         {"server/vault", "providers/wire"},
	"server/vault":           {"store"},
	"server/config":          {"server/notify", "server/upstream", "providers", "store"},
	"server/notify":          {"store"},
	"server/telemetry":       {},
	"server/telemetry/otel":  {"server/telemetry", "providers", "store"},
	"tui":                    {"tui/unasked", "server/api", "web/locales"},
	"tui/unasked":            {},
	"web/locales":            {},
	"deploy":                 {}, // files and the tests that write them

	"store/postgres/postgrestest":    {},
	"server/telemetry/otel/oteltest": {}, // a collector for tests
}

// testOnly lists what test files may import besides.
var testOnly = map[string][]string{
	"store/bolt":            {"store/storetest"},
	"store/postgres":        {"store/storetest", "store/postgres/postgrestest"},
	"server/ledger":         {"store/bolt"},
	"server/upstream":       {},
	"server/relay":          {"providers/...", "store/bolt", "server/telemetry/otel/oteltest"},
	"server/telemetry/otel": {"server/telemetry/otel/oteltest"},
	"server/config":         {"web/locales"},
	"server/routing":        {"providers/..."},
	"server/admin":          {"providers/...", "store/bolt", "server/api/contract"},
	"server":                {"providers/...", "store/bolt", "server/api/contract", "server/telemetry/otel/oteltest"},
	"providers/openai":      {"providers/..."},
	"providers/anthropic":   {"providers/..."},
	"providers/gemini":      {"providers/..."},
	"providers/vertex":      {"providers/..."},
	"providers/bedrock":     {"providers/..."},
	"providers/catalog":     {"providers/..."},
	"providers/demo":        {"providers/..."},
	"tui":                   {"..."},
	"cmd/ai-gateway":        {"server/api", "cmd/bench", "store", "store/bolt", "store/storetest", "store/postgres/postgrestest", "server/telemetry/otel/oteltest"}, // loads of the bench; stores filled with more than calls could
}

// wiring lists the files of cmd that may open stores, providers and servers;
// all others are clients of a running gateway and see only server/api.
var wiring = map[string]bool{
	"serve.go": true, "serverecount.go": true, "serveboot.go": true, "servestore.go": true, "storemigrate.go": true, "servehealth.go": true, "servestatus.go": true, "servewire.go": true, "servepeers.go": true, "accessline.go": true, "serveotel.go": true, "listen.go": true, "listentls.go": true, "reload.go": true, "servememory.go": true, "servenotify.go": true, "migrate.go": true, "migratedb.go": true, "mock.go": true, "configserver.go": true, "store.go": true, "ledger.go": true, "adminreset.go": true, "secrets.go": true, "secretsides.go": true,
	"doctorfolder.go": true,
}

var clientMay = []string{"server/api", "cmd/settings", "web/locales", "cmd/importer", "cmd/bench", "tui", ""}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && file != ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") {
			return nil
		}
		file = filepath.ToSlash(file)
		pkg := path.Dir(file)
		if pkg == "." {
			pkg = ""
		}
		if strings.HasPrefix(pkg, "examples") {
			return nil
		}
		rows, known := allowed[pkg]
		if !known {
			t.Errorf("%s: package %q has no row in imports_test.go", file, pkg)
			return nil
		}
		seen[pkg] = true
		if pkg == "cmd" && !wiring[path.Base(file)] && !strings.HasSuffix(file, "_test.go") {
			rows = clientMay
		}
		if strings.HasSuffix(file, "_test.go") {
			rows = append(append([]string{pkg}, rows...), testOnly[pkg]...)
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			if imp != module && !strings.HasPrefix(imp, module+"/") {
				continue
			}
			imp = strings.TrimPrefix(strings.TrimPrefix(imp, module), "/")
			if !permitted(rows, imp) {
				t.Errorf("%s imports %q, which its row in imports_test.go does not allow", file, imp)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !seen["providers"] || !seen["store"] {
		t.Fatal("the walk did not reach the packages it is to judge")
	}
}

// TestArchitecturePage: docs/02-architecture-design.md names every package.
func TestArchitecturePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("docs", "02-architecture-design.md"))
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range allowed {
		if pkg != "" && !strings.Contains(string(page), "`"+pkg+"`") {
			t.Errorf("the table of packages has no row for %s", pkg)
		}
	}
}

func permitted(rows []string, imp string) bool {
	for _, row := range rows {
		if row == imp || row == "..." || strings.HasSuffix(row, "/...") && strings.HasPrefix(imp, strings.TrimSuffix(row, "...")) {
			return true
		}
	}
	return false
}
