package vertex

import (
	"bytes"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// shaped are the members of a Claude request that Vertex has in the path, or adds.
var shaped = wire.NewNames("model", "anthropic_version")

// shape brings a request into the form of Vertex AI. Claude's has the API version in
// the body, and the model in the address alone (but for counting tokens).
func (t *tokens) shape(c *providers.Call) error {
	if t.project(c) == "" && !express(c.Secret) {
		return &providers.Error{Kind: providers.KindUpstream, Code: "upstream_auth_failed",
			Message: "the account names no Google Cloud project: set options.project, or GOOGLE_CLOUD_PROJECT"}
	}
	if !claude(c) || len(c.Body) == 0 {
		return nil
	}
	var few [4]wire.Field
	fields, err := shaped.Fields(c.Body, few[:0])
	if err != nil {
		return &providers.Error{Kind: providers.KindInvalidRequest, Code: "invalid_json", Message: "cannot read the request body: " + err.Error()}
	}
	var edits []wire.Edit
	version := false
	for _, f := range fields {
		switch {
		case f.Name == "anthropic_version":
			version = true
		case c.Op != providers.OpCountTokens:
			edits = append(edits, wire.Edit{Start: f.CutStart, End: f.CutEnd})
		}
	}
	body := wire.Splice(make([]byte, 0, len(c.Body)+64), c.Body, edits)
	if !version {
		body = withVersion(body)
	}
	c.Body = body
	return nil
}

// withVersion puts the API version at the front of an object.
func withVersion(body []byte) []byte {
	const member = `"anthropic_version":"` + claudeVersion + `"`
	at := bytes.IndexByte(body, '{') + 1
	out := append(make([]byte, 0, len(body)+len(member)+1), body[:at]...)
	out = append(out, member...)
	if rest := bytes.TrimSpace(body[at:]); len(rest) > 0 && rest[0] != '}' {
		out = append(out, ',')
	}
	return append(out, body[at:]...)
}
