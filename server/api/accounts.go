package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// An Account is one account at a provider, without its secrets.
type Account struct {
	ID          string                     `json:"id"`
	Provider    string                     `json:"provider"`
	Name        string                     `json:"account_name"`
	BaseURL     string                     `json:"base_url"` // in use: the account's own or the provider's
	KeyHint     string                     `json:"api_key_hint"`
	Keys        []KeyHint                  `json:"api_keys"`
	Models      AccountModels              `json:"models"` // empty: whatever the provider serves
	Weight      int                        `json:"weight"`
	Priority    int                        `json:"priority"` // lower first
	Enabled     bool                       `json:"enabled"`
	Headers     map[string]string          `json:"headers,omitempty"`
	Params      json.RawMessage            `json:"params,omitempty"`
	Options     map[string]json.RawMessage `json:"options,omitempty"`
	Proxy       string                     `json:"proxy,omitempty"`
	HTTP2       bool                       `json:"http2,omitempty"`
	Timeouts    map[string]string          `json:"timeouts,omitempty"`
	Prices      map[string]Rates           `json:"prices,omitempty"` // what it pays instead of the list price, by model or pattern
	Origin      string                     `json:"origin"`           // "db", "file", "env"
	ReadOnly    bool                       `json:"read_only"`        // managed by file or environment
	Local       bool                       `json:"local,omitempty"`
	Listed      int                        `json:"listed_models"` // models the upstream itself listed
	CreatedAt   *time.Time                 `json:"created_at,omitempty"`
	AddressNote string                     `json:"note,omitempty"` // what is unusual about base_url
	// Health is how the account has fared lately. It is there in answers to reads only.
	Health *AccountHealth `json:"health,omitempty"`
}

// A KeyHint shows which secret an account has.
type KeyHint struct {
	Hint   string `json:"hint"` // "…" and the last four characters
	Weight int    `json:"weight"`
}

// An AccountKey is one secret of an account, on its way in.
type AccountKey struct {
	Key    string `json:"key"`
	Weight int    `json:"weight,omitempty"`
}

// An AccountCreate is the body of POST /v1/admin/provider-accounts.
type AccountCreate struct {
	Provider string                     `json:"provider"` // name or alias
	Name     string                     `json:"account_name"`
	APIKey   string                     `json:"api_key,omitempty"`
	APIKeys  []AccountKey               `json:"api_keys,omitempty"` // instead of APIKey
	BaseURL  string                     `json:"base_url,omitempty"`
	Models   AccountModels              `json:"models,omitempty"`
	Weight   int                        `json:"weight,omitempty"`
	Priority int                        `json:"priority,omitempty"`
	Enabled  *bool                      `json:"enabled,omitempty"` // nil: true
	Headers  map[string]string          `json:"headers,omitempty"`
	Params   json.RawMessage            `json:"params,omitempty"` // {"set": {…}, "drop": […], "rename": {…}}
	Options  map[string]json.RawMessage `json:"options,omitempty"`
	Proxy    string                     `json:"proxy,omitempty"` // URL (http, socks5h) or "direct"
	HTTP2    bool                       `json:"http2,omitempty"`
	Timeouts map[string]string          `json:"timeouts,omitempty"`
	Prices   map[string]Rates           `json:"prices,omitempty"` // {"gpt-4o": {"input": 2, "output": 8}, "*": {"factor": 0.9}}
}

// An AccountPatch is the body of PATCH /v1/admin/provider-accounts/{id}. Nil
// members stay as they are; secrets, if given, replace all the old ones.
type AccountPatch struct {
	Name     *string                     `json:"account_name,omitempty"`
	APIKey   *string                     `json:"api_key,omitempty"`
	APIKeys  *[]AccountKey               `json:"api_keys,omitempty"`
	BaseURL  *string                     `json:"base_url,omitempty"` // "": the provider's
	Models   *AccountModels              `json:"models,omitempty"`
	Weight   *int                        `json:"weight,omitempty"`
	Priority *int                        `json:"priority,omitempty"`
	Enabled  *bool                       `json:"enabled,omitempty"`
	Headers  *map[string]string          `json:"headers,omitempty"`
	Params   *json.RawMessage            `json:"params,omitempty"`
	Options  *map[string]json.RawMessage `json:"options,omitempty"`
	Proxy    *string                     `json:"proxy,omitempty"`
	HTTP2    *bool                       `json:"http2,omitempty"`
	Timeouts *map[string]string          `json:"timeouts,omitempty"`
	Prices   *map[string]Rates           `json:"prices,omitempty"`
}

