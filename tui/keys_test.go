package tui

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/your-org/ai-api-gateway/server/api"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A keyCase presses keys on a page and says what is to be seen or asked then.
type keyCase struct {
	press string   // names with spaces between
	write string   // then typed
	after string   // then pressed
	sees  []string // on the screen
	asks  []string // of the gateway: beginnings of calls
	check func(*App) bool
}

// keyCases has a case for every key of every page, by the key's name.
var keyCases = map[string]map[string]keyCase{
	"chat": {
		"send":        {write: "hello", after: "enter", asks: []string{`POST /v1/chat/completions {"model":"demo","messages":[{"role":"user","content":"hello"}]`}, sees: []string{"> hello", "你好", "one", "demo → openai/gpt-5-2026", "$0.01", "✗ azure → ● openai", "311 tok/s"}},
		"newline":     {write: "a", press: "alt+enter ctrl+j", check: func(a *App) bool { return strings.Count(a.chat.text.Value(), "\n") == 2 }},
		"stop":        {press: "esc", check: func(a *App) bool { return !a.chat.typing() }},
		"model":       {press: "ctrl+o", write: "gpt", after: "enter", check: func(a *App) bool { return a.chat.cur.Model == "gpt-5" }},
		"retry":       {write: "hello", after: "enter ctrl+r down enter", asks: []string{`POST /v1/chat/completions {"model":"gpt-5"`}, check: func(a *App) bool { return len(a.chat.cur.Turns) == 2 }},
		"sessions":    {write: "keep me", after: "enter ctrl+n ctrl+s", sees: []string{"Conversations", "keep me"}},
		"new_chat":    {write: "hello", after: "enter ctrl+n", check: func(a *App) bool { return len(a.chat.cur.Turns) == 0 }},
		"attach":      {press: "ctrl+t", write: "testdata/note.txt", after: "enter", sees: []string{"+ note.txt"}},
		"copy_answer": {write: "hello", after: "enter ctrl+y", sees: []string{"Copied: the answer"}},
		"editor":      {press: "ctrl+e", sees: []string{"No editor is set"}},
		"scroll_up":   {press: "pgup", sees: []string{"New conversation"}},
		"scroll_down": {press: "pgdown", sees: []string{"New conversation"}},
		"write":       {press: "esc i", check: func(a *App) bool { return a.chat.typing() }},
	},
	"usage": {
		"break_down": {press: "b", asks: []string{"GET /v1/admin/usage?compare=true&group_by=key"}, sees: []string{"by KEY"}},
		"range":      {press: "r", asks: []string{"GET /v1/admin/usage?compare=true&group_by=model&last=7d"}, sees: []string{"Usage · 7d"}},
		"metric":     {press: "m", sees: []string{"requests: 3 at most an hour"}},
		"sort":       {press: "s", check: func(a *App) bool { return usageSorts[a.usage.sort] == "requests" }},
		"drill":      {press: "enter", check: func(a *App) bool { return Pages[a.page] == "live" && a.live.filter.text == `model:"gpt-5"` }},
		"export":     {press: "e", sees: []string{"Exported to"}},
		"copy_table": {press: "y", sees: []string{"Copied: 2 lines"}},
		"all_keys":   {press: "esc", check: func(a *App) bool { return a.usage.key == "" }},
	},
	"providers": {
		"detail":      {press: "enter", sees: []string{"https://api.openai.com/v1", "Keys and models asked lately", "…wxyz", "left at the provider (2 min ago): 9.99k/10.0k requests, 5 input tokens"}},
		"add":         {press: "a", write: "azure", after: "enter", sees: []string{"Name", "API key", "Base URL", "api_version"}},
		"test":        {press: "t y", asks: []string{"POST /v1/admin/provider-accounts/a1/test"}, sees: []string{"openai answers: gpt-5 in 212 ms"}},
		"edit":        {press: "e", after: "enter enter enter enter", asks: []string{`PATCH /v1/admin/provider-accounts/a1 {"weight":1,"priority":0}`}},
		"enable":      {press: "space", asks: []string{`PATCH /v1/admin/provider-accounts/a1 {"enabled":false}`}},
		"drain":       {press: "D", sees: []string{"its 2 requests in flight"}, after: "y", asks: []string{`PATCH /v1/admin/provider-accounts/a1 {"enabled":false}`}},
		"rotate_keys": {press: "K", write: "sk-1 sk-2", after: "enter", asks: []string{`PATCH /v1/admin/provider-accounts/a1 {"api_keys":[{"key":"sk-1"},{"key":"sk-2"}]}`}},
		"reset":       {press: "R", asks: []string{"POST /v1/admin/provider-accounts/a1/reset"}, sees: []string{"openai may be asked again"}},
		"remove":      {press: "X", write: "openai", after: "enter", asks: []string{"DELETE /v1/admin/provider-accounts/a1"}},
		"copy_name":   {press: "y", sees: []string{"Copied: openai"}},
	},
	"keys": {
		"create":    {press: "n", write: "new", after: "enter enter enter enter enter", asks: []string{`POST /v1/admin/api-keys {"name":"new"}`}, sees: []string{"sk-gw-secret", "shown this once"}},
		"detail":    {press: "enter", sees: []string{"sk-gw-ab12", "team", "88%", "$17.50 / $20.00 a month"}},
		"rotate":    {press: "O", after: "enter", asks: []string{`POST /v1/admin/api-keys/k1/rotate {"grace":"24h"}`}, sees: []string{"sk-gw-rotated"}},
		"pause_key": {press: "p", asks: []string{`PATCH /v1/admin/api-keys/k1 {"paused":true}`}},
		"revoke":    {press: "R", write: "研发", after: "enter", asks: []string{`PATCH /v1/admin/api-keys/k1 {"revoked":true}`}},
		"quota":     {press: "Q", write: "0", after: "enter enter", asks: []string{`PATCH /v1/admin/quota-policies/p1 {"limits":[{"kind":"tokens","limit":5000,"window":"day"},{"kind":"cost_usd","limit":200,"window":"month"}]}`}},
		"usage":     {press: "u", asks: []string{"GET /v1/admin/usage?compare=true&group_by=model&key=k1"}, sees: []string{"of key 研发 alone"}},
		"requests":  {press: "v", check: func(a *App) bool { return a.live.filter.text == `key:"研发"` && Pages[a.page] == "live" }},
		"copy_name": {press: "y", sees: []string{"Copied: k1"}},
	},
	"live": {
		"detail":         {press: "j enter", sees: []string{"Attempts", "boom", "How it was decided", "attempt 2 ok", "azure"}},
		"cancel_request": {press: "X", after: "y", asks: []string{"POST /v1/admin/requests/FLYING/cancel"}, sees: []string{"Cancelled FLYING"}},
		"filter":         {press: "/", write: "status>=500", after: "enter", sees: []string{"No request fits"}},
		"follow":         {press: "j f", sees: []string{"following"}},
		"pause":          {press: "space", sees: []string{"‖ paused"}},
		"only_errors":    {press: "E", sees: []string{"errors only"}},
		"copy_curl":      {press: "j c", asks: []string{"GET /v1/admin/usage/logs/01M8AP1NDJ4WMG6SWJWDE6TRK9/bodies"}, sees: []string{"Copied: curl"}},
		"replay":         {press: "j P", check: func(a *App) bool { return Pages[a.page] == "chat" && a.chat.cur.Model == "gpt-5" }, sees: []string{"it's me"}},
		"copy_id":        {press: "y", sees: []string{"Copied: FLYING"}},
		"wide":           {press: "w", check: func(a *App) bool { return a.live.wide }},
		"back":           {press: "E esc", check: func(a *App) bool { return !a.live.errors }},
	},
	"models": {
		"explain":      {press: "enter", asks: []string{"GET /v1/admin/explain?model=fast"}, sees: []string{"the catalogue knows it"}},
		"chat_with":    {press: "j c", check: func(a *App) bool { return Pages[a.page] == "chat" && a.chat.cur.Model == "gpt-5" }},
		"alias":        {press: "j a", write: "quick", after: "enter enter", asks: []string{`POST /v1/admin/model-mappings {"alias":"quick","targets":[{"provider":"openai","model":"gpt-5"}]}`}},
		"remove_alias": {press: "X y", asks: []string{"DELETE /v1/admin/model-mappings/m1"}},
		"refresh":      {press: "r", asks: []string{"GET /v1/admin/models?refresh=true"}, sees: []string{"1 accounts asked"}},
		"search":       {press: "/", write: "fast", after: "enter", check: func(a *App) bool { return len(a.models.shown()) == 1 }},
		"copy_name":    {press: "y", sees: []string{"Copied: fast"}},
		"back":         {press: "/", write: "fast", after: "enter esc", check: func(a *App) bool { return len(a.models.shown()) == 2 }},
	},
	"health": {
		"doctor":        {press: "d", sees: []string{"clock", "47 s ahead", "→ enable NTP"}},
		"verify":        {press: "v y", asks: []string{"POST /v1/admin/ledger/verify"}, sees: []string{"The books are right: 10 rows"}},
		"reload_config": {press: "C y", asks: []string{"POST /v1/admin/config/reload"}, sees: []string{"revision 2"}},
		"backup":        {press: "B y", asks: []string{"POST /v1/admin/store/backup"}, sees: []string{"Backed up to"}},
	},
	"": { // everywhere
		"help":          {press: "?", sees: []string{"Everywhere", "shift+tab ["}},
		"palette":       {press: ":", write: "usa", after: "enter", check: func(a *App) bool { return Pages[a.page] == "usage" }},
		"page":          {press: "6", check: func(a *App) bool { return Pages[a.page] == "models" }},
		"next_page":     {press: "tab ]", check: func(a *App) bool { return Pages[a.page] == "health" }},
		"previous_page": {press: "shift+tab [", check: func(a *App) bool { return Pages[a.page] == "providers" }},
		"theme":         {press: "T", sees: []string{"Theme: dark"}},
		"language":      {press: "L", sees: []string{"实时"}},
		"browser":       {check: func(*App) bool { return true }}, // opens a program of the machine
		"redraw":        {press: "ctrl+l", sees: []string{"Live"}},
		"suspend":       {check: func(*App) bool { return true }}, // stops the process
		"quit_now":      {press: "ctrl+c", check: func(a *App) bool { return a.ending }},
		"quit":          {press: "q", check: func(a *App) bool { return a.ending }},
	},
}

