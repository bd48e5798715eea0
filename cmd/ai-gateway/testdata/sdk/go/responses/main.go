// Program responses runs OpenAI's Go SDK, speaking Responses, against the gateway.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	"github.com/your-org/ai-api-gateway/sdktest/report"
)

var (
	ctx    = context.Background()
	client = openai.NewClient(option.WithBaseURL(report.Gateway+"/v1"), option.WithAPIKey(report.Key), option.WithMaxRetries(0))
	tools  = []responses.ToolUnionParam{
		{OfFunction: &responses.FunctionToolParam{Name: "get_weather", Parameters: report.Weather, Strict: openai.Bool(true)}},
		{OfFunction: &responses.FunctionToolParam{Name: "get_time", Parameters: report.Nothing, Strict: openai.Bool(true)}},
	}
)

type request = responses.ResponseNewParams

type sender func(request) (*responses.Response, error)

func say(text string) request {
	return request{Model: report.Model, Instructions: openai.String("Be brief."), Input: responses.ResponseNewParamsInputUnion{
		OfInputItemList: responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(text, responses.EasyInputMessageRoleUser)}}}
}

func ask(r request) (*responses.Response, error) { return client.Responses.New(ctx, r) }

// askStreamed takes the response of the last event, and sees that the texts of the others make it.
func askStreamed(r request) (*responses.Response, error) {
	stream := client.Responses.NewStreaming(ctx, r)
	var last *responses.Response
	var said strings.Builder
	for stream.Next() {
		ev := stream.Current()
		switch ev.Type {
		case "response.output_text.delta":
			said.WriteString(ev.Delta)
		case "response.completed", "response.incomplete":
			last = &ev.Response
		}
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if last == nil || last.OutputText() != said.String() {
		return nil, errors.New("the deltas do not make the response: " + said.String())
	}
	return last, nil
}

func must(r *responses.Response, err error) *responses.Response {
	report.Check(err)
	return r
}

func checkUsage(u responses.ResponseUsage) {
	report.Equal([]int64{u.InputTokens, u.OutputTokens, u.TotalTokens, u.InputTokensDetails.CachedTokens}, []int64{20, 10, 30, 5})
}

// loop runs a tool loop, sending every item back as it came, until the model answers.
func loop(send sender, r request, rounds, calls int) string {
	r.Tools = tools
	for range rounds {
		got := must(send(r))
		checkUsage(got.Usage)
		n := 0
		var results responses.ResponseInputParam
		for _, item := range got.Output {
			r.Input.OfInputItemList = append(r.Input.OfInputItemList, param.Override[responses.ResponseInputItemUnionParam](json.RawMessage(item.RawJSON())))
			if item.Type == "function_call" {
				n++
				call := item.AsFunctionCall()
				results = append(results, responses.ResponseInputItemUnionParam{OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{
					CallID: openai.String(call.CallID), Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: openai.String(report.Use(call.Name, []byte(call.Arguments)))},
				}})
			}
		}
		report.Equal(n, calls)
		r.Input.OfInputItemList = append(r.Input.OfInputItemList, results...)
	}
	return must(send(r)).OutputText()
}

func both(check func(send sender)) {
	check(ask)
	check(askStreamed)
}

func failing(model, words string) {
	r := say("Hello")
	r.Model = model
	_, err := askStreamed(r)
	report.Equal(err != nil && strings.Contains(err.Error(), words), true)
}

// run runs one scenario and reports it.
func run(name string, f func()) { report.All(report.Scenario{Name: name, Run: f}) }

func main() {
	run("chat", func() {
		r := must(ask(say("Hello")))
		report.Equal(r.OutputText(), report.Greeting(1, "Hello"))
		report.Equal(string(r.Status), "completed")
		checkUsage(r.Usage)
	})
	run("stream", func() {
		r := must(askStreamed(say("Hello")))
		report.Equal(r.OutputText(), report.Greeting(1, "Hello"))
		checkUsage(r.Usage)
	})
	run("length", func() {
		both(func(send sender) {
			r := say("#long")
			r.MaxOutputTokens = openai.Int(77)
			got := must(send(r))
			report.Equal(got.OutputText(), "Cut at 77")
			report.Equal(got.IncompleteDetails.Reason, "max_output_tokens")
		})
	})
	run("tool_loop", func() { both(func(s sender) { report.Equal(loop(s, say("#weather"), 1, 1), report.Zurich) }) })
	run("parallel_tools", func() { both(func(s sender) { report.Equal(loop(s, say("#parallel"), 1, 2), report.Both) }) })
	run("no_arguments", func() { both(func(s sender) { report.Equal(loop(s, say("#noargs"), 1, 1), report.Clock) }) })
	run("two_steps", func() { both(func(s sender) { report.Equal(loop(s, say("#steps"), 2, 1), report.Steps) }) })
	run("thinking", func() {
		if report.Format == "chat" { // it does not think
			return
		}
		r := say("#steps")
		r.Model, r.Store = report.Thinker, openai.Bool(false)
		r.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortLow, Summary: shared.ReasoningSummaryAuto}
		r.Include = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
		both(func(s sender) { report.Equal(loop(s, r, 2, 1), report.Steps) })
	})
	run("mid_stream_error", func() {
		words := "The server had an error"
		if report.Format == "anthropic" {
			words = "Overloaded"
		}
		failing(report.Broken, words)
	})
	run("lost_connection", func() { failing(report.Cut, "upstream") })
}
