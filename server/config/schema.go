package config

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/providers"

	"github.com/your-org/ai-api-gateway/store"
)

// node is a JSON Schema (draft 2020-12), the part of it that is used here.
type node struct {
	Schema      string           `json:"$schema,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        string           `json:"type,omitempty"`
	Enum        []string         `json:"enum,omitempty"`
	Default     any              `json:"default,omitempty"`
	Pattern     string           `json:"pattern,omitempty"`
	Minimum     *int             `json:"minimum,omitempty"`
	Maximum     *int             `json:"maximum,omitempty"`
	AnyOf       []*node          `json:"anyOf,omitempty"`
	Items       *node            `json:"items,omitempty"`
	Required    []string         `json:"required,omitempty"`
	Properties  map[string]*node `json:"properties,omitempty"`
	// Additional is false, or the schema of members not in Properties.
	Additional any `json:"additionalProperties,omitempty"`
}

const reference = `\$\{.+\}`

// Schema returns the JSON Schema of the file, for editors: every field with its
// meaning and default, and the names of the providers given.
func Schema(list []*providers.Provider) []byte {
	root := &node{
		Schema: "https://json-schema.org/draft/2020-12/schema", Title: "ai-gateway configuration",
		Type: "object", Properties: map[string]*node{}, Additional: false,
	}
	c := &Config{}
	for _, row := range c.settings() {
		at := root
		parts := strings.Split(row.path, ".")
		for _, group := range parts[:len(parts)-1] {
			if at.Properties[group] == nil {
				at.Properties[group] = &node{Type: "object", Properties: map[string]*node{}, Additional: false}
			}
			at = at.Properties[group]
		}
		at.Properties[parts[len(parts)-1]] = row.schema()
	}
	names := newKnown(list).names
	slices.Sort(names)
	root.Properties["providers"] = &node{
		Type: "object", Description: "base URLs in place of the providers' own", Properties: map[string]*node{},
		Additional: false,
	}
	for _, name := range names {
		root.Properties["providers"].Properties[name] = object(map[string]*node{"base_url": text("the provider's base URL")})
	}
	root.Properties["accounts"] = &node{Type: "array", Description: "accounts at providers", Items: accountSchema(names)}
	root.Properties["model_mappings"] = &node{Type: "array", Description: "model names of your own", Items: mappingSchema(names)}
	root.Properties["quota_policies"] = &node{Type: "array", Description: "limits on keys, groups, models and accounts", Items: policySchema()}
	raw, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("BUG: schema is no JSON: " + err.Error())
	}
	return append(raw, '\n')
}

func (s setting) schema() *node {
	one := 1
	n := &node{Description: s.doc}
	if s.def != "" {
		n.Default = s.def
	}
	switch s.ptr.(type) {
	case *store.SecretString, *headers:
		n.Type = "string"
	case *float64:
		n.AnyOf = []*node{{Type: "number", Minimum: new(int), Maximum: &one}, {Type: "string", Pattern: `^[0-9.]+$|` + reference}}
	case *string:
		n.Type = "string"
		if len(s.enum) > 0 {
			n.Type, n.AnyOf = "", []*node{{Enum: s.enum}, {Type: "string", Pattern: reference}}
		}
	case *size:
		n.AnyOf = []*node{whole(), {Type: "string", Pattern: `(?i)^[0-9]+ *([kmg]i?b?|b)?$|` + reference}}
	case *int:
		n.AnyOf = []*node{whole(), {Type: "string", Pattern: `^[0-9]+$|` + reference}}
	case *time.Duration:
		n.AnyOf = []*node{{Type: "string", Pattern: `^([0-9.]+(d|h|ms|m|s|us|ns))+$|^0$|` + reference}, whole()}
	default:
		n.AnyOf = []*node{{Type: "string"}, {Type: "array", Items: &node{Type: "string"}}}
		if s.def != "" {
			n.Default = splitList(s.def)
		}
	}
	return n
}

func whole() *node          { return &node{Type: "integer", Minimum: new(int)} }
func text(doc string) *node { return &node{Type: "string", Description: doc} }

func wholeNumber(doc string) *node {
	return &node{Description: doc, AnyOf: []*node{whole(), {Type: "string", Pattern: reference}}}
}

func truth(doc string) *node {
	return &node{Description: doc, AnyOf: []*node{{Type: "boolean"}, {Type: "string", Pattern: reference}}}
}

func object(members map[string]*node, required ...string) *node {
	return &node{Type: "object", Properties: members, Required: required, Additional: false}
}

func array(of *node, doc string) *node { return &node{Type: "array", Items: of, Description: doc} }

func accountSchema(names []string) *node {
	model := &node{Type: "string"}
	timers := map[string]*node{}
	for _, name := range upstreamTimers {
		timers[name] = text("as timeouts." + name)
	}
	return object(map[string]*node{
		"provider":     {Description: "the provider's name", Enum: names},
		"account_name": text("unique name; default the provider's"),
		"name":         text("the same as account_name"),
		"api_key":      text("the provider's key; best a reference such as ${OPENAI_API_KEY}"),
		"api_keys": array(&node{AnyOf: []*node{
			{Type: "string"},
			object(map[string]*node{"key": text("one key"), "weight": wholeNumber("its share; 0 = 1")}, "key"),
		}}, "several keys used in turn"),
		"base_url": text("in place of the provider's own"),
		"models": {Description: "the models served: names, or callers' names with the upstream's; default the catalogue's", AnyOf: []*node{
			array(model, ""),
			{Type: "object", Additional: model},
		}},
		"weight":   wholeNumber("share among accounts of the same priority; 0 = 1"),
		"priority": wholeNumber("lower is tried first"),
		"enabled":  truth("false keeps the account but does not use it"),
		"headers":  {Type: "object", Description: "headers sent with every call", Additional: &node{Type: "string"}},
		"params": object(map[string]*node{
			"set":    {Type: "object", Description: "request members to set"},
			"drop":   array(text("member"), "request members to remove"),
			"rename": {Type: "object", Description: "request members to rename", Additional: &node{Type: "string"}},
		}),
		"options":  {Type: "object", Description: "the provider's own options"},
		"proxy":    text("proxy of this account: http, https, socks5h URL or 'direct'"),
		"timeouts": object(timers),
		"prices":   {Type: "object", Description: "what is paid instead of the list price, by model or pattern: rates in USD for a million units, or a factor", Additional: &node{Type: "object"}},
	}, "provider")
}

func mappingSchema(names []string) *node {
	return object(map[string]*node{
		"alias": text("the name callers use; may hold '*'"),
		"targets": array(&node{AnyOf: []*node{
			{Type: "string"},
			object(map[string]*node{
				"provider": {Enum: names},
				"account":  text("name of an account; wins over provider"),
				"model":    text("the model's name there"),
				"weight":   wholeNumber("share among targets of the same priority; 0 = 1"),
				"priority": wholeNumber("lower is tried first"),
			}, "model"),
		}}, "where the alias leads: \"model\", \"provider/model\" or members"),
	}, "alias", "targets")
}
