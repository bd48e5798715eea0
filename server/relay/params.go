package relay

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// params are the changes an account's owner wants in every request, by the names
// of the upstream's own format. Top-level members only; the model, the messages
// and whether to stream are not among them (the configuration refuses those).
type params struct {
	Set    map[string]json.RawMessage `json:"set"`
	Drop   []string                   `json:"drop"`
	Rename map[string]string          `json:"rename"`
}

// applyParams changes a body that is ready to be sent. Members are dropped, then
// renamed, then set: what is set wins over what the caller sent, and holds for
// requests that generate text only. Dropped members are reported.
func (x *exchange) applyParams(t *routing.Target, body []byte) ([]byte, *providers.Error) {
	var p params
	if err := wire.Unmarshal(t.Account.Params, &p); err != nil {
		return nil, &providers.Error{Kind: providers.KindInternal, Code: "bad_params", Message: "the account's params cannot be read"}
	}
	if x.job.Op != providers.OpChat && x.job.Op != providers.OpCompletions {
		p.Set = nil
	}
	fields, err := wire.Fields(body, p.names(), nil)
	if err != nil {
		return nil, syntaxError(err)
	}
	had := func(name string) bool {
		return slices.ContainsFunc(fields, func(f wire.Field) bool { return f.Name == name && !slices.Contains(p.Drop, name) })
	}
	var edits []wire.Edit
	for _, f := range fields {
		to, renamed := p.Rename[f.Name]
		value, set := p.Set[f.Name]
		switch {
		case set:
			edits = append(edits, wire.Edit{Start: f.Start, End: f.End, New: value})
		case slices.Contains(p.Drop, f.Name), renamed && (had(to) || p.Set[to] != nil):
			edits = append(edits, wire.Edit{Start: f.CutStart, End: f.CutEnd})
			x.dropped = append(x.dropped, f.Name)
		case renamed:
			edits = append(edits, wire.Edit{Start: f.NameStart, End: f.NameStart + len(f.Name) + 2, New: wire.AppendString(nil, to)})
		}
	}
	body = wire.Splice(make([]byte, 0, len(body)+256), body, edits)
	return p.insert(body, fields), nil
}

// names returns the members that are looked for.
func (p *params) names() []string {
	list := slices.Clone(p.Drop)
	for from, to := range p.Rename {
		list = append(list, from, to)
	}
	list = slices.AppendSeq(list, maps.Keys(p.Set))
	slices.Sort(list)
	return slices.Compact(list)
}

// insert puts the members that the body does not have yet at its front.
func (p *params) insert(body []byte, fields []wire.Field) []byte {
	var front []byte
	for _, name := range slices.Sorted(maps.Keys(p.Set)) {
		if slices.ContainsFunc(fields, func(f wire.Field) bool { return f.Name == name }) {
			continue
		}
		front = append(wire.AppendString(front, name), ':')
		front = append(append(front, p.Set[name]...), ',')
	}
	if front == nil {
		return body
	}
	at := bytes.IndexByte(body, '{') + 1
	if rest := bytes.TrimSpace(body[at:]); len(rest) > 0 && rest[0] == '}' {
		front = front[:len(front)-1]
	}
	return slices.Insert(body, at, front...)
}
