package store

import (
	"errors"
	"fmt"
)

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

// ErrFault ends a verification at the first difference.
var ErrFault = errors.New("the ledger does not add up")

// Fail notes the first difference, of a day, and returns ErrFault.
func (v *Verification) Fail(day, what, msg string, args ...any) error {
	v.Fault, v.FaultDay, v.FaultRows = fmt.Sprintf(msg, args...), day, what
	return ErrFault
}

// Corrections are those made in a day, in nano-USD by request. A row that holds its
// own is taken out; what is left then is in no row.
type Corrections map[string]int64

// Row reports what of a row's money does not add up: its attempts, or its corrections.
func (c Corrections) Row(row *UsageRow) (fault string) {
	var attempts int64
	for i := range row.Attempts {
		attempts = AddNano(attempts, row.Attempts[i].CostNano)
	}
	settled := AddNano(row.CostNano, -row.AdjustedNano)
	if attempts != 0 && attempts != settled {
		return fmt.Sprintf("it was settled at %s USD, its attempts cost %s", FormatUSD(settled), FormatUSD(attempts))
	}
	if row.AdjustedNano != 0 {
		if made := c[row.RequestID]; made != row.AdjustedNano {
			return fmt.Sprintf("its row holds corrections of %s USD, those made come to %s", FormatUSD(row.AdjustedNano), FormatUSD(made))
		}
		delete(c, row.RequestID)
	}
	return ""
}

// Left reports a correction that is in no row.
func (c Corrections) Left() (requestID, fault string) {
	for id, left := range c {
		if left != 0 {
			return id, fmt.Sprintf("corrections of %s USD are not in any row", FormatUSD(left))
		}
	}
	return "", ""
}

// A Size is how much a store takes.
type Size struct {
	Kind      string // bolt, postgres
	Bytes     int64
	Days      int    // of usage rows
	OldestDay string // YYYY-MM-DD, UTC; "": there are none
}
