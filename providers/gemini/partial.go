package gemini

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Bounds of the arguments of a call that come in pieces.
const (
	maxPieces    = 1 << 16
	maxPieceSize = 8 << 20
	maxPieceStep = 64 // steps of one path
	maxPieceSlot = 4096
)

// A pieces collects the arguments of a call that comes bit by bit (partialArgs):
// each piece names a place by a JSON path ("$.items[0].name") and gives its value,
// text in several parts. The zero pieces is empty.
type pieces struct {
	root node
	n    int
	size int
}

// A node is a value under construction: an object, an array, or a leaf.
type node struct {
	keys []string // of an object, in order of appearance
	kids []*node  // of an object or an array
	list bool
	leaf json.RawMessage // of a value that is whole
	text []byte          // of a string that may go on
}

// add takes one piece. It reports false for one that cannot be placed.
func (p *pieces) add(piece []byte) bool {
	p.n++
	p.size += len(piece)
	steps, ok := pathSteps(stringAt(piece, "jsonPath"))
	if !ok || p.n > maxPieces || p.size > maxPieceSize {
		return false
	}
	at := &p.root
	for _, s := range steps {
		if at = at.child(s); at == nil {
			return false
		}
	}
	wire.EachMember(piece, func(name, v []byte) bool {
		switch camel(name) {
		case "stringValue":
			s, _ := wire.String(v)
			if at.text == nil {
				at.text = []byte{}
			}
			at.text = append(at.text, s...)
		case "numberValue", "boolValue":
			at.leaf = append(json.RawMessage(nil), v...)
		case "nullValue":
			at.leaf = json.RawMessage("null")
		}
		return true
	})
	return true
}

// A step of a path: a name, or a place in a list.
type step struct {
	name  string
	index int
	list  bool
}

// pathSteps reads a JSON path of names and places: $.a.b[0]['c d'].
func pathSteps(path string) (steps []step, ok bool) {
	rest, ok := strings.CutPrefix(path, "$")
	for ok && rest != "" && len(steps) < maxPieceStep {
		switch {
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			steps = append(steps, step{name: rest[1:end]})
			rest = rest[end:]
		case strings.HasPrefix(rest, "['") || strings.HasPrefix(rest, `["`):
			end := strings.Index(rest[2:], rest[1:2]+"]")
			if end < 0 {
				return nil, false
			}
			steps = append(steps, step{name: rest[2 : end+2]})
			rest = rest[end+4:]
		case rest[0] == '[':
			place, after, found := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(place)
			if !found || err != nil || n < 0 || n > maxPieceSlot {
				return nil, false
			}
			steps = append(steps, step{index: n, list: true})
			rest = after
		default:
			return nil, false
		}
	}
	return steps, ok && rest == ""
}

// child returns the node below, made if it is new; nil where the node is something else.
func (n *node) child(s step) *node {
	if n.leaf != nil || n.text != nil || len(n.kids) > 0 && n.list != s.list {
		return nil
	}
	n.list = s.list
	if s.list {
		for len(n.kids) <= s.index {
			n.kids = append(n.kids, &node{})
		}
		return n.kids[s.index]
	}
	for i, k := range n.keys {
		if k == s.name {
			return n.kids[i]
		}
	}
	n.keys, n.kids = append(n.keys, s.name), append(n.kids, &node{})
	return n.kids[len(n.kids)-1]
}

// args returns the arguments so far, an object.
func (p *pieces) args() json.RawMessage {
	if p.root.list || p.root.leaf != nil || p.root.text != nil || len(p.root.kids) == 0 {
		return json.RawMessage("{}")
	}
	return p.root.append(nil)
}

func (n *node) append(dst []byte) []byte {
	switch {
	case n.text != nil:
		return wire.AppendString(dst, n.text)
	case n.leaf != nil:
		return append(dst, n.leaf...)
	case n.list:
		dst = append(dst, '[')
		for _, k := range n.kids {
			dst = k.append(wire.Comma(dst))
		}
		return append(dst, ']')
	case len(n.kids) == 0: // a place of a list that nothing was said of
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	for i, k := range n.kids {
		dst = append(wire.AppendString(wire.Comma(dst), n.keys[i]), ':')
		dst = k.append(dst)
	}
	return append(dst, '}')
}
