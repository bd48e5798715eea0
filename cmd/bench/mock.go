package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// A Mock is an upstream in OpenAI's format that costs as little as one can: the
// same answer each time, and streams whose chunks carry the time they were sent.
type Mock struct {
	Answer     int           // bytes of an answer's text
	Chunks     int           // of a stream
	ChunkDelay time.Duration // before each
	Latency    time.Duration // before an answer

	server *fasthttp.Server
	ln     net.Listener
}

// Start serves the mock on addr ("127.0.0.1:0" chooses a port) until Stop.
func (m *Mock) Start(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot start the mock upstream: %w", err)
	}
	answer := []byte(fmt.Sprintf(`{"id":"chatcmpl-bench","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"%s"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150}}`,
		bytes.Repeat([]byte{'x'}, max(m.Answer, 1))))
	m.ln = ln
	m.server = &fasthttp.Server{NoDefaultServerHeader: true, MaxRequestBodySize: 64 << 20, Concurrency: 1 << 20, CloseOnShutdown: true, Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.SetContentType("application/json")
		switch {
		case !ctx.IsPost():
			ctx.SetBodyString(`{"object":"list","data":[{"id":"bench","object":"model","created":1,"owned_by":"bench"}]}`)
		case streams(ctx.PostBody()):
			ctx.Response.Header.SetContentType("text/event-stream")
			ctx.SetBodyStreamWriter(m.stream)
		default:
			if m.Latency > 0 {
				time.Sleep(m.Latency)
			}
			ctx.SetBody(answer)
		}
	}}
	go func() {
		defer func() {
			if recover() != nil { // the load that is measured finds nobody there, and says so
				_ = ln.Close()
			}
		}()
		_ = m.server.Serve(ln)
	}()
	return nil
}

// streams tells whether a request asks for a stream, wherever in it and in whichever of
// the two usual spellings: gateways write requests anew. In a text the quotes are escaped.
func streams(body []byte) bool {
	return bytes.Contains(body, []byte(`"stream":true`)) || bytes.Contains(body, []byte(`"stream": true`))
}

// URL is the address of the mock, as a gateway's account takes it.
func (m *Mock) URL() string { return "http://" + m.ln.Addr().String() }

// Stop ends the mock.
func (m *Mock) Stop() { _ = m.ln.Close() }

const chunkHead = `data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench","choices":[{"index":0,`

func (m *Mock) stream(w *bufio.Writer) {
	time.Sleep(m.Latency)
	var number [20]byte
	for range m.Chunks {
		if m.ChunkDelay > 0 {
			time.Sleep(m.ChunkDelay)
		}
		_, _ = w.WriteString(chunkHead + `"delta":{"content":"t`)
		_, _ = w.Write(strconv.AppendInt(number[:0], time.Now().UnixNano(), 10))
		_, _ = w.WriteString(" and some words\"}}]}\n\n")
		if w.Flush() != nil { // the caller has left
			return
		}
	}
	_, _ = w.WriteString(chunkHead + "\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" +
		`data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150}}` + "\n\ndata: [DONE]\n\n")
	_ = w.Flush()
}
