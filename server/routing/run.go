package routing

// Strategies of a mapping: how targets of equal priority share the load.
const (
	StrategyWeighted  = "weighted" // also ""
	StrategyPriority  = "priority" // the first that is healthy, in the order written
	StrategyLatency   = "latency"
	StrategyCost      = "cost"
	StrategyLeastBusy = "least_busy"
)

// A run is the targets of equal rank among which the strategy chooses.
type run struct {
	r        *Route
	at       int64
	from, to int
	only     func(*Target) bool
}

// usable reports whether lane l of target i can be asked now.
func (u *run) usable(i int, l *Lane) bool {
	left, probe := l.open(u.at)
	if left > 0 || probe {
		u.r.skipped = true
		return false
	}
	return !u.r.wasTried(l)
}

func (u *run) candidate(i int) bool {
	return u.r.excluded&(1<<i) == 0 && (u.only == nil || u.only(&u.r.plan.Targets[i])) && u.r.fits(i, u.r.mode)
}

// pick chooses a target and one of its keys; a nil lane: none can be asked.
func (u *run) pick() (int, *Lane, string) {
	r := u.r
	reason := PickFirst
	if r.tries > 0 {
		reason = PickFallback
	}
	if u.to-u.from == 1 && len(r.plan.Targets[u.from].lanes) == 1 { // the usual case
		l := r.plan.Targets[u.from].lanes[0]
		switch {
		case !u.candidate(u.from):
		case u.usable(u.from, l):
			return u.from, l, reason
		case r.tries == 0 && u.due(l):
			return u.from, l, PickProbe
		}
		return 0, nil, ""
	}
	if r.tries == 0 {
		for i := u.from; i < u.to; i++ {
			if !u.candidate(i) {
				continue
			}
			for _, l := range r.plan.Targets[i].lanes {
				if u.due(l) {
					return i, l, PickProbe
				}
			}
		}
	}
	if r.session != 0 {
		if id := r.h.sessions.lane(r.session); id != 0 {
			for i := u.from; i < u.to; i++ {
				for _, l := range r.plan.Targets[i].lanes {
					if l.id == id && u.candidate(i) && u.usable(i, l) {
						if r.tries == 0 {
							reason = PickSession
						}
						return i, l, reason
					}
				}
			}
		}
	}
	i, l := u.choose()
	if l != nil && r.session != 0 {
		r.h.sessions.put(r.session, l.id)
	}
	return i, l, reason
}

// due makes the caller the one who probes l, if it is time.
func (u *run) due(l *Lane) bool {
	left, probe := l.open(u.at)
	return left == 0 && probe && l.takeProbe()
}

// choose applies the strategy.
func (u *run) choose() (int, *Lane) {
	ts := u.r.plan.Targets
	switch u.r.plan.Strategy {
	case StrategyPriority:
		for i := u.from; i < u.to; i++ {
			if l := u.key(i); l != nil {
				return i, l
			}
		}
		return 0, nil
	case StrategyLatency:
		return u.least(func(_ *Target, l *Lane) float64 { return l.cost(u.at, u.r.kind) })
	case StrategyLeastBusy:
		return u.least(func(t *Target, l *Lane) float64 {
			return float64(l.inflight.Load()) / float64(int64(t.Weight)*max(1, l.weight.Load()))
		})
	case StrategyCost:
		cheapest := int64(-1)
		for i := u.from; i < u.to; i++ {
			if u.hasKey(i) && (cheapest < 0 || ts[i].cost < cheapest) {
				cheapest = ts[i].cost
			}
		}
		return u.weighted(func(t *Target) bool { return t.cost == cheapest })
	}
	return u.weighted(nil)
}

// weighted chooses a target in proportion to the weights.
func (u *run) weighted(only func(*Target) bool) (int, *Lane) {
	ts := u.r.plan.Targets
	sum, n := 0, 0
	for i := u.from; i < u.to; i++ {
		if (only == nil || only(&ts[i])) && u.hasKey(i) {
			sum += ts[i].Weight
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	left := int(u.r.h.o.Rand() * float64(sum))
	last, lane := 0, (*Lane)(nil)
	for i := u.from; i < u.to; i++ {
		if only != nil && !only(&ts[i]) || !u.hasKey(i) {
			continue
		}
		if l := u.key(i); l != nil {
			last, lane = i, l
			if left -= ts[i].Weight; left < 0 {
				break
			}
		}
	}
	return last, lane
}

// least chooses the lane for which score is least; equals in a random order.
func (u *run) least(score func(*Target, *Lane) float64) (best int, lane *Lane) {
	ts, lowest, equals := u.r.plan.Targets, 0.0, 0.0
	for i := u.from; i < u.to; i++ {
		if !u.candidate(i) {
			continue
		}
		for _, l := range ts[i].lanes {
			if !u.usable(i, l) {
				continue
			}
			s := score(&ts[i], l)
			switch {
			case lane == nil || s < lowest:
				best, lane, lowest, equals = i, l, s, 1
			case s == lowest:
				if equals++; u.r.h.o.Rand()*equals < 1 {
					best, lane = i, l
				}
			}
		}
	}
	return best, lane
}

func (u *run) hasKey(i int) bool {
	if !u.candidate(i) {
		return false
	}
	for _, l := range u.r.plan.Targets[i].lanes {
		if u.usable(i, l) {
			return true
		}
	}
	return false
}

// key chooses one of the target's keys in proportion to their weights.
func (u *run) key(i int) *Lane {
	lanes := u.r.plan.Targets[i].lanes
	if !u.candidate(i) {
		return nil
	}
	if len(lanes) == 1 {
		if u.usable(i, lanes[0]) {
			return lanes[0]
		}
		return nil
	}
	sum := int64(0)
	for _, l := range lanes {
		if u.usable(i, l) {
			sum += l.weight.Load()
		}
	}
	left := int64(u.r.h.o.Rand() * float64(sum))
	var last *Lane
	for _, l := range lanes {
		if !u.usable(i, l) {
			continue
		}
		last = l
		if left -= l.weight.Load(); left < 0 {
			break
		}
	}
	return last
}
