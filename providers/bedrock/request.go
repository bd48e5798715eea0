package bedrock

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

type egress struct{}

// ConverseEgress returns the dialect as Bedrock speaks it. Model and streaming are
// not in the body but in the address, see URL.
//
// What DecodeResponse returns points into the body it was given.
func ConverseEgress() providers.Egress { return egress{} }

func (egress) Dialect() providers.Dialect { return dialect }

// Inlines implements providers.Inliner: Bedrock opens no addresses but those of S3.
func (egress) Inlines(b *providers.Block) bool { return !strings.HasPrefix(b.URL, s3Scheme) }

const s3Scheme = "s3://"

// A requestWriter writes one request.
type requestWriter struct {
	r       *providers.Request
	family  family
	claude  bool
	host    anthropic.Hosted // of a Claude model
	names   map[string]int   // of documents: they must differ within a request
	dst     []byte
	dropped []string
	err     *providers.Error
}

// A family is the maker of a model, by which its own members differ.
type family uint8

const (
	otherFamily family = iota
	claudeFamily
	novaFamily
	nova2Family // thinks
	openaiFamily
	mistralFamily
)

// familyOf tells the maker from a model id, an inference profile's id or an ARN of
// one of them ("us.amazon.nova-pro-v1:0"). An application's own profile tells nothing.
func familyOf(model string) family {
	for _, f := range []struct {
		part   string
		family family
	}{{"claude-", claudeFamily}, {"amazon.nova-2", nova2Family}, {"amazon.nova", novaFamily}, {"openai.", openaiFamily}, {"mistral.", mistralFamily}} {
		if strings.Contains(model, f.part) {
			return f.family
		}
	}
	return otherFamily
}

func (egress) AppendRequest(dst []byte, r *providers.Request) (out []byte, dropped []string, err error) {
	w := &requestWriter{r: r, family: familyOf(r.Model), dst: dst}
	w.host, w.claude = anthropic.Host(r, dialect)
	w.dropped = append(w.dropped, w.host.Dropped...)
	if r.N > 1 {
		w.fail("n", fmt.Sprintf("this model gives one answer a request, %d were asked for", r.N))
	}
	turns, system := w.turns()
	if len(turns) == 0 {
		w.fail("messages", "at least one message with content is required")
	}
	w.dst = append(w.dst, '{')
	w.writeTurns(turns)
	w.writeSystem(system)
	w.writeTools()
	w.writeInference()
	w.writeModelFields()
	w.writeOutput()
	w.writeServiceTier()
	w.loseExtra()
	w.reportLost()
	if w.err != nil {
		w.err.Message = w.err.Param + ": " + w.err.Message
		return dst, nil, w.err
	}
	return append(w.dst, '}'), w.dropped, nil
}

// drop records, once, the name of something that is not sent.
func (w *requestWriter) drop(name string) {
	if !slices.Contains(w.dropped, name) {
		w.dropped = append(w.dropped, name)
	}
}

// fail keeps the first reason why the request cannot be served.
func (w *requestWriter) fail(param, message string) {
	if w.err == nil {
		w.err = &providers.Error{Kind: providers.KindInvalidRequest, Param: param, Message: message}
	}
}

func (w *requestWriter) writeTurns(turns []turn) {
	w.dst = append(wire.Key(w.dst, "messages"), '[')
	for i := range turns {
		t := &turns[i]
		w.dst = wire.PutString(append(wire.Comma(w.dst), '{'), "role", t.role)
		w.dst = append(wire.Key(w.dst, "content"), '[')
		for _, b := range t.blocks {
			w.writeBlock(b)
		}
		if i == len(turns)-1 && len(w.r.Cache) > 0 { // a mark on the request: on the last block
			w.cachePoint(w.r.Cache, w.caches())
		}
		w.dst = append(w.dst, "]}"...)
	}
	w.dst = append(w.dst, ']')
}

// jsonOnly stands in for response_format json_object, which this format lacks.
const jsonOnly = "Answer with one valid JSON object and nothing else."

// noTools stands in for tool_choice none, which this format lacks, where the
// tools must stay because the conversation has used them.
const noTools = "Answer without calling any tool."

func (w *requestWriter) writeSystem(system []providers.Block) {
	refs := slices.DeleteFunc(blockRefs(system), w.vanishes)
	instruct := func(member, text string) {
		w.drop(member)
		refs = append(refs, &providers.Block{Kind: providers.KindText, Text: text})
	}
	if w.r.Format != nil && w.r.Format.Kind == "json_object" {
		instruct("response_format", jsonOnly)
	}
	if w.r.ToolChoice.Mode == providers.ToolNone && len(w.r.Tools) > 0 && len(w.usedTools()) > 0 {
		instruct("tool_choice", noTools)
	}
	if len(refs) == 0 {
		return
	}
	w.dst = append(wire.Key(w.dst, "system"), '[')
	for _, b := range refs {
		if b.Kind != providers.KindText && b.Kind != providers.KindRefusal {
			w.drop("system." + blockName(b))
			continue
		}
		w.writeBlock(b)
	}
	w.dst = append(w.dst, ']')
}

