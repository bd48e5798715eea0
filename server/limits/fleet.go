package limits

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// Where several gateways share limits, each has a lease of every window: what it may
// have outstanding, that is, reserved, or used by requests whose rows are not in the
// store yet. In the store
//
//	spent (the rows) + all leases ≤ limit
//
// holds at every change of a lease. So what all of them overspend together is what
// one alone would: what requests cost beyond what was reserved for them.
//
// A row enters the store before its part of the lease is given back, so that sums
// err on the safe side. A gateway that dies has its lease counted until its log is
// brought in.

// A share is this gateway's part in a period. counter.mu guards it.
type share struct {
	own     int64 // settled by this gateway
	covered int64 // of own: what the store's sums have
	grant   int64 // the lease
	others  int64 // leases of the others when last seen
	asked   time.Time
	// lack is an amount that was not to be had until the time of again.
	lack  int64
	again time.Time
	used  time.Time // when a request last took of it
}

const (
	leaseWithin = 2 * time.Second        // a lease is there by then, or not at all
	lackFor     = 250 * time.Millisecond // how long nobody asks again for what was not to be had
	awayFor     = time.Second            // how long nobody asks after the store did not answer
	renewEvery  = time.Second
	idleAfter   = 30 * time.Second // a lease that nobody uses is given back
)

// fits reports whether n more may be outstanding.
func (p *period) fits(n int64) bool {
	return sum(max(0, p.fleet.own-p.fleet.covered), p.reserved, n) <= p.fleet.grant
}

// digest names a counter in the store. The zone is not in it: the start of a period
// that it is used with says as much.
func (id identity) digest() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%q", []any{id.policy, id.kind, id.window, id.scope}))
	return base64.RawURLEncoding.EncodeToString(h[:12])
}

// more gets the lease of r to have room for n; a denial says why it does not.
func (l *Limiter) more(r *rule, n int64, now time.Time) *Denial {
	if r.minute() {
		return l.moreRate(r, n)
	}
	r.lease.Lock()
	defer r.lease.Unlock()
	r.mu.Lock()
	p := r.now(now)
	p.fleet.used = now
	if p.fits(n) { // somebody else has got it meanwhile
		r.mu.Unlock()
		return nil
	}
	if p.fleet.again.After(l.o.Now()) && n >= p.fleet.lack {
		d := r.refuse(p, n, now)
		r.mu.Unlock()
		return d
	}
	r.mu.Unlock()
	var err error
	if l.o.Now().UnixNano() < l.away.Load() {
		err = store.ErrAway
	} else {
		ctx, cancel := context.WithTimeout(context.Background(), leaseWithin)
		err = l.renew(ctx, r, p, n, true)
		cancel()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case p.fits(n):
		return nil
	case err != nil && r.policy.OnStoreOutage == "allow":
		p.fleet.grant = sum(max(0, p.fleet.own-p.fleet.covered), p.reserved, n)
		return nil
	case err != nil:
		return &Denial{Policy: r.policy, Limit: r.lim, Need: n, Used: p.spent, Reserved: p.reserved, RetryAfter: awayFor, Outage: true}
	}
	p.fleet.lack, p.fleet.again = n, l.o.Now().Add(lackFor)
	return r.refuse(p, n, now)
}

// refuse denies n of p, which is not to be had; r.mu is held.
func (r *rule) refuse(p *period, n int64, now time.Time) *Denial {
	d := &Denial{Policy: r.policy, Limit: r.lim, Used: p.spent, Reserved: addSat(p.reserved, p.fleet.others), Need: n, Resets: p.end, First: p.told&toldFull == 0}
	p.told |= toldFull
	if !p.end.IsZero() {
		d.RetryAfter = max(time.Nanosecond, p.end.Sub(now))
	}
	return d
}

