package cmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// maxPrompt bounds what is read from standard input.
const maxPrompt = 8 << 20

// chatFlags are what `chat` takes.
type chatFlags struct {
	model, system, provider string
	schema                  string
	attach                  []string
	maxTokens               int
	stream, noStream, goOn  bool
}

func (a *app) chatCommand() *cobra.Command {
	var f chatFlags
	c := &cobra.Command{
		Use: "chat [PROMPT]", Short: "Ask a model",
		Long: `Ask a model and print its answer. Standard input is read when it is piped, and
stands after PROMPT. Without both, on a terminal, the page Chat of the terminal
interface opens (AI_GATEWAY_ACCESSIBLE=1: lines are asked one by one).

Without --model: the profile's model (config set model), else the least expensive
chat model of the first enabled account, else the built-in demo. What was chosen,
tokens and cost go to standard error.

The last conversation is kept, readable by you alone, for --continue.`,
		Example: "  ai-gateway chat \"Hello, how are you?\" --model gpt-4\n  git diff | ai-gateway chat \"Write a commit message\"\n  ai-gateway chat \"Tell me a story\" --stream\n  ai-gateway chat --attach scan.pdf \"What is due when?\" --schema due.json\n  ai-gateway chat --continue \"And in French?\"",
		RunE:    func(_ *cobra.Command, args []string) error { return a.chat(strings.Join(args, " "), &f) },
		Args:    cobra.ArbitraryArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	fs := c.Flags()
	fs.StringVarP(&f.model, "model", "m", "", "model, also as provider/model")
	fs.StringVarP(&f.system, "system", "s", "", "instructions that stand before the conversation")
	fs.StringVar(&f.provider, "provider", "", "provider or account to use")
	fs.IntVar(&f.maxTokens, "max-tokens", 0, "the longest answer, in tokens; 0 = the model's own")
	fs.BoolVar(&f.stream, "stream", false, "print the answer as it comes (on a terminal, it is the default)")
	fs.BoolVar(&f.noStream, "no-stream", false, "print the answer when it is complete")
	fs.BoolVar(&f.goOn, "continue", false, "go on with the last conversation")
	fs.StringArrayVar(&f.attach, "attach", nil, "file to ask about: an image, a PDF or text; may be repeated")
	fs.StringVar(&f.schema, "schema", "", "file with a JSON Schema that the answer has to fit")
	c.MarkFlagsMutuallyExclusive("stream", "no-stream")
	_ = c.RegisterFlagCompletionFunc("attach", completeFiles)
	_ = c.RegisterFlagCompletionFunc("schema", completeFiles)
	_ = c.RegisterFlagCompletionFunc("provider", a.complete(accountNames))
	return c
}

func (a *app) chat(prompt string, f *chatFlags) error {
	if f.maxTokens < 0 {
		return wrongUsage("ai-gateway chat --help", "--max-tokens must not be negative")
	}
	piped, err := a.readPiped()
	if err != nil {
		return err
	}
	prompt = strings.TrimSpace(strings.TrimSpace(prompt) + "\n\n" + piped)
	if prompt == "" && (a.noInput || !stdinTerminal(a.stdin)) {
		return wrongUsage("ai-gateway chat \"Hello\"", "what is the prompt? Give it as an argument or on standard input")
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	t := &talk{app: a, client: client, f: f}
	if t.parts, err = attachments(f.attach); err != nil {
		return err
	}
	if f.schema != "" {
		if t.format, err = answerFormat(f.schema); err != nil {
			return err
		}
	}
	if f.goOn {
		if err := t.resume(); err != nil {
			return err
		}
	}
	if f.model, err = a.chooseModel(client, f.model); err != nil {
		return err
	}
	if f.system != "" {
		t.messages = append(systemMessage(f.system), t.messages...)
	}
	if prompt == "" && f.provider == "" && f.maxTokens == 0 && a.output == "table" && a.fullScreen() {
		return a.tui(tuiFlags{page: "chat"}, f.model, f.system)
	}
	if prompt == "" {
		return t.loop()
	}
	ctx, stop := a.interruptible()
	defer stop()
	return t.ask(ctx, prompt)
}

// readPiped returns what is piped into the program, "" if nothing is.
func (a *app) readPiped() (string, error) {
	if !a.piped() || a.key == "-" { // then standard input is the key
		return "", nil
	}
	data, err := io.ReadAll(io.LimitReader(a.stdin, maxPrompt+1))
	if err != nil {
		return "", errorf("cannot read standard input: %w", err)
	}
	if len(data) > maxPrompt {
		return "", errorf("standard input is larger than %d MiB", maxPrompt>>20)
	}
	return string(data), nil
}

// chooseModel returns the model to ask when none was named, and names it.
func (a *app) chooseModel(client *api.Client, asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	p, err := a.loadProfile()
	if err != nil {
		return "", err
	}
	if p.Model != "" {
		return p.Model, nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, 5*time.Second)
	defer cancel()
	model, why, err := firstModel(ctx, client)
	if err != nil {
		var refused *api.Error
		if errors.As(err, &refused) && refused.Status == 403 {
			return "", wrongUsage("ai-gateway config set model <model>", "this key may not list models: name one with --model")
		}
		return "", err
	}
	a.line("Model %s (%s). Choose another with --model, or: ai-gateway config set model NAME", cleanText(model), why)
	return model, nil
}

const demoModel = "demo"

// firstModel finds the least expensive chat model of the first enabled account
// that has one; for keys that may not look, the first model open to them.
func firstModel(ctx context.Context, client *api.Client) (model string, why locales.Phrase, err error) {
	accounts, err := allAccounts(ctx, client)
	var models *api.CatalogueReply
	if err == nil {
		models, err = client.CatalogueModels(ctx, false)
	}
	if err != nil {
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Status != 403 {
			return "", why, err
		}
		own, err := client.Models(ctx)
		if err != nil {
			return "", why, err
		}
		for _, m := range own.Data {
			if m.ID != demoModel && m.OwnedBy != demoModel && !strings.Contains(m.ID, "*") {
				return m.ID, phrase("the first that this key may use"), nil
			}
		}
		return demoModel, phrase("the built-in demo; no provider is open to this key"), nil
	}
	for _, acc := range accounts {
		if !acc.Enabled || acc.Provider == demoModel {
			continue
		}
		if m := cheapestChat(models.Data, acc.Name); m != "" {
			return m, phrase("the least expensive of account %s", cleanText(acc.Name)), nil
		}
	}
	return demoModel, phrase("built-in and offline; add a provider: ai-gateway providers add openai"), nil
}

// cheapestChat returns the chat model of the account whose price, in and out, is
// the least; models without a price come last.
func cheapestChat(models []api.CatalogueModel, account string) string {
	best, least := "", api.USD(-1)
	for _, m := range models {
		serves := false
		for _, name := range m.Accounts {
			serves = serves || name == account
		}
		if !serves || m.Alias || m.Operation != "" && m.Operation != "chat" || strings.Contains(m.ID, "*") {
			continue
		}
		price := api.USD(1 << 62)
		if m.Priced && m.Price != nil {
			if m.Price.Input+m.Price.Output == 0 && *m.Price != (api.Price{}) {
				continue // charged by other things than text: it speaks, or draws
			}
			price = m.Price.Input + m.Price.Output
		}
		if least < 0 || price < least {
			best, least = m.ID, price
		}
	}
	return best
}

// A talk is a conversation with one model.
type talk struct {
	app      *app
	client   *api.Client
	f        *chatFlags
	messages []api.ChatMessage
	parts    []api.ChatPart  // to go with the next prompt
	format   json.RawMessage // of the answers; nil: text
}

func systemMessage(text string) []api.ChatMessage {
	return []api.ChatMessage{{Role: "system", Content: text}}
}

// ask puts one prompt and shows its answer. A failed prompt is not kept.
func (t *talk) ask(ctx context.Context, prompt string) error {
	before := t.messages
	message := api.ChatMessage{Role: "user", Content: prompt}
	if len(t.parts) > 0 {
		message.Parts = append(t.parts[:len(t.parts):len(t.parts)], api.ChatPart{Type: "text", Text: prompt})
	}
	t.messages = append(t.messages, message)
	r := api.ChatRequest{Model: t.f.model, Messages: t.messages, Provider: t.f.provider, MaxTokens: t.f.maxTokens, ResponseFormat: t.format}
	a := t.app
	machine := a.output == "json" || a.output == "jsonl"
	stream := !machine && (t.f.stream || !t.f.noStream && isTerminal(a.stdout))
	start := a.now()
	var reply *api.ChatReply
	var ttft time.Duration
	var err error
	if stream {
		reply, ttft, err = t.stream(ctx, r, start)
	} else {
		reply, err = t.client.Chat(ctx, r)
	}
	if err != nil {
		t.messages = before
		return t.failed(reply, err)
	}
	t.parts = nil
	t.messages = append(t.messages, api.ChatMessage{Role: "assistant", Content: reply.Message.Content})
	t.keep()
	if machine {
		if err := a.writeJSON(chatJSON(reply, a.now().Sub(start))); err != nil {
			return err
		}
		return t.fits(reply)
	}
	if !stream {
		if err := a.writeAnswer(cmp.Or(reply.Message.Content, reply.Message.Refusal)); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout)
	}
	t.footer(reply, ttft, a.now().Sub(start))
	return t.fits(reply)
}

// fits reports an answer that is not the JSON that was asked for.
func (t *talk) fits(reply *api.ChatReply) error {
	if t.format != nil && !json.Valid([]byte(reply.Message.Content)) {
		return errorf("the answer is not JSON, as --schema asks for: it was cut, refused, or the model cannot")
	}
	return nil
}

// stream prints the answer as it comes.
func (t *talk) stream(ctx context.Context, r api.ChatRequest, start time.Time) (reply *api.ChatReply, ttft time.Duration, err error) {
	a, last := t.app, ""
	reply, err = t.client.ChatStream(ctx, r, func(d api.ChatDelta) error {
		text := d.Content + d.Refusal
		if text == "" {
			return nil
		}
		if ttft == 0 {
			ttft = a.now().Sub(start)
		}
		last = text
		return a.writeAnswer(text)
	})
	if last != "" && !strings.HasSuffix(last, "\n") {
		fmt.Fprintln(a.stdout)
	}
	return reply, ttft, err
}

// writeAnswer writes a model's words: as they are into a file or pipe, harmless on a terminal.
func (a *app) writeAnswer(text string) error {
	if isTerminal(a.stdout) {
		text = cleanLines(text)
	}
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return errorf("cannot write the answer: %w", err)
	}
	return nil
}

