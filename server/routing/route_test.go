package routing

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// shares asks n times and returns how often each account served.
func shares(p *Plan, c *clock, n int, up func(Pick) Fault) map[string]int {
	got := map[string]int{}
	for range n {
		if asked, ok, _ := ask(p, c, 0, up); ok {
			got[asked[len(asked)-1]]++
		}
		c.pass(10 * time.Millisecond)
	}
	return got
}

func works(Pick) Fault { return FaultNone }

func TestStrategies(t *testing.T) {
	targets := []store.MappingTarget{{Account: "a", Model: "m", Weight: 3}, {Account: "b", Model: "m", Weight: 1}, {Account: "spare", Model: "m", Priority: 1}}
	places := []place{{name: "a"}, {name: "b"}, {name: "spare"}}
	plan := func(strategy string) (*Plan, *clock) {
		return plans(t, seeded(HealthOptions{}, 5), &store.Mapping{Alias: "x", Strategy: strategy, Targets: targets}, places...), newClock()
	}
	p, c := plan("")
	if got := shares(p, c, 4000, works); math.Abs(float64(got["a"])/4000-0.75) > 0.03 || got["spare"] != 0 {
		t.Errorf("weighted: %v", got)
	}
	p, c = plan(StrategyPriority)
	if got := shares(p, c, 100, works); got["a"] != 100 {
		t.Errorf("priority: %v", got)
	}
	p, c = plan(StrategyPriority)
	down := func(pick Pick) Fault {
		if pick.Target.Account.Name == "a" {
			return FaultServer
		}
		return FaultNone
	}
	if got := shares(p, c, 100, down); got["b"] != 100 {
		t.Errorf("priority with the first down: %v", got)
	}
	p, c = plan(StrategyLatency)
	slow := map[string]time.Duration{"a": 900 * time.Millisecond, "b": 30 * time.Millisecond, "spare": time.Millisecond}
	got := shares(p, c, 1000, func(pick Pick) Fault { c.pass(slow[pick.Target.Account.Name]); return FaultNone })
	if got["b"] < 950 || got["a"] == 0 || got["spare"] != 0 { // a is tried, and again when what is known of it has faded
		t.Errorf("latency: %v", got)
	}
	p, c = plan(StrategyLeastBusy)
	var held []*Route
	load := map[string]int{}
	for range 40 {
		r := p.Begin(nil, 0, true)
		pick, _ := r.Next(c.now)
		load[pick.Target.Account.Name]++
		held = append(held, &r)
	}
	if load["a"] != 30 || load["b"] != 10 {
		t.Errorf("least busy: %v", load)
	}
	for _, r := range held {
		r.Abandoned()
	}
}

// worth is a catalogue with prices and context windows.
type worth map[string]providers.Model

func (f worth) Find(_, model string) (*providers.Model, bool) {
	m, ok := f[model]
	return &m, ok
}
func (worth) Providers(string) []string      { return nil }
func (worth) Known(string) []string          { return nil }
func (worth) Dearest(string) providers.Price { return providers.Price{} }
func (worth) Version() string                { return "test" }

