// Program anthropic runs Anthropic's Go SDK against the gateway.
package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/your-org/ai-api-gateway/sdktest/report"
)

var (
	ctx    = context.Background()
	client = anthropic.NewClient(option.WithBaseURL(report.Gateway), option.WithAPIKey(report.Key), option.WithMaxRetries(0))
	tools  = []anthropic.ToolUnionParam{
		{OfTool: &anthropic.ToolParam{Name: "get_weather", Description: anthropic.String("The weather"), InputSchema: inputSchema(report.Weather)}},
		{OfTool: &anthropic.ToolParam{Name: "get_time", InputSchema: inputSchema(report.Nothing)}},
	}
)

func inputSchema(s map[string]any) anthropic.ToolInputSchemaParam {
	return anthropic.ToolInputSchemaParam{Properties: s["properties"], Required: s["required"].([]string), ExtraFields: map[string]any{"additionalProperties": false}}
}

type request = anthropic.MessageNewParams

type sender func(request) (*anthropic.Message, error)

func say(blocks ...anthropic.ContentBlockParamUnion) request {
	return request{Model: report.Model, MaxTokens: 4000, System: []anthropic.TextBlockParam{{Text: "Be brief."}}, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(blocks...)}}
}

func text(s string) anthropic.ContentBlockParamUnion { return anthropic.NewTextBlock(s) }

func ask(r request) (*anthropic.Message, error) { return client.Messages.New(ctx, r) }

// askStreamed gathers a stream with the SDK's accumulator.
func askStreamed(r request) (*anthropic.Message, error) {
	stream := client.Messages.NewStreaming(ctx, r)
	var m anthropic.Message
	for stream.Next() {
		if err := m.Accumulate(stream.Current()); err != nil {
			return &m, err
		}
	}
	return &m, stream.Err()
}

func must(m *anthropic.Message, err error) *anthropic.Message {
	report.Check(err)
	return m
}

func textOf(m *anthropic.Message) (s string) {
	for _, b := range m.Content {
		if b.Type == "text" {
			s += b.Text
		}
	}
	return s
}

func checkUsage(u anthropic.Usage) {
	report.Equal([]int64{u.InputTokens, u.CacheReadInputTokens, u.OutputTokens}, []int64{15, 5, 10})
}

// answer adds a turn of the model and the results of the tools it asked for.
func answer(r *request, m *anthropic.Message) (calls int) {
	var results []anthropic.ContentBlockParamUnion
	for _, b := range m.Content {
		if b.Type == "tool_use" {
			results = append(results, anthropic.NewToolResultBlock(b.ID, report.Use(b.Name, b.Input), false))
		}
	}
	r.Messages = append(r.Messages, m.ToParam())
	if results != nil {
		r.Messages = append(r.Messages, anthropic.NewUserMessage(results...))
	}
	return len(results)
}

// loop runs a tool loop until the model answers.
func loop(send sender, words string, rounds, calls int) string {
	r := say(text(words))
	r.Tools = tools
	for range rounds {
		m := must(send(r))
		report.Equal(string(m.StopReason), "tool_use")
		checkUsage(m.Usage)
		report.Equal(answer(&r, m), calls)
	}
	m := must(send(r))
	report.Equal(string(m.StopReason), "end_turn")
	return textOf(m)
}

func both(words string, rounds int, want string) {
	report.Equal(loop(ask, words, rounds, 1), want)
	report.Equal(loop(askStreamed, words, rounds, 1), want)
}

func think(send sender) {
	r := say(text("#steps"))
	r.Tools, r.Model, r.Thinking = tools, report.Thinker, anthropic.ThinkingConfigParamOfEnabled(2000)
	var m *anthropic.Message
	for _, step := range []string{"1", "2", "3"} {
		m = must(send(r))
		report.Equal(m.Content[0].Thinking, "The user wrote 6 bytes; step "+step+".")
		if report.Format == "anthropic" {
			report.Equal(m.Content[0].Signature[:3], "Sig")
		}
		answer(&r, m)
	}
	report.Equal([]string{textOf(m), string(m.StopReason)}, []string{report.Steps, "end_turn"})
}

