// Program openai runs OpenAI's Go SDK against the gateway.
package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"
	"github.com/your-org/ai-api-gateway/sdktest/report"
)

var (
	ctx    = context.Background()
	client = openai.NewClient(option.WithBaseURL(report.Gateway+"/v1"), option.WithAPIKey(report.Key), option.WithMaxRetries(0))
	tools  = []openai.ChatCompletionToolUnionParam{
		openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "get_weather", Description: openai.String("The weather"), Parameters: report.Weather, Strict: openai.Bool(true)}),
		openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "get_time", Parameters: report.Nothing}),
	}
)

type request = openai.ChatCompletionNewParams

type sender func(request) (*openai.ChatCompletion, error)

func say(text string) request {
	return request{Model: report.Model, Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(text)}}
}

func ask(r request) (*openai.ChatCompletion, error) { return client.Chat.Completions.New(ctx, r) }

// askStreamed gathers a stream with the SDK's accumulator.
func askStreamed(r request) (*openai.ChatCompletion, error) {
	r.StreamOptions = openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)}
	stream := client.Chat.Completions.NewStreaming(ctx, r)
	var acc openai.ChatCompletionAccumulator
	for stream.Next() {
		if !acc.AddChunk(stream.Current()) {
			return nil, errors.New("the accumulator refused a chunk: " + stream.Current().RawJSON())
		}
	}
	return &acc.ChatCompletion, stream.Err()
}

func must(c *openai.ChatCompletion, err error) *openai.ChatCompletion {
	report.Check(err)
	report.Equal(len(c.Choices), 1)
	return c
}

func checkUsage(u openai.CompletionUsage) {
	report.Equal([]int64{u.PromptTokens, u.CompletionTokens, u.TotalTokens, u.PromptTokensDetails.CachedTokens}, []int64{20, 10, 30, 5})
}

// loop runs a tool loop until the model answers.
func loop(send sender, text string, rounds, calls int) string {
	r := say(text)
	r.Tools = tools
	for range rounds {
		c := must(send(r))
		checkUsage(c.Usage)
		m := c.Choices[0].Message
		report.Equal(c.Choices[0].FinishReason, "tool_calls")
		report.Equal(len(m.ToolCalls), calls)
		r.Messages = append(r.Messages, m.ToParam())
		for _, call := range m.ToolCalls {
			result := report.Use(call.Function.Name, []byte(call.Function.Arguments))
			r.Messages = append(r.Messages, openai.ToolMessage(result, call.ID))
		}
	}
	c := must(send(r))
	report.Equal(c.Choices[0].FinishReason, "stop")
	return c.Choices[0].Message.Content
}

func both(text string, rounds int, want string) {
	report.Equal(loop(ask, text, rounds, 1), want)
	report.Equal(loop(askStreamed, text, rounds, 1), want)
}

// failure returns the SDK's error of a call that must fail with a status.
func failure(err error, status int) *openai.Error {
	var e *openai.Error
	if !errors.As(err, &e) {
		panic(errors.New("not an API error: " + textOf(err)))
	}
	report.Equal(e.StatusCode, status)
	return e
}

func textOf(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

func eachWay(r request, check func(error)) {
	_, err := ask(r)
	check(err)
	_, err = askStreamed(r)
	check(err)
}

// broken reads a stream that fails and returns the error.
func broken(model string) string {
	r := say("Hello")
	r.Model = model
	stream := client.Chat.Completions.NewStreaming(ctx, r)
	text := ""
	for stream.Next() {
		choice := stream.Current().Choices[0]
		text += choice.Delta.Content
		report.Equal(choice.FinishReason, "")
	}
	report.Contains(report.Greeting(1, "Hello"), text)
	if stream.Err() == nil {
		panic("the stream ended well")
	}
	return stream.Err().Error()
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
		{Name: "tool_choice", Run: toolChoice}, {Name: "wrong_key", Run: wrongKey}, {Name: "unknown_model", Run: unknownModel},
		{Name: "rate_limited", Run: rateLimited},
		{Name: "mid_stream_error", Run: func() { report.Contains(broken(report.Broken), report.Words("The server had an error", "Overloaded")) }},
		{Name: "lost_connection", Run: func() { report.Contains(broken(report.Cut), "upstream") }},
		{Name: "context_length", Run: contextLength}, {Name: "models", Run: models},
	}...)
}

func chat() {
	r := say("Hello")
	r.Temperature, r.Seed = openai.Float(1.5), openai.Int(7)
	c := must(ask(r))
	report.Equal(c.Choices[0].Message.Content, report.Greeting(1, "Hello"))
	report.Equal([]string{string(c.Choices[0].Message.Role), c.Choices[0].FinishReason, string(c.Object), c.Model}, []string{"assistant", "stop", "chat.completion", report.Model})
	report.Equal(c.ID != "" && c.Created > 0, true)
	checkUsage(c.Usage)
}