// TestFallbacks: what takes over depends on why the first failed.
func TestFallbacks(t *testing.T) {
	cat := worth{
		"small": {ID: "small", Context: 8000, Priced: true, Price: providers.Price{Input: 5, Output: 5}},
		"mid":   {ID: "mid", Context: 8000, Priced: true, Price: providers.Price{Input: 1_000_000, Output: 1_000_000}},
		"large": {ID: "large", Context: 200_000, Priced: true, Price: providers.Price{Input: 9_000_000, Output: 9_000_000}},
	}
	pr := &providers.Provider{Name: "custom", BaseURL: "http://x", Speaks: []providers.Egress{speaks{d: providers.Chat}}}
	src := Source{Providers: []*providers.Provider{pr}, Catalogue: cat, Health: seeded(HealthOptions{}, 1)}
	for _, name := range []string{"small", "mid", "large", "safe"} {
		src.Accounts = append(src.Accounts, &Account{Account: &store.Account{ID: name, Name: "at-" + name, Enabled: true, Models: []store.AccountModel{{Name: name}}}, Provider: pr, Secrets: []store.SecretString{store.NewSecret("k")}})
	}
	src.Mappings = []*store.Mapping{
		{Alias: "x", Targets: []store.MappingTarget{{Model: "small"}}, Fallbacks: map[string][]string{"error": {"mid"}, "context_window": {"large"}, "content_policy": {"safe"}}},
		{Alias: "two", Targets: []store.MappingTarget{{Model: "small", Priority: 0}, {Model: "mid", Priority: 1}, {Model: "large", Priority: 2}}},
		{Alias: "cheap", Strategy: StrategyCost, Targets: []store.MappingTarget{{Model: "large"}, {Model: "mid"}, {Model: "safe"}}},
	}
	tab, err := Build(src)
	if err != nil {
		t.Fatal(err)
	}
	f := func(model string, fallbacks []string, allow func(string) bool, first Fault, want string) {
		t.Helper()
		p, e := tab.Plan(Ask{Op: providers.OpChat, Dialect: providers.Chat, Model: model, Fallback: fallbacks, Allow: allow})
		if e != nil {
			t.Fatal(e)
		}
		for _, a := range tab.Accounts() {
			tab.Health().Reset(a)
		}
		p.budget.tokens.Store(leastBudget)
		c, n := newClock(), 0
		r := p.Begin(allow, 0, false)
		var got []string
		for {
			pick, _ := r.Next(c.now)
			if pick.Target == nil {
				break
			}
			got = append(got, pick.Target.Model)
			if n++; n > 1 {
				r.Done(c.now)
				break
			}
			r.Failed(c.now, Failure{Fault: first})
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s, fallbacks %v, %v: asked %s, want %s", model, fallbacks, first, s, want)
		}
	}
	f("x", nil, nil, FaultServer, "small mid")
	f("x", nil, nil, FaultContext, "small large")
	f("x", nil, nil, FaultPolicy, "small safe")
	f("x", nil, nil, FaultRequest, "small")
	f("x", nil, nil, FaultModel, "small mid")
	f("x", nil, func(m string) bool { return m == "x" }, FaultModel, "small")
	f("x", nil, func(m string) bool { return m == "x" || m == "large" }, FaultContext, "small large")
	f("x", []string{"safe"}, nil, FaultServer, "small safe")
	f("two", nil, nil, FaultContext, "small large")
	f("two", nil, nil, FaultPolicy, "small")
	f("two", nil, nil, FaultServer, "small mid")
	f("small", []string{"mid", "large"}, nil, FaultContext, "small large")
	f("small", []string{"safe"}, nil, FaultPolicy, "small safe")
	f("small", nil, nil, FaultServer, "small small")
	f("small", nil, nil, FaultTimeout, "small")
	f("small", nil, nil, FaultAnswer, "small")
	f("cheap", nil, nil, FaultServer, "mid large")
}

// TestSession: a conversation stays with the target that served it, and goes on
// elsewhere at once when that fails.
func TestSession(t *testing.T) {
	c := newClock()
	p := plans(t, seeded(HealthOptions{}, 8), nil, place{name: "a", keys: 2}, place{name: "b", keys: 2}, place{name: "c"})
	home := map[uint64]string{}
	for n := range 600 {
		s := uint64(n%60)<<40 | uint64(n%60) + 1
		r := p.Begin(nil, s, false)
		pick, _ := r.Next(c.now)
		at := fmt.Sprint(pick.Target.Account.Name, pick.Key)
		r.Done(c.now)
		if home[s] == "" {
			home[s] = at
		} else if home[s] != at {
			t.Fatalf("session %x went from %s to %s", s, home[s], at)
		}
	}
	all := map[string]bool{}
	for _, at := range home {
		all[at] = true
	}
	if len(all) < 4 {
		t.Errorf("sixty sessions live at %v only", all)
	}
	s := uint64(1)<<40 | 2
	first := home[s]
	for range 5 {
		asked, ok, _ := ask(p, c, s, func(pick Pick) Fault {
			if strings.HasPrefix(first, pick.Target.Account.Name) {
				return FaultServer
			}
			return FaultNone
		})
		if !ok || len(asked) > 2 {
			t.Fatalf("asked %v, ok %v", asked, ok)
		}
	}
}

// TestLook: the explanation names what holds a target back and what mends it.
func TestLook(t *testing.T) {
	c := newClock()
	h := seeded(HealthOptions{}, 1)
	p := plans(t, h, &store.Mapping{Alias: "x", Strategy: StrategyPriority, Targets: []store.MappingTarget{{Account: "a", Model: "m"}, {Account: "b", Model: "m"}, {Account: "c", Model: "m"}, {Account: "d", Model: "m"}}},
		place{name: "a"}, place{name: "b"}, place{name: "c"}, place{name: "d"})
	hold := func(i int, f Failure) { p.Targets[i].lanes[0].hold(h.at(c.now), f) }
	hold(0, Failure{Fault: FaultRate, RetryAfter: 90 * time.Second, Message: "slow down"})
	hold(1, Failure{Fault: FaultAuth, Message: "bad key"})
	for range 5 {
		l := p.Targets[2].lanes[0]
		l.bad(h.at(c.now), false, Failure{Fault: FaultServer, Message: "on fire"})
	}
	var got []string
	for _, l := range p.Look(c.now, nil) {
		got = append(got, fmt.Sprintf("%d %s: %s", l.Order, l.Target.Account.Name, l.Reason))
	}
	if len(got) != 4 || got[0] != "1 d: " || !strings.Contains(got[1], "0 a: cooling down for 90 s (rate_limited: slow down); `ai-gateway providers reset a`") ||
		!strings.Contains(got[2], "rests for 300 s (auth: bad key)") || !strings.Contains(got[2], "providers edit b --api-key -") ||
		!strings.Contains(got[3], "failed too often") || !strings.Contains(got[3], "on fire") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	r := p.Begin(nil, 0, false)
	if held := r.Held(c.now); len(held) != 3 || !strings.Contains(held[0], `account "a"`) {
		t.Errorf("held %v", held)
	}
}

