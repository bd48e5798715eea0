package store

import "time"

// PriceResolved is the price source of a row whose cost a person has said.
const PriceResolved = "resolved"

// EntryKind says what a ledger entry records.
type EntryKind uint8

// Ledger entry kinds.
const (
	EntryHold   EntryKind = iota + 1 // an admitted request and what was reserved for it
	EntrySettle                      // its end: the usage row
	EntryVoid                        // a hold given back without a row
	EntryAdjust                      // a correction of a settled row's cost
)

// An Entry is one event of the ledger, keyed (Boot, Seq).
type Entry struct {
	Boot string // ULID of the process start that wrote it
	Seq  uint64 // 1, 2, … within the boot
	Kind EntryKind
	Time time.Time // wall clock, UTC
	// RequestID names the request the entry belongs to.
	RequestID string
	Hold      *Hold     // EntryHold
	Row       *UsageRow // EntrySettle
	// Encoded is the stored form of the row (AppendRow), where PeekEntry has found it. A
	// store is given Row, Encoded or both; it is not part of the entry's stored form.
	Encoded []byte
	// What follows is of EntryAdjust. DeltaNano, MarkupNano and UnconfirmedNano are
	// changes of the row's amounts of that name; any change of the last ends the
	// row's unconfirmed charge. Day is the UTC day of the row; a zero Day is found by
	// the request id, if that is a ULID.
	DeltaNano       int64
	MarkupNano      int64
	UnconfirmedNano int64
	// UnconfirmedTokens is a change of the row's number of that name.
	UnconfirmedTokens int64
	// Attempt is the number, from 1, of the attempt whose Spent is corrected; 0: what the
	// row itself is of.
	Attempt int
	Day     time.Time
	Note    string
	// PriceVersion and PriceSource, where set, say what the row is priced by now.
	PriceVersion, PriceSource string
}

// A Hold is what is known of a request when it is admitted: enough to write its
// row should the process die before it ends.
type Hold struct {
	KeyID, KeyName, Group string
	Operation             string
	Model                 string // as asked
	Provider, Account     string // of the first target
	AccountID             string
	UpstreamModel         string
	Stream                bool
	ReservedNano          int64
	InputNano             int64 // the part of ReservedNano that its input is
	ReservedTokens        int64 // in and out
	InputTokens           int64 // the part of ReservedTokens that its input is
	// Attempts are those that have Spent though the request goes on.
	Attempts []Attempt
}

// Usage sources: where a row's counts are from.
const (
	SourceProvider        = "provider"         // reported, whole
	SourceProviderPartial = "provider_partial" // reported in part; the rest counted
	SourceEstimated       = "estimated"        // counted by us
	SourceNone            = "none"             // nothing is known, or nothing was used
)

// End reasons of a request.
const (
	EndComplete    = "complete"        // the caller got the whole answer
	EndError       = "error"           // an error was answered
	EndStreamError = "stream_error"    // failed after the answer had begun
	EndClientGone  = "client_gone"     // the caller left
	EndCrash       = "crash_recovered" // the process died; written at the next start
	EndShutdown    = "shutdown"
	EndCancelled   = "cancelled" // by the operator
	EndRejected    = "rejected"  // refused before any upstream
)

// A UsageRow is the record of one request: the projection of its ledger entries.
type UsageRow struct {
	RequestID       string
	ClientRequestID string
	Time            time.Time // admission, UTC
	KeyID, KeyName  string
	Group           string
	EndUser         string
	Operation       string // "chat", …
	Dialect         string // the caller's
	Model           string // as asked
	Provider        string
	Account         string
	AccountID       string
	UpstreamModel   string
	UpstreamID      string // the upstream's request id
	Status          int    // HTTP status answered; 499 when the caller left before one
	Stream          bool
	EndReason       string
	Attempts        []Attempt

	// What is said here of a target, of tokens and of prices is of the last attempt; what
	// those before it used, if they reported it, is their Spent. The money is of all.
	Tokens       Tokens
	UsageSource  string
	CostNano     int64 // nano-USD, what the upstreams charge; sum over attempts, corrections included
	MarkupNano   int64 // what the key is charged beyond it; negative for a rebate
	AdjustedNano int64 // the part of CostNano that corrections made since the end
	ReservedNano int64
	// UnconfirmedTokens are what a crash left budgets of tokens to count, since what
	// was used is not known; resolved as anything but what was reserved, it is 0.
	UnconfirmedTokens int64
	PriceVersion      string
	PriceSource       string // "catalogue", "override", "account", "fallback", "provider", "local", "zero", PriceResolved
	PriceKind         string // providers.Usage.Kind: how the call was served, where that is priced apart
	Flags             uint32 // Flag…

	TTFT     time.Duration // to the first content byte; 0: none was sent
	Duration time.Duration
	Overhead time.Duration // total less the wait for the upstream
	Error    string        // code: message, scrubbed, at most 512 bytes
	Metadata map[string]string
	// Trace says in words what was decided on the way, the plan first; at most MaxTrace lines.
	Trace []string
	// Node is what the gateway is called that it ran at, where several share a database
	// that knows it. A store tells it of rows it returns; it is no part of their record.
	Node string
}

