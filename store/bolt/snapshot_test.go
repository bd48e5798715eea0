package bolt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// TestLoadFollows: after each of many changes, also ones that are refused, what Load
// returns is what decoding the file anew gives, and what was handed out before stays.
func TestLoadFollows(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	at := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	change := func() store.Change {
		n := rand.IntN(20)
		id := fmt.Sprintf("id-%02d", n)
		create := rand.IntN(2) == 0
		switch rand.IntN(6) {
		case 0:
			return store.Change{Key: &store.Key{ID: id, Name: fmt.Sprint(rand.Int()), Hash: store.HashKey(id), CreatedAt: at}, Create: create}
		case 1:
			return store.Change{Account: &store.Account{ID: id, Name: id, Provider: "openai", Weight: rand.IntN(9)}, Create: create}
		case 2:
			return store.Change{Mapping: &store.Mapping{ID: id, Alias: fmt.Sprint("alias", rand.IntN(25)), CreatedAt: at}}
		case 3:
			return store.Change{Policy: &store.Policy{ID: id, Name: id, Mode: fmt.Sprint(rand.IntN(9))}, Create: create}
		case 4:
			return store.Change{Meta: &store.MetaValue{Name: id, Value: []byte(fmt.Sprint(rand.Int()))}}
		}
		kinds := []string{store.KindKey, store.KindAccount, store.KindMapping, store.KindPolicy}
		return store.Change{Delete: &store.Ref{Kind: kinds[rand.IntN(4)], ID: id}}
	}
	refused, followed := 0, 0
	for i := range 600 {
		before, err := s.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		keys := len(before.Keys)
		changes := make([]store.Change, 1+rand.IntN(3))
		if i%100 == 99 {
			changes = make([]store.Change, mostFollowed+1)
		}
		for i := range changes {
			changes[i] = change()
		}
		_, err = s.Apply(ctx, changes...)
		if err != nil {
			if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
			refused++
		}
		if s.loaded.snap != nil && err == nil {
			followed++
		}
		got, err := s.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want, err := s.read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(normal(got), normal(want)) {
			t.Fatalf("after change %d: %+v, want %+v", i, got, want)
		}
		if len(before.Keys) != keys {
			t.Fatal("a snapshot that was handed out has changed")
		}
	}
	if refused < 20 || followed < 100 {
		t.Errorf("%d were refused, %d followed", refused, followed)
	}
}

// normal has no difference between no list and an empty one.
func normal(s *store.Snapshot) *store.Snapshot {
	c := *s
	c.Keys, c.Accounts, c.Mappings, c.Policies = append([]*store.Key{}, s.Keys...), append([]*store.Account{}, s.Accounts...), append([]*store.Mapping{}, s.Mappings...), append([]*store.Policy{}, s.Policies...)
	return &c
}
