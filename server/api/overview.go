package api

import (
	"context"
	"time"
)

// Percentiles of durations, in milliseconds, off by 6 % at most; nil: nothing was measured.
type Percentiles struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
}

// Steps of an overview.
const (
	StepQuarter = "15m"
	StepHour    = "hour"
	StepDay     = "day"
)

// An OverviewAsk selects what an overview tells. Zero members: the last 24 hours of all, by model.
type OverviewAsk struct {
	StartDate, EndDate            string // YYYY-MM-DD in Zone, both inclusive
	Last                          string // rolling: "7d", "24h"; instead of the dates
	Zone                          string // IANA name; empty: the server's
	Step                          string // "15m", "hour", "day"; empty: what suits the time
	By                            string // model, provider, account, key, group, end_reason
	Key, Model, Provider, Account string // filters
}

// An OverviewReply tells in one answer what a page shows first.
type OverviewReply struct {
	Since    time.Time `json:"since"` // inclusive
	Until    time.Time `json:"until"` // exclusive
	TimeZone string    `json:"time_zone"`
	Step     string    `json:"step"`
	By       string    `json:"by"`
	// Times are the starts of the steps, without gaps; the last may still run.
	Times    []time.Time `json:"times"`
	Total    UsageSums   `json:"total"`
	Previous UsageSums   `json:"previous"` // of as long a time right before
	Series   Series      `json:"series"`
	// Groups are the seven that cost most, and one called "other".
	Groups     []OverviewGroup `json:"groups"`
	EndReasons []OverviewGroup `json:"end_reasons"`
	// SavedUSD is what reads from caches saved against the price of input, by the
	// prices of now; nil: not known.
	SavedUSD *USD             `json:"saved_usd,omitempty"`
	Budgets  []OverviewBudget `json:"budgets"` // of cost and tokens, the most used first
	Changes  []OverviewChange `json:"changes"` // the newest first
}

// A Series holds one value for each of an overview's times; nil: nothing was measured.
type Series struct {
	Requests         []int64    `json:"requests"`
	Errors           []int64    `json:"errors"`
	PromptTokens     []int64    `json:"prompt_tokens"`
	CompletionTokens []int64    `json:"completion_tokens"`
	CostUSD          []USD      `json:"cost_usd"`
	LatencyP50       []*float64 `json:"latency_p50"` // milliseconds
	LatencyP95       []*float64 `json:"latency_p95"`
	LatencyP99       []*float64 `json:"latency_p99"`
	TTFTP50          []*float64 `json:"ttft_p50"` // to the first content byte
	TTFTP95          []*float64 `json:"ttft_p95"`
}

// An OverviewGroup is one part of an overview's sums.
type OverviewGroup struct {
	Name     string    `json:"name"`
	Label    string    `json:"label,omitempty"` // the key's name where Name is its id
	Total    UsageSums `json:"total"`
	Requests []int64   `json:"requests"`
	Errors   []int64   `json:"errors"`
	CostUSD  []USD     `json:"cost_usd"`
}

// An OverviewBudget is how far a budget is used, and where that leads.
type OverviewBudget struct {
	Limit
	Since   *time.Time `json:"since"`   // start of the window; null: it never ends
	Percent float64    `json:"percent"` // used and reserved, of the limit
	// ProjectedPercent is what it comes to by the end of the window at the pace so far.
	ProjectedPercent *float64   `json:"projected_percent"`
	ExhaustedAt      *time.Time `json:"exhausted_at"` // at that pace; null: not within the window
}

// Kinds of changes.
const (
	ChangeEdit     = "edit"      // somebody changed the configuration
	ChangeNewError = "new_error" // an end of requests that the time before did not have
	ChangeBreaker  = "breaker"   // a target is held back
	ChangeQuota    = "quota"     // a limit is nearly used
	ChangeExpiry   = "expiry"    // a key ends soon
)

