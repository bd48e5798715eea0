// Judge reads requests, one JSON object {"id","vendor","body"} a line, into the
// vendor's own SDK types, writes them again, and reports for each, one line
// {"id","fault"}, the first member that the types do not know or keep.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"google.golang.org/genai"
)

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	dec := json.NewDecoder(in)
	enc := json.NewEncoder(out)
	for dec.More() {
		var line struct {
			ID, Vendor string
			Body       json.RawMessage
		}
		if err := dec.Decode(&line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		verdict := map[string]string{"ID": line.ID}
		if err := judge(line.Vendor, line.Body); err != nil {
			verdict["Fault"] = err.Error()
		}
		if err := enc.Encode(verdict); err != nil {
			os.Exit(1)
		}
	}
	if err := out.Flush(); err != nil {
		os.Exit(1)
	}
}

// judge reads body into the vendor's type and compares it with what that type writes.
func judge(vendor string, body []byte) error {
	if vendor == "gemini" {
		return judgeGemini(body)
	}
	if vendor == "bedrock" {
		return judgeBedrock(body)
	}
	var params any = &openai.ChatCompletionNewParams{}
	own := []string{"stream"} // set by the SDK's method, not a member of its type
	switch vendor {
	case "anthropic":
		params = &anthropic.MessageNewParams{}
	case "responses":
		params = &responses.ResponseNewParams{}
	}
	if err := json.Unmarshal(body, params); err != nil {
		return fmt.Errorf("cannot decode: %w", err)
	}
	if path := foreign(reflect.ValueOf(params), ""); path != "" {
		return fmt.Errorf("unknown member %s", path)
	}
	again, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("cannot encode: %w", err)
	}
	var got, want map[string]any
	if err := json.Unmarshal(again, &got); err != nil {
		return err
	}
	if err := json.Unmarshal(body, &want); err != nil {
		return err
	}
	if choice, ok := want["tool_choice"].(map[string]any); ok && vendor == "openai" && choice["type"] == "function" {
		// The type's union decodes every object as its first variant: the right one is asked itself.
		var named openai.ChatCompletionNamedToolChoiceParam
		raw, _ := json.Marshal(choice)
		if err := json.Unmarshal(raw, &named); err != nil || named.Function.Name == "" || len(choice) != 2 {
			return fmt.Errorf("tool_choice %s: %v", raw, err)
		}
		own = append(own, "tool_choice")
	}
	if choice, ok := want["tool_choice"].(map[string]any); ok && vendor == "responses" && choice["type"] == "function" {
		var named responses.ToolChoiceFunctionParam
		raw, _ := json.Marshal(choice)
		if err := json.Unmarshal(raw, &named); err != nil || named.Name == "" || len(choice) != 2 {
			return fmt.Errorf("tool_choice %s: %v", raw, err)
		}
		own = append(own, "tool_choice")
	}
	if items, ok := want["input"].([]any); ok { // the API takes reasoning without an id, as recorded: the type does not
		for _, item := range items {
			if m, ok := item.(map[string]any); ok && m["type"] == "reasoning" && m["id"] == nil {
				m["id"] = ""
			}
		}
	}
	for _, name := range own {
		delete(want, name)
		delete(got, name)
	}
	return differ("", got, want)
}

// judgeGemini reads a generateContent request with the types of Google's SDK, which
// has none for the request as a whole, and refuses members they do not know.
func judgeGemini(body []byte) error {
	var r struct {
		Contents          []*genai.Content
		SystemInstruction *genai.Content
		Tools             []*genai.Tool
		ToolConfig        *genai.ToolConfig
		GenerationConfig  *genai.GenerationConfig
		SafetySettings    []*genai.SafetySetting
		CachedContent     string
		ServiceTier       genai.ServiceTier
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return d.Decode(&r)
}

// foreign finds members that a type keeps only as extra fields.
func foreign(v reflect.Value, path string) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return foreign(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if p := foreign(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); p != "" {
				return p
			}
		}
	case reflect.Struct:
		if v.CanAddr() && v.Addr().CanInterface() {
			if x, ok := v.Addr().Interface().(interface{ ExtraFields() map[string]any }); ok {
				for name := range x.ExtraFields() {
					if !schema(v.Type().Name()) {
						return path + "." + name
					}
				}
			}
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				if p := foreign(v.Field(i), path+"."+f.Name); p != "" {
					return p
				}
			}
		}
	}
	return ""
}

// schema reports whether a type holds a JSON Schema, whose members are free.
func schema(name string) bool { return name == "ToolInputSchemaParam" }

// differ returns the first difference of what was written again.
func differ(path string, got, want any) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is lost or changed: %.100v", path, got)
		}
		for name := range w {
			if err := differ(path+"."+name, g[name], w[name]); err != nil {
				return err
			}
		}
		for name := range g {
			if _, ok := w[name]; !ok {
				return fmt.Errorf("%s.%s is required by the type and was not sent: %.100v", path, name, g[name])
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s is lost or changed: %.100v", path, got)
		}
		for i := range w {
			if err := differ(fmt.Sprintf("%s[%d]", path, i), g[i], w[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if text, ok := want.(string); ok && alone(got) == text { // the type has a list where the format takes a string as well
		return nil
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s is %.100v, sent %.100v", path, got, want)
	}
	return nil
}

// alone returns the text of a list of one text block, nil for anything else.
func alone(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		if block, ok := list[0].(map[string]any); ok && block["type"] == "text" {
			return block["text"]
		}
	}
	return nil
}
