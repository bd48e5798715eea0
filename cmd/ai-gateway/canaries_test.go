package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shortestSecret is the length from which a secret is looked for: what is shorter may
// stand in a text by chance.
const shortestSecret = 10

// canaries are the secrets that a test gives its gateway or gets from it. Every
// answer is looked through for them as it comes, and at the gateway's end its log, its
// metrics, what its admin API shows, every file of its data folder, and every table of
// its database.
type canaries struct {
	mu    sync.Mutex
	known map[string]string // where it was given, by secret
	files map[string]string // the one file a secret may lie in, by secret
}

// looked counts what all tests together have looked through, for TestMain to tell.
var looked struct {
	secrets, gateways, answers, pages, files, tables, bytes atomic.Int64
}

// learn takes a secret to look for; file is the one in the data folder that may hold it.
func (c *canaries) learn(secret, where, file string) {
	if len(secret) < shortestSecret {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known, c.files = map[string]string{}, map[string]string{}
	}
	if _, ok := c.known[secret]; !ok {
		c.known[secret] = where
		looked.secrets.Add(1)
	}
	if file != "" {
		c.files[secret] = file
	}
}

// find looks for the secrets in text, which lies in file of the data folder, or nowhere: "".
func (c *canaries) find(t testing.TB, place, file string, text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	looked.bytes.Add(int64(len(text)))
	for secret, where := range c.known {
		if i := bytes.Index(text, []byte(secret)); i >= 0 && (file == "" || c.files[secret] != file) {
			t.Errorf("the secret of %s is in %s: …%q…", where, place, text[max(0, i-100):min(len(text), i+len(secret)+20)])
		}
	}
}

var (
	secretInFile = regexp.MustCompile(`(?:api_key|\bkey|token|webhook):\s*"?([^\s",}]+)`)
	passwordIn   = regexp.MustCompile(`[a-z0-9]+://[^\s/:@]*:([^\s/@]+)@`)
	shortKey     = regexp.MustCompile(`^([A-Z]+_API_KEY)=(sk-[a-z0-9-]{1,6})$`)
)

// lengthen makes keys of vendors that are too short to be looked for long enough.
func lengthen(env []string) []string {
	out := make([]string, len(env))
	for i, e := range env {
		out[i] = shortKey.ReplaceAllString(e, "$1=$2-canary-7f3a9c1e")
	}
	return out
}

// learnStart takes the secrets a gateway is started with: its environment's and its configuration's.
func (c *canaries) learnStart(env, args []string) {
	for _, e := range env {
		name, v, _ := strings.Cut(e, "=")
		if strings.HasSuffix(name, "_KEY") {
			c.learn(v, name, "")
		}
		c.learnURL(v, name)
	}
	for _, a := range args {
		if b, err := os.ReadFile(strings.TrimPrefix(a, "--config=")); err == nil {
			for _, m := range secretInFile.FindAllSubmatch(b, -1) {
				if !bytes.ContainsAny(m[1], "$:/") { // a reference, or an address
					c.learn(string(m[1]), "the configuration", "")
				}
			}
			c.learnURL(string(b), "the configuration")
		}
	}
}

// learnURL takes the passwords of the addresses in text.
func (c *canaries) learnURL(text, where string) {
	for _, m := range passwordIn.FindAllStringSubmatch(text, -1) {
		if p, err := url.PathUnescape(m[1]); err == nil {
			c.learn(p, "the password of "+where, "")
		}
	}
}

// learnBody takes the secrets of a request to the admin API.
func (c *canaries) learnBody(path, body string) {
	var v any
	if !strings.HasPrefix(path, "/v1/admin/") || json.Unmarshal([]byte(body), &v) != nil {
		return
	}
	var walk func(v any, name string)
	walk = func(v any, name string) {
		switch v := v.(type) {
		case map[string]any:
			for k, inner := range v {
				if name == "headers" {
					k = "headers"
				}
				walk(inner, k)
			}
		case []any:
			for _, inner := range v {
				walk(inner, name)
			}
		case string:
			switch name {
			case "api_key", "key", "headers", "token", "secret", "password":
				c.learn(v, name+" of "+path, "")
			}
			c.learnURL(v, name+" of "+path)
		}
	}
	walk(v, "")
}

