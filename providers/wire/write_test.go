package wire

import (
	"encoding/json"
	"math"
	"testing"
)

func TestWriters(t *testing.T) {
	f := func(got []byte, want string) {
		t.Helper()
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	in := func(s string) []byte { return []byte(s) }
	f(PutString(in(`{`), "a", "x\"\n"), `{"a":"x\"\n"`)
	f(PutString(in(`{"b":"{"`), "a", ""), `{"b":"{","a":""`)
	f(PutInt(in(`{"b":[]`), "a", math.MinInt64), `{"b":[],"a":-9223372036854775808`)
	f(PutBool(in(`{"b":{}`), "a", true), `{"b":{},"a":true`)
	f(PutFloat(in(`{`), "a", 0.1), `{"a":0.1`)
	f(PutFloat(in(`{"b":1`), "a", math.NaN()), `{"b":1`)
	f(PutFloat(in(`{"b":1`), "a", math.Inf(-1)), `{"b":1`)
	f(PutBase64(in(`{`), "a", []byte{0xff, 0xfe}), `{"a":"//4="`)
	f(PutRaw(in(`{`), "a", json.RawMessage("{\r\n\"b\": 1\n}")), `{"a":{  "b": 1 }`)
	f(PutRaw(in(`{`), "a", json.RawMessage(nil)), `{"a":null`)
	f(PutMember(in(`{"b":1`), "a\"\n", json.RawMessage(`2`)), `{"b":1,"a\"\n":2`)
	f(Comma(in(`[`)), `[`)
	f(Comma(in(`["["`)), `["[",`)
}

func TestPutFloatReadsBack(t *testing.T) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1, 0.7, 1e-7, 9.999999e-7, 1e-6, 1e20, 1e21, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		var got map[string]float64
		text := append(PutFloat([]byte(`{`), "a", v), '}')
		if err := json.Unmarshal(text, &got); err != nil || got["a"] != v {
			t.Errorf("%v was written as %s and read as %v: %v", v, text, got["a"], err)
		}
	}
}

func TestInert(t *testing.T) {
	f := func(v string, want bool) {
		t.Helper()
		if got := Inert([]byte(v)); got != want {
			t.Errorf("%q: got %v, want %v", v, got, want)
		}
	}
	f("", true)
	f("null", true)
	f("{}", true)
	f("[\r\n ]", true)
	f("[ 0]", false)
	f("[", false)
	f("true", false)
	f("0.1", false)
	f(`" "`, false)
}
