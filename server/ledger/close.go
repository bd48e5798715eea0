package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Close commits and applies everything and removes the log, or, if the store does
// not take it before ctx ends, if holds are open, or after a failure, leaves it to
// the next Open. Nothing is lost either way; the error says what is left.
func (l *Ledger) Close(ctx context.Context) error {
	l.closing.Do(func() { l.closeIs = l.close(ctx) })
	return l.closeIs
}

// closeGrace is how long Close waits for its goroutines after ctx has ended. Only a
// disk that hangs keeps them longer, and then the process must end all the same.
const closeGrace = time.Second

func (l *Ledger) close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.holdTimer.Stop()
	l.mu.Unlock()
	signal(l.wake)
	wait(ctx, &l.committing)
	close(l.stopKeeper)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	ended := wait(grace, &l.committing) && wait(grace, &l.keeping)

	l.mu.Lock()
	l.drain = true
	if l.writing != nil {
		l.writing.release(ErrClosed)
	}
	for _, b := range l.queue {
		b.release(ErrClosed)
	}
	l.mu.Unlock()
	signal(l.applyWake)
	if ended {
		wait(ctx, &l.applying)
	}
	l.stopApply()
	grace, cancel = context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	ended = wait(grace, &l.applying) && ended
	select {
	case seg := <-l.ready:
		_ = seg.file.Close()
	default:
	}
	return l.finish(ended)
}

// finish removes the log if nothing in it is needed any more.
func (l *Ledger) finish(ended bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.lock.Close()
	l.stepLocked()
	left := l.seq - l.applied
	switch {
	case l.err != nil:
		return fmt.Errorf("ledger closed after a failure, its log is left to the next start: %w", l.err)
	case l.detached:
		return nil
	case !ended || left > 0:
		return fmt.Errorf("cannot apply the last %d entries of the ledger in time, they are left to the next start", left)
	case l.holds.count > 0:
		return fmt.Errorf("ledger closed with %d open holds, they are left to the next start", l.holds.count)
	}
	_ = l.lock.Close()
	return l.retire(l.dir, l.o.Boot, false)
}

// Detach applies what is committed and lets the store go, so that a successor
// process may open it. The ledger goes on taking settles; Close then leaves the
// log, and the successor recovers it as soon as this process has ended.
func (l *Ledger) Detach(ctx context.Context) error {
	if err := l.Sync(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	l.detached = true
	l.mu.Unlock()
	l.stopApply()
	if !wait(ctx, &l.applying) {
		return fmt.Errorf("cannot detach ledger from its store: %w", ctx.Err())
	}
	l.mu.Lock()
	l.stepLocked()
	l.mu.Unlock()
	return nil
}

// wait reports whether wg came to zero before ctx ended.
func wait(ctx context.Context, wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}
