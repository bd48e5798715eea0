package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

func key(id string) *store.Key {
	return &store.Key{
		ID: id, Name: "same name", Hash: [32]byte{1, id[0], id[len(id)-1]}, Prefix: "sk-gw-" + id, Scopes: []string{"chat"}, Models: []string{"gpt-*"},
		IPAllow: []string{"10.0.0.0/8"}, Group: "team", Metadata: map[string]string{"a": "ä"}, CreatedAt: start, CreatedBy: "k0",
		ExpiresAt: start.Add(time.Hour), PrevHash: [32]byte{9}, PrevUntil: start.Add(time.Minute), OnDisconnect: "drain", LogBodies: "errors", Markup: "1.5", Weak: true,
	}
}

func account(id, name string) *store.Account {
	return &store.Account{
		ID: id, Name: name, Provider: "openai", BaseURL: "https://example.com/v1", Enabled: true, Origin: store.OriginDB,
		Secrets: []store.Secret{{Sealed: []byte{0, 1, 255}, Hint: "…abcd", Weight: 2}},
		Models:  []store.AccountModel{{Name: "gpt-4o", Upstream: "deploy"}}, Weight: 3, Priority: 1, Headers: map[string]string{"X-A": "b"},
		Params: json.RawMessage(`{"set":{"a":1}}`), Options: map[string]json.RawMessage{"region": json.RawMessage(`"eu"`)},
		Proxy: "direct", HTTP2: true, Timeouts: map[string]string{"dial": "1s"}, CreatedAt: start,
	}
}

func mapping(id, alias string) *store.Mapping {
	return &store.Mapping{
		ID: id, Alias: alias, Targets: []store.MappingTarget{{Provider: "openai", Model: "gpt-4o", Weight: 1, Priority: 2}, {Account: "a", Model: "m"}},
		Strategy: "weighted", Fallbacks: map[string][]string{"error": {"other"}}, Origin: store.OriginDB, CreatedAt: start,
	}
}

func policy(id, name string) *store.Policy {
	return &store.Policy{
		ID: id, Name: name, Scope: store.PolicyScope{APIKey: "k1", Model: "gpt-*"}, Mode: store.ModeStrict, DefaultMaxTokens: 100,
		Limits:   []store.PolicyLimit{{Kind: store.LimitCost, Limit: 1_500_000_001, Window: store.WindowMonth}, {Kind: store.LimitRequests, Limit: 60, Window: store.WindowMinute, Burst: 6}},
		TimeZone: "Asia/Shanghai", SoftPercent: 80, OnStoreOutage: "allow", Origin: store.OriginDB, CreatedAt: start,
	}
}

func configRoundTrip(t *testing.T, s store.Store) {
	empty := load(t, s)
	if empty.Rev != 0 || len(empty.Keys)+len(empty.Accounts)+len(empty.Mappings)+len(empty.Policies)+len(empty.Meta) != 0 {
		t.Fatalf("a new store holds %+v", empty)
	}
	k, a, m, p := key("k1"), account("a1", "openai"), mapping("m1", "fast"), policy("p1", "team")
	value := []byte{0, 1, 2}
	if rev := apply(t, s, store.Change{Key: k, Create: true}, store.Change{Account: a, Create: true},
		store.Change{Mapping: m, Create: true}, store.Change{Policy: p, Create: true}, store.Change{Meta: &store.MetaValue{Name: "check", Value: value}}); rev != 1 {
		t.Errorf("one Apply leads to revision %d", rev)
	}
	got := load(t, s)
	want := &store.Snapshot{Rev: 1, Keys: []*store.Key{k}, Accounts: []*store.Account{a}, Mappings: []*store.Mapping{m}, Policies: []*store.Policy{p}, Meta: map[string][]byte{"check": value}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", dump(got), dump(want))
	}
	k2 := *k
	k2.Hash[5], k2.RevokedAt = 7, start
	if rev := apply(t, s, store.Change{Key: &k2}); rev != 2 {
		t.Errorf("revision %d", rev)
	}
	if got := load(t, s).Keys; len(got) != 1 || !reflect.DeepEqual(got[0], &k2) {
		t.Errorf("a changed key is %s", dump(got))
	}
	// The old hash is free again.
	apply(t, s, store.Change{Key: &store.Key{ID: "k9", Hash: k.Hash}, Create: true})
	if rev := apply(t, s); rev != 3 {
		t.Errorf("nothing applied leads to revision %d, want 3", rev)
	}
}

func dump(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func configConflicts(t *testing.T, s store.Store) {
	apply(t, s, store.Change{Key: key("k1")}, store.Change{Account: account("a1", "openai")}, store.Change{Mapping: mapping("m1", "fast")}, store.Change{Policy: policy("p1", "team")})
	f := func(c store.Change) {
		t.Helper()
		if _, err := s.Apply(context.Background(), c); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%v, want ErrConflict", err)
		}
	}
	f(store.Change{Key: key("k1"), Create: true})
	f(store.Change{Account: account("a1", "new"), Create: true})
	f(store.Change{Account: account("a2", "openai"), Create: true})
	f(store.Change{Account: account("a2", "openai")})
	f(store.Change{Mapping: mapping("m1", "new"), Create: true})
	f(store.Change{Policy: policy("p1", "new"), Create: true})
	f(store.Change{Policy: policy("p2", "team"), Create: true})
	f(store.Change{Policy: policy("p2", "team")})
	f(store.Change{Mapping: mapping("m2", "fast"), Create: true})
	twin := key("k2")
	twin.Hash = key("k1").Hash
	f(store.Change{Key: twin, Create: true})

	apply(t, s, store.Change{Key: key("k2"), Create: true})                   // the name is taken, which is fine
	apply(t, s, store.Change{Account: account("a1", "renamed")})              // frees its name
	apply(t, s, store.Change{Account: account("a2", "openai"), Create: true}) // which is taken again
	apply(t, s, store.Change{Mapping: mapping("m1", "renamed")}, store.Change{Mapping: mapping("m2", "fast"), Create: true})
	if snap := load(t, s); len(snap.Keys) != 2 || len(snap.Accounts) != 2 || len(snap.Mappings) != 2 {
		t.Errorf("the store holds %s", dump(snap))
	}
}