// renew brings the lease of p to what is outstanding and n more; with ahead, to what
// the next requests may need, too. r.lease is held.
func (l *Limiter) renew(ctx context.Context, r *rule, p *period, n int64, ahead bool) error {
	r.mu.Lock()
	own := p.fleet.own
	r.mu.Unlock()
	err := l.o.Sync(ctx) // what own counts is in the sums then
	var spent, grant, others int64
	if err == nil {
		counter := r.id + "/" + strconv.FormatInt(p.start.Unix(), 36)
		err = l.o.Lease(ctx, counter, func(v store.LeaseView) (int64, error) {
			var err error
			if spent, err = l.spentBy(r, p, v.Totals); err != nil {
				return 0, err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			others = v.Others
			outstanding := addSat(max(0, p.fleet.own-own), p.reserved)
			// Requests are admitted meanwhile, within the lease there is.
			least := max(outstanding, p.fleet.grant-(own-p.fleet.covered))
			left := r.lim.Limit - min(r.lim.Limit, sum(max(0, spent), others, outstanding))
			extra := n
			if ahead {
				extra = max(n, min(left/int64(2*v.Gateways), r.lim.Limit/50))
			}
			grant = max(least, addSat(outstanding, min(left, extra)))
			return grant, nil
		})
	}
	if err != nil {
		l.away.Store(l.o.Now().Add(awayFor).UnixNano())
		return err
	}
	r.mu.Lock()
	p.fleet.covered, p.fleet.grant, p.fleet.others, p.fleet.asked = own, grant, others, l.o.Now()
	p.spent = addSat(spent, p.fleet.own-own)
	r.mu.Unlock()
	return nil
}

// spentBy is what the rows of a period come to that r counts.
func (l *Limiter) spentBy(r *rule, p *period, totals func(store.TotalsQuery) ([]store.Total, error)) (int64, error) {
	q := store.TotalsQuery{Since: p.start.UTC(), KeyID: r.policy.Scope.APIKey, GroupBy: []string{"group", "model", "account", "end_reason"}}
	list, err := totals(q)
	if err != nil {
		return 0, err
	}
	spent := int64(0)
	for i := range list {
		list[i].Group["key"] = q.KeyID
		if l.concerns(r, &list[i]) {
			spent = addSat(spent, r.used(&list[i]))
		}
	}
	return spent, nil
}

// look reads how rules stand that several gateways count in. What cannot be read now
// is read when a request needs it.
func (l *Limiter) look(ctx context.Context, rules []*rule) {
	for _, r := range rules {
		if ctx.Err() != nil || l.o.Now().UnixNano() < l.away.Load() {
			return
		}
		within, cancel := context.WithTimeout(ctx, leaseWithin)
		r.lease.Lock()
		r.mu.Lock()
		p := r.now(l.o.Now())
		fresh := l.o.Now().Sub(p.fleet.asked) < renewEvery/4
		r.mu.Unlock()
		if !fresh {
			if err := l.renew(within, r, p, 0, false); err != nil {
				l.o.Log.Warn("what was used of a limit cannot be read now", "policy", r.policy.Name, "error", err)
			}
		}
		r.lease.Unlock()
		cancel()
	}
}

// Renew keeps leases in step with what is used, and gives back those that are not,
// until ctx ends. It returns at once where this gateway is alone.
func (l *Limiter) Renew(ctx context.Context) {
	if l.o.Lease == nil {
		return
	}
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, r := range l.set.Load().rules {
			l.renewAny(ctx, r)
		}
	}
}

// renewAny keeps what this gateway has of r in step.
func (l *Limiter) renewAny(ctx context.Context, r *rule) {
	away := l.o.Now().UnixNano() < l.away.Load()
	switch {
	case ctx.Err() != nil:
	case r.lim.Kind == store.LimitConcurrency:
		if l.o.Slots != nil {
			l.renewSlots(r)
		}
	case r.minute():
		if l.o.Rate != nil {
			l.renewRate(r)
		}
	case !away:
		l.renewOne(ctx, r)
	}
}

func (l *Limiter) renewOne(ctx context.Context, r *rule) {
	r.lease.Lock()
	defer r.lease.Unlock()
	now := l.o.Now()
	r.mu.Lock()
	p := r.cur
	if p == nil || p.fleet.grant == 0 && p.fleet.own == p.fleet.covered {
		r.mu.Unlock()
		return
	}
	idle := p.reserved == 0 && now.Sub(p.fleet.used) > idleAfter
	if idle { // what is given back must not be used meanwhile
		p.fleet.grant = max(0, p.fleet.own-p.fleet.covered)
	}
	due := idle || p.fleet.own != p.fleet.covered || now.Sub(p.fleet.asked) > idleAfter
	r.mu.Unlock()
	if !due {
		return
	}
	within, cancel := context.WithTimeout(ctx, leaseWithin)
	defer cancel()
	if err := l.renew(within, r, p, 0, !idle); err != nil && ctx.Err() == nil {
		l.o.Log.Debug("a lease cannot be renewed now", "policy", r.policy.Name, "error", err)
	}
}