// failure returns the SDK's error of a call that must fail with a status.
func failure(err error, status int, typ string) *anthropic.Error {
	var e *anthropic.Error
	if !errors.As(err, &e) {
		panic(err)
	}
	report.Equal(e.StatusCode, status)
	report.Contains(e.RawJSON(), `"`+typ+`"`)
	return e
}

func eachWay(r request, check func(error)) {
	_, err := ask(r)
	check(err)
	_, err = askStreamed(r)
	check(err)
}

// broken reads a stream that fails and returns the error.
func broken(model string) string {
	r := say(text("Hello"))
	r.Model = model
	m, err := askStreamed(r)
	report.Contains(report.Greeting(1, "Hello"), textOf(m))
	if err == nil {
		panic("the stream ended well")
	}
	return err.Error()
}

func main() {
	report.All([]report.Scenario{
		{Name: "chat", Run: chat}, {Name: "history", Run: history}, {Name: "stream", Run: stream}, {Name: "stop", Run: stop},
		{Name: "length", Run: length}, {Name: "image", Run: image}, {Name: "structured", Run: structured},
		{Name: "tool_loop", Run: func() { report.Equal(loop(ask, "#weather", 1, 1), report.Zurich) }},
		{Name: "tool_loop_streamed", Run: func() { report.Equal(loop(askStreamed, "#weather", 1, 1), report.Zurich) }},
		{Name: "parallel_tools", Run: func() { report.Equal(loop(ask, "#parallel", 1, 2), report.Both) }},
		{Name: "parallel_tools_streamed", Run: func() { report.Equal(loop(askStreamed, "#parallel", 1, 2), report.Both) }},
		{Name: "no_arguments", Run: func() { both("#noargs", 1, report.Clock) }},
		{Name: "two_steps", Run: func() { both("#steps", 2, report.Steps) }},
		{Name: "tool_choice", Run: toolChoice},
		{Name: "thinking", Run: func() { think(ask) }}, {Name: "thinking_streamed", Run: func() { think(askStreamed) }},
		{Name: "wrong_key", Run: wrongKey}, {Name: "unknown_model", Run: unknownModel}, {Name: "rate_limited", Run: rateLimited},
		{Name: "mid_stream_error", Run: func() { report.Contains(broken(report.Broken), report.Words("The server had an error", "Overloaded")) }},
		{Name: "lost_connection", Run: func() { report.Contains(broken(report.Cut), "upstream") }},
		{Name: "context_length", Run: contextLength}, {Name: "models", Run: models}, {Name: "count_tokens", Run: countTokens},
	}...)
}

func chat() {
	m := must(ask(say(text("Hello"))))
	report.Equal(len(m.Content), 1)
	report.Equal(textOf(m), report.Greeting(1, "Hello"))
	report.Equal([]string{string(m.Type), string(m.Role), string(m.StopReason), m.Model}, []string{"message", "assistant", "end_turn", report.Model})
	report.Equal(m.ID != "", true)
	checkUsage(m.Usage)
}

func history() {
	r := say(text("One"))
	marked := text("Drei ✓")
	marked.OfText.CacheControl = anthropic.NewCacheControlEphemeralParam()
	r.Messages = append(r.Messages, anthropic.NewAssistantMessage(text("Two")), anthropic.NewUserMessage(marked))
	report.Equal(textOf(must(ask(r))), report.Greeting(3, "Drei ✓"))
}

func stream() {
	m := must(askStreamed(say(text("Hello"))))
	report.Equal(textOf(m), report.Greeting(1, "Hello"))
	report.Equal([]string{string(m.Role), string(m.StopReason), m.Model}, []string{"assistant", "end_turn", report.Model})
	checkUsage(m.Usage)
}

func stop() {
	for _, send := range []sender{ask, askStreamed} {
		r := say(text("#stop"))
		r.StopSequences = []string{"END"}
		m := must(send(r))
		// OpenAI's format does not tell which sequence it was, nor that it was one.
		report.Equal([]string{textOf(m), string(m.StopReason), m.StopSequence}, []string{"Up to here", report.Words("end_turn", "stop_sequence"), report.Words("", "END")})
	}
}

