package main_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// TestUnits has systemd judge the units, with this build in place of the installed program.
func TestUnits(t *testing.T) {
	tool := program(t, "systemd-analyze")
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"ai-gateway.service", "ai-gateway.socket"} {
		b, err := os.ReadFile(deployDir + "systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		b = bytes.ReplaceAll(b, []byte("/usr/bin/ai-gateway"), []byte(filepath.Join(binary(t), "ai-gateway")))
		files = append(files, filepath.Join(dir, name))
		if err := os.WriteFile(files[len(files)-1], b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(tool, append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), dir) { // it only warns of names that it does not know
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestVariables holds every AI_GATEWAY_ variable that a file of a deployment sets
// to what the program reads.
func TestVariables(t *testing.T) {
	out, err := exec.Command(filepath.Join(binary(t), "ai-gateway"), "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := []string{"AI_GATEWAY_CONFIG", "AI_GATEWAY_MASTER_KEY", "AI_GATEWAY_ADMIN_KEY", "AI_GATEWAY_DATABASE_URL", // secrets and what is read before flags
		"AI_GATEWAY_IMAGE", "AI_GATEWAY_PORT"} // docker-compose.yml's own
	for _, m := range regexp.MustCompile(`--([a-z-]+) string`).FindAllStringSubmatch(string(out), -1) {
		known = append(known, "AI_GATEWAY_"+strings.ToUpper(strings.ReplaceAll(m[1], "-", "_")))
	}
	files := []string{"../../Dockerfile", "../../docker-compose.yml", "../../.env.example"}
	err = filepath.WalkDir(deployDir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`AI_GATEWAY_[A-Z_]*[A-Z]`).FindAllString(string(b), -1) {
			used++
			if !slices.Contains(known, name) {
				t.Errorf("%s sets %s, which the gateway does not read", file, name)
			}
		}
	}
	if used < 20 {
		t.Errorf("only %d uses were found", used)
	}
}

// TestManifests reads every YAML file of a deployment strictly, and holds what is
// written in two places to one text.
func TestManifests(t *testing.T) {
	files := []string{"../../docker-compose.yml", "../../.goreleaser.yaml", "../../.github/workflows/ci.yml", "../../.github/workflows/release.yml", deployDir + "helm/ai-gateway/values.yaml", deployDir + "helm/ai-gateway/Chart.yaml"}
	for _, pattern := range []string{"kubernetes/*.yaml", "prometheus/*.yml", "grafana/provisioning/*/*.yml", "../.github/ISSUE_TEMPLATE/*.yml"} {
		found, _ := filepath.Glob(deployDir + pattern)
		files = append(files, found...)
	}
	if len(files) < 10 {
		t.Fatalf("only %d files", len(files))
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
			var doc map[string]any
			if err := d.Decode(&doc); err != nil {
				if err.Error() != "EOF" {
					t.Errorf("%s: %v", file, err)
				}
				break
			}
		}
	}
	rules, _ := os.ReadFile(deployDir + "prometheus/rules.yml")
	if chart, err := os.ReadFile(deployDir + "helm/ai-gateway/rules.yml"); err != nil || !bytes.Equal(chart, rules) {
		t.Errorf("deploy/helm/ai-gateway/rules.yml is not deploy/prometheus/rules.yml: %v", err)
	}
}

// TestReleaseNotes: the notes of a release are its section of the changelog, and
// there is no release without one.
// TestStartIsWaitedFor: who starts a gateway waits for as long as a migration may take,
// half an hour; one that is ended in the middle of it begins anew each time.
func TestStartIsWaitedFor(t *testing.T) {
	f := func(file, pattern string) {
		t.Helper()
		b, err := os.ReadFile(deployDir + file)
		m := regexp.MustCompile(pattern).FindSubmatch(b)
		if err != nil || m == nil {
			t.Errorf("%s: %q is missing: %v", file, pattern, err)
			return
		}
		if d, err := time.ParseDuration(strings.NewReplacer("min", "m").Replace(string(m[1]))); err != nil || d < 30*time.Minute {
			if n, err := strconv.Atoi(string(m[1])); err != nil || n < 1800 {
				t.Errorf("%s waits for %s", file, m[1])
			}
		}
	}
	f("systemd/ai-gateway.service", `(?m)^TimeoutStartSec=(\S+)$`)
	for _, file := range []string{"kubernetes/gateway.yaml", "helm/ai-gateway/templates/gateway.yaml"} {
		f(file, `startupProbe:\n +httpGet: .*\n +periodSeconds: 1\n +failureThreshold: (\d+)`)
	}
}

func TestReleaseNotes(t *testing.T) {
	notes := program(t, "bash")
	out, err := exec.Command(notes, "../../.ci/release-notes", "Unreleased").Output()
	if err != nil || !strings.HasPrefix(string(out), "### ") || strings.Contains(string(out), "\n## ") {
		t.Errorf("%v\n%.300s", err, out)
	}
	if out, err := exec.Command(notes, "../../.ci/release-notes", "99.0.0").CombinedOutput(); err == nil || !strings.Contains(string(out), "## 99.0.0") {
		t.Errorf("a version that the changelog does not know: %v %s", err, out)
	}
}
