package main_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// converse is Bedrock's Converse and ConverseStream.
type converse struct{ w http.ResponseWriter }

// What the scripted Bedrock lets in.
const (
	awsKeyID  = "AKIASCRIPTEDBEDROCK1"
	awsSecret = "scripted/Bedrock+secret"
)

func (p *converse) read(r *http.Request, body []byte) (*ask, *refusal) {
	if err := verifySigV4(r, body, awsKeyID, awsSecret, "bedrock"); err != nil {
		return nil, &refusal{status: 403, typ: "InvalidSignatureException", words: "The request signature we calculated does not match the signature you provided: " + err.Error()}
	}
	if err := strictConverse(body); err != nil {
		return nil, refuse("%v", err)
	}
	model, _ := url.PathUnescape(strings.Split(r.URL.EscapedPath(), "/")[3])
	a := &ask{model: model, stream: strings.HasSuffix(r.URL.Path, "/converse-stream"), choice: "auto"}
	var q struct {
		InferenceConfig struct {
			MaxTokens     int64
			StopSequences []string
		}
		ResponsePaths []string `json:"additionalModelResponseFieldPaths"`
	}
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, refuse("%v", err)
	}
	a.maxTokens, a.stop = q.InferenceConfig.MaxTokens, q.InferenceConfig.StopSequences
	if len(a.stop) > 0 && !slices.Contains(q.ResponsePaths, "/stop_sequence") {
		return nil, refuse("nobody asks which stop sequence it was")
	}
	thinking := get(body, "additionalModelRequestFields", "thinking")
	a.thinks = thinking != nil && str(thinking, "type") != "disabled"
	if s := str(body, "outputConfig", "textFormat", "structure", "jsonSchema", "schema"); s != "" {
		a.schema = json.RawMessage(s)
	}
	for _, t := range list(body, "toolConfig", "tools") {
		a.tools = append(a.tools, str(t, "toolSpec", "name"))
	}
	switch choice := get(body, "toolConfig", "toolChoice"); {
	case len(a.tools) == 0:
		a.choice = "none"
	case get(choice, "any") != nil:
		a.choice = "required"
	case get(choice, "tool") != nil:
		a.choice = str(choice, "tool", "name")
	}
	var system []string
	for _, b := range list(body, "system") {
		system = append(system, str(b, "text"))
	}
	a.system = strings.Join(system, "\n")
	return a, p.readTurns(body, a)
}

func (p *converse) readTurns(body json.RawMessage, a *ask) *refusal {
	var open []string // calls of the turn before
	turns := list(body, "messages")
	for i, m := range turns {
		s := said{role: str(m, "role")}
		pending := open
		open = nil
		for j, b := range list(m, "content") {
			s.text += str(b, "text")
			if img := get(b, "image"); img != nil {
				data, _ := base64.StdEncoding.DecodeString(str(img, "source", "bytes"))
				s.media = append(s.media, fmt.Sprintf("image/%s %d", str(img, "format"), len(data)))
			}
			if c := get(b, "toolUse"); c != nil {
				open = append(open, str(c, "toolUseId"))
				s.calls = append(s.calls, toolCall{str(c, "toolUseId"), str(c, "name"), string(get(c, "input"))})
			}
			if t := get(b, "reasoningContent", "reasoningText"); t != nil && str(t, "signature") != signature(str(t, "text")) {
				return refuse("messages.%d.content.%d: Invalid `signature` in `thinking` block", i, j)
			}
			if res := get(b, "toolResult"); res != nil {
				k := slices.Index(pending, str(res, "toolUseId"))
				if k < 0 {
					return refuse("messages.%d.content.%d: unexpected toolUseId %s", i, j, str(res, "toolUseId"))
				}
				pending = slices.Delete(slices.Clone(pending), k, k+1)
				text := ""
				for _, c := range list(res, "content") {
					text += str(c, "text")
				}
				s.results = append(s.results, toolResult{str(res, "toolUseId"), text})
			}
		}
		if len(pending) > 0 {
			return refuse("Expected toolResult blocks at messages.%d.content for the following Ids: %v", i, pending)
		}
		if first := list(m, "content"); a.thinks && i == len(turns)-2 && len(s.calls) > 0 && get(first[0], "reasoningContent") == nil {
			return refuse("messages.%d.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`", i)
		}
		a.turns = append(a.turns, s)
	}
	return nil
}

func (p *converse) fail(r *refusal) {
	typ := "ValidationException"
	switch {
	case r.status == 429:
		typ, r.words = "ThrottlingException", "Too many requests, please wait before trying again."
	case r.scripted:
		r.words = "The model returned the following errors: " + tooLongAnthropic
	case r.status == 403:
		typ = r.typ
	}
	p.w.Header().Set("x-amzn-errortype", typ+":http://internal.amazon.com/coral/com.amazon.bedrock/")
	writeJSON(p.w, r.status, members{"message": r.words})
}

func (p *converse) finish(r *reply) (reason string, extra members) {
	extra = members{}
	switch {
	case r.long:
		reason = "max_tokens"
	case r.refused:
		reason = "content_filtered"
	case r.stopped != "":
		reason, extra = "stop_sequence", members{"additionalModelResponseFields": members{"stop_sequence": r.stopped}}
	case len(r.calls) > 0:
		reason = "tool_use"
	default:
		reason = "end_turn"
	}
	extra["stopReason"] = reason
	return reason, extra
}

var scriptedUsage = members{"inputTokens": usedInput - usedCached, "outputTokens": usedOutput, "totalTokens": usedInput + usedOutput, "cacheReadInputTokens": usedCached, "cacheWriteInputTokens": 0}

