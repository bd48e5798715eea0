package openai

import (
	"bytes"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// content reads the content of a message: nothing, a string, or a list of parts.
func content(v []byte) ([]providers.Block, error) {
	switch {
	case isNull(v):
		return nil, nil
	case isText(v):
		return []providers.Block{{Kind: providers.KindText, Text: text(v), Raw: asString, Origin: dialect}}, nil
	case !wire.IsArray(v):
		return nil, bad("content", "must be a string or a list of parts")
	}
	blocks := []providers.Block{}
	var err error
	wire.EachElement(v, func(elem []byte) bool {
		var b providers.Block
		if b, err = part(elem); err != nil {
			err = within(err, index("content", len(blocks)))
			return false
		}
		blocks = append(blocks, b)
		return true
	})
	return blocks, err
}

// part reads one part of a list. The part itself stays in Raw, with which the
// same dialect writes everything but text back as it was.
func part(raw []byte) (providers.Block, error) {
	b := providers.Block{Kind: providers.KindOpaque, Raw: raw, Origin: dialect}
	if !wire.IsObject(raw) {
		return b, bad("", "must be an object")
	}
	b.Cache = at(raw, "cache_control")
	if textAt(raw, "prompt_cache_breakpoint", "mode") != "" { // OpenAI's own mark, Anthropic's shape inside
		b.Cache = ephemeral
	}
	var err error
	switch textAt(raw, "type") {
	case "text", "input_text", "output_text":
		b.Kind, b.Text = providers.KindText, textAt(raw, "text")
		wire.EachMember(raw, func(name, v []byte) bool {
			switch string(name) {
			case "type", "text", "cache_control", "prompt_cache_breakpoint":
			default:
				b.Extra = keep(b.Extra, string(name), v)
			}
			return true
		})
	case "image_url":
		b.Kind, b.Detail = providers.KindImage, textAt(raw, "image_url", "detail")
		err = location(&b, raw, "image_url")
	case "input_audio":
		err = audioInput(&b, raw)
	case "file":
		err = file(&b, raw)
	case "document_url": // Mistral
		b.Kind, b.Filename = providers.KindFile, textAt(raw, "document_name")
		err = location(&b, raw, "document_url")
	case "file_url":
		b.Kind = providers.KindFile
		err = location(&b, raw, "file_url")
	case "refusal":
		b.Kind, b.Text = providers.KindRefusal, textAt(raw, "refusal")
	case "thinking": // Mistral: thinking is a list of text parts
		b.Kind, b.Text = providers.KindThinking, thinkingText(at(raw, "thinking"))
	case "":
		err = bad("type", "is required")
	}
	return b, err
}

var ephemeral = []byte(`{"type":"ephemeral"}`)

func thinkingText(v []byte) string {
	if isText(v) {
		return text(v)
	}
	var s strings.Builder
	wire.EachElement(v, func(elem []byte) bool {
		s.WriteString(textAt(elem, "text"))
		return true
	})
	return s.String()
}

// location reads where an image or a document is: {"name":{"url":…}} or {"name":"url"}.
func location(b *providers.Block, raw []byte, name string) error {
	url := textAt(raw, name)
	if url == "" {
		url = textAt(raw, name, "url")
	}
	if url == "" {
		return bad(name+".url", "is required")
	}
	place(b, url)
	if strings.HasPrefix(url, "data:") && len(b.Data) == 0 {
		return bad(name+".url", "must be an address or a data URL with base64 in it")
	}
	return nil
}

// place reads a URL: data URLs become bytes, everything else stays a URL.
func place(b *providers.Block, url string) {
	var ok bool
	if b.MediaType, b.Data, ok = dataURL(url); !ok {
		b.MediaType, b.Data, b.URL = "", nil, url
	}
}

// audioTypes are the media types of input_audio's formats.
var audioTypes = map[string]string{
	"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "ogg": "audio/ogg", "opus": "audio/opus",
	"aac": "audio/aac", "m4a": "audio/mp4", "aiff": "audio/aiff", "pcm16": "audio/pcm",
}

// audioFormat returns the format word of a media type, "" if there is none.
func audioFormat(mediaType string) string {
	switch mediaType {
	case "audio/x-wav", "audio/wave":
		return "wav"
	case "audio/mp3":
		return "mp3"
	}
	for format, t := range audioTypes {
		if t == mediaType {
			return format
		}
	}
	return ""
}

func audioInput(b *providers.Block, raw []byte) error {
	b.Kind = providers.KindAudio
	data, format := textAt(raw, "input_audio", "data"), textAt(raw, "input_audio", "format")
	if data == "" {
		if url := textAt(raw, "input_audio"); url != "" { // Mistral takes a URL or base64 alone
			place(b, url)
			return nil
		}
		return bad("input_audio.data", "is required")
	}
	if t, payload, ok := dataURL(data); ok { // Qwen wants a data URL
		b.MediaType, b.Data = t, payload
		return nil
	}
	b.MediaType = audioTypes[format]
	var err error
	if b.Data, err = decodeBase64(data); err != nil {
		return bad("input_audio.data", "must be base64")
	}
	return nil
}

func file(b *providers.Block, raw []byte) error {
	b.Kind = providers.KindFile
	b.Filename, b.FileID = textAt(raw, "file", "filename"), textAt(raw, "file", "file_id")
	data := textAt(raw, "file", "file_data")
	switch {
	case data == "" && b.FileID == "":
		return bad("file", "must have file_data or file_id")
	case data == "":
	case strings.HasPrefix(data, "http://"), strings.HasPrefix(data, "https://"): // OpenRouter
		b.URL = data
	default:
		return fileData(b, data, "file.file_data")
	}
	return nil
}

// audioAnswer reads the spoken answer of a message, or the reference to an
// earlier one. An empty one, which some vendors send always, is none.
func audioAnswer(v []byte) (providers.Block, bool) {
	b := providers.Block{Kind: providers.KindAudio, Origin: dialect, ID: textAt(v, "id"), Text: textAt(v, "transcript"), Raw: v}
	data, err := decodeBase64(textAt(v, "data"))
	if err != nil || b.ID == "" && b.Text == "" && len(data) == 0 {
		return b, false
	}
	if len(data) > 0 {
		b.Data = data
	}
	return b, true
}

// imageAnswers reads pictures the model made, as OpenRouter and LiteLLM return them.
func imageAnswers(v []byte) (list []providers.Block, ok bool) {
	ok = wire.IsArray(v)
	wire.EachElement(v, func(elem []byte) bool {
		b := providers.Block{Kind: providers.KindImage, Raw: elem, Origin: dialect}
		if location(&b, elem, "image_url") != nil {
			ok = false
			return false
		}
		list = append(list, b)
		return true
	})
	if !ok || len(list) == 0 {
		return nil, false
	}
	return list, true
}

// fileData reads the content of a file: a data URL, or its base64 alone.
func fileData(b *providers.Block, data, member string) error {
	place(b, data)
	if b.URL == "" {
		return nil
	}
	plain, err := decodeBase64(b.URL)
	if err != nil {
		return bad(member, "must be a base64 data URL")
	}
	b.URL, b.Data = "", plain
	if bytes.HasPrefix(plain, []byte("%PDF-")) {
		b.MediaType = "application/pdf"
	}
	return nil
}
