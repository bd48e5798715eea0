package tui

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

const maxAttachment = 20 << 20

// Attachment reads a file as a part of a message: an image, a PDF, or text.
func Attachment(path string) (api.ChatPart, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, rest)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return api.ChatPart{}, locales.Errorf("cannot attach %s: %w", path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxAttachment {
		return api.ChatPart{}, locales.Errorf("cannot attach %s: it must be a file of at most %d MiB", path, maxAttachment>>20)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return api.ChatPart{}, locales.Errorf("cannot attach %s: %w", path, err)
	}
	kind, name := http.DetectContentType(b), filepath.Base(path)
	data := func(kind string) string { return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(b) }
	switch {
	case strings.HasPrefix(kind, "image/"):
		return api.ChatPart{Type: "image_url", ImageURL: &api.ImageURL{URL: data(kind)}}, nil
	case kind == "application/pdf":
		return api.ChatPart{Type: "file", File: &api.FilePart{Filename: name, FileData: data(kind)}}, nil
	case utf8.Valid(b):
		return api.ChatPart{Type: "text", Text: "File " + name + ":\n\n" + string(b)}, nil
	}
	return api.ChatPart{}, locales.Errorf("cannot attach %s: it is no image, PDF or text (%s)", path, kind)
}
