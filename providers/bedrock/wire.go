// Package bedrock speaks to Amazon Bedrock: the Converse and ConverseStream format
// (bedrockruntime v1.63 of aws-sdk-go-v2), its event stream, its addresses and its
// two ways to sign. There is no ingress: nobody calls a gateway in this format.
package bedrock

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

const dialect = providers.Converse

// The writers below append one member to the object that dst is in the middle
// of. A value never ends in an opening bracket, so the last byte tells whether a
// comma is due.

func comma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' {
		dst = append(dst, ',')
	}
	return dst
}

// key appends a member's name; it must need no escapes.
func key(dst []byte, name string) []byte {
	dst = append(comma(dst), '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func putString(dst []byte, name, v string) []byte { return wire.AppendString(key(dst, name), v) }

func putInt(dst []byte, name string, v int64) []byte { return strconv.AppendInt(key(dst, name), v, 10) }

func putFloat(dst []byte, name string, v float64) []byte {
	b, err := json.Marshal(v)
	if err != nil { // NaN or infinite: no JSON number; callers that decode JSON cannot produce one
		return dst
	}
	return append(key(dst, name), b...)
}

func putRaw(dst []byte, name string, v json.RawMessage) []byte {
	if len(v) == 0 {
		v = json.RawMessage("null")
	}
	return append(key(dst, name), v...)
}

func putBytes(dst []byte, name string, v []byte) []byte {
	dst = append(key(dst, name), '"')
	return append(base64.StdEncoding.AppendEncode(dst, v), '"')
}

// open begins a member that is an object.
func open(dst []byte, name string) []byte { return append(key(dst, name), '{') }

func isObject(v []byte) bool { return len(v) > 0 && v[0] == '{' }

// validObject reports whether v is one well-formed JSON object.
func validObject(v []byte) bool {
	v = []byte(strings.TrimSpace(string(v)))
	_, err := wire.Fields(v, nil, nil)
	return isObject(v) && err == nil
}

// at returns the value at a path below an object, nil if there is none.
func at(obj []byte, path ...string) []byte {
	start, end, ok := wire.Path(obj, path...)
	if !ok || string(obj[start:end]) == "null" {
		return nil
	}
	return obj[start:end]
}

// stringAt returns the string at a path below an object, "" if there is none.
func stringAt(obj []byte, path ...string) string {
	s, _ := wire.String(at(obj, path...))
	return s
}

// bytesAt returns the bytes that the base64 string at a path stands for.
func bytesAt(obj []byte, path ...string) []byte {
	b, err := base64.StdEncoding.DecodeString(stringAt(obj, path...))
	if err != nil {
		return nil
	}
	return b
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// inert are values of a member that change nothing, so that leaving it out is no loss.
func inert(v json.RawMessage) bool {
	switch string(v) {
	case "", "null", "false", "0", "0.0", `""`, "[]", "{}":
		return true
	}
	return false
}

// maxID is what Converse takes of a tool-use id: ^[a-zA-Z0-9_-]{1,64}$.
const maxID = 64

// validID maps a tool-call id to the API's alphabet and length, the same way for a
// call and its result.
func validID(id string) string {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	if len(id) <= maxID && strings.IndexFunc(id, func(r rune) bool { return !ok(r) }) < 0 {
		return id
	}
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails
	plain := strings.Map(func(r rune) rune {
		if ok(r) {
			return r
		}
		return '_'
	}, id)
	tail := fmt.Sprintf("_%016x", h.Sum64())
	return plain[:min(len(plain), maxID-len(tail))] + tail
}
