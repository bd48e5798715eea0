package main_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A streamVendor streams in both formats; the model's name says what.
//
//	paced-<n>      n chunks, one each 50 ms, that hold the time of their sending
//	line-<bytes>   a word, then one event of that many bytes
//	long-<MiB>     that many MiB in events of 64 KB
type streamVendor struct{ url string }

func startStreamVendor(t *testing.T) *streamVendor {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &streamVendor{url: "http://" + ln.Addr().String()}
	srv := &http.Server{Handler: v}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return v
}

func (v *streamVendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != "POST" {
		w.WriteHeader(404)
		return
	}
	body, _ := io.ReadAll(r.Body)
	_, rest, _ := strings.Cut(string(body), `"model":"`)
	model, _, _ := strings.Cut(rest, `"`)
	kind, number, _ := strings.Cut(model, "-")
	n, _ := strconv.Atoi(number)
	own := strings.HasSuffix(r.URL.Path, "/messages")
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(s string) bool {
		_, err := io.WriteString(w, s)
		w.(http.Flusher).Flush()
		return err == nil
	}
	word := func(s string) string {
		if own {
			return "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"" + s + "\"}}\n\n"
		}
		return "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"" + model + "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + s + "\"},\"finish_reason\":null}]}\n\n"
	}
	if own {
		send("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"" + model + "\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n" +
			"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n")
	}
	switch kind {
	case "paced":
		for range n {
			time.Sleep(50 * time.Millisecond)
			send(word(fmt.Sprintf("t=%d;", time.Now().UnixNano())))
		}
	case "line":
		send(word("first"))
		send(word(strings.Repeat("x", n)))
	case "long":
		piece := word(strings.Repeat("y", 64<<10))
		for range n << 20 / (64 << 10) {
			if !send(piece) {
				return
			}
		}
	}
	if own {
		send("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":7}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
		return
	}
	send("data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"" + model + "\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
}

// streamWays are the four ways from a caller's format to an upstream's.
var streamWays = []struct{ name, path, provider string }{
	{"chat to chat, relayed", "/v1/chat/completions", "chat-up"},
	{"messages to messages, relayed", "/v1/messages", "own-up"},
	{"chat to messages, translated", "/v1/chat/completions", "own-up"},
	{"messages to chat, translated", "/v1/messages", "chat-up"},
}

// openStream asks for a stream; the caller closes the body.
func openStream(t *testing.T, base, path, key, model, provider string) io.ReadCloser {
	t.Helper()
	body := `{"model":"` + model + `","stream":true,"max_tokens":1000,"messages":[{"role":"user","content":"go"}]`
	if provider != "" {
		body += `,"provider":"` + provider + `"`
	}
	req, err := http.NewRequest("POST", base+path, strings.NewReader(body+"}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %d %s", path, resp.StatusCode, b)
	}
	return resp.Body
}

func streamGateway(t *testing.T) (*gateway, *streamVendor, string) {
	t.Helper()
	v := startStreamVendor(t)
	g := ccGateway(t, fmt.Sprintf("  - {provider: custom, account_name: chat-up, api_key: sk-vendor-secret, base_url: \"%s/v1\", models: [\"*\"]}\n"+
		"  - {provider: anthropic, account_name: own-up, api_key: sk-vendor-secret, base_url: %q, models: [\"*\"]}\n", v.url, v.url))
	return g, v, g.newKey(`{"name":"streams"}`)
}

// delays runs streams at once and returns how long each chunk took to come, sorted.
func delays(t *testing.T, streams, chunks int, open func() io.ReadCloser) []time.Duration {
	t.Helper()
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	for range streams {
		body := open()
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { _ = body.Close() }()
			r := bufio.NewReaderSize(body, 64<<10)
			for {
				line, err := r.ReadSlice('\n')
				at := time.Now().UnixNano()
				if _, rest, ok := bytes.Cut(line, []byte("t=")); ok {
					number, _, _ := bytes.Cut(rest, []byte(";"))
					if sent, err := strconv.ParseInt(string(number), 10, 64); err == nil {
						mu.Lock()
						all = append(all, time.Duration(at-sent))
						mu.Unlock()
					}
				}
				if err != nil {
					return
				}
			}
		}()
	}
	wg.Wait()
	if len(all) != streams*chunks {
		t.Errorf("%d of %d chunks came", len(all), streams*chunks)
	}
	slices.Sort(all)
	return all
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// TestChunkDelay measures what the gateway adds to the time a chunk takes: the
// upstream puts the time into each, and the same is measured without the gateway.
// The goal is a p99 below 1 ms on a quiet machine; the test fails above 20 ms in
// the last of three measurements.
func TestChunkDelay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 s and more")
	}
	g, v, key := streamGateway(t)
	const streams, chunks = 10, 60
	model := fmt.Sprintf("paced-%d", chunks)
	direct := map[string][]time.Duration{}
	measure := func(path string) []time.Duration {
		direct[path] = delays(t, streams, chunks, func() io.ReadCloser { return openStream(t, v.url, path, "", model, "") })
		t.Logf("%-32s p50 %6.3f ms, p99 %6.3f ms", "direct, "+path, ms(quantile(direct[path], .5)), ms(quantile(direct[path], .99)))
		return direct[path]
	}
	for _, way := range streamWays {
		path := "/v1/chat/completions"
		if way.provider == "own-up" {
			path = "/v1/messages"
		}
		floor := direct[path]
		median, added := time.Hour, time.Hour
		for i := range 3 { // what else runs on the machine can only make it worse: the best counts
			if i > 0 || floor == nil { // the machine has become busy: that counts in both
				floor = measure(path)
			}
			got := delays(t, streams, chunks, func() io.ReadCloser { return openStream(t, g.url, way.path, key, model, way.provider) })
			late := quantile(got, .99) - quantile(floor, .99)
			added = min(added, late)
			median = min(median, quantile(got, .5)-quantile(floor, .5))
			t.Logf("%-32s p50 %6.3f ms, p99 %6.3f ms, added at p50 %6.3f ms, at p99 %6.3f ms", way.name, ms(quantile(got, .5)), ms(quantile(got, .99)), ms(quantile(got, .5)-quantile(floor, .5)), ms(late))
			if added < time.Millisecond {
				break
			}
		}
		// A gateway that held a chunk back would add their distance, 50 ms, at the median; p99
		// also holds the scheduling of a machine whose cores others use too.
		if median > 20*time.Millisecond+quantile(floor, .5) || added > 50*time.Millisecond+quantile(floor, .99) {
			t.Errorf("%s: %v are added at p50, %v at p99", way.name, median, added)
		}
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// TestLongLines: an event far above usual buffers is delivered whole; one above
// 16 MiB ends the stream with an error, never cleanly.
func TestLongLines(t *testing.T) {
	g, _, key := streamGateway(t)
	for _, way := range streamWays {
		f := func(size int) {
			t.Helper()
			body := openStream(t, g.url, way.path, key, fmt.Sprintf("line-%d", size), way.provider)
			defer func() { _ = body.Close() }()
			got, err := io.ReadAll(body)
			if err != nil {
				t.Errorf("%s, %d bytes: %v after %d", way.name, size, err, len(got))
			}
			ended := bytes.Contains(got, []byte("[DONE]")) || bytes.Contains(got, []byte(`"message_stop"`))
			tail := string(got[max(0, len(got)-400):])
			if size <= 8<<20 {
				if n := longestRun(got, 'x'); n != size || !ended {
					t.Errorf("%s: %d of %d bytes came, ended: %v\n%s", way.name, n, size, ended, tail)
				}
				return
			}
			if ended || !strings.Contains(tail, "upstream_event_too_large") || !strings.Contains(tail, `"error"`) || !bytes.Contains(got, []byte("first")) || len(got) > 4096 {
				t.Errorf("%s, %d bytes: ended %v, %d bytes came\n%s", way.name, size, ended, len(got), tail)
			}
		}
		f(70 << 10)
		f(1 << 20)
		f(8 << 20)
		f(17 << 20)
	}
}

func longestRun(b []byte, c byte) (longest int) {
	run := 0
	for _, x := range b {
		if x != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// TestStreamMemory: a stream of 100 MB takes no more memory than one of 20 MB, in which
// the collector has come to what it lets lie.
func TestStreamMemory(t *testing.T) {
	g, _, key := streamGateway(t)
	for _, way := range streamWays {
		f := func(size int64) (peak int64) {
			body := openStream(t, g.url, way.path, key, fmt.Sprintf("long-%d", size), way.provider)
			defer func() { _ = body.Close() }()
			buf := make([]byte, 256<<10)
			for n, next := int64(0), int64(0); ; {
				m, err := body.Read(buf)
				if n += int64(m); n >= next {
					peak, next = max(peak, rss(t, g)), next+4<<20
				}
				if err != nil {
					if n < size<<20 {
						t.Errorf("%s: only %d of %d MB came", way.name, n>>20, size)
					}
					return peak
				}
			}
		}
		short := f(20)
		long := f(100)
		t.Logf("%-32s resident at most %d MB during 20 MB, %d MB during 100 MB", way.name, short>>20, long>>20)
		if long-short > 25<<20 || long > 120<<20 {
			t.Errorf("%s: 100 MB take %d MB, 20 MB %d MB", way.name, long>>20, short>>20)
		}
	}
}
