package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestChat(t *testing.T) {
	var body string
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body = string(b)
		h := w.Header()
		h.Set("X-Request-Id", "r1")
		h.Set("X-Gateway-Provider", "openai")
		h.Set("X-Gateway-Model", "gpt-4-0613")
		h.Set("X-Gateway-Attempts", "2")
		h.Set("X-Gateway-Overhead-Us", "93")
		h.Set("X-Gateway-Cost-Usd", "0.000123")
		_, _ = io.WriteString(w, `{"id":"c1","model":"gpt-4","choices":[{"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],
			"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}}`)
	})
	got, err := c.Chat(context.Background(), ChatRequest{Model: "gpt-4", Messages: []ChatMessage{{Role: "user", Content: "hi"}},
		Extra: map[string]json.RawMessage{"seed": json.RawMessage("7"), "model": json.RawMessage(`"other"`)}})
	if err != nil {
		t.Fatal(err)
	}
	cost := USD(123_000)
	want := &ChatReply{ID: "c1", Model: "gpt-4", Message: ChatMessage{Role: "assistant", Content: "hello"}, FinishReason: "stop",
		Usage:   &ChatUsage{9, 2, 4, 1},
		Gateway: Gateway{RequestID: "r1", Provider: "openai", Model: "gpt-4-0613", Attempts: 2, OverheadUs: 93, CostUSD: &cost}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if body != `{"messages":[{"role":"user","content":"hi"}],"model":"gpt-4","seed":7}` {
		t.Errorf("sent %s", body)
	}
}

const goodStream = ": ping\r\n\r\n" +
	"data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n" +
	"event: x\nid: 4\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"think\"}}]}\n\n" +
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n" +
	"data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"}}]}\n\n" +
	"data:{\"choices\":[{\"index\":0,\n" + "data: \"delta\":{\"content\":\"lo\"}}]}\n\n" +
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n" +
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n" +
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"t2\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}},{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}}]}\n\n" +
	"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n" +
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\n" +
	"data: [DONE]\n\n"

func streaming(t *testing.T, text string) *Client {
	t.Helper()
	return answering(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(b), `"stream":true,"stream_options":{"include_usage":true}`) {
			t.Errorf("sent %s", b)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Request-Id", "r1")
		for _, piece := range strings.SplitAfter(text, "l") { // cut within events
			_, _ = io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
	})
}

func TestChatStream(t *testing.T) {
	c := streaming(t, goodStream)
	text, events := "", 0
	got, err := c.ChatStream(context.Background(), ChatRequest{Model: "m"}, func(d ChatDelta) error {
		text += d.Content
		events++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &ChatReply{ID: "c1", Model: "m", FinishReason: "tool_calls", Usage: &ChatUsage{PromptTokens: 3, CompletionTokens: 5},
		Message: ChatMessage{Role: "assistant", Content: "Hello", Reasoning: "think",
			ToolCalls: []ToolCall{{0, "t1", "f", `{"a":1}`}, {1, "t2", "g", "{}"}}},
		Gateway: Gateway{RequestID: "r1"}}
	if !reflect.DeepEqual(got, want) || text != "Hello" || events != 8 {
		t.Errorf("%d events, text %q\ngot  %+v\nwant %+v", events, text, got, want)
	}
}

// TestChatStreamCut cuts the good stream at every byte: nothing but the whole is a success.
func TestChatStreamCut(t *testing.T) {
	whole := strings.Index(goodStream, "[DONE]") + len("[DONE]")
	for i := range goodStream {
		g := gathered{reply: &ChatReply{}}
		err := readEvents(strings.NewReader(goodStream[:i]), func(data []byte) error {
			_, err := g.take(data)
			return err
		})
		if (err == nil) != (i >= whole) {
			t.Fatalf("cut at %d of %d: %v", i, len(goodStream), err)
		}
		if i < whole && !errors.Is(err, ErrCut) {
			t.Fatalf("cut at %d: %v, want ErrCut", i, err)
		}
	}
}

func TestChatStreamFails(t *testing.T) {
	start := "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n"
	run := func(text string, each func(ChatDelta) error) (*ChatReply, error) {
		if each == nil {
			each = func(ChatDelta) error { return nil }
		}
		return streaming(t, text).ChatStream(context.Background(), ChatRequest{}, each)
	}
	got, err := run(start+"data: {\"error\":{\"message\":\"upstream failed\",\"type\":\"server_error\",\"code\":\"upstream_error\"}}\n\n", nil)
	var e *Error
	if !errors.As(err, &e) || *e != (Error{0, "upstream_error", "server_error", "", "upstream failed", "r1"}) || got.Message.Content != "Hi" {
		t.Errorf("an error event gives %v, %+v", err, got)
	}
	got, err = run(start, nil)
	if !errors.Is(err, ErrCut) || got.Message.Content != "Hi" {
		t.Errorf("a stream without [DONE] gives %v, %+v", err, got)
	}
	if _, err = run(start+"data: {nonsense\n\n", nil); err == nil {
		t.Error("an event that is no JSON passes")
	}
	mine := errors.New("enough")
	if _, err = run(goodStream, func(ChatDelta) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("an error of the callback gives %v", err)
	}
}

func TestChatStreamCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	c := answering(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	got, err := c.ChatStream(ctx, ChatRequest{}, func(ChatDelta) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || got.Message.Content != "Hi" {
		t.Errorf("got %+v, %v", got, err)
	}
	<-gone
}

func TestLongEventIsRefused(t *testing.T) {
	long := io.MultiReader(strings.NewReader("data: "), io.LimitReader(spaces{}, maxEvent+1))
	if err := readEvents(long, func([]byte) error { return nil }); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func FuzzReadEvents(f *testing.F) {
	f.Add(goodStream)
	f.Add("data: {\"error\":\"x\"}\n\n")
	f.Add("data:\ndata: [DONE]")
	f.Fuzz(func(t *testing.T, s string) {
		g := gathered{reply: &ChatReply{}}
		_ = readEvents(strings.NewReader(s), func(data []byte) error {
			_, err := g.take(data)
			return err
		})
		_ = g.whole()
	})
}
