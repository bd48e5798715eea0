package tui

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"

	"github.com/your-org/ai-api-gateway/server/api"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// A fakeGateway answers the admin API from fixed data and notes what is asked of it.
type fakeGateway struct {
	*httptest.Server
	mu    sync.Mutex
	calls []string // "METHOD path body"
}

// asked reports whether a call begins with prefix.
func (g *fakeGateway) asked(prefix string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.calls {
		if strings.HasPrefix(c, prefix) {
			return true
		}
	}
	return false
}

const fakeLog = `{"request_id":"01M8AP1NDJ4WMG6SWJWDE6TRK9","time":"2026-11-26T11:59:58Z","api_key_id":"k1","api_key_name":"研发","operation":"chat","dialect":"chat","model":"gpt-5","provider":"openai","account":"openai","upstream_model":"gpt-5-2026","status":200,"stream":true,"end_reason":"complete","attempts":[{"provider":"openai","account":"azure","model":"gpt-5","status":500,"outcome":"http_error","start_ms":0,"duration_ms":300,"error":"boom","cost_usd":0},{"provider":"openai","account":"openai","model":"gpt-5-2026","status":200,"outcome":"ok","start_ms":300,"duration_ms":1200,"cost_usd":0.0123}],"prompt_tokens":1200,"completion_tokens":340,"cost_usd":0.0123,"price_source":"catalogue","usage_source":"provider","ttft_ms":410,"duration_ms":1500}`

