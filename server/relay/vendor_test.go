package relay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/server/relay"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/server/vault"
)

type object = map[string]any

// vendor is an upstream that answers with its contents in turn and keeps what it was sent.
type vendor struct {
	mu      sync.Mutex
	answers []http.HandlerFunc
	bodies  []string
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	v.mu.Lock()
	v.bodies = append(v.bodies, string(body))
	answer := v.answers[min(len(v.bodies), len(v.answers))-1]
	v.mu.Unlock()
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	answer(w, r)
}

// sent returns the n-th request's body.
func (v *vendor) sent(t *testing.T, n int) object {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.bodies) < n {
		t.Fatalf("%d requests came, not %d", len(v.bodies), n)
	}
	return parse(t, v.bodies[n-1])
}

func parse(t *testing.T, s string) (o object) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return o
}

// says answers in Anthropic's format with a list of blocks, as a stream if that is asked for.
func says(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"id":"msg_1","type":"message","role":"assistant","model":"m1","content":%s,"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":5}}`, content)
			return
		}
		var blocks []object
		d := json.NewDecoder(strings.NewReader(content))
		d.UseNumber()
		if err := d.Decode(&blocks); err != nil {
			panic(err)
		}
		sse(w, streamed(blocks)...)
	}
}

// streamed returns the events of a message, every text in pieces.
func streamed(blocks []object) (events []string) {
	emit := func(name string, o object) {
		o["type"] = name
		data, _ := json.Marshal(o)
		events = append(events, "event: "+name+"\ndata: "+string(data)+"\n\n")
	}
	emit("message_start", object{"message": object{"id": "msg_1", "type": "message", "role": "assistant", "model": "m1", "content": []any{}, "usage": object{"input_tokens": 10, "output_tokens": 1}}})
	for i, b := range blocks {
		start := object{}
		for k, v := range b {
			start[k] = v
		}
		pieces := func(typ, member, s string) {
			most := max(5, len(s)/20)
			for len(s) > 0 {
				n := min(most, len(s))
				for n < len(s) && !utf8.RuneStart(s[n]) {
					n++
				}
				emit("content_block_delta", object{"index": i, "delta": object{"type": typ, member: s[:n]}})
				s = s[n:]
			}
		}
		switch b["type"] {
		case "thinking":
			start["thinking"], start["signature"] = "", ""
			emit("content_block_start", object{"index": i, "content_block": start})
			pieces("thinking_delta", "thinking", b["thinking"].(string))
			emit("content_block_delta", object{"index": i, "delta": object{"type": "signature_delta", "signature": b["signature"]}})
		case "text":
			start["text"] = ""
			emit("content_block_start", object{"index": i, "content_block": start})
			pieces("text_delta", "text", b["text"].(string))
		case "tool_use":
			start["input"] = object{}
			emit("content_block_start", object{"index": i, "content_block": start})
			args, _ := json.Marshal(b["input"])
			if string(args) != "{}" {
				pieces("input_json_delta", "partial_json", string(args))
			}
		default:
			emit("content_block_start", object{"index": i, "content_block": start})
		}
		emit("content_block_stop", object{"index": i})
	}
	emit("message_delta", object{"delta": object{"stop_reason": "tool_use", "stop_sequence": nil}, "usage": object{"output_tokens": 5}})
	emit("message_stop", object{})
	return events
}

// A caller speaks to a relay that has a vault. Its key is in a header.
type caller struct {
	t      *testing.T
	bench  *bench
	url    string
	key    string
	stream bool
	header http.Header // of the last answer
}

func newCaller(t *testing.T, v *vault.Vault, targets ...target) *caller {
	t.Helper()
	c := &caller{t: t, key: "key-1", bench: newBench(t, upstream.Timeouts{}, targets...)}
	client := upstream.New(upstream.Options{InstanceID: "test"})
	r := relay.New(relay.Options{
		Upstream: client, Ledger: c.bench.book, Metrics: telemetry.NewMetrics("test"), Now: time.Now, Vault: v,
		Timeouts: func(bool) upstream.Timeouts { return upstream.StreamDefaults },
		Panicked: func(where string, v any) { t.Errorf("panic in %s: %v", where, v) },
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { c.bench.serveKey(ctx, r) }, NoDefaultServerHeader: true}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Shutdown(); r.Close(); client.Close() })
	c.url = "http://" + ln.Addr().String()
	return c
}

func (b *bench) serveKey(ctx *fasthttp.RequestCtx, r *relay.Relay) {
	in := openai.ChatIngress()
	if string(ctx.Path()) == "/v1/messages" {
		in = anthropic.MessagesIngress()
	}
	body := append([]byte(nil), ctx.PostBody()...)
	peek, err := in.Peek(body)
	if err != nil {
		var e *providers.Error
		errors.As(err, &e)
		relay.WriteError(ctx, in, e)
		return
	}
	plan, perr := b.table.Plan(routing.Ask{Op: providers.OpChat, Dialect: in.Dialect(), Model: peek.Model})
	if perr != nil {
		relay.WriteError(ctx, in, perr)
		return
	}
	b.mu.Lock()
	b.count++
	id := fmt.Sprintf("req-%d", b.count)
	b.mu.Unlock()
	r.Do(ctx, &relay.Job{ID: id, Op: providers.OpChat, In: in, Peek: peek, Body: body, Plan: plan, Accepted: time.Now(), Conn: ctx.Conn(),
		KeyID: string(ctx.Request.Header.Peek("X-Key"))})
}

// post sends body and returns the answer's message, put together as SDKs do.
func (c *caller) post(path string, body object) object {
	c.t.Helper()
	if c.stream {
		body["stream"] = true
	}
	data, _ := json.Marshal(body)
	req, _ := http.NewRequest("POST", c.url+path, strings.NewReader(string(data)))
	req.Header.Set("X-Key", c.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		c.t.Fatalf("%v, status %d: %s", err, resp.StatusCode, out)
	}
	c.header = resp.Header
	if !c.stream {
		o := parse(c.t, string(out))
		if path == "/v1/messages" {
			return o
		}
		return o["choices"].([]any)[0].(object)["message"].(object)
	}
	return c.join(string(out))
}

// join puts the chunks of a chat stream together.
func (c *caller) join(stream string) object {
	c.t.Helper()
	if !strings.HasSuffix(stream, doneChunk) {
		c.t.Fatalf("the stream is not whole: %s", stream)
	}
	m := object{"role": "assistant", "content": nil}
	var calls []any
	for line := range strings.Lines(stream) {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		for _, choice := range parse(c.t, data)["choices"].([]any) {
			for name, v := range choice.(object)["delta"].(object) {
				switch v := v.(type) {
				case string:
					if was, _ := m[name].(string); name != "role" && (v != "" || was != "") {
						m[name] = was + v
					}
				case []any:
					if name != "tool_calls" {
						was, _ := m[name].([]any)
						m[name] = append(was, v...)
						continue
					}
					part := v[0].(object)
					f := part["function"].(object)
					if part["id"] != nil {
						calls = append(calls, part)
						continue
					}
					index, _ := part["index"].(json.Number).Int64()
					to := calls[index].(object)["function"].(object)
					to["arguments"] = to["arguments"].(string) + f["arguments"].(string)
				}
			}
		}
	}
	for _, call := range calls {
		delete(call.(object), "index")
	}
	if calls != nil {
		m["tool_calls"] = calls
	}
	return m
}
