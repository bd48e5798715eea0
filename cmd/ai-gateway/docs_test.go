package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// docsRoot is the folder of the repository.
const docsRoot = "../.."

// pages are those whose snippets are run, but for notPages.
var pages = []string{"*.md", "docs/*.md", "examples/*.md"}

// notPages are pages whose snippets are not run here, with the reason.
var notPages = map[string]string{
	"cli.md": "examples from the help of the commands: TestDocsExamplesParse reads them, the scripts of cmd/testdata/script run the commands",
}

// notRun are the words of snippets that need what a test has not, with the reason.
var notRun = []struct{ word, why string }{
	{".ci/run", "it runs this test"},
	{"docker-compose", "needs a container engine; TestMonitoring and TestPostgresServe run that graph as processes"},
	{"kubectl", "needs a cluster; .ci/packages renders the chart"},
	{"sudo ", "changes the machine; .ci/packages installs the package in a fresh Debian"},
	{"go install", "changes the machine; .ci/first-minute builds a clone"},
	{"git clone", "needs the network; .ci/first-minute clones"},
	{"postgres://", "needs a database; TestPostgresMigrate and TestStoreMigrate run it"},
	{"store restore", "needs a stopped gateway; the script money.txtar restores"},
}

// linesNotRun are lines of snippets that need what a test has not, with the reason.
var linesNotRun = []struct {
	line *regexp.Regexp
	why  string
}{
	{regexp.MustCompile(`(?m)^ai-gateway launch .*\n`), "a line needs the tool that it launches"},
	{regexp.MustCompile(`(?m)^(go run \./cmd/)?ai-gateway serve\n`), "a line is how the gateway of the page was started"},
	{regexp.MustCompile(`(?m)^ai-gateway tui\b.*\n`), "a line needs a terminal"},
	{regexp.MustCompile(`(?m)^ai-gateway bench .*--compare.*\n`), "a line needs another gateway; TestBench compares"},
	{regexp.MustCompile(`(?m)^ai-gateway doctor --online\b.*\n`), "a line asks the vendors themselves"},
}

// TestDocs runs the snippets of all pages, in their order, against a gateway of each
// page's own whose vendors are the demo engine. Only the address, the folder of the
// data and the placeholders of keys are filled in. The quick start runs under zsh, too.
func TestDocs(t *testing.T) {
	t.Parallel()
	ran, left := 0, map[string]int{}
	for _, page := range globbed(t, pages) {
		md, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := snippets(string(md))
		if why := notPages[filepath.Base(page)]; why != "" {
			left[why] += len(found)
			continue
		}
		if len(found) == 0 {
			continue
		}
		shells := []string{"bash"}
		if strings.Contains(page, "quickstart") {
			shells = append(shells, "zsh")
		}
		for _, shell := range shells {
			t.Run(filepath.Base(page)+" "+shell, func(t *testing.T) { ran += runPage(t, found, program(t, shell), left) })
		}
	}
	t.Logf("%d snippets executed", ran)
	for why, n := range left {
		t.Logf("%d not run: %s", n, why)
	}
	if ran < 90 {
		t.Errorf("only %d snippets were run", ran)
	}
}