// AccountsReply is one page of accounts.
type AccountsReply struct {
	Data       []Account `json:"data"`
	NextCursor string    `json:"next_cursor"`
}

// An AccountModel is a model that an account serves: the name callers use and
// the upstream's, empty where it is the same.
type AccountModel struct{ Name, Upstream string }

// AccountModels are the models of an account: on the wire a list of names, or,
// where a name differs upstream, an object {"gpt-4o": "my-deployment"}.
type AccountModels []AccountModel

// MarshalJSON writes a list, or an object where a name differs upstream.
func (m AccountModels) MarshalJSON() ([]byte, error) {
	renamed := false
	for _, e := range m {
		renamed = renamed || e.Upstream != "" && e.Upstream != e.Name
	}
	var b bytes.Buffer
	brackets := "[]"
	if renamed {
		brackets = "{}"
	}
	b.WriteByte(brackets[0])
	for i, e := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := writeString(&b, e.Name); err != nil {
			return nil, err
		}
		if renamed {
			b.WriteByte(':')
			up := e.Upstream
			if up == "" {
				up = e.Name
			}
			if err := writeString(&b, up); err != nil {
				return nil, err
			}
		}
	}
	b.WriteByte(brackets[1])
	return b.Bytes(), nil
}

func writeString(b *bytes.Buffer, s string) error {
	q, err := json.Marshal(s)
	b.Write(q)
	return err
}

// UnmarshalJSON reads a list or an object, in its order; a name given twice is refused.
func (m *AccountModels) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	tok, err := d.Token()
	if err != nil {
		return err
	}
	if tok == nil {
		*m = nil
		return nil
	}
	out, seen := AccountModels{}, map[string]bool{}
	if tok != json.Delim('[') && tok != json.Delim('{') {
		return errors.New("models must be a list of names, or an object of name and upstream name")
	}
	for d.More() {
		var e AccountModel
		if e.Name, err = stringToken(d); err != nil {
			return err
		}
		if tok == json.Delim('{') {
			if e.Upstream, err = stringToken(d); err != nil {
				return err
			}
			if e.Upstream == e.Name {
				e.Upstream = ""
			}
		}
		if seen[e.Name] {
			return fmt.Errorf("models names %.100q twice", e.Name)
		}
		seen[e.Name] = true
		out = append(out, e)
	}
	*m = out
	return nil
}

func stringToken(d *json.Decoder) (string, error) {
	tok, err := d.Token()
	if err != nil {
		return "", err
	}
	s, ok := tok.(string)
	if !ok {
		return "", errors.New("models must hold strings only")
	}
	return s, nil
}

// A TestAsk is the body of POST /v1/admin/provider-accounts/{id}/test.
type TestAsk struct {
	Model string `json:"model,omitempty"` // empty: one the account serves
}

// A TestResult tells how a call of one token to an account went.
type TestResult struct {
	OK        bool   `json:"ok"`
	LatencyMs int64  `json:"latency_ms"`
	Model     string `json:"model"`
	Status    int    `json:"status,omitempty"` // the upstream's HTTP status; 0: no answer
	Error     string `json:"error,omitempty"`
	Note      string `json:"note,omitempty"` // what is unusual about the address
	CostUSD   USD    `json:"cost_usd"`
	// ClockAheadS is how many seconds the gateway's clock is before the upstream's,
	// negative behind it; null: the upstream does not tell its time.
	ClockAheadS *int64 `json:"clock_ahead_s,omitempty"`
}

// A ProviderInfo describes one type of provider that accounts can be made for.
type ProviderInfo struct {
	Name         string           `json:"name"`
	Title        string           `json:"title"`
	Aliases      []string         `json:"aliases"`
	BaseURL      string           `json:"base_url"` // empty: the account must give one
	NeedsBaseURL bool             `json:"needs_base_url"`
	NeedsKey     bool             `json:"needs_key"`
	Local        bool             `json:"local"`
	Dialects     []string         `json:"dialects"` // chat formats it speaks, the best first
	Operations   []string         `json:"operations"`
	EnvKeys      []string         `json:"env_keys"`
	Models       []string         `json:"models"` // name patterns it is known to serve
	Options      []ProviderOption `json:"options"`
	Accounts     int              `json:"accounts"` // how many are configured
}

// A ProviderOption is a member that `options` of an account may have.
type ProviderOption struct {
	Name        string `json:"name"`
	Required    bool   `json:"required"`
	Description string `json:"description"`
	Example     string `json:"example,omitempty"`
}

// ProvidersReply lists the types of providers.
type ProvidersReply struct {
	Data []ProviderInfo `json:"data"`
}
