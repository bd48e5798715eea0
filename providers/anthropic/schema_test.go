package anthropic

import (
	"encoding/json"
	"testing"
)

func TestClosedSchema(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := string(ClosedSchema(json.RawMessage(in))); got != want {
			t.Errorf("%s became\n%s, want\n%s", in, got, want)
		}
	}
	f(`{"type":"string"}`, `{"type":"string"}`)
	f(`{"type":"object"}`, `{"type":"object","additionalProperties":false}`)
	f(`{"type":["object","null"],"properties":{}}`, `{"type":["object","null"],"properties":{},"additionalProperties":false}`)
	f(`{"additionalProperties":true,"type":"object"}`, `{"additionalProperties":true,"type":"object"}`)
	// A property may be called "type", and data may look like a schema.
	f(`{"type":"object","properties":{"type":{"type":"string","enum":["object"]},"items":{"type":"array","items":{"type":"object","default":{"type":"object"}}}},"required":["type"]}`,
		`{"type":"object","properties":{"type":{"type":"string","enum":["object"]},"items":{"type":"array","items":{"type":"object","default":{"type":"object"},"additionalProperties":false}}},"required":["type"],"additionalProperties":false}`)
	f(`{"anyOf":[{"type":"object"},{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"object","additionalProperties":false}}}`,
		`{"anyOf":[{"type":"object","additionalProperties":false},{"$ref":"#/$defs/a"}],"$defs":{"a":{"type":"object","additionalProperties":false}}}`)
	f(`{"type":"number","maximum":1.50,"minimum":1e400}`, `{"type":"number","maximum":1.50,"minimum":1e400}`)
	f(`true`, `true`)
}
