//go:build linux

package main_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var shownKey = regexp.MustCompile(`sk-gw-[0-9a-z]{8}_[0-9A-Za-z]{49}`)

// refusedStart runs serve, which must end by itself with that exit code, and
// returns what it says.
func refusedStart(t *testing.T, dir string, code int, env []string, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(binary(t), "ai-gateway"), append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	home := t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AI_GATEWAY_DATA_DIR=" + dir, "AI_GATEWAY_DRAIN_DELAY=0s"}, env...)
	cmd.Dir = home
	log := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != code {
			t.Errorf("serve ended with %v, want code %d:\n%s", err, code, log)
		}
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-done
		t.Errorf("serve did not end:\n%s", log)
	}
	return log.String()
}

// awaitLog waits until the log, which is written some lines at a time, holds the text.
func awaitLog(g *gateway, text string) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(g.log.String(), text) {
			return
		}
	}
	g.t.Errorf("the log does not say %q:\n%s", text, g.log)
}

// TestFirstStart: without a terminal the first admin key is in a file that only
// its owner reads and the log names; the CLI works at once; the second start makes
// no further key.
func TestFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	g := serve(t, dir, nil)
	file := filepath.Join(dir, "first-admin-key")
	if !shownKey.MatchString(g.admin) {
		t.Fatalf("the file holds %q", g.admin)
	}
	awaitLog(g, "first admin key")
	if log := g.log.String(); shownKey.MatchString(log) || !strings.Contains(log, file) {
		t.Errorf("the log shows the key, or does not name %s:\n%s", file, log)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, file: 0o600, filepath.Join(dir, "local.json"): 0o600, filepath.Join(dir, "master.key"): 0o600, filepath.Join(dir, "gateway.db"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want mode %o", path, info.Mode(), err, want)
		}
	}
	if !strings.Contains(g.log.String(), "master.key") {
		t.Error("the log gives no advice about the master key")
	}
	// its id is the part of it that may be shown, as with all other keys
	id := g.admin[len("sk-gw-"):][:8]
	for _, name := range []string{id, "sk-gw-" + id, "admin"} {
		status, out, _ := g.call("GET", "/v1/admin/api-keys/"+name, g.admin, "")
		var k struct {
			ID, Prefix string
			Scopes     []string
		}
		if status != 200 || json.Unmarshal([]byte(out), &k) != nil || k.ID != id || k.Prefix != "sk-gw-"+id || len(k.Scopes) != 1 || k.Scopes[0] != "admin" {
			t.Errorf("looking up %s: %d %s", name, status, out)
		}
	}
	if out, err := g.run("ai-gateway whoami && ai-gateway api-key list"); err != nil || !strings.Contains(out, "local.json") {
		t.Errorf("the CLI does not work at once: %v\n%s", err, out)
	}
	old, _ := os.ReadFile(filepath.Join(dir, "local.json"))
	g.stop()
	if _, err := os.Stat(filepath.Join(dir, "local.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("local.json after the end: %v", err)
	}

	again := serve(t, dir, nil)
	if _, out, _ := again.call("GET", "/v1/admin/api-keys", again.admin, ""); strings.Count(out, `"prefix"`) != 1 {
		t.Errorf("the keys after a second start: %s", out)
	}
	awaitLog(again, "ai-gateway is serving")
	time.Sleep(200 * time.Millisecond) // what would follow is written by then
	if strings.Contains(again.log.String(), "first admin key") {
		t.Errorf("the second start speaks of a first key:\n%s", again.log)
	}
	var local struct{ Token string }
	if json.Unmarshal(old, &local) != nil || local.Token == "" {
		t.Fatalf("local.json was %s", old)
	}
	if status, _, _ := again.call("GET", "/v1/admin/api-keys", local.Token, ""); status != 401 {
		t.Errorf("the token of the process before is accepted: %d", status)
	}
}

