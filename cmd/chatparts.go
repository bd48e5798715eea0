package cmd

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/server/api"
)

// maxAttachment bounds one attached file.
const maxAttachment = 20 << 20

// attachments are the files as parts of a message.
func attachments(paths []string) ([]api.ChatPart, error) {
	var parts []api.ChatPart
	for _, path := range paths {
		part, err := attachment(path)
		if err != nil {
			return nil, fmt.Errorf("cannot attach %s: %w", path, err)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// attachment reads a file as a part of a message: an image, a PDF, or text.
func attachment(path string) (api.ChatPart, error) {
	data, err := readFile(path, maxAttachment)
	if err != nil {
		return api.ChatPart{}, err
	}
	kind, name := http.DetectContentType(data), filepath.Base(path)
	address := "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)
	switch {
	case strings.HasPrefix(kind, "image/"):
		return api.ChatPart{Type: "image_url", ImageURL: &api.ImageURL{URL: address}}, nil
	case kind == "application/pdf":
		return api.ChatPart{Type: "file", File: &api.FilePart{Filename: name, FileData: address}}, nil
	case utf8.Valid(data):
		return api.ChatPart{Type: "text", Text: "File " + name + ":\n\n" + string(data)}, nil
	}
	return api.ChatPart{}, fmt.Errorf("it is no image, PDF or text (%s)", kind)
}

// readFile reads a regular file of at most most bytes.
func readFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("it must be a file of at most %d MiB", most>>20)
	}
	return os.ReadFile(path)
}

const maxSchema = 1 << 20

// answerFormat asks for an answer that fits the JSON Schema in a file.
func answerFormat(path string) (json.RawMessage, error) {
	data, err := readFile(path, maxSchema)
	var schema map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(data, &schema)
	}
	if err == nil && schema == nil {
		err = errors.New("it holds no object")
	}
	if err != nil {
		return nil, wrongUsage("", "cannot read the JSON Schema %s: %v", path, err)
	}
	return json.Marshal(map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "answer", "strict": true, "schema": schema}})
}
