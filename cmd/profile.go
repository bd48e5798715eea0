package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// profileKeys are what a profile may hold, in the order they are shown.
var profileKeys = []string{"base_url", "api_key", "model", "lang"}

// A profile is how one gateway is reached: the top level of cli.yaml, or one of its profiles.
type profile struct {
	BaseURL string `yaml:"base_url"`
	APIKey  string `yaml:"api_key"`
	Model   string `yaml:"model"`
	Lang    string `yaml:"lang"`

	from string // for people
}

const maxClientFile = 1 << 20

// clientFile is the path of cli.yaml.
func (a *app) clientFile() (string, error) {
	if dir := a.env["XDG_CONFIG_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "ai-gateway", "cli.yaml"), nil
	}
	if dir := a.env["APPDATA"]; runtime.GOOS == "windows" && dir != "" {
		return filepath.Join(dir, "ai-gateway", "cli.yaml"), nil
	}
	if home := a.env["HOME"]; home != "" {
		return filepath.Join(home, ".config", "ai-gateway", "cli.yaml"), nil
	}
	return "", errorf("no home folder is known: set HOME or XDG_CONFIG_HOME")
}

// readClientFile returns the top node of cli.yaml, an empty mapping if there is none.
func (a *app) readClientFile() (path string, top *yaml.Node, err error) {
	top = &yaml.Node{Kind: yaml.MappingNode}
	if path, err = a.clientFile(); err != nil {
		return "", nil, err
	}
	info, err := os.Stat(path)
	if isMissing(err) {
		return path, top, nil
	}
	if err == nil && (info.Size() > maxClientFile || !info.Mode().IsRegular()) {
		err = errorf("not a regular file, or too large")
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	var doc yaml.Node
	if err == nil {
		err = yaml.Unmarshal(data, &doc)
	}
	if err != nil {
		return path, nil, errorf("cannot read %s: %w", path, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
		return path, top, nil
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return path, nil, errorf("cannot read %s: it must be a mapping of names to values", path)
	}
	return path, doc.Content[0], nil
}

// profileName is the profile asked for; "" is the top level.
func (a *app) profileName() string {
	if a.profile != "" {
		return a.profile
	}
	return a.env["AI_GATEWAY_PROFILE"]
}

// loadProfile reads the profile in use. A missing file is an empty profile; a
// profile that was named must exist.
func (a *app) loadProfile() (profile, error) {
	path, top, err := a.readClientFile()
	if err != nil {
		if a.profileName() == "" && path == "" {
			return profile{}, nil // no home: nothing is configured
		}
		return profile{}, err
	}
	at, name := top, a.profileName()
	p := profile{from: path}
	if name != "" {
		if at = child(child(top, "profiles"), name); at == nil {
			return p, wrongUsage("ai-gateway config set --profile "+name+" base_url "+defaultURL, "no profile %q in %s%s", name, path, alternatives(child(top, "profiles")))
		}
		p.from = path + ", profile " + name
	}
	if err := at.Decode(&p); err != nil {
		return p, errorf("cannot read %s: %w", path, err)
	}
	return p, nil
}

func alternatives(profiles *yaml.Node) string {
	names := profileNames(profiles)
	if len(names) == 0 {
		return ""
	}
	return "; it has " + strings.Join(names, ", ")
}

func profileNames(profiles *yaml.Node) []string {
	var names []string
	if profiles != nil && profiles.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(profiles.Content); i += 2 {
			names = append(names, profiles.Content[i].Value)
		}
	}
	return names
}

// child returns the value of name in mapping n, nil if there is none.
func child(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// put sets name in mapping n to value and keeps all else; nil removes it.
func put(n *yaml.Node, name string, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != name {
			continue
		}
		if value == nil {
			n.Content = slices.Delete(n.Content, i, i+2)
		} else {
			value.LineComment = n.Content[i+1].LineComment
			n.Content[i+1] = value
		}
		return
	}
	if value != nil {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
	}
}

// setProfile writes one value of the profile in use; "" removes it.
func (a *app) setProfile(key, value string) error {
	path, top, err := a.readClientFile()
	if err != nil {
		return err
	}
	at := top
	if name := a.profileName(); name != "" {
		for _, step := range []string{"profiles", name} {
			next := child(at, step)
			if next == nil || next.Kind != yaml.MappingNode {
				next = &yaml.Node{Kind: yaml.MappingNode}
				put(at, step, next)
			}
			at = next
		}
	}
	var node *yaml.Node
	if value != "" {
		node = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	}
	put(at, key, node)
	var out bytes.Buffer
	if len(top.Content) > 0 {
		enc := yaml.NewEncoder(&out)
		enc.SetIndent(2)
		if err := enc.Encode(top); err != nil {
			return errorf("cannot write %s: %w", path, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return errorf("cannot make the folder of %s: %w", path, err)
	}
	return writePrivate(path, out.Bytes())
}
