package providers

import (
	"errors"
	"strings"
)

// DefaultURL is the OpenAI way to address a call: the account's base URL (with or
// without a trailing slash) and the operation's path below it. The base is what
// the vendor's own SDK takes, so it includes the version ("https://api.openai.com/v1").
//
// The path is the dialect's for chat, and the caller's own (Call.Path) for
// relayed operations; where that is empty, the operation's usual one.
func DefaultURL(c *Call) string {
	return strings.TrimRight(c.Base, "/") + "/" + DefaultPath(c)
}

// DefaultPath returns the path of a call below the base URL in the OpenAI way,
// without a leading slash.
func DefaultPath(c *Call) string {
	if c.Op == OpChat {
		switch c.Dialect {
		case Responses:
			return "responses"
		case Messages:
			return "messages"
		}
		return "chat/completions"
	}
	if p := strings.TrimLeft(c.Path, "/"); p != "" {
		return p
	}
	switch c.Op {
	case OpCountTokens:
		return "messages/count_tokens"
	case OpInputTokens:
		return "responses/input_tokens"
	case OpCompact:
		return "responses/compact"
	case OpImages:
		return "images/generations"
	case OpAudio:
		return "audio/speech"
	}
	return string(c.Op) // completions, embeddings, models, moderations, rerank
}

// errKeyBytes says nothing of the key itself: errors end in logs.
var errKeyBytes = errors.New("cannot sign call: the key holds a space or control character")

// DefaultSign is the OpenAI way to authenticate: "Authorization: Bearer <key>".
// A call without a key (a local vendor) is left as it is.
func DefaultSign(c *Call) error {
	if c.Secret == "" {
		return nil
	}
	if err := CheckSecret(c.Secret); err != nil {
		return err
	}
	c.Set("Authorization", "Bearer "+c.Secret)
	return nil
}

// CheckSecret reports whether a key may stand in a header: visible ASCII only, so
// that a pasted line break can neither split the header nor fail far from its cause.
func CheckSecret(key string) error {
	for i := 0; i < len(key); i++ {
		if key[i] <= ' ' || key[i] >= 0x7f {
			return errKeyBytes
		}
	}
	return nil
}
