// Package threads remembers, for each API key, the answers that later requests
// refer to by id: which account keeps one, or, of a vendor that keeps none, the
// conversation itself. An id of another key is not found, so that keys which share
// an account do not share what it keeps.
//
// All of it is sealed and bounded, outlives the process where its vaults do, and is
// forgotten in time: a reference to what is gone is answered with an error, never
// with less than was said.
package threads

import (
	"encoding/json"
	"time"

	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/vault"
)

// Bounds of what is remembered of accounts, which is little for each answer.
const (
	accountsBytes = 64 << 20
	accountsTTL   = 30 * 24 * time.Hour
)

// maxConversation bounds one conversation, in bytes: one that outgrew it cannot be
// gone on with by id.
const maxConversation = 8 << 20

// A Store remembers answers. It is safe for concurrent use.
type Store struct {
	accounts *vault.Vault
	items    *vault.Vault
}

// New returns a store that keeps conversations in items, which it may share, and
// what it knows of accounts in a vault of its own with the sealer, clock and disk of o.
func New(items *vault.Vault, o vault.Options) *Store {
	o.MaxBytes, o.TTL, o.Space = accountsBytes, accountsTTL, "accounts"
	return &Store{accounts: vault.New(o), items: items}
}

// A Conversation is an answer with all that was said before.
type Conversation struct {
	Input    json.RawMessage `json:"input"`    // items, as a list
	Response json.RawMessage `json:"response"` // the answer
}

// kind and itemKind stand in the place of a tool's name, so that no call is found instead.
const (
	kind     = "\x00response"
	itemKind = "\x00item"
)

// KeepAt remembers that the account keeps the answer.
func (s *Store) KeepAt(keyID, id, account string) {
	s.accounts.Put(keyID, id, kind, nil, []byte(account))
}

// Account returns the account that keeps an answer.
func (s *Store) Account(keyID, id string) (string, bool) {
	b, ok := s.accounts.Get(keyID, id, kind, nil)
	return string(b), ok && len(b) > 0
}

// KeepItemAt remembers that the account keeps an item of an answer.
func (s *Store) KeepItemAt(keyID, id, account string) {
	s.accounts.Put(keyID, id, itemKind, nil, []byte(account))
}

// ItemAccount returns the account that keeps an item.
func (s *Store) ItemAccount(keyID, id string) (string, bool) {
	b, ok := s.accounts.Get(keyID, id, itemKind, nil)
	return string(b), ok && len(b) > 0
}

// Keep remembers a conversation.
func (s *Store) Keep(keyID, id string, c *Conversation) {
	if len(c.Input)+len(c.Response) > maxConversation {
		return
	}
	b, err := wire.Marshal(c)
	if err != nil { // it holds what was decoded before
		return
	}
	s.items.Put(keyID, id, kind, nil, b)
	if start, end, ok := wire.Path(c.Response, "output"); ok {
		wire.EachElement(c.Response[start:end], func(item []byte) bool {
			if at, to, ok := wire.Path(item, "id"); ok {
				if id, ok := wire.String(item[at:to]); ok && id != "" {
					s.items.Put(keyID, id, itemKind, nil, item)
				}
			}
			return true
		})
	}
}

// Item returns an item of an answer that was kept, by the id it has.
func (s *Store) Item(keyID, id string) (json.RawMessage, bool) {
	b, ok := s.items.Get(keyID, id, itemKind, nil)
	return b, ok && len(b) > 0
}

// Conversation returns what was kept of an answer.
func (s *Store) Conversation(keyID, id string) (*Conversation, bool) {
	b, ok := s.items.Get(keyID, id, kind, nil)
	if !ok || len(b) == 0 {
		return nil, false
	}
	c := &Conversation{}
	return c, wire.Unmarshal(b, c) == nil
}

// Forget removes what is remembered of an answer.
func (s *Store) Forget(keyID, id string) {
	for _, v := range []*vault.Vault{s.accounts, s.items} {
		if _, ok := v.Get(keyID, id, kind, nil); ok {
			v.Put(keyID, id, kind, nil, nil)
		}
	}
}

// Items returns the conversation and what is said next as one list of items.
func (c *Conversation) Items(next json.RawMessage) json.RawMessage {
	out := json.RawMessage("[")
	one := func(item []byte) bool {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, item...)
		return true
	}
	wire.EachElement(c.Input, one)
	if start, end, ok := wire.Path(c.Response, "output"); ok {
		wire.EachElement(c.Response[start:end], one)
	}
	wire.EachElement(next, one)
	return append(out, ']')
}

// AsItems returns an input as a list: a string is a user's message.
func AsItems(input json.RawMessage) json.RawMessage {
	switch {
	case len(input) == 0 || string(input) == "null":
		return json.RawMessage("[]")
	case input[0] == '"':
		out := append(json.RawMessage(`[{"type":"message","role":"user","content":`), input...)
		return append(out, "}]"...)
	}
	return input
}
