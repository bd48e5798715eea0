package openai

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// An asked request is what an answer repeats of it and needs to know of its tools.
type asked struct {
	echo   []byte               // members that answers repeat
	custom map[string]bool      // free-form tools
	spaces map[string][2]string // namespace and name of a tool by its flat name
}

func newAsked(body json.RawMessage) asked {
	var a asked
	var said [len(echoed)][]byte
	wire.EachMember(body, func(name, v []byte) bool {
		for i := range echoed {
			if string(name) == echoed[i].name && !isNull(v) {
				said[i] = v
			}
		}
		return true
	})
	a.echo = append(a.echo, '{')
	for i, e := range echoed {
		if said[i] == nil {
			said[i] = []byte(e.unsaid)
		}
		if len(said[i]) > 0 {
			a.echo = wire.PutRaw(a.echo, e.name, said[i])
		}
	}
	a.tools(said[echoedTools])
	return a
}

// tools notes what the caller's tools have that those of other formats lack.
func (a *asked) tools(list []byte) {
	wire.EachElement(list, func(t []byte) bool {
		switch textAt(t, "type") {
		case "custom":
			if a.custom == nil {
				a.custom = map[string]bool{}
			}
			a.custom[textAt(t, "name")] = true
		case "namespace":
			space := textAt(t, "name")
			wire.EachElement(at(t, "tools"), func(inner []byte) bool {
				if a.spaces == nil {
					a.spaces = map[string][2]string{}
				}
				name := textAt(inner, "name")
				a.spaces[flatName(space, name)] = [2]string{space, name}
				if textAt(inner, "type") == "custom" {
					if a.custom == nil {
						a.custom = map[string]bool{}
					}
					a.custom[flatName(space, name)] = true
				}
				return true
			})
		}
		return true
	})
}

// echoedTools is the place of the tools among the echoed members.
const echoedTools = 12

// echoed are the members of a request that its answer repeats, with what stands for those not given.
var echoed = [...]struct{ name, unsaid string }{
	{"instructions", "null"}, {"max_output_tokens", "null"}, {"metadata", "{}"}, {"parallel_tool_calls", "true"},
	{"previous_response_id", "null"}, {"prompt_cache_key", ""}, {"reasoning", `{"effort":null,"summary":null}`},
	{"safety_identifier", ""}, {"store", "true"}, {"temperature", "null"}, {"text", `{"format":{"type":"text"}}`},
	{"tool_choice", `"auto"`}, {"tools", "[]"}, {"top_logprobs", ""}, {"top_p", "null"}, {"truncation", `"disabled"`}, {"user", "null"},
}

// A responseHead is what a response says beside its output.
type responseHead struct {
	id, model, tier string
	created         int64
	status, reason  string // reason: of an incomplete one
	failure         *providers.Error
}

// putHead writes a response up to its output.
func putHead(dst []byte, h *responseHead, a *asked) []byte {
	dst = wire.PutString(append(dst, '{'), "id", h.id)
	dst = wire.PutString(dst, "object", "response")
	dst = wire.PutInt(dst, "created_at", h.created)
	dst = wire.PutString(dst, "status", h.status)
	dst = append(dst, `,"background":false`...)
	dst = wire.Key(dst, "error")
	if h.failure != nil {
		code := failureCode(h.failure)
		dst = wire.PutString(append(dst, '{'), "code", code)
		dst = append(wire.PutString(dst, "message", h.failure.Message), '}')
	} else {
		dst = append(dst, "null"...)
	}
	dst = wire.Key(dst, "incomplete_details")
	if h.reason != "" {
		dst = append(wire.PutString(append(dst, '{'), "reason", h.reason), '}')
	} else {
		dst = append(dst, "null"...)
	}
	dst = wire.PutString(dst, "model", h.model)
	dst = append(wire.Comma(dst), a.echo[1:]...)
	if h.tier != "" {
		dst = wire.PutString(dst, "service_tier", h.tier)
	}
	return dst
}

