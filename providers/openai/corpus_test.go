package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/providertest"
)

var chats = providertest.Filter{Endpoint: "openai_chat"}

// requestDiffers are the only ways in which a request may differ after decode and encode.
func requestDiffers(path string, got, want any) bool {
	switch {
	case path == "stream" && want == false && got == nil: // the default
		return true
	case path == "stream_options", path == "stream_options.include_usage": // usage is always asked for
		return got != nil
	case path == "stop": // a string becomes a list of one
		list, ok := got.([]any)
		return ok && len(list) == 1 && list[0] == want
	case contentPath.MatchString(path): // nothing, written in three ways
		return isNothing(got) && isNothing(want)
	case strings.HasPrefix(path, "tools[") && strings.HasSuffix(path, "].type"): // the default
		return want == nil && got == "function"
	case strings.HasSuffix(path, ".type") && strings.Contains(path, ".tool_calls["):
		return want == nil && got == "function"
	case strings.HasSuffix(path, ".function.arguments"):
		return got == "{}" && (want == "" || want == nil)
	}
	return false
}

var contentPath = regexp.MustCompile(`(messages\[\d+\]|message)\.content$`)

func isNothing(v any) bool {
	list, ok := v.([]any)
	return v == nil || v == "" || ok && len(list) == 0
}

// answerDiffers are the only ways in which an answer may differ after decode and encode.
func answerDiffers(path string, got, want any) bool {
	switch {
	case contentPath.MatchString(path):
		return isNothing(got) && isNothing(want)
	case strings.HasSuffix(path, ".type") && strings.Contains(path, ".tool_calls["):
		return want == nil && got == "function"
	case strings.HasSuffix(path, ".function.arguments"):
		return got == "{}" && (want == "" || want == nil)
	case strings.HasSuffix(path, ".finish_reason"): // a reason must be given
		return want == "" && got != nil
	case path == "service_tier", path == "system_fingerprint":
		return want == "" && got == nil
	case strings.HasSuffix(path, ".id") && strings.Contains(path, ".tool_calls["): // a call's result is told by it
		made, _ := got.(string)
		return want == "" && strings.HasPrefix(made, "call_")
	case path == "id", strings.HasSuffix(path, ".id"):
		return want == "" && (got == "chatcmpl-0" || got == nil)
	case strings.HasSuffix(path, "].message"): // a choice that a filter emptied
		return want == nil
	}
	return false
}

// recordedQuirks are those a vendor's row would have for this request.
func recordedQuirks(body []byte) providers.Quirks {
	q := providers.Quirks{ProviderObject: true}
	if at(body, "max_tokens") != nil {
		q.MaxTokensField = "max_tokens"
	}
	return q
}

func TestRecordedRequests(t *testing.T) {
	tally := providertest.NewTally(t, "requests decoded and encoded")
	for _, c := range providertest.Cassettes(t, chats) {
		body := []byte(c.Request.Body)
		tally.Check(c.ID, func() error {
			r, err := ChatIngress().DecodeRequest(body)
			if err != nil {
				return err
			}
			out, dropped, err := ChatEgress(recordedQuirks(body)).AppendRequest(nil, r)
			if err != nil {
				return err
			}
			if len(dropped) > 0 {
				return fmt.Errorf("dropped %v", dropped)
			}
			return providertest.Diff(out, body, requestDiffers)
		}())
	}
	tally.Done()
}

