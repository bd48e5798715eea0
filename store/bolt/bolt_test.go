package bolt

import (
	"context"
	"testing"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/storetest"
)

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s := open(t, t.TempDir(), Options{})
		t.Cleanup(func() { // whatever was written adds up
			if v := verify(t, s); v.Fault != "" {
				t.Errorf("%+v", v)
			}
		})
		return s
	})
}

// The same with one day file open at a time, so that files are closed and opened all along.
func TestConformanceOneDayOpen(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir(), Options{OpenDays: 1}) })
}