// failureCode is the code of an error within a response.
func failureCode(e *providers.Error) string {
	_, code := errorWords(e.Kind)
	if e.Code != "" {
		code = e.Code
	}
	if code == "" {
		code = "server_error"
	}
	return code
}

// stopWords returns the status of an answer, and the reason of an incomplete one.
func stopWords(f providers.Finish) (status, reason string) {
	switch f {
	case providers.FinishLength, providers.FinishContext:
		return "incomplete", "max_output_tokens"
	case providers.FinishContentFilter, providers.FinishRefusal:
		return "incomplete", "content_filter"
	}
	return "completed", ""
}

// responseID returns the id of an answer: the vendor's where it is one of this
// format, as later requests may name it.
func responseID(id string) string {
	if strings.HasPrefix(id, "resp") || id != "" && strings.Count(id, "-") == 4 { // xAI's are UUIDs
		return id
	}
	if id == "" {
		id = "0"
	}
	return "resp_" + id
}

// itemID makes the id of the nth item of a response.
func itemID(prefix, response string, n int) string {
	return prefix + "_" + strings.TrimPrefix(response, "resp_") + "_" + strconv.Itoa(n)
}

// AppendResponse writes a whole answer. One that came in this format is written
// back whole; of another vendor's, blocks without a form here (server tools) are left out.
func (responsesIngress) AppendResponse(dst []byte, r *providers.Response) ([]byte, error) {
	var c providers.Choice
	if len(r.Choices) > 0 {
		c = r.Choices[0]
	}
	if r.Origin == responses {
		return appendOwnResponse(dst, r, &c), nil
	}
	a := newAsked(r.Asked)
	h := responseHead{id: responseID(r.ID), model: r.Model, created: r.Created, tier: tierWord(r.ServiceTier, false)}
	h.status, h.reason = stopWords(c.Finish)
	dst = putHead(dst, &h, &a)
	dst = append(wire.Key(dst, "output"), '[')
	w := itemWriter{id: h.id, asked: &a, logprobs: at(c.Logprobs, "content")}
	dst = append(w.items(dst, c.Blocks), ']')
	dst = append(wire.Key(dst, "usage"), "null"...)
	if r.HasUsage {
		dst = putFlatUsage(dst[:len(dst)-len("null")], &r.Usage)
	}
	return append(dst, '}'), nil
}

func appendOwnResponse(dst []byte, r *providers.Response, c *providers.Choice) []byte {
	dst = wire.PutString(append(dst, '{'), "id", r.ID)
	dst = wire.PutString(dst, "object", "response")
	dst = wire.PutInt(dst, "created_at", r.Created)
	dst = wire.PutString(dst, "model", r.Model)
	dst = append(wire.Key(dst, "output"), '[')
	for i := 0; i < len(c.Blocks); {
		b := &c.Blocks[i]
		if !wire.IsObject(b.Raw) {
			i++
			continue
		}
		dst = wire.AppendRaw(wire.Comma(dst), b.Raw)
		i += itemBlocks(b.Raw)
	}
	dst = append(dst, ']')
	if r.ServiceTier != "" {
		dst = wire.PutString(dst, "service_tier", r.ServiceTier)
	}
	for _, m := range r.Extra {
		dst = putMember(dst, m)
	}
	return append(dst, '}')
}

// An itemWriter writes the blocks of a whole answer as items.
type itemWriter struct {
	id       string // of the response
	asked    *asked
	logprobs []byte
	n        int // items so far
}

func (w *itemWriter) items(dst []byte, blocks []providers.Block) []byte {
	for i := 0; i < len(blocks); {
		b := &blocks[i]
		if !isSaid(b.Kind) {
			dst = w.item(dst, b)
			i++
			continue
		}
		n := 1
		for i+n < len(blocks) && isSaid(blocks[i+n].Kind) {
			n++
		}
		dst = w.message(dst, blocks[i:i+n])
		i += n
	}
	return dst
}