// Unconfirmed is what a crash left the row to be charged with until it is
// resolved: what was reserved for the request, or as much of that as the rule for
// crashes says. It is shown apart from the cost.
func (r *UsageRow) Unconfirmed() int64 {
	if r.Flags&(FlagCrashRecovered|FlagResolved) == FlagCrashRecovered {
		return r.ReservedNano
	}
	return 0
}

// Charged is what the row takes from budgets: cost, markup and what is unconfirmed.
func (r *UsageRow) Charged() int64 {
	return AddNano(AddNano(r.CostNano, r.MarkupNano), r.Unconfirmed())
}

// Correct takes a correction in. Corrections are summed, so their order does not matter.
func (r *UsageRow) Correct(e *Entry) {
	r.CostNano = AddNano(r.CostNano, e.DeltaNano)
	r.AdjustedNano = AddNano(r.AdjustedNano, e.DeltaNano)
	r.MarkupNano = AddNano(r.MarkupNano, e.MarkupNano)
	r.UnconfirmedTokens = AddNano(r.UnconfirmedTokens, e.UnconfirmedTokens)
	if e.UnconfirmedNano != 0 || e.PriceSource == PriceResolved {
		r.Flags |= FlagResolved
	}
	version, source := &r.PriceVersion, &r.PriceSource
	if a := r.spent(e.Attempt); a != nil {
		a.Spent.AdjustedNano = AddNano(a.Spent.AdjustedNano, e.DeltaNano)
		a.Spent.MarkupNano = AddNano(a.Spent.MarkupNano, e.MarkupNano)
		version, source = &a.Spent.PriceVersion, &a.Spent.PriceSource
	}
	if e.PriceVersion != "" {
		*version, *source = e.PriceVersion, e.PriceSource
	}
}

// Failed reports whether the request counts as an error: it was answered with
// one, or ended early for a reason that is not the caller's leaving.
func (r *UsageRow) Failed() bool { return failed(r.Status, r.EndReason) }

func failed(status int, end string) bool {
	switch end {
	case EndComplete, "":
		return status >= 400
	case EndClientGone:
		return false
	}
	return true
}

// Uncertain reports whether the row's counts are not wholly the provider's.
// A row without any usage (SourceNone) is certain, unless a crash hid its end.
func (r *UsageRow) Uncertain() bool {
	switch r.UsageSource {
	case SourceProvider:
		return false
	case SourceNone, "":
		return r.Flags&FlagCrashRecovered != 0
	}
	return true
}

// Add adds the buckets of u to t; sums stop at the largest int64.
func (t *Tokens) Add(u *Tokens) {
	to := t.fields()
	for i, n := range u.counts() {
		if n != 0 {
			*to[i] = AddNano(*to[i], n)
		}
	}
}

// Row flags.
const (
	FlagClamped           uint32 = 1 << iota // a reported count was corrected
	FlagSaturated                            // the cost did not fit and is the maximum
	FlagPossibleDuplicate                    // an attempt may have been billed though no answer came
	FlagCrashRecovered
	FlagUnknownPrice
	FlagResolved // a person has said what a crash row cost
)

// Tokens are the disjoint buckets of a row (providers.Usage, stored).
type Tokens struct {
	Input, InputAudio, InputImage         int64
	CacheRead, CacheWrite5m, CacheWrite1h int64
	Output, OutputAudio, OutputImage      int64
	Reasoning                             int64
	// Units that are no tokens: pictures, milliseconds of sound, characters spoken, rerank search units.
	Images, AudioMs, Characters, Searches int64
}

// Prompt returns all input tokens, cache included.
func (t Tokens) Prompt() int64 {
	return t.Input + t.InputAudio + t.InputImage + t.CacheRead + t.CacheWrite5m + t.CacheWrite1h
}

// Completion returns all output tokens, reasoning included.
func (t Tokens) Completion() int64 {
	return t.Output + t.OutputAudio + t.OutputImage + t.Reasoning
}
