package server

import (
	"bytes"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// An operation is a route that is passed on and never translated.
type operation struct {
	path, scope string
	op          providers.Op
	// open: the upstream chooses the form of its answer.
	open bool
	// form: callers may send it as multipart/form-data.
	form bool
	// model is what the vendor takes where the request names none; "": it must.
	model string
}

// operations are all of them. Their bodies are OpenAI's, which the vendors of rerank
// and fim have taken over as far as the gateway reads them.
var operations = []operation{
	{path: "/v1/completions", op: providers.OpCompletions, scope: "chat"},
	{path: "/v1/fim/completions", op: providers.OpFIM, scope: "chat"},
	{path: "/v1/embeddings", op: providers.OpEmbeddings, scope: "embeddings"},
	{path: "/v1/images/generations", op: providers.OpImages, scope: "images", open: true, model: "dall-e-2"},
	{path: "/v1/images/edits", op: providers.OpImages, scope: "images", open: true, form: true, model: "dall-e-2"},
	{path: "/v1/images/variations", op: providers.OpImages, scope: "images", open: true, form: true, model: "dall-e-2"},
	{path: "/v1/audio/speech", op: providers.OpAudio, scope: "audio", open: true},
	{path: "/v1/audio/transcriptions", op: providers.OpAudio, scope: "audio", open: true, form: true},
	{path: "/v1/audio/translations", op: providers.OpAudio, scope: "audio", open: true, form: true},
	{path: "/v1/moderations", op: providers.OpModerations, scope: "moderations", model: "omni-moderation-latest"},
	{path: "/v1/rerank", op: providers.OpRerank, scope: "rerank"},
}

// withModel puts the model into a body that names none: the deployment of the
// address, which also goes before what the body says, or the operation's usual one.
func (c *call) withModel(body []byte) []byte {
	model := c.deployment
	if model == "" {
		if c.route.operation == nil || c.route.operation.model == "" {
			return body
		}
		model = c.route.operation.model
	}
	fields, err := wire.Fields(body, []string{"model"}, nil)
	if err != nil { // Peek says what is wrong
		return body
	}
	name := wire.AppendString(nil, model)
	if len(fields) > 0 {
		if c.deployment == "" {
			return body
		}
		return wire.Splice(nil, body, []wire.Edit{{Start: fields[0].Start, End: fields[0].End, New: name}})
	}
	at := bytes.IndexByte(body, '{') + 1
	member := append(append([]byte(`"model":`), name...), ',')
	if rest := bytes.TrimSpace(body[at:]); len(rest) > 0 && rest[0] == '}' {
		member = member[:len(member)-1]
	}
	return wire.Splice(nil, body, []wire.Edit{{Start: at, End: at, New: member}})
}
