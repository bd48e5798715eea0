// Program genai asks with Google's SDK, which reads GOOGLE_GEMINI_BASE_URL and GEMINI_API_KEY.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"

	"google.golang.org/genai"
)

func main() {
	ctx := context.Background()
	client, err := genai.NewClient(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	var usage *genai.GenerateContentResponseUsageMetadata
	for chunk, err := range client.Models.GenerateContentStream(ctx, cmp.Or(os.Getenv("MODEL"), "demo"), genai.Text("Say hello in one sentence."), nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(chunk.Text())
		if chunk.UsageMetadata != nil {
			usage = chunk.UsageMetadata
		}
	}
	if usage == nil {
		log.Fatal("the answer came without usage")
	}
	fmt.Printf("\n[%d in, %d out]\n", usage.PromptTokenCount, usage.CandidatesTokenCount)
}
