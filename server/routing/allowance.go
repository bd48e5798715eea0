package routing

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Allowance is what a provider said is left of one of its limits for a key.
type Allowance struct {
	Kind        string // requests, tokens, input_tokens, output_tokens
	Limit, Left int64
	ResetsAt    time.Time // when all of it is there again; zero: not said
}

// heardEvery is the least time between two looks at what a lane is allowed, so that it
// costs a busy one nothing.
const heardEvery = time.Second

// heard is what a lane was told last, and when on the health's scale.
type heard struct {
	at   int64
	list []Allowance
}

// allowances are the kinds by what stands between the prefix and the member in the
// headers of OpenAI's kind (x-ratelimit-remaining-requests) and of Anthropic's
// (anthropic-ratelimit-input-tokens-remaining).
var allowances = map[string]string{"requests": "requests", "tokens": "tokens", "input-tokens": "input_tokens", "output-tokens": "output_tokens"}

// Allowed takes in what the headers of the attempt's answer say is left of the
// provider's limits; each calls its argument for each header.
func (r *Route) Allowed(now time.Time, each func(func(name, value string))) {
	l := r.try.lane
	if l == nil {
		return
	}
	at, last := r.h.at(now), l.heard.Load()
	if last != nil && at-last.at < int64(heardEvery) {
		return
	}
	next := &heard{at: at, list: readAllowances(now, each)}
	if len(next.list) == 0 && last != nil { // this answer says nothing: what was said before stands
		next.list = last.list
	}
	l.heard.Store(next)
}

// readAllowances reads limits of which the rest is said, by kind.
func readAllowances(now time.Time, each func(func(name, value string))) []Allowance {
	var list []Allowance
	left := map[string]bool{}
	each(func(name, value string) {
		kind, member, ok := allowanceOf(name)
		if !ok {
			return
		}
		i := slices.IndexFunc(list, func(a Allowance) bool { return a.Kind == kind })
		if i < 0 {
			i = len(list)
			list = append(list, Allowance{Kind: kind})
		}
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		switch known := err == nil && n >= 0; {
		case member == "limit" && known:
			list[i].Limit = n
		case member == "remaining" && known:
			list[i].Left, left[kind] = n, true
		case member == "reset":
			list[i].ResetsAt = resetOf(now, value)
		}
	})
	list = slices.DeleteFunc(list, func(a Allowance) bool { return !left[a.Kind] })
	slices.SortFunc(list, func(a, b Allowance) int { return cmp.Compare(a.Kind, b.Kind) })
	return list
}

// The two families of headers.
const openaiLimits, anthropicLimits = "x-ratelimit-", "anthropic-ratelimit-"

// TellsAllowance reports whether Allowed looks at a header of that name: where an answer
// has none, it need not be called.
func TellsAllowance(name string) bool {
	if len(name) <= len(openaiLimits) || len(name) > 64 {
		return false
	}
	switch name[0] | 0x20 {
	case 'x':
		return strings.EqualFold(name[:len(openaiLimits)], openaiLimits)
	case 'a':
		return len(name) > len(anthropicLimits) && strings.EqualFold(name[:len(anthropicLimits)], anthropicLimits)
	}
	return false
}

// allowanceOf takes a header's name apart.
func allowanceOf(name string) (kind, member string, ok bool) {
	if !TellsAllowance(name) {
		return "", "", false
	}
	name = strings.ToLower(name)
	if rest, is := strings.CutPrefix(name, openaiLimits); is {
		member, kind, ok = strings.Cut(rest, "-")
	} else if rest, is := strings.CutPrefix(name, anthropicLimits); is {
		if i := strings.LastIndexByte(rest, '-'); i > 0 {
			kind, member, ok = rest[:i], rest[i+1:], true
		}
	}
	kind = allowances[kind]
	return kind, member, ok && kind != ""
}

// resetOf reads a time in RFC 3339, a length of time such as 6m0s, or seconds; what is
// none, or further away than a month, is not said.
func resetOf(now time.Time, value string) time.Time {
	const most = 31 * 24 * time.Hour
	value = strings.TrimSpace(value)
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		d, err := time.ParseDuration(value)
		if err != nil {
			if d, err = time.ParseDuration(value + "s"); err != nil {
				return time.Time{}
			}
		}
		if d < 0 || d > most {
			return time.Time{}
		}
		at = now.Add(d)
	}
	if d := at.Sub(now); d > most || d < -most {
		return time.Time{}
	}
	return at.UTC()
}
