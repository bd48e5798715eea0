//go:build linux

package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const diskKey = "test-admin-key-of-more-than-32-characters"

// mustRun skips a test whose tool is absent, or fails it where it has to run.
func mustRun(t *testing.T, ok bool, why string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("DISK FAULTS ARE NOT TESTED: %s", why)
	}
	t.Skipf("DISK FAULTS ARE NOT TESTED: %s", why)
}

// askDemo makes one request and returns its id if its answer came whole, and the code
// of the error if it was refused.
func askDemo(client *http.Client, url string) (id, code string, err error) {
	req, _ := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(`{"model":"demo-fast","messages":[{"role":"user","content":"hi"}]}`))
	req.Header.Set("Authorization", "Bearer "+diskKey)
	resp, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", "", err
	}
	if resp.StatusCode == 200 {
		return resp.Header.Get("X-Request-Id"), "", nil
	}
	var e struct{ Error struct{ Code string } }
	_ = json.Unmarshal(b, &e) // an empty code is told
	return "", fmt.Sprintf("%d %s", resp.StatusCode, e.Error.Code), nil
}

// proven restarts the gateway on dir and requires one row of each id, and that the
// ledger adds up.
func proven(t *testing.T, dir string, whole []string) {
	t.Helper()
	env := []string{"AI_GATEWAY_ADMIN_KEY=" + diskKey}
	seen := map[string]bool{}
	for _, id := range whole {
		seen[id] = true
	}
	compareRows(t, dir, env, diskKey, seen)
	g := serve(t, dir, env)
	defer g.stop()
	status, body, _ := g.call("POST", "/v1/admin/ledger/verify", diskKey, "")
	if status != 200 || !strings.Contains(body, `"clean":true`) {
		t.Errorf("verify: %d %s", status, body)
	}
}

// Row 73: fdatasync fails at its n-th call. What was acknowledged is there at the
// next start; a ledger that has failed refuses, is not ready, and ends with 74.
func TestFdatasyncFails(t *testing.T) {
	_, err := exec.LookPath("strace")
	mustRun(t, runtime.GOOS == "linux" && err == nil, "strace is absent")
	calls := []int{1, 2, 3, 5, 8, 13, 21, 34}
	if os.Getenv("AI_GATEWAY_LONG") != "" {
		calls = nil
		for n := 1; n <= 50; n++ {
			calls = append(calls, n)
		}
	}
	if testing.Short() {
		calls = calls[:2]
	}
	failed, refusedAtStart, acked := 0, 0, 0
	for _, n := range calls {
		dir := t.TempDir()
		whole, code := underStrace(t, dir, n)
		acked += len(whole)
		switch code {
		case 74:
			failed++
		case 1, 78:
			refusedAtStart++
			if len(whole) > 0 {
				t.Errorf("call %d: ended with %d after %d answers", n, code, len(whole))
			}
		case 0: // the store's own sync failed, and was made up for
		default:
			t.Errorf("call %d: ended with %d", n, code)
		}
		proven(t, dir, whole)
	}
	t.Logf("fdatasync failed at %d places: %d ledgers failed and ended with 74, %d did not start; %d answers acknowledged, none lost", len(calls), failed, refusedAtStart, acked)
	if failed == 0 && len(calls) > 2 {
		t.Error("no ledger failed: nothing was tested")
	}
}