var fakeAnswers = map[string]string{
	"GET /health":              `{"status":"ok","version":"1.0.0","uptime_seconds":266400}`,
	"GET /v1/key":              `{"name":"admin","admin":true,"scopes":[],"models":[],"limits":[]}`,
	"GET /v1/admin/requests":   `{"data":[]}`,
	"GET /v1/admin/usage/logs": `{"data":[` + fakeLog + `]}`,
	"GET /v1/admin/usage/logs/01M8AP1NDJ4WMG6SWJWDE6TRK9":        strings.TrimSuffix(fakeLog, "}") + `,"trace":["asked for chat","attempt 1 failed","attempt 2 ok"]}`,
	"GET /v1/admin/usage/logs/01M8AP1NDJ4WMG6SWJWDE6TRK9/bodies": `{"request_id":"01M8AP1NDJ4WMG6SWJWDE6TRK9","path":"/v1/chat/completions","status":200,"request":"{\"model\":\"gpt-5\",\"messages\":[{\"role\":\"user\",\"content\":\"it's me\"}]}","request_size":62,"answer":"","answer_size":0}`,
	"GET /v1/admin/usage":                       `{"data":[{"model":"gpt-5","hour":"2026-11-26T11:00:00Z","day":"2026-11-26","requests":12004,"errors":36,"prompt_tokens":9100000,"completion_tokens":1100000,"cache_read_tokens":3700000,"cost_usd":9.2,"duration_ms":22800000},{"model":"通义千问","hour":"2026-11-26T10:00:00Z","day":"2026-11-25","requests":100,"errors":0,"prompt_tokens":1000,"completion_tokens":100,"cost_usd":0.5,"duration_ms":1000}],"total":{"requests":12104,"errors":36,"prompt_tokens":9101000,"completion_tokens":1100100,"cost_usd":9.7},"previous":{"data":[],"total":{"requests":11000,"errors":40,"prompt_tokens":9000000,"completion_tokens":1000000,"cost_usd":8.66}},"since":"2026-11-25T12:00:00Z","until":"2026-11-26T12:00:00Z","time_zone":"UTC"}`,
	"GET /v1/admin/provider-accounts":           `{"data":[{"id":"a1","provider":"openai","account_name":"openai","base_url":"https://api.openai.com/v1","api_keys":[{"hint":"…wxyz","weight":1}],"models":["gpt-5"],"weight":1,"priority":0,"enabled":true,"origin":"db","health":{"state":"ok","serving":true,"targets":[{"model":"gpt-5","key_hint":"…wxyz","state":"ok","in_flight":2,"good":10,"failures":0,"latency_ms":900,"allowed":[{"kind":"requests","limit":10000,"left":9990,"resets_at":null},{"kind":"input_tokens","left":5,"resets_at":null}],"allowed_at":"2026-11-26T11:58:00Z"}]}},{"id":"builtin:demo","provider":"demo","account_name":"demo","base_url":"","enabled":true,"origin":"builtin","read_only":true,"local":true,"health":{"state":"open","serving":false,"last_error":"refused","last_error_at":"2026-11-26T11:59:00Z","targets":[]}}]}`,
	"GET /v1/admin/providers":                   `{"data":[{"name":"openai","title":"OpenAI","base_url":"https://api.openai.com/v1","needs_key":true,"options":[]},{"name":"azure","title":"Azure OpenAI","needs_base_url":true,"options":[{"name":"api_version","required":false,"description":"version"}]}]}`,
	"GET /v1/admin/api-keys":                    `{"data":[{"id":"k1","name":"研发","prefix":"sk-gw-ab12","status":"active","created_at":"2026-11-01T00:00:00Z","last_used_at":"2026-11-26T11:59:58Z"},{"id":"k2","name":"old","prefix":"sk-gw-cd34","status":"revoked","created_at":"2026-11-01T00:00:00Z"}]}`,
	"GET /v1/admin/quota-policies":              `{"data":[{"id":"p1","name":"team","scope":{"api_key":"k1"},"limits":[{"kind":"cost_usd","limit":20,"window":"month"},{"kind":"tokens","limit":5000,"window":"day"}],"usage":[{"policy":"team","kind":"cost_usd","window":"month","limit":20,"used":17.5,"remaining":2.5}]}]}`,
	"GET /v1/admin/models":                      `{"data":[{"id":"gpt-5","provider":"openai","accounts":["openai"],"context_window":400000,"max_output_tokens":128000,"priced":true,"price":{"input":1.25,"output":10,"cache_read":0.125},"source":"vendor","as_of":"2026-11-20"}],"version":"2026-11-20","refreshed":[{"account":"openai","models":1}]}`,
	"GET /v1/admin/model-mappings":              `{"data":[{"id":"m1","alias":"fast","targets":[{"provider":"openai","model":"gpt-5"}],"origin":"db"}]}`,
	"GET /v1/admin/explain":                     `{"model":"gpt-5","operation":"chat","rule":"catalogue","strategy":"weighted","targets":[{"provider":"openai","account":"openai","model":"gpt-5","eligible":true,"reason":"the catalogue knows it","order":1,"estimated_cost_usd":0.01125,"state":"ok"}]}`,
	"GET /v1/models":                            `{"object":"list","data":[{"id":"demo","owned_by":"demo"},{"id":"gpt-5","owned_by":"openai"}]}`,
	"GET /metrics":                              "# TYPE ai_gateway_ledger_up gauge\nai_gateway_ledger_up 1\n# TYPE ai_gateway_inflight_requests gauge\nai_gateway_inflight_requests 3\n# TYPE ai_gateway_ledger_fsync_seconds histogram\nai_gateway_ledger_fsync_seconds_bucket{le=\"0.002\"} 99\nai_gateway_ledger_fsync_seconds_bucket{le=\"0.004\"} 100\nai_gateway_ledger_fsync_seconds_bucket{le=\"+Inf\"} 100\nai_gateway_ledger_fsync_seconds_sum 0.1\nai_gateway_ledger_fsync_seconds_count 100\n",
	"GET /v1/admin/overview":                    `{"since":"2026-11-26T09:00:00Z","until":"2026-11-26T12:00:00Z","time_zone":"UTC","step":"hour","by":"model","times":["2026-11-26T09:00:00Z","2026-11-26T10:00:00Z","2026-11-26T11:00:00Z"],"total":{"requests":3},"series":{"requests":[1,2,3],"errors":[0,0,1],"prompt_tokens":[10,20,30],"completion_tokens":[1,2,3],"cost_usd":[0.1,0.2,0.3],"latency_p50":[300,null,400],"latency_p95":[900,null,1200]},"groups":[{"name":"gpt-5","requests":[1,1,2],"errors":[0,0,1],"cost_usd":[0.1,0.1,0.2]},{"name":"通义千问","requests":[0,1,1],"errors":[0,0,0],"cost_usd":[0,0.1,0.1]}]}`,
	"GET /v1/admin/status":                      `{"version":"1.0.0","revision":3,"in_flight":3,"store":{"kind":"bolt","bytes":412000000,"day_files":7},"ledger":{"committed":10,"lag":2,"sync_p99_ms":4.1,"open_holds":1}}`,
	"GET /v1/admin/settings":                    `{"data":[{"name":"listen","value":"127.0.0.1:8080","origin":"flag","where":"--listen"},{"name":"log.level","value":"info","origin":"default"}],"revision":3}`,
	"POST /v1/admin/api-keys":                   `{"id":"k3","name":"new","prefix":"sk-gw-ef56","status":"active","created_at":"2026-11-26T12:00:00Z","key":"sk-gw-secret"}`,
	"POST /v1/admin/api-keys/k1/rotate":         `{"id":"k1","name":"研发","prefix":"sk-gw-zz","status":"active","created_at":"2026-11-26T12:00:00Z","key":"sk-gw-rotated"}`,
	"POST /v1/admin/provider-accounts/a1/test":  `{"ok":true,"latency_ms":212,"model":"gpt-5","cost_usd":0.000001}`,
	"POST /v1/admin/provider-accounts/a1/reset": `{"id":"a1","reset":true,"account":{"id":"a1","account_name":"openai"}}`,
	"POST /v1/admin/ledger/verify":              `{"clean":true,"rows":10,"roll_ups":3,"charged_usd":1.5,"took_ms":3}`,
	"POST /v1/admin/config/reload":              `{"revision":2,"restart_needed":[]}`,
}

