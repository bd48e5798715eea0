package demo

import (
	"encoding/json"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// An ask is what a caller wants, whatever the format it came in.
type ask struct {
	model  string
	stream bool
	usage  bool // report usage in the stream
	max    int  // tokens to write at most; -1: not said
	stop   []string

	system string
	turns  []turn
	tools  []tool
	choice string // "", auto, none, required, or a tool's name after "="

	format string // "", json_object, json_schema
	schema json.RawMessage
}

// A turn is one message.
type turn struct {
	role    string
	text    string
	images  int
	calls   map[string]string // tool names by call id
	results []result
}

type result struct{ id, text string }

type tool struct {
	name, description string
	schema            json.RawMessage
}

// prompt returns the tokens of what was asked; images count 85 each (the price of
// a small image at OpenAI), each message four for its frame.
func (a *ask) prompt() int {
	n := 3 + count(a.system)
	for _, t := range a.turns {
		n += 4 + count(t.text) + 85*t.images
		for _, r := range t.results {
			n += count(r.text)
		}
		for _, name := range t.calls {
			n += count(name)
		}
	}
	for _, t := range a.tools {
		n += 8 + count(t.name) + count(t.description) + len(t.schema)/4
	}
	return n
}

// said returns the last thing the user said.
func (a *ask) said() string {
	for i := len(a.turns) - 1; i >= 0; i-- {
		if t := a.turns[i]; t.role == "user" && t.text != "" {
			return t.text
		}
	}
	return ""
}

// answered returns the results of tools that the last turns hold, with the tools' names.
func (a *ask) answered() (names, texts []string) {
	for i := len(a.turns) - 1; i >= 0 && len(a.turns[i].results) > 0; i-- {
		for _, r := range a.turns[i].results {
			names = append(names, a.toolNamed(r.id))
			texts = append(texts, r.text)
		}
	}
	return names, texts
}

func (a *ask) toolNamed(id string) string {
	for _, t := range a.turns {
		if name, ok := t.calls[id]; ok {
			return name
		}
	}
	return ""
}

// A refusal is an error the engine answers a request with.
type refusal struct {
	status  int
	param   string
	code    string
	message string
}

func (r *refusal) Error() string { return r.message }

func invalid(param, message string) *refusal {
	return &refusal{status: 400, param: param, message: message}
}

// decode reads body into v.
func decode(body []byte, v any) *refusal {
	if err := wire.Unmarshal(body, v); err != nil {
		return invalid("", "We could not parse the JSON body of your request: "+err.Error())
	}
	return nil
}

// strings1 reads a member that is a string or a list of strings.
func strings1(raw json.RawMessage) ([]string, bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, true
	}
	var one string
	if wire.Unmarshal(raw, &one) == nil {
		return []string{one}, true
	}
	var many []string
	if wire.Unmarshal(raw, &many) == nil {
		return many, true
	}
	return nil, false
}
