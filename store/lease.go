package store

// A LeaseView is how a counter stands that several gateways take leases of, while
// none of them changes its own.
type LeaseView struct {
	// Others is the sum of the leases that other gateways hold, Gateways how many live.
	Others   int64
	Gateways int
	// Totals sums the rows that are settled and in the store.
	Totals func(q TotalsQuery) ([]Total, error)
}
