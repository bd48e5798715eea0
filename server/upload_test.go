package server

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

const formOf = "multipart/form-data; boundary=b"

// formBody writes parts "name=value"; a name with a dot after it is a file of that name.
func formBody(parts ...string) string {
	var s strings.Builder
	for _, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		s.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + strings.TrimSuffix(name, ".") + "\"")
		if strings.HasSuffix(name, ".") {
			s.WriteString("; filename=\"a.wav\"\r\nContent-Type: audio/wav")
		}
		s.WriteString("\r\n\r\n" + value + "\r\n")
	}
	return s.String() + "--b--\r\n"
}

func uploads(o *Options) { o.MaxBody, o.MaxUpload = 4<<20, 100<<20 }

// TestUpload: forms are passed on with the upstream's name of the model and without
// the gateway's own parts, wherever they stand.
func TestUpload(t *testing.T) {
	b := newBench(t, uploads)
	key := b.key([]string{"audio", "images"})
	var got seen
	big := strings.Repeat("RIFF\r\n--", 200_000) // 1.6 MB: sent on as it comes
	f := func(path, ask, want string) {
		t.Helper()
		b.play(&got, 200, "application/json", `{"text":"Hallo","data":[{"url":"x"}],"usage":{"type":"duration","seconds":7.5}}`)
		for _, chunked := range []bool{false, true} {
			got = seen{}
			req, _ := http.NewRequest("POST", b.url+path, strings.NewReader(ask))
			if chunked {
				req, _ = http.NewRequest("POST", b.url+path, io.MultiReader(strings.NewReader(ask)))
			}
			req.Header.Set("Authorization", "Bearer "+key)
			req.Header.Set("Content-Type", formOf)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != 200 || got.kind != formOf || string(got.body) != want {
				t.Errorf("%s: %d %.200s; the upstream got %d bytes (%.300q), want %d (%.300q)", path, resp.StatusCode, body, len(got.body), got.body, len(want), want)
			}
		}
	}
	const heard = "/v1/audio/transcriptions"
	plain := formBody("model=gpt-x", "file.=RIFF", "language=de")
	f(heard, plain, plain)
	if row := b.lastRow(); row.Tokens != (store.Tokens{AudioMs: 7500}) || row.UsageSource != "provider" || row.Operation != "audio" {
		t.Errorf("row: %+v", row)
	}
	f(heard, formBody("file.="+big, "model=gpt-x"), formBody("file.="+big, "model=gpt-x"))
	f(heard, formBody("model=fast", "file.="+big, "language=de"), formBody("model=gpt-x", "file.="+big, "language=de"))
	f(heard, formBody("file.="+big, "model=fast", "stream=false"), formBody("file.="+big, "model=gpt-x", "stream=false"))
	f(heard, formBody("provider=openai", "model=gpt-x", "file.="+big), formBody("model=gpt-x", "file.="+big))
	f(heard, formBody("model=fast", "fallbacks=openai/gpt-x", "provider=", "file.=RIFF"), formBody("model=gpt-x", "file.=RIFF"))
	f("/openai/deployments/fast/audio/transcriptions?api-version=1", formBody("file.="+big), formBody("model=gpt-x", "file.="+big))
	f("/openai/deployments/fast/audio/translations", formBody("model=none", "file.="+big), formBody("model=gpt-x", "file.="+big))
	f("/v1/images/edits", formBody("model=gpt-x", "prompt=a hat", "image[].="+big, "image[].="+big, "n=2"), formBody("model=gpt-x", "prompt=a hat", "image[].="+big, "image[].="+big, "n=2"))
}

