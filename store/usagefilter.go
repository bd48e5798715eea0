package store

import (
	"fmt"
	"strings"
)

// Wants reports whether a row passes the filters of q that are about the row itself:
// all but its request id, time and place in the pages.
func (q *UsageQuery) Wants(r *UsageRow) bool {
	return (q.KeyID == "" || r.KeyID == q.KeyID) &&
		(q.Model == "" || r.Model == q.Model) &&
		(q.Provider == "" || r.Provider == q.Provider) &&
		(q.Account == "" || r.Account == q.Account) &&
		(q.EndReason == "" || r.EndReason == q.EndReason) &&
		(q.Operation == "" || r.Operation == q.Operation) &&
		(q.Group == "" || r.Group == q.Group) &&
		(q.EndUser == "" || r.EndUser == q.EndUser) &&
		(q.Stream == nil || r.Stream == *q.Stream) &&
		r.Duration >= q.MinDuration &&
		statusMatches(q.Status, r) && q.inText(r)
}

func (q *UsageQuery) inText(r *UsageRow) bool {
	if q.Text == "" {
		return true
	}
	text := strings.ToLower(q.Text)
	for _, s := range []string{r.Error, r.RequestID, r.ClientRequestID, r.Model, r.UpstreamModel, r.KeyName} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}

// statusMatches understands a status ("200"), a class ("4xx") and "error".
func statusMatches(want string, r *UsageRow) bool {
	switch {
	case want == "":
		return true
	case want == "error":
		return r.Failed()
	case len(want) != 3 || want[0] < '0' || want[0] > '9':
		return false
	case want[1:] == "xx":
		return r.Status/100 == int(want[0]-'0')
	}
	return fmt.Sprintf("%03d", r.Status) == want
}
