package tui

import (
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"github.com/your-org/ai-api-gateway/web/locales"
)

func drawer(profile termenv.Profile) *markdown {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(profile)
	return newMarkdown(newTheme(r, "dark"))
}

func TestMarkdown(t *testing.T) {
	f := func(source, want string) {
		t.Helper()
		for _, p := range []termenv.Profile{termenv.Ascii, termenv.TrueColor} {
			got := strings.Join(drawer(p).draw(source, 30), "\n")
			if p == termenv.TrueColor { // a name of code is told by its colour there
				want = strings.ReplaceAll(want, "`", "")
			}
			if got = ansi.Strip(got); trimmed(got) != want {
				t.Errorf("profile %v of %q:\n%s\nwant:\n%s", p, source, got, want)
			}
		}
	}
	f("", "")
	f("# Title\n\nText with **strong**, *leaning*,\n~~struck~~ and `code`.", "# Title\n\nText with strong, leaning,\nstruck and `code`.")
	f("- one\n- two\n  1. deep\n  2. deeper\n", "• one\n• two\n  1. deep\n  2. deeper")
	f("- [x] done\n- [ ] open", "• ☑ done\n• ☐ open")
	f("3) three\n\n4) four", "3) three\n\n4) four")
	f("> said\n>\n> twice", "│ said\n│\n│ twice")
	f("[the page](https://x.test/a) <https://y.test> ![cat](c.png)", "the page (https://x.test/a)\nhttps://y.test 🖼 cat (c.png)")
	f("see https://z.test/b", "see https://z.test/b")
	f("a  \nb", "a\nb")
	f("---", strings.Repeat("─", 30))
	f("a &lt;b&gt; &#27;[31m <i>x</i>", "a <b> [31m <i>x</i>")
	f("<div>\nraw\n</div>", "<div>\nraw\n</div>")
	f("```go\nfunc f() {\n\treturn 1 // "+"one that is a long remark\n}\n```", "  func f() {\n      return 1 // one that is\n  a long remark\n  }")
	f("    indented", "  indented")
	f("| a | b |\n|---|--:|\n| 1 | 22 |\n| 333 | 4 |", " a   │  b\n─────┼────\n 1   │ 22\n 333 │  4")
	f("你好世界你好世界你好世界你好世界", "你好世界你好世界你好世界你好世\n界")
	f("unfinished **bold and [x](", "unfinished **bold and [x](")
	f("```py\nx = 'open", "  x = 'open")
}

func trimmed(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.Join(lines, "\n")
}

func TestHighlight(t *testing.T) {
	f := func(language, code, want string) {
		t.Helper()
		fam := familyOf(language)
		var got []string
		for len(code) > 0 {
			n, look := fam.next(code)
			if word := code[:n]; look != 0 && (look != 'w' || keywords[word]) {
				got = append(got, string(look)+":"+word)
			}
			code = code[n:]
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", language, got, want)
		}
	}
	f("go", `return 42, "a\"b" // end`, `w:return n:42 s:"a\"b" c:// end`)
	f("rust", `fn f<'a>(x: &'a str) /* x`, `w:fn w:str c:/* x`)
	f("python", "def f(): # it's\n  '''a\n'b'''", "w:def c:# it's s:'''a\n'b'''")
	f("sql", "SELECT x -- y\nFROM t", "w:SELECT c:-- y w:FROM")
	f("html", `<a href="x"><!-- c -->`, `s:"x" c:<!-- c -->`)
	f("brainloop", `if (x == 'y') →`, `w:if s:'y'`)
}

// FuzzMarkdown: whatever a model writes is drawn in lines that fit, without control
// characters, and no letter of code is lost.
func FuzzMarkdown(f *testing.F) {
	f.Add("# a\n\n> - b\n>   1. ```go\nx\n```\n\n| a |\n|---|\n| *b* |\n", 40)
	f.Add(strings.Repeat("> ", 200)+strings.Repeat("- ", 200)+"x", 10)
	f.Add("&#x1b;[2J [a](b \"c\") ![d](e)\r\n<b\n\n---", 20)
	f.Fuzz(func(t *testing.T, source string, w int) {
		if len(source) > 4<<10 {
			return
		}
		w = 10 + (w%90+90)%90
		for _, l := range drawer(termenv.Ascii).draw(locales.CleanLines(source), w) {
			if strings.ContainsAny(l, "\x1b\r\n\x00") {
				t.Errorf("control characters in %q", l)
			}
		}
		code := strings.ReplaceAll(locales.CleanLines("func 1 '"+source), "\t", " ")
		if got := ansi.Strip((&drawing{markdown: drawer(termenv.TrueColor)}).highlight(code, "go")); got != code {
			t.Errorf("%q became %q", code, got)
		}
	})
}
