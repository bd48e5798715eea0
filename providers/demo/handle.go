package demo

import (
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// A format is one way callers speak to the engine.
type format struct {
	decode func(body []byte) (*ask, *refusal)
	body   func(a *answer) []byte
	frame  frame
	fail   func(dst []byte, r *refusal, id string) []byte
}

var (
	chatFormat        = &format{decodeChat, chatBody, chatFrame, openaiError}
	completionsFormat = &format{decodeCompletions, completionsBody, completionsFrame, openaiError}
	messagesFormat    = &format{func(b []byte) (*ask, *refusal) { return decodeMessages(b, false) }, messagesBody, messagesFrame, anthropicError}
	countFormat       = &format{func(b []byte) (*ask, *refusal) { return decodeMessages(b, true) }, nil, nil, anthropicError}
)

// A visit is one request.
type visit struct {
	s   *Server
	ctx *fasthttp.RequestCtx
	f   *format
	seq uint64
	id  string // of the answer
}

func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	v := &visit{s: s, ctx: ctx, f: chatFormat, seq: s.seq.Add(1)}
	defer func() {
		if recover() != nil {
			v.refuse(&refusal{status: 500, message: "The demo engine failed."})
		}
	}()
	sum := fnv.New32a()
	sum.Write(ctx.PostBody())
	v.id = "demo" + strconv.FormatUint(uint64(sum.Sum32()), 36) + strconv.FormatUint(v.seq, 36)

	path := "/" + strings.TrimPrefix(strings.Trim(string(ctx.Path()), "/"), "v1/")
	if strings.HasPrefix(path, "/messages") {
		v.f = messagesFormat
	}
	get := ctx.IsGet() || ctx.IsHead()
	switch {
	case get && path == "/models":
		v.json(200, modelList(), 0)
	case get && strings.HasPrefix(path, "/models/"):
		v.model(strings.TrimPrefix(path, "/models/"))
	case get && (path == "/" || path == "/health" || path == "/v1"):
		v.json(200, []byte(`{"status":"ok"}`), 0)
	case !ctx.IsPost():
		v.refuse(&refusal{status: 405, code: "method_not_allowed", message: "The demo engine does not know " + string(ctx.Method()) + " " + path + "."})
	case path == "/chat/completions", path == "/messages":
		v.chat()
	case path == "/completions":
		v.f = completionsFormat
		v.chat()
	case path == "/messages/count_tokens":
		v.f = countFormat
		v.count()
	case path == "/embeddings":
		v.embed()
	case path == "/images/generations":
		v.generate()
	case path == "/images/edits", path == "/images/variations", path == "/audio/transcriptions", path == "/audio/translations":
		v.form(path)
	case path == "/audio/speech":
		v.speak()
	case path == "/moderations":
		v.moderate()
	case path == "/rerank":
		v.rerank()
	default:
		v.refuse(&refusal{status: 404, code: "unknown_url", message: "The demo engine does not know POST " + path + "."})
	}
}

// script returns what the model's name stands for; false: it has answered with an error.
func (v *visit) script(model string) (behaviour, bool) {
	b, known := behaviourOf(model)
	switch {
	case !known:
		v.refuse(&refusal{status: 404, code: "model_not_found", message: "The model `" + model + "` does not exist; GET /v1/models lists those of the demo engine."})
	case b.status != 0 && !(b.everyOdd && v.seq%2 == 0):
		v.refuse(&refusal{status: b.status, message: "The demo engine answers with status " + strconv.Itoa(b.status) + ", as its model's name asks."})
	case v.unlucky():
		v.refuse(&refusal{status: 500, message: "The demo engine failed at random, as its error rate asks."})
	default:
		return b, true
	}
	return b, false
}

// unlucky spreads the error rate evenly over the requests: the fractional parts
// of multiples of the golden ratio are as even as a sequence can be.
func (v *visit) unlucky() bool {
	if v.s.o.ErrorRate <= 0 {
		return false
	}
	const golden = 0x9E3779B97F4A7C15
	return float64(v.seq*golden>>11)/(1<<53) < v.s.o.ErrorRate
}

// chat answers chat, completions and messages.
func (v *visit) chat() {
	q, r := v.f.decode(v.ctx.PostBody())
	if r != nil {
		v.refuse(r)
		return
	}
	b, ok := v.script(q.model)
	if !ok {
		return
	}
	if v.broken(b, q.stream) {
		return
	}
	a := answerTo(q, b, v.id)
	a.created = v.s.o.Now().Unix()
	ttft, gap := v.pace(b)
	if !q.stream {
		v.buffered(a, b, ttft)
		return
	}
	p := &paced{answer: a, frame: v.f.frame, parts: a.parts(b, ttft, gap)}
	if byHand(p.parts) {
		id := "req_" + v.id
		v.s.takeOver(v.ctx, func(h *hand) { h.stream(p, id) })
		return
	}
	v.header(200, "text/event-stream; charset=utf-8")
	v.ctx.Response.Header.Set("Cache-Control", "no-cache")
	v.ctx.SetBodyStream(p, -1)
}