func (t *talk) failed(reply *api.ChatReply, err error) error {
	if errors.Is(err, context.Canceled) {
		return &exitError{exitUsage, errorf("cancelled; the upstream was stopped too")}
	}
	var refused *api.Error
	if errors.As(err, &refused) && refused.RequestID == "" && reply != nil {
		refused.RequestID = reply.Gateway.RequestID
	}
	return err
}

// footer says on standard error what answered and what it cost. A stream's
// headers came before its end, so the rest is asked of its record.
func (t *talk) footer(r *api.ChatReply, ttft, total time.Duration) {
	g, a := r.Gateway, t.app
	if (g.CostUSD == nil || g.Provider == "") && g.RequestID != "" {
		ctx, cancel := context.WithTimeout(a.ctx, time.Second)
		defer cancel()
		if row, err := t.client.Log(ctx, g.RequestID); err == nil { // keys without the right get less
			g.CostUSD, g.Provider, g.Account = &row.CostUSD, row.Provider, row.Account
			g.Model, g.Attempts = row.UpstreamModel, len(row.Attempts)
		}
	}
	var parts []string
	where := cleanText(t.f.model)
	if served := strings.Trim(cmp.Or(g.Account, g.Provider)+"/"+cmp.Or(g.Model, r.Model), "/"); served != "" && served != where {
		where += " → " + cleanText(served)
	}
	parts = append(parts, where)
	if r.Usage != nil {
		in := a.say("%s in", short(r.Usage.PromptTokens))
		if r.Usage.CachedTokens > 0 {
			in = a.say("%s in (%s cached)", short(r.Usage.PromptTokens), short(r.Usage.CachedTokens))
		}
		parts = append(parts, in, a.say("%s out", short(r.Usage.CompletionTokens)))
	}
	if g.CostUSD != nil {
		parts = append(parts, dollars(*g.CostUSD))
	}
	if ttft > 0 {
		parts = append(parts, a.say("first token %s", took(ttft)))
	}
	parts = append(parts, took(total))
	if g.Attempts > 1 {
		parts = append(parts, a.say("%d attempts", g.Attempts))
	}
	if g.Dropped != "" {
		parts = append(parts, a.say("not passed on: %s", cleanText(g.Dropped)))
	}
	if r.FinishReason == "length" {
		parts = append(parts, a.say("cut at its longest length"))
	}
	a.line("%s", a.paint(a.stderr, dim, strings.Join(parts, " · ")))
}

