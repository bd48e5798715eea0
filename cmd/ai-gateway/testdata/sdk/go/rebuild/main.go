// Program rebuild gives recorded streams to the vendors' Go SDKs: it reads one JSON
// object {"id","format","stream"} a line and writes, one line {"id","body"} or
// {"id","error"}, the whole message that the format's SDK puts together from it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"
)

type object = map[string]any

func main() {
	in := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	out := bufio.NewWriter(os.Stdout)
	enc := json.NewEncoder(out)
	for in.More() {
		var line struct{ ID, Format, Stream string }
		if err := in.Decode(&line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer := object{"id": line.ID}
		body, err := rebuild(line.Format, played(line.Stream))
		if err != nil {
			answer["error"] = err.Error()
		} else {
			answer["body"] = body
		}
		if err := enc.Encode(answer); err != nil {
			os.Exit(1)
		}
	}
	if err := out.Flush(); err != nil {
		os.Exit(1)
	}
}

// A played stream is what every request of a client is answered with.
type played string

func (p played) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(strings.NewReader(string(p)))}, nil
}

// rebuild panics to errors: an SDK that cannot take a stream is a finding, not the end.
func rebuild(format string, p played) (body any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	httpc := &http.Client{Transport: p}
	switch format {
	case "chat":
		return chat(openai.NewClient(openaioption.WithAPIKey("k"), openaioption.WithHTTPClient(httpc), openaioption.WithMaxRetries(0)))
	case "responses":
		return response(openai.NewClient(openaioption.WithAPIKey("k"), openaioption.WithHTTPClient(httpc), openaioption.WithMaxRetries(0)))
	case "messages":
		return message(anthropic.NewClient(anthropicoption.WithAPIKey("k"), anthropicoption.WithHTTPClient(httpc), anthropicoption.WithMaxRetries(0)))
	case "gemini":
		return content(httpc)
	}
	return nil, fmt.Errorf("unknown format %q", format)
}

func chat(c openai.Client) (any, error) {
	stream := c.Chat.Completions.NewStreaming(context.Background(), openai.ChatCompletionNewParams{Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("x")}})
	var acc openai.ChatCompletionAccumulator
	for stream.Next() {
		if !acc.AddChunk(stream.Current()) {
			return nil, fmt.Errorf("the accumulator refuses %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil || len(acc.Choices) == 0 {
		return nil, errors.Join(err, fmt.Errorf("%d choices", len(acc.Choices)))
	}
	first := acc.Choices[0] // as a caller would send it back
	return object{"id": acc.ID, "model": acc.Model, "choices": []object{{"message": first.Message.ToParam(), "finish_reason": first.FinishReason}}, "usage": acc.Usage}, nil
}

func message(c anthropic.Client) (any, error) {
	stream := c.Messages.NewStreaming(context.Background(), anthropic.MessageNewParams{Model: "m", MaxTokens: 1, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("x"))}})
	var m anthropic.Message
	ended := false
	for stream.Next() {
		if err := m.Accumulate(stream.Current()); err != nil {
			return nil, err
		}
		ended = stream.Current().Type == "message_stop"
	}
	if err := stream.Err(); err != nil || !ended {
		return nil, errors.Join(err, fmt.Errorf("ended with message_stop: %v", ended))
	}
	blocks := []object{}
	for _, b := range m.Content {
		o := object{"type": b.Type}
		switch v := b.AsAny().(type) {
		case anthropic.TextBlock:
			o["text"] = v.Text
		case anthropic.ThinkingBlock:
			o["thinking"], o["signature"] = v.Thinking, v.Signature
		case anthropic.RedactedThinkingBlock:
			o["data"] = v.Data
		case anthropic.ToolUseBlock:
			o["id"], o["name"], o["input"] = v.ID, v.Name, v.Input
		default:
			o["raw"] = b.RawJSON()
		}
		blocks = append(blocks, o)
	}
	u := m.Usage
	return object{"id": m.ID, "type": "message", "role": m.Role, "model": m.Model, "content": blocks, "stop_reason": m.StopReason, "stop_sequence": m.StopSequence,
		"usage": object{"input_tokens": u.InputTokens, "output_tokens": u.OutputTokens, "cache_read_input_tokens": u.CacheReadInputTokens, "cache_creation_input_tokens": u.CacheCreationInputTokens,
			"output_tokens_details": object{"thinking_tokens": u.OutputTokensDetails.ThinkingTokens}}}, nil
}

