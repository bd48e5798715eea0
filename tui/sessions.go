package tui

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

const (
	maxSessions    = 200
	maxSessionFile = 32 << 20
)

// A Session is a conversation that is kept.
type Session struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Model   string    `json:"model"`
	Updated time.Time `json:"updated_at"`
	Turns   []Turn    `json:"turns"`
}

// A Turn is one message and, below an answer, what it took.
type Turn struct {
	Message api.ChatMessage `json:"message"`
	Foot    string          `json:"foot,omitempty"`
	Failed  string          `json:"failed,omitempty"` // why there is no answer, or none that is whole
}

// Sessions keeps conversations as files of one folder, the last 200 of them,
// readable by their owner alone.
type Sessions struct{ Dir string }

// Save writes one conversation, whole or not at all.
func (s Sessions) Save(c *Session) error {
	if s.Dir == "" || len(c.Turns) == 0 {
		return nil
	}
	b, err := json.Marshal(c)
	if err == nil && len(b) > maxSessionFile {
		err = locales.Errorf("it is larger than %d MiB", maxSessionFile>>20)
	}
	if err == nil {
		err = os.MkdirAll(s.Dir, 0o700)
	}
	path := filepath.Join(s.Dir, c.ID+".json")
	if err == nil {
		err = os.WriteFile(path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return locales.Errorf("cannot keep the conversation: %w", err)
	}
	return s.prune()
}

func (s Sessions) prune() error {
	list, err := s.List()
	for i := maxSessions; i < len(list); i++ {
		err = errors.Join(err, os.Remove(filepath.Join(s.Dir, list[i].ID+".json")))
	}
	return err
}

// List returns the conversations, the last used first, without their turns.
func (s Sessions) List() ([]Session, error) {
	if s.Dir == "" {
		return nil, nil
	}
	names, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, locales.Errorf("cannot list conversations: %w", err)
	}
	var out []Session
	for _, n := range names {
		id, ok := strings.CutSuffix(n.Name(), ".json")
		if !ok {
			continue
		}
		c, err := s.Load(id)
		if err != nil {
			continue // a file that is no conversation is none
		}
		c.Turns = nil
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Session) int { return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

// Load reads one conversation.
func (s Sessions) Load(id string) (*Session, error) {
	path := filepath.Join(s.Dir, filepath.Base(id)+".json")
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxSessionFile {
		err = locales.Errorf("it is too large")
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	c := &Session{}
	if err == nil {
		err = json.Unmarshal(b, c)
	}
	if err != nil {
		return nil, locales.Errorf("cannot read the conversation %s: %w", id, err)
	}
	c.ID = id
	return c, nil
}

// titleOf names a conversation by its first question.
func titleOf(turns []Turn) string {
	for _, t := range turns {
		if t.Message.Role == "user" {
			return cut(clean(strings.TrimSpace(t.Message.Content)), 60)
		}
	}
	return ""
}
