//go:build !linux

package bench

import "time"

// A process is what the system counts of one.
type process struct {
	cpu time.Duration
	rss int64
}

// usage is known on Linux alone.
func usage(int) (process, bool) { return process{}, false }
