package cmd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/cmd/bench"
	"github.com/your-org/ai-api-gateway/server/api"
)

// benchOptions are the flags of `ai-gateway bench`.
type benchOptions struct {
	load     bench.Load
	mock     bench.Mock
	mockAddr string
	compare  []string // URL, or URL,key=KEY,pid=PID,model=MODEL,header=NAME: VALUE,name=NAME
	rounds   int
	async    bool
}

// A benchRow is one target's result.
type benchRow struct {
	Target string `json:"target"`
	URL    string `json:"url"`
	Round  int    `json:"round"`
	*bench.Result
}

// A benchReport is what `ai-gateway bench --json` prints.
type benchReport struct {
	Load struct {
		Mode        string  `json:"mode"` // closed, open, stream
		Connections int     `json:"connections"`
		Rate        float64 `json:"rate,omitempty"`
		Body        int     `json:"prompt_bytes"`
		Answer      int     `json:"answer_bytes"`
		Chunks      int     `json:"chunks,omitempty"`
		Seconds     float64 `json:"seconds"`
	} `json:"load"`
	CPUs    int        `json:"cpus"`
	Version string     `json:"version"`
	Rows    []benchRow `json:"rows"`
}

func (a *app) benchCommand() *cobra.Command {
	var o benchOptions
	c := &cobra.Command{
		Use: "bench", Short: "Measure a gateway, beside its upstream and beside other gateways", Args: cobra.NoArgs,
		Long: `Measure what a gateway costs. Without --url a gateway of this program is started for it,
with a key, limits, a budget and the durable ledger on, in front of a built-in mock
upstream; the mock alone is measured in the same run ("direct"), and so is every
--compare, an address of any other gateway in front of the same mock (--mock-listen
gives it a fixed address to be configured with).

Without --rate each of -c connections asks again when it was answered: the most that is
served, and the CPU of a request. With --rate requests are sent at that rate whatever
the answers do, and times run from when a request was due, so that a stall counts for
all who would have waited. --stream holds -c streams, each of which must be whole. CPU
is user and system time of the target's process and its children as Linux counts it.`,
		Example: "  ai-gateway bench -c 64 --for 10s\n  ai-gateway bench --rate 500\n  ai-gateway bench --stream -c 200 --chunks 100 --chunk-delay 20ms\n  ai-gateway bench --mock-listen 127.0.0.1:9999 --compare http://127.0.0.1:4000,key=sk-1234,name=litellm,pid=4242",
		RunE:    func(*cobra.Command, []string) error { return a.bench(&o) },
	}
	f := c.Flags()
	f.StringVar(&o.load.URL, "url", "", "a gateway that runs, instead of one started for it")
	f.StringVar(&o.load.Key, "key", "", "its API key")
	f.StringVar(&o.load.Model, "model", "bench", "model to ask")
	f.IntVar(&o.load.PID, "pid", 0, "its process, for its CPU")
	f.IntVarP(&o.load.Connections, "connections", "c", 64, "connections, or streams at a time")
	f.Float64Var(&o.load.Rate, "rate", 0, "requests a second, whatever the answers do")
	f.BoolVar(&o.load.Stream, "stream", false, "ask for streams")
	f.IntVar(&o.load.Body, "prompt", 1000, "bytes of a prompt")
	f.DurationVar(&o.load.For, "for", 10*time.Second, "how long is measured")
	f.DurationVar(&o.load.Warmup, "warmup", 2*time.Second, "how long is warmed up before")
	f.IntVar(&o.rounds, "rounds", 1, "how often each target is measured, in turn")
	f.StringArrayVar(&o.compare, "compare", nil, "another gateway: URL[,key=KEY][,pid=PID][,model=MODEL][,header=NAME: VALUE][,name=NAME]")
	f.BoolVar(&o.async, "async", false, "start the gateway with durability: async")
	f.StringVar(&o.mockAddr, "mock-listen", "127.0.0.1:0", "address of the mock upstream")
	f.IntVar(&o.mock.Answer, "answer", 200, "bytes of the mock's answers")
	f.IntVar(&o.mock.Chunks, "chunks", 100, "chunks of the mock's streams")
	f.DurationVar(&o.mock.ChunkDelay, "chunk-delay", 20*time.Millisecond, "time before each chunk")
	f.DurationVar(&o.mock.Latency, "latency", 0, "time before each of the mock's answers")
	return c
}

func (o *benchOptions) check() error {
	switch l := &o.load; {
	case l.Connections < 1 || l.Connections > 20000:
		return wrongUsage("ai-gateway bench -c 64", "-c is from 1 to 20000")
	case l.For < 100*time.Millisecond || l.For > time.Hour || l.Warmup < 0 || l.Warmup > time.Hour:
		return wrongUsage("ai-gateway bench --for 10s", "--for is from 100ms to 1h, and --warmup at most that")
	case l.Rate < 0 || l.Rate > 1e6:
		return wrongUsage("ai-gateway bench --rate 500", "--rate is from 0 to 1000000 a second")
	case l.Body < 1 || l.Body > 16<<20 || o.mock.Answer < 1 || o.mock.Answer > 16<<20 || o.mock.Chunks < 1 || o.mock.Chunks > 100000:
		return wrongUsage("ai-gateway bench --help", "--prompt and --answer are from 1 to 16777216 bytes, --chunks from 1 to 100000")
	case o.rounds < 1 || o.rounds > 100:
		return wrongUsage("ai-gateway bench --rounds 3", "--rounds is from 1 to 100")
	}
	return nil
}

