// Program gemini runs Google's Go SDK against the gateway.
package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/your-org/ai-api-gateway/sdktest/report"
	"google.golang.org/genai"
)

var (
	ctx    = context.Background()
	client = dial(report.Key)
	tools  = []*genai.Tool{{FunctionDeclarations: []*genai.FunctionDeclaration{
		{Name: "get_weather", Description: "The weather", ParametersJsonSchema: report.Weather},
		{Name: "get_time", Description: "The time"},
	}}}
)

func dial(key string) *genai.Client {
	c, err := genai.NewClient(ctx, &genai.ClientConfig{APIKey: key, Backend: genai.BackendGeminiAPI, HTTPOptions: genai.HTTPOptions{BaseURL: report.Gateway}})
	report.Check(err)
	return c
}

func config(tools []*genai.Tool) *genai.GenerateContentConfig {
	return &genai.GenerateContentConfig{SystemInstruction: genai.NewContentFromText("Be brief.", ""), Tools: tools}
}

type sender func(contents []*genai.Content, tools []*genai.Tool) (*genai.GenerateContentResponse, error)

func ask(contents []*genai.Content, tools []*genai.Tool) (*genai.GenerateContentResponse, error) {
	return client.Models.GenerateContent(ctx, report.Model, contents, config(tools))
}

// askStreamed gathers a stream into one answer.
func askStreamed(contents []*genai.Content, tools []*genai.Tool) (*genai.GenerateContentResponse, error) {
	return gather(report.Model, contents, tools)
}

func gather(model string, contents []*genai.Content, tools []*genai.Tool) (last *genai.GenerateContentResponse, err error) {
	whole := &genai.Content{Role: "model"}
	for r, err := range client.Models.GenerateContentStream(ctx, model, contents, config(tools)) {
		if err != nil {
			return nil, err
		}
		if last = r; len(r.Candidates) > 0 && r.Candidates[0].Content != nil {
			for _, p := range r.Candidates[0].Content.Parts {
				if p.Text != "" || p.FunctionCall != nil || p.ThoughtSignature != nil {
					whole.Parts = append(whole.Parts, p)
				}
			}
		}
	}
	last.Candidates[0].Content = whole
	return last, nil
}

func must(r *genai.GenerateContentResponse, err error) *genai.GenerateContentResponse {
	report.Check(err)
	report.Equal(len(r.Candidates), 1)
	return r
}

func checkUsage(r *genai.GenerateContentResponse) {
	u := r.UsageMetadata
	report.Equal([]int32{u.PromptTokenCount, u.CachedContentTokenCount, u.CandidatesTokenCount + u.ThoughtsTokenCount}, []int32{20, 5, 10})
}

// loop runs a tool loop until the model answers.
func loop(send sender, text string, calls int) string {
	contents := genai.Text(text)
	r := must(send(contents, tools))
	checkUsage(r)
	report.Equal(len(r.FunctionCalls()), calls)
	results := &genai.Content{Role: "user"}
	for _, c := range r.FunctionCalls() {
		if c.Args == nil {
			c.Args = map[string]any{}
		}
		args, err := json.Marshal(c.Args)
		report.Check(err)
		results.Parts = append(results.Parts, &genai.Part{FunctionResponse: &genai.FunctionResponse{ID: c.ID, Name: c.Name, Response: map[string]any{"output": report.Use(c.Name, args)}}})
	}
	return must(send(append(contents, r.Candidates[0].Content, results), tools)).Text()
}

// refused returns the status of a request that must fail.
func refused(_ *genai.GenerateContentResponse, err error) int {
	var e genai.APIError
	if !errors.As(err, &e) {
		report.Check(errors.New("no API error was returned"))
	}
	return e.Code
}

func main() {
	report.All(
		report.Scenario{Name: "chat", Run: func() {
			r := must(ask(genai.Text("Hello"), nil))
			report.Equal(r.Text(), report.Greeting(1, "Hello"))
			report.Equal(r.Candidates[0].FinishReason, genai.FinishReasonStop)
			checkUsage(r)
		}},
		report.Scenario{Name: "stream", Run: func() {
			r := must(askStreamed(genai.Text("Hello"), nil))
			report.Equal(r.Text(), report.Greeting(1, "Hello"))
			checkUsage(r)
		}},
		report.Scenario{Name: "tool_loop", Run: func() { report.Equal(loop(ask, "#weather", 1), report.Zurich) }},
		report.Scenario{Name: "tool_loop_streamed", Run: func() { report.Equal(loop(askStreamed, "#weather", 1), report.Zurich) }},
		report.Scenario{Name: "parallel_tools", Run: func() { report.Equal(loop(ask, "#parallel", 2), report.Both) }},
		report.Scenario{Name: "no_arguments", Run: func() { report.Equal(loop(askStreamed, "#noargs", 1), report.Clock) }},
		report.Scenario{Name: "count_tokens", Run: func() {
			r, err := client.Models.CountTokens(ctx, report.Model, genai.Text("Hello"), nil)
			report.Check(err)
			report.Equal(r.TotalTokens >= 2, true)
		}},
		report.Scenario{Name: "wrong_key", Run: func() {
			report.Equal(refused(dial("sk-gw-wrong").Models.GenerateContent(ctx, report.Model, genai.Text("Hello"), nil)), 401)
		}},
		report.Scenario{Name: "unknown_model", Run: func() {
			report.Equal(refused(client.Models.GenerateContent(ctx, "no-such-model", genai.Text("Hello"), nil)), 404)
		}},
		report.Scenario{Name: "rate_limited", Run: func() {
			report.Equal(refused(client.Models.GenerateContent(ctx, report.Limited, genai.Text("Hello"), nil)), 429)
		}},
		report.Scenario{Name: "mid_stream_error", Run: func() {
			if _, err := gather(report.Broken, genai.Text("Hello"), nil); err == nil {
				report.Check(errors.New("a broken stream ended well"))
			}
		}},
	)
}