func newFakeGateway(t testing.TB) *fakeGateway {
	t.Helper()
	g := &fakeGateway{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		g.mu.Lock()
		g.calls = append(g.calls, r.Method+" "+r.URL.RequestURI()+" "+string(body))
		g.mu.Unlock()
		switch r.URL.Path {
		case "/v1/admin/requests/live":
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, ": live\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		case "/v1/chat/completions":
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("X-Request-Id", "01M8AP1NDJ4WMG6SWJWDE6TRK9")
			fmt.Fprint(w, "data: {\"id\":\"x\",\"model\":\"gpt-5\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"# 你好\\n\\n- **one**\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n")
			return
		}
		if a, ok := fakeAnswers[r.Method+" "+r.URL.Path]; ok {
			_, _ = io.WriteString(w, a)
			return
		}
		if r.Method != "GET" {
			_, _ = io.WriteString(w, "{}")
			return
		}
		w.WriteHeader(404)
		_, _ = io.WriteString(w, `{"error":{"message":"no such path","code":"unknown_path"}}`)
	}))
	t.Cleanup(g.Close)
	return g
}

// A driver runs an App as bubbletea would, without a terminal: what commands return
// comes back in order, but for clocks and the feed.
type driver struct {
	t   testing.TB
	a   *App
	g   *fakeGateway
	out strings.Builder
}

func newDriver(t testing.TB, w, h int, o Options) *driver {
	t.Helper()
	g := newFakeGateway(t)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.Ascii)
	o.Client, o.Now, o.Zone = &api.Client{BaseURL: g.URL, Key: "k"}, func() time.Time { return noon }, "UTC"
	d := &driver{t: t, a: New(ctx, o, r), g: g}
	d.a.out = &d.out
	d.a.connected = true
	d.send(tea.WindowSizeMsg{Width: w, Height: h})
	d.run(d.a.live.backfill())
	d.run(d.a.askHealth())
	d.run(d.a.show(d.a.page))
	return d
}

func (d *driver) send(m tea.Msg) {
	_, cmd := d.a.Update(m)
	d.run(cmd)
}

// clocks are the commands that wait for a time or the feed.
var clocks = regexp.MustCompile(`bubbletea\.Tick\.|cursor\.\(\*Model\)\.BlinkCmd\.|\(\*feed\)\.next\.`)

// run runs a command and what comes of it, clocks left out.
func (d *driver) run(cmd tea.Cmd) {
	for depth := 0; cmd != nil && depth < 20; depth++ {
		name := runtime.FuncForPC(reflect.ValueOf(cmd).Pointer()).Name()
		if clocks.MatchString(name) {
			return
		}
		got := make(chan tea.Msg, 1)
		go func() { got <- cmd() }()
		var m tea.Msg
		select {
		case m = <-got:
		case <-time.After(20 * time.Second):
			d.t.Fatalf("%s does not return", name)
		}
		switch m := m.(type) {
		case nil, tea.QuitMsg, tickMsg:
			return
		case tea.BatchMsg:
			for _, c := range m {
				d.run(c)
			}
			return
		default:
			if strings.Contains(fmt.Sprintf("%T", m), "cursor") || strings.Contains(fmt.Sprintf("%T", m), "link") {
				return // a blinking cursor
			}
			_, cmd = d.a.Update(m)
		}
	}
}

var special = map[string]tea.KeyType{"enter": tea.KeyEnter, "esc": tea.KeyEsc, "tab": tea.KeyTab, "shift+tab": tea.KeyShiftTab, "up": tea.KeyUp, "down": tea.KeyDown, "pgup": tea.KeyPgUp,
	"pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace, "ctrl+a": tea.KeyCtrlA, "ctrl+c": tea.KeyCtrlC, "ctrl+d": tea.KeyCtrlD, "ctrl+e": tea.KeyCtrlE, "ctrl+j": tea.KeyCtrlJ, "ctrl+l": tea.KeyCtrlL,
	"ctrl+n": tea.KeyCtrlN, "ctrl+o": tea.KeyCtrlO, "ctrl+r": tea.KeyCtrlR, "ctrl+s": tea.KeyCtrlS, "ctrl+t": tea.KeyCtrlT, "ctrl+u": tea.KeyCtrlU, "ctrl+y": tea.KeyCtrlY, "ctrl+z": tea.KeyCtrlZ}

