package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/threads"
)

// fetchPatience bounds a question to an account about an answer it keeps.
const fetchPatience = 30 * time.Second

// A threaded request is one whose answer can be referred to, and which may refer to another.
type threaded struct {
	body     []byte // to be sent: an earlier conversation kept here stands in it whole
	previous string // the id of that answer
	item     string // the id of an item that the account keeps, where no answer is gone on from
	account  string // id of the account that keeps the answer it goes on from; "": any
	thread   *relay.Thread
}

var threadMembers = []string{"previous_response_id", "input", "store"}

// threadOf reads what a request says of earlier answers.
func (s *Server) threadOf(c *call, body []byte) (threaded, *providers.Error) {
	t := threaded{body: body}
	fields, err := wire.Fields(body, threadMembers, nil)
	if err != nil {
		return t, nil // Peek has said so
	}
	var input, previous *wire.Field
	stored := true
	for i := range fields {
		f := &fields[i]
		switch v := body[f.Start:f.End]; f.Name {
		case "input":
			input = f
		case "store":
			stored = string(v) != "false"
		default:
			if string(v) != "null" {
				previous = f
			}
		}
	}
	var said json.RawMessage
	if input != nil {
		said = body[input.Start:input.End]
		if whole := s.resolved(c, said); whole != nil { // the request is read anew as it will be sent
			t, e := s.threadOf(c, wire.Splice(nil, body, []wire.Edit{{Start: input.Start, End: input.End, New: whole}}))
			if t.thread != nil && t.thread.Asked == nil {
				t.thread.Asked = body
			}
			return t, e
		}
	}
	t.thread = &relay.Thread{Input: threads.AsItems(said)}
	if previous != nil {
		if e := s.goOn(c, &t, input, previous, t.thread.Input); e != nil {
			return t, e
		}
	}
	if t.account == "" && s.o.Threads != nil {
		t.account, t.item = s.itemKeeper(c, said)
	}
	t.thread.Keep = stored && s.o.Threads != nil
	return t, nil
}

// resolved returns an input whose references to items that are kept here are those
// items; nil: it has none.
func (s *Server) resolved(c *call, input json.RawMessage) json.RawMessage {
	if s.o.Threads == nil {
		return nil
	}
	var edits []wire.Edit
	eachReference(input, func(item []byte, id string) bool {
		if kept, ok := s.o.Threads.Item(c.keyID(), id); ok {
			start := cap(input) - cap(item) // item is a part of input
			edits = append(edits, wire.Edit{Start: start, End: start + len(item), New: kept})
		}
		return true
	})
	if edits == nil {
		return nil
	}
	return wire.Splice(nil, input, edits)
}

// itemKeeper returns the account that keeps the first item an input refers to, and
// the item's id; "" where none does as far as is known.
func (s *Server) itemKeeper(c *call, input json.RawMessage) (account, id string) {
	eachReference(input, func(_ []byte, ref string) bool {
		var ok bool
		if account, ok = s.o.Threads.ItemAccount(c.keyID(), ref); ok {
			id = ref
		}
		return !ok
	})
	return account, id
}

// eachReference calls f with the references to items in an input, until it says no.
func eachReference(input json.RawMessage, f func(item []byte, id string) bool) {
	if len(input) == 0 || input[0] != '[' || !bytes.Contains(input, []byte(`"item_reference"`)) {
		return
	}
	wire.EachElement(input, func(item []byte) bool {
		if id := stringAt(item, "id"); id != "" && stringAt(item, "type") == "item_reference" {
			return f(item, id)
		}
		return true
	})
}

func stringAt(obj []byte, name string) string {
	start, end, ok := wire.Path(obj, name)
	if !ok {
		return ""
	}
	s, _ := wire.String(obj[start:end])
	return s
}

// goOn finds the answer that a request goes on from. What was said up to it, where
// it is kept here, takes its place in the body, so that any provider can serve it.
func (s *Server) goOn(c *call, t *threaded, input, previous *wire.Field, said json.RawMessage) *providers.Error {
	id, ok := wire.String(t.body[previous.Start:previous.End])
	if !ok {
		e := refuse(400, "invalid_type", "'previous_response_id' must be a string")
		e.Param = "previous_response_id"
		return e
	}
	if s.o.Threads == nil {
		return lostResponse(id, "")
	}
	if account, ok := s.o.Threads.Account(c.keyID(), id); ok {
		t.account, t.previous = account, id
		return nil
	}
	conv, ok := s.o.Threads.Conversation(c.keyID(), id)
	if !ok {
		return lostResponse(id, "")
	}
	all := conv.Items(said)
	edits := []wire.Edit{{Start: previous.CutStart, End: previous.CutEnd}}
	if input != nil {
		edits = append(edits, wire.Edit{Start: input.Start, End: input.End, New: all})
	} else {
		brace := bytes.IndexByte(t.body, '{') + 1
		edits = append(edits, wire.Edit{Start: brace, End: brace, New: append(append([]byte(`"input":`), all...), ',')})
	}
	slices.SortStableFunc(edits, func(a, b wire.Edit) int { return a.Start - b.Start })
	t.thread = &relay.Thread{Input: all, Asked: t.body}
	t.body = wire.Splice(nil, t.body, edits)
	return nil
}

