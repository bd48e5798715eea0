package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
)

// docsRoot is the folder of the repository.
const docsRoot = "../.."

// executed are the pages whose shell snippets are run.
var executed = []string{"README.md", "README.zh-CN.md", "docs/quickstart*.md", "docs/clients*.md", "docs/operations*.md", "docs/security*.md", "docs/faq*.md", "docs/migrating*.md"}

// notRun are the words of snippets that need what a test has not, with the reason.
var notRun = []struct{ word, why string }{
	{".ci/run", "it runs this test"},
	{"docker-compose", "needs a container engine"},
	{"docker compose", "needs a container engine"},
	{"kubectl", "needs a cluster"},
	{"helm ", "needs a cluster"},
	{"sudo ", "changes the machine"},
	{"go install", "changes the machine"},
	{"git clone", "needs the network"},
}

// linesNotRun are lines of snippets that need what a test has not, with the reason.
var linesNotRun = []struct {
	line *regexp.Regexp
	why  string
}{
	{regexp.MustCompile(`(?m)^ai-gateway launch .*\n`), "a line needs the tool that it launches"},
	{regexp.MustCompile(`(?m)^ai-gateway tui\b.*\n`), "a line needs a terminal"},
	{regexp.MustCompile(`(?m)^ai-gateway doctor --online\b.*\n`), "a line asks the vendors themselves"},
}

// TestDocs runs the shell snippets of the pages for newcomers, in their order, against
// a gateway of each page's own whose vendors are the demo engine. Only the address, the
// folder of the data and the placeholders of keys are filled in.
func TestDocs(t *testing.T) {
	ran, left := 0, map[string]int{}
	for _, pattern := range executed {
		pages, err := filepath.Glob(filepath.Join(docsRoot, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			t.Run(filepath.Base(page), func(t *testing.T) { ran += runPage(t, page, left) })
		}
	}
	t.Logf("%d shell snippets executed, not run: %v", ran, left)
	if ran < 10 {
		t.Errorf("only %d snippets were run", ran)
	}
}

// runPage runs the snippets of one page and returns how many.
func runPage(t *testing.T, page string, left map[string]int) (ran int) {
	md, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	mock := demoUpstream(t)
	g := serve(t, "", []string{"AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + mock + "/v1", "AI_GATEWAY_PROVIDER_ANTHROPIC_BASE_URL=" + mock})
	host := strings.TrimPrefix(g.url, "http://")
	fill := strings.NewReplacer("go run ./cmd/ai-gateway", "ai-gateway", "127.0.0.1:8080", host, "localhost:8080", host, "~/.local/share/ai-gateway", g.dir,
		"sk-gw-…", g.admin, "<admin-key>", g.admin, "<your-api-key>", g.admin, "curl ", "curl -sS --fail-with-body --max-time 30 ")
	for _, snippet := range shellSnippets(string(md)) {
		for _, l := range linesNotRun {
			snippet = l.line.ReplaceAllStringFunc(snippet, func(string) string { left[l.why]++; return "" })
		}
		if strings.TrimSpace(snippet) == "" {
			continue
		}
		if why := reasonNot(snippet); why != "" {
			left[why]++
			continue
		}
		ran++
		if strings.TrimSpace(snippet) == "go run ./cmd/ai-gateway serve" || strings.TrimSpace(snippet) == "ai-gateway serve" {
			continue // it runs: what follows asks it
		}
		if out, err := g.run(fill.Replace(snippet)); err != nil {
			t.Errorf("%s: %v\n%s\n%s", filepath.Base(page), err, snippet, out)
		}
	}
	return ran
}

func reasonNot(snippet string) string {
	for _, n := range notRun {
		if strings.Contains(snippet, n.word) {
			return n.why
		}
	}
	return ""
}

// shellSnippets returns the fenced blocks of shell commands, in their order.
func shellSnippets(md string) (out []string) {
	for _, m := range regexp.MustCompile("(?ms)^```(?:bash|sh)\n(.*?)^```").FindAllStringSubmatch(md, -1) {
		out = append(out, m[1])
	}
	return out
}

// demoUpstream serves the demo engine as a vendor and returns its address.
func demoUpstream(t *testing.T) string {
	t.Helper()
	addr := freePort(t)
	cmd := exec.Command(filepath.Join(binary(t), "ai-gateway"), "mock", "--listen", addr, "--ttft", "1ms", "--tps", "0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if resp, err := http.Get("http://" + addr + "/v1/models"); err == nil {
			_ = resp.Body.Close()
			return "http://" + addr
		}
	}
	t.Fatal("the demo upstream does not answer")
	return ""
}

// TestDocsLinks: every link of a page to another file, and to a heading, leads somewhere.
func TestDocsLinks(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md", "examples/*/*.md", "deploy/*.md"} {
		found, err := filepath.Glob(filepath.Join(docsRoot, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	links := 0
	link := regexp.MustCompile(`\]\(([^()\s]+)\)`)
	for _, page := range pages {
		md, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(string(md), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			links++
			file, heading, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), filepath.FromSlash(file))
			}
			b, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s: %s leads nowhere", filepath.ToSlash(page), m[1])
			} else if heading != "" && path.Ext(target) == ".md" && !hasHeading(string(b), heading) {
				t.Errorf("%s: %s has no such heading", filepath.ToSlash(page), m[1])
			}
		}
	}
	t.Logf("%d links of %d pages", links, len(pages))
	if links < 20 {
		t.Errorf("only %d links were found", links)
	}
}

// hasHeading reports whether a page has a heading of that anchor.
func hasHeading(md, anchor string) bool {
	for _, m := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(md, -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				b.WriteRune(r)
			}
		}
		if b.String() == anchor {
			return true
		}
	}
	return false
}

// TestDocsExamplesAreJSON: JSON in pages is JSON.
func TestDocsExamplesAreJSON(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(docsRoot, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, filepath.Join(docsRoot, "README.md"), filepath.Join(docsRoot, "README.zh-CN.md")) {
		md, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?ms)^```json\n(.*?)^```").FindAllStringSubmatch(string(md), -1) {
			if !json.Valid([]byte(m[1])) {
				t.Errorf("%s: no JSON:\n%s", filepath.Base(page), m[1])
			}
		}
	}
}
