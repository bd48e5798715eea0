package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
)

// TestSealAccount: headers, options and proxy come back as they were, and only for
// the account they were sealed for.
func TestSealAccount(t *testing.T) {
	sealer, err := NewSealer(bytes.Repeat([]byte{3}, MasterKeyLen))
	if err != nil {
		t.Fatal(err)
	}
	f := func(a *Account, hidden int) {
		t.Helper()
		stored, err := sealer.SealAccount(a)
		if err != nil {
			t.Fatal(err)
		}
		if stored.Headers != nil || stored.Options != nil || stored.Proxy != "" {
			t.Errorf("in the clear: %+v", stored)
		}
		back, err := sealer.OpenAccount(stored)
		if err != nil || !reflect.DeepEqual(back, a) {
			t.Errorf("%+v came back as %+v (%v)", a, back, err)
		}
		if got := len(back.Hidden()); got != hidden {
			t.Errorf("%d values are hidden, not %d", got, hidden)
		}
		if len(stored.Private) > 0 {
			stored.ID = "another"
			if _, err := sealer.OpenAccount(stored); !errors.Is(err, ErrSealBroken) {
				t.Errorf("opened for another account: %v", err)
			}
		}
	}
	f(&Account{ID: "a"}, 0)
	f(&Account{ID: "a", Proxy: "http://u:p@proxy"}, 0)
	f(&Account{ID: "a", Headers: map[string]string{"X-Team": "red", "Authorization": "Basic x"}, Options: map[string]json.RawMessage{"region": []byte(`"eu"`), "client_secret": []byte(`"s"`)}}, 2)
}
