// Program openai asks with OpenAI's SDK, which reads OPENAI_BASE_URL and OPENAI_API_KEY.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/openai/openai-go/v3"
)

func main() {
	client := openai.NewClient()
	stream := client.Chat.Completions.NewStreaming(context.Background(), openai.ChatCompletionNewParams{
		Model:         cmp.Or(os.Getenv("MODEL"), "demo"),
		Messages:      []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Say hello in one sentence.")},
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	})
	for stream.Next() {
		chunk := stream.Current()
		if len(chunk.Choices) > 0 {
			fmt.Print(chunk.Choices[0].Delta.Content)
		}
		if chunk.Usage.TotalTokens > 0 {
			fmt.Printf("\n[%d in, %d out]\n", chunk.Usage.PromptTokens, chunk.Usage.CompletionTokens)
		}
	}
	if err := stream.Err(); err != nil {
		log.Fatal(err)
	}
}
