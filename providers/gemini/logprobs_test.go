package gemini

import (
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// What a chat caller asked for with logprobs he gets, whole and streamed, in chat's
// shape; a caller of this format gets the vendor's own.
func TestLogprobs(t *testing.T) {
	const result = `{"topCandidates":[{"candidates":[{"token":"Hé","tokenId":1,"logProbability":-0.25},{"token":"Yo","tokenId":2,"logProbability":-2}]},{"candidates":[{"token":"!","tokenId":3}]}],"chosenCandidates":[{"token":"Hé","tokenId":1,"logProbability":-0.25},{"token":"!","tokenId":3}]}`
	const answer = `{"candidates":[{"content":{"parts":[{"text":"Hé!"}],"role":"model"},"finishReason":"STOP","index":0,"logprobsResult":` + result + `}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}`
	const want = `"logprobs":{"content":[{"token":"Hé","logprob":-0.25,"bytes":[72,195,169],"top_logprobs":[{"token":"Hé","logprob":-0.25,"bytes":[72,195,169]},{"token":"Yo","logprob":-2,"bytes":[89,111]}]},{"token":"!","logprob":0,"bytes":[33],"top_logprobs":[{"token":"!","logprob":0,"bytes":[33]}]}],"refusal":null}`
	r, err := GenerateEgress(AIStudio).DecodeResponse([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]struct {
		providers.Ingress
		want string
	}{"chat": {openai.ChatIngress(), want}, "own": {GenerateIngress(), `"logprobsResult":` + result}} {
		whole, err := in.AppendResponse(nil, r)
		if err != nil || !strings.Contains(string(whole), in.want) {
			t.Errorf("%s: %s %v", name, whole, err)
		}
		events, err := providertest.Decode(GenerateEgress(AIStudio).NewDecoder(), [][]byte{[]byte("data: " + answer + "\r\n\r\n")})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(providertest.Encode(in.NewEncoder(providers.EncodeOptions{}), events)); !strings.Contains(got, in.want) {
			t.Errorf("%s, streamed: %s", name, got)
		}
	}
	if got := chatLogprobs([]byte(`{"topCandidates":[]}`)); got != nil {
		t.Errorf("nothing became %s", got)
	}
}