func TestUploadRefused(t *testing.T) {
	b := newBench(t, uploads)
	key := b.key(nil)
	big := strings.Repeat("x", 2<<20)
	f := func(ask string, status int, code, message string) {
		t.Helper()
		start := time.Now()
		a := b.call("POST", "/v1/audio/transcriptions", key, ask, "Content-Type", formOf)
		if e := a.errorOf().Error; a.status != status || code != "" && e.Code != code || !strings.Contains(e.Message, message) {
			t.Errorf("%.60q: %v, want %d %s %s", ask, a, status, code, message)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.60q took %v", ask, took)
		}
	}
	f("", 400, "invalid_form", "")
	f("--b"+strings.Repeat("-", 100_000), 400, "invalid_form", "")
	f(strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n", 10_000), 400, "invalid_form", "more than 16 parts")
	f(strings.TrimSuffix(formBody("model=gpt-x", "file.=RIFF"), "--b--\r\n"), 400, "invalid_form", "closing boundary")
	f(strings.TrimSuffix(formBody("model=gpt-x", "file.="+big), "--b--\r\n"), 400, "invalid_form", "closing boundary")
	f(strings.Replace(formBody("model=gpt-x", "file.=RIFF"), "a.wav", "../../x", 1), 400, "invalid_form", "file name")
	f("--b\r\nX: "+strings.Repeat("y", 1<<20)+"\r\n\r\n\r\n--b--", 400, "invalid_form", "8 KiB")
	f(formBody("file.=RIFF"), 400, "missing_required_parameter", "model: is required")
	f(formBody("model=gpt-x", "model=fast", "file.=RIFF"), 400, "", "given twice")
	f(formBody("model=gpt-x", "file.="+big, "model=fast"), 400, "", "given twice")
	f(formBody("model=gpt-x", "file.="+big, "provider=openai"), 400, "", "before the file")
	f(formBody("MODEL=gpt-x", "file.=RIFF"), 400, "", "must be written model")
	f(formBody("model=gpt-x", "api_base=http://127.0.0.1:1", "file.=RIFF"), 400, "unsupported_parameter", "api_base")
	f(formBody("model=gpt-x", "file.="+big, "base_url=http://127.0.0.1:1"), 400, "unsupported_parameter", "base_url")
	f(formBody("model="+strings.Repeat("x", 300), "file.=RIFF"), 404, "model_not_found", "256 bytes")
	f(formBody("model=a\nb", "file.=RIFF"), 400, "", "printable")
	f(formBody("model=none", "file.="+big), 404, "model_not_found", "none")
	f(formBody("file.="+strings.Repeat("x", 6<<20), "model=gpt-x"), 413, "model_too_late", "before the file")
	if b.calls() > 4 {
		t.Errorf("%d calls reached the upstream", b.calls())
	}
	if a := b.call("POST", "/v1/audio/transcriptions", b.key([]string{"chat"}), formBody("model=gpt-x", "file.=RIFF"), "Content-Type", formOf); a.status != 403 {
		t.Errorf("a key for chat: %v", a)
	}
}

// TestUploadFlows: an upload of 60 MB reaches the upstream while it is sent, and is not held.
func TestUploadFlows(t *testing.T) {
	b := newBench(t, uploads)
	key := b.key(nil)
	var got, peak atomic.Int64
	b.upstream = func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 256<<10)
		for i := 0; ; i++ {
			n, err := r.Body.Read(buf)
			got.Add(int64(n))
			if i%50 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak.Store(max(peak.Load(), int64(m.HeapAlloc)))
			}
			if err != nil {
				break
			}
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "Hallo")
	}
	pr, pw := io.Pipe()
	form := multipart.NewWriter(pw)
	const size = 60 << 20
	halfway := make(chan int64, 1)
	go func() {
		_ = form.WriteField("model", "gpt-x")
		file, _ := form.CreateFormFile("file", "a.wav")
		piece := bytes.Repeat([]byte{0, 1, '\r', '\n', '-'}, 20_000)
		for sent := 0; sent < size; sent += len(piece) {
			_, _ = file.Write(piece)
			if sent < size/2 && sent+len(piece) >= size/2 {
				halfway <- got.Load()
			}
		}
		_ = form.WriteField("response_format", "text")
		_ = form.Close()
		_ = pw.Close()
	}()
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	req, _ := http.NewRequest("POST", b.url+"/v1/audio/transcriptions", pr)
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", form.FormDataContentType())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != 200 || string(body) != "Hallo" || got.Load() < size {
		t.Fatalf("%d %s; the upstream got %d bytes", resp.StatusCode, body, got.Load())
	}
	if half := <-halfway; half < size/4 {
		t.Errorf("when half was sent, the upstream had %d bytes", half)
	}
	if grown := peak.Load() - int64(before.HeapAlloc); grown > 30<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	row := b.lastRow()
	if row.UsageSource != "estimated" || row.Tokens.AudioMs < size/bytesPerMsOfTest || row.Tokens.InputAudio == 0 {
		t.Errorf("row: %s %+v", row.UsageSource, row.Tokens)
	}
}

const bytesPerMsOfTest = 16

// TestUploadSecondTarget: a small form goes to the next target when the first
// fails; of a large one that is gone, the failure is told.
func TestUploadSecondTarget(t *testing.T) {
	b := newBench(t, uploads)
	key := b.key(nil)
	n := 0
	b.upstream = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if n++; n == 1 {
			w.WriteHeader(500)
			_, _ = io.WriteString(w, `{"error":{"message":"down"}}`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"text":"Hallo"}`)
	}
	f := func(file string, status, calls int) {
		t.Helper()
		n = 0
		a := b.call("POST", "/v1/audio/transcriptions", key, formBody("model=gpt-x", "fallbacks=team/gpt-y", "file.="+file), "Content-Type", formOf)
		if a.status != status || n != calls {
			t.Errorf("%d bytes: %v after %d calls", len(file), a, n)
		}
	}
	f("RIFF", 200, 2)
	f(strings.Repeat("x", 3<<20), 500, 1)
}

// TestUploadLeaves: a caller who leaves in the middle costs the request, not the gateway.
func TestUploadLeaves(t *testing.T) {
	b := newBench(t, uploads)
	key := b.key(nil)
	b.upstream = func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	pr, pw := io.Pipe()
	go func() {
		_, _ = fmt.Fprint(pw, strings.TrimSuffix(formBody("model=gpt-x", "file.="+strings.Repeat("x", 2<<20)), "--b--\r\n"))
		_ = pw.CloseWithError(io.ErrClosedPipe)
	}()
	req, _ := http.NewRequest("POST", b.url+"/v1/audio/transcriptions", pr)
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", formOf)
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	for deadline := time.Now().Add(20 * time.Second); len(b.rows.all()) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no row was written")
		}
	}
	if row := b.lastRow(); row.Status == 200 || row.CostNano != 0 {
		t.Errorf("row: %+v", row)
	}
}
