package config

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
)

// known finds providers by name and alias.
type known struct {
	list   []*providers.Provider
	byName map[string]*providers.Provider
	names  []string
}

func newKnown(list []*providers.Provider) known {
	k := known{list: list, byName: map[string]*providers.Provider{}}
	for _, p := range list {
		for _, name := range append([]string{p.Name}, p.Aliases...) {
			k.byName[name] = p
			k.names = append(k.names, name)
		}
	}
	return k
}

// An environ is the environment, in its order.
type environ struct {
	names  []string
	values map[string]string
}

func newEnviron(pairs []string) *environ {
	e := &environ{values: make(map[string]string, len(pairs))}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			continue
		}
		if _, seen := e.values[name]; !seen {
			e.names = append(e.names, name)
		}
		e.values[name] = value // the last one wins, as in os/exec
	}
	return e
}

func (e *environ) get(name string) (string, bool) {
	value, ok := e.values[name]
	return value, ok
}
