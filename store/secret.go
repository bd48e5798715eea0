package store

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// A SecretString holds a secret and never shows it: every way of printing,
// logging or marshalling it gives "[redacted]". Reveal is the one way out.
type SecretString struct{ s string }

// NewSecret wraps s.
func NewSecret(s string) SecretString { return SecretString{s} }

// Reveal returns the secret itself.
func (s SecretString) Reveal() string { return s.s }

// Empty reports whether there is no secret.
func (s SecretString) Empty() bool { return s.s == "" }

// Hint returns "…" and the last four characters, or "…" for short secrets.
func (s SecretString) Hint() string {
	if len(s.s) < 12 {
		return "…"
	}
	return "…" + s.s[len(s.s)-4:]
}

const redacted = "[redacted]"

func (s SecretString) String() string               { return redacted }
func (s SecretString) GoString() string             { return redacted }
func (s SecretString) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (s SecretString) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (s SecretString) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s SecretString) LogValue() slog.Value         { return slog.StringValue(redacted) }

// Scrub replaces the secret wherever it stands in text. Secrets too short to be
// told from ordinary words are left.
func (s SecretString) Scrub(text string) string {
	if len(s.s) < 8 {
		return text
	}
	return strings.ReplaceAll(text, s.s, redacted)
}

// SecretAAD names the place of the n-th secret (from 0) of an account, for
// Sealer.Seal and Open: a sealed secret opens in no other place.
func SecretAAD(accountID string, n int) string { return accountID + "secret:" + strconv.Itoa(n) }