func (p *converse) whole(_ *ask, r *reply) {
	var content []members
	if r.thinking != "" {
		content = append(content, members{"reasoningContent": members{"reasoningText": members{"text": r.thinking, "signature": signature(r.thinking)}}})
	}
	if r.text != "" {
		content = append(content, members{"text": r.text})
	}
	for _, c := range r.calls {
		content = append(content, members{"toolUse": members{"toolUseId": "tooluse_" + c.id, "name": c.name, "input": json.RawMessage(c.args)}})
	}
	_, out := p.finish(r)
	out["output"], out["usage"], out["metrics"] = members{"message": members{"role": "assistant", "content": content}}, scriptedUsage, members{"latencyMs": 1}
	writeJSON(p.w, 200, out)
}

func (p *converse) event(kind, name string, m members) {
	b, _ := json.Marshal(m)
	_, _ = io.WriteString(p.w, eventFrame(kind, name, string(b)))
	p.w.(http.Flusher).Flush()
}

func (p *converse) stream(_ *ask, r *reply, trouble string) {
	p.w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	p.event("event", "messageStart", members{"role": "assistant"})
	index := 0
	block := func(start members, deltas ...members) {
		if start != nil {
			p.event("event", "contentBlockStart", members{"contentBlockIndex": index, "start": start})
		}
		for _, d := range deltas {
			p.event("event", "contentBlockDelta", members{"contentBlockIndex": index, "delta": d, "p": "abcdef"})
		}
		p.event("event", "contentBlockStop", members{"contentBlockIndex": index})
		index++
	}
	each := func(s string, wrap func(string) members) (out []members) {
		for _, part := range pieces(s) {
			out = append(out, wrap(part))
		}
		return out
	}
	text := func(s string) members { return members{"text": s} }
	if trouble == "broken" || trouble == "cut" {
		for _, d := range each(r.text, text)[:2] {
			p.event("event", "contentBlockDelta", members{"contentBlockIndex": 0, "delta": d})
		}
		if trouble == "broken" {
			p.event("exception", "serviceUnavailableException", members{"message": "Overloaded"})
		}
		return
	}
	if r.thinking != "" {
		deltas := each(r.thinking, func(s string) members { return members{"reasoningContent": members{"text": s}} })
		block(nil, append(deltas, members{"reasoningContent": members{"signature": signature(r.thinking)}})...)
	}
	if r.text != "" {
		block(nil, each(r.text, text)...)
	}
	for _, c := range r.calls {
		var deltas []members
		if c.args != "{}" { // a call without arguments streams none
			deltas = each(c.args, func(s string) members { return members{"toolUse": members{"input": s}} })
		}
		block(members{"toolUse": members{"toolUseId": "tooluse_" + c.id, "name": c.name}}, deltas...)
	}
	_, stop := p.finish(r)
	p.event("event", "messageStop", stop)
	p.event("event", "metadata", members{"usage": scriptedUsage, "metrics": members{"latencyMs": 1}})
}

// verifySigV4 checks a signature as AWS's documentation describes it ("Create a
// signed AWS API request"), by hand.
func verifySigV4(r *http.Request, body []byte, id, secret, service string) error {
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return fmt.Errorf("authorization %q", r.Header.Get("Authorization"))
	}
	part := map[string]string{}
	for _, p := range strings.Split(auth, ", ") {
		name, value, _ := strings.Cut(p, "=")
		part[name] = value
	}
	scope := strings.SplitN(part["Credential"], "/", 2)
	fields := strings.Split(part["Credential"], "/")
	if len(fields) != 5 || fields[0] != id || fields[3] != service || fields[4] != "aws4_request" {
		return fmt.Errorf("credential %q", part["Credential"])
	}
	names := strings.Split(part["SignedHeaders"], ";")
	if !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-date") || !slices.IsSorted(names) {
		return fmt.Errorf("signed headers %q", part["SignedHeaders"])
	}
	var canonical strings.Builder
	canonical.WriteString(r.Method + "\n")
	for i, segment := range strings.Split(r.URL.EscapedPath(), "/") { // each encoded once more
		if i > 0 {
			canonical.WriteString("/")
		}
		canonical.WriteString(strings.ReplaceAll(segment, "%", "%25"))
	}
	canonical.WriteString("\n" + r.URL.RawQuery + "\n")
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.Host
		}
		canonical.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	sum := func(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }
	canonical.WriteString("\n" + part["SignedHeaders"] + "\n" + sum(body))
	sign := func(key []byte, data string) []byte {
		m := hmac.New(sha256.New, key)
		_, _ = io.WriteString(m, data)
		return m.Sum(nil)
	}
	key := []byte("AWS4" + secret)
	for _, f := range fields[1:] {
		key = sign(key, f)
	}
	want := hex.EncodeToString(sign(key, "AWS4-HMAC-SHA256\n"+r.Header.Get("x-amz-date")+"\n"+scope[1]+"\n"+sum([]byte(canonical.String()))))
	if part["Signature"] != want {
		return fmt.Errorf("signature %s, calculated %s of\n%s", part["Signature"], want, canonical.String())
	}
	return nil
}

// TestSigV4Verifier: the verifier agrees with AWS's published test suite (post-vanilla).
func TestSigV4Verifier(t *testing.T) {
	r, err := http.NewRequest("POST", "https://example.amazonaws.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	if err := verifySigV4(r, nil, "AKIDEXAMPLE", secret, "service"); err != nil {
		t.Error(err)
	}
	if verifySigV4(r, []byte("x"), "AKIDEXAMPLE", secret, "service") == nil || verifySigV4(r, nil, "AKIDEXAMPLE", secret+"x", "service") == nil {
		t.Error("a wrong signature passes")
	}
}