// TestKeys: every key of every page does what it says.
func TestKeys(t *testing.T) {
	doctor := func(context.Context) ([]Finding, error) {
		return []Finding{{"clock", "bad", "47 s ahead", "enable NTP"}, {"store", "ok", "fine", ""}}, nil
	}
	for pageName, cases := range keyCases {
		front := pageName
		if front == "" {
			front = "live"
		}
		probe := newDriver(t, 100, 30, Options{Page: front, Doctor: doctor})
		binds := probe.a.pages[probe.a.page].binds()
		if pageName == "" {
			binds = probe.a.global()
		}
		for _, b := range binds {
			if _, ok := cases[b.name]; !ok {
				t.Errorf("%s: no case for the key %s (%s)", front, b.Help().Key, b.name)
			}
		}
		for name, c := range cases {
			t.Run(front+"/"+name, func(t *testing.T) {
				t.Chdir(workDir(t))
				d := newDriver(t, 100, 30, Options{Page: front, Doctor: doctor, StateDir: t.TempDir()})
				if front == "live" {
					d.a.live.take([]api.LiveEvent{{Type: api.LiveStarted, RequestID: "FLYING", KeyName: "ci", Model: "slow", Accepted: noon}}, 0)
				}
				d.press(strings.Fields(c.press)...)
				d.write(c.write)
				if c.press == "D" {
					d.sees(c.sees...)
					c.sees = nil
				}
				d.press(strings.Fields(c.after)...)
				d.sees(c.sees...)
				d.fits()
				for _, want := range c.asks {
					if !d.g.asked(want) {
						t.Errorf("the gateway was not asked for %s; it was asked for\n%s", want, strings.Join(d.g.calls, "\n"))
					}
				}
				if c.check != nil && !c.check(d.a) {
					t.Errorf("not as it should be:\n%s", d.a.View())
				}
			})
		}
	}
}

