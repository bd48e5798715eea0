package server

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/store"
)

// seen is what the upstream got last.
type seen struct {
	path, query, kind string
	body              []byte
}

// play makes the upstream answer with that status, content type and pieces of body.
func (b *bench) play(got *seen, status int, kind string, pieces ...string) {
	b.upstream = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*got = seen{r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type"), body}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		for _, p := range pieces {
			_, _ = io.WriteString(w, p)
			w.(http.Flusher).Flush()
		}
	}
}

func (b *bench) lastRow() store.UsageRow {
	b.t.Helper()
	rows := b.rows.all()
	if len(rows) == 0 {
		b.t.Fatal("no row was written")
	}
	return rows[len(rows)-1]
}

// TestOperations: each operation is passed on byte for byte, whatever the form of
// its answer, and its row holds what the answer counts.
func TestOperations(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	f := func(path, ask, kind string, answer []string, source string, want store.Tokens) {
		t.Helper()
		var got seen
		b.play(&got, 200, kind, answer...)
		a := b.call("POST", path, key, ask, "Content-Type", "application/json")
		if a.status != 200 || a.body != strings.Join(answer, "") || a.head.Get("Content-Type") != kind {
			t.Errorf("%s: %v, %s", path, a, a.head.Get("Content-Type"))
		}
		if got.path != path || string(got.body) != ask {
			t.Errorf("%s: the upstream got %s %s", path, got.path, got.body)
		}
		row := b.lastRow()
		if row.Tokens != want || row.UsageSource != source || row.EndReason != store.EndComplete || row.Status != 200 {
			t.Errorf("%s: %s %s %+v, want %s %+v", path, row.EndReason, row.UsageSource, row.Tokens, source, want)
		}
	}
	const js, sse = "application/json", "text/event-stream"
	one := func(s string) []string { return []string{s} }
	f("/v1/images/generations", `{"model":"gpt-x","prompt":"a cat"}`, js,
		one(`{"created":1,"data":[{"b64_json":"QQ=="}],"usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}`),
		"provider", store.Tokens{Input: 10, InputImage: 40, OutputImage: 50, Images: 1})
	f("/v1/images/generations", `{"model":"gpt-x","prompt":"two cats","n":2}`, js,
		one(`{"created":1,"data":[{"url":"https://x/1"},{"url":"https://x/2"}]}`), "estimated", store.Tokens{Input: 2, Images: 2})
	f("/v1/images/generations", `{"model":"gpt-x","prompt":"a cat","stream":true}`, sse, []string{
		"event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"QQ==\",\"partial_image_index\":0}\n\n",
		"event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"QUE=\",\"usage\":{\"total_tokens\":9,\"input_tokens\":4,\"output_tokens\":5,\"input_tokens_details\":{\"text_tokens\":4,\"image_tokens\":0}}}\n\n",
	}, "provider", store.Tokens{Input: 4, OutputImage: 5})
	f("/v1/audio/speech", `{"model":"gpt-x","input":"Guten Tag, Welt","voice":"alloy"}`, "audio/mpeg", []string{"ID3\x04\x00", "\xff\xf3\x84\xc4", "end"},
		"estimated", store.Tokens{Input: 4, Characters: 15, AudioMs: 1000, OutputAudio: 20})
	f("/v1/audio/speech", `{"model":"gpt-x","input":"Hi","voice":"alloy","stream_format":"sse"}`, sse, []string{
		"data: {\"type\":\"speech.audio.delta\",\"audio\":\"QQ==\"}\n\n",
		"data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":2,\"output_tokens\":30,\"total_tokens\":32}}\n\n",
	}, "provider", store.Tokens{Input: 2, Output: 30})
	f("/v1/moderations", `{"model":"gpt-x","input":"hm"}`, js, one(`{"id":"modr-1","model":"gpt-x","results":[{"flagged":false}]}`),
		"estimated", store.Tokens{Input: 8})
	f("/v1/rerank", `{"model":"gpt-x","query":"q","documents":["a","b"]}`, js,
		one(`{"id":"1","results":[{"index":1,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1}}}`), "provider", store.Tokens{Searches: 1})
	f("/v1/rerank", `{"model":"gpt-x","query":"q","documents":["a","b"],"top_k":1}`, js,
		one(`{"object":"list","data":[{"relevance_score":0.69,"index":0}],"model":"gpt-x","usage":{"total_tokens":43}}`), "provider", store.Tokens{Input: 43})
	f("/v1/fim/completions", `{"model":"gpt-x","prompt":"def f(","suffix":"return 1"}`, js,
		one(`{"id":"f","object":"chat.completion","model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"):"},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10}}`),
		"provider", store.Tokens{Input: 8, Output: 2})
}

