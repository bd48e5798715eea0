// Package providertest holds what tests of dialects share: recorded traffic of
// real providers, a reader of golden files, and ways to cut a stream.
package providertest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A Cassette is one recorded exchange with a provider.
type Cassette struct {
	ID       string `json:"id"`
	Provider string `json:"provider"`
	Endpoint string `json:"endpoint"`
	Host     string `json:"upstream_host"`
	Request  struct {
		Method string            `json:"method"`
		Path   string            `json:"path"`
		Header map[string]string `json:"headers"`
		Body   json.RawMessage   `json:"body"` // nil where the body was no JSON
	} `json:"request"`
	Response struct {
		Status int               `json:"status"`
		Header map[string]string `json:"headers"`
		Body   json.RawMessage   `json:"body"`
		SSE    string            `json:"sse"` // the event stream, exact; empty for a whole answer
		Text   string            `json:"text"`
		B64    []byte            `json:"b64"` // an AWS event stream
	} `json:"response"`
	Features []string `json:"features"`
}

// OK reports whether the provider answered with a status of success.
func (c *Cassette) OK() bool { return c.Response.Status >= 200 && c.Response.Status < 300 }

// A Filter selects recordings; empty fields select all.
type Filter struct {
	Endpoint string
	Provider string
}

// sharedVariable names the environment variable that tells where the recordings are.
const sharedVariable = "AI_GATEWAY_SHARED"

// Shared returns the folder of shared test data: $AI_GATEWAY_SHARED, or a folder
// "shared" beside the repository. Without it the test is skipped, but fails
// where CI=true.
func Shared(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv(sharedVariable); dir != "" {
		if _, err := os.Stat(dir); err != nil {
			t.Fatalf("%s: %v", sharedVariable, err)
		}
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			shared := filepath.Join(filepath.Dir(dir), "shared")
			if _, err := os.Stat(shared); err == nil {
				return shared
			}
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	const msg = "NOT PROVEN: recorded traffic is absent; set " + sharedVariable + " to the folder that holds cassettes/"
	if os.Getenv("CI") == "true" {
		t.Fatal(msg)
	}
	t.Skip(msg)
	return ""
}

// Cassettes returns the recorded exchanges that f selects, in the order of their index.
func Cassettes(t testing.TB, f Filter) []*Cassette {
	t.Helper()
	dir := filepath.Join(Shared(t), "cassettes", "open")
	index, err := os.Open(filepath.Join(dir, "INDEX.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	var out []*Cassette
	lines := bufio.NewScanner(index)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct{ ID, Provider, Endpoint string }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("INDEX.jsonl: %v", err)
		}
		if f.Endpoint != "" && f.Endpoint != row.Endpoint || f.Provider != "" && f.Provider != row.Provider {
			continue
		}
		out = append(out, readCassette(t, filepath.Join(dir, row.ID+".json")))
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("no recorded exchange matches %+v", f)
	}
	return out
}

func readCassette(t testing.TB, file string) *Cassette {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cassette{}
	if err := json.Unmarshal(data, c); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return c
}

// Fragments returns the response-only recordings (file name → content) whose
// name starts with prefix.
func Fragments(t testing.TB, prefix string) map[string][]byte {
	t.Helper()
	dir := filepath.Join(Shared(t), "cassettes", "fragments", "open")
	out := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if len(e.Name()) < len(prefix) || e.Name()[:len(prefix)] != prefix {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = data
	}
	return out
}

// A Tally counts recordings that pass a proof, and lists those that do not.
type Tally struct {
	t            testing.TB
	name         string
	total        int
	failed       []string
	allowed      []string // ids known not to pass
	stale        []string // allowed ones that pass
	firstReasons []string
}

// NewTally starts a count. allowed lists recordings that are known not to pass.
func NewTally(t testing.TB, name string, allowed ...string) *Tally {
	return &Tally{t: t, name: name, allowed: allowed}
}

// Check counts one recording; err nil: it passed.
func (y *Tally) Check(id string, err error) {
	y.total++
	known := slices.Contains(y.allowed, id)
	if err == nil {
		if known {
			y.stale = append(y.stale, id)
		}
		return
	}
	y.failed = append(y.failed, id)
	if !known && len(y.firstReasons) < 10 {
		y.firstReasons = append(y.firstReasons, id+": "+err.Error())
	}
}

// Done prints the count and fails the test if under 99 % passed, if one failed
// that is not listed, if a listed one passed, or if nothing was counted.
func (y *Tally) Done() {
	y.t.Helper()
	y.t.Logf("%s: %d of %d passed", y.name, y.total-len(y.failed), y.total)
	if len(y.failed) > 0 {
		y.t.Logf("%s: exceptions: %v", y.name, y.failed)
	}
	for _, r := range y.firstReasons {
		y.t.Errorf("%s: %s", y.name, r)
	}
	if len(y.stale) > 0 {
		y.t.Errorf("%s: listed as exceptions, but they pass: %v", y.name, y.stale)
	}
	if y.total == 0 || len(y.failed)*100 > y.total {
		y.t.Errorf("%s: %d of %d passed, less than 99 %%", y.name, y.total-len(y.failed), y.total)
	}
}

// Diff reports, as an error, the first difference between two JSON values;
// member order and the spelling of numbers do not count. Members that are null
// count as absent. ignore may silence a difference by its path ("a.b[0].c").
func Diff(got, want []byte, ignore func(path string, got, want any) bool) error {
	g, err := tree(got)
	if err != nil {
		return err
	}
	w, err := tree(want)
	if err != nil {
		return err
	}
	return diff("", g, w, ignore)
}

func tree(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}
