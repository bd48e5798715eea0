package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

const defaultURL = "http://127.0.0.1:8080"

// A local is what a gateway on this machine left for its owner's command line.
type local struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	path  string
}

// client returns a client of the gateway that flags, environment, profile or
// local.json name, in this order, and notes where its key is from.
func (a *app) client() (*api.Client, error) {
	prof, err := a.loadProfile()
	if err != nil {
		return nil, err
	}
	if a.key == "-" {
		if a.key, err = a.readSecret(phrase("Gateway key")); err != nil {
			return nil, err
		}
	}
	type source struct{ url, key, name string }
	flags := source{a.url, a.key, "--gateway-key"}
	env := source{a.env["AI_GATEWAY_BASE_URL"], a.env["AI_GATEWAY_API_KEY"], "AI_GATEWAY_API_KEY"}
	file := source{prof.BaseURL, prof.APIKey, prof.from}
	order := []source{flags, env, file}
	if a.profile != "" { // named on the command line: as good as flags
		order = []source{flags, file, env}
	}
	c := &api.Client{UserAgent: "ai-gateway-cli/" + Version}
	for _, s := range order {
		if c.BaseURL == "" {
			c.BaseURL = s.url
		}
		if c.Key == "" && s.key != "" {
			c.Key, a.keyFrom = s.key, s.name
		}
	}
	l, found := a.findLocal()
	if c.BaseURL == "" {
		c.BaseURL = defaultURL
		if found {
			c.BaseURL = l.URL
		}
	}
	if c.Key == "" && found && sameGateway(c.BaseURL, l.URL) { // its token goes nowhere else
		c.Key, a.keyFrom = l.Token, l.path
	}
	if _, err := c.Base(); err != nil {
		return nil, &exitError{exitUsage, &hintError{err: err, next: "ai-gateway config set base_url " + defaultURL}}
	}
	return c, nil
}

// sameGateway reports whether two addresses are of one loopback listener.
func sameGateway(a, b string) bool {
	one, err1 := (&api.Client{BaseURL: a}).Base()
	two, err2 := (&api.Client{BaseURL: b}).Base()
	loop := strings.NewReplacer("://localhost:", "://127.0.0.1:", "://[::1]:", "://127.0.0.1:")
	return err1 == nil && err2 == nil && loop.Replace(one) == loop.Replace(two)
}

// findLocal reads local.json of the data folder in use, else of the system's service.
func (a *app) findLocal() (local, bool) {
	dirs := []string{a.dataDir()}
	if a.env["AI_GATEWAY_DATA_DIR"] == "" && runtime.GOOS != "windows" {
		dirs = append(dirs, "/var/lib/ai-gateway")
	}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		l := local{path: filepath.Join(dir, "local.json")}
		data, err := os.ReadFile(l.path)
		if err == nil && json.Unmarshal(data, &l) == nil && l.URL != "" && l.Token != "" {
			return l, true
		}
	}
	return local{}, false
}

// dataDir is where a gateway started by this user keeps its data; "" if no home is known.
func (a *app) dataDir() string {
	if dir := a.env["AI_GATEWAY_DATA_DIR"]; dir != "" {
		return dir
	}
	if dir := a.env["XDG_DATA_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "ai-gateway")
	}
	if dir := a.env["LOCALAPPDATA"]; runtime.GOOS == "windows" && dir != "" {
		return filepath.Join(dir, "ai-gateway")
	}
	if home := a.env["HOME"]; home != "" {
		return filepath.Join(home, ".local", "share", "ai-gateway")
	}
	return ""
}

// interruptible returns a context that ends at Ctrl-C or SIGTERM.
func (a *app) interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM)
}

const maxSecret = 64 << 10

// readSecret reads one line: on a terminal it asks for it and shows nothing.
func (a *app) readSecret(what locales.Phrase) (string, error) {
	if f, ok := a.stdin.(*os.File); ok && stdinTerminal(f) {
		if a.noInput {
			return "", wrongUsage("", "%s: it is missing, and --no-input forbids to ask", what)
		}
		return a.askSecret(f, what)
	}
	data, err := io.ReadAll(io.LimitReader(a.stdin, maxSecret+1))
	if err != nil {
		return "", errorf("cannot read standard input: %w", err)
	}
	if len(data) > maxSecret {
		return "", errorf("standard input is longer than a key can be")
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", wrongUsage("", "%s: standard input holds none", what)
	}
	return secret, nil
}

// isMissing reports whether err says that a file is not there.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
