package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPath(t *testing.T) {
	f := func(body, path, want string) {
		t.Helper()
		var steps []string
		if path != "" {
			steps = strings.Split(path, ".")
		}
		start, end, ok := Path([]byte(body), steps...)
		if got := body[start:end]; got != want || ok != (want != "") {
			t.Errorf("%s at %s: got %q %v, want %q", body, path, got, ok, want)
		}
	}
	const chunk = `{"id":"x","choices":[{"index":0,"delta":{"content":"\"usage\":{\"a\":1}"},"finish_reason":null},{"finish_reason":"stop"}],"usage":{"a":{"b":[1,{"c":-2}]}}}`
	f(chunk, "usage.a.b.1.c", "-2")
	f(chunk, "usage.a.b", `[1,{"c":-2}]`)
	f(chunk, "choices.0.finish_reason", "null")
	f(chunk, "choices.1.finish_reason", `"stop"`)
	f(chunk, "choices.2.finish_reason", "")
	f(chunk, "choices.x", "")
	f(chunk, "choices.-1", "")
	f(chunk, "id.x", "")
	f(chunk, "none", "")
	f(chunk, "", chunk)
	f("\xef\xbb\xbf \n{ \"a\" :\t1 }", "a", "1")
	f(`{"\u0061":1}`, "a", "1")
	f(`{"a":1,"a":2}`, "a", "1")
	f(`{"bad":tru,"x":[},"a":1}`, "bad", "tru")
	f(`{"a":{"b":`, "a.b", "")
	f(`{"a":"x`, "a", "")
	f(`{"a":`, "a", "")
	f(`{"a":}`, "a", "")
	f(`[]`, "0", "")
	f(`[1`, "1", "")
	f(``, "a", "")
}

func TestPathAllocates(t *testing.T) {
	body := []byte(`{"id":"x","choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":7}}`)
	if n := testing.AllocsPerRun(100, func() { Path(body, "usage", "prompt_tokens") }); n > 0 {
		t.Errorf("Path allocates %v times", n)
	}
}

func TestInt(t *testing.T) {
	f := func(in string, want int64, ok bool) {
		t.Helper()
		if got, gotOK := Int([]byte(in)); got != want || gotOK != ok {
			t.Errorf("%s: got %d %v, want %d %v", in, got, gotOK, want, ok)
		}
	}
	f("0", 0, true)
	f(" 12 ", 12, true)
	f("-7", -7, true)
	f("12.0", 12, true)
	f("12.9", 12, true)
	f("-0.5", 0, true)
	f("1e3", 1000, true)
	f("1e18", 1e18, true)
	f("1e19", math.MaxInt64, true)
	f("-1e19", math.MinInt64, true)
	f("1e999", math.MaxInt64, true)
	f("-1e999", math.MinInt64, true)
	f("9223372036854775807", math.MaxInt64, true)
	f("9223372036854775806", math.MaxInt64-1, true)
	f("9223372036854775808", math.MaxInt64, true)
	f("-9223372036854775808", math.MinInt64, true)
	f("99999999999999999999999999", math.MaxInt64, true)
	for _, s := range []string{"", "-", "01", "1.", "1e", "0x1", "1_0", "Inf", "NaN", "null", `"1"`, "true", "{}", "1 2"} {
		f(s, 0, false)
	}
}

func TestString(t *testing.T) {
	f := func(in, want string, ok bool) {
		t.Helper()
		if got, gotOK := String([]byte(in)); got != want || gotOK != ok {
			t.Errorf("%q: got %q %v, want %q %v", in, got, gotOK, want, ok)
		}
	}
	f(`""`, "", true)
	f(` "abc" `, "abc", true)
	f(`"a\n\u00e9\ud83d\ude42é"`, "a\né🙂é", true)
	f(`"\ud800x"`, "\ufffdx", true)
	f("\"a\xffb\"", "a\ufffdb", true)
	for _, s := range []string{``, `"`, `abc`, `"a`, `"a"b"`, `"\x"`, "\"\x01\"", `1`, `null`, `"a\"`} {
		f(s, "", false)
	}
}

