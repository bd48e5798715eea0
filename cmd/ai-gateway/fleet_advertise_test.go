//go:build unix

package main_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

// TestFleetAdvertised: gateways are reached where they say, which may be elsewhere than
// where they listen; of those that are not, the others tell why, and doctor what to set.
func TestFleetAdvertised(t *testing.T) {
	db := postgrestest.Start(t).Database(t)
	var behind atomic.Pointer[url.URL] // what the address leads to
	var asked atomic.Int64
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		asked.Add(1)
		r.SetURL(behind.Load())
	}})
	t.Cleanup(proxy.Close)
	behind.Store(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
	asks := node(t, db, "")
	reached := node(t, db, "", "--advertise-url", proxy.URL+"/")
	target, err := url.Parse(reached.url)
	if err != nil {
		t.Fatal(err)
	}
	behind.Store(target)
	away := node(t, db, "", "--advertise-url", "http://127.0.0.1:1")
	other := node(t, db, "", "--advertise-url", asks.url) // as a balancer would lead there

	want := map[string]string{"http://127.0.0.1:1": "refused", asks.url: "another gateway"}
	eventually(t, 30*time.Second, func() (bool, string) {
		_, body, _ := asks.call("GET", "/v1/admin/requests", fleetAdmin, "")
		var r api.InFlightReply
		if err := json.Unmarshal([]byte(body), &r); err != nil {
			return false, body
		}
		for _, n := range r.Unreachable {
			if want[n.URL] == "" || !strings.Contains(n.Error, want[n.URL]) {
				return false, body
			}
		}
		return len(r.Unreachable) == 2 && len(r.UnreachableNodes) == 2 && asked.Load() > 0, fmt.Sprintf("%s, asked %d times", body, asked.Load())
	})
	out, err := asks.run("ai-gateway doctor --lang en")
	if n := strings.Count(out, "advertise_url must say where they reach it"); n != 2 || !strings.Contains(out, "http://127.0.0.1:1") {
		t.Errorf("doctor warns %d times: %v\n%s", n, err, out)
	}
	for _, g := range []*gateway{reached, away, other} {
		g.stop()
	}
	if out, err := asks.run("AI_GATEWAY_ADVERTISE_URL=nonsense ai-gateway config server show"); err == nil || !strings.Contains(out, "ADVERTISE_URL: must be a URL") {
		t.Errorf("an address that is none: %v\n%s", err, out)
	}
	if out, err := asks.run("AI_GATEWAY_ADVERTISE_URL= ai-gateway config server show"); err != nil {
		t.Errorf("no address: %v\n%s", err, out)
	}
}
