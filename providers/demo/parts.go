package demo

import "time"

// A partKind is one step of a streamed answer.
type partKind uint8

const (
	partStart  partKind = iota // the preamble
	partOpen                   // a block begins
	partDelta                  // a piece of a block
	partClose                  // a block ends
	partFinish                 // why it ended, and usage
	partDone                   // the terminal event
	partError                  // an error event
	partCut                    // the connection breaks
	partStall                  // silence until the caller leaves
)

type blockKind uint8

const (
	blockThinking blockKind = iota
	blockText
	blockCall
)

// A part is one step of a streamed answer, with the pause before it.
type part struct {
	kind  partKind
	wait  time.Duration
	block blockKind
	index int // of the block
	call  int // of the call, among the calls
	text  string
}

// A frame function writes a part as a format's bytes.
type frame func(dst []byte, a *answer, p part) []byte

// parts returns the whole stream of a, failing as b says.
func (a *answer) parts(b behaviour, ttft, gap time.Duration) []part {
	if b.fault == faultErrorFirst {
		return []part{{kind: partError, wait: ttft}}
	}
	list := []part{{kind: partStart, wait: ttft}}
	index := 0
	block := func(kind blockKind, pieces []string, call int) {
		list = append(list, part{kind: partOpen, block: kind, index: index, call: call})
		for _, text := range grouped(pieces, gap) {
			list = append(list, part{kind: partDelta, wait: gap, block: kind, index: index, call: call, text: text})
		}
		list = append(list, part{kind: partClose, block: kind, index: index, call: call})
		index++
	}
	if len(a.thinking) > 0 {
		block(blockThinking, a.thinking, 0)
	}
	if !a.empty && (len(a.text) > 0 || len(a.calls) == 0 && len(a.thinking) == 0) {
		block(blockText, a.text, 0)
	}
	for i, c := range a.calls {
		block(blockCall, c.args, i)
	}
	list = append(list, part{kind: partFinish})
	if b.fault != faultNoDone {
		list = append(list, part{kind: partDone})
	}
	return broken(list, b.fault)
}

// grouped joins pieces that are written without a pause into larger ones, as fast
// upstreams send several tokens in an event.
func grouped(pieces []string, gap time.Duration) []string {
	const most = 16
	if gap > 0 || len(pieces) < 1000 {
		return pieces
	}
	var list []string
	for len(pieces) > 0 {
		n := min(most, len(pieces))
		text := ""
		for _, p := range pieces[:n] {
			text += p
		}
		list, pieces = append(list, text), pieces[n:]
	}
	return list
}

// broken cuts a stream after its fifth piece of content, or half of them, and puts the fault there.
func broken(list []part, f fault) []part {
	var end part
	switch f {
	case faultErrorStream:
		end.kind = partError
	case faultCut:
		end.kind = partCut
	case faultStall:
		end.kind = partStall
	case faultTruncate:
	default:
		return list
	}
	deltas := 0
	for _, p := range list {
		if p.kind == partDelta {
			deltas++
		}
	}
	keep := min(5, (deltas+1)/2)
	for i, p := range list {
		if p.kind != partDelta {
			continue
		}
		if keep--; keep <= 0 {
			list = list[:i+1]
			break
		}
	}
	if f == faultTruncate {
		return list
	}
	return append(list, end)
}
