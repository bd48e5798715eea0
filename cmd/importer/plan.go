// Package importer reads the stores of other gateways and says what of them this
// gateway can have: accounts, model names, keys that stay valid, what is left of
// their quota. It opens sources for reading alone, and reaches the gateway through
// its admin API.
package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"

	"github.com/your-org/ai-api-gateway/server/api"
)

// A Plan is what is to be made in the gateway, and what of the source is not.
type Plan struct {
	Accounts []api.AccountCreate
	Mappings []api.MappingCreate
	Policies []api.PolicyCreate // of groups and of all; those of keys are with the keys
	Keys     []Key
	Left     []Left // not carried over
	Notes    []string
}

// A Key is a key of a caller with what limits it.
type Key struct {
	Create api.KeyCreate
	Origin string // what it is in the source, such as "one-api token 12": found by it again
	Limits []api.PolicyLimit
}

// A Left is a thing of the source that is not carried over, and why.
type Left struct{ What, Why string }

// originMember is the member of a key's metadata that says where it is from.
const originMember = "imported_from"

func (p *Plan) leave(why, what string, args ...any) {
	p.Left = append(p.Left, Left{fmt.Sprintf(what, args...), why})
}

func (p *Plan) note(text string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(text, args...)) }

// addKey plans a key, whose whole text is secret unless only its hash is known.
func (p *Plan) addKey(k Key, secret, sum, hint string) {
	weak := false
	if secret != "" {
		b := sha256.Sum256([]byte(secret))
		sum, hint = hex.EncodeToString(b[:]), hintOf(secret)
		weak = len(strings.TrimPrefix(secret, "sk-")) < 22 // of 62 signs: 128 bits
	}
	k.Create.Import = &api.KeyImport{SHA256: sum, Hint: hint, Weak: weak}
	if k.Create.Metadata == nil {
		k.Create.Metadata = map[string]string{}
	}
	k.Create.Metadata[originMember] = k.Origin
	for member, v := range k.Create.Metadata {
		k.Create.Metadata[member] = clip(printable(v), 512)
	}
	k.Origin = k.Create.Metadata[originMember]
	p.Keys = append(p.Keys, k)
}

// hintOf is what may be shown of a key: never enough of it to guess the rest.
func hintOf(secret string) string {
	if len(secret) < 16 {
		return "…"
	}
	return secret[:5] + "…" + secret[len(secret)-4:]
}

// name returns s as a name that the gateway takes: printable, bounded, not empty.
func name(s, otherwise string) string {
	if s = printable(s); s == "" {
		s = printable(otherwise)
	}
	return strings.TrimSpace(clip(s, 128))
}

// printable returns s with a space for each run of characters that cannot be shown,
// such as line ends, those that turn the direction of a text, and what is no UTF-8.
func printable(s string) string {
	return strings.TrimSpace(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) || r == unicode.ReplacementChar }), " "))
}

// clip shortens s to n bytes at a rune's start.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// csv splits a list as people write them.
func csv(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '，' || r == '\n' || r == '\r' || r == ' ' })
}

// usd returns an amount of dollars as a decimal number of at most 9 places, rounded down.
func usd(r *big.Rat) api.Decimal {
	nano := new(big.Int).Quo(new(big.Int).Mul(r.Num(), big.NewInt(1e9)), r.Denom())
	s := new(big.Rat).SetFrac(nano, big.NewInt(1e9)).FloatString(9)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	return api.Decimal(s)
}

// rate returns a price of dollars a million units.
func rate(r *big.Rat) api.USD {
	nano := new(big.Int).Quo(new(big.Int).Mul(r.Num(), big.NewInt(1e9)), r.Denom())
	if !nano.IsInt64() {
		return 0
	}
	return api.USD(nano.Int64())
}

// number reads a decimal number; nil if text is none, or absurd.
func number(text string) *big.Rat {
	if len(text) > 40 || strings.ContainsAny(text, "/xXpP_") {
		return nil
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if e, err := strconv.Atoi(text[i+1:]); err != nil || e > 30 || e < -30 {
			return nil
		}
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return r
}

// whole returns a number as a count.
func whole(r *big.Rat) api.Decimal {
	return api.Decimal(new(big.Int).Quo(r.Num(), r.Denom()).String())
}