func TestEach(t *testing.T) {
	members := func(in string) string {
		var got []string
		EachMember([]byte(in), func(name, value []byte) bool {
			got = append(got, string(name)+"="+string(value))
			return string(value) != "0"
		})
		return strings.Join(got, " ")
	}
	elements := func(in string) string {
		var got []string
		EachElement([]byte(in), func(e []byte) bool {
			got = append(got, string(e))
			return string(e) != "0"
		})
		return strings.Join(got, " ")
	}
	f := func(each func(string) string, in, want string) {
		t.Helper()
		if got := each(in); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
	f(members, ` { "a" : 1 , "b":{"c":[2]},"\u0064":"," } `, `a=1 b={"c":[2]} d=","`)
	f(members, `{"a":0,"b":1}`, `a=0`)
	f(members, `{}`, ``)
	f(members, `{"a":1,"b`, `a=1`)
	f(members, `[1]`, ``)
	f(members, ``, ``)
	f(elements, ` [ 1 , "]" ,[2,3],{"a":[]} ] `, `1 "]" [2,3] {"a":[]}`)
	f(elements, `[0,1]`, `0`)
	f(elements, `[]`, ``)
	f(elements, `[1,`, `1`)
	f(elements, `{}`, ``)
}

// On valid JSON Path, EachMember, EachElement, Int and String agree with encoding/json; on the rest they keep within the input.
func FuzzPath(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,"x",{"c":null}]},"d":-1.5e3}`, `{"a":`, `[[],{"a":"\ud800"}]`, `{"a":"\\\"","a":1}`, `"x"`, `{"\u0061":1}`, "{\"a\":\"\xff\"}", `{"a":tru}`} {
		f.Add([]byte(s), "a", "b")
	}
	f.Fuzz(func(t *testing.T, body []byte, a, b string) {
		for _, path := range [][]string{nil, {a}, {a, b}, {"0"}, {a, "1"}} {
			start, end, ok := Path(body, path...)
			if ok && (start < 0 || end <= start || end > len(body)) {
				t.Fatalf("%q at %q: [%d,%d)", body, path, start, end)
			}
			if !json.Valid(body) || !utf8.Valid(body) {
				continue
			}
			want, found := lookup(body, path)
			if ok != found || ok && string(body[start:end]) != string(want) {
				t.Fatalf("%q at %q: got %q %v, want %q %v", body, path, body[start:end], ok, want, found)
			}
		}
		Int(body)
		s, isString := String(body)
		var want string
		if json.Unmarshal(body, &want) == nil && bytes.TrimSpace(body)[0] == '"' && (!isString || s != want) {
			t.Fatalf("String(%q) is %q %v, want %q", body, s, isString, want)
		}
		EachMember(body, func(_, v []byte) bool { return len(v) > 0 })
		EachElement(body, func(v []byte) bool { return len(v) > 0 })
	})
}

// lookup finds a value with encoding/json; the first of duplicate names counts.
func lookup(body []byte, path []string) (json.RawMessage, bool) {
	at := json.RawMessage(bytes.TrimSpace(body))
	for _, step := range path {
		d := json.NewDecoder(bytes.NewReader(at))
		open, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		found := false
		index, isIndex := 0, false
		if n, ok := Int([]byte(step)); ok && n >= 0 && !strings.ContainsAny(step, ".eE- \t\r\n") {
			index, isIndex = int(n), true
		}
		for i := 0; d.More() && !found; i++ {
			switch open {
			case json.Delim('{'):
				name, err := d.Token()
				if err != nil {
					return nil, false
				}
				found = name == step
			case json.Delim('['):
				found = isIndex && i == index
			}
			if d.Decode(&value) != nil {
				return nil, false
			}
			value = bytes.Clone(value)
		}
		if !found {
			return nil, false
		}
		at = value
	}
	return at, true
}
