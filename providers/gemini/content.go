package gemini

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// decodeParts reads the parts of a content.
func decodeParts(list []byte) (blocks []providers.Block, err error) {
	if wire.IsObject(list) { // a single part, as the API's own reader takes a repeated field
		b, err := decodePart(list)
		return []providers.Block{b}, within(err, "parts", 0)
	}
	if !wire.IsArray(list) {
		return nil, bad("parts", "must be a list")
	}
	wire.EachElement(list, func(elem []byte) bool {
		var b providers.Block
		if b, err = decodePart(elem); err != nil {
			err = within(err, "parts", len(blocks))
			return false
		}
		blocks = append(blocks, b)
		return true
	})
	return blocks, err
}

// decodePart reads one part of a request or an answer. Kinds without a neutral
// form (code that was run, tools of the vendor, …) are kept whole.
func decodePart(raw []byte) (providers.Block, error) {
	if !wire.IsObject(raw) {
		return providers.Block{}, bad("", "must be an object")
	}
	b := providers.Block{Kind: providers.KindText, Origin: dialect}
	var err error
	eachMember(raw, func(name string, v []byte) bool {
		switch name {
		case "text":
			s, ok := wire.String(v)
			if !ok {
				err = bad("text", "must be a string")
				return false
			}
			b.Text = s
		case "thought":
			if isTrue(v) {
				b.Kind = providers.KindThinking
			}
		case "thoughtSignature":
			s, ok := wire.String(v)
			if !ok {
				err = bad("thoughtSignature", "must be a base64 string")
				return false
			}
			b.Signature, b.SignatureOrigin = readSignature(s)
		case "inlineData":
			err = decodeInline(&b, v)
		case "fileData":
			err = decodeFile(&b, v)
		case "functionCall":
			err = decodeCall(&b, v)
		case "functionResponse":
			err = decodeResult(&b, v)
		case "executableCode", "codeExecutionResult", "toolCall", "toolResponse":
			b.Kind, b.Raw = providers.KindOpaque, raw
		default:
			b.Extra = member(b.Extra, name, v)
		}
		return err == nil
	})
	if data, ok := strings.CutPrefix(b.Signature, redactedMark); ok && b.Kind == providers.KindThinking {
		b.Kind, b.Data, b.Signature = providers.KindRedacted, []byte(data), ""
	}
	if b.Kind == providers.KindOpaque { // its signature is a part of the whole
		b.Signature, b.SignatureOrigin, b.Extra = "", "", nil
	}
	if b.Kind == providers.KindText && b.Text == "" && b.Signature == "" && len(b.Extra) > 0 { // a kind newer than this code
		b = providers.Block{Kind: providers.KindOpaque, Raw: raw, Origin: dialect}
	}
	return b, err
}

// mediaKind tells what media of a type are in neutral terms.
func mediaKind(mediaType string) providers.BlockKind {
	switch {
	case strings.HasPrefix(mediaType, "image/"):
		return providers.KindImage
	case strings.HasPrefix(mediaType, "audio/"):
		return providers.KindAudio
	}
	return providers.KindFile
}

func decodeInline(b *providers.Block, v []byte) (err error) {
	if !wire.IsObject(v) {
		return bad("inlineData", "must be an object")
	}
	b.MediaType, b.Filename = stringAt(v, "mimeType"), stringAt(v, "displayName")
	if b.Data, err = decodeBase64(stringAt(v, "data")); err != nil {
		return bad("inlineData.data", "must be base64")
	}
	if len(b.Data) == 0 {
		return bad("inlineData.data", "must not be empty")
	}
	b.Kind = mediaKind(b.MediaType)
	return nil
}

func decodeFile(b *providers.Block, v []byte) error {
	b.URL, b.MediaType, b.Filename = stringAt(v, "fileUri"), stringAt(v, "mimeType"), stringAt(v, "displayName")
	if b.URL == "" {
		return bad("fileData.fileUri", "must be the address of a file")
	}
	if b.Kind = mediaKind(b.MediaType); b.Kind == providers.KindAudio { // sound by address has no other form
		b.Kind = providers.KindFile
	}
	return nil
}

func decodeCall(b *providers.Block, v []byte) error {
	if !wire.IsObject(v) {
		return bad("functionCall", "must be an object")
	}
	b.Kind, b.ID, b.ToolName, b.Raw = providers.KindToolCall, stringAt(v, "id"), stringAt(v, "name"), v
	if b.Args = at(v, "args"); b.Args == nil {
		b.Args = json.RawMessage("{}")
	}
	switch {
	case b.ToolName == "":
		return bad("functionCall.name", "must name the function")
	case !wire.IsObject(b.Args):
		return bad("functionCall.args", "must be an object")
	}
	return nil
}

// decodeResult reads a functionResponse. Its response is an object: one that only
// wraps a text (as the API's documentation has it, in output or error, or as many
// clients do, in result) is that text.
func decodeResult(b *providers.Block, v []byte) error {
	if !wire.IsObject(v) {
		return bad("functionResponse", "must be an object")
	}
	b.Kind, b.ID, b.ToolName = providers.KindToolResult, stringAt(v, "id"), stringAt(v, "name")
	response := at(v, "response")
	if response != nil && !wire.IsObject(response) {
		return bad("functionResponse.response", "must be an object")
	}
	text, wrapped, failed := unwrap(response)
	b.IsError = failed
	if !wrapped {
		text = string(response)
	}
	if response != nil {
		b.Result = append(b.Result, providers.Block{Kind: providers.KindText, Text: text, Origin: dialect})
	}
	var err error
	wire.EachElement(at(v, "parts"), func(elem []byte) bool {
		part := providers.Block{Origin: dialect}
		switch inline, file := at(elem, "inlineData"), at(elem, "fileData"); {
		case inline != nil:
			err = decodeInline(&part, inline)
		case file != nil:
			err = decodeFile(&part, file)
		default:
			return true
		}
		b.Result = append(b.Result, part)
		return err == nil
	})
	eachMember(v, func(name string, x []byte) bool {
		if name == "willContinue" || name == "scheduling" {
			b.Extra = member(b.Extra, name, x)
		}
		return true
	})
	b.Raw = v
	return within(err, "functionResponse", -1)
}

// unwrap returns the text of a response that has nothing but one.
func unwrap(response []byte) (text string, wrapped, failed bool) {
	members := 0
	eachMember(response, func(name string, v []byte) bool {
		members++
		if name == "result" || name == "output" || name == "error" {
			text, wrapped = wire.String(v)
			failed = name == "error"
		}
		return true
	})
	if members != 1 {
		return "", false, false
	}
	return text, wrapped, failed
}

// callID makes the id of a call that came without one, the same each time for the
// same call: the seed is what tells the answer or conversation from others.
func callID(seed, name string, args []byte, n int) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%d\x00%s\x00", seed, n, name)
	h.Write(args) // never fails
	return fmt.Sprintf("call_%016x", h.Sum64())
}