// chatAnswer is the JSON of chat.
type chatAnswer struct {
	ID           string   `json:"id"`
	Model        string   `json:"model"`
	Content      string   `json:"content"`
	Reasoning    string   `json:"reasoning,omitempty"`
	Refusal      string   `json:"refusal,omitempty"`
	FinishReason string   `json:"finish_reason"`
	Prompt       int64    `json:"prompt_tokens"`
	Completion   int64    `json:"completion_tokens"`
	Cached       int64    `json:"cached_tokens"`
	CostUSD      *api.USD `json:"cost_usd"`
	RequestID    string   `json:"request_id"`
	Provider     string   `json:"provider"`
	Account      string   `json:"account,omitempty"`
	Upstream     string   `json:"upstream_model"`
	DurationMs   int64    `json:"duration_ms"`
}

func chatJSON(r *api.ChatReply, total time.Duration) chatAnswer {
	c := chatAnswer{
		ID: r.ID, Model: r.Model, Content: r.Message.Content, Reasoning: r.Message.Reasoning, Refusal: r.Message.Refusal, FinishReason: r.FinishReason,
		CostUSD: r.Gateway.CostUSD, RequestID: r.Gateway.RequestID, Provider: r.Gateway.Provider, Account: r.Gateway.Account, Upstream: r.Gateway.Model,
		DurationMs: total.Milliseconds(),
	}
	if r.Usage != nil {
		c.Prompt, c.Completion, c.Cached = r.Usage.PromptTokens, r.Usage.CompletionTokens, r.Usage.CachedTokens
	}
	return c
}
