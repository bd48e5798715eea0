package store

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Wants reports whether a row passes the filters of q that are about the row itself:
// all but its request id, time and place in the pages.
func (q *UsageQuery) Wants(r *UsageRow) bool {
	return q.WentTo(r) && (q.KeyID == "" || r.KeyID == q.KeyID) &&
		(q.Model == "" || r.Model == q.Model) &&
		(q.EndReason == "" || r.EndReason == q.EndReason) &&
		(q.Operation == "" || r.Operation == q.Operation) &&
		(q.Group == "" || r.Group == q.Group) &&
		(q.EndUser == "" || r.EndUser == q.EndUser) &&
		(q.Stream == nil || r.Stream == *q.Stream) &&
		r.Duration >= q.MinDuration &&
		statusMatches(q.Status, r.Status, r.EndReason) && q.inText(r)
}

// WentTo reports whether an attempt of r went to the provider and account of q: the last,
// which the row is of, or one before it, of which the row may have a part of its cost.
func (q *UsageQuery) WentTo(r *UsageRow) bool {
	fits := func(provider, account string) bool {
		return (q.Provider == "" || provider == q.Provider) && (q.Account == "" || account == q.Account)
	}
	return fits(r.Provider, r.Account) || slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return fits(a.Provider, a.Account) })
}

// StoredAttempt is what the record of a row holds (AppendRow) of which an attempt went to
// that provider, or account; other rows may hold it, too.
func StoredAttempt(provider, account string) []byte {
	return appendText(appendText(nil, attemptProvider, provider), attemptAccount, account)
}

func (q *UsageQuery) inText(r *UsageRow) bool {
	if q.Text == "" {
		return true
	}
	lower := strings.ToLower(q.Text)
	for _, s := range []string{r.Error, r.RequestID, r.ClientRequestID, r.Model, r.UpstreamModel, r.KeyName} {
		if holds(s, lower) {
			return true
		}
	}
	return false
}

// holds reports whether s holds a text, in any case, that is given in lower case.
func holds[S string | []byte](s S, lower string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf { // cases of other letters are the library's business
			return strings.Contains(strings.ToLower(string(s)), lower)
		}
	}
next:
	for i := 0; i+len(lower) <= len(s); i++ {
		for j := range len(lower) {
			c := s[i+j]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != lower[j] {
				continue next
			}
		}
		return true
	}
	return false
}

// statusMatches understands a status ("200"), a class ("4xx") and "error".
func statusMatches(want string, status int, end string) bool {
	switch {
	case want == "":
		return true
	case want == "error":
		return failed(status, end)
	case len(want) != 3 || want[0] < '0' || want[0] > '9':
		return false
	case want[1:] == "xx":
		return status/100 == int(want[0]-'0')
	}
	return fmt.Sprintf("%03d", status) == want
}

// Sieve returns a check of rows as AppendRow writes them: what it refuses, Wants does,
// too. It looks for the filters' own bytes, which is much less than decoding.
func (q *UsageQuery) Sieve() func(raw []byte) bool {
	var needles [][]byte
	for _, f := range []struct {
		field protowire.Number
		text  string
	}{
		{rowModel, q.Model}, {rowEndReason, q.EndReason},
		{rowOperation, q.Operation}, {rowGroup, q.Group}, {rowEndUser, q.EndUser},
	} {
		if f.text != "" {
			needles = append(needles, appendText(nil, f.field, f.text))
		}
	}
	places := [][2][]byte{} // of the row, and of an attempt
	if q.Provider != "" {
		places = append(places, [2][]byte{appendText(nil, rowProvider, q.Provider), StoredAttempt(q.Provider, "")})
	}
	if q.Account != "" {
		places = append(places, [2][]byte{appendText(nil, rowAccount, q.Account), StoredAttempt("", q.Account)})
	}
	if status, err := strconv.ParseUint(q.Status, 10, 16); err == nil && len(q.Status) == 3 && status > 0 {
		needles = append(needles, appendUint(nil, rowStatus, status))
	}
	glimpse := q.Text != "" || q.Status == "error" || strings.HasSuffix(q.Status, "xx")
	lower := strings.ToLower(q.Text)
	return func(raw []byte) bool {
		for _, n := range needles {
			if !bytes.Contains(raw, n) {
				return false
			}
		}
		for _, p := range places {
			if !bytes.Contains(raw, p[0]) && !bytes.Contains(raw, p[1]) {
				return false
			}
		}
		return !glimpse || q.glimpse(raw, lower)
	}
}

// glimpse reads of a stored row the status, how it ended and what Text is looked for
// in. What it cannot read it lets pass, for the decoder to judge.
func (q *UsageQuery) glimpse(raw []byte, lower string) bool {
	if len(raw) == 0 || !known(raw[0]) {
		return true
	}
	found, status, end := lower == "", uint64(0), ""
	for b := raw[1:]; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return true
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return true
		}
		switch num {
		case rowStatus:
			status, _ = protowire.ConsumeVarint(b)
		case rowEndReason:
			v, _ := protowire.ConsumeBytes(b)
			end = string(v)
		case rowRequestID, rowClientRequestID, rowKeyName, rowModel, rowUpstreamModel, rowError:
			if !found {
				text, _ := protowire.ConsumeBytes(b)
				found = holds(text, lower)
			}
		}
		if b = b[n:]; found && num >= rowEndReason {
			break // fields come in order: all has been seen
		}
	}
	return found && statusMatches(q.Status, int(status), end)
}
