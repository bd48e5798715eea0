// Package bedrock speaks to Amazon Bedrock: the Converse and ConverseStream format
// (bedrockruntime v1.63 of aws-sdk-go-v2), its event stream, its addresses and its
// two ways to sign. There is no ingress: nobody calls a gateway in this format.
package bedrock

import (
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

const dialect = providers.Converse

// open begins a member that is an object.
func open(dst []byte, name string) []byte { return append(wire.Key(dst, name), '{') }

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
