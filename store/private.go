package store

import (
	"encoding/json"
	"fmt"
	"regexp"
)

// secretive are names of headers and options whose values are not shown.
var secretive = regexp.MustCompile(`(?i)secret|token|passw|credential|auth|private|api.?key|cookie|session`)

// Secretive reports whether the value of a header or option of this name is hidden.
func Secretive(name string) bool { return secretive.MatchString(name) }

// Hidden returns the values of a that must not be told, besides its keys.
func (a *Account) Hidden() []SecretString {
	var out []SecretString
	for name, v := range a.Headers {
		if Secretive(name) {
			out = append(out, NewSecret(v))
		}
	}
	for name, raw := range a.Options {
		var v string
		if Secretive(name) && json.Unmarshal(raw, &v) == nil {
			out = append(out, NewSecret(v))
		}
	}
	return out
}

// private is what of an account may hold secrets besides its keys: headers and
// options are whatever a vendor asks for, a proxy's URL may hold a password.
type private struct {
	Headers map[string]string          `json:"headers,omitempty"`
	Options map[string]json.RawMessage `json:"options,omitempty"`
	Proxy   string                     `json:"proxy,omitempty"`
}

func privateAAD(accountID string) string { return accountID + "private" }

// SealAccount returns a as it is stored: headers, options and proxy sealed in
// Private. Its keys are sealed already.
func (s *Sealer) SealAccount(a *Account) (*Account, error) {
	c := *a
	c.Private = nil
	if len(a.Headers) == 0 && len(a.Options) == 0 && a.Proxy == "" {
		return &c, nil
	}
	b, err := json.Marshal(private{a.Headers, a.Options, a.Proxy})
	if err != nil {
		return nil, fmt.Errorf("cannot seal account %q: %w", a.Name, err)
	}
	if c.Private, err = s.Seal(NewSecret(string(b)), privateAAD(a.ID)); err != nil {
		return nil, fmt.Errorf("cannot seal account %q: %w", a.Name, err)
	}
	c.Headers, c.Options, c.Proxy = nil, nil, ""
	return &c, nil
}

// OpenAccount undoes SealAccount. Errors as of Open.
func (s *Sealer) OpenAccount(a *Account) (*Account, error) {
	if len(a.Private) == 0 {
		return a, nil
	}
	plain, err := s.Open(a.Private, privateAAD(a.ID))
	if err != nil {
		return nil, fmt.Errorf("account %q: cannot open its settings: %w", a.Name, err)
	}
	var p private
	if err := json.Unmarshal([]byte(plain.Reveal()), &p); err != nil {
		return nil, fmt.Errorf("account %q: cannot read its settings: %w", a.Name, ErrCorrupt)
	}
	c := *a
	c.Private, c.Headers, c.Options, c.Proxy = nil, p.Headers, p.Options, p.Proxy
	return &c, nil
}
