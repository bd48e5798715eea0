package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// A member is one name of an object of the file and what its value does.
type member struct {
	name string
	set  func(path string, n *yaml.Node)
}

// object applies the members of n; others are refused.
func (l *loader) object(n *yaml.Node, path string, members []member) {
	l.pairs(n, path, func(name string, key, value *yaml.Node) {
		i := slices.IndexFunc(members, func(m member) bool { return m.name == name })
		if i < 0 {
			var names []string
			for _, m := range members {
				names = append(names, m.name)
			}
			l.fail(key, path, "unknown field %q%s", name, suggest(name, names))
			return
		}
		if value != nil {
			members[i].set(join(path, name), value)
		}
	})
}

// text returns a setter of a string member, checked by check if that is not nil.
func (l *loader) text(dst *string, check func(string) error) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		s, ok := l.scalar(n, path)
		if !ok {
			return
		}
		if check != nil {
			if err := check(s); err != nil {
				l.refuse(n, path, s, err)
				return
			}
		}
		*dst = s
	}
}

// number returns a setter of a whole number from 0 to 1,000,000.
func (l *loader) number(dst *int) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		s, ok := l.scalar(n, path)
		if !ok {
			return
		}
		v, err := strconv.Atoi(s)
		if err != nil || v < 0 || v > 1_000_000 {
			l.refuse(n, path, s, fmt.Errorf("must be a whole number from 0 to 1000000, not %q", s))
			return
		}
		*dst = v
	}
}

func (l *loader) boolean(dst *bool) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		s, ok := l.scalar(n, path)
		if !ok {
			return
		}
		if s != "true" && s != "false" {
			l.refuse(n, path, s, fmt.Errorf("must be true or false, not %q", s))
			return
		}
		*dst = s == "true"
	}
}

// account reads one item of accounts.
func (l *loader) account(path string, n *yaml.Node) {
	before := len(l.errs)
	a := store.Account{Enabled: true, Origin: store.OriginFile}
	var name string
	l.object(n, path, l.accountMembers(&a, &name))
	if len(l.errs) > before {
		return
	}
	if a.Name == "" {
		a.Name = name
	} else if name != "" {
		l.fail(n, path, "account_name and name are the same thing: give one")
		return
	}
	p := l.known.byName[a.Provider]
	switch {
	case a.Provider == "":
		l.fail(n, path, "provider is missing")
		return
	case a.Name == "":
		a.Name = p.Name
	}
	if i := slices.IndexFunc(l.c.Accounts, func(o store.Account) bool { return o.Name == a.Name }); i >= 0 {
		l.fail(n, path, "account %q exists already: give it another account_name", a.Name)
		return
	}
	if len(a.Secrets) == 0 && a.Enabled && p.NeedsKey() && len(a.Options) == 0 {
		l.fail(n, path, "api_key is missing")
		return
	}
	if p.BaseURL == "" && a.BaseURL == "" {
		l.baseless = append(l.baseless, baseless{p.Name, path, n})
	}
	a.ID = recordID(store.OriginFile, a.Name)
	l.c.Accounts = append(l.c.Accounts, a)
	l.describeAccount(&a, l.at(n))
}

