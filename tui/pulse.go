package tui

import (
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

const (
	pulseSeconds = 60  // of which rates are told
	pulseSamples = 512 // durations of which the percentile is told
	pulseMinutes = 15  // of an account's sparkline
)

// A pulse sums up what the live feed told lately: for the header and the sparklines.
type pulse struct {
	ends    [pulseSeconds]int64 // requests ended, by second
	at      [pulseSeconds]int64 // the second that stands there
	took    [pulseSamples]float64
	n       int // samples ever
	spent   api.USD
	account map[string]*accountPulse
}

// An accountPulse counts an account's attempts by minute.
type accountPulse struct {
	minute      [pulseMinutes]int64
	good, bad   [pulseMinutes]int64
	took, waits float64 // sum of durations and how many
}

func newPulse() *pulse { return &pulse{account: map[string]*accountPulse{}} }

// ended counts one finished request. fresh is false for rows read from the log.
func (p *pulse) ended(r *api.LogRow, fresh bool) {
	end := r.Time.Add(time.Duration(r.DurationMs * float64(time.Millisecond)))
	if fresh {
		s := end.Unix()
		i := s % pulseSeconds
		if p.at[i] != s {
			p.at[i], p.ends[i] = s, 0
		}
		p.ends[i]++
		p.took[p.n%pulseSamples] = r.DurationMs
		p.n++
		p.spent += r.CostUSD
	}
	for _, t := range r.Attempts {
		p.of(t.Account).add(end, t.Outcome == "ok" || t.Outcome == "cancelled", t.DurationMs)
	}
}

func (p *pulse) of(account string) *accountPulse {
	a := p.account[account]
	if a == nil {
		if len(p.account) > 1000 { // accounts come and go; the counts are no history
			clear(p.account)
		}
		a = &accountPulse{}
		p.account[account] = a
	}
	return a
}

func (a *accountPulse) add(at time.Time, good bool, ms float64) {
	m := at.Unix() / 60
	i := m % pulseMinutes
	if a.minute[i] > m {
		return
	}
	if a.minute[i] != m {
		a.minute[i], a.good[i], a.bad[i] = m, 0, 0
	}
	if good {
		a.good[i]++
	} else {
		a.bad[i]++
	}
	a.took, a.waits = a.took+ms, a.waits+1
}

// minutes returns the attempts of the last 15 minutes, the newest last, and how
// many of all of them failed.
func (a *accountPulse) minutes(now time.Time) (all []float64, bad int64) {
	this := now.Unix() / 60
	for m := this - pulseMinutes + 1; m <= this; m++ {
		i := m % pulseMinutes
		if a.minute[i] != m {
			all = append(all, 0)
			continue
		}
		all = append(all, float64(a.good[i]+a.bad[i]))
		bad += a.bad[i]
	}
	return all, bad
}

// rate is requests a second over the last ten whole seconds.
func (p *pulse) rate(now time.Time) float64 {
	var n int64
	for s := now.Unix() - 10; s < now.Unix(); s++ {
		if i := s % pulseSeconds; p.at[i] == s {
			n += p.ends[i]
		}
	}
	return float64(n) / 10
}

// p95 is the duration that 95 of 100 of the last requests kept within, in ms; 0: none.
func (p *pulse) p95() float64 {
	n := min(p.n, pulseSamples)
	if n == 0 {
		return 0
	}
	s := slices.Clone(p.took[:n])
	slices.Sort(s)
	return s[min(n-1, n*95/100)]
}
