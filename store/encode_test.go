package store

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

var when = time.Date(2026, 11, 23, 11, 56, 7, 123456789, time.UTC)

func typicalRow() *UsageRow {
	return &UsageRow{
		RequestID: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNB", Time: when,
		KeyID: "ab12cd34", KeyName: "production", Operation: "chat", Dialect: "openai_chat",
		Model: "gpt-4o", Provider: "openai", Account: "openai", AccountID: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNC",
		UpstreamModel: "gpt-4o-2024-08-06", UpstreamID: "req_0123456789abcdef", Status: 200, Stream: true,
		EndReason: EndComplete,
		Attempts:  []Attempt{{Provider: "openai", Account: "openai", Model: "gpt-4o-2024-08-06", Status: 200, Outcome: "ok", Start: 80 * time.Microsecond, Duration: 2 * time.Second, CostNano: 4_250_000}},
		Tokens:    Tokens{Input: 1200, CacheRead: 800, Output: 321, Reasoning: 64}, UsageSource: SourceProvider,
		CostNano: 4_250_000, ReservedNano: 50_000_000, PriceVersion: "2026-11-20", PriceSource: "catalogue",
		TTFT: 300 * time.Millisecond, Duration: 2 * time.Second, Overhead: 120 * time.Microsecond,
	}
}