func configAtomic(t *testing.T, s store.Store) {
	apply(t, s, store.Change{Account: account("a1", "openai")})
	audit := func(id string) *store.AuditRow { return &store.AuditRow{ID: id, Time: start, Action: "x"} }
	_, err := s.Apply(context.Background(), store.Change{Key: key("k1"), Create: true, Audit: audit("01A")},
		store.Change{Account: account("a2", "openai"), Create: true, Audit: audit("01B")})
	if !errors.Is(err, store.ErrConflict) {
		t.Fatalf("%v, want ErrConflict", err)
	}
	if _, err := s.Apply(context.Background(), store.Change{}); err == nil {
		t.Error("an empty change passes")
	}
	if _, err := s.Apply(context.Background(), store.Change{Key: key("k1"), Account: account("a3", "x")}); err == nil {
		t.Error("a change of two records passes")
	}
	snap := load(t, s)
	rows, err := s.Audit(context.Background(), 0, "")
	if err != nil || snap.Rev != 1 || len(snap.Keys) != 0 || len(snap.Accounts) != 1 || len(rows) != 0 {
		t.Errorf("a failed Apply left revision %d, %d keys, %d accounts, %d audit rows (%v)", snap.Rev, len(snap.Keys), len(snap.Accounts), len(rows), err)
	}
}

func configDelete(t *testing.T, s store.Store) {
	apply(t, s, store.Change{Key: key("k1")}, store.Change{Account: account("a1", "openai")}, store.Change{Mapping: mapping("m1", "fast")})
	for _, ref := range []store.Ref{{Kind: store.KindKey, ID: "k1"}, {Kind: store.KindAccount, ID: "a1"}, {Kind: store.KindMapping, ID: "m1"}} {
		apply(t, s, store.Change{Delete: &ref})
		if _, err := s.Apply(context.Background(), store.Change{Delete: &ref}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deleting %v again: %v, want ErrNotFound", ref, err)
		}
	}
	if _, err := s.Apply(context.Background(), store.Change{Delete: &store.Ref{Kind: "table", ID: "x"}}); err == nil {
		t.Error("an unknown kind is deleted")
	}
	if snap := load(t, s); len(snap.Keys)+len(snap.Accounts)+len(snap.Mappings) != 0 || snap.Rev != 4 {
		t.Errorf("left: %s", dump(snap))
	}
	// Hash, name and alias are free again.
	apply(t, s, store.Change{Key: key("k1"), Create: true}, store.Change{Account: account("a2", "openai"), Create: true}, store.Change{Mapping: mapping("m2", "fast"), Create: true})
}

func configStale(t *testing.T, s store.Store) {
	rev := apply(t, s, store.Change{Key: key("k1")})
	next := apply(t, s, store.Change{Key: key("k1"), IfRev: rev})
	if _, err := s.Apply(context.Background(), store.Change{Key: key("k1"), IfRev: rev}); !errors.Is(err, store.ErrStale) {
		t.Errorf("%v, want ErrStale", err)
	}
	if snap := load(t, s); snap.Rev != next {
		t.Errorf("revision %d, want %d", snap.Rev, next)
	}
}

func auditPages(t *testing.T, s store.Store) {
	var want []store.AuditRow
	for i := range 25 {
		row := store.AuditRow{
			ID: fmt.Sprintf("01AUDIT%03d", i), Time: start.Add(time.Duration(i) * time.Second), Actor: "k0", Action: "api_key.create", Object: "k1",
			Before: json.RawMessage(`{"a":1}`), After: json.RawMessage(`{"a":2}`), IP: "127.0.0.1",
		}
		apply(t, s, store.Change{Meta: &store.MetaValue{Name: "n", Value: []byte{byte(i)}}, Audit: &row})
		want = append([]store.AuditRow{row}, want...)
	}
	// What was only tried may be written too, without a change.
	denied := store.AuditRow{ID: "01AUDIT999", Time: start, Actor: "k7", Action: "denied"}
	apply(t, s, store.Change{Audit: &denied})
	want = append([]store.AuditRow{denied}, want...)
	var got []store.AuditRow
	before := ""
	for range 10 {
		rows, err := s.Audit(context.Background(), 7, before)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		got = append(got, rows...)
		before = rows[len(rows)-1].ID
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %s\nwant %s", dump(got), dump(want))
	}
	if _, err := s.Apply(context.Background(), store.Change{Meta: &store.MetaValue{Name: "n"}, Audit: &denied}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an audit row is overwritten: %v", err)
	}
}
