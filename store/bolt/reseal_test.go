package bolt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// TestReseal: all records are sealed anew, over several transactions; one that cannot
// be opened stays; expiry and order stay as they were.
func TestReseal(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	c := NewCaptures(dir, slog.New(slog.DiscardHandler))
	defer func() { _ = c.Close() }()
	v, _ := openVault(t, dir)
	if n, err := c.Reseal(nil); n != 0 || err != nil {
		t.Errorf("without a file: %d, %v", n, err)
	}
	if n, err := v.Reseal(nil); n != 0 || err != nil {
		t.Errorf("without a file: %d, %v", n, err)
	}
	const many = 2*resealBatch + 5
	v, _ = openVault(t, dir) // the other has noted that there is no file
	c = NewCaptures(dir, slog.New(slog.DiscardHandler))
	defer func() { _ = c.Close() }()
	var list []store.Capture
	for i := range many {
		list = append(list, store.Capture{RequestID: fmt.Sprint("r", i), Time: time.Unix(int64(i), 0), Sealed: fmt.Append(nil, "old-r", i)})
		putKept(t, v, kept("a", i, 10), kept("b", i, 10))
	}
	if err := c.Put(ctx, list); err != nil {
		t.Fatal(err)
	}
	n, err := c.Reseal(func(id string, sealed []byte) ([]byte, error) {
		if string(sealed) != "old-"+id {
			t.Errorf("%s is given as %q", id, sealed)
		}
		if id == "r7" {
			return nil, errors.New("sealed with another key")
		}
		return []byte("new-" + id), nil
	})
	if n != many-1 || err != nil {
		t.Errorf("%d sealed anew, %v", n, err)
	}
	for i := range many {
		want := fmt.Sprint("new-r", i)
		if i == 7 {
			want = "old-r7"
		}
		if got, err := c.Get(ctx, fmt.Sprint("r", i)); string(got) != want || err != nil {
			t.Errorf("r%d is %q, %v", i, got, err)
		}
	}
	n, err = v.Reseal(func(id, sealed []byte) ([]byte, error) { return append([]byte("new-"), id...), nil })
	if n != 2*many || err != nil {
		t.Errorf("%d sealed anew, %v", n, err)
	}
	for _, space := range []string{"a", "b"} {
		for i := range many {
			want := kept(space, i, 10)
			want.Sealed = append([]byte("new-"), want.ID...)
			hasKept(t, v, want, true)
		}
	}
}
