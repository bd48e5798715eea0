package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
)

// wellFormed checks the order of events that providers.EventKind promises.
func wellFormed(events []providers.Event, ended bool) error {
	open, started, finished := map[int]providers.BlockKind{}, map[int]bool{}, 0
	next := 0
	for i, e := range events {
		switch e.Kind {
		case providers.EventStart:
			if started[-1] {
				return errors.New("two starts")
			}
			started[-1] = true
		case providers.EventBlockStart:
			if e.Index != next {
				return fmt.Errorf("block %d starts, %d was due", e.Index, next)
			}
			next++
			open[e.Index] = e.Block.Kind
		case providers.EventBlockDelta:
			if open[e.Index] != e.Block.Kind {
				return fmt.Errorf("event %d: delta of kind %d in block of kind %d", i, e.Block.Kind, open[e.Index])
			}
		case providers.EventBlockStop:
			if open[e.Index] == 0 {
				return fmt.Errorf("event %d stops block %d, which is not open", i, e.Index)
			}
			delete(open, e.Index)
		case providers.EventFinish:
			finished++
		case providers.EventEnd:
			if i != len(events)-1 {
				return errors.New("events behind the end")
			}
		}
	}
	if len(open) > 0 || !started[-1] || finished == 0 {
		return fmt.Errorf("open blocks %v, started %v, finished %d", open, started[-1], finished)
	}
	if ended != (events[len(events)-1].Kind == providers.EventEnd) {
		return fmt.Errorf("end event: want %v", ended)
	}
	return nil
}

// A message is what a stream or an answer says, put together.
type message struct {
	Text, Thinking, Refusal string
	Calls                   []string
	Finish                  string
}

// fromEvents puts the blocks of one choice together.
func fromEvents(events []providers.Event, choice int) (m message) {
	calls := map[int]int{}
	args := []string{}
	for _, e := range events {
		if e.Choice != choice {
			continue
		}
		switch e.Kind {
		case providers.EventBlockStart:
			if e.Block.Kind == providers.KindToolCall {
				calls[e.Index] = len(m.Calls)
				m.Calls = append(m.Calls, e.Block.ID+" "+e.Block.ToolName)
				args = append(args, "")
			}
		case providers.EventBlockDelta:
			switch e.Block.Kind {
			case providers.KindText:
				m.Text += e.Block.Text
			case providers.KindThinking:
				m.Thinking += e.Block.Text
			case providers.KindRefusal:
				m.Refusal += e.Block.Text
			case providers.KindToolCall:
				args[calls[e.Index]] += e.Block.Text
			}
		case providers.EventFinish:
			m.Finish = e.RawFinish
		}
	}
	for i := range m.Calls {
		if args[i] == "" {
			args[i] = "{}"
		}
		m.Calls[i] += " " + args[i]
	}
	return m
}

// fromChunks is what a plain client of the format makes of a stream.
func fromChunks(t *testing.T, sse string, choice int) (m message) {
	type fn struct{ Name, Arguments string }
	type call struct {
		Index    *int
		ID       string
		Function fn
	}
	var calls []call
	for _, data := range payloads(sse) {
		if data == "[DONE]" {
			break
		}
		var chunk struct {
			Choices []struct {
				Index  int
				Finish string `json:"finish_reason"`
				Delta  struct {
					Content    any
					Reasoning  string
					Reasoning2 string                           `json:"reasoning_content"`
					Details    []struct{ Text, Summary string } `json:"reasoning_details"`
					Refusal    string
					Calls      []call `json:"tool_calls"`
				}
			}
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Fatal(err)
		}
		for _, c := range chunk.Choices {
			if c.Index != choice {
				continue
			}
			switch v := c.Delta.Content.(type) {
			case string:
				m.Text += v
			case []any:
				for _, p := range v {
					part := p.(map[string]any)
					if s, ok := part["text"].(string); ok {
						m.Text += s
					}
					list, _ := part["thinking"].([]any)
					for _, q := range list {
						m.Thinking += q.(map[string]any)["text"].(string)
					}
				}
			}
			switch {
			case c.Delta.Reasoning2 != "":
				m.Thinking += c.Delta.Reasoning2
			case c.Delta.Reasoning != "":
				m.Thinking += c.Delta.Reasoning
			default:
				for _, d := range c.Delta.Details {
					m.Thinking += d.Text + d.Summary
				}
			}
			m.Refusal += c.Delta.Refusal
			if c.Finish != "" && m.Finish == "" {
				m.Finish = c.Finish
			}
			for _, f := range c.Delta.Calls {
				if f.ID != "" && f.Function.Name != "" && (len(calls) == 0 || f.ID != calls[len(calls)-1].ID) {
					calls = append(calls, f)
					continue
				}
				for i := len(calls) - 1; i >= 0; i-- {
					if calls[i].Index == nil || f.Index == nil || *calls[i].Index == *f.Index {
						calls[i].Function.Arguments += f.Function.Arguments
						break
					}
				}
			}
		}
	}
	for _, c := range calls {
		if c.Function.Arguments == "" {
			c.Function.Arguments = "{}"
		}
		m.Calls = append(m.Calls, c.ID+" "+c.Function.Name+" "+c.Function.Arguments)
	}
	return m
}
