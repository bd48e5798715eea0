package importer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxConfig   = 8 << 20
	maxIncludes = 64
)

// liteConfig is what is read of LiteLLM's config.yaml.
type liteConfig struct {
	ModelList []struct {
		Name   string         `yaml:"model_name"`
		Params map[string]any `yaml:"litellm_params"`
		Info   map[string]any `yaml:"model_info"`
	} `yaml:"model_list"`
	Credentials []struct {
		Name   string         `yaml:"credential_name"`
		Values map[string]any `yaml:"credential_values"`
	} `yaml:"credential_list"`
	Router    liteRouter     `yaml:"router_settings"`
	Settings  liteRouter     `yaml:"litellm_settings"`
	General   map[string]any `yaml:"general_settings"`
	Variables map[string]any `yaml:"environment_variables"`
	Others    map[string]any `yaml:",inline"`
}

type liteRouter struct {
	Strategy  string           `yaml:"routing_strategy"`
	Aliases   map[string]any   `yaml:"model_group_alias"`
	Fallbacks []map[string]any `yaml:"fallbacks"`
	Context   []map[string]any `yaml:"context_window_fallbacks"`
	Content   []map[string]any `yaml:"content_policy_fallbacks"`
	Others    map[string]any   `yaml:",inline"`
}

// readLite reads a configuration with the files that it includes: their lists go on
// those of the file, their other members take the place of its own, as in LiteLLM.
func readLite(path string) (*liteConfig, error) {
	whole, err := readYAML(path)
	if err != nil {
		return nil, err
	}
	include := listOf(whole["include"])
	delete(whole, "include")
	if len(include) > maxIncludes {
		return nil, fmt.Errorf("it includes more than %d files", maxIncludes)
	}
	for _, v := range include {
		name, _ := v.(string)
		if strings.Contains(name, "://") {
			return nil, fmt.Errorf("it includes %s: put that file beside it", name)
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		part, err := readYAML(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the file %s that it includes: %w", name, err)
		}
		for member, v := range part {
			list, more := whole[member].([]any)
			if next, ok := v.([]any); more && ok {
				v = slices.Concat(list, next)
			}
			whole[member] = v
		}
	}
	text, err := yaml.Marshal(whole)
	if err != nil {
		return nil, err
	}
	c := &liteConfig{}
	return c, yaml.Unmarshal(text, c)
}

func readYAML(path string) (map[string]any, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxConfig {
		return nil, fmt.Errorf("it is larger than %d MiB", maxConfig>>20)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := yaml.Unmarshal(text, &out); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, errors.New("it holds nothing")
	}
	return out, nil
}

// variable is what the configuration itself sets an environment variable to.
func (c *liteConfig) variable(name string, getenv func(string) string) string {
	v, ok := c.Variables[name]
	if !ok || v == nil {
		return ""
	}
	text := fmt.Sprint(v)
	if other, ok := strings.CutPrefix(text, "os.environ/"); ok {
		return getenv(other)
	}
	return text
}

// leaveSettings names what the configuration says beside deployments.
func (l *lite) leaveSettings(c *liteConfig) {
	const why = "see config/gateway.example.yaml for what this gateway has"
	if c.General["master_key"] != nil {
		l.plan.leave("administrators have keys of this gateway; a caller that uses it needs one: `ai-gateway api-key create`", "general_settings.master_key")
	}
	for setting, v := range sorted(c.General) {
		if setting != "master_key" && setting != "database_url" && v != nil {
			l.plan.leave(why, "general_settings.%s", setting)
		}
	}
	if s := c.Router.Strategy; s != "" && s != "simple-shuffle" && l.strategy(s) == "" {
		l.plan.leave("targets are chosen by their weights: see `ai-gateway route set --strategy`", "router_settings.routing_strategy %s", s)
	}
	for name, section := range sorted(map[string]map[string]any{"litellm_settings": c.Settings.Others, "router_settings": c.Router.Others}) {
		for setting, v := range sorted(section) {
			switch {
			case v == nil:
			case setting == "max_budget":
				l.plan.leave("limit all keys together with `ai-gateway quota set`", "%s.%s", name, setting)
			default:
				l.plan.leave(why, "%s.%s", name, setting)
			}
		}
	}
	for section, v := range sorted(c.Others) {
		if v != nil && !strings.HasPrefix(section, "x-") { // which are for anchors
			l.plan.leave("this gateway has no such part", "the part %s", section)
		}
	}
}

// listOf is a list, or what stands where a list of one may.
func listOf(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// textsOf are the texts of a list.
func textsOf(v any) (out []string) {
	for _, e := range listOf(v) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// nameIn is the model that an entry of a list of fallbacks names.
func nameIn(v any) string {
	if m, ok := v.(map[string]any); ok {
		v = m["model"]
	}
	s, _ := v.(string)
	return s
}
