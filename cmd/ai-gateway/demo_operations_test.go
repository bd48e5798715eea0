package main_test

import (
	"strings"
	"testing"
)

// TestDemoOperations: the built-in engine answers every operation, offline.
func TestDemoOperations(t *testing.T) {
	g := serve(t, "", nil)
	key := g.newKey(`{"name":"demo"}`)
	f := func(path, kind, ask, want string) {
		t.Helper()
		status, body, h := g.call("POST", path, key, ask, "Content-Type", kind)
		if status != 200 || !strings.Contains(body, want) || h.Get("X-Gateway-Provider") != "demo" {
			t.Errorf("%s: %d %.200q", path, status, body)
		}
	}
	const js, form = "application/json", "multipart/form-data; boundary=b"
	upload := "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ndemo\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--\r\n"
	f("/v1/images/generations", js, `{"model":"demo","prompt":"a cat","n":2}`, `"b64_json"`)
	f("/v1/images/edits", form, upload, `"b64_json"`)
	f("/v1/audio/speech", js, `{"model":"demo","input":"Hello","voice":"alloy"}`, "WAVEfmt")
	f("/v1/audio/transcriptions", form, upload, "I heard 4 bytes.")
	f("/v1/moderations", js, `{"model":"demo","input":"peace, no violence"}`, `"flagged":true`)
	f("/v1/rerank", js, `{"model":"demo","query":"blue sky","documents":["tea","the sky is blue"]}`, `"results":[{"index":1`)
}
