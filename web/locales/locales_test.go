package locales

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var place = regexp.MustCompile(`\{\d\}`)

// TestCatalogues: every language has the same keys with the same places for values.
func TestCatalogues(t *testing.T) {
	base := Load("en")
	if len(base.Keys()) < 5 {
		t.Fatalf("only %d texts", len(base.Keys()))
	}
	for _, lang := range Languages[1:] {
		c := Load(lang)
		for _, k := range c.Keys() {
			if !base.Has(k) {
				t.Errorf("%s: %q is no key of en", lang, k)
			}
		}
		for _, k := range base.Keys() {
			if !c.Has(k) {
				t.Errorf("%s: %q is missing", lang, k)
				continue
			}
			a, b := place.FindAllString(base.T(k), -1), place.FindAllString(c.T(k), -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s: %q has places %v, en has %v", lang, k, b, a)
			}
			if strings.TrimSpace(c.T(k)) == "" {
				t.Errorf("%s: %q is empty", lang, k)
			}
		}
	}
}

func TestPick(t *testing.T) {
	f := func(want string, tags ...string) {
		t.Helper()
		if got := Pick(tags...); got != want {
			t.Errorf("Pick(%q) = %q, want %q", tags, got, want)
		}
	}
	f("en")
	f("en", "")
	f("zh-CN", "", "zh_CN.UTF-8")
	f("zh-CN", "zh")
	f("zh-CN", "zh-Hans")
	f("en", "C.UTF-8", "zh")
	f("en", "de_DE")
}

func TestT(t *testing.T) {
	c := &Catalogue{text: map[string]string{"a": "{1} of {0}"}, base: map[string]string{"b": "B"}}
	if got := c.T("a", 3, "x") + c.T("b") + c.T("c"); got != "x of 3Bc" {
		t.Errorf("got %q", got)
	}
}

func TestFormats(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(Money(0), "$0.00")
	f(Money(12_340_000_000), "$12.34")
	f(Money(-1_234_567), "-$0.001235")
	f(Money(9_999_999_999_999), "$10,000.00")
	f(Short(999), "999")
	f(Short(12_345), "12.3k")
	f(Percent(1, 3), "33.3%")
	f(Percent(1, 0), "–")
	f(Clean("a\x1b[31mb\nc\u202e"), "a[31mb c")
	f(CleanLines("a\nb\x07"), "a\nb")
}

// otherAccounts are words for accounts and providers that are not ours.
var otherAccounts = []string{"账户", "账号", "帐户", "提供商", "服务商"}

// TestChineseWords: one word for one thing. What callers show is 令牌, what a provider
// gave and the master key are 密钥; keys are 作废, models count token; a provider is a
// 供应商, an account there a 渠道, on the page, in the terminal and on paper.
func TestChineseWords(t *testing.T) {
	zh := Load("zh-CN")
	callers, vendors := 0, 0
	for _, key := range zh.Keys() {
		text := zh.T(key)
		for _, other := range append([]string{"词元", "吊销", "令牌数", "管理员密钥", "API 密钥"}, otherAccounts...) {
			if strings.Contains(text, other) && key != "cli.head.api_key" && key != "tui.providers.key" && key != "tui.providers.new_keys" { // the provider's
				t.Errorf("%s says %s: %s", key, other, text)
			}
		}
		part := strings.Join(strings.SplitN(key, ".", 4)[:2], ".")
		switch {
		case part == "web.keys" || part == "tui.keys" || strings.HasPrefix(key, "cli.short.api_key"):
			callers++
			if strings.Contains(text, "密钥") {
				t.Errorf("%s is of callers' keys, 令牌: %s", key, text)
			}
		case part == "web.providers" || part == "tui.providers" || strings.HasPrefix(key, "cli.short.providers") || strings.HasPrefix(key, "cli.short.secrets"):
			vendors++
			if strings.Contains(text, "令牌") {
				t.Errorf("%s is of providers' keys, 密钥: %s", key, text)
			}
		}
	}
	pages, err := filepath.Glob("../../docs/*.zh-CN.md")
	if err != nil || len(pages) < 4 {
		t.Fatal("no pages", err)
	}
	for _, page := range append(pages, "../../README.zh-CN.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range otherAccounts {
			if strings.Contains(string(text), other) {
				t.Errorf("%s says %s", page, other)
			}
		}
	}
	if callers < 50 || vendors < 50 {
		t.Errorf("only %d and %d texts were looked at", callers, vendors)
	}
}