// fullRow has every field set, so that one forgotten in the encoding is seen.
func fullRow() *UsageRow {
	r := typicalRow()
	r.ClientRequestID, r.Group, r.EndUser, r.Error = "client-1", "team", "user-7", "timeout: none came — 超时"
	r.Flags = FlagClamped | FlagUnknownPrice
	r.MarkupNano, r.AdjustedNano, r.PriceKind, r.UnconfirmedTokens = -9, 8, "flex", 6
	r.Metadata = map[string]string{"b": "2", "a": "1", "empty": ""}
	r.Tokens = Tokens{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
	r.Trace = []string{"found by alias", "went on to b"}
	r.Attempts = append(r.Attempts, Attempt{"p", "a", "m", 500, "http_error", 1, 2, "e", 3,
		&Spent{"id", Tokens{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, SourceProviderPartial, -4, 5, "v", "catalogue", "flex"}})
	return r
}

func TestEncodeEveryField(t *testing.T) {
	f := func(e Entry) {
		t.Helper()
		var got Entry
		if err := DecodeEntry(AppendEntry([]byte("before"), &e)[len("before"):], &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("got  %+v\nwant %+v", got, e)
		}
	}
	row := fullRow()
	everySet(t, reflect.ValueOf(*row))
	everySet(t, reflect.ValueOf(row.Attempts[1]))
	everySet(t, reflect.ValueOf(*row.Attempts[1].Spent))
	hold := &Hold{"key", "name", "group", "chat", "m", "p", "a", "aid", "um", true, 7, 3, 5, 4, row.Attempts[1:]}
	everySet(t, reflect.ValueOf(*hold))
	f(Entry{Boot: "B", Seq: math.MaxUint64, Kind: EntrySettle, Time: when, RequestID: "r", Row: row})
	f(Entry{Boot: "B", Seq: 1, Kind: EntryHold, Time: when, RequestID: "r", Hold: hold})
	f(Entry{Boot: "B", Seq: 2, Kind: EntryVoid, Time: when, RequestID: "r", Note: "nothing was sent"})
	f(Entry{Boot: "B", Seq: 3, Kind: EntryAdjust, Time: when, RequestID: "r", DeltaNano: -5, MarkupNano: -6, UnconfirmedNano: -7, UnconfirmedTokens: -8, Day: when.Truncate(24 * time.Hour), PriceVersion: "v", PriceSource: "s"})
	f(Entry{Kind: EntryAdjust, DeltaNano: 5, Attempt: 1, RequestID: "r"})
	f(Entry{Kind: EntryAdjust, DeltaNano: math.MinInt64})
	f(Entry{Kind: EntrySettle, Row: &UsageRow{}})
	f(Entry{Kind: EntryHold, Hold: &Hold{}})
}

// TestNodeIsNoRecord: a store that knows where a row ran says so; the record does not,
// which all gateways write alike.
func TestNodeIsNoRecord(t *testing.T) {
	there, r := fullRow(), fullRow()
	there.Node = "gw-1:8080"
	if string(AppendRow(nil, there)) != string(AppendRow(nil, r)) {
		t.Error("the record holds the node")
	}
}

func everySet(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		if v.Type() == reflect.TypeFor[UsageRow]() && v.Type().Field(i).Name == "Node" {
			continue // no part of the record
		}
		if v.Field(i).IsZero() {
			t.Fatalf("%s.%s is zero: the test would not see it lost", v.Type(), v.Type().Field(i).Name)
		}
	}
}

func TestEncodeBoundsAndCleans(t *testing.T) {
	r := typicalRow()
	r.Model = strings.Repeat("é", MaxText) // two bytes each
	r.EndUser = "a\x00b\xffc"
	r.Error = strings.Repeat("\xff", 2*MaxText)
	r.Attempts = make([]Attempt, MaxAttempts+5)
	r.Metadata = map[string]string{"a": strings.Repeat("x", MaxMetadata-2), "b": "fits not", "c": ""}
	var got UsageRow
	if err := DecodeRow(AppendRow(nil, r), &got); err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("é", MaxText/2); got.Model != want {
		t.Errorf("model of %d bytes, want %d", len(got.Model), len(want))
	}
	if got.EndUser != "a\uFFFDb\uFFFDc" {
		t.Errorf("end user %q", got.EndUser)
	}
	if len(got.Error) > MaxText || !utf8.ValidString(got.Error) {
		t.Errorf("error of %d bytes, valid %v", len(got.Error), utf8.ValidString(got.Error))
	}
	if len(got.Attempts) != MaxAttempts {
		t.Errorf("%d attempts", len(got.Attempts))
	}
	if len(got.Metadata) != 1 || len(got.Metadata["a"]) != MaxMetadata-2 {
		t.Errorf("metadata keeps %d names", len(got.Metadata))
	}
	// The largest record there can be still has a length its header can say.
	long := strings.Repeat("x", 4*MaxText)
	for i := range r.Attempts {
		r.Attempts[i] = Attempt{Provider: long, Account: long, Model: long, Outcome: long, Error: long,
			Spent: &Spent{AccountID: long, UsageSource: long, PriceVersion: long, PriceSource: long, PriceKind: long}}
	}
	if err := DecodeEntry(AppendEntry(nil, &Entry{Kind: EntrySettle, Row: r}), new(Entry)); err != nil {
		t.Fatal(err)
	}
}

// Text of every length, with what is not plain at every place, with and without room for it.
func TestEncodeText(t *testing.T) {
	for n := range 2*MaxText + 2 {
		for _, odd := range []string{"", "\x00", "\x01", "\x7f", "\x80", "é", "\xff\xfe"} {
			for at := 0; at == 0 || at < n && odd != "" && n < 140; at++ {
				s := strings.Repeat("x", at) + odd + strings.Repeat("y", n-at)
				for _, room := range []int{0, len(s), len(s) + 1, len(s) + 2, len(s) + 3, len(s) + 8} {
					for _, num := range []protowire.Number{1, 15, 16, 40} {
						b := appendText(append(make([]byte, 0, 1+room), '<'), num, s)
						got, typ, k := protowire.ConsumeTag(b[1:])
						v, m := protowire.ConsumeBytes(b[1+max(k, 0):])
						if want := clean(s, MaxText); s != "" && (got != num || typ != protowire.BytesType || string(v) != want || 1+k+m != len(b)) || b[0] != '<' || s == "" && len(b) != 1 {
							t.Fatalf("%q as field %d in room for %d: %x", s, num, room, b)
						}
					}
				}
			}
		}
	}
}

func TestCleanText(t *testing.T) {
	f := func(in string, max int, want string) {
		t.Helper()
		if got := CleanText(in, max); got != want {
			t.Fatalf("CleanText(%q, %d) = %q, want %q", in, max, got, want)
		}
	}
	f("", 0, "")
	f("plain", 5, "plain")
	f("plain", 4, "plai")
	f("日本語", 9, "日本語")
	f("日本語", 8, "日本")
	f("日本語", 2, "")
	f("\x00", 3, "\uFFFD")
	f("\x00", 2, "")
	f("\xed\xa0\x80", 9, "\uFFFD") // a surrogate in UTF-8
	f("a\xffb", 4, "a\uFFFD")
}

func TestDecodeVersionsAndUnknownFields(t *testing.T) {
	b := AppendEntry(nil, &Entry{Boot: "B", Seq: 9, Kind: EntryVoid})
	b = protowire.AppendTag(b, 1000, protowire.BytesType)
	b = protowire.AppendString(b, "of a later minor version")
	var e Entry
	if err := DecodeEntry(b, &e); err != nil || e.Seq != 9 {
		t.Fatalf("unknown field: %v, %+v", err, e)
	}
	b[0] = spentVersion + 1
	if err := DecodeEntry(b, &e); !errors.Is(err, ErrNewer) {
		t.Fatalf("newer version: %v", err)
	}
	row := AppendRow(nil, typicalRow())
	row[0] = spentVersion + 1
	if err := DecodeRow(row, new(UsageRow)); !errors.Is(err, ErrNewer) {
		t.Fatalf("newer row: %v", err)
	}
	corrupt := func(b []byte) {
		t.Helper()
		if err := DecodeEntry(b, new(Entry)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%x: %v", b, err)
		}
	}
	corrupt(nil)
	corrupt([]byte{entryVersion})                   // no kind
	corrupt([]byte{entryVersion, 3 << 3, 2})        // a settle without its row
	corrupt([]byte{entryVersion, 1<<3 | 2, 5, 'x'}) // text cut short
	corrupt([]byte{entryVersion, 3<<3 | 2, 0})      // a kind that is text
	corrupt([]byte{entryVersion, 0})                // field number 0
	// Cut anywhere inside the row, which is the last field here, it is corrupt.
	whole := AppendEntry(nil, &Entry{Kind: EntrySettle, Row: fullRow()})
	for n := 2; n < len(whole); n++ {
		if err := DecodeEntry(whole[:n], new(Entry)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("a prefix of %d of %d bytes gives %v", n, len(whole), err)
		}
	}
}

func TestEncodeAllocs(t *testing.T) {
	e := Entry{Boot: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNB", Seq: 7, Kind: EntrySettle, Time: when, RequestID: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNB", Row: typicalRow()}
	e.Row.Metadata = map[string]string{"a": "1", "b": "2"}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = AppendEntry(buf[:0], &e) }); n > 0 {
		t.Errorf("AppendEntry allocates %v times", n)
	}
}

