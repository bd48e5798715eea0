package tui

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// A filter chooses requests: all of its terms must hold. The empty one chooses all.
//
//	status>=500 model:gpt* !key:ci cost>0.01 took>2s timeout
//
// A word alone is looked for in all names and in the error. Texts are compared
// without regard to case, '*' and '?' stand for anything.
type filter struct {
	text  string
	terms []term
}

type term struct {
	not   bool
	field string // empty: anywhere
	op    string // ":", "=", "!=", ">", ">=", "<", "<="
	text  string
	num   float64
}

const maxFilter = 500 // characters

var (
	textFields   = []string{"id", "model", "upstream", "key", "group", "user", "provider", "account", "op", "dialect", "reason", "error", "phase"}
	numberFields = []string{"status", "cost", "ttft", "took", "in", "out", "tries"}
)

// parseFilter reads a filter; an error says what is wrong with it.
func parseFilter(s string) (filter, error) {
	f := filter{text: strings.TrimSpace(s)}
	if len(f.text) > maxFilter {
		return filter{}, locales.Errorf("a filter has at most %d characters", maxFilter)
	}
	words, err := splitWords(f.text)
	if err != nil {
		return filter{}, err
	}
	for _, w := range words {
		t, err := parseTerm(w)
		if err != nil {
			return filter{}, err
		}
		f.terms = append(f.terms, t)
	}
	return f, nil
}

// splitWords splits at spaces that are not within quotes.
func splitWords(s string) ([]string, error) {
	var out []string
	var b strings.Builder
	quoted, any := false, false
	for _, r := range s {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case (r == ' ' || r == '\t') && !quoted:
			if any {
				out = append(out, b.String())
			}
			b.Reset()
			any = false
		default:
			b.WriteRune(r)
			any = true
		}
	}
	if quoted {
		return nil, locales.Errorf("a quote is open: close it with \"")
	}
	if any {
		out = append(out, b.String())
	}
	return out, nil
}

func parseTerm(w string) (term, error) {
	var t term
	if strings.HasPrefix(w, "!") && len(w) > 1 {
		t.not, w = true, w[1:]
	}
	i := strings.IndexAny(w, ":=<>!")
	if i <= 0 {
		t.text = strings.ToLower(w)
		return t, nil
	}
	t.field, t.op = strings.ToLower(w[:i]), w[i:i+1]
	rest := w[i+1:]
	if strings.HasPrefix(rest, "=") && t.op != ":" && t.op != "=" {
		t.op, rest = t.op+"=", rest[1:]
	}
	t.text = strings.ToLower(rest)
	if slices.Contains(textFields, t.field) {
		if t.op != ":" && t.op != "=" && t.op != "!=" {
			return t, locales.Errorf("%s is text: write %s:%s", t.field, t.field, rest)
		}
		if _, err := path.Match(t.text, ""); err != nil {
			return t, locales.Errorf("%q is no pattern", rest)
		}
		return t, nil
	}
	if !slices.Contains(numberFields, t.field) {
		return t, locales.Errorf("no field %q; there are %s, %s", t.field, strings.Join(textFields, ", "), strings.Join(numberFields, ", "))
	}
	if t.op == "!" {
		return t, locales.Errorf("write %s!=%s", t.field, rest)
	}
	n, err := number(t.text)
	if err != nil {
		return t, locales.Errorf("%s is a number: write %s>=500, not %q", t.field, t.field, w)
	}
	t.num = n
	return t, nil
}

// number reads 500, 0.01, $0.01, 12k, 4M, and times as milliseconds: 250ms, 2s, 1m30s.
// A class such as 5xx is its hundred.
func number(s string) (float64, error) {
	s = strings.TrimPrefix(s, "$")
	if len(s) == 3 && strings.HasSuffix(s, "xx") {
		s = s[:1] + "00"
	}
	factor := 1.0
	if n, ok := strings.CutSuffix(s, "k"); ok {
		s, factor = n, 1e3
	} else if d, err := time.ParseDuration(s); err == nil && strings.ContainsAny(s, "smh") {
		return float64(d) / float64(time.Millisecond), nil
	}
	n, err := strconv.ParseFloat(s, 64)
	return n * factor, err
}

// match reports whether r is chosen.
func (f filter) match(r *request) bool {
	for i := range f.terms {
		if f.terms[i].holds(r) == f.terms[i].not {
			return false
		}
	}
	return true
}

func (t *term) holds(r *request) bool {
	if t.field == "" {
		for _, name := range textFields {
			if strings.Contains(strings.ToLower(r.text(name)), t.text) {
				return true
			}
		}
		return false
	}
	if slices.Contains(textFields, t.field) {
		ok := slices.ContainsFunc(r.texts(t.field), func(v string) bool {
			ok, _ := path.Match(strings.ReplaceAll(t.text, "/", "\x00"), strings.ReplaceAll(strings.ToLower(v), "/", "\x00")) // a name's slashes are letters
			return ok
		})
		return ok == (t.op != "!=")
	}
	v, known := r.number(t.field)
	if !known {
		return false
	}
	switch t.op {
	case ">":
		return v > t.num
	case ">=":
		return v >= t.num
	case "<":
		return v < t.num
	case "<=":
		return v <= t.num
	case "!=":
		return v != t.num
	}
	if strings.HasSuffix(t.text, "xx") { // status:5xx
		return v >= t.num && v < t.num+100
	}
	return v == t.num
}
