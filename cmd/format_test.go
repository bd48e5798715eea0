package cmd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

func TestDollars(t *testing.T) {
	f := func(nano api.USD, want string) {
		t.Helper()
		if got := dollars(nano); got != want {
			t.Errorf("%d: %s, want %s", nano, got, want)
		}
	}
	f(0, "$0.00")
	f(1, "$0.000000001")
	f(1_234_567, "$0.001235")
	f(1_234_000, "$0.001234")
	f(9_999_960, "$0.01")
	f(9_999_400, "$0.009999")
	f(10_000_000, "$0.01")
	f(14_999_999, "$0.01")
	f(15_000_000, "$0.02")
	f(12_340_000_000, "$12.34")
	f(1_234_567_895_000_000, "$1,234,567.90")
	f(-12_340_000_000, "-$12.34")
}

func TestShort(t *testing.T) {
	f := func(n int64, want string) {
		t.Helper()
		if got := short(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	f(0, "0")
	f(999, "999")
	f(1000, "1.00k")
	f(12_345, "12.3k")
	f(999_499, "999k")
	f(999_500, "1.00M")
	f(4_560_000, "4.56M")
	f(61_200_000, "61.2M")
	f(7_000_000_000, "7.00G")
}

func TestTook(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := took(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	f(1500*time.Microsecond, "1.5 ms")
	f(840*time.Millisecond, "840 ms")
	f(999700*time.Microsecond, "1.0 s")
	f(1900*time.Millisecond, "1.9 s")
	f(59960*time.Millisecond, "1m0s")
	f(125*time.Second, "2m5s")
}

func TestTable(t *testing.T) {
	rows := table{
		columns: []column{{head: "NAME"}, {head: "N", right: true}, {head: "NOTE"}},
		rows:    [][]cell{{str("团队 a"), count(1234), str("=1+1")}, {str("b"), count(-5), str("x\x1b[31my\nz")}},
		total:   []cell{str("TOTAL"), count(1229), {}},
	}
	f := func(output, want string) {
		t.Helper()
		var out bytes.Buffer
		a := &app{stdout: &out, stderr: &out, output: output, env: map[string]string{}}
		if err := show(a, rows.rows, rows.rows, rows); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s: got\n%s\nwant\n%s", output, out.String(), want)
		}
	}
	f("table", "NAME        N  NOTE\n团队 a  1,234  =1+1\nb          -5  x[31my z\nTOTAL   1,229\n")
	f("csv", "name,n,note\n团队 a,1234,'=1+1\nb,-5,\"x\x1b[31my\nz\"\n")
	var out bytes.Buffer
	a := &app{stdout: &out, output: "table", env: map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}}
	if err := a.writeTable(rows); err != nil || strings.Contains(out.String(), "\x1b") {
		t.Errorf("NO_COLOR: %q %v", out.String(), err)
	}
	a.env = map[string]string{"CLICOLOR_FORCE": "1"}
	if err := a.writeTable(rows); err != nil || !strings.Contains(out.String(), "\x1b[2mNAME") {
		t.Errorf("CLICOLOR_FORCE: %q %v", out.String(), err)
	}
}

func TestNarrow(t *testing.T) {
	tab := table{columns: []column{{head: "A"}, {head: "B", flex: true}}}
	widths := []int{10, 60}
	tab.narrow(widths, 40)
	if widths[0] != 10 || widths[1] != 28 {
		t.Errorf("widths %v", widths)
	}
	if got := shorten("团队团队", 6); got != "团队…" || width(got) != 5 {
		t.Errorf("shortened to %q", got)
	}
}

func TestParseTarget(t *testing.T) {
	places := map[string]string{"openai": "provider", "prod": "account"}
	f := func(text string, want api.MappingTarget) {
		t.Helper()
		got, err := parseTarget(text, places)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	f("gpt-4", api.MappingTarget{Model: "gpt-4", Priority: -1})
	f("openai/gpt-4", api.MappingTarget{Provider: "openai", Model: "gpt-4", Priority: -1})
	f("prod/gpt-4,weight=3,priority=0", api.MappingTarget{Account: "prod", Model: "gpt-4", Weight: 3})
	f("qwen/qwen3", api.MappingTarget{Model: "qwen/qwen3", Priority: -1})
	for _, text := range []string{"", "a,weight", "a,weight=-1", "a,colour=3"} {
		if _, err := parseTarget(text, places); exitCode(err) != exitUsage {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCheapestChat(t *testing.T) {
	price := func(in, out api.USD) *api.Price { return &api.Price{Input: in, Output: out} }
	models := []api.CatalogueModel{
		{ID: "dear", Accounts: []string{"a"}, Operation: "chat", Priced: true, Price: price(5, 5)},
		{ID: "unpriced", Accounts: []string{"a"}, Operation: "chat"},
		{ID: "spoken", Accounts: []string{"a"}, Operation: "chat", Priced: true, Price: &api.Price{InputAudio: 1}},
		{ID: "embed", Accounts: []string{"a"}, Operation: "embeddings", Priced: true, Price: price(1, 0)},
		{ID: "other", Accounts: []string{"b"}, Operation: "chat", Priced: true, Price: price(1, 1)},
		{ID: "cheap", Accounts: []string{"b", "a"}, Operation: "chat", Priced: true, Price: price(1, 2)},
	}
	if got := cheapestChat(models, "a"); got != "cheap" {
		t.Errorf("got %q", got)
	}
	if got := cheapestChat(models[1:2], "a"); got != "unpriced" {
		t.Errorf("got %q", got)
	}
	if got := cheapestChat(models, "none"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestCleanText(t *testing.T) {
	if got := cleanText("a\x1b]0;x\x07\u202eb\r\nc\u009b"); got != "a]0;xb  c" {
		t.Errorf("got %q", got)
	}
	if got := cleanLines("a\tb\nc\x1b[2J"); got != "a\tb\nc[2J" {
		t.Errorf("got %q", got)
	}
}

func TestSameGateway(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		if got := sameGateway(a, b); got != want {
			t.Errorf("%s and %s: %v", a, b, got)
		}
	}
	f("http://localhost:8080/v1", "http://127.0.0.1:8080", true)
	f("http://[::1]:8080", "http://127.0.0.1:8080/", true)
	f("http://127.0.0.1:8081", "http://127.0.0.1:8080", false)
	f("https://127.0.0.1:8080", "http://127.0.0.1:8080", false)
	f("http://127.0.0.1:8080.evil.example", "http://127.0.0.1:8080", false)
}