// accountMembers lists what an account may hold.
func (l *loader) accountMembers(a *store.Account, name *string) []member {
	return []member{
		{"provider", func(path string, n *yaml.Node) {
			if s, ok := l.scalar(n, path); ok {
				l.accountProvider(a, s, path, n)
			}
		}},
		{"account_name", l.text(&a.Name, checkName)},
		{"name", l.text(name, checkName)},
		{"api_key", func(path string, n *yaml.Node) { l.secret(a, path, n, 0) }},
		{"api_keys", func(path string, n *yaml.Node) {
			l.items(n, path, func(path string, n *yaml.Node) { l.pooled(a, path, n) })
		}},
		{"base_url", func(path string, n *yaml.Node) {
			l.text(&a.BaseURL, checkBaseURL)(path, n)
			a.BaseURL = strings.TrimRight(a.BaseURL, "/")
		}},
		{"models", func(path string, n *yaml.Node) { l.models(a, path, n) }},
		{"weight", l.number(&a.Weight)},
		{"priority", l.number(&a.Priority)},
		{"enabled", l.boolean(&a.Enabled)},
		{"headers", func(path string, n *yaml.Node) { l.headers(a, path, n) }},
		{"params", func(path string, n *yaml.Node) { l.params(a, path, n) }},
		{"options", func(path string, n *yaml.Node) { l.options(a, path, n) }},
		{"proxy", l.text(&a.Proxy, checkProxy)},
		{"timeouts", func(path string, n *yaml.Node) { l.timers(a, path, n) }},
		{"prices", func(path string, n *yaml.Node) { l.prices(a, path, n) }},
	}
}

func (l *loader) accountProvider(a *store.Account, s, path string, n *yaml.Node) {
	p := l.known.byName[s]
	if p == nil {
		l.refuse(n, path, s, fmt.Errorf("unknown provider %q%s", s, suggest(s, l.known.names)))
		return
	}
	a.Provider = p.Name
}

// secret adds a key to the account. Errors never show it.
func (l *loader) secret(a *store.Account, path string, n *yaml.Node, weight int) {
	s, ok := l.scalar(n, path)
	if !ok {
		return
	}
	s, err := tidySecret(s)
	if err != nil {
		l.fail(n, path, "%v", err)
		return
	}
	plain := store.NewSecret(s)
	a.Secrets = append(a.Secrets, store.Secret{Plain: plain, Hint: plain.Hint(), Weight: weight})
}

// pooled reads one item of api_keys: a key, or {key, weight}.
func (l *loader) pooled(a *store.Account, path string, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		l.secret(a, path, n, 0)
		return
	}
	var key *yaml.Node
	weight := 0
	l.object(n, path, []member{
		{"key", func(_ string, n *yaml.Node) { key = n }},
		{"weight", l.number(&weight)},
	})
	if key == nil {
		l.fail(n, path, "key is missing")
		return
	}
	l.secret(a, path+".key", key, weight)
}

