package cmd

import (
	"context"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// Bounds of the garbage that may gather between two collections. A gateway's live
// heap is small, and several times of it is little: half of the collector's work
// goes. But a multiple of what is live also multiplies how that differs from one
// collection to the next, as large bodies come and go, and the process stays as large
// as the largest of them: above some size it is the garbage itself that is bounded.
const (
	mostPercent  = 400
	leastPercent = 100
	headroom     = 64 << 20 // bytes of garbage; less where memory is limited to little
)

// tuneMemory sets how much garbage may gather. Where the control group bounds the
// memory the collector is told nine tenths of it, so that it works harder before the
// kernel kills. GOGC and GOMEMLIMIT in the environment are left as they are.
func tuneMemory(log *slog.Logger) {
	if os.Getenv("GOMEMLIMIT") == "" {
		if n := groupLimit(os.ReadFile); n > 0 {
			debug.SetMemoryLimit(n / 10 * 9)
			log.Debug("memory limit set from the control group", "limit", n/10*9)
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(mostPercent)
		room := uint64(headroom)
		if n := memoryLimit(); n > 0 {
			room = min(room, uint64(n)/4)
		}
		paceCollector(&pacing{room: room, percent: mostPercent})
	}
}

// startedAfter is how long after its start a gateway gives back what the start took.
const startedAfter = time.Second

// forgetStart gives back to the system what only the start has used: garbage, and the
// pages of the program that read configuration, set up packages and will not run again.
func forgetStart() {
	debug.FreeOSMemory()
	forgetProgram()
}

// A pacing is how much garbage may gather, and the percentage that was last set for it.
type pacing struct {
	room    uint64
	percent int
}

// paceCollector sets the percentage anew after each collection, which is when what is
// live becomes known. It is called by the end of an object that nothing refers to.
func paceCollector(p *pacing) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(live)
	roots := live[1].Value.Uint64() + live[2].Value.Uint64()
	if next := percentFor(live[0].Value.Uint64()+roots, p.room); next > p.percent*21/20 || next < p.percent*19/20 {
		debug.SetGCPercent(next) // stops the world for some microseconds: not for nothing
		p.percent = next
	}
	runtime.AddCleanup(new([64]byte), paceCollector, p)
}

// percentFor is the percentage by which room bytes of garbage may gather over what is live.
func percentFor(live, room uint64) int {
	return int(min(max(room*100/max(live, 1), leastPercent), mostPercent))
}

// memoryLimit is what the collector keeps to, in bytes; 0: there is no limit.
func memoryLimit() int64 {
	if n := debug.SetMemoryLimit(-1); n != math.MaxInt64 {
		return n
	}
	return 0
}

// groupLimit reads the memory limit of this process's control group, in bytes: of
// the unified hierarchy (cgroup v2), every level counts, else of the older one.
// 0: there is none.
func groupLimit(read func(string) ([]byte, error)) int64 {
	least := int64(0)
	take := func(path string) {
		b, err := read(path)
		if err != nil {
			return
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		// "max", and in v1 a number near 2^63, mean none.
		if err == nil && n > 0 && n < 1<<60 && (least == 0 || n < least) {
			least = n
		}
	}
	own, err := read("/proc/self/cgroup")
	if err == nil {
		for line := range strings.SplitSeq(strings.TrimSpace(string(own)), "\n") {
			path, ok := strings.CutPrefix(line, "0::")
			for ok && path != "" {
				take("/sys/fs/cgroup" + strings.TrimSuffix(path, "/") + "/memory.max")
				i := strings.LastIndexByte(path, '/')
				path = path[:max(i, 0)]
			}
		}
	}
	take("/sys/fs/cgroup/memory.max")
	take("/sys/fs/cgroup/memory/memory.limit_in_bytes")
	return least
}

// trimEvery is how often the store lets go of the pages of its files.
const trimEvery = 15 * time.Second

// trim keeps the pages of files from adding up in the process's memory, until ctx ends.
func trim(ctx context.Context, let func() error, log *slog.Logger) {
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := let(); err != nil {
				log.Error("cannot let go of pages", "error", err)
			}
		}
	}
}
