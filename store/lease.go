package store

import "time"

// A LeaseView is how a counter stands that several gateways take leases of, while
// none of them changes its own.
type LeaseView struct {
	// Others is the sum of the leases that other gateways hold, Gateways how many live.
	Others   int64
	Gateways int
	// Wanted: others need more than they have. Of what runs at a time only.
	Wanted bool
	// Totals sums the rows that are settled and in the store. Of windows only.
	Totals func(q TotalsQuery) ([]Total, error)
}

// SlotsFor is how long a gateway that is not heard of has its part of a limit on what
// runs at a time.
const SlotsFor = 15 * time.Second

// A RateAsk asks for units of a limit a minute that several gateways take of.
type RateAsk struct {
	Counter      string
	Limit, Burst int64 // units a minute, and at once
	// Adjust is what was taken too little before, in the time that the units are
	// worth; negative: too much.
	Adjust time.Duration
	// Least is how many units are of use, Want how many may be granted. Least 0 only
	// adjusts.
	Least, Want int64
}

// A RateGrant is what was taken of a limit a minute: between Least and Want, or none.
type RateGrant struct {
	Granted  int64
	Ahead    time.Duration // how far the theoretical arrival time is ahead of now
	Gateways int           // how many live
}