// isSaid reports whether a block stands in a message.
func isSaid(k providers.BlockKind) bool {
	return k == providers.KindText || k == providers.KindRefusal || k == providers.KindAudio
}

func (w *itemWriter) next(prefix string) string {
	w.n++
	return itemID(prefix, w.id, w.n-1)
}

func (w *itemWriter) message(dst []byte, blocks []providers.Block) []byte {
	start := len(dst)
	dst = append(wire.Comma(dst), `{"type":"message"`...)
	dst = wire.PutString(dst, "id", itemID("msg", w.id, w.n))
	dst = append(dst, `,"status":"completed","role":"assistant","content":[`...)
	empty := len(dst)
	for i := range blocks {
		b := &blocks[i]
		if b.Text == "" {
			continue
		}
		p := outPart{refusal: b.Kind == providers.KindRefusal, text: b.Text, logprobs: w.logprobs}
		p.annotations = flatCitations(nil, b, 0, int64(utf8.RuneCountInString(b.Text)))
		dst = p.append(wire.Comma(dst))
		w.logprobs = nil
	}
	if len(dst) == empty {
		return dst[:start]
	}
	w.n++
	return append(dst, "]}"...)
}

func (w *itemWriter) item(dst []byte, b *providers.Block) []byte {
	switch b.Kind {
	case providers.KindThinking, providers.KindRedacted:
		if b.Text == "" && seal(b) == "" {
			return dst
		}
		return putReasoningItem(wire.Comma(dst), w.next("rs"), b.Text, seal(b))
	case providers.KindToolCall:
		return putCallItem(wire.Comma(dst), w.next("fc"), "completed", w.asked.call(b))
	case providers.KindImage:
		if len(b.Data) > 0 {
			return putPictureItem(wire.Comma(dst), w.next("ig"), b)
		}
	}
	return dst
}

// An outPart is a part of a message of the model.
type outPart struct {
	refusal     bool
	text        string
	annotations []byte // elements, joined by commas
	logprobs    []byte // a list
}

func (p *outPart) append(dst []byte) []byte {
	if p.refusal {
		return append(wire.PutString(append(dst, `{"type":"refusal"`...), "refusal", p.text), '}')
	}
	dst = wire.PutString(append(dst, `{"type":"output_text"`...), "text", p.text)
	dst = append(append(append(wire.Key(dst, "annotations"), '['), p.annotations...), ']')
	if p.logprobs != nil {
		dst = wire.PutRaw(dst, "logprobs", p.logprobs)
	} else {
		dst = append(wire.Key(dst, "logprobs"), "[]"...)
	}
	return append(dst, '}')
}

// flatCitations adds the citations of a block as annotations. A foreign one that
// names a page refers to the block as a whole, in characters.
func flatCitations(dst []byte, b *providers.Block, start, end int64) []byte {
	one := func(c []byte) bool {
		if len(dst) > 0 {
			dst = append(dst, ',')
		}
		from := len(dst)
		switch inner := at(c, "url_citation"); {
		case b.Origin == responses:
			dst = append(dst, c...)
		case inner != nil: // chat completions nest it
			dst = append(putObjectMembers(append(dst, `{"type":"url_citation"`...), inner), '}')
		case textAt(c, "url") != "":
			dst = wire.PutString(append(dst, `{"type":"url_citation"`...), "url", textAt(c, "url"))
			dst = wire.PutString(dst, "title", textAt(c, "title"))
			dst = append(wire.PutInt(wire.PutInt(dst, "start_index", start), "end_index", end), '}')
		default:
			dst = dst[:max(0, from-1)]
		}
		return true
	}
	if wire.IsArray(b.Citations) {
		wire.EachElement(b.Citations, one)
	} else if wire.IsObject(b.Citations) {
		one(b.Citations)
	}
	return dst
}

