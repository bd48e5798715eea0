package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/your-org/ai-api-gateway/store"
)

// mapping reads one item of model_mappings.
func (l *loader) mapping(path string, n *yaml.Node) {
	before := len(l.errs)
	m := store.Mapping{Origin: store.OriginFile}
	l.object(n, path, l.mappingMembers(&m))
	if len(l.errs) > before {
		return
	}
	switch {
	case m.Alias == "":
		l.fail(n, path, "alias is missing")
		return
	case len(m.Targets) == 0:
		l.fail(n, path, "targets are missing")
		return
	case slices.ContainsFunc(l.c.Mappings, func(o store.Mapping) bool { return o.Alias == m.Alias }):
		l.fail(n, path, "alias %q exists already", m.Alias)
		return
	}
	m.ID = recordID(store.OriginFile, m.Alias)
	l.c.Mappings = append(l.c.Mappings, m)
	l.describeMapping(&m, l.at(n))
}

func (l *loader) mappingMembers(m *store.Mapping) []member {
	return []member{
		{"alias", l.text(&m.Alias, checkModel)},
		{"targets", func(path string, n *yaml.Node) {
			l.items(n, path, func(path string, n *yaml.Node) { l.target(m, path, n) })
		}},
	}
}

// target reads a target: "model", "provider/model", or its members.
func (l *loader) target(m *store.Mapping, path string, n *yaml.Node) {
	var t store.MappingTarget
	if n.Kind == yaml.ScalarNode {
		s, ok := l.scalar(n, path)
		if !ok {
			return
		}
		if err := checkModel(s); err != nil {
			l.refuse(n, path, s, err)
			return
		}
		t.Model = s
		if provider, model, found := strings.Cut(s, "/"); found && l.known.byName[provider] != nil && model != "" {
			t.Provider, t.Model = l.known.byName[provider].Name, model
		}
		m.Targets = append(m.Targets, t)
		return
	}
	l.object(n, path, l.targetMembers(&t))
	if t.Model == "" {
		l.fail(n, path, "model is missing")
		return
	}
	m.Targets = append(m.Targets, t)
}

func (l *loader) targetMembers(t *store.MappingTarget) []member {
	return []member{
		{"provider", func(path string, n *yaml.Node) {
			var a store.Account
			if s, ok := l.scalar(n, path); ok {
				l.accountProvider(&a, s, path, n)
				t.Provider = a.Provider
			}
		}},
		{"account", l.text(&t.Account, checkName)},
		{"model", l.text(&t.Model, checkModel)},
		{"weight", l.number(&t.Weight)},
		{"priority", l.number(&t.Priority)},
	}
}

// baseURLs reads providers: {openai: {base_url: …}}.
func (l *loader) baseURLs(n *yaml.Node) {
	l.pairs(n, "providers", func(name string, key, value *yaml.Node) {
		p := l.known.byName[name]
		if p == nil {
			l.fail(key, "providers", "unknown provider %q%s", name, suggest(name, l.known.names))
			return
		}
		path := join("providers", name)
		if value == nil {
			return
		}
		var base string
		l.object(value, path, []member{{"base_url", l.text(&base, checkBaseURL)}})
		if base != "" {
			l.setBaseURL(p.Name, base, source{"file", l.at(value)})
		}
	})
}

func (l *loader) setBaseURL(provider, base string, from source) {
	base = strings.TrimRight(base, "/")
	l.c.BaseURLs[provider] = base
	path := "providers." + provider + ".base_url"
	l.c.extra = slices.DeleteFunc(l.c.extra, func(f Field) bool { return f.Path == path })
	l.c.extra = append(l.c.extra, Field{path, base, from.kind, from.where})
}