// underStrace serves with the n-th fdatasync failing, and returns the ids of the
// answers that came whole and how the process ended.
func underStrace(t *testing.T, dir string, n int) (whole []string, code int) {
	t.Helper()
	log := &syncBuffer{}
	// The call is counted per thread, so one thread is all there is to run Go on.
	cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", fmt.Sprintf("inject=fdatasync:error=EIO:when=%d", n),
		filepath.Join(binary(t), "ai-gateway"), "serve", "--listen", "127.0.0.1:0")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AI_GATEWAY_DATA_DIR=" + dir, "AI_GATEWAY_DRAIN_DELAY=0s", "AI_GATEWAY_DRAIN_TIMEOUT=2s", "AI_GATEWAY_ADMIN_KEY=" + diskKey}
	cmd.Stderr, cmd.Stdout = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	end := func(err error) ([]string, int) {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return whole, exit.ExitCode()
		}
		return whole, 0
	}
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }()
	var url string
	for start := time.Now(); url == ""; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			return end(err)
		default:
		}
		var local struct{ URL string }
		if b, err := os.ReadFile(filepath.Join(dir, "local.json")); err == nil && json.Unmarshal(b, &local) == nil {
			url = local.URL
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("call %d: nothing serves: %s", n, log)
		}
	}
	client := &http.Client{Timeout: 30 * time.Second}
	refused := false
	for i := 0; i < 120 && !refused; i++ {
		id, word, err := askDemo(client, url)
		switch {
		case err != nil: // it has ended
			refused = true
		case word == "":
			whole = append(whole, id)
		case word == "503 ledger_unavailable" || word == "503 server_shutting_down":
			refused = true
			if resp, err := client.Get(url + "/readyz"); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode != 503 {
					t.Errorf("call %d: refused, and ready all the same: %d", n, resp.StatusCode)
				}
			}
		default:
			t.Errorf("call %d: answered %s", n, word)
		}
	}
	if !refused {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}
	select {
	case err := <-ended:
		if !refused {
			return whole, 0
		}
		return end(err)
	case <-time.After(time.Minute):
		t.Errorf("call %d: the process does not end: %s", n, log)
		return whole, -1
	}
}

// Row 74: the disk fills up under load. Requests are refused with their reason, what
// was answered stays, and when space returns they pass again without a restart.
func TestDiskFull(t *testing.T) {
	mustRun(t, runtime.GOOS == "linux" && os.Getuid() == 0, "only root mounts a small file system")
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", dir).CombinedOutput(); err != nil {
		mustRun(t, false, fmt.Sprintf("tmpfs does not mount: %v %s", err, out))
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	filler := filepath.Join(dir, "filler")
	g := serve(t, dir, []string{"AI_GATEWAY_ADMIN_KEY=" + diskKey})
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filler, make([]byte, max(0, int64(fs.Bavail)*fs.Bsize-600<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	whole, codes := loadUntil(t, g.url, func(code string) bool { return code != "" })
	if codes["503 ledger_unavailable"] == 0 || len(codes) > 1 {
		t.Errorf("a full disk is told as %v", codes)
	}
	full := len(whole)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	deadline := time.Now().Add(30 * time.Second)
	for {
		id, _, err := askDemo(client, g.url)
		if err == nil && id != "" {
			whole = append(whole, id)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("space has returned, requests have not: %v\n%s", err, g.log)
		}
		time.Sleep(100 * time.Millisecond)
	}
	for range 50 {
		id, code, err := askDemo(client, g.url)
		if err != nil || code != "" {
			t.Fatal(code, err)
		}
		whole = append(whole, id)
	}
	g.stop()
	proven(t, dir, whole)
	t.Logf("%d answers until the disk was full, refused as %v; %d after space had returned, without a restart", full, codes, len(whole)-full)
}

// loadUntil asks from 16 clients until stop says so of an answer, or a time has passed.
func loadUntil(t *testing.T, url string, stop func(code string) bool) (whole []string, codes map[string]int) {
	t.Helper()
	codes = map[string]int{}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	over := false
	deadline := time.Now().Add(2 * time.Minute)
	for range 16 {
		wg.Go(func() {
			for {
				id, code, err := askDemo(client, url)
				mu.Lock()
				switch {
				case err != nil:
					codes[err.Error()]++
					over = true
				case code != "":
					codes[code]++
				default:
					whole = append(whole, id)
				}
				over = over || stop(code) || time.Now().After(deadline)
				done := over
				mu.Unlock()
				if done {
					return
				}
			}
		})
	}
	wg.Wait()
	return whole, codes
}
