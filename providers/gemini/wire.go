// Package gemini reads and writes Gemini's generateContent format, as Google's
// own API and Vertex AI speak it.
package gemini

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// dialect is what this package reads and writes: the format of google.golang.org/genai (2026-08).
const dialect = providers.Gemini

// camel returns the name of a member in the spelling of this package: the API
// reads function_call as well as functionCall (proto3 JSON), and clients send both.
func camel(name []byte) string {
	if bytes.IndexByte(name, '_') < 0 {
		return string(name)
	}
	out := make([]byte, 0, len(name))
	up := false
	for _, c := range name {
		switch {
		case c == '_':
			up = len(out) > 0
		case up && c >= 'a' && c <= 'z':
			out, up = append(out, c-'a'+'A'), false
		default:
			out, up = append(out, c), false
		}
	}
	return string(out)
}

// eachMember calls f with each member of obj that is not null, its name in camel case.
func eachMember(obj []byte, f func(name string, v []byte) bool) {
	wire.EachMember(obj, func(name, v []byte) bool {
		return isNull(v) || f(camel(name), v)
	})
}

// at returns the value of a member below obj, whatever its spelling; nil if there is none.
func at(obj []byte, path ...string) []byte {
	for _, want := range path {
		var found []byte
		wire.EachMember(obj, func(name, v []byte) bool {
			if !isNull(v) && (string(name) == want || bytes.IndexByte(name, '_') >= 0 && camel(name) == want) {
				found = v
			}
			return found == nil
		})
		if obj = found; obj == nil {
			return nil
		}
	}
	return obj
}

// stringAt returns the string at a path below an object, "" if there is none.
func stringAt(obj []byte, path ...string) string {
	s, _ := wire.String(at(obj, path...))
	return s
}

// member keeps a member that has no neutral field. The value stays a part of the body it was read from.
func member(list []providers.Member, name string, value []byte) []providers.Member {
	return append(list, providers.Member{Name: name, Value: value})
}

func find(list []providers.Member, name string) json.RawMessage {
	for i := range list {
		if list[i].Name == name {
			return list[i].Value
		}
	}
	return nil
}

func isNull(v []byte) bool { return string(v) == "null" }

func isTrue(v []byte) bool { return string(v) == "true" }

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// decodeBase64 reads base64 in either alphabet, padded or not, as the API does.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

// bad is a request that cannot be served because of the member param.
func bad(param, message string) *providers.Error {
	return &providers.Error{Kind: providers.KindInvalidRequest, Param: param, Message: message}
}

// within puts the path of an outer member before the one an error names; index < 0: none.
func within(err error, name string, index int) error {
	e, ok := err.(*providers.Error)
	if !ok || e == nil {
		return err
	}
	if index >= 0 {
		name += "[" + strconv.Itoa(index) + "]"
	}
	if e.Param != "" {
		name += "." + e.Param
	}
	e.Param = name
	return e
}

// named completes an error for the caller: its message starts with the member at fault.
func named(err error) error {
	if e, ok := err.(*providers.Error); ok && e.Param != "" {
		e.Message = e.Param + ": " + e.Message
	}
	return err
}

// nonsense is an answer of the upstream that cannot be understood.
func nonsense(why string) *providers.Error {
	return &providers.Error{Kind: providers.KindUpstream, Code: "bad_upstream_response", Message: "cannot read the upstream's answer: " + why}
}