func FuzzLedgerRecord(f *testing.F) {
	for _, e := range []Entry{
		{Boot: "B", Seq: 1, Kind: EntrySettle, Time: when, RequestID: "r", Row: fullRow()},
		{Boot: "B", Seq: 2, Kind: EntryHold, Hold: &Hold{KeyID: "k", ReservedNano: 1}},
		{Boot: "B", Seq: 3, Kind: EntryAdjust, DeltaNano: -1, Day: when},
		{Boot: "B", Seq: 4, Kind: EntryVoid, Note: "x"},
	} {
		f.Add(AppendEntry(nil, &e))
	}
	f.Add([]byte{})
	f.Add([]byte{entryVersion, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Entry
		if err := errors.Join(PeekEntry(b, &e), new(Gist).Read(b)); err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
			t.Fatalf("untyped error %v", err)
		}
		err := DecodeEntry(b, &e)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		// What was read may hold text that the encoder cleans; from then on nothing changes.
		once := AppendEntry(nil, &e)
		var peeked Entry
		if err := PeekEntry(once, &peeked); e.Seq > 0 && (err != nil || peeked.Seq != e.Seq || peeked.Kind != e.Kind) {
			t.Fatalf("peeked at %+v (%v), want %+v", peeked, err, e)
		}
		if peeked.Encoded != nil {
			sameGist(t, new(Gist), peeked.Encoded)
		}
		var again Entry
		if err := DecodeEntry(once, &again); err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		var third Entry
		if err := DecodeEntry(AppendEntry(nil, &again), &third); err != nil || !reflect.DeepEqual(again, third) {
			t.Fatalf("decode(encode) differs (%v):\n%+v\n%+v", err, again, third)
		}
		if again.Seq != e.Seq || again.Kind != e.Kind || again.DeltaNano != e.DeltaNano || !again.Time.Equal(e.Time) {
			t.Fatalf("numbers changed: %+v, %+v", e, again)
		}
	})
}

