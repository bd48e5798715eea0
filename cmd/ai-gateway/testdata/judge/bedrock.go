package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

// judgeBedrock reads body into AWS's own types, has AWS's client check and write
// them, and compares what it would have sent.
func judgeBedrock(body []byte) error {
	var want map[string]any
	if err := json.Unmarshal(body, &want); err != nil {
		return err
	}
	in := &bedrockruntime.ConverseInput{}
	if err := fill(reflect.ValueOf(in).Elem(), want, ""); err != nil {
		return err
	}
	in.ModelId = aws.String("m")
	caught := &catcher{}
	client := bedrockruntime.New(bedrockruntime.Options{
		Region: "us-east-1", HTTPClient: caught, BaseEndpoint: aws.String("http://127.0.0.1:1"), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	})
	if _, err := client.Converse(context.Background(), in); caught.body == nil {
		return fmt.Errorf("AWS's client refuses it: %w", err)
	}
	var got map[string]any
	if err := json.Unmarshal(caught.body, &got); err != nil {
		return err
	}
	return differ("", got, want)
}

// A catcher keeps a request instead of sending it.
type catcher struct{ body []byte }

func (c *catcher) Do(r *http.Request) (*http.Response, error) {
	c.body, _ = io.ReadAll(r.Body)
	return nil, errors.New("caught")
}

// variants are the members of the unions that a request may hold.
var variants = []any{
	types.ContentBlockMemberText{}, types.ContentBlockMemberImage{}, types.ContentBlockMemberDocument{}, types.ContentBlockMemberAudio{}, types.ContentBlockMemberToolUse{},
	types.ContentBlockMemberToolResult{}, types.ContentBlockMemberReasoningContent{}, types.ContentBlockMemberCachePoint{},
	types.SystemContentBlockMemberText{}, types.SystemContentBlockMemberCachePoint{},
	types.ToolResultContentBlockMemberText{}, types.ToolResultContentBlockMemberImage{}, types.ToolResultContentBlockMemberDocument{}, types.ToolResultContentBlockMemberJson{},
	types.ImageSourceMemberBytes{}, types.ImageSourceMemberS3Location{}, types.DocumentSourceMemberBytes{}, types.DocumentSourceMemberS3Location{}, types.AudioSourceMemberBytes{},
	types.ReasoningContentBlockMemberReasoningText{}, types.ReasoningContentBlockMemberRedactedContent{},
	types.ToolMemberToolSpec{}, types.ToolMemberCachePoint{}, types.ToolInputSchemaMemberJson{},
	types.ToolChoiceMemberAuto{}, types.ToolChoiceMemberAny{}, types.ToolChoiceMemberTool{}, types.OutputFormatStructureMemberJsonSchema{},
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// fill puts a JSON value into a value of AWS's types.
func fill(v reflect.Value, raw any, path string) error {
	wrong := func() error { return fmt.Errorf("%s: %.80v is no %s", path, raw, v.Type()) }
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem(), raw, path)
	case reflect.Interface:
		if v.Type() == reflect.TypeFor[document.Interface]() {
			v.Set(reflect.ValueOf(document.NewLazyDocument(raw)))
			return nil
		}
		m, ok := raw.(map[string]any)
		if !ok || len(m) != 1 {
			return wrong()
		}
		for name, value := range m {
			for _, variant := range variants {
				t := reflect.TypeOf(variant)
				if !strings.HasSuffix(t.Name(), "Member"+capital(name)) || !reflect.PointerTo(t).Implements(v.Type()) {
					continue
				}
				p := reflect.New(t)
				v.Set(p)
				return fill(p.Elem().FieldByName("Value"), value, path+"."+name)
			}
			return fmt.Errorf("unknown member %s.%s", path, name)
		}
	case reflect.Struct:
		m, ok := raw.(map[string]any)
		if !ok {
			return wrong()
		}
		for name, value := range m {
			f := v.FieldByName(capital(name))
			if !f.IsValid() {
				return fmt.Errorf("unknown member %s.%s", path, name)
			}
			if err := fill(f, value, path+"."+name); err != nil {
				return err
			}
		}
	case reflect.Slice:
		if s, ok := raw.(string); ok && v.Type().Elem().Kind() == reflect.Uint8 {
			b, err := base64.StdEncoding.DecodeString(s)
			v.SetBytes(b)
			return err
		}
		list, ok := raw.([]any)
		if !ok {
			return wrong()
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i := range list {
			if err := fill(v.Index(i), list[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	default:
		value := reflect.ValueOf(raw)
		if !value.IsValid() || !value.CanConvert(v.Type()) || (v.Kind() == reflect.String) != (value.Kind() == reflect.String) {
			return wrong()
		}
		v.Set(value.Convert(v.Type()))
	}
	return nil
}
