package routing_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/all"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/catalog"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/store"
)

// judges maps the provider of a recording to ours and to that of genai-prices.
var judges = map[string][2]string{
	"anthropic": {"anthropic", "anthropic"}, "openai": {"openai", "openai"}, "gemini": {"gemini", "google"}, "deepseek": {"deepseek", "deepseek"},
	"mistral": {"mistral", "mistral"}, "groq": {"groq", "groq"}, "xai": {"xai", "x-ai"}, "cerebras": {"cerebras", "cerebras"}, "avian": {"avian", "avian"},
	"together": {"together", "together"}, "openrouter": {"openrouter", "openrouter"}, "perplexity": {"perplexity", "perplexity"}, "zhipu": {"zhipu", "zhipuai"},
	"azure": {"azure", "azure"}, "bedrock": {"bedrock", "aws"}, "vertex": {"vertex", "google"}, "voyage": {"voyage", "voyageai"}, "cohere": {"cohere", "cohere"},
}

// flavors are the usage formats of genai-prices that an endpoint's answers may have.
func flavors(endpoint string) []string {
	switch {
	case strings.Contains(endpoint, "responses"):
		return []string{"responses", "default"}
	case strings.Contains(endpoint, "anthropic"):
		return []string{"anthropic", "default"}
	case strings.HasPrefix(endpoint, "gemini"):
		return []string{"default"}
	case strings.Contains(endpoint, "embed"):
		return []string{"embeddings", "chat", "default"}
	}
	return []string{"chat", "default"}
}

// A judged recording: what its answer reported, and what two programs make of it.
type judged struct {
	rec   *providertest.Cassette
	model string
	doc   json.RawMessage // the answer, or what a stream's events come to
	usage providers.Usage
	read  bool // usage was read by the gateway's own dialect
}

// TestRecordedCosts charges every recorded exchange and compares with what
// genai-prices makes of the same answer. Differences that are known have a reason.
func TestRecordedCosts(t *testing.T) {
	python := os.Getenv("AI_GATEWAY_TEST_PYTHON")
	if python == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("AI_GATEWAY_TEST_PYTHON is not set")
		}
		t.Skip("SKIPPED: COSTS ARE NOT COMPARED (set AI_GATEWAY_TEST_PYTHON to a Python with .ci/requirements.txt)")
	}
	var list []*judged
	unread := map[string]int{}
	for _, rec := range providertest.Cassettes(t, providertest.Filter{}) {
		if _, ok := judges[rec.Provider]; !ok || !rec.OK() {
			continue
		}
		if j := readRecording(rec); j != nil {
			if !j.read {
				unread[rec.Endpoint]++
				continue
			}
			list = append(list, j)
		}
	}
	theirs := judge(t, python, list)
	facts := catalog.New()
	compared, alike := 0, 0
	kinds := map[string]int{}
	reasons := map[string]int{}
	for _, j := range list {
		v, ok := theirs[j.rec.ID]
		if !ok || v.Error != "" {
			reasons["not priced there"]++
			continue
		}
		u := j.usage
		u.HasCost, u.Kind = false, "" // what the upstream says it charged is not what is compared
		ours := judges[j.rec.Provider][0]
		entry, _ := facts.Find(ours, j.model)
		acc := &routing.Account{Account: &store.Account{Name: "a"}, Provider: &providers.Provider{Name: ours}}
		target := routing.Target{Account: acc, Model: j.model, Entry: entry, Catalogue: facts}
		c := target.Charge(&u, "dearest")
		compared++
		for kind, n := range map[string]int64{"cache read": u.CacheRead, "cache write": u.CacheWrite(), "reasoning": u.Reasoning, "searches": u.Searches, "audio": u.InputAudio + u.OutputAudio} {
			if n > 0 {
				kinds[kind]++
			}
		}
		if c.Nano == v.Nano {
			alike++
			continue
		}
		why := reason(j, entry, v, c)
		reasons[why]++
		if why == "" {
			t.Errorf("%s: %s %s: %d nano-USD by %s (%+v), they say %d for %v (%s)", j.rec.ID, ours, j.model, c.Nano, c.Source, u, v.Nano, v.Usage, v.Matched)
		}
	}
	t.Logf("%d recordings compared, %d alike; with %v; differences: %v; answers of formats not read: %v", compared, alike, kinds, reasons, unread)
	if compared < 500 {
		t.Errorf("only %d were compared", compared)
	}
}

// reason says why a difference is right; "": it is not.
func reason(j *judged, entry *providers.Model, v verdict, c routing.Charge) string {
	_, theirs := v.Usage["cache_read_tokens"]
	switch {
	case entry == nil || !entry.Priced:
		return "no price is known: charged as the vendor's dearest, never nothing"
	case j.rec.Provider == "gemini" && j.rec.Endpoint == "openai_chat" && j.usage.Reasoning > 0 && v.Usage["output_reasoning_tokens"] == nil:
		return "Google's compatible endpoint tells thoughts by the total alone, which genai-prices does not read"
	case j.rec.Provider == "mistral" && j.usage.CacheRead > 0 && !theirs:
		return "num_cached_tokens is not read there"
	case entry.ID == "gpt-4o-audio-preview" && j.usage.InputAudio+j.usage.OutputAudio > 0:
		return "genai-prices has no rate for its audio; litellm has, and it is OpenAI's"
	}
	return ""
}