// runPage runs the snippets of one page in a shell and returns how many.
func runPage(t *testing.T, found []snippet, shell string, left map[string]int) (ran int) {
	mock := demoUpstream(t)
	g := serve(t, "", []string{"AI_GATEWAY_PROVIDER_OPENAI_BASE_URL=" + mock + "/v1", "AI_GATEWAY_PROVIDER_ANTHROPIC_BASE_URL=" + mock})
	host := strings.TrimPrefix(g.url, "http://")
	oneAPIFile(t, filepath.Join(g.home, "one-api.db"), mock)
	fill := strings.NewReplacer("go run ./cmd/ai-gateway", "ai-gateway", "127.0.0.1:8080", host, "localhost:8080", host, "~/.local/share/ai-gateway", g.dir,
		"sk-gw-…", g.admin, "<your-old-key>", "sk-"+strings.Repeat("a", 47)+"1", "<admin-key>", g.admin, "<your-api-key>", g.admin, "https://… ", mock+" ", "https://…\n", mock+"\n", "curl ", "curl -sS --fail-with-body --max-time 30 ")
	for _, s := range found {
		for _, l := range linesNotRun {
			s.code = l.line.ReplaceAllStringFunc(s.code, func(string) string { left[l.why]++; return "" })
		}
		if strings.TrimSpace(s.code) == "" {
			continue
		}
		if why := reasonNot(s.code); why != "" {
			left[why]++
			continue
		}
		ran++
		code := fill.Replace(s.code)
		if s.language == "python" {
			script := filepath.Join(g.home, "snippet.py")
			if err := os.WriteFile(script, []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			code = tool(t, "AI_GATEWAY_TEST_PYTHON", "a Python that has openai, anthropic and mypy") + " " + script
		} else if comment.MatchString(s.code) {
			t.Errorf("a comment, which zsh takes for words when it is typed:\n%s", s.code)
		}
		if out, err := g.runIn(shell, "{ "+code+"\n} <<<sk-vendor-key"); err != nil {
			t.Errorf("%v\n%s\n%s", err, s.code, out)
		}
	}
	return ran
}

// comment is one in a shell's command.
var comment = regexp.MustCompile(`(?m)(^|\s)#( |$)`)

// oneAPIFile writes a database of one-api with an upstream, as the pages for newcomers have one.
func oneAPIFile(t *testing.T, path, upstream string) {
	t.Helper()
	sql, err := os.ReadFile("testdata/import/one-api.sql")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t, "python3"), "-c", "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.executescript(sys.stdin.read()); c.commit()", path)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(string(sql), "UPSTREAM", upstream))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// globbed returns the files below the repository that the patterns name.