// response reads the items of the last event by their types, and holds the text of
// the deltas against them.
func response(c openai.Client) (any, error) {
	stream := c.Responses.NewStreaming(context.Background(), responses.ResponseNewParams{Model: "m", Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("x")}})
	var last *responses.Response
	deltas := map[string]string{} // item → what its deltas say
	for stream.Next() {
		switch e := stream.Current().AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			deltas[e.ItemID] += e.Delta
		case responses.ResponseRefusalDeltaEvent:
			deltas[e.ItemID] += e.Delta
		case responses.ResponseFunctionCallArgumentsDeltaEvent:
			deltas[e.ItemID] += e.Delta
		case responses.ResponseCustomToolCallInputDeltaEvent:
			deltas[e.ItemID] += e.Delta
		case responses.ResponseCompletedEvent:
			last = &e.Response
		case responses.ResponseIncompleteEvent:
			last = &e.Response
		case responses.ResponseFailedEvent:
			return nil, fmt.Errorf("failed: %s", e.Response.Error.Message)
		case responses.ResponseErrorEvent:
			return nil, fmt.Errorf("error: %s", e.Message)
		}
	}
	if err := stream.Err(); err != nil || last == nil {
		return nil, errors.Join(err, fmt.Errorf("has a last event: %v", last != nil))
	}
	output := []object{}
	for _, item := range last.Output {
		o, said := outputItem(item)
		if d, streamed := deltas[item.ID]; streamed && d != said {
			return nil, fmt.Errorf("item %s is %q, its deltas say %q", item.ID, said, d)
		}
		output = append(output, o)
	}
	u := last.Usage
	return object{"id": last.ID, "object": "response", "model": last.Model, "status": last.Status, "output": output, "incomplete_details": object{"reason": last.IncompleteDetails.Reason},
		"usage": object{"input_tokens": u.InputTokens, "output_tokens": u.OutputTokens, "input_tokens_details": object{"cached_tokens": u.InputTokensDetails.CachedTokens, "cache_write_tokens": u.InputTokensDetails.CacheWriteTokens},
			"output_tokens_details": object{"reasoning_tokens": u.OutputTokensDetails.ReasoningTokens}}}, nil
}

func outputItem(item responses.ResponseOutputItemUnion) (o object, said string) {
	o = object{"type": item.Type, "id": item.ID}
	switch v := item.AsAny().(type) {
	case responses.ResponseOutputMessage:
		parts := []object{}
		for _, p := range v.Content {
			parts = append(parts, object{"type": p.Type, "text": p.Text, "refusal": p.Refusal})
			said += p.Text + p.Refusal
		}
		o["content"], o["role"], o["status"] = parts, v.Role, v.Status
	case responses.ResponseReasoningItem:
		content, summary := []object{}, []object{}
		for _, p := range v.Content {
			content = append(content, object{"text": p.Text})
		}
		for _, p := range v.Summary {
			summary = append(summary, object{"text": p.Text})
		}
		o["content"], o["summary"], o["encrypted_content"] = content, summary, v.EncryptedContent
	case responses.ResponseFunctionToolCall:
		said = v.Arguments
		o["call_id"], o["name"], o["arguments"], o["namespace"] = v.CallID, v.Name, v.Arguments, v.Namespace
	case responses.ResponseCustomToolCall:
		said = v.Input
		o["call_id"], o["name"], o["input"] = v.CallID, v.Name, v.Input
	}
	return o, said
}

func content(httpc *http.Client) (any, error) {
	ctx := context.Background()
	client, err := genai.NewClient(ctx, &genai.ClientConfig{APIKey: "k", Backend: genai.BackendGeminiAPI, HTTPClient: httpc})
	if err != nil {
		return nil, err
	}
	dialogue, err := client.Chats.Create(ctx, "m", nil, nil)
	if err != nil {
		return nil, err
	}
	var last *genai.GenerateContentResponse
	blocked := genai.BlockedReason("")
	finish := genai.FinishReason("")
	for chunk, err := range dialogue.SendMessageStream(ctx, genai.Part{Text: "x"}) {
		if err != nil {
			return nil, err
		}
		if last = chunk; chunk.PromptFeedback != nil {
			blocked = chunk.PromptFeedback.BlockReason
		}
		if len(chunk.Candidates) > 0 && chunk.Candidates[0].FinishReason != "" {
			finish = chunk.Candidates[0].FinishReason
		}
	}
	if last == nil {
		return nil, errors.New("the stream is empty")
	}
	parts := []*genai.Part{}
	for _, c := range dialogue.History(false)[1:] {
		parts = append(parts, c.Parts...)
	}
	body := object{"candidates": []object{{"content": object{"role": "model", "parts": parts}, "finishReason": finish}}, "usageMetadata": last.UsageMetadata, "modelVersion": last.ModelVersion, "responseId": last.ResponseID}
	if blocked != "" {
		body["promptFeedback"] = object{"blockReason": blocked}
	}
	if len(dialogue.History(true)) == 0 && blocked == "" {
		body["forgotten"] = true // what is not valid is not sent with the next turn
	}
	return body, nil
}
