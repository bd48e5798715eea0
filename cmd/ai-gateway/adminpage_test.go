package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostileName is what a key is called that tries to be more than a name.
const hostileName = `"><img src=x onerror=alert(1)>'${alert(2)}`

// TestAdminPage drives the admin page in a browser, with requests going on: each
// page is seen in both themes and languages, all that can be made, changed and
// removed is, and the checks of accessibility find nothing. web/e2e/admin.mjs says
// what is looked at. AI_GATEWAY_TEST_SHOTS names a folder for pictures of all pages.
func TestAdminPage(t *testing.T) {
	t.Parallel()
	web, chromium := browserTools(t)
	g := serve(t, "", nil)
	mock := freeAddr(t)
	cmd := exec.Command(filepath.Join(binary(t), "ai-gateway"), "mock", "--listen", mock, "--ttft", "30ms", "--tps", "400")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	awaitPort(t, mock)

	must := func(path, body string) {
		t.Helper()
		if status, text, _ := g.call("POST", path, g.admin, body); status/100 != 2 {
			t.Fatalf("POST %s: %d %s", path, status, text)
		}
	}
	must("/v1/admin/provider-accounts", fmt.Sprintf(`{"provider":"custom","account_name":"priced","api_key":"sk-upstream-secret-1234","base_url":"http://%s/v1","models":{"priced":"demo"}}`, mock))
	must("/v1/admin/prices", `{"prices":[{"provider":"custom","model":"demo","rates":{"input":2,"output":10}}]}`)
	must("/v1/admin/quota-policies", `{"name":"all","scope":{"global":true},"limits":[{"kind":"cost_usd","limit":100,"window":"month"},{"kind":"requests","limit":100000,"window":"day"}]}`)
	must("/v1/admin/model-mappings", `{"alias":"smart","targets":[{"account":"priced","model":"priced"},{"provider":"demo","model":"demo","priority":1}]}`)
	named, err := json.Marshal(map[string]string{"name": hostileName, "log_bodies": "all"})
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{g.newKey(string(named)), g.newKey(`{"name":"批处理","group":"eng"}`)}
	viewer := g.newKey(`{"name":"viewer","scopes":["viewer"]}`)
	t.Cleanup(traffic(g, keys))

	script := exec.Command("node", "e2e/admin.mjs")
	script.Dir = web
	script.Env = append(os.Environ(), "BASE="+g.url, "ADMIN_KEY="+g.admin, "VIEWER_KEY="+viewer, "UPSTREAM=http://"+mock+"/v1", "CHROMIUM="+chromium, "HOSTILE="+hostileName, "SHOTS="+os.Getenv("AI_GATEWAY_TEST_SHOTS"))
	out, errs, err := finish(script, 15*time.Minute)
	t.Log(out)
	if err != nil {
		t.Errorf("%v\n%s", err, errs)
	}
}

// browserTools returns the folder of the page with its packages, and the browser.
func browserTools(t *testing.T) (web, chromium string) {
	t.Helper()
	missing := func(what string) {
		if os.Getenv("CI") == "true" && runtime.GOOS == "linux" {
			t.Fatalf("%s is missing: .ci/run installs it", what)
		}
		t.Skipf("SKIPPED: %s is missing (.ci/run installs it)", what)
	}
	web, err := filepath.Abs("../../web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(web, "node_modules", "playwright-core")); err != nil {
		missing("web/node_modules")
	}
	if _, err := exec.LookPath("node"); err != nil {
		missing("node")
	}
	if chromium, err = exec.LookPath("chromium"); err != nil {
		missing("chromium")
	}
	return web, chromium
}

// traffic sends requests until the function it returns is called: good ones, slow
// ones, and such as fail.
func traffic(g *gateway, keys []string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	models := []string{"demo", "priced", "smart", "priced", "no-such-model"}
	send := func(i int) {
		body := fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"<script>alert(%d)</script> say little%s"}]}`,
			models[i%len(models)], i%3 == 0, i, strings.Repeat(" word", i%40))
		req, err := http.NewRequestWithContext(ctx, "POST", g.url+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+keys[i/2%len(keys)])
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return // the test is over
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	running.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			running.Go(func() { send(i) })
			select {
			case <-ctx.Done():
			case <-time.After(150 * time.Millisecond):
			}
		}
	})
	return func() { cancel(); running.Wait() }
}