func TestRecordedPeeks(t *testing.T) {
	tally := providertest.NewTally(t, "requests peeked")
	for _, c := range providertest.Cassettes(t, chats) {
		body := []byte(c.Request.Body)
		var want struct {
			Model    *string
			Models   []string
			Stream   bool
			Messages []json.RawMessage
			Tools    []json.RawMessage
			N        int64
			User     string
			A        int64 `json:"max_tokens"`
			B        int64 `json:"max_completion_tokens"`
			Options  struct {
				Usage bool `json:"include_usage"`
			} `json:"stream_options"`
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		tally.Check(c.ID, func() error {
			p, err := ChatIngress().Peek(body)
			if want.Model == nil {
				if err == nil {
					return errors.New("a request without model was accepted")
				}
				return nil
			}
			if err != nil {
				return err
			}
			if got := string(body[p.ModelSpan.Start:p.ModelSpan.End]); got != `"`+*want.Model+`"` {
				return fmt.Errorf("model span holds %s", got)
			}
			if p.Model != *want.Model || p.Stream != want.Stream || p.Messages != len(want.Messages) || p.Tools != len(want.Tools) ||
				p.N != want.N || p.User != want.User || p.MaxTokens != max(want.A, want.B) || p.IncludeUsage != want.Options.Usage {
				return fmt.Errorf("got %+v", p)
			}
			return nil
		}())
	}
	tally.Done()
}

func TestRecordedAnswers(t *testing.T) {
	tally := providertest.NewTally(t, "answers decoded and encoded")
	for _, c := range providertest.Cassettes(t, chats) {
		if !c.OK() || c.Response.Body == nil {
			continue
		}
		body := []byte(c.Response.Body)
		tally.Check(c.ID, func() error {
			r, err := ChatEgress(providers.Quirks{}).DecodeResponse(body)
			if err != nil {
				return err
			}
			out, err := ChatIngress().AppendResponse(nil, r)
			if err != nil {
				return err
			}
			return providertest.Diff(out, body, answerDiffers)
		}())
	}
	tally.Done()
}

func TestRecordedErrors(t *testing.T) {
	tally := providertest.NewTally(t, "errors decoded")
	for _, c := range providertest.Cassettes(t, chats) {
		if c.OK() {
			continue
		}
		tally.Check(c.ID, func() error {
			e := ChatEgress(providers.Quirks{}).DecodeError(c.Response.Status, c.Response.Body)
			if e.Kind == "" || e.Message == "" || e.HTTPStatus() != c.Response.Status {
				return fmt.Errorf("decoded to %+v", e)
			}
			if !strings.Contains(string(c.Response.Body), strings.Split(e.Message, `"`)[0]) {
				return fmt.Errorf("message %q is not the vendor's", e.Message)
			}
			if s := strings.ToLower(e.Message); (e.Kind == providers.KindContextLength) != (strings.Contains(s, "context length") || strings.Contains(s, "too long")) {
				return fmt.Errorf("kind %s for %q", e.Kind, e.Message)
			}
			if c.Response.Status == 401 && e.Kind != providers.KindAuthentication {
				return fmt.Errorf("kind %s for status 401", e.Kind)
			}
			return nil
		}())
	}
	tally.Done()
}

// payloads are the data lines of a recorded stream, read in the plainest way.
func payloads(sse string) (out []string) {
	for _, line := range strings.Split(strings.ReplaceAll(sse, "\r\n", "\n"), "\n") {
		if v, ok := strings.CutPrefix(line, "data:"); ok {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

func TestRecordedFrames(t *testing.T) {
	tally := providertest.NewTally(t, "stream chunks classified")
	q := ChatEgress(providers.Quirks{})
	for _, c := range providertest.Cassettes(t, chats) {
		for i, data := range payloads(c.Response.SSE) {
			tally.Check(fmt.Sprintf("%s#%d", c.ID, i), func() error {
				want := referenceFrame(t, data)
				if got := q.Frame("", []byte(data)); got != want {
					return fmt.Errorf("got %07b, want %07b for %s", got, want, data)
				}
				loose := strings.NewReplacer(`":`, `" : `, `,"`, ", \t\"").Replace(data)
				if json.Valid([]byte(loose)) && data != "[DONE]" {
					if got := q.Frame("", []byte(loose)); got != referenceFrame(t, loose) {
						return fmt.Errorf("got %07b with white space, want %07b for %s", got, want, loose)
					}
				}
				return nil
			}())
		}
	}
	tally.Done()
}

// referenceFrame classifies by decoding everything.
func referenceFrame(t *testing.T, data string) (f providers.FrameInfo) {
	if data == "[DONE]" {
		return providers.FrameTerminal
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(data), &m); err != nil {
		t.Fatal(err)
	}
	groq, _ := m["x_groq"].(map[string]any)
	if m["usage"] != nil || groq["usage"] != nil {
		f |= providers.FrameUsage
	}
	if _, ok := m["model"].(string); ok {
		f |= providers.FrameModel
	}
	if m["error"] != nil {
		f |= providers.FrameError
	}
	choices, isList := m["choices"].([]any)
	if isList && len(choices) == 0 && m["usage"] != nil && m["error"] == nil {
		f |= providers.FrameUsageOnly
	}
	for _, c := range choices {
		choice := c.(map[string]any)
		if s, _ := choice["finish_reason"].(string); s != "" {
			f |= providers.FrameFinish
		}
		if s, _ := choice["text"].(string); s != "" {
			f |= providers.FrameDelta
		}
		delta, _ := choice["delta"].(map[string]any)
		for name, v := range delta {
			switch name {
			case "role", "provider_metadata", "channel", "executed_tools", "token_id", "annotations":
				continue
			}
			switch v := v.(type) {
			case string:
				if v != "" {
					f |= providers.FrameDelta
				}
			case []any:
				if len(v) > 0 {
					f |= providers.FrameDelta
				}
			}
		}
	}
	return f
}

func TestRecordedStreams(t *testing.T) {
	whole := providertest.NewTally(t, "streams whole")
	cut := providertest.NewTally(t, "streams cut at random borders")
	short := providertest.NewTally(t, "streams cut short")
	for _, c := range providertest.Cassettes(t, chats) {
		sse := []byte(c.Response.SSE)
		if len(sse) == 0 {
			continue
		}
		noDone := !strings.Contains(c.Response.SSE, "[DONE]")
		failed := strings.Contains(c.Response.SSE, `"error":{`)
		q := ChatEgress(providers.Quirks{NoDone: noDone})
		want, err := providertest.Decode(q.NewDecoder(), [][]byte{sse})
		whole.Check(c.ID, func() error {
			if failed {
				if last := want[len(want)-1]; err == nil || last.Kind != providers.EventError || last.Err.Message == "" {
					return fmt.Errorf("a stream that reports an error ended with %+v, %v", last, err)
				}
				return nil
			}
			if err != nil {
				return err
			}
			return wellFormed(want, !noDone)
		}())
		cut.Check(c.ID, func() error {
			for seed := uint64(1); seed <= 3; seed++ {
				got, err2 := providertest.Decode(q.NewDecoder(), providertest.Cuts(sse, seed))
				if fmt.Sprint(err) != fmt.Sprint(err2) || !reflect.DeepEqual(withoutPings(got), withoutPings(want)) {
					return fmt.Errorf("seed %d: %d events, want %d (%v, %v)", seed, len(got), len(want), err2, err)
				}
			}
			return nil
		}())
		short.Check(c.ID, func() error {
			strict := ChatEgress(providers.Quirks{})
			for _, share := range []int{10, 50, 90} {
				_, err := providertest.Decode(strict.NewDecoder(), [][]byte{sse[:len(sse)*share/100]})
				if err == nil {
					return fmt.Errorf("%d %% of it end without an error", share)
				}
				var e *providers.Error
				if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &e) {
					return fmt.Errorf("%d %% of it end with %v", share, err)
				}
			}
			return nil
		}())
	}
	whole.Done()
	cut.Done()
	short.Done()
}

func withoutPings(in []providers.Event) (out []providers.Event) {
	for _, e := range in {
		if e.Kind != providers.EventPing {
			out = append(out, e)
		}
	}
	return out
}

func TestRecordedStreamContent(t *testing.T) {
	decoded := providertest.NewTally(t, "streams decoded to what they say")
	encoded := providertest.NewTally(t, "streams decoded and encoded")
	for _, c := range providertest.Cassettes(t, chats) {
		sse := c.Response.SSE
		if sse == "" || strings.Contains(sse, `"error":{`) {
			continue
		}
		events, _ := providertest.Decode(ChatEgress(providers.Quirks{}).NewDecoder(), [][]byte{[]byte(sse)})
		choices := 1
		for _, e := range events {
			choices = max(choices, e.Choice+1)
		}
		decoded.Check(c.ID, func() error {
			for n := range choices {
				if got, want := fromEvents(events, n), fromChunks(t, sse, n); !reflect.DeepEqual(got, want) {
					return fmt.Errorf("choice %d:\n got %+v\nwant %+v", n, got, want)
				}
			}
			return nil
		}())
		encoded.Check(c.ID, func() error {
			out := providertest.Encode(ChatIngress().NewEncoder(providers.EncodeOptions{IncludeUsage: true, RequestID: "1"}), events)
			for n := range choices {
				got, want := fromChunks(t, string(out), n), fromChunks(t, sse, n)
				if want.Finish == "" && got.Finish != "" { // the vendor gave none, clients demand one
					want.Finish = got.Finish
				}
				if !reflect.DeepEqual(got, want) {
					return fmt.Errorf("choice %d:\n got %+v\nwant %+v", n, got, want)
				}
			}
			if list := payloads(string(out)); list[len(list)-1] != "[DONE]" {
				return errors.New("no [DONE]")
			}
			return nil
		}())
	}
	decoded.Done()
	encoded.Done()
}

func TestRecordedUsage(t *testing.T) {
	tally := providertest.NewTally(t, "usage read")
	q := ChatEgress(providers.Quirks{})
	for _, endpoint := range []string{"openai_chat", "openai_completions", "openai_embeddings"} {
		for _, c := range providertest.Cassettes(t, providertest.Filter{Endpoint: endpoint}) {
			if !c.OK() {
				continue
			}
			list := payloads(c.Response.SSE)
			if c.Response.Body != nil {
				list = []string{string(c.Response.Body)}
			}
			var got, want providers.Usage
			for _, data := range list {
				if data == "[DONE]" {
					continue
				}
				q.Usage([]byte(data), &got)
				referenceUsage(t, data, &want)
			}
			tally.Check(c.ID, func() error {
				if got != want {
					return fmt.Errorf("got %+v, want %+v", got, want)
				}
				return nil
			}())
		}
	}
	tally.Done()
}
