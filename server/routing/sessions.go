package routing

import "sync/atomic"

// sessions remembers which lane served a conversation last, so that it finds its
// prompt cache again. It is a table of fixed size without locks: a session that
// falls on another's slot replaces it. What it says is a preference only.
type sessions struct {
	slots [1 << 15]atomic.Uint64 // tag (upper half of the session's hash) and lane
}

func (s *sessions) slot(session uint64) *atomic.Uint64 {
	return &s.slots[session%uint64(len(s.slots))]
}

// lane returns the lane that served the session last; 0: not known.
func (s *sessions) lane(session uint64) uint32 {
	v := s.slot(session).Load()
	if v>>32 != session>>32 {
		return 0
	}
	return uint32(v)
}

func (s *sessions) put(session uint64, lane uint32) {
	at, v := s.slot(session), session>>32<<32|uint64(lane)
	if at.Load() != v {
		at.Store(v)
	}
}