// workDir is a folder for files that keys write, with testdata in it.
func workDir(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "testdata"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "testdata", "note.txt"), []byte("a note"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestKeysPage: docs/keys.md is what the tables say.
func TestKeysPage(t *testing.T) {
	d := newDriver(t, 80, 24, Options{Doctor: func(context.Context) ([]Finding, error) { return nil, nil }})
	var b strings.Builder
	b.WriteString("# Keys of `ai-gateway tui`\n\nIn a focused text field only the keys marked • act; Esc leaves the field. Upper-case keys that destroy ask first.\nMade from the tables that the program acts on: `go test ./tui -run TestKeysPage -update`.\n")
	section := func(title string, binds []bind) {
		b.WriteString("\n## " + title + "\n\n| key | what it does |\n|---|---|\n")
		for _, k := range binds {
			mark := ""
			if k.typing {
				mark = " •"
			}
			b.WriteString("| `" + k.Help().Key + "`" + mark + " | " + k.Help().Desc + " |\n")
		}
	}
	section("Everywhere", d.a.global())
	section("Lists", d.a.moving())
	for i, p := range Pages {
		section(d.a.t("tui.page."+p), d.a.pages[i].binds())
	}
	const file = "../docs/keys.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != b.String() {
		t.Errorf("docs/keys.md is not what the tables say (%v): go test ./tui -run TestKeysPage -update", err)
	}
}

