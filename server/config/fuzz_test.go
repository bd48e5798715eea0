package config

import (
	"errors"
	"os"
	"testing"
)

// FuzzConfig: no file makes the loader panic or hang, and what it accepts has
// sane values and can be described.
func FuzzConfig(f *testing.F) {
	data, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, s := range []string{
		"", "a: &a [*a]", "? [a]\n: 1", "listen: [':1', ':2']", "log: {level: ${A:-info}}", "limits: {max_body: 1MiB}",
		"accounts:\n- {provider: openai, api_key: x, params: {set: {a: [1, .inf]}}}", "model_mappings: [{alias: a, targets: [b/c]}]",
		"a: !!binary x", "!!map {a: b}", "%YAML 1.1\n---\na: 1", "\xff\xfe", "x: |\n  y", "<<: {a: b}", "listen: '${file:/etc/hostname}'", "- - - -",
	} {
		f.Add([]byte(s))
	}
	path := f.TempDir() + "/gw.yaml"
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(Options{Path: path, Environ: []string{"HOME=/h", "A=info"}, Providers: some()})
		if err != nil {
			var place *Error
			if !errors.As(err, &place) || place.Source == "" || place.Msg == "" {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		if c.Zone == nil || c.DataDir == "" || len(c.Listen) == 0 || c.Limits.Body < 1<<10 || c.Timeouts.Upstream.Idle <= 0 {
			t.Fatalf("accepted: %+v", c)
		}
		for _, a := range c.Accounts {
			if a.ID == "" || a.Name == "" || newKnown(some()).byName[a.Provider] == nil {
				t.Fatalf("accepted account: %+v", a)
			}
		}
		c.Effective()
	})
}