func BenchmarkAppendEntry(b *testing.B) {
	e := Entry{Boot: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNB", Seq: 7, Kind: EntrySettle, Time: when, RequestID: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNB", Row: typicalRow()}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEntry(buf[:0], &e)
	}
	b.ReportMetric(float64(len(buf)), "B/record")
}

func BenchmarkDecodeEntry(b *testing.B) {
	buf := AppendEntry(nil, &Entry{Boot: "01KARQ5ZQ8GJ3W9Y8M2T6V4XNB", Seq: 7, Kind: EntrySettle, Time: when, Row: typicalRow()})
	var e Entry
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeEntry(buf, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func TestPeekEntry(t *testing.T) {
	for _, e := range []Entry{
		{Boot: "B", Seq: 7, Kind: EntryHold, RequestID: "r", Hold: &Hold{Model: "m"}},
		{Boot: "B", Seq: 1 << 40, Kind: EntrySettle, Time: when, RequestID: "r", Row: fullRow()},
		{Seq: 1, Kind: EntryVoid},
	} {
		b := AppendEntry(nil, &e)
		got := Entry{Note: "of before"}
		if err := PeekEntry(b, &got); err != nil || got.Seq != e.Seq || got.Kind != e.Kind || !got.Time.Equal(e.Time) || got.Note != "" {
			t.Errorf("%v: %+v %v", e.Kind, got, err)
		}
		if e.Row != nil {
			if want := AppendRow(nil, e.Row); !bytes.Equal(got.Encoded, want) {
				t.Errorf("%v: row %q, want %q", e.Kind, got.Encoded, want)
			}
			entries := []Entry{got, {Kind: EntryVoid}}
			if err := DecodeRows(entries); err != nil || !reflect.DeepEqual(entries[0].Row, e.Row) || entries[1].Row != nil {
				t.Errorf("%+v, %v", entries, err)
			}
		}
		for cut := range b[:4] {
			if PeekEntry(b[:cut], &got) == nil {
				t.Errorf("%v cut at %d is taken", e.Kind, cut)
			}
		}
	}
	var e Entry
	if PeekEntry([]byte{99, 1}, &e) == nil {
		t.Error("an unknown version is taken")
	}
	if err := PeekEntry(AppendEntry(nil, &Entry{Seq: 1, Kind: EntrySettle}), &e); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a settle without a row: %v", err)
	}
	if err := DecodeRows([]Entry{{Kind: EntrySettle, Encoded: []byte{99}}}); !errors.Is(err, ErrNewer) {
		t.Errorf("a row of another version: %v", err)
	}
}

// TestOldRecords: what was written before tokens of a crash were kept decodes, without them.
func TestOldRecords(t *testing.T) {
	without := func(b []byte, nums ...protowire.Number) []byte {
		out := b[:1:1] // the version
		for b = b[1:]; len(b) > 0; {
			num, _, n := protowire.ConsumeField(b)
			if n < 0 {
				t.Fatal(protowire.ParseError(n))
			}
			if !slices.Contains(nums, num) {
				out = append(out, b[:n]...)
			}
			b = b[n:]
		}
		return out
	}
	want, got := fullRow(), UsageRow{}
	if err := DecodeRow(without(AppendRow(nil, want), rowUnconfirmedTokens), &got); err != nil {
		t.Fatal(err)
	}
	if want.UnconfirmedTokens = 0; !reflect.DeepEqual(&got, want) {
		t.Errorf("got  %+v\nwant %+v", &got, want)
	}
	fix, read := Entry{Kind: EntryAdjust, DeltaNano: 5, UnconfirmedTokens: -8, PriceSource: "s"}, Entry{}
	if err := DecodeEntry(without(AppendEntry(nil, &fix), entryUnconfirmedTokens), &read); err != nil {
		t.Fatal(err)
	}
	if fix.UnconfirmedTokens = 0; !reflect.DeepEqual(read, fix) {
		t.Errorf("got  %+v\nwant %+v", read, fix)
	}
}

// A row says that some of its money went elsewhere by its version, so that a program
// which does not know of that refuses it; all others are as they were.
func TestEncodeSpentVersion(t *testing.T) {
	r := typicalRow()
	plain := AppendRow(nil, r)
	r.Attempts[0].Spent = &Spent{}
	spent := AppendRow(nil, r)
	if plain[0] != 1 || spent[0] != 2 {
		t.Errorf("versions %d and %d", plain[0], spent[0])
	}
	var got UsageRow
	if err := DecodeRow(spent, &got); err != nil || got.Attempts[0].Spent == nil || got.Attempts[0].Spent.UsageSource != SourceNone {
		t.Errorf("%v %+v", err, got.Attempts[0])
	}
	if e := AppendEntry(nil, &Entry{Kind: EntryAdjust}); e[0] != 1 {
		t.Errorf("a correction of a row has version %d", e[0])
	}
	if e := AppendEntry(nil, &Entry{Kind: EntryAdjust, Attempt: 2}); e[0] != 2 {
		t.Errorf("a correction of an attempt has version %d", e[0])
	}
	if e := AppendEntry(nil, &Entry{Kind: EntryHold, Hold: &Hold{}}); e[0] != 1 {
		t.Errorf("a hold has version %d", e[0])
	}
	if e := AppendEntry(nil, &Entry{Kind: EntryHold, Hold: &Hold{Attempts: r.Attempts}}); e[0] != 2 {
		t.Errorf("a hold with an attempt has version %d", e[0])
	}
	spent[0] = 3
	if err := DecodeRow(spent, &got); !errors.Is(err, ErrNewer) {
		t.Errorf("version 3: %v", err)
	}
}

// The parts of a row come to the row, whatever was corrected of them.
func TestShares(t *testing.T) {
	r := typicalRow()
	r.CostNano, r.MarkupNano = 1000, 100
	r.Attempts = []Attempt{
		{Provider: "anthropic", Account: "first", Model: "claude", CostNano: 300, Spent: &Spent{AccountID: "id1", Tokens: Tokens{Input: 25}, UsageSource: SourceProviderPartial, MarkupNano: 30}},
		{Provider: "x", Account: "silent"},
		{Provider: "openai", Account: "openai", CostNano: 700},
	}
	f := func(cost, markup int64, want ...int64) {
		t.Helper()
		var got []int64
		var sum Total
		r.Shares(func(s Share) {
			got = append(got, int64(s.Attempt), s.Sum.CostNano, s.Sum.MarkupNano)
			sum.Add(&s.Sum)
		})
		if !slices.Equal(got, want) || r.CostNano != cost || r.MarkupNano != markup || sum.CostNano != cost || sum.MarkupNano != markup || sum.Requests != 1 ||
			sum.Tokens.Input != r.Tokens.Input+25 {
			t.Errorf("%v, want %v; %d and %d of %d and %d, %+v", got, want, sum.CostNano, sum.MarkupNano, r.CostNano, r.MarkupNano, sum)
		}
	}
	f(1000, 100, 0, 700, 70, 1, 300, 30)
	r.Correct(&Entry{Attempt: 1, DeltaNano: 50, MarkupNano: 5, PriceVersion: "v9", PriceSource: "override"})
	f(1050, 105, 0, 700, 70, 1, 350, 35)
	if s := r.Attempts[0].Spent; s.PriceVersion != "v9" || s.AdjustedNano != 50 || r.PriceVersion == "v9" || r.AdjustedNano != 50 {
		t.Errorf("corrected %+v of %+v", s, r)
	}
	r.Correct(&Entry{DeltaNano: -200, MarkupNano: -20})
	f(850, 85, 0, 500, 50, 1, 350, 35)
	c := Corrections{}
	c.Add(&Entry{RequestID: r.RequestID, Attempt: 1, DeltaNano: 50})
	c.Add(&Entry{RequestID: r.RequestID, DeltaNano: -200})
	if fault := c.Row(r); fault != "" || len(c) != 0 {
		t.Errorf("%s, %v", fault, c)
	}
	c.Add(&Entry{RequestID: r.RequestID, Attempt: 1, DeltaNano: -200}) // what was made of another part
	c.Add(&Entry{RequestID: r.RequestID, DeltaNano: 50})
	if fault := c.Row(r); !strings.Contains(fault, "corrections of") {
		t.Errorf("corrections at the wrong parts: %q", fault)
	}
	r.Attempts[0].CostNano++
	if fault := (Corrections{}).Row(r); !strings.Contains(fault, "its attempts cost") {
		t.Errorf("an attempt that costs more: %q", fault)
	}
}