// An OverviewChange is something that is not as it was.
type OverviewChange struct {
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"`
	Severity string    `json:"severity"` // info, warn, bad
	Object   string    `json:"object"`   // its name
	ObjectID string    `json:"object_id,omitempty"`
	Text     string    `json:"text"`
}

// Overview returns what a page shows first.
func (c *Client) Overview(ctx context.Context, a OverviewAsk) (*OverviewReply, error) {
	return get[OverviewReply](ctx, c, "/v1/admin/overview", query("start_date", a.StartDate, "end_date", a.EndDate, "last", a.Last, "tz", a.Zone,
		"step", a.Step, "by", a.By, "key", a.Key, "model", a.Model, "provider", a.Provider, "account", a.Account))
}

// A Setting is one setting in force.
type Setting struct {
	Name        string `json:"name"` // "log.level"
	Value       string `json:"value"`
	Default     string `json:"default"`
	Origin      string `json:"origin"` // default, file, env, flag
	Where       string `json:"where,omitempty"`
	Env         string `json:"env"`
	Flag        string `json:"flag"`
	Description string `json:"description"`
	Restart     bool   `json:"restart"` // a change needs one
}

// SettingsReply lists the settings in force; secrets are none of them.
type SettingsReply struct {
	Data     []Setting `json:"data"`
	Revision int       `json:"revision"` // rises with every reload
	File     string    `json:"file,omitempty"`
}

// Settings returns the settings in force with where they come from.
func (c *Client) Settings(ctx context.Context) (*SettingsReply, error) {
	return get[SettingsReply](ctx, c, "/v1/admin/settings", nil)
}

// A Status tells how the gateway itself is.
type Status struct {
	Version    string    `json:"version"`
	GoVersion  string    `json:"go_version"`
	StartedAt  time.Time `json:"started_at"`
	BootID     string    `json:"boot_id"`
	Revision   int       `json:"revision"` // of the configuration
	InFlight   int       `json:"in_flight"`
	Goroutines int       `json:"goroutines"`
	HeapBytes  uint64    `json:"heap_bytes"`
	SysBytes   uint64    `json:"sys_bytes"` // taken from the system
	Store      struct {
		Kind      string `json:"kind"`
		Bytes     int64  `json:"bytes"`
		DayFiles  int    `json:"day_files"`
		OldestDay string `json:"oldest_day,omitempty"` // YYYY-MM-DD, UTC
	} `json:"store"`
	Ledger struct {
		Committed  uint64   `json:"committed"`   // entries durable
		Lag        uint64   `json:"lag"`         // of them not in the store yet
		SyncP99Ms  *float64 `json:"sync_p99_ms"` // upper bound; null: nothing was written
		OpenHolds  int      `json:"open_holds"`
		Error      string   `json:"error,omitempty"` // why the store takes nothing
		DiskIsFull bool     `json:"disk_is_full"`
	} `json:"ledger"`
	OTel *OTelStatus `json:"otel,omitempty"` // absent: no OpenTelemetry collector is told
}

// An OTelStatus tells what became of what an OpenTelemetry collector is told.
type OTelStatus struct {
	Traces  OTelSignal `json:"traces"`
	Metrics OTelSignal `json:"metrics"`
}

// An OTelSignal counts spans or data points.
type OTelSignal struct {
	To       string `json:"to"` // address; empty: they are not told
	Sent     int    `json:"sent"`
	Failed   int    `json:"failed"`   // no collector took them
	Dropped  int    `json:"dropped"`  // more came than could be told
	Rejected int    `json:"rejected"` // the collector did not want them
	// Waiting are the requests whose spans are not told yet.
	Waiting   int        `json:"waiting"`
	LastSent  *time.Time `json:"last_sent,omitempty"`
	LastError string     `json:"last_error,omitempty"` // of the last message, if it failed
}

// Status returns how the gateway itself is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[Status](ctx, c, "/v1/admin/status", nil)
}
