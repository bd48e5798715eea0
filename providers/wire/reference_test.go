package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A plainReader says what Names.Fields must, fault and offset included, in the plainest
// way: by recursion, byte by byte.
type plainReader struct {
	b []byte
	i int
}

func (r *plainReader) fail(at int, msg string) { panic(&SyntaxError{Offset: at, Msg: msg}) }

// next passes white space over and returns what follows.
func (r *plainReader) next() byte {
	for r.i < len(r.b) && strings.IndexByte(" \n\r\t", r.b[r.i]) >= 0 {
		r.i++
	}
	if r.i == len(r.b) {
		r.fail(r.i, msgEnd)
	}
	return r.b[r.i]
}

func (r *plainReader) str() string {
	start := r.i
	for r.i++; r.i < len(r.b); r.i++ {
		switch c := r.b[r.i]; {
		case c == '"':
			r.i++
			return string(r.b[start+1 : r.i-1])
		case c == '\\':
			rest := r.b[r.i+1:]
			switch {
			case len(rest) > 0 && strings.IndexByte(`"\/bfnrt`, rest[0]) >= 0:
				r.i++
			case len(rest) > 4 && rest[0] == 'u' && strings.Trim(string(rest[1:5]), "0123456789abcdefABCDEF") == "":
				r.i += 5
			default:
				r.fail(r.i, msgEscape)
			}
		case c < ' ':
			r.fail(r.i, msgControl)
		}
	}
	r.fail(r.i, msgEnd)
	return ""
}

func (r *plainReader) number() {
	digits := func() {
		start := r.i
		for r.i < len(r.b) && r.b[r.i] >= '0' && r.b[r.i] <= '9' {
			r.i++
		}
		if r.i == start {
			r.fail(r.i, msgNumber)
		}
	}
	skip := func(set string) bool {
		found := r.i < len(r.b) && strings.IndexByte(set, r.b[r.i]) >= 0
		if found {
			r.i++
		}
		return found
	}
	skip("-")
	if !skip("0") {
		digits()
	}
	if skip(".") {
		digits()
	}
	if skip("eE") {
		skip("+-")
		digits()
	}
}

// value reads a value inside depth containers and counts what is in it; each is told of
// the members of an object.
func (r *plainReader) value(depth int, each func(name string, nameStart int, value func() int)) (count int) {
	switch c := r.next(); {
	case c == '"':
		r.str()
	case c == '-' || c >= '0' && c <= '9':
		r.number()
	case c == '{' || c == '[':
		if depth == 64 {
			r.fail(r.i, msgDepth)
		}
		for r.i++; count > 0 || r.next() != c+2; r.i++ {
			if c == '[' {
				r.value(depth+1, nil)
			} else {
				r.member(depth, each)
			}
			count++
			if end := r.next(); end == c+2 {
				break
			} else if end != ',' {
				r.fail(r.i, msgComma)
			}
			if depth == 0 && count == 1000 {
				r.fail(r.i+1, msgMembers)
			}
		}
		r.i++
	default:
		word := map[byte]string{'t': "true", 'f': "false", 'n': "null"}[c]
		if word == "" {
			r.fail(r.i, msgValue)
		}
		if !bytes.HasPrefix(r.b[r.i:], []byte(word)) {
			r.fail(r.i, msgLiteral)
		}
		r.i += len(word)
	}
	return count
}

func (r *plainReader) member(depth int, each func(string, int, func() int)) {
	if r.next() != '"' {
		r.fail(r.i, msgName)
	}
	start := r.i
	name := r.str()
	if r.next() != ':' {
		r.fail(r.i, msgColon)
	}
	r.i++
	value := func() int { return r.value(depth+1, nil) }
	if each == nil {
		value()
	} else {
		each(name, start, value)
	}
}

