package api

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// UsageSums are sums over requests. PromptTokens are all input tokens, cache
// reads and writes included; CompletionTokens all output, reasoning included.
type UsageSums struct {
	Requests         int64 `json:"requests"`
	Errors           int64 `json:"errors"`
	Estimated        int64 `json:"estimated"` // requests whose counts the provider did not report in full
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	CacheReadTokens  int64 `json:"cache_read_tokens"`
	CacheWriteTokens int64 `json:"cache_write_tokens"`
	ReasoningTokens  int64 `json:"reasoning_tokens"`
	Units
	CostUSD        USD   `json:"cost_usd"`                  // what the upstreams charge
	ChargedUSD     USD   `json:"charged_usd"`               // what keys are charged: the cost and their markup
	UnconfirmedUSD USD   `json:"unconfirmed_usd,omitempty"` // what crashes left to be charged until `ledger resolve`
	DurationMs     int64 `json:"duration_ms"`               // sum
	// Latency and TTFT are of requests answered in full. They are there where they can
	// be told: of all, by model, provider, account and time.
	Latency *Percentiles `json:"latency_ms,omitempty"`
	TTFT    *Percentiles `json:"ttft_ms,omitempty"` // to the first content byte
}

// Units count what is not counted in tokens.
type Units struct {
	Images      int64   `json:"images,omitempty"`        // pictures made
	AudioSecs   float64 `json:"audio_seconds,omitempty"` // sound heard or spoken
	Characters  int64   `json:"characters,omitempty"`    // text spoken
	SearchUnits int64   `json:"search_units,omitempty"`  // rerank
}

// GroupNames are what usage can be grouped by, in the order they are shown;
// "metadata.NAME" besides. Of owner, end_user and metadata the groups that cost most
// are told, and one called "other".
var GroupNames = []string{"day", "hour", "model", "key", "provider", "account", "group", "owner", "end_user", "end_reason"}

// A UsageGroup is the sums of one group. On the wire the group's members stand
// beside the sums: {"model": "gpt-4o", "requests": 3, …}.
type UsageGroup struct {
	Group   map[string]string // by the names asked for; "key" is the key's id
	KeyName string            // where grouped by key
	UsageSums
}

// MarshalJSON writes the group's members and the sums as one object.
func (g UsageGroup) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	member := func(name, value string) error {
		n, err := json.Marshal(name)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value)
		b = append(append(append(append(b, n...), ':'), v...), ',')
		return err
	}
	names := slices.SortedFunc(maps.Keys(g.Group), func(a, b string) int {
		return cmp.Or(cmp.Compare(uint(slices.Index(GroupNames, a)), uint(slices.Index(GroupNames, b))), strings.Compare(a, b))
	})
	for _, name := range names {
		if v, ok := g.Group[name]; ok {
			if err := member(name, v); err != nil {
				return nil, err
			}
		}
	}
	if g.KeyName != "" {
		if err := member("key_name", g.KeyName); err != nil {
			return nil, err
		}
	}
	sums, err := json.Marshal(g.UsageSums)
	return append(b, sums[1:]...), err
}

// UnmarshalJSON reads what MarshalJSON writes.
func (g *UsageGroup) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &g.UsageSums); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	g.Group = map[string]string{}
	for name, raw := range all {
		if slices.Contains(GroupNames, name) || strings.HasPrefix(name, "metadata.") {
			var v string
			if err := json.Unmarshal(raw, &v); err != nil {
				return err
			}
			g.Group[name] = v
		}
	}
	if raw, ok := all["key_name"]; ok {
		return json.Unmarshal(raw, &g.KeyName)
	}
	return nil
}

// A UsageAsk selects and groups usage. Zero members select all of the last 30 days.
type UsageAsk struct {
	StartDate, EndDate   string   // YYYY-MM-DD in Zone, both inclusive
	Last                 string   // rolling: "7d", "24h"; instead of the dates
	GroupBy              []string // of GroupNames
	Zone                 string   // IANA name; empty: the server's
	Key, Model, Provider string   // filters
	Account              string   // filter
	Compare              bool     // with as long a time right before
}