// models reads a list of names, or a map from the callers' names to the upstream's.
func (l *loader) models(a *store.Account, path string, n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		l.pairs(n, path, func(name string, key, value *yaml.Node) {
			m := store.AccountModel{Name: name}
			if err := checkModel(name); err != nil {
				l.fail(key, path, "%v", err)
			}
			if value != nil {
				l.text(&m.Upstream, checkModel)(join(path, name), value)
			}
			a.Models = append(a.Models, m)
		})
		return
	}
	l.items(n, path, func(path string, item *yaml.Node) {
		var m store.AccountModel
		l.text(&m.Name, checkModel)(path, item)
		a.Models = append(a.Models, m)
	})
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~-]+$`)

// ownHeaders are those the gateway sets itself.
var ownHeaders = []string{"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "accept-encoding", "via"}

func (l *loader) headers(a *store.Account, path string, n *yaml.Node) {
	a.Headers = map[string]string{}
	l.pairs(n, path, func(name string, key, value *yaml.Node) {
		if !headerName.MatchString(name) || slices.Contains(ownHeaders, strings.ToLower(name)) {
			l.fail(key, path, "header %q can not be set", name)
			return
		}
		if value == nil {
			return
		}
		s, ok := l.scalar(value, join(path, name))
		if !ok {
			return
		}
		if strings.ContainsFunc(s, unicode.IsControl) {
			l.fail(value, join(path, name), "must not hold control characters")
			return
		}
		a.Headers[name] = s
	})
}

// params reads {set, drop, rename} and keeps them as JSON.
func (l *loader) params(a *store.Account, path string, n *yaml.Node) {
	p := struct {
		Set    json.RawMessage   `json:"set,omitempty"`
		Drop   []string          `json:"drop,omitempty"`
		Rename map[string]string `json:"rename,omitempty"`
	}{}
	l.object(n, path, []member{
		{"set", func(path string, n *yaml.Node) {
			if n.Kind != yaml.MappingNode {
				l.fail(n, path, "must be a mapping of names to values")
				return
			}
			l.pairs(n, path, func(name string, key, _ *yaml.Node) {
				if err := checkMember(name); err != nil {
					l.fail(key, path, "%v", err)
				}
			})
			p.Set = l.json(n, path)
		}},
		{"drop", func(path string, n *yaml.Node) {
			l.items(n, path, func(path string, n *yaml.Node) {
				var s string
				l.text(&s, checkMember)(path, n)
				p.Drop = append(p.Drop, s)
			})
		}},
		{"rename", func(path string, n *yaml.Node) {
			p.Rename = map[string]string{}
			l.pairs(n, path, func(name string, key, value *yaml.Node) {
				var s string
				if err := checkMember(name); err != nil {
					l.fail(key, path, "%v", err)
				}
				if value != nil {
					l.text(&s, checkMember)(join(path, name), value)
				}
				p.Rename[name] = s
			})
		}},
	})
	if raw, err := json.Marshal(p); err == nil {
		a.Params = raw
	}
}

func (l *loader) options(a *store.Account, path string, n *yaml.Node) {
	a.Options = map[string]json.RawMessage{}
	l.pairs(n, path, func(name string, _, value *yaml.Node) {
		if value != nil {
			a.Options[name] = l.json(value, join(path, name))
		}
	})
}

func (l *loader) timers(a *store.Account, path string, n *yaml.Node) {
	a.Timeouts = map[string]string{}
	var members []member
	for _, name := range upstreamTimers {
		members = append(members, member{name, func(path string, n *yaml.Node) {
			var s string
			l.text(&s, func(s string) error {
				if _, err := parseDuration(s); err != nil {
					return err
				}
				return positive(s)
			})(path, n)
			if d, err := parseDuration(s); err == nil {
				a.Timeouts[name] = d.String()
			}
		}})
	}
	l.object(n, path, members)
}

// checkName accepts names of accounts: short, printable, not to be taken for a "provider/model".
func checkName(s string) error {
	if s == "" || len(s) > 128 || s != strings.TrimSpace(s) || strings.Contains(s, "/") || strings.ContainsFunc(s, notPrintable) || !utf8.ValidString(s) {
		return fmt.Errorf("must be a name of 1 to 128 printable characters without '/', not %q", s)
	}
	return nil
}

func checkModel(s string) error {
	if s == "" || len(s) > 256 || strings.ContainsFunc(s, notPrintable) || !utf8.ValidString(s) {
		return fmt.Errorf("must be a model name of 1 to 256 printable characters, not %q", s)
	}
	return nil
}

// checkMember accepts names of request members, but for what is the gateway's to
// decide: prices and limits depend on it.
func checkMember(s string) error {
	switch s {
	case "model", "messages", "input", "stream":
		return fmt.Errorf("may not change %s", s)
	}
	if s == "" || len(s) > 128 || strings.ContainsFunc(s, notPrintable) {
		return fmt.Errorf("must be the name of a request member, not %q", s)
	}
	return nil
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) }

// tidySecret returns a vendor's key in the form in which it is kept. Its errors do not
// show the key.
func tidySecret(s string) (string, error) {
	if len(s) > maxRefFile {
		return "", fmt.Errorf("is longer than %s", formatSize(maxRefFile))
	}
	return providers.TidySecret(s)
}

var plainID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)

// recordID makes the id of a record that is not stored: the same at each start.
func recordID(origin, name string) string {
	if plainID.MatchString(name) {
		return origin + "-" + name
	}
	sum := sha256.Sum256([]byte(name))
	return origin + "-" + hex.EncodeToString(sum[:8])
}
