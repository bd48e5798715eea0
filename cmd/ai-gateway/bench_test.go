package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestBench measures a gateway that the command starts, its mock, and another that
// runs in front of it, in each kind of load.
func TestBench(t *testing.T) {
	mock := freeAddr(t)
	other := serve(t, "", nil)
	if status, out, _ := other.call("POST", "/v1/admin/provider-accounts", other.admin, `{"provider":"custom","account_name":"mock","base_url":"http://`+mock+`/v1","api_key":"x","models":["theirs"]}`); status != 201 {
		t.Fatal(status, out)
	}
	temp := t.TempDir()
	f := func(mode, flags string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(binary(t), "ai-gateway"), append(strings.Fields("bench --json -c 4 --for 700ms --warmup 200ms --chunks 5 --chunk-delay 5ms --mock-listen "+mock+" --compare "+other.url+",key="+other.admin+",model=theirs,name=other "), strings.Fields(flags)...)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+temp)
		out, err := cmd.Output()
		var report struct {
			Load struct{ Mode string }
			Rows []struct {
				Target           string
				Requests, Errors int64
				FirstError       string   `json:"first_error"`
				CPU              *float64 `json:"cpu_us_per_request"`
				Chunks           int64
				Latency          struct{ P50 float64 } `json:"latency_ms"`
			}
		}
		if err != nil || json.Unmarshal(out, &report) != nil || report.Load.Mode != mode || len(report.Rows) != 3 {
			t.Fatalf("bench %s: %v\n%s", flags, err, out)
		}
		for i, name := range []string{"direct", "ai-gateway", "other"} {
			r := report.Rows[i]
			if r.Target != name || r.Requests == 0 || r.Errors != 0 || r.Latency.P50 <= 0 || (r.Chunks > 0) != (mode == "stream") || (r.CPU != nil) != (name == "ai-gateway" && runtime.GOOS == "linux") {
				t.Errorf("bench %s: %+v", flags, r)
			}
		}
	}
	f("closed", "")
	f("open", "--rate 50")
	f("stream", "--stream")
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for flags, want := range map[string]string{"-c 0": "-c is from 1", "--for 1ms": "--for is from", "--compare http://x,kee=1": `not "kee"`, "--url nowhere": "it is no address"} {
		out, err := exec.Command(filepath.Join(binary(t), "ai-gateway"), append([]string{"bench", "--for", "200ms", "--warmup", "0s"}, strings.Fields(flags)...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("bench %s: %v %s", flags, err, out)
		}
	}
}