// UsageReply answers GET /v1/admin/usage.
type UsageReply struct {
	Data     []UsageGroup `json:"data"`
	Total    UsageSums    `json:"total"`
	GroupBy  []string     `json:"group_by"`
	Since    time.Time    `json:"since"` // inclusive
	Until    time.Time    `json:"until"` // exclusive
	TimeZone string       `json:"time_zone"`
	// Previous is of as long a time right before, where it is asked for.
	Previous *UsageBefore `json:"previous,omitempty"`
	// Partial: only a part of the rows was looked at; go on with NextCursor and add up.
	Partial    bool   `json:"partial,omitempty"`
	NextCursor string `json:"next_cursor,omitempty"`
	// Key is the key whose usage this is, when the caller may see only its own.
	Key string `json:"key,omitempty"`
}

// UsageBefore is usage of the time before, for comparison.
type UsageBefore struct {
	Data  []UsageGroup `json:"data"`
	Total UsageSums    `json:"total"`
	Since time.Time    `json:"since"` // inclusive
	Until time.Time    `json:"until"` // exclusive
}

// A LogRow is the record of one request. Target, tokens and price are those of its
// last attempt, the money is of all of them.
type LogRow struct {
	RequestID         string    `json:"request_id"`
	ClientRequestID   string    `json:"client_request_id,omitempty"`
	Time              time.Time `json:"time"`
	KeyID             string    `json:"api_key_id"`
	KeyName           string    `json:"api_key_name"`
	Group             string    `json:"group,omitempty"`
	EndUser           string    `json:"end_user,omitempty"`
	Operation         string    `json:"operation"`
	Dialect           string    `json:"dialect,omitempty"`
	Model             string    `json:"model"` // as asked
	Provider          string    `json:"provider"`
	Account           string    `json:"account"`
	UpstreamModel     string    `json:"upstream_model"`
	UpstreamRequestID string    `json:"upstream_request_id,omitempty"`
	Status            int       `json:"status"`
	Stream            bool      `json:"stream"`
	EndReason         string    `json:"end_reason"`
	Attempts          []Attempt `json:"attempts"`
	PromptTokens      int64     `json:"prompt_tokens"`
	CompletionTokens  int64     `json:"completion_tokens"`
	CacheReadTokens   int64     `json:"cache_read_tokens"`
	CacheWriteTokens  int64     `json:"cache_write_tokens"`
	ReasoningTokens   int64     `json:"reasoning_tokens"`
	Units
	UsageSource       string            `json:"usage_source"`                 // provider, provider_partial, estimated, none
	CostUSD           USD               `json:"cost_usd"`                     // what the upstreams charge
	ChargedUSD        USD               `json:"charged_usd"`                  // what the key is charged: the cost and its markup
	UnconfirmedUSD    USD               `json:"unconfirmed_usd,omitempty"`    // what a crash left to be charged until `ledger resolve`
	UnconfirmedTokens int64             `json:"unconfirmed_tokens,omitempty"` // what it left budgets of tokens to count
	AdjustedUSD       USD               `json:"adjusted_usd,omitempty"`       // the part of the cost that later corrections made
	ReservedUSD       USD               `json:"reserved_usd"`
	PriceVersion      string            `json:"price_version"`
	PriceSource       string            `json:"price_source"`
	Flags             []string          `json:"flags,omitempty"`
	TTFTMs            *float64          `json:"ttft_ms"` // to the first content byte; null: none was sent
	DurationMs        float64           `json:"duration_ms"`
	OverheadUs        int64             `json:"overhead_us"` // total less the wait for the upstream
	Error             string            `json:"error,omitempty"`
	Metadata          map[string]string `json:"metadata,omitempty"`
	Node              string            `json:"node,omitempty"` // where it ran, of several gateways on one database
}