// TestLookAtKeys: of a pool the explanation tells the keys that rest while others are
// asked, and who changes the account elsewhere is told where.
func TestLookAtKeys(t *testing.T) {
	c := newClock()
	h := seeded(HealthOptions{}, 1)
	p := plans(t, h, &store.Mapping{Alias: "x", Strategy: StrategyPriority, Targets: []store.MappingTarget{{Account: "a", Model: "m"}, {Account: "b", Model: "m"}}},
		place{name: "a", keys: 3}, place{name: "b", origin: store.OriginFile})
	p.Targets[0].lanes[1].hold(h.at(c.now), Failure{Fault: FaultAuth, Message: "bad key"})
	p.Targets[1].lanes[0].hold(h.at(c.now), Failure{Fault: FaultRegion, Message: "not here"})
	look := p.Look(c.now, nil)
	if l := look[0]; l.Order != 1 || l.Reason != "" || !strings.HasPrefix(l.Held, "1 of its 3 keys cannot be asked: key ") || !strings.Contains(l.Held, "replace it with `ai-gateway providers edit a --api-key -`") {
		t.Errorf("%+v", l)
	}
	if l := look[1]; l.Order != 0 || !strings.Contains(l.Reason, "set its proxy in the configuration file") || strings.Contains(l.Reason, "providers edit") || l.Held != "" {
		t.Errorf("%+v", l)
	}
}

func TestClassify(t *testing.T) {
	f := func(status int, kind providers.ErrorKind, words string, want Fault) {
		t.Helper()
		if got := Classify(&providers.Error{Kind: kind, Message: words}, status); got != want {
			t.Errorf("%d %s %q is %v, want %v", status, kind, words, got, want)
		}
	}
	f(429, providers.KindRateLimit, "Rate limit reached for gpt-4o", FaultRate)
	f(429, providers.KindQuota, "You exceeded your current quota", FaultQuota)
	f(429, providers.KindRateLimit, "The engine is currently overloaded, please try again later", FaultBusy)
	f(402, providers.KindBilling, "Insufficient Balance", FaultQuota)
	f(401, providers.KindAuthentication, "Incorrect API key provided", FaultAuth)
	f(400, providers.KindAuthentication, "Incorrect API key provided: xa***", FaultAuth)
	f(403, providers.KindPermission, "Country, region, or territory not supported", FaultRegion)
	f(400, providers.KindInvalidRequest, "User location is not supported for the API use.", FaultRegion)
	f(403, providers.KindPermission, "Project does not have access to model gpt-5", FaultDenied)
	f(403, providers.KindPermission, "Your key is disabled", FaultAuth)
	f(403, providers.KindContentPolicy, "flagged", FaultPolicy)
	f(400, providers.KindContextLength, "maximum context length", FaultContext)
	f(400, providers.KindInvalidRequest, "temperature is out of range", FaultRequest)
	f(413, providers.KindTooLarge, "too large", FaultRequest)
	f(404, providers.KindModelNotFound, "no such model", FaultModel)
	f(408, providers.KindTimeout, "", FaultWeak)
	f(409, providers.KindConflict, "", FaultWeak)
	f(425, providers.KindInvalidRequest, "", FaultWeak)
	f(500, providers.KindInternal, "", FaultServer)
	f(503, providers.KindOverloaded, "", FaultServer)
	f(529, providers.KindOverloaded, "Overloaded", FaultServer)
	f(302, providers.KindUpstream, "", FaultAnswer)
	f(0, providers.KindOverloaded, "Overloaded", FaultAnswer)
	f(0, providers.KindRateLimit, "slow down", FaultRate)
	f(0, providers.KindInvalidRequest, "tool_use_failed", FaultRequest)
	f(0, providers.KindUpstream, "boom", FaultAnswer)
	// What a caller sent and the upstream repeats must not put the account out of use.
	f(400, providers.KindAuthentication, "Invalid value for 'user': incorrect api key provided", FaultSuspect)
	f(400, providers.KindBilling, "metadata.user_id: your credit balance is too low, billing", FaultSuspect)
	f(400, providers.KindBilling, "Your credit balance is too low to access the Anthropic API.", FaultQuota)
	f(400, providers.KindInvalidRequest, "unknown model 'user location is not supported'", FaultRequest)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	f := func(ms, value string, want time.Duration) {
		t.Helper()
		if got := RetryAfter(ms, value, now); got != want {
			t.Errorf("%q, %q is %v, want %v", ms, value, got, want)
		}
	}
	f("", "2", 2*time.Second)
	f("", "120", 120*time.Second)
	f("", " 1.5 ", 1500*time.Millisecond)
	f("", "Wed, 25 Nov 2026 12:00:30 GMT", 30*time.Second)
	f("", "Wednesday, 25-Nov-26 12:00:30 GMT", 30*time.Second)
	f("", "Wed, 25 Nov 2026 11:00:00 GMT", 0)
	f("", "Wed, 25 Nov 2099 11:00:00 GMT", MaxPause)
	f("", "-1", 0)
	f("", "0", 0)
	f("", "abc", 0)
	f("", "", 0)
	f("", "NaN", 0)
	f("", "1e12", MaxPause)
	f("", "1e999", MaxPause)
	f("", "Inf", MaxPause)
	f("250", "7", 250*time.Millisecond)
	f("-5", "7", 7*time.Second)
	f("x", "7", 7*time.Second)
}

