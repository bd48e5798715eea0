package tui

import (
	"context"
	"errors"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

const (
	feedEvery  = 250 * time.Millisecond // between two batches, so that a busy gateway redraws four times a second
	feedBuffer = 5000                   // events kept between two batches
	feedRetry  = time.Second
	feedBarred = 30 * time.Second // between tries of a key that may not look
)

// A feed reads the gateway's live feed in a goroutine of its own, gathers what came
// and hands it over in batches. It connects anew for as long as ctx lasts.
type feed struct {
	client *api.Client
	wake   chan struct{}

	mu      sync.Mutex
	events  []api.LiveEvent
	dropped int64
	changed bool // the state below has
	up      bool
	err     error
}

// A feedMsg is what happened since the one before.
type feedMsg struct {
	events  []api.LiveEvent
	dropped int64 // events that are missing: the reader or the gateway was too slow
	changed bool  // the connection came (up) or went (err says why)
	up      bool
	err     error
}

func newFeed(c *api.Client) *feed { return &feed{client: c, wake: make(chan struct{}, 1)} }

// run reads until ctx ends.
func (f *feed) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.once(ctx)
		if ctx.Err() != nil {
			return
		}
		f.turn(false, err)
		wait := feedRetry
		var refused *api.Error
		if errors.As(err, &refused) && (refused.Status == 401 || refused.Status == 403) {
			wait = feedBarred
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// once opens the feed and reads it to its end. What is in flight is asked first:
// its answer tells a gateway that serves and a key that may look.
func (f *feed) once(ctx context.Context) (err error) {
	defer func() { // a defect of the feed must not leave the terminal as it is
		if p := recover(); p != nil {
			err = locales.Errorf("the feed broke off: %v", p)
		}
	}()
	if _, err := f.client.InFlight(ctx); err != nil {
		return err
	}
	f.turn(true, nil)
	return f.client.Live(ctx, func(e api.LiveEvent) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case e.Type == api.LiveDropped:
			f.dropped += e.Dropped
		case len(f.events) >= feedBuffer:
			f.dropped++
		default:
			f.events = append(f.events, e)
		}
		f.signal()
		return nil
	})
}

func (f *feed) turn(up bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.up, f.err, f.changed = up, err, true
	f.signal()
}

func (f *feed) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// next waits for something to tell, and a moment more for what comes with it.
func (f *feed) next(ctx context.Context) tea.Cmd {
	return func() tea.Msg {
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(feedEvery):
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		m := feedMsg{events: f.events, dropped: f.dropped, changed: f.changed, up: f.up, err: f.err}
		f.events, f.dropped, f.changed = nil, 0, false
		return m
	}
}