type verdict struct {
	ID, Error, Matched string
	Nano               int64
	Usage              map[string]any
}

// judge runs the other program.
func judge(t *testing.T, python string, list []*judged) map[string]verdict {
	t.Helper()
	var in bytes.Buffer
	for _, j := range list {
		line := map[string]any{"id": j.rec.ID, "provider": judges[j.rec.Provider][1], "flavors": flavors(j.rec.Endpoint), "model": j.model, "doc": j.doc}
		if err := json.NewEncoder(&in).Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(python, "testdata/recorded_prices.py", catalog.Version())
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("genai-prices: %v", err)
	}
	verdicts := map[string]verdict{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var v verdict
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		verdicts[v.ID] = v
	}
	return verdicts
}

// readRecording reads the usage of an answer with the dialect the gateway would
// use, and gathers the document for the other program; nil: it reports none.
func readRecording(rec *providertest.Cassette) *judged {
	j := &judged{rec: rec, model: requested(rec)}
	events := [][]byte{rec.Response.Body}
	if rec.Response.SSE != "" {
		events = dataOf(rec.Response.SSE)
	}
	if j.doc = document(events); j.doc == nil || j.model == "" {
		return nil
	}
	reader := readerOf(rec)
	if reader == nil {
		return j
	}
	for _, e := range events {
		if reader.Usage(e, &j.usage) {
			j.read = true
		}
	}
	return j
}

func requested(rec *providertest.Cassette) string {
	var body struct{ Model, ModelID string }
	_ = json.Unmarshal(rec.Request.Body, &body)
	if body.Model != "" {
		return body.Model
	}
	for _, before := range []string{"/models/", "/deployments/", "/model/"} {
		if _, name, ok := strings.Cut(rec.Request.Path, before); ok {
			name, _, _ = strings.Cut(name, "/")
			if before == "/models/" {
				name, _, _ = strings.Cut(name, ":")
			}
			return strings.ReplaceAll(name, "%3A", ":")
		}
	}
	return ""
}

// dataOf returns the data of a stream's events.
func dataOf(sse string) (out [][]byte) {
	for line := range strings.SplitSeq(strings.ReplaceAll(sse, "\r\n", "\n"), "\n") {
		if data, ok := strings.CutPrefix(line, "data:"); ok && strings.TrimSpace(data) != "[DONE]" {
			out = append(out, []byte(strings.TrimSpace(data)))
		}
	}
	return out
}

// document makes one answer of a stream's events: the last report of each member counts.
func document(events [][]byte) json.RawMessage {
	doc, usage, meta := map[string]any{}, map[string]any{}, map[string]any(nil)
	for _, e := range events {
		var x struct {
			Model         string         `json:"model"`
			Usage         map[string]any `json:"usage"`
			UsageMetadata map[string]any `json:"usageMetadata"`
			Message       struct {
				Model string         `json:"model"`
				Usage map[string]any `json:"usage"`
			} `json:"message"`
			Response struct {
				Model string         `json:"model"`
				Usage map[string]any `json:"usage"`
			} `json:"response"`
			Groq struct {
				Usage map[string]any `json:"usage"`
			} `json:"x_groq"`
		}
		if json.Unmarshal(e, &x) != nil {
			continue
		}
		for _, m := range []string{x.Model, x.Message.Model, x.Response.Model} {
			if m != "" {
				doc["model"] = m
			}
		}
		for _, u := range []map[string]any{x.Groq.Usage, x.Message.Usage, x.Response.Usage, x.Usage} {
			for k, v := range u {
				usage[k] = v
			}
		}
		if x.UsageMetadata != nil {
			meta = x.UsageMetadata
		}
	}
	switch {
	case meta != nil:
		doc["usageMetadata"] = meta
	case len(usage) == 0:
		return nil
	default:
		doc["usage"] = usage
	}
	b, _ := json.Marshal(doc) // of what was decoded from JSON
	return b
}

// readerOf returns the dialect that reads an endpoint's answers.
func readerOf(rec *providertest.Cassette) providers.Egress {
	var d providers.Dialect
	switch rec.Endpoint {
	case "openai_chat":
		d = providers.Chat
	case "openai_responses", "openai_responses_other":
		d = providers.Responses
	case "openai_completions":
		return openai.RelayEgress(providers.OpCompletions)
	case "openai_embeddings":
		return openai.RelayEgress(providers.OpEmbeddings)
	case "anthropic_messages", "vertex_anthropic", "vertex_anthropic_stream":
		return anthropic.MessagesEgress(providers.Quirks{})
	case "gemini_generate", "gemini_stream":
		d = providers.Gemini
	default:
		return nil
	}
	list := all.All()
	ours := judges[rec.Provider][0]
	slices.SortStableFunc(list, func(a, b *providers.Provider) int { // its own reader before that of others
		if a.Name == ours {
			return -1
		}
		if b.Name == ours {
			return 1
		}
		return 0
	})
	for _, p := range list {
		for _, e := range p.Speaks {
			if e.Dialect() == d {
				return e
			}
		}
	}
	return nil
}
