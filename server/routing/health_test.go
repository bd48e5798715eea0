package routing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// A place is one account of a test: its name, its keys and their weights.
type place struct {
	name             string
	keys             int
	weight, priority int
	origin           string
}

// clock is virtual time.
type clock struct{ now time.Time }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func newClock() *clock { return &clock{time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)} }

// plans builds a table of accounts that all serve "m", and returns its plan for it.
func plans(t testing.TB, h *Health, m *store.Mapping, places ...place) *Plan {
	t.Helper()
	tab := tableOf(t, h, m, places...)
	name := "m"
	if m != nil {
		name = m.Alias
	}
	p, err := tab.Plan(Ask{Op: providers.OpChat, Dialect: providers.Chat, Model: name})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tableOf(t testing.TB, h *Health, m *store.Mapping, places ...place) *Table {
	t.Helper()
	p := &providers.Provider{Name: "custom", BaseURL: "http://x", Speaks: []providers.Egress{speaks{d: providers.Chat}}}
	src := Source{Providers: []*providers.Provider{p}, Catalogue: facts{}, Health: h}
	for _, pl := range places {
		a := &Account{Account: &store.Account{ID: "id-" + pl.name, Name: pl.name, Origin: pl.origin, Enabled: true, Weight: pl.weight, Priority: pl.priority, Models: []store.AccountModel{{Name: "*"}}}, Provider: p}
		for k := range max(1, pl.keys) {
			a.Secrets = append(a.Secrets, store.NewSecret(fmt.Sprintf("key-%d-of-%s", k, pl.name)))
			a.Account.Secrets = append(a.Account.Secrets, store.Secret{Weight: k + 1})
		}
		src.Accounts = append(src.Accounts, a)
	}
	if m != nil {
		src.Mappings = []*store.Mapping{m}
	}
	tab, err := Build(src)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// ask takes one request along p. up answers each attempt; it returns the names of
// those asked and whether one answered.
func ask(p *Plan, c *clock, session uint64, up func(pick Pick) Fault) (asked []string, ok bool, refused *providers.Error) {
	r := p.Begin(nil, session, false)
	for {
		pick, e := r.Next(c.now)
		if pick.Target == nil {
			return asked, false, e
		}
		c.pass(pick.Wait)
		asked = append(asked, pick.Target.Account.Name)
		f := up(pick)
		if f == FaultNone {
			r.Done(c.now)
			return asked, true, nil
		}
		r.Failed(c.now, Failure{Fault: f, Message: f.String()})
	}
}

func seeded(o HealthOptions, seed uint64) *Health {
	o.Rand = rand.New(rand.NewPCG(seed, 1)).Float64
	return NewHealth(o)
}

// TestOneAlwaysFailing: with another target there, no request fails, and the
// failing one is asked about once in ten seconds.
func TestOneAlwaysFailing(t *testing.T) {
	c := newClock()
	p := plans(t, seeded(HealthOptions{}, 1), nil, place{name: "bad"}, place{name: "good"})
	bad := 0
	for range 1000 {
		_, ok, e := ask(p, c, 0, func(pick Pick) Fault {
			if pick.Target.Account.Name == "bad" {
				bad++
				return FaultServer
			}
			return FaultNone
		})
		if !ok {
			t.Fatalf("a request failed: %v", e)
		}
		c.pass(100 * time.Millisecond)
	}
	if bad < 5+7 || bad > 5+12 { // 100 s: 5 to open the breaker, then one probe in about 10 s
		t.Errorf("the failing target was asked %d times", bad)
	}
}

// TestRecovery: a target that works again serves within 12 s, also where a
// strategy would never choose it for a probe.
func TestRecovery(t *testing.T) {
	for _, strategy := range []string{"", StrategyPriority, StrategyLatency, StrategyCost, StrategyLeastBusy} {
		for seed := range uint64(20) {
			c := newClock()
			m := &store.Mapping{Alias: "a", Strategy: strategy, Targets: []store.MappingTarget{{Account: "first", Model: "m", Weight: 1}, {Account: "second", Model: "m", Weight: 50}}}
			p := plans(t, seeded(HealthOptions{}, seed), m, place{name: "first"}, place{name: "second"})
			broken := true
			up := func(pick Pick) Fault {
				if broken && pick.Target.Account.Name == "first" {
					return FaultServer
				}
				return FaultNone
			}
			for range 2000 {
				ask(p, c, 0, up)
				c.pass(20 * time.Millisecond)
			}
			broken = false
			repaired, back := c.now, false
			for !back && c.now.Sub(repaired) < 12*time.Second {
				asked, _, _ := ask(p, c, 0, up)
				back = slices.Contains(asked, "first")
				c.pass(50 * time.Millisecond)
			}
			if !back {
				t.Errorf("strategy %q, seed %d: not back 12 s after repair", strategy, seed)
			}
		}
	}
}

// TestStorm: everything answers 503 at 500 requests a second; the upstreams see at
// most 1.2 attempts a request and three besides.
func TestStorm(t *testing.T) {
	for _, targets := range []int{1, 2, 3} {
		for _, n := range []int{1, 5, 50, 5000} {
			c := newClock()
			var pl []place
			for i := range targets {
				pl = append(pl, place{name: fmt.Sprint("t", i)})
			}
			p := plans(t, seeded(HealthOptions{}, 3), nil, pl...)
			attempts, refused := 0, 0
			for range n {
				_, ok, e := ask(p, c, 0, func(Pick) Fault { attempts++; return FaultServer })
				if ok {
					t.Fatal("nothing answers, and yet a request succeeded")
				}
				if e != nil {
					refused++
					if e.HTTPStatus() != 503 || e.RetryAfter < time.Second || e.RetryAfter > 11*time.Second {
						t.Fatalf("refused with %d, retry after %v", e.HTTPStatus(), e.RetryAfter)
					}
				}
				c.pass(2 * time.Millisecond)
			}
			if most := 1.2*float64(n) + 3; float64(attempts) > most {
				t.Errorf("%d targets, %d requests: %d attempts, at most %.0f", targets, n, attempts, most)
			}
			if n == 5000 && (refused < 4900 || attempts > 60) {
				t.Errorf("%d targets: %d attempts, %d refused", targets, attempts, refused)
			}
		}
	}
}

// TestOnlyTarget: 500s from the only target: at most two attempts a request, then
// the breaker opens and callers are told when to come again; it recovers by itself.
func TestOnlyTarget(t *testing.T) {
	c := newClock()
	p := plans(t, seeded(HealthOptions{}, 4), nil, place{name: "only"})
	opened := 0
	for i := range 20 {
		asked, _, e := ask(p, c, 0, func(Pick) Fault { return FaultServer })
		if len(asked) > 2 {
			t.Fatalf("%d attempts in one request", len(asked))
		}
		if e != nil && opened == 0 {
			opened = i
		}
		if opened > 0 && e == nil {
			t.Errorf("request %d after the breaker opened was not told when to come again", i)
		}
		if e != nil && (e.Code != "all_targets_down" || !strings.Contains(e.Message, "server_error") || !strings.Contains(e.Message, "providers reset only")) {
			t.Errorf("refused with %+v", e)
		}
	}
	if opened == 0 || opened > 4 {
		t.Errorf("the breaker opened at request %d", opened)
	}
	repaired := c.now
	for c.now.Sub(repaired) < 12*time.Second {
		if _, ok, _ := ask(p, c, 0, func(Pick) Fault { return FaultNone }); ok {
			return
		}
		c.pass(200 * time.Millisecond)
	}
	t.Error("not back 12 s after repair")
}

// TestProbeAlone: all targets are down and are repaired one at a time, with many
// requests at once: a target under probe has at most one in flight until it has answered.
func TestProbeAlone(t *testing.T) {
	for seed := range uint64(30) {
		c := newClock()
		h := seeded(HealthOptions{}, seed)
		p := plans(t, h, nil, place{name: "a"}, place{name: "b"}, place{name: "c"})
		rnd := rand.New(rand.NewPCG(seed, 9))
		type flight struct {
			r    Route
			name string
			ends time.Time
		}
		var flights []*flight
		broken := map[string]bool{"a": true, "b": true, "c": true}
		opened := map[string]bool{}
		start := c.now
		for c.now.Sub(start) < 90*time.Second {
			for name, after := range map[string]time.Duration{"a": 40 * time.Second, "b": 55 * time.Second, "c": 70 * time.Second} {
				broken[name] = c.now.Sub(start) < after
			}
			for i := 0; i < len(flights); {
				f := flights[i]
				if c.now.Before(f.ends) {
					i++
					continue
				}
				flights = slices.Delete(flights, i, i+1)
				if broken[f.name] {
					f.r.Failed(c.now, Failure{Fault: FaultServer, Message: "down"})
				} else {
					f.r.Done(c.now)
				}
			}
			r := p.Begin(nil, 0, false)
			if pick, _ := r.Next(c.now); pick.Target != nil {
				flights = append(flights, &flight{r, pick.Target.Account.Name, c.now.Add(time.Duration(rnd.IntN(300)) * time.Millisecond)})
			}
			inFlight := map[string]int{}
			for _, f := range flights {
				inFlight[f.name]++
			}
			for i := range p.Targets {
				l, name := p.Targets[i].lanes[0], p.Targets[i].Account.Name
				if l.openUntil.Load() == 0 {
					opened[name] = false
				} else if !opened[name] && inFlight[name] == 0 { // those from before it opened have ended
					opened[name] = true
				}
				if opened[name] && inFlight[name] > 1 {
					t.Fatalf("seed %d: %d requests in flight at %s, which is under probe", seed, inFlight[name], name)
				}
			}
			c.pass(time.Duration(5+rnd.IntN(20)) * time.Millisecond)
		}
		for _, l := range h.States(c.now) {
			if l.State != StateOK && l.State != StateFailing {
				t.Errorf("seed %d: %s is %s at the end", seed, l.Account, l.State)
			}
		}
	}
}

// TestHealthProperties drives lanes at random and holds what must always be so:
// cooldowns and pauses never end earlier than once said, a breaker that opens stays
// so for its time unless a probe succeeds, counts of what is in flight come back to
// nothing, and a request is never sent where it may not go.
func TestHealthProperties(t *testing.T) {
	faults := []Fault{FaultNone, FaultNone, FaultUnsent, FaultDropped, FaultServer, FaultWeak, FaultTimeout, FaultAnswer, FaultBusy, FaultRate, FaultQuota, FaultAuth, FaultRegion, FaultDenied, FaultModel, FaultContext, FaultPolicy, FaultRequest, FaultUnfit}
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		c := newClock()
		h := seeded(HealthOptions{}, seed)
		p := plans(t, h, nil, place{name: "a", keys: 2}, place{name: "b", priority: 1}, place{name: "c", keys: 3, priority: 1})
		var lanes []*Lane
		for i := range p.Targets {
			lanes = append(lanes, p.Targets[i].lanes...)
		}
		var open []*Route
		for range 400 {
			before := map[*Lane]int64{}
			for _, l := range lanes {
				before[l] = max(l.rest.until.Load(), l.key.until.Load(), l.shared.gate.until.Load())
			}
			at := h.at(c.now)
			r := p.Begin(nil, uint64(rnd.IntN(3)), rnd.IntN(2) == 0)
			for n := 0; ; n++ {
				if n > MaxAttempts+len(p.Targets) {
					t.Fatalf("seed %d: a request does not end", seed)
				}
				pick, e := r.Next(c.now)
				if pick.Target == nil {
					if e != nil && (e.RetryAfter < 0 || e.RetryAfter > MaxPause || e.Message == "" || e.HTTPStatus() < 429) {
						t.Fatalf("seed %d: refused with %+v", seed, e)
					}
					break
				}
				if l := pick.Target.lanes[pick.Key]; l.held(at) && pick.Wait == 0 {
					t.Fatalf("seed %d: %s was asked though it is held back", seed, pick.Target.Account.Name)
				}
				c.pass(pick.Wait)
				at = h.at(c.now)
				if rnd.IntN(8) == 0 { // stays in flight
					kept := r
					open = append(open, &kept)
					r = p.Begin(nil, 0, false)
					break
				}
				switch f := faults[rnd.IntN(len(faults))]; {
				case rnd.IntN(20) == 0:
					r.Abandoned()
				case f == FaultNone:
					r.Done(c.now)
				default:
					r.Failed(c.now, Failure{Fault: f, Message: "x", RetryAfter: time.Duration(rnd.IntN(400)) * time.Second * time.Duration(rnd.IntN(2))})
					continue
				}
				break
			}
			for _, l := range lanes {
				if now := max(l.rest.until.Load(), l.key.until.Load(), l.shared.gate.until.Load()); now < before[l] {
					t.Fatalf("seed %d: a deadline was shortened", seed)
				}
				if left, _ := l.open(h.at(c.now)); left > int64(MaxPause) {
					t.Fatalf("seed %d: held back for %v", seed, time.Duration(left))
				}
			}
			c.pass(time.Duration(rnd.IntN(3000)) * time.Millisecond)
			if len(open) > 5 {
				open[0].Done(c.now)
				open = open[1:]
			}
		}
		for _, r := range open {
			r.Abandoned()
		}
		for _, l := range lanes {
			if l.inflight.Load() != 0 || l.waiting.Load() != 0 || l.probing.Load() {
				t.Fatalf("seed %d: in flight %d, waiting %d, probing %v at the end", seed, l.inflight.Load(), l.waiting.Load(), l.probing.Load())
			}
		}
		c.pass(10 * time.Minute)
		for range 200 {
			ask(p, c, 0, func(Pick) Fault { return FaultNone })
		}
		for _, s := range h.States(c.now) {
			if s.Account == "a" && s.State != StateOK {
				t.Fatalf("seed %d: %+v after ten minutes of good answers", seed, s)
			}
		}
	}
}

// TestRetryAfterHolds: the longest pause that was asked for counts.
func TestRetryAfterHolds(t *testing.T) {
	c := newClock()
	h := seeded(HealthOptions{}, 1)
	p := plans(t, h, nil, place{name: "only"})
	fail := func(d time.Duration) {
		r := p.Begin(nil, 0, false)
		r.h.lanesOf(p.Targets[0].Account, "m")[0].hold(h.at(c.now), Failure{Fault: FaultRate, RetryAfter: d, Message: "slow down"})
	}
	fail(120 * time.Second)
	fail(2 * time.Second)
	fail(0)
	if _, ok, e := ask(p, c, 0, func(Pick) Fault { return FaultNone }); ok || e.HTTPStatus() != 429 || e.RetryAfter != 120*time.Second {
		t.Fatalf("ok %v, %+v", ok, e)
	}
	c.pass(119 * time.Second)
	if _, ok, e := ask(p, c, 0, func(Pick) Fault { return FaultNone }); ok || e.RetryAfter != time.Second {
		t.Fatalf("ok %v, %+v", ok, e)
	}
	c.pass(time.Second)
	if _, ok, e := ask(p, c, 0, func(Pick) Fault { return FaultNone }); !ok {
		t.Fatalf("%+v", e)
	}
	fail(time.Hour)
	if _, _, e := ask(p, c, 0, func(Pick) Fault { return FaultNone }); e.RetryAfter != MaxPause {
		t.Fatalf("retry after %v, the most is %v", e.RetryAfter, MaxPause)
	}
	if !h.Reset(p.Targets[0].Account) || h.Reset(p.Targets[0].Account) {
		t.Error("a reset does not tell whether something was held back")
	}
	if _, ok, _ := ask(p, c, 0, func(Pick) Fault { return FaultNone }); !ok {
		t.Error("still held back after a reset")
	}
}

// TestKeyPool: a refused key rests, the others serve; a region that is not served
// rests all of them.
func TestKeyPool(t *testing.T) {
	for _, fault := range []Fault{FaultAuth, FaultQuota, FaultRate} {
		c := newClock()
		var changes []Change
		p := plans(t, seeded(HealthOptions{Changed: func(ch Change) { changes = append(changes, ch) }}, 2), nil, place{name: "pool", keys: 3})
		used := map[int]int{}
		for range 300 {
			_, ok, e := ask(p, c, 0, func(pick Pick) Fault {
				used[pick.Key]++
				if pick.Key == 1 {
					return fault
				}
				return FaultNone
			})
			if !ok {
				t.Fatalf("%v: %v", fault, e)
			}
		}
		if used[1] != 1 || used[2] < 2*used[0] {
			t.Errorf("%v: keys used %v, weights are 1, 2, 3", fault, used)
		}
		if len(changes) != 1 || changes[0].KeyHint == "" {
			t.Errorf("%v: changes %+v, one alert is wanted", fault, changes)
		}
	}
	c := newClock()
	p := plans(t, seeded(HealthOptions{}, 2), nil, place{name: "pool", keys: 3})
	asked, _, _ := ask(p, c, 0, func(Pick) Fault { return FaultRegion })
	if len(asked) != 1 {
		t.Errorf("asked %v after the region was refused", asked)
	}
	if _, _, e := ask(p, c, 0, func(Pick) Fault { return FaultNone }); e == nil || e.Code != "upstream_region_blocked" {
		t.Errorf("%+v", e)
	}
}