// answered looks through an answer, and learns what it alone may show: a key that was
// made, a session that was opened.
func (g *gateway) answered(method, path, body string, resp *http.Response, got []byte) {
	looked.answers.Add(1)
	c := &g.secrets
	c.learnBody(path, body)
	for _, cookie := range resp.Cookies() {
		c.learn(cookie.Value, "a session", "")
	}
	var made struct{ Key string }
	if method == "POST" && strings.HasPrefix(path, "/v1/admin/api-keys") && resp.StatusCode < 300 && json.Unmarshal(got, &made) == nil && made.Key != "" {
		c.learn(made.Key, "an API key", "")
		return
	}
	if len(resp.Cookies()) > 0 {
		return
	}
	place := "the answer to " + method + " " + strings.SplitN(path, "?", 2)[0]
	c.find(g.t, place, "", got)
	for name, values := range resp.Header {
		c.find(g.t, place+", "+name, "", []byte(strings.Join(values, "\n")))
	}
}

// lookAtPages reads what the gateway shows of itself, as far as it still does.
func (g *gateway) lookAtPages() {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/metrics", "/health", "/v1/admin/config", "/v1/admin/provider-accounts?limit=200", "/v1/admin/api-keys?limit=200", "/v1/admin/audit?limit=200", "/v1/admin/usage/logs?limit=200"} {
		req, err := http.NewRequest("GET", g.url+path, nil)
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer "+g.admin)
		resp, err := client.Do(req)
		if err != nil {
			return
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode == 200 {
			looked.pages.Add(1)
			g.secrets.find(g.t, path, "", b)
		}
	}
}

// lookAtRest reads the log and the files of a gateway that has ended.
func (g *gateway) lookAtRest() {
	c := &g.secrets
	if b, err := os.ReadFile(filepath.Join(g.dir, "master.key")); err == nil {
		c.learn(strings.TrimSpace(string(b)), "the master key", "master.key")
	}
	looked.gateways.Add(1)
	c.find(g.t, "the log", "", []byte(g.log.String()))
	_ = filepath.WalkDir(g.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // gone meanwhile
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		looked.files.Add(1)
		c.find(g.t, path, filepath.Base(path), b)
		return nil
	})
}

// tellLooked says how much the tests have looked through.
func tellLooked() {
	if n := looked.gateways.Load(); n > 0 {
		fmt.Printf("canaries: %d secrets of %d gateways were looked for in %d answers, %d pages, %d logs, %d files and %d tables, %d MB in all\n",
			looked.secrets.Load(), n, looked.answers.Load(), looked.pages.Load(), n, looked.files.Load(), looked.tables.Load(), looked.bytes.Load()>>20)
	}
}

// A finder hears of what is found, in place of a test.
type finder struct {
	testing.TB
	found []string
}

func (j *finder) Errorf(format string, args ...any) {
	j.found = append(j.found, fmt.Sprintf(format, args...))
}

// TestCanariesAreFound: what the tests look for is found where it lies.
func TestCanariesAreFound(t *testing.T) {
	var c canaries
	c.learnStart([]string{"OPENAI_API_KEY=sk-of-the-environment", "AI_GATEWAY_DATABASE_URL=postgres://u:password-of-dsn@h/d"}, nil)
	c.learnBody("/v1/admin/provider-accounts", `{"api_keys":[{"key":"sk-of-the-pool"}],"headers":{"x-a":"token-in-header"},"proxy":"http://u:password-of-proxy@h:1","name":"no-secret-at-all"}`)
	c.learn("text-of-master-key", "the master key", "master.key")
	j := &finder{TB: t}
	for _, secret := range []string{"sk-of-the-environment", "password-of-dsn", "sk-of-the-pool", "token-in-header", "password-of-proxy", "text-of-master-key"} {
		before := len(j.found)
		c.find(j, "the log", "", []byte("before "+secret+" behind"))
		c.find(j, "a file", "gateway.db", append([]byte{0, 0}, secret...))
		if len(j.found) != before+2 {
			t.Errorf("%s was not found: %q", secret, j.found)
		}
	}
	before := len(j.found)
	c.find(j, "master.key", "master.key", []byte("text-of-master-key"))
	c.find(j, "the log", "", []byte("no-secret-at-all"))
	if len(j.found) != before {
		t.Errorf("found where it may be: %q", j.found[before:])
	}
}
