package store

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What a limit counts.
const (
	LimitRequests    = "requests"
	LimitTokens      = "tokens"
	LimitCost        = "cost_usd"
	LimitConcurrency = "concurrency"
)

// Windows of a limit. A minute is a sliding one; the others are periods of the
// calendar in the policy's time zone, weeks from Monday (ISO 8601).
const (
	WindowMinute = "minute"
	WindowHour   = "hour"
	WindowDay    = "day"
	WindowWeek   = "week"
	WindowMonth  = "month"
	WindowTotal  = "total"
)

// Modes of a policy: what is reserved for a request whose output is not bounded.
const (
	ModeNormal = "normal" // a usual amount; an answer longer than that can overspend
	ModeStrict = "strict" // an upper bound, which the upstream is told to keep to
)

// DefaultMaxTokens is the output that is reserved for a request that bounds it
// not, unless its policy says otherwise.
const DefaultMaxTokens = 4096

// A Policy is a set of limits on what a scope may use. All of them hold at once.
type Policy struct {
	ID     string        `json:"id"`
	Name   string        `json:"name"` // unique
	Scope  PolicyScope   `json:"scope"`
	Limits []PolicyLimit `json:"limits"`
	Mode   string        `json:"mode,omitempty"` // "" = ModeNormal
	// DefaultMaxTokens is the output reserved for a request that does not bound it; 0 = [DefaultMaxTokens].
	DefaultMaxTokens int64     `json:"default_max_tokens,omitempty"`
	OnStoreOutage    string    `json:"on_store_outage,omitempty"` // "" = "deny", "allow"
	TimeZone         string    `json:"time_zone,omitempty"`       // "" = the server's
	SoftPercent      int       `json:"soft_percent,omitempty"`    // of a limit, at which it is told; 0: never
	Origin           string    `json:"origin"`
	CreatedAt        time.Time `json:"created_at,omitzero"`
}

// A PolicyScope says whose use a policy counts: exactly one of APIKey, Group,
// Account and Global, or Model alone, which is Global for that model.
type PolicyScope struct {
	APIKey  string `json:"api_key,omitempty"` // id
	Group   string `json:"group,omitempty"`   // of keys
	Account string `json:"account,omitempty"` // name or id of a provider account
	Global  bool   `json:"global,omitempty"`
	// Model narrows the scope to one model, by the name asked for or the
	// upstream's; '*' stands for any characters.
	Model string `json:"model,omitempty"`
}

// String writes the scope for people: "key ab12cd34, model gpt-*".
func (s PolicyScope) String() string {
	var parts []string
	switch {
	case s.APIKey != "":
		parts = append(parts, "key "+s.APIKey)
	case s.Group != "":
		parts = append(parts, "group "+s.Group)
	case s.Account != "":
		parts = append(parts, "account "+s.Account)
	case s.Global:
		parts = append(parts, "global")
	}
	if s.Model != "" {
		parts = append(parts, "model "+s.Model)
	}
	return strings.Join(parts, ", ")
}

// A PolicyLimit is one limit. Limit is in requests, tokens or nano-USD, as Kind says.
type PolicyLimit struct {
	Kind   string `json:"kind"`
	Limit  int64  `json:"limit"`
	Window string `json:"window,omitempty"` // none for concurrency
	// Burst is what may be used at once of a minute's limit; 0: a tenth of the
	// requests, at least one, and all of the tokens.
	Burst int64 `json:"burst,omitempty"`
}

// A PolicyError says which member of a policy is wrong, and why.
type PolicyError struct{ Member, Problem string }

func (e *PolicyError) Error() string { return e.Member + " " + e.Problem }

// Bounds of policies.
const (
	maxLimits      = 32
	maxCount       = 1_000_000_000_000_000 // requests or tokens of a limit
	maxOutputBound = 1_000_000_000
)

