package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestLiveSilence: a feed lasts while anything comes, comments too, and ends with a
// gateway that hangs: its connection would live on.
func TestLiveSilence(t *testing.T) {
	const silence, beats = 300 * time.Millisecond, 8
	hang := make(chan struct{})
	defer close(hang)
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range beats {
			fmt.Fprint(w, ": alive\n\n")
			w.(http.Flusher).Flush()
			time.Sleep(silence / 4)
		}
		fmt.Fprint(w, "data: {\"type\":\"started\",\"request_id\":\"r1\"}\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	var got []LiveEvent
	began := time.Now()
	err := c.live(context.Background(), silence, func(e LiveEvent) error { got = append(got, e); return nil })
	var gone *Unreachable
	if !errors.As(err, &gone) || !errors.Is(err, errSilent) {
		t.Errorf("ended with %v", err)
	}
	if len(got) != 1 || got[0].RequestID != "r1" {
		t.Errorf("events %+v", got)
	}
	if took := time.Since(began); took < beats*silence/4 || took > 20*time.Second {
		t.Errorf("ended after %v", took)
	}
}

// TestLiveSilentFromTheStart: a gateway that takes the connection and does not answer.
func TestLiveSilentFromTheStart(t *testing.T) {
	c := answering(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if err := c.live(context.Background(), 100*time.Millisecond, nil); !errors.Is(err, errSilent) {
		t.Errorf("ended with %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.live(ctx, time.Minute, nil); !errors.Is(err, context.Canceled) || errors.Is(err, errSilent) {
		t.Errorf("cancelled, it ended with %v", err)
	}
}