// TestFirstStartOnTerminal: a terminal is shown the key, once.
func TestFirstStartOnTerminal(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	start := func() string {
		ptmx, tty := openTerminal(t)
		cmd := exec.Command(filepath.Join(binary(t), "ai-gateway"), "serve", "--listen", "127.0.0.1:0")
		cmd.Env = []string{"HOME=" + home, "AI_GATEWAY_DATA_DIR=" + dir, "TERM=xterm"}
		cmd.Dir, cmd.Stderr = home, tty
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = tty.Close()
		seen := &syncBuffer{}
		copied := make(chan struct{})
		go func() { _, _ = io.Copy(seen, ptmx); close(copied) }()
		for range 1000 {
			if strings.Contains(seen.String(), "Try it") {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		began := time.Now()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("exit: %v\n%s", err, seen)
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("on a terminal there is no drain delay, but the end took %v", d)
		}
		<-copied
		return seen.String()
	}
	first := start()
	keys := shownKey.FindAllString(first, -1)
	file, err := os.ReadFile(filepath.Join(dir, "first-admin-key"))
	if err != nil || len(keys) != 1 || keys[0] != strings.TrimSpace(string(file)) {
		t.Errorf("%d keys are shown, the file holds %q (%v):\n%s", len(keys), file, err, first)
	}
	for _, text := range []string{"Admin key (shown once", "http://127.0.0.1:", "ai-gateway chat", "ai-gateway providers add"} {
		if !strings.Contains(first, text) {
			t.Errorf("the terminal is not shown %q:\n%s", text, first)
		}
	}
	if strings.Contains(first, `{"time"`) {
		t.Errorf("the log on a terminal is JSON:\n%s", first)
	}
	if second := start(); shownKey.MatchString(second) {
		t.Errorf("the second start shows a key:\n%s", second)
	}
}

// openTerminal opens a pseudo-terminal: what is written to tty can be read from ptmx.
func openTerminal(t *testing.T) (ptmx, tty *os.File) {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("SKIPPED: there is no pseudo-terminal here: %v", err)
	}
	t.Cleanup(func() { _ = ptmx.Close() })
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ptmx, tty
}

// TestAdminKeyFromEnvironment: it is valid while set, is not stored, and no other is made.
func TestAdminKeyFromEnvironment(t *testing.T) {
	dir := t.TempDir()
	const own = "0123456789abcdef0123456789abcdef"
	if out := refusedStart(t, dir, 78, []string{"AI_GATEWAY_ADMIN_KEY=" + own[:31]}); !strings.Contains(out, "AI_GATEWAY_ADMIN_KEY: must be at least 32") || strings.Contains(out, own[:31]) {
		t.Errorf("a short key: %s", out)
	}
	g := serve(t, dir, []string{"AI_GATEWAY_ADMIN_KEY=" + own, "OPENAI_API_KEY=sk-gw-0123456789"})
	if g.admin != "" {
		t.Error("a first admin key was made besides")
	}
	awaitLog(g, "ai-gateway is serving")
	if log := g.log.String(); !strings.Contains(log, "OPENAI_API_KEY") || !strings.Contains(log, "ignored") || strings.Contains(log, "sk-gw-0123456789") || strings.Contains(log, own) {
		t.Errorf("no warning of a gateway's key given as a provider's, or a secret in the log:\n%s", log)
	}
	if status, out, _ := g.call("GET", "/v1/admin/provider-accounts", own, ""); status != 200 || strings.Contains(out, `"openai"`) && strings.Contains(out, `"origin":"env"`) {
		t.Errorf("accounts: %d %s", status, out)
	}
	g.stop()
	g = serve(t, dir, nil) // without it
	if status, _, _ := g.call("GET", "/v1/admin/api-keys", own, ""); status != 401 {
		t.Errorf("the key is valid though it is not set any more: %d", status)
	}
	if g.admin == "" {
		t.Error("no admin key was made then")
	}
}

// TestTwoOnOneDirectory: the second gateway on a data directory refuses, and the first is unharmed.
func TestTwoOnOneDirectory(t *testing.T) {
	g := serve(t, "", nil)
	out := refusedStart(t, g.dir, 1, nil)
	if !strings.Contains(out, g.dir) || !strings.Contains(out, "in use by another ai-gateway") || !strings.Contains(out, "--data-dir") {
		t.Errorf("it says: %s", out)
	}
	if status, _, _ := g.call("GET", "/readyz", "", ""); status != 200 {
		t.Errorf("the first is not ready any more: %d", status)
	}
	if out, err := g.run("ai-gateway whoami"); err != nil {
		t.Errorf("the CLI lost its way: %v %s", err, out)
	}
	addr := strings.TrimPrefix(g.url, "http://")
	other := refusedStart(t, t.TempDir(), 1, []string{"AI_GATEWAY_LISTEN="}, "--listen", addr)
	if !strings.Contains(other, addr) || !strings.Contains(other, "in use") || !strings.Contains(other, "--listen") {
		t.Errorf("on a taken address it says: %s", other)
	}
}