type benchTarget struct {
	name string
	load bench.Load
}

func (a *app) bench(o *benchOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	ctx, stop := a.interruptible()
	defer stop()
	if err := o.mock.Start(o.mockAddr); err != nil {
		return err
	}
	defer o.mock.Stop()
	direct := o.load
	direct.URL, direct.Key, direct.PID, direct.Model = o.mock.URL(), "", 0, "bench"
	if o.load.Stream {
		o.load.Chunks, direct.Chunks = o.mock.Chunks, o.mock.Chunks
	}
	targets := []benchTarget{{"direct", direct}}
	if o.load.URL == "" {
		own, err := a.startBenched(ctx, o)
		if err != nil {
			return err
		}
		defer own.stop()
		targets = append(targets, benchTarget{"ai-gateway", own.load})
	} else {
		o.load.URL = trimmedURL(o.load.URL)
		targets = append(targets, benchTarget{"gateway", o.load})
	}
	for i, text := range o.compare {
		t, err := comparison(text, i, o.load)
		if err != nil {
			return err
		}
		targets = append(targets, t)
	}
	var rows []benchRow
	for round := range o.rounds {
		for _, t := range targets {
			a.line("%s: %s, for %s …", t.name, t.load.URL, t.load.Warmup+t.load.For)
			r, err := bench.Run(ctx, t.load)
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return errorf("stopped")
			}
			rows = append(rows, benchRow{t.name, t.load.URL, round + 1, r})
		}
	}
	return a.showBench(o, rows)
}

func trimmedURL(s string) string {
	return strings.TrimSuffix(strings.TrimRight(s, "/"), "/v1")
}

// comparison reads one --compare.
func comparison(text string, i int, load bench.Load) (benchTarget, error) {
	url, rest, _ := strings.Cut(text, ",")
	load.URL, load.Key, load.PID, load.Headers = trimmedURL(url), "", 0, nil
	t := benchTarget{fmt.Sprintf("compare %d", i+1), load}
	for _, pair := range strings.FieldsFunc(rest, func(r rune) bool { return r == ',' }) {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "key":
			t.load.Key = value
		case "model":
			t.load.Model = value
		case "name":
			t.name = value
		case "header":
			name, text, ok := strings.Cut(value, ":")
			if !ok || strings.TrimSpace(name) == "" || strings.ContainsAny(value, "\r\n") {
				return t, wrongUsage("", "header of --compare is \"Name: value\", not %q", value)
			}
			t.load.Headers = append(t.load.Headers, strings.TrimSpace(name)+": "+strings.TrimSpace(text))
		case "pid":
			if _, err := fmt.Sscan(value, &t.load.PID); err != nil {
				return t, wrongUsage("", "pid of --compare is the number of a process, not %q", value)
			}
		default:
			return t, wrongUsage("ai-gateway bench --compare http://127.0.0.1:4000,key=sk-1234,pid=4242", "--compare knows key, pid, model, header and name, not %q", name)
		}
	}
	return t, nil
}

// A benched is a gateway that was started to be measured.
type benched struct {
	cmd  *exec.Cmd
	dir  string
	load bench.Load
}

func (b *benched) stop() {
	_ = b.cmd.Process.Signal(os.Interrupt)
	timer := time.AfterFunc(20*time.Second, func() { _ = b.cmd.Process.Kill() })
	_ = b.cmd.Wait() // its end is not what is measured
	timer.Stop()
	_ = os.RemoveAll(b.dir)
}

// startBenched runs this program as a gateway in front of the mock, with everything on.
func (a *app) startBenched(ctx context.Context, o *benchOptions) (*benched, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, errorf("cannot find this program: %w", err)
	}
	dir, err := os.MkdirTemp("", "ai-gateway-bench")
	if err != nil {
		return nil, errorf("cannot make a folder for the gateway: %w", err)
	}
	var secret [24]byte
	_, _ = rand.Read(secret[:])
	admin := hex.EncodeToString(secret[:])
	durability := map[bool]string{true: "async", false: "sync"}[o.async]
	b := &benched{cmd: exec.Command(program, "serve", "--listen", "127.0.0.1:0", "--data-dir", dir, "--drain-delay", "0s", "--drain-timeout", "5s", "--ledger-durability", durability, "--log-level", "info"), dir: dir, load: o.load}
	for _, pair := range a.environ { // no accounts and settings of this shell
		if name, _, _ := strings.Cut(pair, "="); !strings.HasPrefix(name, "AI_GATEWAY_") && !strings.Contains(name, "API_KEY") {
			b.cmd.Env = append(b.cmd.Env, pair)
		}
	}
	b.cmd.Env = append(b.cmd.Env, "AI_GATEWAY_ADMIN_KEY="+admin)
	b.cmd.Dir = dir
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, errors.Join(errorf("cannot write the gateway's log: %w", err), os.RemoveAll(dir))
	}
	defer log.Close()
	b.cmd.Stderr = log
	if err := b.cmd.Start(); err != nil {
		return nil, errors.Join(errorf("cannot start the gateway: %w", err), os.RemoveAll(dir))
	}
	b.load.PID = b.cmd.Process.Pid
	if err := b.configure(ctx, o.mock.URL(), admin); err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		b.stop()
		return nil, errorf("cannot start the gateway: %w\n%s", err, text)
	}
	return b, nil
}

