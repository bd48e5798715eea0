package settings

import (
	"bytes"
	"strings"
	"testing"
)

// Each case: before, edits, after; then the inverse leads back.
func TestApply(t *testing.T) {
	f := func(format Format, before string, edits []Edit, want string) {
		t.Helper()
		got, err := Apply(format, []byte(before), edits)
		if err != nil {
			t.Errorf("%s %q: %v", format, before, err)
			return
		}
		if string(got) != want {
			t.Errorf("%s:\n%s\nbecame:\n%s\nwant:\n%s", format, before, got, want)
		}
		again, err := Apply(format, got, edits)
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("%s: the second time it became:\n%s %v", format, again, err)
		}
		back, err := Apply(format, got, Inverse(format, []byte(before), edits))
		if err != nil || tight(string(back)) != tight(before) {
			t.Errorf("%s: undone it is:\n%q, %v, want:\n%q", format, back, err, before)
		}
	}
	server := map[string]any{"base_url": "http://x/v1", "n": 1}
	codex := []Edit{{[]string{"model"}, "m"}, {[]string{"p", "gw"}, server}}
	f(TOML, "", codex, "model = \"m\"\n\n[p.gw]\nbase_url = \"http://x/v1\"\nn = 1\n")
	f(TOML, "# mine\nmodel = \"old\" # because\na = [1,\n 2]\n\n[t] # table\nx = 1\n", codex,
		"# mine\nmodel = \"m\" # because\na = [1,\n 2]\n\n[t] # table\nx = 1\n\n[p.gw]\nbase_url = \"http://x/v1\"\nn = 1\n")
	f(TOML, "# head\n\n[t]\nx = 1\n", codex, "model = \"m\"\n\n# head\n\n[t]\nx = 1\n\n[p.gw]\nbase_url = \"http://x/v1\"\nn = 1\n")
	f(TOML, "[p.gw]\nbase_url = \"old\"\n\n# about t\n[t]\nx = 1\n", codex[1:], "[p.gw]\nbase_url = \"http://x/v1\"\nn = 1\n\n# about t\n[t]\nx = 1\n")
	f(TOML, "[p.other]\na = 1", codex[1:], "[p.other]\na = 1\n\n[p.gw]\nbase_url = \"http://x/v1\"\nn = 1\n")

	f(JSON, "", []Edit{{[]string{"a", "b"}, "c"}}, "{\n  \"a\": {\n    \"b\": \"c\"\n  }\n}\n")
	f(JSON, "{\n    // mine\n    \"z\": [1, 2], /* two */\n    \"a\": {\"x\": 1}\n}\n", []Edit{{[]string{"a", "b"}, "c"}, {[]string{"m"}, "<n>"}},
		"{\n    // mine\n    \"z\": [1, 2], /* two */\n    \"a\": {\"x\": 1,\n    \"b\": \"c\"\n  },\n    \"m\": \"<n>\"\n}\n")
	f(JSON, "{\n  \"z\": 12345678901234567890123, // big\n}\n", []Edit{{[]string{"m"}, map[string]any{"k": true}}},
		"{\n  \"z\": 12345678901234567890123, // big\n  \"m\": {\n    \"k\": true\n  }\n}\n")

	item := map[string]any{"name": "gw", "model": "m"}
	f(YAML, "", []Edit{{[]string{"models", "name=gw"}, item}}, "models:\n  - model: m\n    name: gw\n")
	f(YAML, "# mine\nname: x # here\nmodels:\n  - name: other\n    model: o # theirs\n", []Edit{{[]string{"models", "name=gw"}, item}},
		"# mine\nname: x # here\nmodels:\n  - name: other\n    model: o # theirs\n  - model: m\n    name: gw\n")
	f(YAML, "a: 1 # one\nb: 2\n", []Edit{{[]string{"a"}, "x"}}, "a: x # one\nb: 2\n")

	f(Env, "", []Edit{{[]string{"A"}, "b c"}}, "A='b c'\n")
	f(Env, "# mine\nexport A=old # why\nB=\"x\"", []Edit{{[]string{"A"}, "new"}, {[]string{"C"}, "d"}}, "# mine\nexport A=new\nB=\"x\"\nC=d\n")
}

// tight leaves out white space, which undoing may change, and comments of lines
// that were replaced.
func tight(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, " # why", ""), "{}", "")
	return strings.Join(strings.Fields(strings.NewReplacer("{", " { ", "}", " } ", ",", " ", "'", "", `"`, "").Replace(s)), " ")
}

// What cannot be edited is refused, and never damaged.
func TestRefuses(t *testing.T) {
	f := func(format Format, before string, path []string, value any) {
		t.Helper()
		if got, err := Apply(format, []byte(before), []Edit{{path, value}}); err == nil {
			t.Errorf("%s %q became %q", format, before, got)
		}
	}
	f(JSON, "[1]", []string{"a"}, "b")
	f(JSON, "null", []string{"a"}, "b")
	f(JSON, "{", []string{"a"}, "b")
	f(JSON, `{"a": 1}`, []string{"a", "b"}, "c")
	f(TOML, "p = {gw = {x = 1}}", []string{"p", "gw"}, map[string]any{"y": 2})
	f(TOML, "p.gw.x = 1", []string{"p", "gw"}, map[string]any{"y": 2})
	f(TOML, "[[p.gw]]\nx = 1", []string{"p", "gw"}, map[string]any{"y": 2})
	f(TOML, "a = [1]", []string{"a"}, "b")
	f(TOML, "a =", []string{"a"}, "b")
	f(YAML, "- a", []string{"a"}, "b")
	f(YAML, "a: b: c", []string{"a"}, "b")
	f(YAML, "models: 3", []string{"models", "name=x"}, map[string]any{"name": "x"})
	f(Env, "", []string{"A"}, "b\nC=d")
}

// FuzzApply: whatever the file holds, the edit is made as Apply promises, or refused.
func FuzzApply(f *testing.F) {
	for _, s := range []string{"", "a = 1\n[t]\nb = 2\n", "{\"a\": {\"b\": 1}, // c\n}", "a:\n  - name: x\n", "A=1\n#x\nexport B='2'\n", "[p.gw]\n", "{\"a\":{},}"} {
		f.Add(s)
	}
	edits := map[Format][]Edit{
		JSON: {{[]string{"a", "b"}, "v"}, {[]string{"m"}, map[string]any{"k": true}}},
		TOML: {{[]string{"m"}, "v"}, {[]string{"p", "gw"}, map[string]any{"k": "v"}}},
		YAML: {{[]string{"m"}, "v"}, {[]string{"a", "name=gw"}, map[string]any{"name": "gw"}}},
		Env:  {{[]string{"A"}, "v w"}},
	}
	f.Fuzz(func(t *testing.T, text string) {
		for format, e := range edits {
			out, err := Apply(format, []byte(text), e)
			if err != nil {
				continue
			}
			for _, one := range e {
				if _, ok := Lookup(format, out, one.Path); !ok {
					t.Errorf("%s %q: %v is not in %q", format, text, one.Path, out)
				}
			}
			if again, err := Apply(format, out, e); err != nil || !bytes.Equal(again, out) {
				t.Errorf("%s %q: the second time %q became %q, %v", format, text, out, again, err)
			}
		}
	})
}
