package cmd

import (
	"net/url"
	"testing"
)

// TestProxyFrom: "direct" is no proxy of that name.
func TestProxyFrom(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://of-the-environment:3128")
	t.Setenv("NO_PROXY", "near.example.com")
	f := func(configured, host, want string) {
		t.Helper()
		got := ""
		if choose := proxyFrom(configured); choose != nil {
			u, err := choose(&url.URL{Scheme: "https", Host: host})
			if err != nil {
				t.Fatal(err)
			}
			if u != nil {
				got = u.String()
			}
		}
		if got != want {
			t.Errorf("%q for %s: %q, want %q", configured, host, got, want)
		}
	}
	f("direct", "far.example.com", "")
	f("", "far.example.com", "http://of-the-environment:3128")
	f("", "near.example.com", "")
	f("http://ours:1", "far.example.com", "http://ours:1")
	f("http://ours:1", "near.example.com", "")
}