// pace returns the time to the first token and between tokens.
func (v *visit) pace(b behaviour) (ttft, gap time.Duration) {
	ttft, tps := v.s.o.TTFT, v.s.o.TPS
	if b.ttft != 0 {
		ttft = b.ttft
	}
	if b.tps != 0 {
		tps = b.tps
	}
	if tps > 0 {
		gap = time.Duration(float64(time.Second) / tps)
	}
	return max(ttft, 0) + v.s.o.Latency, gap
}

// buffered writes a whole answer after the time to the first token.
func (v *visit) buffered(a *answer, b behaviour, wait time.Duration) {
	switch b.fault {
	case faultErrorFirst: // status 200 all the same
		v.json(200, v.f.fail(nil, &refusal{status: 500, message: "The demo engine failed, as its model's name asks."}, "req_"+v.id), wait)
		return
	case faultErrorStream:
		pause(min(wait, patience))
		v.refuse(&refusal{status: 500, message: "The demo engine failed in the middle of its answer, as its model's name asks."})
		return
	}
	body := v.f.body(a)
	if b.fault == faultCut || b.fault == faultStall || b.fault == faultTruncate {
		id := "req_" + v.id
		v.s.takeOver(v.ctx, func(h *hand) {
			h.wait(wait)
			h.head(200, "application/json", len(body), id)
			h.write(body[:len(body)/2])
			if b.fault == faultStall {
				h.wait(h.maxHang)
			}
		})
		return
	}
	v.json(200, body, wait)
}

// broken plays the faults that need no answer; false: there is none of them.
func (v *visit) broken(b behaviour, stream bool) bool {
	wait, _ := v.pace(b)
	wait = min(wait, patience)
	kind := "application/json"
	if stream {
		kind = "text/event-stream; charset=utf-8"
	}
	switch b.fault {
	case faultHang:
		v.s.takeOver(v.ctx, func(h *hand) { h.wait(h.maxHang) })
	case faultCutHeader:
		v.s.takeOver(v.ctx, func(h *hand) {
			h.wait(wait)
			h.write([]byte("HTTP/1.1 200 OK\r\nContent-Type: " + kind + "\r\nTransfer-Enc"))
		})
	case faultEmptyBody:
		pause(wait)
		v.header(200, kind)
	case faultGarbage:
		pause(wait)
		v.header(200, kind)
		if stream {
			v.ctx.SetBodyString("data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"del\n\ndata: \x00\xff\xfe not JSON\n\n: \n\nevent\n\ndata: [1,\n\n")
		} else {
			v.ctx.SetBodyString("{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"mess\x00\xff")
		}
	case faultHTML:
		pause(wait)
		v.header(200, "text/html; charset=utf-8")
		v.ctx.SetBodyString("<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Sign in to the network</h1></body></html>\n")
	default:
		return false
	}
	return true
}

// count answers count_tokens.
func (v *visit) count() {
	q, r := v.f.decode(v.ctx.PostBody())
	if r != nil {
		v.refuse(r)
		return
	}
	if _, ok := v.script(q.model); ok {
		v.json(200, append(strconv.AppendInt([]byte(`{"input_tokens":`), int64(q.prompt()), 10), '}'), 0)
	}
}

func (v *visit) embed() {
	body, model, r := embed(v.ctx.PostBody())
	if r != nil {
		v.refuse(r)
		return
	}
	if b, ok := v.script(model); ok && !v.broken(b, false) {
		v.json(200, body, v.s.o.Latency)
	}
}

func (v *visit) model(name string) {
	if _, known := behaviourOf(name); !known {
		v.refuse(&refusal{status: 404, code: "model_not_found", message: "The model `" + name + "` does not exist."})
		return
	}
	v.json(200, appendModel(nil, name), 0)
}

func modelList() []byte {
	dst := []byte(`{"object":"list","data":[`)
	for i, name := range modelNames() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendModel(dst, name)
	}
	return append(dst, "]}"...)
}

func appendModel(dst []byte, name string) []byte {
	dst = append(dst, `{"id":`...)
	dst = wire.AppendString(dst, name)
	return append(dst, `,"object":"model","created":1735689600,"owned_by":"ai-gateway"}`...)
}

func (v *visit) header(status int, contentType string) {
	v.ctx.SetStatusCode(status)
	v.ctx.Response.Header.SetContentType(contentType)
	v.ctx.Response.Header.Set("X-Request-Id", "req_"+v.id)
}

// json writes a whole body after a pause, in which the connection is watched if it is long.
func (v *visit) json(status int, body []byte, wait time.Duration) {
	if wait > patience {
		id := "req_" + v.id
		v.s.takeOver(v.ctx, func(h *hand) {
			h.wait(wait)
			h.head(status, "application/json", len(body), id)
			h.write(body)
		})
		return
	}
	pause(wait)
	v.header(status, "application/json")
	v.ctx.SetBody(body)
}

// refuse answers with an error in the caller's format.
func (v *visit) refuse(r *refusal) {
	v.ctx.ResetBody()
	v.header(r.status, "application/json")
	if r.status == 429 {
		v.ctx.Response.Header.Set("Retry-After", "1")
	}
	v.ctx.SetBody(v.f.fail(nil, r, "req_"+v.id))
}
