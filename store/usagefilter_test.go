package store

import (
	"fmt"
	"testing"
)

// TestSieve: what the check of stored bytes refuses, the check of the row does, too;
// and where a filter is about status or text, both say the same.
func TestSieve(t *testing.T) {
	var rows []UsageRow
	for i, end := range []string{EndComplete, EndError, EndStreamError, EndClientGone, EndRejected, "", "made up later"} {
		for _, status := range []int{0, 200, 404, 429, 503} {
			rows = append(rows, UsageRow{RequestID: fmt.Sprintf("01JD%022d", i), Status: status, EndReason: end, Model: "gpt-5", UpstreamModel: "gpt-5-2026", KeyName: "批处理 Ключ",
				Attempts: []Attempt{{Status: 503, Error: "only an attempt says overheated"}}})
		}
	}
	rows = append(rows, UsageRow{Provider: "openai", Account: "second", Attempts: []Attempt{{Provider: "azure", Account: "eu"}, {Provider: "openai", Account: "second"}}},
		UsageRow{Provider: "openai", Account: "first", Metadata: map[string]string{"azure": "eu"}}, UsageRow{}, UsageRow{Error: "Upstream OVERLOADED", EndReason: EndError, Status: 529}, UsageRow{Model: "mil\u212Aa"}, UsageRow{Metadata: map[string]string{"a": "overloaded"}})
	for _, q := range []UsageQuery{
		{}, {Status: "error"}, {Status: "4xx"}, {Status: "5xx"}, {Status: "0xx"}, {Status: "200"}, {Status: "9"}, {Status: "abxx"}, {Text: "overloaded"}, {Text: "OVERLOADED", Status: "error"},
		{Text: "overheated"}, {Text: "GPT-5-"}, {Text: "ключ"}, {Text: "处理"}, {Text: "milka"}, {Text: "Milka"}, {Text: "01jd"}, {Text: "-"}, {Text: "gpt-5-2026-and-more-than-there-is"},
		{Account: "eu"}, {Account: "first"}, {Provider: "azure"}, {Provider: "openai", Account: "eu"}, {EndReason: EndClientGone}, {EndReason: EndError, Status: "5xx"}, {Model: "gpt-5", Text: "2026"},
	} {
		sieve := q.Sieve()
		for i := range rows {
			var stored UsageRow
			raw := AppendRow(nil, &rows[i])
			if err := DecodeRow(raw, &stored); err != nil {
				t.Fatal(err)
			}
			seen, wanted := sieve(raw), q.Wants(&stored)
			if wanted && !seen || seen && !wanted && (q.Text != "" || q.Status == "error" || len(q.Status) == 3 && q.Status[1:] == "xx") {
				t.Errorf("%+v: the sieve says %v, the row %v: %+v", q, seen, wanted, stored)
			}
		}
	}
	q := UsageQuery{Text: "anything"}
	sieve := q.Sieve()
	for _, raw := range [][]byte{nil, {spentVersion + 1}, {rowVersion, 0xff}, {rowVersion, 0x0a, 0x7f}} {
		if !sieve(raw) {
			t.Errorf("%x is unreadable, which is for the decoder to say", raw)
		}
	}
}
