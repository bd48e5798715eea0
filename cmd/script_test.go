package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary the ai-gateway that the scripts run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ai-gateway": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())) },
	})
}

// TestScripts runs the command line's specification. Besides testscript's own:
//
//	await [URL]      waits until the gateway of `exec ai-gateway serve … &`, or URL, answers
//	inflight N       waits until the gateway has N requests in flight, and has noted them on disk
//	holds FILE TEXT  waits until the file holds the text
//	port             sets PORT to one that is free
//	fake STATUS CODE serves that error to every call; sets AI_GATEWAY_BASE_URL
//	fake hang        serves nothing, ever
//	code N           requires the exit code N of the command behind it
//	mode FILE MODE   requires the file's rights, in octal
//	vendor STATUS [OFFSET]   serves an upstream; sets VENDOR
//	buffering URL    serves a proxy before URL that hands on whole answers; sets PROXY
//	disk SIZE DIR    makes DIR a file system of so many MB; disk fill DIR fills it
//	takes MAX        requires the command behind it to end within MAX
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:       "testdata/script",
		Condition: scriptCondition,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
			e.Setenv("AI_GATEWAY_DATA_DIR", filepath.Join(home, "data"))
			e.Setenv("TZ", "UTC")
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": scriptAwait, "inflight": scriptInFlight, "holds": scriptHolds, "port": scriptPort, "fake": scriptFake, "code": scriptCode, "mode": scriptMode, "takes": scriptTakes,
			"vendor": scriptVendor, "buffering": scriptBuffering, "disk": scriptDisk,
		},
	})
}

func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	path := filepath.Join(ts.Getenv("AI_GATEWAY_DATA_DIR"), "local.json")
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
		url := ""
		if len(args) == 1 {
			url = args[0]
		} else {
			var l local
			data, err := os.ReadFile(path)
			if err != nil || json.Unmarshal(data, &l) != nil {
				continue
			}
			ts.Setenv("URL", l.URL)
			url = l.URL + "/readyz"
		}
		res, err := http.Get(url)
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("nothing answers")
}

func scriptInFlight(ts *testscript.TestScript, neg bool, args []string) {
	var l local
	data, err := os.ReadFile(filepath.Join(ts.Getenv("AI_GATEWAY_DATA_DIR"), "local.json"))
	ts.Check(err)
	ts.Check(json.Unmarshal(data, &l))
	text := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		req, err := http.NewRequest(http.MethodGet, l.URL+"/metrics", nil)
		ts.Check(err)
		req.Header.Set("Authorization", "Bearer "+l.Token)
		res, err := http.DefaultClient.Do(req)
		ts.Check(err)
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		ts.Check(err)
		if text = string(b); strings.Contains(text, "\nai_gateway_ledger_open_holds "+args[0]+"\n") && strings.Contains(text, "\nai_gateway_ledger_queue 0\n") {
			return
		}
	}
	ts.Fatalf("not %s requests are in flight: %s", args[0], text)
}

func scriptHolds(ts *testscript.TestScript, neg bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(b), args[1]) {
			return
		}
	}
	ts.Fatalf("%s does not hold %q", args[0], args[1])
}

// scriptPort takes one below those that a kernel gives away by itself, so that no other
// script's gateway gets it meanwhile.
func scriptPort(ts *testscript.TestScript, neg bool, args []string) {
	for range 100 {
		port := strconv.Itoa(10_000 + rand.IntN(20_000))
		if ln, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			ts.Check(ln.Close())
			ts.Setenv("PORT", port)
			return
		}
	}
	ts.Fatalf("no port is free")
}

func scriptFake(ts *testscript.TestScript, neg bool, args []string) {
	handler := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	if len(args) == 2 {
		status, err := strconv.Atoi(args[0])
		ts.Check(err)
		handler = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", "01JDTEST0000000000ABCDEFGH")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"message":"the message","type":"t","param":null,"code":%q}}`, args[1])
		}
	}
	s := httptest.NewServer(http.HandlerFunc(handler))
	ts.Defer(func() {
		s.CloseClientConnections()
		s.Close()
	})
	ts.Setenv("AI_GATEWAY_BASE_URL", s.URL)
}

// scriptCode runs a command and compares its exit code. Its output is not kept:
// scripts look at that with exec.
func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("cannot run: %v", err)
		}
		got = e.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func scriptMode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

func scriptTakes(ts *testscript.TestScript, neg bool, args []string) {
	most, err := time.ParseDuration(args[0])
	ts.Check(err)
	start := time.Now()
	ts.Check(ts.Exec(args[1], args[2:]...))
	if d := time.Since(start); d > most {
		ts.Fatalf("took %v, at most %v is allowed", d, most)
	}
}