func history() {
	r := say("One")
	r.Messages = append(r.Messages, openai.AssistantMessage("Two"), openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{openai.TextContentPart("Drei ✓")}))
	report.Equal(must(ask(r)).Choices[0].Message.Content, report.Greeting(3, "Drei ✓"))
}

func stream() {
	c := must(askStreamed(say("Hello")))
	report.Equal(c.Choices[0].Message.Content, report.Greeting(1, "Hello"))
	report.Equal([]string{c.Choices[0].FinishReason, c.Model}, []string{"stop", report.Model})
	checkUsage(c.Usage)
	s, text := client.Chat.Completions.NewStreaming(ctx, say("Hello")), ""
	for s.Next() { // without asking for usage
		report.Equal(len(s.Current().Choices), 1)
		report.Equal(s.Current().Usage.PromptTokens, int64(0))
		text += s.Current().Choices[0].Delta.Content
	}
	report.Check(s.Err())
	report.Equal(text, report.Greeting(1, "Hello"))
}

func stop() {
	r := say("#stop")
	r.Stop = openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"END"}}
	c := must(ask(r)).Choices[0]
	report.Equal([]string{c.Message.Content, c.FinishReason}, []string{"Up to here", "stop"})
}

func length() {
	for _, send := range []sender{ask, askStreamed} {
		r := say("#long")
		r.MaxCompletionTokens = openai.Int(77)
		c := must(send(r)).Choices[0]
		report.Equal([]string{c.Message.Content, c.FinishReason}, []string{"Cut at 77", "length"})
	}
}

func image() {
	r := say("")
	r.Messages[1] = openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.TextContentPart("#image"),
		openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + report.PNG}),
	})
	report.Equal(must(ask(r)).Choices[0].Message.Content, report.Saw)
}

func structured() {
	for _, send := range []sender{ask, askStreamed} {
		r := say("#json")
		r.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "weather", Schema: report.Answer, Strict: openai.Bool(true)}}}
		report.Equal(must(send(r)).Choices[0].Message.Content, report.JSON)
	}
}

func toolChoice() {
	f := func(want string, choice openai.ChatCompletionToolChoiceOptionUnionParam, parallel param.Opt[bool]) {
		r := say("#choice")
		r.Tools, r.ToolChoice, r.ParallelToolCalls = tools, choice, parallel
		report.Equal(must(ask(r)).Choices[0].Message.Content, want)
	}
	mode := func(s string) openai.ChatCompletionToolChoiceOptionUnionParam {
		return openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String(s)}
	}
	f("choice=none serial=false", mode("none"), param.Opt[bool]{})
	f("choice=required serial=false", mode("required"), param.Opt[bool]{})
	f("choice=get_time serial=true", openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "get_time"}), openai.Bool(false))
	f("choice=auto serial=true", openai.ChatCompletionToolChoiceOptionUnionParam{}, openai.Bool(false))
}

func wrongKey() {
	wrong := openai.NewClient(option.WithBaseURL(report.Gateway+"/v1"), option.WithAPIKey("sk-gw-wrong"), option.WithMaxRetries(0))
	_, err := wrong.Chat.Completions.New(ctx, say("Hello"))
	report.Equal(failure(err, http.StatusUnauthorized).Code, "invalid_api_key")
}

func unknownModel() {
	r := say("Hello")
	r.Model = "no-such-model"
	eachWay(r, func(err error) {
		e := failure(err, http.StatusNotFound)
		report.Equal(e.Code, "model_not_found")
		report.Contains(e.Message, "no-such-model")
	})
}

func rateLimited() {
	r := say("Hello")
	r.Model = report.Limited
	eachWay(r, func(err error) {
		wait := failure(err, http.StatusTooManyRequests).Response.Header.Get("Retry-After")
		report.Equal(len(wait) == 1 && strings.Contains("1234567", wait), true)
	})
}

func contextLength() {
	eachWay(say("#toolong"), func(err error) {
		e := failure(err, http.StatusBadRequest)
		report.Equal(e.Code, "context_length_exceeded")
		report.Contains(e.Message, report.Words("maximum context length is 128000 tokens", "prompt is too long: 250000 tokens > 200000 maximum"))
	})
}

func models() {
	listed := map[string]bool{}
	pager := client.Models.ListAutoPaging(ctx)
	for pager.Next() {
		listed[pager.Current().ID] = true
	}
	report.Check(pager.Err())
	report.Equal(listed[report.Model] && listed[report.Thinker] && listed[report.Limited], true)
	m, err := client.Models.Get(ctx, report.Model)
	report.Check(err)
	report.Equal(m.ID, report.Model)
}