// plainFields is Fields by a plainReader.
func plainFields(b []byte, want []string) (out []Field, err error) {
	defer func() {
		if e := recover(); e != nil {
			err = e.(*SyntaxError)
		}
	}()
	r := &plainReader{b: b}
	if bytes.HasPrefix(b, bom) {
		r.fail(0, "byte order mark before the JSON object")
	}
	for i := 0; i < len(b); {
		c, n := utf8.DecodeRune(b[i:])
		if c == utf8.RuneError && n == 1 {
			r.fail(i, "invalid UTF-8")
		}
		i += n
	}
	if r.next() != '{' {
		r.fail(r.i, "expected a JSON object")
	}
	r.value(0, func(name string, start int, value func() int) {
		comma := bytes.LastIndexByte(b[:start], ',') // of the first member, in vain
		var decoded string
		Unmarshal([]byte(`"`+name+`"`), &decoded)
		k := slices.IndexFunc(want, func(w string) bool { return strings.EqualFold(decoded, w) })
		switch {
		case k < 0:
			r.next()
			value()
			r.next()
			return
		case strings.Contains(name, `\`):
			r.fail(start, fmt.Sprintf("member %q is spelt with escapes", want[k]))
		case name != want[k]:
			r.fail(start, fmt.Sprintf("member %q must be spelt %q", name, want[k]))
		}
		r.next()
		f := Field{Name: name, NameStart: start, Start: r.i, CutStart: start}
		f.Count = value()
		f.End, f.CutEnd = r.i, r.i
		c := r.next()
		for _, x := range out {
			if x.Name == name {
				r.fail(start, fmt.Sprintf("duplicate member %q", name))
			}
		}
		if c == ',' {
			f.CutEnd = r.i + 1
		} else if comma >= 0 && len(bytes.TrimRight(b[comma+1:start], " \n\r\t")) == 0 {
			f.CutStart = comma
		}
		out = append(out, f)
	})
	for ; r.i < len(b); r.i++ {
		if strings.IndexByte(" \n\r\t", b[r.i]) < 0 {
			r.fail(r.i, "unexpected text behind the JSON object")
		}
	}
	return out, nil
}

// TestFieldsAsPlain holds Fields against plainFields: what it finds, what it refuses and
// where, in bodies that were damaged at random.
func TestFieldsAsPlain(t *testing.T) {
	bodies := []string{
		`{"model":"m","stream":true,"messages":[{"role":"user"},1],"k":null}`, ` {"a":{"b":[1,2,{}]},"k":-0.5e3} `, `{"Model":1,"stream":false}`,
		`{"\u006dodel":1}`, `{"model":1,"model":2}`, `{"a":"\ud800"}`, `{"a":[[[[]]]],"max_tokens":1}x`, `{"a":"12345678\\\"90123456789","k":"é"}`,
		`{"generationConfig":{"a":1,"b":{"c":2}},"messages":[[1,2],{"a":[]},"x"],"max_tokens":-1.5E+9,"stream":01,"x":tru}`,
		`{"a":"` + strings.Repeat("0123456789", 4) + `","meſſages":[ ], "k" : 12 , "b":[ {} , { } ]}`, string(chatBody(1)),
		`{"id":"chatcmpl-1","object":"chat.completion","created":1741570283,"model":"m","messages":[{"index":0,"logprobs":null,"finish_reason":"stop"}],"k":{"total":0,"system_fingerprint_of_it":[]}}`,
		`{` + strings.Repeat(`"a":1,`, 998) + `"model":1,"stream":2}`,
	}
	parts := []string{`"`, `\`, `{`, `}`, `[`, `]`, `,`, `:`, " ", "\n", "0", "1", "-", ".", "e", "true", "null", "\u212a", "\xff", "é", `\u0041`, "\x00", "\x01", "model", `"model":`, "K", "M", `"k":1,`, strings.Repeat("[", 40), strings.Repeat(`{"a":`, 40)}
	r := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for n := range 60_000 {
		b := []byte(bodies[r.IntN(len(bodies))])
		for range r.IntN(4) {
			at := r.IntN(len(b) + 1)
			switch r.IntN(4) {
			case 0:
				b = slices.Insert(b, at, []byte(parts[r.IntN(len(parts))])...)
			case 1:
				b = b[:at]
			case 2:
				b = slices.Delete(b, at, min(len(b), at+1+r.IntN(3)))
			case 3:
				b = append(b[:at:at], b[min(len(b), at+1):]...)
				b = slices.Insert(b, at, byte(r.IntN(256)))
			}
		}
		b = slices.Clip(b) // nothing behind it may be read
		got, err := Fields(b, wanted, nil)
		want, plain := plainFields(b, wanted)
		if fmt.Sprint(err) != fmt.Sprint(plain) || err == nil && !slices.Equal(got, want) {
			t.Fatalf("%d: %q: got %v, %v; want %v, %v", n, b, got, err, want, plain)
		}
		if err != nil {
			refused++
		}
	}
	if refused < 10_000 || refused > 50_000 {
		t.Errorf("%d were refused: this tells little", refused)
	}
}