// An Attempt is one try at one target.
type Attempt struct {
	Provider   string  `json:"provider"`
	Account    string  `json:"account"`
	Model      string  `json:"model"`
	Status     int     `json:"status"`  // the upstream's; 0: no answer
	Outcome    string  `json:"outcome"` // ok, connect, timeout, http_error, bad_response, cut, cancelled
	StartMs    float64 `json:"start_ms"`
	DurationMs float64 `json:"duration_ms"`
	Error      string  `json:"error,omitempty"`
	CostUSD    USD     `json:"cost_usd"` // corrections included; those of all attempts are the row's
	// What it told to have used, or, of the last, what the row says. Absent: it told nothing.
	PromptTokens     int64  `json:"prompt_tokens,omitempty"`
	CompletionTokens int64  `json:"completion_tokens,omitempty"`
	CacheReadTokens  int64  `json:"cache_read_tokens,omitempty"`
	CacheWriteTokens int64  `json:"cache_write_tokens,omitempty"`
	ReasoningTokens  int64  `json:"reasoning_tokens,omitempty"`
	UsageSource      string `json:"usage_source,omitempty"`
	PriceVersion     string `json:"price_version,omitempty"`
	PriceSource      string `json:"price_source,omitempty"`
}

// A LogsAsk selects usage rows. Zero members select all.
type LogsAsk struct {
	Limit           int // 0: 100; at most 1000
	Cursor          string
	Key             string // the key's id
	Model, Provider string
	Account         string
	Status          string // "200", "4xx", "error"
	EndReason       string
	Since           time.Time // inclusive
	Until           time.Time // exclusive
	Last            string    // rolling: "1h"; instead of Since
	Operation       string
	Group, EndUser  string
	Stream          string // "true", "false"
	MinDurationMs   int
	Query           string // part of error, request id, model or key name, in any case
}

// LogsReply is one page of usage rows, newest first.
type LogsReply struct {
	Data       []LogRow `json:"data"`
	NextCursor string   `json:"next_cursor"`
	// Partial: the bound on rows looked at was reached before the page was full; go on with NextCursor.
	Partial bool `json:"partial,omitempty"`
	// LookedTo is the time of the last row that a Partial page looked at.
	LookedTo *time.Time `json:"looked_to,omitempty"`
}

// An AuditAsk selects audit rows. Zero members select all.
type AuditAsk struct {
	Page
	Actor  string
	Action string // its beginning: "api_key."
	Object string
	Since  time.Time // inclusive
	Until  time.Time // exclusive
}

// A LogReply is one usage row with what happened on its way.
type LogReply struct {
	LogRow
	Trace []string `json:"trace"` // one line an attempt and one for the end, for people
	// CostLines say what the cost is made of. They are worked out by the prices of now;
	// CostNote says where those of then were others.
	CostLines []CostLine `json:"cost_lines"`
	CostNote  string     `json:"cost_note,omitempty"`
}

// A CostLine is one part of what a request cost.
type CostLine struct {
	// Kind is the name of a rate (input, cache_read, output, …), or provider (what the
	// upstream said), adjust (corrections made later) or markup (charged beyond the cost).
	Kind          string `json:"kind"`
	Attempt       int    `json:"attempt,omitempty"` // its number, from 1; absent: the last
	Units         int64  `json:"units"`
	USDPerMillion *USD   `json:"usd_per_million"` // null: it is not priced by the unit
	CostUSD       USD    `json:"cost_usd"`
	Note          string `json:"note,omitempty"`
}

// An AuditRow tells who changed what.
type AuditRow struct {
	ID    string    `json:"id"`
	Time  time.Time `json:"time"`
	Actor string    `json:"actor"` // key id, "local", "admin"
	// ActorName is the key's name; the same as Actor where there is none.
	ActorName string          `json:"actor_name"`
	Action    string          `json:"action"`
	Object    string          `json:"object"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	IP        string          `json:"ip,omitempty"`
}

// AuditReply is one page of audit rows, newest first.
type AuditReply struct {
	Data       []AuditRow `json:"data"`
	NextCursor string     `json:"next_cursor"`
}
