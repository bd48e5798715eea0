package gemini

import (
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// inConfig starts the names of members of generationConfig that have no neutral field.
const inConfig = "generationConfig."

func decodeGeneration(r *providers.Request, v []byte) (err error) {
	if !wire.IsObject(v) {
		return bad("generationConfig", "must be an object")
	}
	g := &generation{r: r}
	eachMember(v, func(name string, x []byte) bool {
		err = g.member(name, x)
		return err == nil
	})
	g.format()
	return within(err, "generationConfig", -1)
}

// A generation reads generationConfig: the format of the answer is told by three of its members.
type generation struct {
	r          *providers.Request
	mime       string
	rawMime    []byte
	schema     []byte // JSON Schema
	openSchema []byte // OpenAPI's
}

func (g *generation) member(name string, v []byte) (err error) {
	r := g.r
	switch name {
	case "temperature":
		r.Temperature, err = number(name, v)
	case "topP":
		r.TopP, err = number(name, v)
	case "topK":
		r.TopK, err = integer(name, v)
	case "maxOutputTokens":
		r.MaxTokens, err = integer(name, v)
	case "seed":
		r.Seed, err = integer(name, v)
	case "candidateCount":
		var n *int64
		if n, err = integer(name, v); err == nil {
			r.N = *n
		}
	case "stopSequences":
		r.Stop, err = stringList(name, v)
	case "responseMimeType":
		g.mime, _ = wire.String(v)
		g.rawMime = v
	case "responseJsonSchema", "_responseJsonSchema":
		g.schema = v
	case "responseSchema":
		g.openSchema = v
	case "thinkingConfig":
		return decodeThinking(r, v)
	default:
		r.Extra = member(r.Extra, inConfig+name, v)
	}
	return err
}

// format sets what the answer is to look like.
func (g *generation) format() {
	r := g.r
	schema := g.schema
	if schema == nil && g.openSchema != nil {
		schema = jsonSchema(g.openSchema)
	}
	switch {
	case g.mime == "text/x.enum": // a word of a list, bare: nobody else has it
		r.Extra = member(r.Extra, inConfig+"responseMimeType", g.rawMime)
		if g.openSchema != nil {
			r.Extra = member(r.Extra, inConfig+"responseSchema", g.openSchema)
		}
	case schema != nil:
		r.Format = &providers.Format{Kind: "json_schema", Schema: schema}
	case g.mime == "application/json":
		r.Format = &providers.Format{Kind: "json_object"}
	case g.mime != "" && g.mime != "text/plain":
		r.Extra = member(r.Extra, inConfig+"responseMimeType", g.rawMime)
	}
}

func decodeThinking(r *providers.Request, v []byte) (err error) {
	if !wire.IsObject(v) {
		return bad("thinkingConfig", "must be an object")
	}
	t := &providers.Reasoning{Raw: v}
	eachMember(v, func(name string, x []byte) bool {
		switch name {
		case "thinkingBudget":
			t.Budget, err = integer(name, x)
		case "thinkingLevel":
			level, _ := wire.String(x)
			if level = strings.ToLower(level); level != "thinking_level_unspecified" {
				t.Effort = level
			}
		case "includeThoughts":
			if isTrue(x) {
				t.Summary = "auto"
			}
		}
		return err == nil
	})
	if err != nil {
		return within(err, "thinkingConfig", -1)
	}
	switch {
	case t.Budget != nil && *t.Budget == 0:
		t.Mode = "disabled"
	case t.Budget != nil && *t.Budget < 0: // as much as the model finds right
		t.Mode, t.Budget = "adaptive", nil
	case t.Budget != nil || t.Effort != "" || t.Summary != "":
		t.Mode = "enabled"
	}
	r.Reasoning = t
	return nil
}

// integer reads a whole number; the API also takes one written as a string or with a fraction of zero.
func integer(name string, v []byte) (*int64, error) {
	if s, ok := wire.String(v); ok {
		v = []byte(s)
	}
	n, ok := wire.Int(v)
	if !ok {
		return nil, bad(name, "must be an integer")
	}
	return &n, nil
}

func number(name string, v []byte) (*float64, error) {
	var f float64
	if err := wire.Unmarshal(v, &f); err != nil {
		return nil, bad(name, "must be a number")
	}
	return &f, nil
}

func stringList(name string, v []byte) (list []string, err error) {
	if !wire.IsArray(v) {
		return nil, bad(name, "must be a list of strings")
	}
	list = []string{}
	wire.EachElement(v, func(elem []byte) bool {
		s, ok := wire.String(elem)
		if !ok {
			err = bad(name, "must be a list of strings")
			return false
		}
		list = append(list, s)
		return true
	})
	return list, err
}
