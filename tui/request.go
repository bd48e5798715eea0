package tui

import (
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// A request is one line of Live: what its events told, and its row once it ended.
type request struct {
	e   api.LiveEvent // the last of its events, without the row
	row *api.LogRow
}

// Phases of a request.
const (
	phaseWaiting   = "waiting"   // for the first content
	phaseAnswering = "answering" // content flows
	phaseDone      = "done"
	phaseFailed    = "failed"
	phaseLost      = "lost" // the connection broke before its end was seen
)

func (r *request) phase() string {
	switch {
	case r.row != nil && (r.row.Status >= 400 || r.row.EndReason == "stream_error" || r.row.Error != ""):
		return phaseFailed
	case r.row != nil:
		return phaseDone
	case r.e.Type == phaseLost:
		return phaseLost
	case r.e.TTFTMs != nil:
		return phaseAnswering
	}
	return phaseWaiting
}

func (r *request) flying() bool { return r.row == nil && r.e.Type != phaseLost }

func (r *request) id() string { return r.e.RequestID }

func (r *request) accepted() time.Time {
	if r.row != nil {
		return r.row.Time
	}
	return r.e.Accepted
}

// text is a field of the filter's language that is text.
func (r *request) text(field string) string {
	row := r.row
	if row == nil {
		row = &api.LogRow{RequestID: r.e.RequestID, Model: r.e.Model, UpstreamModel: r.e.UpstreamModel, KeyName: r.e.KeyName, Provider: r.e.Provider, Account: r.e.Account, Operation: r.e.Operation, Dialect: r.e.Dialect}
	}
	switch field {
	case "id":
		return row.RequestID
	case "model":
		return row.Model
	case "upstream":
		return row.UpstreamModel
	case "key":
		return row.KeyName
	case "group":
		return row.Group
	case "user":
		return row.EndUser
	case "provider":
		return row.Provider
	case "account":
		return row.Account
	case "op":
		return row.Operation
	case "dialect":
		return row.Dialect
	case "reason":
		return row.EndReason
	case "error":
		return row.Error
	case "phase":
		return r.phase()
	}
	return ""
}

// texts is text, and of where it went what each attempt says.
func (r *request) texts(field string) []string {
	all := []string{r.text(field)}
	if r.row != nil {
		for i := range r.row.Attempts {
			switch at := &r.row.Attempts[i]; field {
			case "provider":
				all = append(all, at.Provider)
			case "account":
				all = append(all, at.Account)
			}
		}
	}
	return all
}

// number is a field of the filter's language that is a number; false: not known yet.
func (r *request) number(field string) (float64, bool) {
	if field == "ttft" {
		ttft := r.e.TTFTMs
		if r.row != nil {
			ttft = r.row.TTFTMs
		}
		if ttft == nil {
			return 0, false
		}
		return *ttft, true
	}
	row := r.row
	if row == nil {
		return 0, false
	}
	switch field {
	case "status":
		return float64(row.Status), true
	case "cost":
		return float64(row.CostUSD) / float64(api.Dollar), true
	case "took":
		return row.DurationMs, true
	case "in":
		return float64(row.PromptTokens), true
	case "out":
		return float64(row.CompletionTokens), true
	case "tries":
		return float64(len(row.Attempts)), true
	}
	return 0, false
}

// speed is output tokens a second from the first content on; 0: not known, or over
// too soon to tell.
func speed(r *api.LogRow) float64 {
	if r.TTFTMs == nil || r.DurationMs-*r.TTFTMs < 50 {
		return 0
	}
	return float64(r.CompletionTokens) / (r.DurationMs - *r.TTFTMs) * 1000
}