// Check checks all of a policy but its id and what its scope names, and brings it
// into the form that is kept. Its error is a *PolicyError.
func (p *Policy) Check() error {
	bad := func(member, problem string) error { return &PolicyError{member, problem} }
	if p.Name == "" || p.Name != strings.TrimSpace(p.Name) || p.Name != CleanText(p.Name, 128) || strings.ContainsFunc(p.Name, unicode.IsControl) {
		return bad("name", "must be 1 to 128 printable characters, without space around them")
	}
	if err := p.Scope.check(); err != nil {
		return err
	}
	switch p.Mode {
	case ModeNormal:
		p.Mode = ""
	case "", ModeStrict:
	default:
		return bad("mode", "must be normal or strict")
	}
	switch p.OnStoreOutage {
	case "deny":
		p.OnStoreOutage = ""
	case "", "allow":
	default:
		return bad("on_store_outage", "must be deny or allow")
	}
	if p.DefaultMaxTokens < 0 || p.DefaultMaxTokens > maxOutputBound {
		return bad("default_max_tokens", "must be from 0 to 1000000000")
	}
	if p.SoftPercent < 0 || p.SoftPercent > 100 {
		return bad("soft_percent", "must be from 0 to 100")
	}
	if _, err := time.LoadLocation(p.TimeZone); err != nil || p.TimeZone == "Local" {
		return bad("time_zone", "must be the name of a time zone such as Asia/Shanghai")
	}
	if len(p.Limits) == 0 || len(p.Limits) > maxLimits {
		return bad("limits", "must be 1 to 32, such as [{\"kind\": \"requests\", \"limit\": 60, \"window\": \"minute\"}]")
	}
	for i := range p.Limits {
		if err := p.Limits[i].check("limits[" + strconv.Itoa(i) + "]"); err != nil {
			return err
		}
		for j := range i {
			if p.Limits[j].Kind == p.Limits[i].Kind && p.Limits[j].Window == p.Limits[i].Window {
				return bad("limits["+strconv.Itoa(i)+"]", "is of the same kind and window as limits["+strconv.Itoa(j)+"]")
			}
		}
	}
	return nil
}

func (s *PolicyScope) check() error {
	given := 0
	for _, name := range [...]string{s.APIKey, s.Group, s.Account} {
		if name != "" {
			given++
		}
		if len(name) > 256 || strings.ContainsFunc(name, unicode.IsControl) {
			return &PolicyError{"scope", "names must be at most 256 printable characters"}
		}
	}
	if s.Global {
		given++
	}
	switch {
	case given > 1:
		return &PolicyError{"scope", "must name one of api_key, group, account and global, not several"}
	case given == 0 && s.Model == "":
		return &PolicyError{"scope", "is missing: give one of api_key, group, account, global or model"}
	case s.Model != strings.TrimSpace(s.Model) || len(s.Model) > 256 || strings.ContainsFunc(s.Model, unicode.IsControl):
		return &PolicyError{"scope.model", "must be a model's name, or a pattern such as gpt-*, of at most 256 characters"}
	}
	return nil
}

func (l *PolicyLimit) check(path string) error {
	bad := func(member, problem string) error { return &PolicyError{path + member, problem} }
	switch l.Kind {
	case LimitRequests, LimitTokens:
		if l.Window == "" {
			l.Window = WindowMinute
		}
	case LimitCost:
		if l.Window == "" {
			l.Window = WindowTotal
		}
		if l.Window == WindowMinute {
			return bad(".window", "of cost_usd must be hour, day, week, month or total")
		}
	case LimitConcurrency:
		if l.Window != "" {
			return bad(".window", "must be left out for concurrency")
		}
	default:
		return bad(".kind", "must be requests, tokens, cost_usd or concurrency")
	}
	switch l.Window {
	case "", WindowMinute, WindowHour, WindowDay, WindowWeek, WindowMonth, WindowTotal:
	default:
		return bad(".window", "must be minute, hour, day, week, month or total")
	}
	if l.Limit < 0 || l.Limit > maxCount && l.Kind != LimitCost {
		return bad(".limit", "must be from 0 to 10^15")
	}
	if l.Burst != 0 && l.Window != WindowMinute {
		return bad(".burst", "is for limits of a minute")
	}
	if l.Burst < 0 || l.Burst > maxCount {
		return bad(".burst", "must be from 1 to 10^15")
	}
	return nil
}
