package providers

// A Queue holds the events that a decoder has read and not yet handed out. It is
// the Next of a Decoder that embeds it.
type Queue struct {
	Events []Event
	next   int // of Events, to be handed out
}

// Emit adds an event.
func (q *Queue) Emit(ev Event) { q.Events = append(q.Events, ev) }

// Next hands the oldest event out and forgets it; false: there is none.
func (q *Queue) Next(ev *Event) bool {
	if q.next == len(q.Events) {
		q.Events, q.next = q.Events[:0], 0
		return false
	}
	*ev = q.Events[q.next]
	q.Events[q.next] = Event{}
	q.next++
	return true
}
