package main_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// examples is the folder of the runnable programs, one an SDK.
const examples = docsRoot + "/examples"

// exampleUsage is the last line of every example: what the answer used.
var exampleUsage = regexp.MustCompile(`\n\[[1-9]\d* in, [1-9]\d* out\]\s*$`)

// TestExamples runs the program of each SDK as examples/README.md says: it streams an
// answer, prints what it used, and the gateway has a row of it with the same key.
func TestExamples(t *testing.T) {
	t.Parallel()
	g := serve(t, "", nil)
	key := g.newKey(`{"name":"examples"}`)
	env := append(os.Environ(), "OPENAI_BASE_URL="+g.url+"/v1", "ANTHROPIC_BASE_URL="+g.url, "GOOGLE_GEMINI_BASE_URL="+g.url,
		"OPENAI_API_KEY="+key, "ANTHROPIC_API_KEY="+key, "GEMINI_API_KEY="+key, "GOFLAGS=-mod=readonly")
	page, err := os.ReadFile(examples + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, example := range examplePrograms(t) {
		t.Run(example, func(t *testing.T) {
			ran++
			if !strings.Contains(string(page), "("+example+")") {
				t.Errorf("examples/README.md does not name %s", example)
			}
			cmd := exampleCommand(t, example)
			cmd.Env = env
			out, errs, err := finish(cmd, 2*time.Minute)
			if err != nil || len(out) < 60 || !exampleUsage.MatchString(out) {
				t.Errorf("%v\n%s\n%s", err, out, errs)
			}
		})
	}
	_, rows, _ := g.call("GET", "/v1/admin/usage/logs?limit=50", g.admin, "")
	if whole := strings.Count(rows, `"end_reason":"complete"`); ran != 10 || whole != ran {
		t.Errorf("%d examples ran, %d rows are whole: %s", ran, whole, rows)
	}
}

// examplePrograms lists the programs by their paths below examples.
func examplePrograms(t *testing.T) (out []string) {
	t.Helper()
	err := filepath.WalkDir(examples, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if ext := filepath.Ext(path); err == nil && (ext == ".py" || ext == ".mjs" || ext == ".go") {
			rel, _ := filepath.Rel(examples, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// exampleCommand returns the command that runs one of them with the SDKs of .ci/run.
func exampleCommand(t *testing.T, example string) *exec.Cmd {
	t.Helper()
	switch filepath.Ext(example) {
	case ".py":
		return exec.Command(tool(t, "AI_GATEWAY_TEST_PYTHON", "a Python that has openai, anthropic and google-genai"), filepath.Join(examples, example))
	case ".mjs": // beside the installed packages, where Node looks for them
		modules := tool(t, "AI_GATEWAY_TEST_NODE", "a folder whose node_modules has the SDKs")
		code, err := os.ReadFile(filepath.Join(examples, example))
		if err != nil {
			t.Fatal(err)
		}
		dir, err := os.MkdirTemp(modules, "example")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		file := filepath.Join(dir, filepath.Base(example))
		if err := os.WriteFile(file, code, 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command("node", file)
	}
	cmd := exec.Command("go", "run", "./"+filepath.Base(filepath.Dir(example)))
	cmd.Dir = filepath.Join(examples, "go")
	return cmd
}