func keyMsg(name string) tea.KeyMsg {
	if rest, ok := strings.CutPrefix(name, "alt+"); ok {
		m := keyMsg(rest)
		m.Alt = true
		return m
	}
	if t, ok := special[name]; ok {
		return tea.KeyMsg{Type: t}
	}
	if name == " " || name == "space" {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)}
}

// press presses keys one by one.
func (d *driver) press(names ...string) {
	for _, n := range names {
		d.send(keyMsg(n))
	}
}

// write types text.
func (d *driver) write(text string) {
	for _, r := range text {
		d.press(string(r))
	}
}

// sees fails the test unless the screen shows all of want.
func (d *driver) sees(want ...string) {
	d.t.Helper()
	s := ansi.Strip(d.a.View())
	for _, w := range want {
		if !strings.Contains(s, w) {
			d.t.Errorf("the screen does not show %q:\n%s", w, s)
		}
	}
}

// fits fails the test if the screen is larger than the terminal.
func (d *driver) fits() {
	d.t.Helper()
	lines := strings.Split(d.a.View(), "\n")
	if len(lines) > d.a.h {
		d.t.Errorf("%d lines on a terminal of %d", len(lines), d.a.h)
	}
	for _, l := range lines {
		if ansi.StringWidth(l) > d.a.w {
			d.t.Errorf("a line of %d cells on a terminal of %d: %q", ansi.StringWidth(l), d.a.w, l)
		}
	}
}

// TestPagesFit: every page in every language and theme stays within the terminal,
// in all sizes.
func TestPagesFit(t *testing.T) {
	for _, lang := range []string{"en", "zh-CN"} {
		for _, size := range [][2]int{{80, 24}, {160, 45}, {40, 10}, {20, 5}, {1, 1}, {61, 17}} {
			d := newDriver(t, size[0], size[1], Options{Lang: lang})
			for i := range Pages {
				d.run(d.a.show(i))
				for _, theme := range Themes {
					d.a.setTheme(theme)
					d.fits()
				}
			}
		}
	}
}

// TestRandomKeys: no sequence of keys breaks it, at no size.
func TestRandomKeys(t *testing.T) {
	names := []string{"enter", "esc", "tab", "shift+tab", "up", "down", "pgup", "pgdown", "home", "end", "backspace", "ctrl+d", "ctrl+j", "ctrl+l", "ctrl+n", "ctrl+o", "ctrl+r", "ctrl+s", "ctrl+t", "ctrl+u", "ctrl+y", "alt+enter"}
	for r := rune(' '); r < 127; r++ {
		if r != 'e' && r != 'B' && r != 'o' { // write files and open a browser
			names = append(names, string(r))
		}
	}
	names = append(names, "你", "é")
	sizes := [][2]int{{80, 24}, {20, 5}, {160, 45}, {40, 10}}
	for n := range 1000 {
		seed := uint64(n)
		rng := rand.New(rand.NewPCG(seed, 1))
		size := sizes[n%len(sizes)]
		d := shared(t, size[0], size[1])
		var pressed []string
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Fatalf("sequence %d at %v panics after %q: %v", n, size, pressed, p)
				}
			}()
			for range 12 {
				k := names[rng.IntN(len(names))]
				pressed = append(pressed, k)
				d.quick(keyMsg(k))
				_ = d.a.View()
			}
			d.fits()
		}()
	}
}

var sharedDrivers = map[string]*driver{}

// shared is a driver that many sequences go on with: its state is as random as they are.
func shared(t testing.TB, w, h int) *driver {
	key := fmt.Sprint(w, h)
	if sharedDrivers[key] == nil {
		sharedDrivers[key] = newDriver(t, w, h, Options{})
	}
	d := sharedDrivers[key]
	d.t = t
	d.a.ending = false
	return d
}

// quick takes a key and what comes of it at once; what would wait is left out.
func (d *driver) quick(m tea.Msg) {
	_, cmd := d.a.Update(m)
	var run func(tea.Cmd, int)
	run = func(cmd tea.Cmd, depth int) {
		if cmd == nil || depth > 5 || clocks.MatchString(runtime.FuncForPC(reflect.ValueOf(cmd).Pointer()).Name()) {
			return
		}
		got := make(chan tea.Msg, 1)
		go func() { got <- cmd() }()
		select {
		case m := <-got:
			if b, ok := m.(tea.BatchMsg); ok {
				for _, c := range b {
					run(c, depth+1)
				}
			} else if done, ok := m.(doneMsg); ok {
				_, next := d.a.Update(done)
				run(next, depth+1)
			}
		case <-time.After(5 * time.Millisecond):
		}
	}
	run(cmd, 0)
}

// TestFixtures: the fixed answers are what the client reads.
func TestFixtures(t *testing.T) {
	for call, a := range fakeAnswers {
		if !strings.HasSuffix(call, "/metrics") && !json.Valid([]byte(a)) {
			t.Errorf("%s: no JSON", call)
		}
	}
}