func length() {
	for _, send := range []sender{ask, askStreamed} {
		r := say(text("#long"))
		r.MaxTokens = 77
		m := must(send(r))
		report.Equal([]string{textOf(m), string(m.StopReason)}, []string{"Cut at 77", "max_tokens"})
	}
}

func image() {
	report.Equal(textOf(must(ask(say(text("#image"), anthropic.NewImageBlockBase64("image/png", report.PNG))))), report.Saw)
}

func structured() {
	for _, send := range []sender{ask, askStreamed} {
		r := say(text("#json"))
		r.OutputConfig = anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: report.Answer}}
		report.Equal(textOf(must(send(r))), report.JSON)
	}
}

func toolChoice() {
	f := func(want string, choice anthropic.ToolChoiceUnionParam) {
		r := say(text("#choice"))
		r.Tools, r.ToolChoice = tools, choice
		report.Equal(textOf(must(ask(r))), want)
	}
	f("choice=auto serial=false", anthropic.ToolChoiceUnionParam{})
	f("choice=none serial=false", anthropic.ToolChoiceUnionParam{OfNone: &anthropic.ToolChoiceNoneParam{}})
	f("choice=required serial=false", anthropic.ToolChoiceUnionParam{OfAny: &anthropic.ToolChoiceAnyParam{}})
	f("choice=get_time serial=true", anthropic.ToolChoiceUnionParam{OfTool: &anthropic.ToolChoiceToolParam{Name: "get_time", DisableParallelToolUse: anthropic.Bool(true)}})
	f("choice=auto serial=true", anthropic.ToolChoiceUnionParam{OfAuto: &anthropic.ToolChoiceAutoParam{DisableParallelToolUse: anthropic.Bool(true)}})
}

func wrongKey() {
	wrong := anthropic.NewClient(option.WithBaseURL(report.Gateway), option.WithAPIKey("sk-gw-wrong"), option.WithMaxRetries(0))
	_, err := wrong.Messages.New(ctx, say(text("Hello")))
	failure(err, http.StatusUnauthorized, "authentication_error")
}

func unknownModel() {
	r := say(text("Hello"))
	r.Model = "no-such-model"
	eachWay(r, func(err error) {
		report.Contains(failure(err, http.StatusNotFound, "not_found_error").RawJSON(), "no-such-model")
	})
}

func rateLimited() {
	r := say(text("Hello"))
	r.Model = report.Limited
	eachWay(r, func(err error) {
		wait := failure(err, http.StatusTooManyRequests, "rate_limit_error").Response.Header.Get("Retry-After")
		report.Equal(len(wait) == 1 && strings.Contains("1234567", wait), true)
	})
}

func contextLength() {
	eachWay(say(text("#toolong")), func(err error) {
		e := failure(err, http.StatusBadRequest, "invalid_request_error")
		report.Contains(e.RawJSON(), report.Words("maximum context length is 128000 tokens", "prompt is too long: 250000 tokens > 200000 maximum"))
	})
}

func models() {
	listed := map[string]bool{}
	pager := client.Models.ListAutoPaging(ctx, anthropic.ModelListParams{})
	for pager.Next() {
		listed[pager.Current().ID] = true
	}
	report.Check(pager.Err())
	report.Equal(listed[report.Model] && listed[report.Thinker] && listed[report.Limited], true)
	m, err := client.Models.Get(ctx, report.Model, anthropic.ModelGetParams{})
	report.Check(err)
	report.Equal(m.ID, report.Model)
}

func countTokens() {
	r := say(text(strings.Repeat("Hello ", 100)))
	n, err := client.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{Model: r.Model, Messages: r.Messages})
	report.Check(err)
	if report.Format == "anthropic" {
		report.Equal(n.InputTokens, int64(42)) // the upstream's word
		return
	}
	report.Equal(n.InputTokens >= 100 && n.InputTokens <= 600, true) // an estimate
}
