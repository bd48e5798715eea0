package server

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
)

// panicLog writes contained panics, with the stack but without arguments, and
// the same one only once: a hot path that panics must not fill the disk.
type panicLog struct {
	mu   sync.Mutex
	seen map[string]int
}

func (p *panicLog) report(log *slog.Logger, where string, v any) {
	stack := string(debug.Stack())
	site := where + panicSite(stack)
	p.mu.Lock()
	if p.seen == nil {
		p.seen = map[string]int{}
	}
	p.seen[site]++
	n := p.seen[site]
	p.mu.Unlock()
	if n&(n-1) != 0 { // 1, 2, 4, 8, …
		return
	}
	log.Error("panic contained: this is a bug, please report it", "where", where, "panic", fmt.Sprintf("%T", v), "count", n, "stack", withoutArguments(stack))
}

// panicSite is the file and line below the runtime's own. The line before it names
// the function with its arguments, which differ from time to time.
func panicSite(stack string) string {
	_, below, ok := strings.Cut(stack, "panic(")
	if !ok {
		return ""
	}
	lines := strings.SplitN(below, "\n", 5)
	if len(lines) < 5 {
		return ""
	}
	return lines[3]
}

// withoutArguments drops the argument words of a stack: they may be addresses of secrets.
func withoutArguments(stack string) string {
	lines := strings.Split(stack, "\n")
	for i, l := range lines {
		if !strings.HasPrefix(l, "\t") {
			if at := strings.LastIndexByte(l, '('); at > 0 {
				lines[i] = l[:at] + "(…)"
			}
		}
	}
	const most = 8 << 10
	out := strings.Join(lines, "\n")
	if len(out) > most {
		out = out[:most]
	}
	return out
}

// quiet hands fasthttp's own log lines, which tell of broken connections, to the debug level.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("http", "msg", fmt.Sprintf(format, args...))
}
