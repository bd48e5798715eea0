package cmd

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// monitorSlack is how much later than it asked the runtime's monitor thread may be woken.
const monitorSlack = 500 * time.Microsecond

// calmMonitor lets the runtime's monitor thread sleep longer. It looks at the processors
// every 20 µs while they have work and for a while after one was taken from a system
// call that blocks, which the log's commits see to all the time. Each look is a timer,
// an interrupt and two switches: a fourth of what a request costs at 1,000 a second.
// What it is late for is to give the processor of a call that blocks to others. The
// system lets root do this, and who has CAP_SYS_NICE.
func calmMonitor() error {
	tid, err := monitorThread()
	if err != nil {
		return err
	}
	return os.WriteFile(slackFile(tid), []byte(strconv.FormatInt(monitorSlack.Nanoseconds(), 10)), 0)
}

func slackFile(tid int) string { return fmt.Sprintf("/proc/%d/timerslack_ns", tid) }

// monitorThread is the first thread that the runtime starts.
func monitorThread() (tid int, err error) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0, err
	}
	for _, t := range threads {
		if n, err := strconv.Atoi(t.Name()); err == nil && n > os.Getpid() && (tid == 0 || n < tid) {
			tid = n
		}
	}
	if tid == 0 {
		return 0, os.ErrNotExist
	}
	return tid, nil
}
