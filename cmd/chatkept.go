package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// A conversation is what `chat` keeps of the last one, for --continue. The terminal
// interface keeps its own beside it, in the same form.
type conversation struct {
	Title   string     `json:"title"`
	Model   string     `json:"model"`
	Updated time.Time  `json:"updated_at"`
	Turns   []chatTurn `json:"turns"`
}

type chatTurn struct {
	Message api.ChatMessage `json:"message"`
}

const maxConversation = 32 << 20

// conversationFile is where the last conversation is kept.
func (a *app) conversationFile() string {
	return a.under("XDG_STATE_HOME", filepath.Join(".local", "state"), ourName, "chats", "cli.json")
}

// lastConversation reads the conversation to go on with.
func (a *app) lastConversation() (*conversation, error) {
	path := a.conversationFile()
	data, err := readFile(path, maxConversation)
	if isMissing(err) {
		return nil, &exitError{exitNotFound, &hintError{err: fmt.Errorf("there is no conversation to go on with"), next: "ai-gateway chat \"Hello\""}}
	}
	var c conversation
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the conversation in %s: %w", path, err)
	}
	return &c, nil
}

// keep keeps the conversation for --continue. That it cannot is said, and no more:
// the answer is there.
func (t *talk) keep() {
	a := t.app
	if a.home() == "" && a.env["XDG_STATE_HOME"] == "" {
		return
	}
	c := conversation{Model: t.f.model, Updated: a.now().UTC()}
	for _, m := range t.messages {
		if c.Title == "" && m.Role == "user" {
			c.Title = shorten(cleanText(strings.TrimSpace(m.Content)), 60)
		}
		c.Turns = append(c.Turns, chatTurn{m})
	}
	path := a.conversationFile()
	data, err := json.Marshal(c)
	if err == nil && len(data) > maxConversation {
		err = fmt.Errorf("it is larger than %d MiB", maxConversation>>20)
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = writePrivate(path, data)
	}
	if err != nil {
		a.line("The conversation is not kept for --continue: %v", err)
	}
}

// resume puts the last conversation before what is asked now.
func (t *talk) resume() error {
	c, err := t.app.lastConversation()
	if err != nil {
		return err
	}
	for _, turn := range c.Turns {
		if turn.Message.Role != "system" || t.f.system == "" {
			t.messages = append(t.messages, turn.Message)
		}
	}
	if t.f.model == "" {
		t.f.model = c.Model
	}
	return nil
}
