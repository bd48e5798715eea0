package relay_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/upstream"
)

// bytesOnly is a dialect whose upstream opens no addresses.
type bytesOnly struct{ providers.Egress }

func (bytesOnly) Inlines(*providers.Block) bool { return true }

func (b *bench) dialFiles(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, b.files)
}

const anthropicAnswer = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"seen"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`

func withImages(urls ...string) string {
	var parts []string
	for _, u := range urls {
		parts = append(parts, `{"type":"image_url","image_url":{"url":"`+u+`"}}`)
	}
	return `{"model":"p0/m1","messages":[{"role":"user","content":[` + strings.Join(parts, ",") + `]}]}`
}

// TestInline: what a caller points at is fetched, once, where the target takes
// bytes only, and for nobody else.
func TestInline(t *testing.T) {
	png := "\x89PNG\r\n\x1a\n" + strings.Repeat("x", 32)
	var fetched atomic.Int32
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		if r.URL.Path == "/gone.png" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, png)
	}))
	defer files.Close()
	var sent atomic.Value
	upstreamTaker := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent.Store(string(body))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, anthropicAnswer)
	}
	b := newBench(t, upstream.Timeouts{}, target{dialect: asBytes, handler: upstreamTaker}, target{dialect: asMessages, handler: upstreamTaker})
	b.files = files.Listener.Addr().String()

	status, body, _ := b.post("/v1/chat/completions", withImages("http://files.example.com/a.png", "http://files.example.com/a.png"))
	want := `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + base64.StdEncoding.EncodeToString([]byte(png)) + `"}}`
	if got, _ := sent.Load().(string); status != 200 || strings.Count(got, want) != 2 {
		t.Errorf("status %d %s; the upstream got %s", status, body, got)
	}
	if n := fetched.Load(); n != 1 {
		t.Errorf("%d fetches of one address", n)
	}
	status, _, _ = b.post("/v1/chat/completions", strings.Replace(withImages("http://files.example.com/a.png"), "p0/", "p1/", 1))
	if got, _ := sent.Load().(string); status != 200 || !strings.Contains(got, `"url":"http://files.example.com/a.png"`) || fetched.Load() != 1 {
		t.Errorf("a target that opens addresses: status %d, %d fetches, got %s", status, fetched.Load(), got)
	}

	refused := func(why string, urls ...string) {
		t.Helper()
		sent.Store("")
		status, body, _ := b.post("/v1/chat/completions", withImages(urls...))
		if status != 400 || !strings.Contains(body, why) || !strings.Contains(body, `"code":"invalid_media_url"`) || sent.Load() != "" {
			t.Errorf("%s: status %d, %s; the upstream got %q", urls, status, body, sent.Load())
		}
	}
	before := fetched.Load()
	refused(`scheme \"file\" is not allowed`, "file:///etc/passwd")
	refused("127.0.0.1", "http://127.0.0.1/a.png")
	refused("169.254.169.254", "http://169.254.169.254/latest/meta-data")
	if fetched.Load() != before {
		t.Error("a refused address was connected to")
	}
	refused("answered 404", "http://files.example.com/gone.png")
	var nine []string
	for i := range 9 {
		nine = append(nine, fmt.Sprintf("http://files.example.com/%d.png", i))
	}
	refused("more than 8 files", nine...)
}
