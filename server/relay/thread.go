package relay

import (
	"bytes"
	"encoding/json"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/threads"
)

// A Thread says that the answer of a job may be referred to by its id.
type Thread struct {
	Input json.RawMessage // what was said so far, as a list of items
	Keep  bool            // the answer is to be remembered
	// Asked is the caller's request, where the job's is another: it names the answer it goes on from.
	Asked json.RawMessage
}

// asked is the request as the caller made it.
func (x *exchange) asked() json.RawMessage {
	if t := x.job.Thread; t != nil && t.Asked != nil {
		return t.Asked
	}
	return x.job.Body
}

// keepsThread reports whether the answer at hand is to be remembered.
func (x *exchange) keepsThread() bool {
	return x.job.Thread != nil && x.job.Thread.Keep && x.r.o.Threads != nil && x.job.KeyID != "" && x.job.Op == providers.OpChat
}

// keptAt remembers the account that answers, by an event or a whole answer of it.
func (x *exchange) keptAt(data []byte) {
	start, end, ok := wire.Path(data, "response", "id")
	if !ok {
		start, end, ok = wire.Path(data, "id")
	}
	if !ok {
		return
	}
	if id, ok := wire.String(data[start:end]); ok && id != "" {
		x.r.o.Threads.KeepAt(x.job.KeyID, id, x.target.Account.ID)
	}
}

// keptItemsAt remembers the account for the items of a whole answer, or of the event
// that ends it: they can be referred to one by one.
func (x *exchange) keptItemsAt(data []byte) {
	start, end, ok := wire.Path(data, "response", "output")
	if !ok {
		start, end, ok = wire.Path(data, "output")
	}
	if !ok {
		return
	}
	wire.EachElement(data[start:end], func(item []byte) bool {
		if at, to, ok := wire.Path(item, "id"); ok {
			if id, ok := wire.String(item[at:to]); ok && id != "" {
				x.r.o.Threads.KeepItemAt(x.job.KeyID, id, x.target.Account.ID)
			}
		}
		return true
	})
}

// keepConversation remembers a conversation whose last answer was made here.
func (x *exchange) keepConversation(response []byte) {
	start, end, ok := wire.Path(response, "id")
	if !ok {
		return
	}
	if id, ok := wire.String(response[start:end]); ok {
		x.r.o.Threads.Keep(x.job.KeyID, id, &threads.Conversation{Input: x.job.Thread.Input, Response: response})
	}
}

// keepStreamed remembers a conversation by the terminal event of its stream.
func (x *exchange) keepStreamed(events []byte) {
	i := bytes.LastIndex(events, []byte("data: "))
	if i < 0 {
		return
	}
	data := events[i+len("data: "):]
	if start, end, ok := wire.Path(data, "response"); ok {
		x.keepConversation(data[start:end])
	}
}