// TestOperationFaults: what is no answer is none, and bytes that break off are not
// taken for whole.
func TestOperationFaults(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	f := func(path, kind, body string, status int, code string) {
		t.Helper()
		var got seen
		b.play(&got, 200, kind, body)
		a := b.call("POST", path, key, `{"model":"gpt-x","input":"x","prompt":"x","query":"x","documents":["x"]}`)
		if a.status != status || a.errorOf().Error.Code != code {
			t.Errorf("%s answered with %s %q: %v", path, kind, body, a)
		}
		if row := b.lastRow(); row.CostNano != 0 || row.Tokens != (store.Tokens{}) || row.EndReason != store.EndError {
			t.Errorf("%s: %+v", path, row)
		}
	}
	f("/v1/images/generations", "text/html", "<html>", 502, "bad_upstream_response")
	f("/v1/images/generations", "image/png", "\x89PNG", 502, "bad_upstream_response")
	f("/v1/images/generations", "application/json", `{}`, 502, "bad_upstream_response")
	f("/v1/audio/speech", "text/html", "<html>", 502, "bad_upstream_response")
	f("/v1/moderations", "application/json", `{"results":`, 502, "bad_upstream_response")
	f("/v1/rerank", "application/json", `{"ok":true}`, 502, "bad_upstream_response")
	f("/v1/embeddings", "application/json", `{"data":{}}`, 502, "bad_upstream_response")

	b.upstream = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		_, _ = io.WriteString(w, "half of it")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	req, _ := http.NewRequest("POST", b.url+"/v1/audio/speech", strings.NewReader(`{"model":"gpt-x","input":"x"}`))
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if out, err := io.ReadAll(resp.Body); err == nil || string(out) != "half of it" {
		t.Errorf("a cut answer ended with %q, error %v", out, err)
	}
	if row := b.lastRow(); row.EndReason != store.EndStreamError || row.UsageSource != "estimated" {
		t.Errorf("a cut answer: %s %s", row.EndReason, row.UsageSource)
	}
}

// TestEmbeddingForms: vectors come in the form the caller asked for.
func TestEmbeddingForms(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	f := func(format, vector, want string) {
		t.Helper()
		var got seen
		b.play(&got, 200, "application/json", `{"object":"list","data":[{"object":"embedding","index":0,"embedding":`+vector+`}],"model":"gpt-x","usage":{"prompt_tokens":2,"total_tokens":2}}`)
		a := b.call("POST", "/v1/embeddings", key, `{"model":"gpt-x","input":"x"`+format+`}`)
		var out struct {
			Data []struct{ Embedding json.RawMessage }
		}
		if err := json.Unmarshal([]byte(a.body), &out); err != nil || len(out.Data) != 1 || string(out.Data[0].Embedding) != want {
			t.Errorf("%s of %s: %v", format, vector, a)
		}
	}
	const base64 = `"AACAPwAAAL8AAAAA"`
	f(`,"encoding_format":"base64"`, `[1, -0.5, 0]`, base64)
	f(`,"encoding_format":"base64"`, base64, base64)
	f(`,"encoding_format":"float"`, base64, `[1,-0.5,0]`)
	f(`,"encoding_format":"float"`, `[1, -0.5, 0]`, `[1, -0.5, 0]`)
	f(``, base64, base64)
}

