package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// TidySecret returns a vendor's key in the form in which it is kept: as it is, or the
// JSON of a service account in one line of ASCII. Its errors say what no vendor's key
// is, and never show it.
func TidySecret(s string) (string, error) {
	switch s = strings.TrimSpace(s); {
	case s == "":
		return "", errors.New("is empty")
	case strings.HasPrefix(s, "{") && json.Valid([]byte(s)) && utf8.ValidString(s):
		return oneLine(s), nil
	case strings.HasPrefix(s, "{"):
		return "", errors.New("begins like a service account's JSON, and is no JSON")
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", errors.New("must be printable ASCII without white space, or a service account's JSON")
	case strings.HasPrefix(s, "sk-gw-"):
		return "", errors.New("is a key of this gateway, not of a provider")
	}
	return s, nil
}

// oneLine returns valid JSON without white space between its parts and with all that
// is not printable ASCII escaped.
func oneLine(s string) string {
	var b bytes.Buffer
	_ = json.Compact(&b, []byte(s))
	var out strings.Builder
	for _, r := range b.String() {
		switch {
		case r < 0x7f:
			out.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}
