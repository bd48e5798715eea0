package demo

import (
	"strconv"
	"strings"
	"time"
)

// A fault is a way to fail that is not an HTTP error.
type fault uint8

const (
	faultNone fault = iota
	faultErrorFirst
	faultErrorStream
	faultCut
	faultCutHeader
	faultTruncate
	faultHang
	faultStall
	faultEmpty
	faultEmptyBody
	faultGarbage
	faultHTML
	faultNoDone
)

// A behaviour is what a model's name stands for.
type behaviour struct {
	name     string
	ttft     time.Duration // 0: the engine's; negative: none
	tps      float64       // 0: the engine's; negative: unpaced
	status   int           // answer with this HTTP status
	everyOdd bool          // status holds for every first of two requests only
	fault    fault
	noUsage  bool
	tools    bool
	thinking bool
	size     int // bytes of text to answer with; 0: an ordinary answer
	oneLine  bool
}

// behaviours is the table of the package comment, but for demo-error-NNN.
var behaviours = []behaviour{
	{name: "demo"},
	{name: "demo-fast", ttft: -1, tps: -1},
	{name: "demo-slow", tps: 5},
	{name: "demo-slow-first", ttft: 8 * time.Second},
	{name: "demo-ratelimit", status: 429, everyOdd: true, ttft: -1, tps: -1},
	{name: "demo-error-first", fault: faultErrorFirst},
	{name: "demo-error-stream", fault: faultErrorStream},
	{name: "demo-cut", fault: faultCut},
	{name: "demo-cut-header", fault: faultCutHeader},
	{name: "demo-truncate", fault: faultTruncate},
	{name: "demo-hang", fault: faultHang},
	{name: "demo-stall", fault: faultStall},
	{name: "demo-empty", fault: faultEmpty},
	{name: "demo-empty-body", fault: faultEmptyBody},
	{name: "demo-garbage", fault: faultGarbage},
	{name: "demo-html", fault: faultHTML},
	{name: "demo-no-usage", noUsage: true},
	{name: "demo-no-done", fault: faultNoDone},
	{name: "demo-tools", tools: true},
	{name: "demo-thinking", thinking: true},
	{name: "demo-big", ttft: -1, tps: -1, size: 256 << 10},
	{name: "demo-bigline", ttft: -1, tps: -1, size: 1 << 20, oneLine: true},
}

// errorStatuses are the demo-error-NNN that the model list shows; others work too.
var errorStatuses = []int{400, 401, 403, 404, 429, 500, 502, 503, 529}

// behaviourOf returns what model stands for; false: a name of ours that means nothing.
func behaviourOf(model string) (behaviour, bool) {
	for _, b := range behaviours {
		if b.name == model {
			return b, true
		}
	}
	if code, ok := strings.CutPrefix(model, "demo-error-"); ok {
		n, err := strconv.Atoi(code)
		return behaviour{name: model, status: n}, err == nil && n >= 400 && n <= 599
	}
	if model == "demo-embedding" {
		return behaviour{name: model, ttft: -1}, true
	}
	return behaviours[0], !strings.HasPrefix(model, "demo-")
}

// modelNames lists the models of the engine.
func modelNames() []string {
	var names []string
	for _, b := range behaviours {
		names = append(names, b.name)
	}
	for _, n := range errorStatuses {
		names = append(names, "demo-error-"+strconv.Itoa(n))
	}
	return append(names, "demo-embedding")
}