// writeBlock writes one block, and the cache point behind it that marks it.
func (w *requestWriter) writeBlock(b *providers.Block) {
	switch b.Kind {
	case providers.KindText, providers.KindRefusal:
		w.dst = append(wire.PutString(append(wire.Comma(w.dst), '{'), "text", b.Text), '}')
		if !wire.Inert(b.Citations) {
			w.drop("messages.citations")
		}
	case providers.KindThinking:
		w.dst = open(open(append(wire.Comma(w.dst), '{'), "reasoningContent"), "reasoningText")
		w.dst = append(wire.PutString(wire.PutString(w.dst, "text", b.Text), "signature", b.Signature), "}}}"...)
	case providers.KindRedacted:
		w.dst = open(append(wire.Comma(w.dst), '{'), "reasoningContent")
		w.dst = append(wire.PutString(w.dst, "redactedContent", redacted(b)), "}}"...)
	case providers.KindToolCall:
		if b.Signature != "" { // Gemini signs calls; here nothing takes it
			w.drop("messages.signature")
		}
		w.dst = open(append(wire.Comma(w.dst), '{'), "toolUse")
		w.dst = wire.PutString(wire.PutString(w.dst, "toolUseId", w.id(b.ID)), "name", b.ToolName)
		w.dst = append(wire.PutRaw(w.dst, "input", input(b)), "}}"...)
	case providers.KindToolResult:
		w.writeResult(b)
	case providers.KindImage, providers.KindFile, providers.KindAudio:
		w.writeMedia(b)
	}
	if len(b.Cache) > 0 {
		w.cachePoint(b.Cache, w.caches())
	}
}

// redacted returns opaque thinking in base64, as which it came from here: its bytes
// were never decoded. Those bytes are what Anthropic's own API calls its data, which is
// text; what passed a caller whose format knows only that API may be either.
func redacted(b *providers.Block) string {
	if b.SignatureOrigin != dialect {
		inner, err := base64.StdEncoding.DecodeString(string(b.Data))
		if err != nil || strings.ContainsFunc(string(inner), func(r rune) bool { return r <= ' ' || r > '~' }) {
			return base64.StdEncoding.EncodeToString(b.Data)
		}
	}
	return string(b.Data)
}

func (w *requestWriter) id(id string) string {
	if id == "" {
		w.fail("tool_call_id", "Field required")
	}
	return validID(id)
}

// input returns the arguments of a call, which must be an object here.
func input(b *providers.Block) json.RawMessage {
	switch {
	case b.Custom:
		return append(wire.PutString([]byte("{"), "input", b.Text), '}')
	case len(b.Args) == 0:
		return json.RawMessage("{}")
	case wire.ValidObject(b.Args):
		return b.Args
	}
	// A model's malformed arguments stay readable instead of ending the conversation.
	return append(wire.PutString([]byte("{"), "input", string(b.Args)), '}')
}

func (w *requestWriter) writeResult(b *providers.Block) {
	w.dst = open(append(wire.Comma(w.dst), '{'), "toolResult")
	w.dst = wire.PutString(w.dst, "toolUseId", w.id(b.ID))
	w.dst = append(wire.Key(w.dst, "content"), '[')
	var mark json.RawMessage
	for i := range b.Result {
		in := b.Result[i]
		if len(in.Cache) > 0 { // no cache point stands within a result
			mark, in.Cache = in.Cache, nil
		}
		if !w.vanishes(&in) {
			w.writeBlock(&in)
		}
	}
	w.dst = append(w.dst, ']')
	if b.IsError { // success is the default, and only some models take the member
		w.dst = wire.PutString(w.dst, "status", "error")
	}
	w.dst = append(w.dst, "}}"...)
	if mark != nil && len(b.Cache) == 0 {
		w.cachePoint(mark, w.caches())
	}
}

// caches reports whether the model takes cache points; others answer them with a 403.
func (w *requestWriter) caches() bool {
	return w.claude && w.host.Caches || w.family == novaFamily || w.family == nova2Family
}

// cachePoint writes the mark that ends a cached prefix, in place of the mark on the
// block before it.
func (w *requestWriter) cachePoint(mark json.RawMessage, taken bool) {
	if !taken {
		w.drop("cache_control")
		return
	}
	w.dst = wire.PutString(open(append(wire.Comma(w.dst), '{'), "cachePoint"), "type", "default")
	switch ttl := stringAt(mark, "ttl"); {
	case ttl == "" || ttl == "5m":
	case w.claude:
		w.dst = wire.PutString(w.dst, "ttl", ttl)
	default:
		w.drop("cache_control.ttl")
	}
	w.dst = append(w.dst, "}}"...)
}

func blockName(b *providers.Block) string {
	switch b.Kind {
	case providers.KindImage:
		return "image"
	case providers.KindFile:
		return "document"
	case providers.KindAudio:
		return "audio"
	}
	if t := stringAt(b.Raw, "type"); t != "" {
		return t
	}
	return "opaque"
}