// lostResponse is the answer to a reference to what is not, or no longer, known of the key.
func lostResponse(id, why string) *providers.Error {
	e := refuse(400, "previous_response_not_found", "Previous response with id '"+endUser(id)+"' not found."+why)
	e.Param = "previous_response_id"
	return e
}

// keptBy leaves in a plan the account alone that keeps what is referred to.
func keptBy(p *routing.Plan, refers *threaded) (*routing.Plan, *providers.Error) {
	kept := *p
	kept.Targets = nil
	for _, t := range p.Targets {
		if t.Account.ID == refers.account {
			t.When, t.Tier = routing.CauseFirst, 0
			kept.Targets = append(kept.Targets, t)
		}
	}
	if len(kept.Targets) == 0 {
		const why = " It is kept by an account that is no longer there or does not serve this model: send the conversation in `input` instead."
		if refers.item != "" {
			e := refuse(400, "item_not_found", "Item with id '"+endUser(refers.item)+"' not found."+why)
			e.Param = "input"
			return nil, e
		}
		return nil, lostResponse(refers.previous, why)
	}
	return &kept, nil
}

func (c *call) keyID() string {
	if c.who.Key != nil {
		return c.who.Key.ID
	}
	return c.who.Name
}

// storedResponse serves the routes below /v1/responses/{id}: what is kept here is
// answered here, everything else by the account that keeps it.
func (s *Server) storedResponse(c *call) {
	id, part := c.params["id"], c.params["part"]
	if s.o.Threads == nil {
		c.fail(noResponse(id))
		return
	}
	if account, ok := s.o.Threads.Account(c.keyID(), id); ok {
		s.fetchResponse(c, id, part, account)
		return
	}
	conv, ok := s.o.Threads.Conversation(c.keyID(), id)
	method := methodOf(c.ctx)
	switch {
	case !ok:
		c.fail(noResponse(id))
	case method == "DELETE":
		s.o.Threads.Forget(c.keyID(), id)
		writeJSON(c, 200, struct {
			ID      string `json:"id"`
			Object  string `json:"object"`
			Deleted bool   `json:"deleted"`
		}{id, "response", true})
	case part == "cancel":
		c.fail(refuse(400, "invalid_request", "Cannot cancel a synchronous response."))
	case part == "input_items":
		writeJSON(c, 200, inputItems(conv.Input))
	default:
		writeJSON(c, 200, conv.Response)
	}
}

// An itemList is a page of items; here it always holds all of them, the last first.
type itemList struct {
	Object  string            `json:"object"`
	Data    []json.RawMessage `json:"data"`
	FirstID *string           `json:"first_id"`
	LastID  *string           `json:"last_id"`
	HasMore bool              `json:"has_more"`
}

func inputItems(input json.RawMessage) itemList {
	l := itemList{Object: "list", Data: []json.RawMessage{}}
	wire.EachElement(input, func(item []byte) bool {
		l.Data = append(l.Data, item)
		return true
	})
	slices.Reverse(l.Data)
	idOf := func(item json.RawMessage) *string {
		if id := stringAt(item, "id"); id != "" {
			return &id
		}
		return nil
	}
	if n := len(l.Data); n > 0 {
		l.FirstID, l.LastID = idOf(l.Data[0]), idOf(l.Data[n-1])
	}
	return l
}

func noResponse(id string) *providers.Error {
	return &providers.Error{Kind: providers.KindNotFound, Message: "Response with id '" + endUser(id) + "' not found."}
}

// fetchResponse asks the account that keeps an answer.
func (s *Server) fetchResponse(c *call, id, part, account string) {
	a, ok := s.table.Load().Account(account)
	if !ok || s.o.Fetch == nil || !a.Enabled {
		c.fail(noResponse(id))
		return
	}
	method := methodOf(c.ctx)
	call := &providers.Call{Op: providers.OpStored, Dialect: providers.Responses, Base: a.Base(), Path: "responses/" + url.PathEscape(id), Options: a.Options}
	if part != "" {
		call.Path += "/" + part
	}
	if q := c.query(); q != "" {
		call.Path += "?" + q
	}
	if len(a.Secrets) > 0 {
		call.Secret = a.Secrets[0].Reveal()
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchPatience)
	defer cancel()
	status, body, err := s.o.Fetch(ctx, a, method, call)
	switch {
	case err != nil:
		s.o.Log.Warn("cannot fetch stored response", "account", a.Name, "error", err)
		c.fail(&providers.Error{Kind: providers.KindUpstream, Code: "upstream_unreachable", Message: "the account that keeps this response did not answer"})
		return
	case status == 401 || status == 403:
		c.fail(&providers.Error{Kind: providers.KindUpstream, Status: 502, Code: "upstream_auth_failed", Message: "the account that keeps this response refused the gateway's own credentials"})
		return
	case method == "DELETE" && status < 300:
		s.o.Threads.Forget(c.keyID(), id)
	}
	c.ctx.Response.Header.Set("X-Request-Id", c.id)
	c.ctx.Response.Header.SetContentType("application/json")
	if bytes.HasPrefix(body, []byte("event:")) || bytes.HasPrefix(body, []byte("data:")) { // asked for with ?stream=true
		c.ctx.Response.Header.SetContentType("text/event-stream")
	}
	c.ctx.SetStatusCode(status)
	c.ctx.Response.SetBody(body)
}