func globbed(t *testing.T, patterns []string) (out []string) {
	t.Helper()
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(docsRoot, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	return out
}

func reasonNot(snippet string) string {
	for _, n := range notRun {
		if strings.Contains(snippet, n.word) {
			return n.why
		}
	}
	return ""
}

// A snippet is a block of a page that can be run.
type snippet struct{ language, code string }

// snippets returns the fenced blocks that can be run, in their order: shell commands,
// Python, and text whose every line is a command of ours.
func snippets(md string) (out []snippet) {
	for _, m := range regexp.MustCompile("(?ms)^```(bash|sh|python|text)\n(.*?)^```").FindAllStringSubmatch(md, -1) {
		if m[1] == "text" && !strings.HasPrefix(m[2], "ai-gateway ") {
			continue
		}
		out = append(out, snippet{m[1], m[2]})
	}
	return out
}

// demoUpstream serves the demo engine as a vendor and returns its address.
func demoUpstream(t *testing.T) string {
	t.Helper()
	addr := freeAddr(t)
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

// TestDocsExamplesParse: the examples of the reference name flags that there are.
func TestDocsExamplesParse(t *testing.T) {
	md, err := os.ReadFile(filepath.Join(docsRoot, "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, s := range snippets(string(md)) {
		for _, example := range regexp.MustCompile(`ai-gateway [^|<)\n]*`).FindAllString(s.code, -1) {
			read++
			example, _, _ = strings.Cut(example, " -- ")
			cmd := exec.Command("bash", "-euc", example+" --help")
			cmd.Env = append(os.Environ(), "PATH="+binary(t)+":"+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", example, err, out)
			}
		}
	}
	t.Logf("%d examples", read)
	if read < 60 {
		t.Errorf("only %d examples were found", read)
	}
}

// TestDocsLinks: every link of a page to another file, and to a heading, leads somewhere.
func TestDocsLinks(t *testing.T) {
	pages := globbed(t, []string{"*.md", "docs/*.md", "examples/*.md", "deploy/*.md"})
	links := 0
	link := regexp.MustCompile(`(?:\]\(|src(?:set)?=")([^()"\s]+)[)"]`)
	for _, page := range pages {
		md, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := withoutBlocks(string(md))
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

// TestDocsPictures: they stay small enough for a clone, and each is shown somewhere.
func TestDocsPictures(t *testing.T) {
	var shown strings.Builder
	for _, page := range globbed(t, pages) {
		md, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(md)
	}
	bytes := 0
	for _, file := range globbed(t, []string{"docs/img/*.png", "docs/img/*.svg", "docs/img/*.cast"}) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		bytes += len(b)
		if !strings.Contains(shown.String(), "img/"+filepath.Base(file)) {
			t.Errorf("no page shows %s", filepath.Base(file))
		}
	}
	if bytes < 1000 || bytes > 1_000_000 {
		t.Errorf("the pictures have %d bytes, they may have a million", bytes)
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

// TestDocsInChinese: a page that exists in both languages has the same headings by
// level, the same snippets, questions and rows of tables.
func TestDocsInChinese(t *testing.T) {
	pairs := 0
	for _, chinese := range globbed(t, []string{"*.zh-CN.md", "docs/*.zh-CN.md"}) {
		pairs++
		zh, err := os.ReadFile(chinese)
		if err != nil {
			t.Fatal(err)
		}
		en, err := os.ReadFile(strings.Replace(chinese, ".zh-CN.md", ".md", 1))
		if err != nil {
			t.Fatal(err)
		}
		for what, shape := range map[string]func(string) []string{"headings": levels, "snippets": bare, "tables and questions": rows} {
			if a, b := shape(string(en)), shape(string(zh)); !slices.Equal(a, b) {
				t.Errorf("%s: other %s than in English:\n%s\n-- English:\n%s", filepath.Base(chinese), what, strings.Join(b, "\n"), strings.Join(a, "\n"))
			}
		}
	}
	if pairs < 5 {
		t.Errorf("only %d pages are in Chinese", pairs)
	}
}

// levels returns the marks of a page's headings.
func levels(md string) []string {
	return regexp.MustCompile(`(?m)^#+`).FindAllString(withoutBlocks(md), -1)
}

// bare returns the snippets without what is translated in them: quoted text and comments.
func bare(md string) (out []string) {
	for _, s := range snippets(md) {
		code := regexp.MustCompile(`(?m)["'][^"'\n]*[^\x00-\x7f"'\n][^"'\n]*["']| *#.*$`).ReplaceAllString(s.code, `""`)
		out = append(out, regexp.MustCompile(`"(Hello|Is anybody|A second)[^"]*"`).ReplaceAllString(code, `""`))
	}
	return out
}

// rows returns how many rows each table has, and the number of questions (of a FAQ).
func rows(md string) (out []string) {
	text := withoutBlocks(md)
	for _, table := range regexp.MustCompile(`(?m)(^\|.*\n)+`).FindAllString(text, -1) {
		out = append(out, fmt.Sprint(strings.Count(table, "\n")))
	}
	return append(out, fmt.Sprint(len(regexp.MustCompile(`(?m)^\*\*[^*\n]+[?？]\*\*`).FindAllString(text, -1))))
}

// withoutBlocks returns a page without its fenced blocks.
func withoutBlocks(md string) string {
	return regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(md, "")
}

// TestDocsClaims: every test by which a page proves a claim is there.
func TestDocsClaims(t *testing.T) {
	claims := 0
	for _, page := range globbed(t, pages) {
		md, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("go test [^`\n]*?-run '?([A-Za-z0-9_|\\\\]+)'?((?: \\./[a-z/-]+)+)").FindAllStringSubmatch(string(md), -1) {
			var tests strings.Builder
			for dir := range strings.FieldsSeq(m[2]) {
				for _, file := range globbed(t, []string{dir + "/*_test.go"}) {
					b, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					tests.Write(b)
				}
			}
			for name := range strings.SplitSeq(strings.ReplaceAll(m[1], `\|`, "|"), "|") {
				claims++
				if !regexp.MustCompile(`(?m)^func [A-Za-z0-9_]*` + name).MatchString(tests.String()) {
					t.Errorf("%s: no test is called %s in%s", filepath.Base(page), name, m[2])
				}
			}
		}
	}
	t.Logf("%d tests are named", claims)
	if claims < 15 {
		t.Errorf("only %d claims were found", claims)
	}
}