// TestAddresses: an address a client builds leads to the route it means.
func TestAddresses(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	var got seen
	b.upstream = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = seen{r.URL.Path, r.URL.RawQuery, "", body}
		scripted(w, r)
	}
	f := func(path, upstream string) {
		t.Helper()
		got = seen{}
		ask := chatAsk
		if strings.Contains(upstream, "messages") {
			ask = messagesAsk
		}
		if a := b.call("POST", path, key, ask); a.status != 200 && !strings.Contains(upstream, "rerank") || got.path != upstream || got.query != "" {
			t.Errorf("POST %s led to %s?%s: %v", path, got.path, got.query, a)
		}
	}
	for _, p := range []string{"/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions", "/v1/chat/completions/", "/openai/v1/chat/completions",
		"/openai/chat/completions", "/v1beta/openai/chat/completions", "/openai/deployments/gpt-x/chat/completions?api-version=2024-10-21"} {
		f(p, "/v1/chat/completions")
	}
	for _, p := range []string{"/messages", "/v1/v1/messages", "/anthropic/v1/messages", "/anthropic/messages", "/v1/messages/"} {
		f(p, "/v1/messages")
	}
	for _, p := range []string{"/embeddings", "/openai/deployments/gpt-x/embeddings?api-version=x", "/openai/v1/embeddings?api-version=preview"} {
		f(p, "/v1/embeddings")
	}
	for _, p := range []string{"/rerank", "/v2/rerank", "/v1/rerank"} {
		f(p, "/v1/rerank")
	}
	for _, p := range []string{"/models", "/v1/v1/models", "/openai/models", "/openai/v1/models/", "/models/team%2Fgpt-y", "/openai/v1/models/team%2Fgpt-y", "/anthropic/v1/models"} {
		if a := b.call("GET", p, key, ""); a.status != 200 {
			t.Errorf("GET %s: %v", p, a)
		}
	}
	admin := b.key([]string{"admin"})
	for _, p := range []string{"/openai/v1/admin/api-keys", "/v1/v1/admin/api-keys", "/admin/api-keys/", "/openai/admin/", "/anthropic/metrics", "/openai/health", "/openai/openai/v1/models", "/chat/completions/x"} {
		if a := b.call("GET", p, admin, ""); a.status != 404 && a.status != 405 && !strings.HasPrefix(p, "/admin/") {
			t.Errorf("GET %s: %v", p, a)
		}
	}
}

// TestDeployment: the deployment an Azure address names is the model, whatever the body says.
func TestDeployment(t *testing.T) {
	b := newBench(t)
	key := b.key(nil)
	var got seen
	b.upstream = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = seen{r.URL.Path, r.URL.RawQuery, "", body}
		scripted(w, r)
	}
	f := func(deployment, ask, want string) {
		t.Helper()
		a := b.call("POST", "/openai/deployments/"+deployment+"/chat/completions?api-version=2024-10-21", "", ask, "Api-Key", key)
		if a.status != 200 || string(got.body) != want {
			t.Errorf("%s: %v, the upstream got %s", ask, a, got.body)
		}
	}
	f("gpt-x", `{"messages":[]}`, `{"model":"gpt-x","messages":[]}`)
	f("fast", `{"messages":[],"model":"other"}`, `{"messages":[],"model":"gpt-x"}`)
	if a := b.call("POST", "/openai/deployments/gpt-x/chat/completions", key, ` { } `); a.status != 400 || *a.errorOf().Error.Param != "messages" {
		t.Errorf("an empty object: %v", a)
	}
	if a := b.call("POST", "/openai/deployments/none/chat/completions", key, chatAsk); a.status != 404 || a.errorOf().Error.Code != "model_not_found" {
		t.Errorf("an unknown deployment: %v", a)
	}
}