// An outCall is a call as the caller knows its tool.
type outCall struct {
	id, name, space string
	custom          bool
	input           string // arguments, or free-form input
}

// call names a call's tool as the request did. A free-form tool that the upstream
// took for one of a single text has its input there.
func (a *asked) call(b *providers.Block) *outCall {
	c := &outCall{id: b.ID, name: b.ToolName, custom: b.Custom || a.custom[b.ToolName], input: b.Text}
	if s, ok := a.spaces[b.ToolName]; ok {
		c.space, c.name = s[0], s[1]
	}
	if !b.Custom {
		if c.input = string(b.Args); c.input == "" {
			c.input = "{}"
		}
		if c.custom {
			c.input = freeInput(c.input)
		}
	}
	return c
}

// freeInput takes the input of a free-form tool out of {"input":"…"}.
func freeInput(args string) string {
	if s, ok := wire.String(at([]byte(args), "input")); ok {
		return s
	}
	return args
}

func putCallItem(dst []byte, id, status string, c *outCall) []byte {
	if c.custom {
		dst = append(dst, `{"type":"custom_tool_call"`...)
	} else {
		dst = append(dst, `{"type":"function_call"`...)
	}
	dst = wire.PutString(dst, "id", id)
	dst = wire.PutString(dst, "status", status)
	dst = wire.PutString(dst, "call_id", c.id)
	dst = wire.PutString(dst, "name", c.name)
	if c.space != "" {
		dst = wire.PutString(dst, "namespace", c.space)
	}
	name := "arguments"
	if c.custom {
		name = "input"
	}
	return append(wire.PutString(dst, name, c.input), '}')
}

func putReasoningItem(dst []byte, id, text, sealed string) []byte {
	dst = wire.PutString(append(dst, `{"type":"reasoning"`...), "id", id)
	dst = append(wire.Key(dst, "summary"), '[')
	if text != "" {
		dst = append(wire.PutString(append(dst, `{"type":"summary_text"`...), "text", text), '}')
	}
	dst = append(dst, ']')
	if sealed != "" {
		dst = wire.PutString(dst, "encrypted_content", sealed)
	}
	return append(dst, '}')
}

func putPictureItem(dst []byte, id string, b *providers.Block) []byte {
	dst = wire.PutString(append(dst, `{"type":"image_generation_call"`...), "id", id)
	dst = wire.PutString(dst, "status", "completed")
	if format, ok := strings.CutPrefix(b.MediaType, "image/"); ok {
		dst = wire.PutString(dst, "output_format", format)
	}
	return append(putData(dst, "result", "", b.Data), '}')
}

// putFlatUsage writes a usage object in this format's words.
func putFlatUsage(dst []byte, u *providers.Usage) []byte {
	dst = wire.PutInt(append(dst, '{'), "input_tokens", u.Prompt())
	dst = append(wire.Key(dst, "input_tokens_details"), '{')
	dst = wire.PutInt(dst, "cached_tokens", u.CacheRead)
	dst = append(wire.PutInt(dst, "cache_write_tokens", u.CacheWrite()), '}')
	dst = wire.PutInt(dst, "output_tokens", u.Completion())
	dst = append(wire.Key(dst, "output_tokens_details"), '{')
	dst = append(wire.PutInt(dst, "reasoning_tokens", u.Reasoning), '}')
	return append(wire.PutInt(dst, "total_tokens", u.Prompt()+u.Completion()), '}')
}

// AppendError writes an error in the shape all of OpenAI's endpoints have.
func (responsesIngress) AppendError(dst []byte, e *providers.Error) []byte {
	return chatIngress{}.AppendError(dst, e)
}

// AppendPing writes a comment, which clients of this format ignore.
func (responsesIngress) AppendPing(dst []byte) []byte { return append(dst, ": ping\n\n"...) }
