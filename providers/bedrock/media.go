package bedrock

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// The words for media types (bedrockruntime, ImageFormat, DocumentFormat, AudioFormat).
var (
	imageFormats    = map[string]string{"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
	documentFormats = map[string]string{
		"application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/markdown": "md", "text/plain": "txt",
		"application/msword": "doc", "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
		"application/vnd.ms-excel": "xls", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
	}
	audioFormats = map[string]string{
		"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/mp4": "mp4", "audio/m4a": "m4a",
		"audio/aac": "aac", "audio/flac": "flac", "audio/ogg": "ogg", "audio/opus": "opus", "audio/webm": "webm", "audio/pcm": "pcm", "audio/pcm16": "pcm",
	}
)

func (w *requestWriter) writeMedia(b *providers.Block) {
	kind, param, format := "document", "file", documentFormat(b)
	switch {
	case b.Kind == providers.KindAudio:
		kind, param, format = "audio", "input_audio", audioFormats[b.MediaType]
	case b.Kind == providers.KindImage || strings.HasPrefix(b.MediaType, "image/"):
		kind, param, format = "image", "image_url", imageFormats[b.MediaType]
		if format == "" && b.URL != "" {
			format = imageFormats["image/"+strings.TrimPrefix(path.Ext(b.URL), ".")]
		}
	}
	if b.Detail != "" && b.Detail != "auto" {
		w.drop("image_url.detail")
	}
	switch {
	case b.FileID != "" && len(b.Data) == 0 && b.Text == "":
		w.fail(param+".file_id", "a file stored at another provider cannot be used with this model; send its content")
		return
	case format == "":
		w.fail(param, fmt.Sprintf("this model takes no input of type %q", b.MediaType))
		return
	}
	w.dst = wire.PutString(open(append(wire.Comma(w.dst), '{'), kind), "format", format)
	if kind == "document" {
		w.dst = wire.PutString(w.dst, "name", w.unique(documentName(b)))
	}
	w.dst = open(w.dst, "source")
	switch {
	case strings.HasPrefix(b.URL, s3Scheme):
		w.dst = append(wire.PutString(open(w.dst, "s3Location"), "uri", b.URL), '}')
	case len(b.Data) > 0:
		w.dst = wire.PutBase64(w.dst, "bytes", b.Data)
	case b.Text != "":
		w.dst = wire.PutBase64(w.dst, "bytes", []byte(b.Text))
	default:
		w.fail(param, "it has no content")
	}
	w.dst = append(w.dst, '}')
	if kind == "document" {
		w.writeDocumentExtra(b)
	}
	w.dst = append(w.dst, "}}"...)
}

// writeDocumentExtra writes what Anthropic's documents have besides, under the same names.
func (w *requestWriter) writeDocumentExtra(b *providers.Block) {
	if b.Origin != providers.Messages {
		return
	}
	for _, m := range b.Extra {
		switch {
		case m.Name == "citations" && string(at(m.Value, "enabled")) == "true":
			w.dst = append(wire.Key(w.dst, "citations"), `{"enabled":true}`...)
		case m.Name == "context" && !wire.Inert(m.Value):
			w.dst = wire.PutRaw(w.dst, "context", m.Value)
		}
	}
}

// documentFormat tells the word for a file: by its media type, else by its name;
// any other text is sent as plain text.
func documentFormat(b *providers.Block) string {
	if f := documentFormats[b.MediaType]; f != "" {
		return f
	}
	for _, name := range []string{b.Filename, b.URL} {
		ext := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
		for _, f := range documentFormats {
			if f == ext {
				return f
			}
		}
	}
	if b.Text != "" || strings.HasPrefix(b.MediaType, "text/") || b.MediaType == "application/json" {
		return "txt"
	}
	return ""
}

// documentName makes a document's name of the characters the API takes: letters,
// digits, hyphens, parentheses, brackets, and single spaces.
func documentName(b *providers.Block) string {
	name := strings.TrimSuffix(path.Base(b.Filename), path.Ext(b.Filename))
	if b.Filename == "" {
		name = ""
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-()[]", r):
			return r
		case r == ' ' || r == '\t':
			return ' '
		}
		return '-'
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if strings.Trim(name, "- ") == "" {
		return "document"
	}
	return name[:min(len(name), 180)] // the API: at most 200 characters, with room for a number
}

// unique returns name, with a number behind it from its second use on: names must
// differ within a request, and stay what they were while the conversation grows.
func (w *requestWriter) unique(name string) string {
	if w.names == nil {
		w.names = map[string]int{}
	}
	for {
		w.names[name]++
		n := w.names[name]
		if n == 1 {
			return name
		}
		name += "-" + strconv.Itoa(n)
	}
}
