// Package contract holds calls of the API against its description, for tests: what
// is asked and answered must be what server/api/openapi.yaml says, and nothing else.
package contract

import (
	"encoding/json"
	"fmt"
	"mime"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/your-org/ai-api-gateway/server/api"
)

// A Contract is the description, made strict: an object has no members but those
// that are described.
type Contract struct{ Doc *openapi3.T }

// Load reads the description and checks that it is valid OpenAPI 3.1.
func Load() (*Contract, error) {
	var raw map[string]any
	if err := json.Unmarshal(api.OpenAPIJSON(), &raw); err != nil {
		return nil, fmt.Errorf("cannot read openapi.yaml: %w", err)
	}
	closeObjects(raw["components"])
	strict, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(strict)
	if err != nil {
		return nil, fmt.Errorf("cannot read openapi.yaml: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("openapi.yaml is not valid: %w", err)
	}
	return &Contract{doc}, nil
}

// closeObjects refuses members that are not described, but where the description allows for them.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, open := v["additionalProperties"]; !open && v["type"] == "object" && v["properties"] != nil {
			v["additionalProperties"] = false
		}
		for _, in := range v {
			closeObjects(in)
		}
	case []any:
		for _, in := range v {
			closeObjects(in)
		}
	}
}

// Path returns how the description writes a path of the route table.
func Path(route string) string { return strings.ReplaceAll(route, "...}", "}") }

// Operation returns the description of a route; nil: there is none.
func (c *Contract) Operation(method, route string) *openapi3.Operation {
	item := c.Doc.Paths.Value(Path(route))
	if item == nil {
		return nil
	}
	return item.GetOperation(method)
}

// A Call is one call that was made.
type Call struct {
	Method, Route string   // of the route table
	Query         []string // names of parameters
	Body          []byte
	Status        int
	MediaType     string // of the answer
	Answer        []byte
}

// Check says what of a call is not as described. What was asked counts only where it
// was taken: a call that is refused may be wrong.
func (c *Contract) Check(call Call) error {
	op := c.Operation(call.Method, call.Route)
	if op == nil {
		return fmt.Errorf("%s %s is not described", call.Method, call.Route)
	}
	if call.Status < 300 {
		if err := checkAsked(op, &call); err != nil {
			return fmt.Errorf("%s %s is taken and not as described: %w", call.Method, call.Route, err)
		}
	}
	if err := checkAnswer(op, &call); err != nil {
		return fmt.Errorf("%s %s: answer %d is not as described: %w\n%.1000s", call.Method, call.Route, call.Status, err, call.Answer)
	}
	return nil
}

func checkAsked(op *openapi3.Operation, call *Call) error {
	for _, name := range call.Query {
		if op.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			return fmt.Errorf("query parameter %s", name)
		}
	}
	if len(call.Body) == 0 || call.Body[0] != '{' || op.RequestBody == nil { // no JSON: a form
		return nil
	}
	return visit(op.RequestBody.Value.Content, "application/json", call.Body)
}

func checkAnswer(op *openapi3.Operation, call *Call) error {
	res := op.Responses.Value(strconv.Itoa(call.Status))
	if res == nil {
		if call.Status < 400 {
			return fmt.Errorf("the status is none of those described")
		}
		res = op.Responses.Default()
	}
	if len(call.Answer) == 0 && len(res.Value.Content) == 0 {
		return nil
	}
	kind, _, err := mime.ParseMediaType(call.MediaType)
	if err != nil {
		return fmt.Errorf("content type %q: %w", call.MediaType, err)
	}
	return visit(res.Value.Content, kind, call.Answer)
}

// visit judges a body by the schema of its media type.
func visit(content openapi3.Content, kind string, body []byte) error {
	media := content[kind]
	if media == nil && kind != "application/json" {
		media = content["*/*"]
	}
	if media == nil {
		return fmt.Errorf("%s is none of the media types described", kind)
	}
	if kind != "application/json" {
		return nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	return media.Schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors())
}
