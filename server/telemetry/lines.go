package telemetry

import (
	"io"
	"sync"
	"time"
)

// Bounds of buffered lines.
const (
	lineFlush  = 100 * time.Millisecond // how long a line may wait
	lineBuffer = 64 << 10               // bytes; a full buffer is written at once
)

// Lines gathers log lines and writes them together: one write for each would
// cost a busy gateway more than making them. Close writes what is left.
type Lines struct {
	mu    sync.Mutex
	w     io.Writer
	buf   []byte
	timer *time.Timer
	armed bool
}

// NewLines returns a writer of lines to w.
func NewLines(w io.Writer) *Lines {
	l := &Lines{w: w}
	l.timer = time.AfterFunc(time.Hour, l.flush)
	l.timer.Stop()
	return l
}

// Add lets f append one line, its end included.
func (l *Lines) Add(f func(dst []byte) []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = f(l.buf)
	l.added()
}

// Write adds a line that is whole already; slog's handlers call it.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	l.added()
	return len(p), nil
}

func (l *Lines) added() {
	if len(l.buf) >= lineBuffer {
		l.writeOut()
		return
	}
	if !l.armed {
		l.armed = true
		l.timer.Reset(lineFlush)
	}
}

func (l *Lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	l.writeOut()
}

// writeOut writes what is gathered. Where a log cannot be written there is nobody to tell.
func (l *Lines) writeOut() {
	if len(l.buf) > 0 {
		_, _ = l.w.Write(l.buf)
		l.buf = l.buf[:0]
	}
}

// Close writes what is left.
func (l *Lines) Close() {
	l.timer.Stop()
	l.flush()
}
