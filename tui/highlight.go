package tui

import (
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// keywords are those of the languages that models write most. A word that is one of
// some language and a name in another is drawn as a keyword there, too: less wrong
// than a grammar for each language is large.
var keywords = func() map[string]bool {
	known := map[string]bool{}
	for _, w := range strings.Fields(`
		abstract alias and any as assert async await auto begin bool boolean break byte case catch chan char class const constexpr continue crate
		data def default defer del delete do done double dyn elif else elsif end ensure enum esac except explicit export extends extern
		fallthrough false False fi final finally float fn for foreach from fun func function global go goto guard if impl implements import in
		include init instanceof int interface internal is lambda let local long loop macro match mod module move mut mutable namespace native
		new nil None nonlocal not null nullptr object of open operator or out override package pass private protected protocol pub public
		raise range readonly ref register require rescue return sealed select self Self short signed sizeof static str string struct super
		switch synchronized template then this throw throws trait transient true True try type typedef typename typeof undefined union
		unless unsafe unsigned until use using val var virtual void volatile when where while with yield
		SELECT FROM WHERE AND OR NOT INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE INDEX VIEW DROP ALTER ADD COLUMN PRIMARY KEY FOREIGN
		REFERENCES JOIN LEFT RIGHT INNER OUTER ON AS GROUP BY ORDER HAVING LIMIT OFFSET UNION ALL DISTINCT NULL IS IN LIKE BETWEEN EXISTS
		CASE WHEN THEN ELSE END BEGIN COMMIT ROLLBACK WITH RETURNING
		RUN CMD COPY ENTRYPOINT ENV EXPOSE WORKDIR ARG USER VOLUME echo exit set export`) {
		known[w] = true
	}
	return known
}()

// A family is how languages write comments and texts.
type family struct {
	line   []string // begin a comment to the end of the line
	block  [2]string
	quotes string
	long   []string // quotes of texts that go over lines
	plain  bool     // nothing of it is code
}

var (
	cFamily  = &family{line: []string{"//"}, block: [2]string{"/*", "*/"}, quotes: `"'`, long: []string{"`"}}
	rust     = &family{line: []string{"//"}, block: [2]string{"/*", "*/"}, quotes: `"`} // ' begins lifetimes, too
	hash     = &family{line: []string{"#"}, quotes: `"'`, long: []string{`"""`, `'''`}}
	dashes   = &family{line: []string{"--"}, block: [2]string{"/*", "*/"}, quotes: `"'`}
	markup   = &family{block: [2]string{"<!--", "-->"}, quotes: `"`}
	lisp     = &family{line: []string{";"}, quotes: `"`}
	prose    = &family{plain: true}
	families = map[*family][]string{
		hash: {"python", "py", "python3", "sh", "bash", "zsh", "shell", "console", "fish", "ruby", "rb", "perl", "pl", "yaml", "yml", "toml", "r", "make", "makefile",
			"dockerfile", "docker", "cmake", "elixir", "ex", "julia", "jl", "nix", "conf", "properties", "nginx", "graphql", "powershell", "ps1", "tcl", "awk", "terraform", "hcl", "tf"},
		dashes: {"sql", "psql", "mysql", "sqlite", "postgresql", "plsql", "lua", "haskell", "hs", "elm", "ada", "vhdl"},
		markup: {"html", "xml", "svg", "vue", "svelte", "xhtml"},
		rust:   {"rust", "rs"},
		lisp:   {"lisp", "clojure", "clj", "scheme", "elisp", "asm", "nasm", "ini"},
		prose:  {"", "text", "txt", "plain", "plaintext", "markdown", "md", "csv", "log", "output", "diff", "patch"},
	}
)

func familyOf(language string) *family {
	language = strings.ToLower(language)
	for f, names := range families {
		if slices.Contains(names, language) {
			return f
		}
	}
	return cFamily
}

// highlight draws code: comments, texts, numbers and keywords each in a look of theirs.
func (d *drawing) highlight(code, language string) string {
	f := familyOf(language)
	switch {
	case d.th.mono:
		return code
	case strings.EqualFold(language, "diff") || strings.EqualFold(language, "patch"):
		return d.difference(code)
	case f.plain:
		return code
	}
	var b strings.Builder
	for len(code) > 0 {
		n, look := f.next(code)
		part := code[:n]
		code = code[n:]
		switch look {
		case 'c':
			part = eachLine(part, d.th.muted.Render)
		case 's':
			part = eachLine(part, d.th.ok.Render)
		case 'n':
			part = d.th.warn.Render(part)
		case 'w':
			if keywords[part] {
				part = d.th.accent.Render(part)
			}
		}
		b.WriteString(part)
	}
	return b.String()
}

// next tells how long the part at the begin of code is, and what: a comment, a text
// (s), a number, a word, or none of these (0).
func (f *family) next(code string) (n int, look byte) {
	for _, mark := range f.line {
		if strings.HasPrefix(code, mark) {
			return upTo(code, 0, "\n"), 'c'
		}
	}
	if open := f.block[0]; open != "" && strings.HasPrefix(code, open) {
		return past(code, len(open), f.block[1]), 'c'
	}
	for _, q := range f.long {
		if strings.HasPrefix(code, q) {
			return past(code, len(q), q), 's'
		}
	}
	c := code[0]
	if strings.IndexByte(f.quotes, c) >= 0 {
		for i := 1; i < len(code) && code[i] != '\n'; i++ {
			switch code[i] {
			case '\\':
				i++
			case c:
				return i + 1, 's'
			}
		}
		return 1, 0 // an apostrophe, a lifetime
	}
	word := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	i := strings.IndexFunc(code, func(r rune) bool { return !word(r) })
	switch {
	case i < 0:
		i = len(code)
	case i == 0:
		return max(1, strings.IndexFunc(code[1:], func(r rune) bool { return r != ' ' })+1), 0
	}
	if c >= '0' && c <= '9' {
		return i, 'n'
	}
	return i, 'w'
}

// upTo is where end begins in s, from from on, or where s ends; past is behind it.
func upTo(s string, from int, end string) int {
	if i := strings.Index(s[from:], end); i >= 0 {
		return from + i
	}
	return len(s)
}

func past(s string, from int, end string) int { return min(len(s), upTo(s, from, end)+len(end)) }

// difference draws what is added and what is taken away.
func (d *drawing) difference(code string) string {
	return eachLine(code, func(part ...string) string {
		switch line := part[0]; {
		case strings.HasPrefix(line, "+"):
			return d.th.ok.Render(line)
		case strings.HasPrefix(line, "-"):
			return d.th.bad.Render(line)
		case strings.HasPrefix(line, "@@"):
			return d.th.accent.Render(line)
		default:
			return line
		}
	})
}

// eachLine draws each line of s, so that none has the look of the one before.
func eachLine(s string, draw func(...string) string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = draw(l)
		}
	}
	return strings.Join(lines, "\n")
}

func hardwrap(s string, w int) string { return ansi.Hardwrap(s, max(1, w), true) }
