package admin

import (
	"errors"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/your-org/ai-api-gateway/server/api"
)

// decode reads the body as a T. Members T does not have are refused, so that none
// can be assigned that a caller may not set; so are members given twice or in
// another case, and values of a wrong type. Errors name the member, never its value.
func decode[T any](c *Call) (*T, error) {
	v := new(T)
	if len(c.Body) == 0 {
		return nil, &api.Error{Status: 400, Code: "invalid_json", Message: "the request body is empty: a JSON object is expected"}
	}
	if err := json.Unmarshal(c.Body, v, json.RejectUnknownMembers(true)); err != nil {
		return nil, bodyError(err)
	}
	if trimmed := strings.TrimSpace(string(c.Body)); trimmed == "null" {
		return nil, &api.Error{Status: 400, Code: "invalid_json", Message: "a JSON object is expected, not null"}
	}
	return v, nil
}

// decodeOptional is decode for calls whose body may be left out.
func decodeOptional[T any](c *Call) (*T, error) {
	if len(c.Body) == 0 {
		return new(T), nil
	}
	return decode[T](c)
}

func bodyError(err error) *api.Error {
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) {
		if errors.Is(syn.Err, jsontext.ErrDuplicateName) {
			name := member(syn.JSONPointer)
			return &api.Error{Status: 400, Code: "duplicate_field", Param: name, Message: "member " + name + " is given twice"}
		}
		return &api.Error{Status: 400, Code: "invalid_json", Message: "the request body is not valid JSON: " + clip(offset(syn))}
	}
	var sem *json.SemanticError
	if !errors.As(err, &sem) {
		return &api.Error{Status: 400, Code: "invalid_json", Message: "the request body cannot be read"}
	}
	name := member(sem.JSONPointer)
	switch {
	case errors.Is(sem.Err, json.ErrUnknownName):
		return &api.Error{Status: 400, Code: "unknown_field", Param: name, Message: "unknown member " + name + ": this call does not take it"}
	case name == "":
		return &api.Error{Status: 400, Code: "invalid_json", Message: "the request body must be a JSON object"}
	case sem.GoType == reflect.TypeFor[api.AccountModels]():
		return invalid(name, "must be a list of names, or an object of names and the upstream's names, none of them twice")
	}
	return &api.Error{Status: 400, Code: "invalid_type", Param: name, Message: name + " must be " + typeWord(sem.GoType)}
}

// offset says where a syntax error is without repeating the body.
func offset(e *jsontext.SyntacticError) string {
	return strings.TrimPrefix(strings.TrimPrefix((&jsontext.SyntacticError{ByteOffset: e.ByteOffset, Err: errors.New("syntax error")}).Error(), "jsontext: "), "json: ")
}

// member writes a JSON pointer as people write members: "targets[0].model".
func member(p jsontext.Pointer) string {
	var b strings.Builder
	for tok := range p.Tokens() {
		switch {
		case strings.Trim(tok, "0123456789") == "" && tok != "" && b.Len() > 0:
			b.WriteString("[" + tok + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(clip(tok))
		}
	}
	return b.String()
}

func typeWord(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case nil:
		return "of another type"
	case reflect.TypeFor[time.Time]():
		return "a time such as 2026-11-01T15:04:05Z"
	case reflect.TypeFor[api.Decimal](), reflect.TypeFor[api.USD]():
		return "a number"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	}
	return "of another type"
}
