package otel

// conventions is the schema that names and values here keep to: the last one of the
// main conventions that holds those of generative AI.
const conventions = "https://opentelemetry.io/schemas/1.41.0"

// scope names the instrumentation.
const scope = "github.com/your-org/ai-api-gateway"

// operations are the conventions' names where ours are others; one word stands for
// chat in all formats, so that what is asked of a model can be summed.
var operations = map[string]string{
	"completions": "text_completion", "fim": "text_completion", "embed_content": "embeddings",
}

// vendors are the conventions' names of providers where ours are others.
var vendors = map[string]string{
	"azure": "azure.ai.openai", "bedrock": "aws.bedrock", "bedrock-mantle": "aws.bedrock", "gemini": "gcp.gemini", "vertex": "gcp.vertex_ai",
	"mistral": "mistral_ai", "xai": "x_ai",
}

func operationName(ours string) string { return named(operations, ours) }
func vendorName(ours string) string    { return named(vendors, ours) }

func named(names map[string]string, ours string) string {
	if name, ok := names[ours]; ok {
		return name
	}
	return ours
}
