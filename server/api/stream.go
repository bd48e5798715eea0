package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxEvent bounds one event of a stream.
const maxEvent = 16 << 20

// A ChatDelta is one piece of a streamed answer. ToolCalls are fragments: those
// of the same Index belong together, and their Arguments are to be joined.
type ChatDelta struct {
	Content      string
	Reasoning    string
	Refusal      string
	ToolCalls    []ToolCall
	FinishReason string
	Usage        *ChatUsage
}

// ErrCut tells that a stream ended before it was complete.
var ErrCut = errors.New("the answer was cut off: the connection ended before the stream was complete")

// ChatStream makes one streamed call and gives each piece to each. An error of
// each ends the call, which also stops the upstream, and is returned.
//
// The reply holds what was gathered, also beside an error; it is nil only if
// nothing was answered. An error event in the stream is an *Error with status 0,
// a stream without its end ErrCut.
func (c *Client) ChatStream(ctx context.Context, r ChatRequest, each func(ChatDelta) error) (*ChatReply, error) {
	body, err := wireRequest{ChatRequest: r, Stream: true, StreamOptions: &streamOptions{true}}.encode()
	if err != nil {
		return nil, fmt.Errorf("cannot encode the request: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	res, err := c.send(ctx, "POST", chatPath, nil, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	g := gathered{reply: &ChatReply{Gateway: gatewayOf(res.Header), Message: ChatMessage{Role: "assistant"}}}
	err = readEvents(res.Body, func(data []byte) error {
		d, err := g.take(data)
		if err != nil || d == nil {
			return err
		}
		return each(*d)
	})
	reply := g.whole()
	switch {
	case err == nil:
		return reply, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return reply, fmt.Errorf("cancelled: %w", context.Canceled)
	case ctx.Err() != nil:
		return reply, fmt.Errorf("the answer took too long: %w", ctx.Err())
	}
	return reply, err
}

// readEvents gives the data of each event to each, until [DONE]. Lines may end
// in LF or CRLF; comments and other fields are skipped, several data lines of
// one event are joined (WHATWG HTML, "Server-sent events").
func readEvents(r io.Reader, each func(data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 16<<10), maxEvent)
	var data []byte
	has := false
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte{'\r'})
		if len(line) == 0 {
			if has {
				if bytes.Equal(bytes.TrimSpace(data), []byte("[DONE]")) {
					return nil
				}
				if err := each(data); err != nil {
					return err
				}
			}
			data, has = data[:0], false
			continue
		}
		value, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			continue
		}
		if has {
			data = append(data, '\n')
		}
		data, has = append(data, bytes.TrimPrefix(value, []byte{' '})...), true
		if len(data) > maxEvent {
			return fmt.Errorf("an event of the stream is larger than %d MiB", maxEvent>>20)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("an event of the stream is larger than %d MiB", maxEvent>>20)
	case err != nil:
		return fmt.Errorf("%w (%w)", ErrCut, err)
	case has && bytes.Equal(bytes.TrimSpace(data), []byte("[DONE]")):
		return nil // the last line needs no empty one after it
	}
	return ErrCut
}

// gathered is an answer that is being put together from its pieces.
type gathered struct {
	reply                       *ChatReply
	content, reasoning, refusal strings.Builder
	calls                       []*gatheredCall
}

type gatheredCall struct {
	ToolCall
	arguments strings.Builder
}

// take adds one event to the reply and returns it as a delta; nil for an event that adds nothing.
func (g *gathered) take(data []byte) (*ChatDelta, error) {
	r := g.reply
	var w struct {
		ID      string `json:"id"`
		Model   string `json:"model"`
		Choices []struct {
			Index  int         `json:"index"`
			Delta  wireMessage `json:"delta"`
			Finish string      `json:"finish_reason"`
		} `json:"choices"`
		Usage *ChatUsage      `json:"usage"`
		Error json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return nil, fmt.Errorf("cannot read an event of the stream: %w", err)
	}
	if len(w.Error) > 0 && !bytes.Equal(w.Error, []byte("null")) {
		return nil, readError(0, data, r.Gateway.RequestID)
	}
	if w.ID != "" {
		r.ID = w.ID
	}
	if w.Model != "" {
		r.Model = w.Model
	}
	var d ChatDelta
	if w.Usage != nil {
		r.Usage, d.Usage = w.Usage, w.Usage
	}
	for _, ch := range w.Choices {
		if ch.Index != 0 {
			continue // one answer is asked for
		}
		text, _, err := readContent(ch.Delta.Content)
		if err != nil {
			return nil, fmt.Errorf("cannot read an event of the stream: %w", err)
		}
		d.Content += text
		d.Reasoning += ch.Delta.Reasoning + ch.Delta.Reasoning2
		d.Refusal += ch.Delta.Refusal
		if ch.Finish != "" {
			d.FinishReason = ch.Finish
		}
		for _, t := range ch.Delta.ToolCalls {
			d.ToolCalls = append(d.ToolCalls, ToolCall{Index: t.Index, ID: t.ID, Name: t.Function.Name, Arguments: t.Function.Arguments})
		}
	}
	if d.empty() {
		return nil, nil
	}
	g.add(d)
	return &d, nil
}

func (d *ChatDelta) empty() bool {
	return d.Content+d.Reasoning+d.Refusal+d.FinishReason == "" && len(d.ToolCalls) == 0 && d.Usage == nil
}

func (g *gathered) add(d ChatDelta) {
	g.content.WriteString(d.Content)
	g.reasoning.WriteString(d.Reasoning)
	g.refusal.WriteString(d.Refusal)
	if d.FinishReason != "" {
		g.reply.FinishReason = d.FinishReason
	}
	for _, t := range d.ToolCalls {
		i := slices.IndexFunc(g.calls, func(x *gatheredCall) bool { return x.Index == t.Index })
		if i < 0 {
			i = len(g.calls)
			g.calls = append(g.calls, &gatheredCall{ToolCall: ToolCall{Index: t.Index}})
		}
		call := g.calls[i]
		call.ID = cmp.Or(call.ID, t.ID)
		call.Name = cmp.Or(call.Name, t.Name)
		call.arguments.WriteString(t.Arguments)
	}
}

// whole returns the answer as far as it was gathered.
func (g *gathered) whole() *ChatReply {
	m := &g.reply.Message
	m.Content, m.Reasoning, m.Refusal = g.content.String(), g.reasoning.String(), g.refusal.String()
	for _, c := range g.calls {
		c.Arguments = c.arguments.String()
		m.ToolCalls = append(m.ToolCalls, c.ToolCall)
	}
	return g.reply
}
