package cmd

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/tui"
)

// lastChat is the name of the conversation that `chat` keeps for --continue: one,
// beside those of the terminal interface, so that scripts do not push them out.
const lastChat = "cli"

// keep keeps the conversation for --continue. That it cannot is said, and no more:
// the answer is there.
func (t *talk) keep() {
	a := t.app
	c := &tui.Session{ID: lastChat, Model: t.f.model, Updated: a.now().UTC()}
	for _, m := range t.messages {
		if c.Title == "" && m.Role == "user" {
			c.Title = shorten(cleanText(strings.TrimSpace(m.Content)), 60)
		}
		c.Turns = append(c.Turns, tui.Turn{Message: m})
	}
	if err := (tui.Sessions{Dir: a.chatDir()}).Save(c); err != nil {
		a.line("%v", err)
	}
}

// resume puts the last conversation before what is asked now.
func (t *talk) resume() error {
	c, err := tui.Sessions{Dir: t.app.chatDir()}.Load(lastChat)
	if errors.Is(err, fs.ErrNotExist) {
		return &exitError{exitNotFound, &hintError{err: errorf("there is no conversation to go on with"), next: "ai-gateway chat \"Hello\""}}
	}
	if err != nil {
		return err
	}
	for _, turn := range c.Turns {
		if turn.Failed == "" && (turn.Message.Role != "system" || t.f.system == "") {
			t.messages = append(t.messages, turn.Message)
		}
	}
	if t.f.model == "" {
		t.f.model = c.Model
	}
	return nil
}

// attachments are files as parts of a message.
func attachments(paths []string) ([]api.ChatPart, error) {
	var parts []api.ChatPart
	for _, path := range paths {
		part, err := tui.Attachment(path)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return parts, nil
}