// TestMasterKey: secrets that cannot be opened keep the gateway from starting, with
// the key's id and place; without secrets a new key is no loss.
func TestMasterKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "master.key")
	g := serve(t, dir, nil)
	if status, out, _ := g.call("POST", "/v1/admin/provider-accounts", g.admin, `{"provider":"openai","account_name":"openai","api_key":"sk-sealed-0123456789"}`); status != 201 {
		t.Fatalf("%d %s", status, out)
	}
	g.stop()
	right, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "gateway.db")); strings.Contains(string(b), "sk-sealed-0123456789") {
		t.Error("the store holds the provider's key in the clear")
	}
	put := func(data string, mode os.FileMode) {
		t.Helper()
		_ = os.Remove(file)
		if data == "" {
			return
		}
		if err := os.WriteFile(file, []byte(data), mode); err != nil {
			t.Fatal(err)
		}
	}
	f := func(name, data string, mode os.FileMode, env []string, words ...string) {
		t.Helper()
		put(data, mode)
		out := refusedStart(t, dir, 78, env)
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q is not said: %s", name, w, out)
			}
		}
		if strings.Contains(out, strings.TrimSpace(string(right))) {
			t.Errorf("%s: the key is shown", name)
		}
	}
	other := strings.Repeat("ab", 32)
	f("wrong", other, 0o600, nil, file, "not the one of this store")
	f("missing", "", 0, nil, file, "sealed with master key", "AI_GATEWAY_MASTER_KEY")
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Error("a new master key was made over sealed secrets")
	}
	f("wrong in the environment", string(right), 0o600, []string{"AI_GATEWAY_MASTER_KEY=" + other}, "AI_GATEWAY_MASTER_KEY", "not the one of this store")
	f("malformed", "short", 0o600, nil, file, "32 bytes")
	f("world-readable", string(right), 0o644, nil, file, "0644", "chmod 600")
	f("a file that is not there", string(right), 0o600, []string{"AI_GATEWAY_MASTER_KEY_FILE=" + dir + "/nothing"}, dir+"/nothing")

	put(string(right), 0o600)
	g = serve(t, dir, nil)
	if status, out, _ := g.call("GET", "/v1/admin/provider-accounts", g.admin, ""); status != 200 || !strings.Contains(out, "6789") {
		t.Errorf("with the right key: %d %s", status, out)
	}
	g.stop()

	empty := t.TempDir()
	serve(t, empty, nil).stop()
	if err := os.WriteFile(filepath.Join(empty, "master.key"), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, empty, nil).stop() // nothing is sealed: another key is as good
}

// TestBadConfiguration: mistakes keep the gateway from starting, all of them at
// once with line and column, and nothing is made on the disk.
func TestBadConfiguration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	f := func(text string, words ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "gateway.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out := refusedStart(t, dir, 78, nil, "--config", file)
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("%q: %q is not said: %s", text, w, out)
			}
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: the data directory was made", text)
		}
	}
	f("log:\n  level: loud\nlimits:\n  messages: 3\n", "gateway.yaml:2:10:", "loud", "gateway.yaml:4:3:", `unknown field "limits.messages"`)
	f("listen: [\n", "gateway.yaml:")
	f("listen: ':1'\nlisten: ':2'\n", "gateway.yaml:2:1:", "given twice")
	f("accounts:\n  - {provider: opnai, api_key: sk-canary}\n", "gateway.yaml:2:16:", `did you mean "openai"?`)
	if out := refusedStart(t, dir, 78, []string{"AI_GATEWAY_TIMEOUTS_IDLE=soon"}); !strings.Contains(out, "AI_GATEWAY_TIMEOUTS_IDLE") {
		t.Errorf("a bad variable: %s", out)
	}
}

// TestSettingsInForce: what a caller can observe of the settings that are not
// proven elsewhere.
func TestSettingsInForce(t *testing.T) {
	metrics := freeAddr(t)
	g := serve(t, "", nil, "--limits-max-body", "2KiB", "--timeouts-read-header", "500ms", "--timeouts-keep-alive", "700ms", "--metrics-listen", metrics)
	body := `{"model":"demo-fast","messages":[{"role":"user","content":"` + strings.Repeat("x", 3000) + `"}]}`
	if status, out, _ := g.call("POST", "/v1/chat/completions", g.admin, body); status != 413 || !strings.Contains(out, "2 KiB") {
		t.Errorf("limits.max_body: %d %s", status, out)
	}
	addr := strings.TrimPrefix(g.url, "http://")
	start := time.Now()
	if s, _, closed := raw(t, addr, "GET /livez HTTP/1.1\r\nHost: x\r\nX: ", 9*time.Second); !closed || len(s) == 1 && s[0] == 200 || time.Since(start) > 8*time.Second {
		t.Errorf("timeouts.read_header: %v after %v, closed %v", s, time.Since(start), closed)
	}
	start = time.Now()
	if s, _, closed := raw(t, addr, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", 9*time.Second); !closed || len(s) != 1 || s[0] != 200 || time.Since(start) < 500*time.Millisecond || time.Since(start) > 8*time.Second {
		t.Errorf("timeouts.keep_alive: %v after %v, closed %v", s, time.Since(start), closed)
	}
	resp, err := http.Get("http://" + metrics + "/metrics")
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("metrics.listen: %v %v", resp, err)
	}
	if err == nil {
		_ = resp.Body.Close()
	}
}
