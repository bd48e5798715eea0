package main_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// operationRoutes are the recorded endpoints that are passed on and never translated.
var operationRoutes = map[string]string{
	"openai_embeddings": "/v1/embeddings", "openai_images": "/v1/images/generations", "openai_images_edits": "/v1/images/edits",
	"openai_moderations": "/v1/moderations", "openai_speech": "/v1/audio/speech", "openai_transcriptions": "/v1/audio/transcriptions",
	"openai_translations": "/v1/audio/translations", "rerank": "/v1/rerank", "cohere_rerank_v1": "/v1/rerank", "cohere_rerank_v2": "/v2/rerank",
}

// formOfRecording returns a recorded form; where the recording left it out, one made for the test.
func formOfRecording(t *testing.T, r *recording) (kind, body string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shared(t, "cassettes/open"), r.ID+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var raw struct {
		Request struct{ B64 string }
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	if raw.Request.B64 != "" {
		form, err := base64.StdEncoding.DecodeString(raw.Request.B64)
		if err != nil {
			t.Fatal(err)
		}
		return r.Request.Headers["content-type"], string(form)
	}
	part := func(name, value string) string {
		return "--made\r\nContent-Disposition: form-data; name=\"" + name + "\"" + value + "\r\n"
	}
	return "multipart/form-data; boundary=made", part("file", "; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF") + part("model", "\r\n\r\nwhisper-1") + "--made--\r\n"
}

// A unitsRow is what a row counts of an operation.
type unitsRow struct {
	Prompt     int64   `json:"prompt_tokens"`
	Completion int64   `json:"completion_tokens"`
	Images     int64   `json:"images"`
	Seconds    float64 `json:"audio_seconds"`
	Searches   int64   `json:"search_units"`
}

// recordedUnits reads the same from a recorded answer, by a reader of its own.
func recordedUnits(r *recording) (want unitsRow, reported bool) {
	var doc struct {
		Data  []json.RawMessage
		Usage *struct {
			Seconds      *float64
			InputTokens  *int64 `json:"input_tokens"`
			PromptTokens *int64 `json:"prompt_tokens"`
			OutputTokens *int64 `json:"output_tokens"`
			TotalTokens  *int64 `json:"total_tokens"`
		}
		Meta struct {
			Billed struct {
				Searches *int64 `json:"search_units"`
			} `json:"billed_units"`
		}
	}
	_ = json.Unmarshal(r.Response.Body, &doc)
	if strings.HasPrefix(r.Endpoint, "openai_images") {
		want.Images = int64(len(doc.Data))
	}
	if n := doc.Meta.Billed.Searches; n != nil {
		want.Searches, reported = *n, true
	}
	if u := doc.Usage; u != nil {
		reported = true
		switch {
		case u.InputTokens != nil:
			want.Prompt = *u.InputTokens
		case u.PromptTokens != nil:
			want.Prompt = *u.PromptTokens
		case u.TotalTokens != nil:
			want.Prompt = *u.TotalTokens
		}
		if u.OutputTokens != nil {
			want.Completion = *u.OutputTokens
		}
		if u.Seconds != nil {
			want.Seconds = *u.Seconds
		}
	}
	return want, reported
}

// TestRecordedOperations replays every recorded exchange of an operation that is
// passed on: request and answer pass byte for byte, and the row counts what was
// reported, or says that it is an estimate.
func TestRecordedOperations(t *testing.T) {
	var endpoints []string
	for e := range operationRoutes {
		endpoints = append(endpoints, e)
	}
	recs := recordings(t, endpoints...)
	up := startReplayer(t)
	g := serve(t, "", nil, "--config", corpusConfig(t, up.url, recs))
	key := g.newKey(`{"name":"corpus"}`)
	passed, total := map[string]int{}, map[string]int{}
	for _, r := range recs {
		name := r.Provider + " " + r.Endpoint
		total[name]++
		up.now = r
		kind, ask, sent := "application/json", "", string(r.Request.Body)
		if len(r.Request.Body) == 0 {
			kind, ask = formOfRecording(t, r)
			sent = ask
			_, boundary, _ := strings.Cut(kind, "boundary=")
			ask = "--" + boundary + "\r\nContent-Disposition: form-data; name=\"provider\"\r\n\r\n" + accountOf(r) + "\r\n" + ask
		} else {
			ask = asked(r)
			if sent == "" || !hasMember(r.Request.Body, "model") {
				sent = strings.Replace(ask, `,"provider":"`+accountOf(r)+`"`, "", 1)
			}
		}
		status, body, h := g.call("POST", operationRoutes[r.Endpoint], key, ask, "Content-Type", kind)
		var faults []string
		fault := func(f string, a ...any) { faults = append(faults, fmt.Sprintf(f, a...)) }
		if status != r.Response.Status || body != string(r.payload()) {
			fault("answered %d %.300q, recorded %d %.300q", status, body, r.Response.Status, r.payload())
		}
		if string(up.got) != strings.TrimSpace(sent) && string(compact(up.got)) != string(compact([]byte(sent))) {
			fault("the upstream got %.300q, sent was %.300q", up.got, sent)
		}
		s, row, _ := g.call("GET", "/v1/admin/usage/logs/"+h.Get("X-Request-Id"), g.admin, "")
		var got struct {
			unitsRow
			UsageSource string `json:"usage_source"`
		}
		if s != 200 || json.Unmarshal([]byte(row), &got) != nil {
			fault("no row: %d %.200s", s, row)
		}
		switch want, reported := recordedUnits(r); {
		case r.Response.Status >= 400:
			if got.unitsRow != (unitsRow{}) || got.UsageSource == "provider" {
				fault("an error was accounted: %s", row)
			}
		case !reported:
			if got.UsageSource != "estimated" || got.Images != want.Images || strings.HasPrefix(r.Endpoint, "openai_images") != (got.Images > 0) {
				fault("nothing was reported, the row says %+v", got)
			}
		case got.unitsRow != want || got.UsageSource != "provider":
			fault("counted %+v, recorded %+v", got, want)
		}
		if len(faults) == 0 {
			passed[name]++
		}
		for _, f := range faults {
			t.Errorf("%s: %s", r.ID, f)
		}
	}
	n := 0
	for name, of := range total {
		t.Logf("%-36s %d / %d", name, passed[name], of)
		n += of
	}
	if n < 30 {
		t.Errorf("only %d recordings were tried", n)
	}
}
