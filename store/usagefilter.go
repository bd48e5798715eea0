package store

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
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

// Sieve returns a check of rows as AppendRow writes them: what it refuses, Wants does,
// too. It looks for the filters' own bytes, which is much less than decoding.
func (q *UsageQuery) Sieve() func(raw []byte) bool {
	var needles [][]byte
	for _, f := range []struct {
		field protowire.Number
		text  string
	}{
		{rowAccount, q.Account}, {rowModel, q.Model}, {rowProvider, q.Provider}, {rowEndReason, q.EndReason},
		{rowOperation, q.Operation}, {rowGroup, q.Group}, {rowEndUser, q.EndUser},
	} {
		if f.text != "" {
			needles = append(needles, appendText(nil, f.field, f.text))
		}
	}
	if status, err := strconv.ParseUint(q.Status, 10, 16); err == nil && len(q.Status) == 3 && status > 0 {
		needles = append(needles, appendUint(nil, rowStatus, status))
	}
	return func(raw []byte) bool {
		for _, n := range needles {
			if !bytes.Contains(raw, n) {
				return false
			}
		}
		return true
	}
}
