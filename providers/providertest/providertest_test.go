package providertest

import (
	"bytes"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	f := func(got, want, path string) {
		t.Helper()
		err := Diff([]byte(got), []byte(want), nil)
		if (err == nil) != (path == "") || err != nil && !strings.HasPrefix(err.Error(), path+":") {
			t.Errorf("%s against %s: %v, want a difference at %q", got, want, err, path)
		}
	}
	f(`{"a":1,"b":[1.0,2e1]}`, `{"b":[1,20],"a":1.00}`, "")
	f(`{"a":null}`, `{}`, "")
	f(`{"a":1}`, `{}`, "a")
	f(`{}`, `{"a":false}`, "a")
	f(`{"a":{"b":[1,{"c":"x"}]}}`, `{"a":{"b":[1,{"c":"y"}]}}`, "a.b[1].c")
	f(`{"a":[1]}`, `{"a":[1,2]}`, "a")
	f(`{"a":12345678901234567890}`, `{"a":12345678901234567891}`, "a")
	f(`{"a":"1"}`, `{"a":1}`, "a")
}

func TestCuts(t *testing.T) {
	in := bytes.Repeat([]byte("data: é\n\n"), 300)
	singles := 0
	for seed := range uint64(20) {
		pieces := Cuts(in, seed)
		if !bytes.Equal(bytes.Join(pieces, nil), in) {
			t.Fatalf("seed %d loses bytes", seed)
		}
		if len(pieces) < 3 {
			t.Errorf("seed %d cuts into %d pieces only", seed, len(pieces))
		}
		for _, p := range pieces {
			if len(p) == 1 {
				singles++
			}
		}
	}
	if singles < 20 {
		t.Errorf("%d single bytes in 20 cuts", singles)
	}
}

func TestCassettes(t *testing.T) {
	list := Cassettes(t, Filter{Endpoint: "openai_chat", Provider: "azure"})
	if len(list) < 10 {
		t.Fatalf("%d recordings", len(list))
	}
	for _, c := range list {
		if c.Request.Body == nil || c.Response.Body == nil && c.Response.SSE == "" || c.Response.Status == 0 {
			t.Errorf("%s was read as %+v", c.ID, c)
		}
	}
}