// configure waits for the gateway, and makes the account, the key and its limits.
func (b *benched) configure(ctx context.Context, mock, admin string) error {
	var at struct{ URL string }
	for deadline := time.Now().Add(20 * time.Second); at.URL == ""; time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(filepath.Join(b.dir, "local.json")); err == nil {
			_ = json.Unmarshal(text, &at) // half of it may be there
		}
		if ctx.Err() != nil || time.Now().After(deadline) || b.cmd.Process.Signal(syscall.Signal(0)) != nil && runtime.GOOS != "windows" {
			return errorf("it does not answer")
		}
	}
	c := &api.Client{BaseURL: at.URL, Key: admin}
	usd := api.Dollar
	_, err := c.CreateAccount(ctx, api.AccountCreate{Provider: "custom", Name: "mock", BaseURL: mock + "/v1", APIKey: "sk-mock", Models: api.AccountModels{{Name: b.load.Model}},
		Prices: map[string]api.Rates{"*": {"input": usd, "output": 2 * usd}}})
	if err != nil {
		return err
	}
	key, err := c.CreateKey(ctx, api.KeyCreate{Name: "bench", Group: "bench"})
	if err != nil {
		return err
	}
	limits := []api.PolicyLimit{{Kind: "requests", Limit: "1000000000", Window: "minute", Burst: 100000000}, {Kind: "concurrency", Limit: "1000000"}, {Kind: "cost_usd", Limit: "1000000", Window: "month"}}
	if _, err := c.CreatePolicy(ctx, api.PolicyCreate{Name: "bench", Scope: api.PolicyScope{APIKey: key.ID}, Limits: limits}); err != nil {
		return err
	}
	b.load.URL, b.load.Key = at.URL, key.Secret
	return nil
}

func (a *app) showBench(o *benchOptions, rows []benchRow) error {
	report := benchReport{CPUs: runtime.NumCPU(), Version: Version, Rows: rows}
	l := &report.Load
	l.Mode, l.Connections, l.Rate, l.Body, l.Answer, l.Seconds = "closed", o.load.Connections, o.load.Rate, o.load.Body, o.mock.Answer, o.load.For.Seconds()
	if o.load.Rate > 0 {
		l.Mode = "open"
	}
	if o.load.Stream {
		l.Mode, l.Chunks = "stream", o.mock.Chunks
	}
	t := table{columns: []column{{head: "TARGET", flex: true}, {head: "REQUESTS", right: true}, {head: "ERRORS", right: true}, {head: "REQ/S", right: true}, {head: "P50 MS", right: true}, {head: "P99 MS", right: true}, {head: "MAX MS", right: true},
		{head: "FIRST P50", right: true}, {head: "CHUNK P99", right: true}, {head: "CPU µS", right: true}, {head: "RSS MB", right: true}}}
	number := func(f *float64) cell {
		if f == nil {
			return str("–")
		}
		return str(fmt.Sprintf("%.1f", *f))
	}
	for _, r := range rows {
		cpu, first, transit := r.CPU, (*float64)(nil), (*float64)(nil)
		if r.First != nil {
			cpu, first, transit = r.CPUChunk, &r.First.P50, &r.Transit.P99
		}
		rss := str("–")
		if r.RSS > 0 {
			rss = str(fmt.Sprint(r.RSS >> 20))
		}
		t.rows = append(t.rows, []cell{str(r.Target), str(thousands(r.Requests)), str(thousands(r.Errors)), str(fmt.Sprintf("%.0f", r.PerSecond)),
			number(&r.Latency.P50), number(&r.Latency.P99), number(&r.Latency.Max), number(first), number(transit), number(cpu), rss})
	}
	if err := show(a, report, rows, t); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Errors > 0 {
			a.line("%s: %d failed, the first with: %s", r.Target, r.Errors, cleanText(r.FirstError))
		}
		if o.load.Rate > 0 && r.Late > 5 {
			a.line("%s: requests were sent up to %.0f ms late (p99), which is in its times: more -c, or a lower --rate.", r.Target, r.Late)
		}
	}
	if l.Mode == "stream" {
		a.line("CPU is for a chunk, others for a request. Streams of %d chunks.", l.Chunks)
	}
	return nil
}
