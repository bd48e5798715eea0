//go:build unix

package main_test

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
)

// TestFleetLive: what is in flight at any of three gateways is seen, followed and ended
// at each of them, also while the database is away; one that is gone is left out.
func TestFleetLive(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	db := server.Database(t)
	up := talker(t, 300)
	nodes := []*gateway{node(t, db, ""), node(t, db, ""), node(t, db, "")}
	if status, body, _ := nodes[0].call("POST", "/v1/admin/provider-accounts", fleetAdmin, fmt.Sprintf(`{"provider":"openai","account_name":"mine","api_key":"sk-x-secret-1","base_url":%q}`, up+"/v1")); status != 201 {
		t.Fatalf("account: %d %s", status, body)
	}
	for _, n := range nodes {
		eventually(t, 20*time.Second, func() (bool, string) { // each knows the others, and the account
			_, body, _ := n.call("GET", "/v1/admin/provider-accounts", fleetAdmin, "")
			return strings.Contains(body, `"mine"`), body
		})
	}
	events := make(chan api.LiveEvent, 1000)
	go func() {
		_ = (&api.Client{BaseURL: nodes[0].url, Key: fleetAdmin}).Live(t.Context(), func(e api.LiveEvent) error {
			events <- e
			return nil
		})
	}()
	stream := func(g *gateway) <-chan string {
		body := make(chan string, 1)
		go func() {
			req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"gpt-4","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
			req.Header.Set("Authorization", "Bearer "+fleetAdmin)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				body <- err.Error()
				return
			}
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			body <- string(b)
		}()
		return body
	}
	inFlight := func(g *gateway) (list api.InFlightReply) {
		t.Helper()
		_, body, _ := g.call("GET", "/v1/admin/requests", fleetAdmin, "")
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err, body)
		}
		return list
	}
	bodies := []<-chan string{stream(nodes[0]), stream(nodes[1]), stream(nodes[2])}
	var list api.InFlightReply
	for _, n := range nodes {
		eventually(t, 20*time.Second, func() (bool, string) {
			list = inFlight(n)
			names := map[string]bool{}
			for _, e := range list.Data {
				names[e.Node] = true
			}
			return len(list.Data) == 3 && len(names) == 3 && len(list.UnreachableNodes) == 0, fmt.Sprintf("%+v", list)
		})
	}
	at := map[string]api.LiveEvent{} // by port
	port := func(s string) string { return s[strings.LastIndex(s, ":")+1:] }
	for _, e := range list.Data {
		at[port(e.Node)] = e
	}
	seen := map[string]bool{}
	for len(seen) < 3 {
		if e := nextEvent(t, events, api.LiveStarted); at[port(e.Node)].RequestID == e.RequestID {
			seen[e.Node] = true
		}
	}

	// `logs show` knows a request that has not ended, wherever it is.
	cli := func(n int, args string) (string, error) {
		return nodes[n].run("ai-gateway --lang en "+args, "AI_GATEWAY_BASE_URL="+nodes[n].url, "AI_GATEWAY_API_KEY="+fleetAdmin)
	}
	for _, id := range []string{at[port(nodes[2].url)].RequestID, at[port(nodes[2].url)].RequestID[18:]} {
		if out, err := cli(0, "logs show "+id); err != nil || !says(out, "node", at[port(nodes[2].url)].Node) || !strings.Contains(out, "It is in flight for") {
			t.Errorf("logs show of a request in flight: %v\n%s", err, out)
		}
	}

	// Away from the database nothing changes. What runs at the third is ended at the second.
	server.Hang()
	id := at[port(nodes[2].url)].RequestID
	if status, body, _ := nodes[1].call("POST", "/v1/admin/requests/"+id+"/cancel", fleetAdmin, ""); status != 200 {
		t.Errorf("cancel: %d %s", status, body)
	}
	if e := nextEvent(t, events, api.LiveFinished); e.RequestID != id || port(e.Node) != port(nodes[2].url) || e.Row == nil || e.Row.Node != e.Node {
		t.Errorf("finished: %+v", e)
	}
	if body := <-bodies[2]; !strings.Contains(body, "request_cancelled") {
		t.Errorf("its caller was told …%.200s", body[max(0, len(body)-200):])
	}
	if status, body, _ := nodes[1].call("POST", "/v1/admin/requests/"+id+"/cancel", fleetAdmin, ""); status != 404 {
		t.Errorf("again: %d %s", status, body)
	}
	server.Resume()
	// Its row says where it ran, at each gateway and by each way to it; so it does when that one is gone.
	ran := at[port(nodes[2].url)].Node
	where := func() {
		t.Helper()
		eventually(t, 30*time.Second, func() (bool, string) {
			out, err := cli(1, "logs show "+id)
			return err == nil && says(out, "node", ran) && !strings.Contains(out, "in flight"), out
		})
		for _, args := range []string{"logs", "logs -o csv", "logs export", "logs --json"} {
			if out, err := cli(0, args); err != nil || !strings.Contains(out, ran) || !strings.Contains(strings.ToLower(out), "node") {
				t.Errorf("%s: %v, %q is missing in\n%s", args, err, ran, out)
			}
		}
	}
	where()

	// The credential is good for nothing else, and for the process that is meant alone.
	derived, err := hkdf.Key(sha256.New, []byte(strings.Repeat("\xab", 32)), nil, "ai-gateway peers", 32)
	if err != nil {
		t.Fatal(err)
	}
	token := "gw-peer-" + hex.EncodeToString(derived)
	boot := query(t, db, "SELECT boot FROM gateways WHERE url LIKE '%' || $1", port(nodes[0].url))
	if status, body, _ := nodes[0].call("GET", "/v1/admin/requests", token, "", "X-Gateway-Peer", boot); status != 200 {
		t.Errorf("as another gateway: %d %s", status, body)
	}
	for path, meant := range map[string]string{"/v1/admin/requests": "01OTHER", "/v1/admin/api-keys": boot, "/v1/models": boot, "/v1/admin/requestsx": boot} {
		if status, body, _ := nodes[0].call("GET", path, token, "", "X-Gateway-Peer", meant); status != 401 && status != 404 {
			t.Errorf("%s with what gateways prove themselves with: %d %s", path, status, body)
		}
	}
	for _, n := range nodes {
		if strings.Contains(n.log.String(), token) {
			t.Error("the credential is in a log")
		}
	}

	// One that is killed is named as missing, then forgotten.
	nodes[1].kill()
	if e := nextEvent(t, events, api.LiveDropped); e.Dropped != 1 || port(e.Node) != port(nodes[1].url) {
		t.Errorf("after a kill the feed says %+v", e)
	}
	if list := inFlight(nodes[0]); len(list.UnreachableNodes) != 1 || port(list.UnreachableNodes[0]) != port(nodes[1].url) || len(list.Data) != 1 {
		t.Errorf("after a kill: %+v", list)
	}
	if out, err := cli(0, "logs show ABCDEFGH"); err == nil || !strings.Contains(out, "does not answer") || !strings.Contains(out, port(nodes[1].url)) {
		t.Errorf("logs show while a gateway does not answer: %v\n%s", err, out)
	}
	eventually(t, 30*time.Second, func() (bool, string) {
		list := inFlight(nodes[0])
		return len(list.UnreachableNodes) == 0 && len(list.Data) == 1, fmt.Sprintf("%+v", list)
	})
	for _, n := range []*gateway{nodes[0], nodes[2]} {
		for _, e := range inFlight(n).Data {
			n.call("POST", "/v1/admin/requests/"+e.RequestID+"/cancel", fleetAdmin, "")
		}
	}
}

// says reports whether out has a line of this name and value.
func says(out, name, value string) bool {
	for line := range strings.Lines(out) {
		if slices.Equal(strings.Fields(line), []string{name, value}) {
			return true
		}
	}
	return false
}
