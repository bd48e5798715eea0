package limits

import (
	"sync"
	"time"
)

// Bounds of waiting for a slot.
const (
	slotWait   = time.Second
	maxWaiters = 1024
)

// slots bound how many requests run at a time. Those that find none wait in the
// order they came, no more of them than there are slots.
type slots struct {
	mu    sync.Mutex
	limit int64
	room  int64 // how many may wait
	used  int64
	queue []chan struct{} // closed when its slot is given
}

// resize puts other bounds in force: how many run, and how many wait. Those beyond run
// to their end.
func (s *slots) resize(limit, room int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit, s.room = limit, min(room, maxWaiters)
	s.grant()
}

// shrink lowers the bound to what f makes of how many run and wait, if it is higher.
func (s *slots) shrink(f func(used, waiting int64) int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = min(s.limit, f(s.used, int64(len(s.queue))))
}

// standing returns how many run and how many wait.
func (s *slots) standing() (used, waiting int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used, int64(len(s.queue))
}

func (s *slots) bound() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit
}

// grant gives free slots to those who wait; s.mu is held.
func (s *slots) grant() {
	for len(s.queue) > 0 && s.used < s.limit {
		close(s.queue[0])
		s.queue[0] = nil
		s.queue = s.queue[1:]
		s.used++
	}
	if len(s.queue) == 0 {
		s.queue = nil
	}
}

// take takes a slot, if need be after waiting at most d.
func (s *slots) take(d time.Duration) bool {
	s.mu.Lock()
	if s.used < s.limit && len(s.queue) == 0 {
		s.used++
		s.mu.Unlock()
		return true
	}
	if d <= 0 || int64(len(s.queue)) >= s.room {
		s.mu.Unlock()
		return false
	}
	mine := make(chan struct{})
	s.queue = append(s.queue, mine)
	s.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-mine:
		return true
	case <-t.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range s.queue {
		if c == mine {
			s.queue = append(s.queue[:i], s.queue[i+1:]...)
			return false
		}
	}
	return true // it was given in the last moment
}

// free reports whether a slot could be taken at once.
func (s *slots) free() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used < s.limit && len(s.queue) == 0
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	s.grant()
}

func (s *slots) inUse() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}
