package bolt

import (
	"errors"
	"testing"

	"github.com/your-org/ai-api-gateway/store"
)

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	f := func(want uint64, wantErr error) {
		t.Helper()
		found, current, err := Inspect(dir)
		if found != want || current != schema || !errors.Is(err, wantErr) {
			t.Errorf("got %d, %d, %v; want %d, %d, %v", found, current, err, want, schema, wantErr)
		}
	}
	f(0, nil)
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	f(0, store.ErrLocked)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f(schema, nil)
}
