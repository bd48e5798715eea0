package store

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// sameGist fails unless what g reads of a row is what the whole row comes to.
func sameGist(t *testing.T, g *Gist, b []byte) {
	t.Helper()
	var row UsageRow
	if err := errors.Join(DecodeRow(b, &row), g.Read(b)); err != nil {
		t.Fatal(err)
	}
	shares := func(r *UsageRow) (out []Share) {
		r.Shares(func(s Share) {
			// Roll-ups do not tell these apart.
			s.AccountID, s.Model, s.UsageSource, s.PriceVersion, s.PriceSource, s.PriceKind = "", "", "", "", "", ""
			out = append(out, s)
		})
		return out
	}
	observed := func(r *UsageRow) (out [][2]uint8) {
		Observe(r, func(which, bucket uint8) { out = append(out, [2]uint8{which, bucket}) })
		return out
	}
	if got, want := shares(&g.UsageRow), shares(&row); !reflect.DeepEqual(got, want) {
		t.Fatalf("it comes to %+v, want %+v", got, want)
	}
	if got, want := observed(&g.UsageRow), observed(&row); !reflect.DeepEqual(got, want) {
		t.Fatalf("it took %v, want %v", got, want)
	}
	type dims struct{ id, key, name, group, model, provider, account, end string }
	got := dims{string(g.ID), g.KeyID, g.KeyName, g.Group, g.Model, g.Provider, g.Account, g.EndReason}
	want := dims{row.RequestID, row.KeyID, row.KeyName, row.Group, row.Model, row.Provider, row.Account, row.EndReason}
	if got != want || !g.Time.Equal(row.Time) || g.Time.IsZero() != row.Time.IsZero() {
		t.Fatalf("it is of %v at %v, want %v at %v", got, g.Time, want, row.Time)
	}
}

// One gist after the other, of rows that have other fields and texts.
func TestGist(t *testing.T) {
	full := fullRow()
	plain := fullRow()
	for i := range plain.Attempts {
		plain.Attempts[i].Spent = nil
	}
	failed := typicalRow()
	failed.Status, failed.EndReason, failed.UsageSource, failed.Model = 502, EndError, SourceEstimated, strings.Repeat("m", MaxText)
	crashed := &UsageRow{RequestID: "c", EndReason: EndCrash, Flags: FlagCrashRecovered, ReservedNano: 7, UnconfirmedTokens: 3, UsageSource: SourceNone}
	g := new(Gist)
	for range 2 {
		for _, row := range []*UsageRow{full, plain, typicalRow(), {}, failed, plain, crashed, {RequestID: "r", KeyID: "k"}, typicalRow()} {
			sameGist(t, g, AppendRow(nil, row))
		}
	}
	b := AppendRow(nil, typicalRow())
	if n := testing.AllocsPerRun(100, func() {
		if err := g.Read(b); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("it allocates %v times", n)
	}
	for i := range 3 * mostGists {
		row := typicalRow()
		row.Model = strings.Repeat("m", i%7) + string(rune('a'+i%26)) + string(rune(0x4e00+i))
		sameGist(t, g, AppendRow(nil, row))
	}
	if len(g.known) > mostGists {
		t.Errorf("%d texts are kept", len(g.known))
	}
	for cut := range b {
		if err := g.Read(b[:cut]); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	if err := g.Read(nil); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if err := g.Read([]byte{99}); !errors.Is(err, ErrNewer) {
		t.Error(err)
	}
}
