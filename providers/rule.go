package providers

// A Disposition says what becomes of a request member on its way to an upstream
// of another dialect.
type Disposition string

// Dispositions.
const (
	Carried Disposition = "carried" // sent, in the upstream's own form
	Dropped Disposition = "dropped" // not sent, and reported by name in x-gateway-dropped-params
	Refused Disposition = "refused" // the request is answered with a 400 that names it
)

// A Rule is the disposition of one member of a request that is written in a
// dialect. The rules of a dialect are what its encoder asks, and what the
// documentation is made from.
type Rule struct {
	Member string  // as the drop report or the error spells it
	Origin Dialect // the rule holds for requests of that origin; empty: any other than the dialect itself
	Is     Disposition
	As     string // the member it is sent as, where that differs
	When   string // a condition, in words; empty: always
}

// RuleOf returns the rule for a member without a neutral field of a request of that
// origin. The last of the rules is that of "<any other>".
func RuleOf(rules []Rule, origin Dialect, member string) *Rule {
	for i := range rules {
		if r := &rules[i]; r.Member == member && (r.Origin == "" || r.Origin == origin) {
			return r
		}
	}
	return &rules[len(rules)-1]
}
