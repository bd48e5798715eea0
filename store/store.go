package store

import (
	"context"
	"errors"
	"time"
)

// Errors of a store.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("already exists") // a name or alias is taken
	ErrLocked   = errors.New("store is locked by another process")
	ErrNewer    = errors.New("store was written by a newer version")
	ErrStale    = errors.New("changed meanwhile") // Change.IfRev is not the revision
	// ErrAway says that the store was not reached, or takes nothing now: the same may be tried again.
	ErrAway  = errors.New("the store is away")
	ErrQuery = errors.New("invalid query") // a cursor or a grouping that cannot be
)

// A Snapshot is all configuration that the store holds, immutable.
type Snapshot struct {
	Rev      uint64
	Keys     []*Key
	Accounts []*Account
	Mappings []*Mapping
	Policies []*Policy
	Meta     map[string][]byte // "master_key_id", "master_key_check", …
}

// A Change is one write to the configuration. Exactly one of the pointers is
// set, or Delete names a record by kind and id. Audit, if set, is written in
// the same transaction.
type Change struct {
	Key     *Key
	Account *Account
	Mapping *Mapping
	Policy  *Policy
	Meta    *MetaValue
	Delete  *Ref
	// Create makes it an error (ErrConflict) if the id, the name of an account or policy, or the alias of a mapping exists.
	// Without it the record is put, new or not; names are unique either way.
	Create bool
	// IfRev, if not 0, makes it an error (ErrStale) if the store has another revision.
	IfRev uint64
	Audit *AuditRow
}

// A MetaValue is one named value of the store's own.
type MetaValue struct {
	Name  string
	Value []byte
}

// Record kinds, for Ref.
const (
	KindKey     = "key"
	KindAccount = "account"
	KindMapping = "mapping"
	KindPolicy  = "policy"
)

// A Ref names a record.
type Ref struct{ Kind, ID string }

// Store keeps configuration, usage rows and their roll-ups. All methods are safe
// for concurrent use and respect ctx.
type Store interface {
	// Load returns all configuration. What it returns may be shared and must not be changed.
	Load(ctx context.Context) (*Snapshot, error)
	// Apply writes all changes in one transaction, or none, and returns the new revision.
	Apply(ctx context.Context, changes ...Change) (rev uint64, err error)
	// Append applies ledger entries: rows, roll-ups and the applied position of each
	// boot in one transaction a file. It is idempotent: an entry whose Seq is not
	// above its boot's applied position is skipped. Entries of a boot come in order. They,
	// and what they hold, are used again when it has returned; text is not. A settle may
	// have its row's stored form alone (DecodeRows).
	Append(ctx context.Context, entries []Entry) error
	// Applied returns the applied position of each boot.
	Applied(ctx context.Context) (map[string]uint64, error)
	// Usage returns rows, newest first, one page.
	Usage(ctx context.Context, q UsageQuery) (UsagePage, error)
	// Totals returns sums from the roll-ups.
	Totals(ctx context.Context, q TotalsQuery) ([]Total, error)
	// Audit returns audit rows, newest first.
	Audit(ctx context.Context, limit int, before string) ([]AuditRow, error)
	Close() error
}

// A UsageQuery selects usage rows. Zero fields select all.
type UsageQuery struct {
	RequestID string // whole, or its last 8 characters
	KeyID     string
	Model     string
	Provider  string
	Account   string
	Status    string // "200", "4xx", "error"
	EndReason string
	Operation string
	Group     string
	EndUser   string
	Stream    *bool
	// MinDuration is the shortest that is wanted.
	MinDuration time.Duration
	// Text is what error, request id or model hold, in any case.
	Text   string
	Since  time.Time // inclusive
	Until  time.Time // exclusive
	Limit  int       // 0 = 100, at most 1000
	Cursor string    // from the page before
}

// ScanLimit bounds the rows one filtered query looks at, so that it answers within
// 100 ms; beyond it the page is Partial.
const ScanLimit = 100_000

// A UsagePage is one page of rows.
type UsagePage struct {
	Rows    []UsageRow
	Next    string // cursor of the next page; "": none. With filters that page may be empty.
	Partial bool   // ScanLimit was reached before Limit rows were found
	// LookedTo is the time of the row looked at last, of a Partial page.
	LookedTo time.Time
}

// A TotalsQuery selects and groups roll-ups.
type TotalsQuery struct {
	Since, Until time.Time      // UTC; widened to 15-minute borders
	GroupBy      []string       // of: model, key, provider, account, end_reason, group, day, hour, quarter
	Zone         *time.Location // for day and hour; nil = UTC
	KeyID        string         // "" = all
	Model        string
	Provider     string
	Account      string
	// Apart are the keys that a grouping by key tells apart, the others being summed up
	// as OtherKey; nil: all are. Many keys at many times are more than one looks at.
	Apart []string
	// Most is how many groups are wanted at most: of more the answer is ErrQuery, as soon
	// as it is known. 0: MaxGroups.
	Most int
}

// MaxGroups bounds the groups of one answer of sums.
const MaxGroups = 200_000

// MostGroups is how many groups the answer may have.
func (q *TotalsQuery) MostGroups() int {
	if q.Most > 0 {
		return min(q.Most, MaxGroups)
	}
	return MaxGroups
}

// OtherKey stands for the keys that are none of TotalsQuery.Apart.
const OtherKey = "other"

// A Total is the sum of one group, counted in Tokens' disjoint buckets.
type Total struct {
	// Group holds a value by each name of GroupBy: key is the key's id, day is
	// "2006-01-02", hour and the quarter of it RFC 3339, their start in the zone (two
	// in the hour that daylight saving repeats differ by their offset).
	Group     map[string]string
	KeyName   string // where grouped by key
	Requests  int64
	Errors    int64 // rows that UsageRow.Failed
	Estimated int64 // rows that UsageRow.Uncertain: counted by us, in part or whole
	Tokens    Tokens
	CostNano  int64
	// MarkupNano is what keys are charged beyond the cost, UnconfirmedNano what
	// crashes left to be charged until it is resolved.
	MarkupNano      int64
	UnconfirmedNano int64
	// UnconfirmedTokens are what crashes left budgets of tokens to count beside Tokens.
	UnconfirmedTokens int64
	Duration          time.Duration // sum
}

// Charged is what the group takes from budgets.
func (t *Total) Charged() int64 {
	return AddNano(AddNano(t.CostNano, t.MarkupNano), t.UnconfirmedNano)
}
