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

// Corrections are those made in a day, in nano-USD by what they correct. A row that
// holds its own is taken out; what is left then is in no row.
type Corrections map[corrected]int64

// corrected is what a correction is of: a row's own cost, or that of an attempt.
type corrected struct {
	requestID string
	attempt   int // as of Entry.Attempt
}

// Add counts a correction.
func (c Corrections) Add(e *Entry) {
	of := corrected{e.RequestID, e.Attempt}
	c[of] = AddNano(c[of], e.DeltaNano)
}

// Row reports what of a row's money does not add up: its attempts, or its corrections.
func (c Corrections) Row(row *UsageRow) (fault string) {
	var attempts int64
	spent := false
	for i := range row.Attempts {
		attempts = AddNano(attempts, row.Attempts[i].CostNano)
		spent = spent || row.Attempts[i].Spent != nil
	}
	settled := AddNano(row.CostNano, -row.AdjustedNano)
	if (attempts != 0 || spent) && attempts != settled {
		return fmt.Sprintf("it was settled at %s USD, its attempts cost %s", FormatUSD(settled), FormatUSD(attempts))
	}
	row.Shares(func(s Share) {
		if fault != "" || s.AdjustedNano == 0 {
			return
		}
		of := corrected{row.RequestID, s.Attempt}
		if made := c[of]; made != s.AdjustedNano {
			what := "row"
			if s.Attempt > 0 {
				what = fmt.Sprintf("attempt %d", s.Attempt)
			}
			fault = fmt.Sprintf("its %s holds corrections of %s USD, those made come to %s", what, FormatUSD(s.AdjustedNano), FormatUSD(made))
		}
		delete(c, of)
	})
	return fault
}

// Left reports a correction that is in no row.
func (c Corrections) Left() (requestID, fault string) {
	for of, left := range c {
		if left != 0 {
			return of.requestID, fmt.Sprintf("corrections of %s USD are not in any row", FormatUSD(left))
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