// FuzzRetryAfter: whatever an upstream writes, the pause is none or one within the bounds.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "2", "-1", "1e12", "0x10", "NaN", "Inf", "Wed, 25 Nov 2026 12:00:30 GMT", "\x00", "1_000", "1e-400"} {
		f.Add(s, s, int64(1_764_000_000))
	}
	f.Fuzz(func(t *testing.T, ms, value string, unix int64) {
		now := time.Unix(unix%(1<<36), 0)
		got := RetryAfter(ms, value, now)
		if got < 0 || got > MaxPause {
			t.Fatalf("%v is out of bounds", got)
		}
		if again := RetryAfter(ms, value, now); again != got {
			t.Fatalf("%v, then %v", got, again)
		}
		if got == 0 && (strings.TrimSpace(value) == "5" || strings.TrimSpace(ms) == "5") {
			t.Fatal("five is no pause")
		}
	})
}

// TestRouteAllocates guards the hot path: choosing a target allocates nothing.
func TestRouteAllocates(t *testing.T) {
	c := newClock()
	f := func(name string, p *Plan, session uint64) {
		t.Helper()
		if n := testing.AllocsPerRun(200, func() {
			r := p.Begin(nil, session, true)
			pick, _ := r.Next(c.now)
			if pick.Target == nil {
				t.Fatal("no target")
			}
			r.Answered(c.now)
			r.Done(c.now)
		}); n > 0 {
			t.Errorf("%s: %v allocations a request", name, n)
		}
	}
	m := func(strategy string) *store.Mapping {
		return &store.Mapping{Alias: "x", Strategy: strategy, Targets: []store.MappingTarget{{Account: "a", Model: "m"}, {Account: "b", Model: "m"}}}
	}
	f("one", plans(t, NewHealth(HealthOptions{}), nil, place{name: "a"}), 0)
	for _, s := range []string{"", StrategyPriority, StrategyLatency, StrategyCost, StrategyLeastBusy} {
		f("strategy "+s, plans(t, NewHealth(HealthOptions{}), m(s), place{name: "a", keys: 2}, place{name: "b"}), 7)
	}
}

func BenchmarkRoute(b *testing.B) {
	now := time.Now()
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var pl []place
			for i := range n {
				pl = append(pl, place{name: fmt.Sprint("a", i)})
			}
			p := plans(b, NewHealth(HealthOptions{}), nil, pl...)
			b.ReportAllocs()
			for b.Loop() {
				r := p.Begin(nil, 0, false)
				if pick, _ := r.Next(now); pick.Target == nil {
					b.Fatal("no target")
				}
				r.Done(now)
			}
		})
	}
}

// TestLanesAreBounded: names that callers make up do not fill the memory, and what
// is held back is not forgotten for them.
func TestLanesAreBounded(t *testing.T) {
	c := newClock()
	h := seeded(HealthOptions{}, 1)
	tab := tableOf(t, h, nil, place{name: "a"})
	held := h.lanesOf(tab.Accounts()[0], "held")[0]
	held.hold(h.at(c.now), Failure{Fault: FaultRate, RetryAfter: time.Minute})
	for i := range maxLanes + 100 {
		h.lanesOf(tab.Accounts()[0], fmt.Sprint("m", i))
	}
	if len(h.lanes) > maxLanes || h.lanesOf(tab.Accounts()[0], "held")[0] != held {
		t.Errorf("%d lanes", len(h.lanes))
	}
	if states := h.States(c.now); !slices.ContainsFunc(states, func(s LaneState) bool { return s.Model == "held" && s.State == StateCooling }) || len(states) != 1 {
		t.Errorf("states %+v", states)
	}
}
