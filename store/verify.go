package store

// A Verification is what a proof of the ledger found: that every roll-up, from
// which balances are counted, is the sum of the rows it stands for, and every row
// what its request and its corrections make it.
type Verification struct {
	Days        int64 // whose rows were read
	Rows        int64
	Corrections int64
	RollUps     int64 // compared with their rows
	// Unproven roll-ups stand for rows that retention has removed.
	Unproven  int64
	Charged   int64  // nano-USD, the sum of all rows read
	Fault     string // the first difference; "": there is none
	FaultDay  string // YYYY-MM-DD, UTC
	FaultRows string // the request, the roll-up or the file at fault
}

// A Size is how much a store takes.
type Size struct {
	Kind      string // bolt, postgres
	Bytes     int64
	Days      int    // of usage rows
	OldestDay string // YYYY-MM-DD, UTC; "": there are none
}
