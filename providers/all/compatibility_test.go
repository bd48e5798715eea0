package all

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/bedrock"
	"github.com/your-org/ai-api-gateway/providers/gemini"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

// TestCompatibilityPage keeps docs/compatibility.md equal to what the tables in
// the code say: `go test ./providers/all -run CompatibilityPage -update`.
func TestCompatibilityPage(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "compatibility.md")
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := compatibility()
	if i := bytes.Index(got, []byte(matrixTitle)); i >= 0 { // it has a test of its own, in cmd/ai-gateway
		want = append(want, got[i:]...)
	}
	if bytes.Equal(got, want) {
		return
	}
	if !*providertest.Update {
		t.Fatalf("%s is stale: run go test ./providers/all -run CompatibilityPage -update", file)
	}
	if err := os.WriteFile(file, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// matrixTitle begins the part of the page that is made by running every format against every provider.
const matrixTitle = "\n## Every caller, every provider\n"

const pageHead = `# What reaches the other side

<!-- Made by providers/all/compatibility_test.go from the tables the encoders use. Do not edit. -->

Where a caller and a provider speak the same format, the gateway passes the request's
bytes on, unknown members included: nothing on this page applies, but for the members
in a provider's *refuses* column. Where their formats differ, each member is

- **carried**: sent in the provider's own form;
- **dropped**: not sent, and named in the answer's header ` + "`x-gateway-dropped-params`" + `;
- **refused**: the request is answered with a 400 in the caller's format that names it,
  because an answer without it would not be what was asked for.

Values that change nothing (` + "`null`, `false`, `0`" + `, empty) are left out without a word.
An account's ` + "`params: {set, drop, rename}`" + ` change the request after all of this, in the
provider's own words.
`

func compatibility() []byte {
	var b bytes.Buffer
	b.WriteString(pageHead)
	section(&b, "OpenAI chat callers, Anthropic-format providers", providers.Chat, anthropic.Rules())
	section(&b, "Anthropic callers, OpenAI-format providers", providers.Messages, openai.Rules())
	section(&b, "Responses callers, Anthropic-format providers", providers.Responses, anthropic.Rules())
	section(&b, "Responses callers, OpenAI chat providers", providers.Responses, openai.Rules())
	section(&b, "OpenAI chat callers, Responses providers", providers.Chat, openai.ResponsesRules())
	section(&b, "Anthropic callers, Responses providers", providers.Messages, openai.ResponsesRules())
	section(&b, "OpenAI chat callers, Bedrock Converse", providers.Chat, bedrock.Rules())
	section(&b, "Anthropic callers, Bedrock Converse", providers.Messages, bedrock.Rules())
	section(&b, "Responses callers, Bedrock Converse", providers.Responses, bedrock.Rules())
	section(&b, "Gemini callers, Bedrock Converse", providers.Gemini, bedrock.Rules())
	section(&b, "OpenAI chat callers, Gemini", providers.Chat, gemini.Rules())
	section(&b, "Anthropic callers, Gemini", providers.Messages, gemini.Rules())
	section(&b, "Responses callers, Gemini", providers.Responses, gemini.Rules())
	section(&b, "Gemini callers, OpenAI chat providers", providers.Gemini, openai.Rules())
	section(&b, "Gemini callers, Anthropic-format providers", providers.Gemini, anthropic.Rules())
	vendors(&b)
	return b.Bytes()
}

func section(b *bytes.Buffer, title string, origin providers.Dialect, rules []providers.Rule) {
	fmt.Fprintf(b, "\n## %s\n\n| member | | sent as | condition |\n|---|---|---|---|\n", title)
	for _, r := range rules {
		if r.Origin != "" && r.Origin != origin {
			continue
		}
		as := ""
		if r.As != "" {
			as = "`" + strings.ReplaceAll(r.As, " or ", "` or `") + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", r.Member, r.Is, as, r.When)
	}
}

// vendors lists the providers with their deviations, as their rows have them.
func vendors(b *bytes.Buffer) {
	b.WriteString("\n## Providers\n\n| provider | formats, the best first | base URL | output bound | thinking in | refuses | other |\n|---|---|---|---|---|---|---|\n")
	for _, p := range All() {
		var speaks []string
		for _, e := range p.Speaks {
			speaks = append(speaks, string(e.Dialect()))
		}
		q := &p.Quirks
		bound := q.MaxTokensField
		if bound == "" {
			bound = "max_completion_tokens"
		}
		if len(p.Speaks) == 0 || p.Speaks[0].Dialect() != providers.Chat {
			bound = ""
		}
		fmt.Fprintf(b, "| `%s` %s | %s | %s | %s | %s | %s | %s |\n", p.Name, p.Title, strings.Join(speaks, ", "), code(p.BaseURL), code(bound), code(q.ReasoningField), code(q.Drop...), strings.Join(others(q), "; "))
	}
}

func others(q *providers.Quirks) (list []string) {
	for _, f := range []struct {
		on   bool
		text string
	}{
		{q.ReasoningBack, "thinking is sent back with the assistant's turns"},
		{q.ProviderObject, "routing preferences in `provider`"},
		{q.NoStreamUsage, "stream usage is not asked for"},
		{q.NoDone, "a stream may end without `[DONE]`"},
		{q.NoParallelTools, "no `parallel_tool_calls`"},
		{q.NoStrict, "no `strict`"},
		{q.NoDeveloper, "developer turns become system turns"},
		{q.NoNames, "no `messages.name`"},
		{q.ToolIDs != "", "tool-call ids: " + q.ToolIDs},
	} {
		if f.on {
			list = append(list, f.text)
		}
	}
	return list
}

func code(names ...string) string {
	var list []string
	for _, n := range names {
		if n != "" {
			list = append(list, "`"+n+"`")
		}
	}
	return strings.Join(list, ", ")
}
