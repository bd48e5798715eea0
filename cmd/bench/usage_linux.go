package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A process is what the system counts of one.
type process struct {
	cpu time.Duration // user and system, of all its threads
	rss int64         // bytes, the most it had
}

// tick is the unit of /proc/PID/stat: USER_HZ is 100 on every platform of Linux that Go has.
const tick = 10 * time.Millisecond

// usage reads what a process and its children have used: other gateways serve with
// workers. known is false where that cannot be told.
func usage(pid int) (p process, known bool) {
	if p, known = usageOf(pid); !known {
		return p, false
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(b)) {
			if id, err := strconv.Atoi(child); err == nil {
				c, _ := usage(id) // it may have ended
				p.cpu, p.rss = p.cpu+c.cpu, p.rss+c.rss
			}
		}
	}
	return p, true
}

// usageOf reads what one process has used.
func usageOf(pid int) (p process, known bool) {
	if pid <= 0 {
		return p, false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from the state on, which is field 3
	if len(fields) < 13 {
		return p, false
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return p, false
	}
	p.cpu = time.Duration(user+system) * tick
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			p.rss = kb << 10
		}
	}
	return p, true
}
