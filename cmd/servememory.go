package cmd

import (
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// tuneMemory lets garbage gather longer than Go's default: a gateway's live heap
// is small, so four times of it is little and half of the collector's work goes.
// Where the control group bounds the memory the collector is told nine tenths of
// it, so that it works harder before the kernel kills. GOGC and GOMEMLIMIT in the
// environment are left as they are.
func tuneMemory(log *slog.Logger) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if n := groupLimit(os.ReadFile); n > 0 {
		debug.SetMemoryLimit(n / 10 * 9)
		log.Debug("memory limit set from the control group", "limit", n/10*9)
	}
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