// TestFilter: the language of Live.
func TestFilter(t *testing.T) {
	ttft := 410.0
	r := &request{row: &api.LogRow{RequestID: "01ABC", Model: "openai/gpt-5", KeyName: "CI", Account: "azure eu", Attempts: []api.Attempt{{Account: "first"}, {Account: "azure eu"}}, Status: 502, CostUSD: api.Dollar / 100, TTFTMs: &ttft, DurationMs: 2500, PromptTokens: 12_000, Error: "timeout after 2 s"}}
	f := func(text string, want bool) {
		t.Helper()
		x, err := parseFilter(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if x.match(r) != want {
			t.Errorf("%q: %v, want %v", text, !want, want)
		}
	}
	f("", true)
	f("status>=500", true)
	f("status:5xx", true)
	f("status=502 status<502", false)
	f("model:*gpt*", true)
	f("model:gpt*", false)
	f("key:ci", true)
	f("!key:ci", false)
	f("key!=ci", false)
	f("cost>0.005 cost<$0.02", true)
	f("took>2s", true)
	f("took>2500", false)
	f("ttft>400ms", true)
	f("in>=12k", true)
	f("timeout", true)
	f("!timeout", false)
	f(`account:"azure eu"`, true)
	f("account:first", true)
	f("account!=first", false)
	f("account:second", false)
	f("phase:failed", true)
	bad := func(text, want string) {
		t.Helper()
		if _, err := parseFilter(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	bad("stauts>=500", "no field")
	bad("status>=x", "is a number")
	bad("model>3", "is text")
	bad(`key:"open`, "quote")
	bad("model:[", "no pattern")
}

// FuzzFilter: no filter breaks it, and what was read matches without a panic.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"status>=500 model:gpt*", `!key:"a b"`, "took>1m30s", "cost>$0.01", "!", ":", "=", `"`, "status:5xx", "模型:千问"} {
		f.Add(s)
	}
	r := &request{row: &api.LogRow{Model: "m", Status: 200}}
	f.Fuzz(func(_ *testing.T, s string) {
		if x, err := parseFilter(s); err == nil {
			x.match(r)
			x.match(&request{})
		}
	})
}

// TestLiveBounds: rows are bounded, what is in flight is counted right, a broken
// connection marks what was not seen to end.
func TestLiveBounds(t *testing.T) {
	d := newDriver(t, 80, 24, Options{})
	l := d.a.live
	for i := range 20_000 {
		id := "R" + strings.Repeat("0", 5) + time.Duration(i).String()
		l.take([]api.LiveEvent{{Type: api.LiveStarted, RequestID: id, Accepted: noon}}, 0)
		if i%2 == 0 {
			l.take([]api.LiveEvent{{Type: api.LiveFinished, RequestID: id, Row: &api.LogRow{RequestID: id, Status: 200, Time: noon}}}, 0)
		}
	}
	if len(l.rows) > liveKept*5/4 || len(l.byID) != len(l.rows) {
		t.Errorf("%d rows, %d ids", len(l.rows), len(l.byID))
	}
	flying := 0
	for _, r := range l.rows {
		if r.flying() {
			flying++
		}
	}
	if flying != l.flying {
		t.Errorf("%d in flight are counted, %d are", l.flying, flying)
	}
	l.reconnected()
	if l.flying != 0 || l.rows[len(l.rows)-1].phase() != phaseLost {
		t.Errorf("after a break: %d in flight, the last is %s", l.flying, l.rows[len(l.rows)-1].phase())
	}
}

// TestStays: a row under the cursor stays where it is while others come.
func TestStays(t *testing.T) {
	d := newDriver(t, 80, 24, Options{})
	add := func(id string) {
		d.a.live.take([]api.LiveEvent{{Type: api.LiveStarted, RequestID: id, Accepted: noon, Model: id}}, 0)
	}
	for i := range 60 { // more than the screen shows
		add("old" + string(rune('A'+i)))
	}
	_ = d.a.View()
	d.press("j", "j")
	at := func() (string, int) { return d.a.live.at().id(), d.a.live.g.cursor - d.a.live.g.top }
	id, row := at()
	for i := range 30 {
		add("new" + string(rune('a'+i)))
		_ = d.a.View()
	}
	if id2, row2 := at(); id2 != id || row2 != row {
		t.Errorf("the cursor was on %s in row %d, and is on %s in row %d", id, row, id2, row2)
	}
}

// TestReconnect: a gateway that goes is named with what to do, and so is its return.
func TestReconnect(t *testing.T) {
	d := newDriver(t, 120, 24, Options{})
	d.send(feedMsg{changed: true, err: &api.Unreachable{URL: d.g.URL, Err: os.ErrDeadlineExceeded}})
	d.sees("reconnecting", "ai-gateway serve")
	d.send(feedMsg{changed: true, up: true})
	d.sees("● live", "Connected again")
	d.send(feedMsg{changed: true, err: &api.Error{Status: 403, Message: "missing scope"}})
	d.sees("missing scope", "--scopes viewer")
}

// TestKeysTogether: keys that a slow line brings together act one by one, and a paste
// acts as none.
func TestKeysTogether(t *testing.T) {
	d := newDriver(t, 80, 24, Options{})
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("6/gpt")})
	d.press("enter")
	if Pages[d.a.page] != "models" || d.a.models.search != "gpt" {
		t.Errorf("on %s, searching %q", Pages[d.a.page], d.a.models.search)
	}
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("2"), Paste: true})
	if Pages[d.a.page] != "models" {
		t.Errorf("a paste opened %s", Pages[d.a.page])
	}
}

// TestMouse: the wheel moves, a click chooses a tab and a row.
func TestMouse(t *testing.T) {
	d := newDriver(t, 80, 24, Options{Page: "models"})
	d.send(tea.MouseMsg{Button: tea.MouseButtonWheelDown, Action: tea.MouseActionPress})
	if d.a.models.g.cursor != 1 {
		t.Errorf("the wheel moved to %d", d.a.models.g.cursor)
	}
	d.send(tea.MouseMsg{X: 5, Y: 3, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	if d.a.models.g.cursor != 0 {
		t.Errorf("the click chose %d", d.a.models.g.cursor)
	}
	d.send(tea.MouseMsg{X: 10, Y: 1, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	if Pages[d.a.page] != "usage" {
		t.Errorf("the click opened %s", Pages[d.a.page])
	}
}

// TestCopy: what is copied goes to the terminal as OSC 52.
func TestCopy(t *testing.T) {
	d := newDriver(t, 80, 24, Options{Page: "models"})
	d.press("y")
	if got := d.out.String(); got != "\x1b]52;c;ZmFzdA==\x07" {
		t.Errorf("written to the terminal: %q", got)
	}
}
