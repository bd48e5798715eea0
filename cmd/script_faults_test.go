package cmd

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptVendor serves an OpenAI-compatible upstream: `vendor STATUS [OFFSET]` answers
// every chat with that status, and tells a time that is off by OFFSET. Sets VENDOR.
func scriptVendor(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: vendor STATUS [OFFSET]")
	}
	status, err := strconv.Atoi(args[0])
	ts.Check(err)
	var off time.Duration
	if len(args) > 1 {
		off, err = time.ParseDuration(args[1])
		ts.Check(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodGet {
			fmt.Fprint(w, `{"object":"list","data":[]}`)
			return
		}
		w.WriteHeader(status)
		if status != http.StatusOK {
			fmt.Fprint(w, `{"error":{"message":"the vendor says no","type":"invalid_request_error","code":"invalid_api_key"}}`)
			return
		}
		said := "pong"
		if body, _ := io.ReadAll(r.Body); bytes.Contains(body, []byte(`"json_schema"`)) {
			said = `{\"due\":3}`
		} else if bytes.Contains(body, []byte(`"image_url"`)) {
			said = "an image"
		}
		fmt.Fprintf(w, `{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`, said)
	}))
	ts.Defer(s.Close)
	ts.Setenv("VENDOR", s.URL)
}

// scriptBuffering serves a proxy before URL that hands on an answer when it is whole.
// Sets PROXY.
func scriptBuffering(ts *testscript.TestScript, neg bool, args []string) {
	target, err := url.Parse(args[0])
	ts.Check(err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return nil
	}
	s := httptest.NewServer(proxy)
	ts.Defer(s.Close)
	ts.Setenv("PROXY", s.URL)
}

// scriptCondition knows the condition root: a file system may be mounted. In CI it must.
func scriptCondition(cond string) (bool, error) {
	if cond != "root" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	return runtime.GOOS == "linux" && (os.Getuid() == 0 || os.Getenv("CI") == "true"), nil
}

// scriptDisk makes DIR a file system of SIZE MB; `disk fill DIR` fills it up.
func scriptDisk(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: disk SIZE DIR, disk fill DIR")
	}
	dir := ts.MkAbs(args[1])
	if args[0] == "fill" {
		f, err := os.Create(filepath.Join(dir, "filler"))
		ts.Check(err)
		chunk := make([]byte, 64<<10)
		for err == nil {
			_, err = f.Write(chunk)
		}
		_ = f.Close() // it is full: that is what was wanted
		return
	}
	ts.Check(os.MkdirAll(dir, 0o700))
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+args[0]+"m,mode=700", "tmpfs", dir).CombinedOutput()
	if err != nil {
		ts.Fatalf("A FULL DISK IS NOT TESTED: %v %s", err, out)
	}
	ts.Defer(func() { _ = exec.Command("umount", "-l", dir).Run() })
}
