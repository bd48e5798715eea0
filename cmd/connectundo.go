package cmd

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/your-org/ai-api-gateway/cmd/settings"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// A connection is what --undo must know of what --write has done.
type connection struct {
	Files []writtenFile `json:"files"`
	KeyID string        `json:"key_id,omitempty"` // of the key that was made
	Key   string        `json:"key_name,omitempty"`
}

type writtenFile struct {
	Path   string          `json:"path"`
	Format settings.Format `json:"format"`
	Edits  [][]string      `json:"edits"` // their paths
	Backup string          `json:"backup,omitempty"`
	Mode   os.FileMode     `json:"mode,omitempty"` // before
	Wrote  string          `json:"wrote"`          // SHA-256 of what was written
}

// connectionFile is where the connection of a tool is kept.
func (a *app) connectionFile(t *tool) string {
	return a.under("XDG_STATE_HOME", filepath.Join(".local", "state"), ourName, "connect", t.name+".json")
}

func (a *app) readConnection(t *tool) (*connection, error) {
	path := a.connectionFile(t)
	data, err := os.ReadFile(path)
	if isMissing(err) {
		return nil, nil
	}
	var c connection
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	if err != nil {
		return nil, errorf("cannot read %s: %w", path, err)
	}
	return &c, nil
}

// writeTool writes the files and keeps what --undo needs, before anything is changed.
// The first copy of a file is kept over repeated writes.
func (a *app) writeTool(t *tool, files []toolFile, key toolKey) ([]fileSettings, error) {
	before, err := a.readConnection(t)
	if err != nil {
		return nil, err
	}
	if before == nil {
		before = &connection{}
	}
	now := connection{KeyID: before.KeyID, Key: before.Key}
	if key.id != "" {
		now.KeyID, now.Key = key.id, key.name
	}
	var done []fileSettings
	var contents [][]byte
	for _, file := range files {
		w, data, content, err := planWrite(file, before)
		if err != nil {
			return nil, err
		}
		changed := !bytes.Equal(content, data)
		if w.Backup != "" && !before.knows(w.Path) {
			if err := writePrivate(w.Backup, data); err != nil {
				return nil, err
			}
		}
		now.Files = append(now.Files, w)
		contents = append(contents, content)
		masked, err := settings.Apply(file.format, nil, maskEdits(file.edits, key.secret))
		if err != nil {
			return nil, err
		}
		done = append(done, fileSettings{Path: file.path, Format: string(file.format), Content: string(masked), Changed: &changed, Backup: w.Backup})
	}
	if err := a.keepConnection(t, now); err != nil {
		return nil, err
	}
	for i, w := range now.Files {
		if !*done[i].Changed {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(w.Path), 0o700); err != nil {
			return nil, errorf("cannot make the folder of %s: %w", w.Path, err)
		}
		if err := writePrivate(w.Path, contents[i]); err != nil { // for its owner only: it holds a key now
			return nil, err
		}
	}
	return done, nil
}

func (c *connection) knows(path string) bool {
	return slices.ContainsFunc(c.Files, func(w writtenFile) bool { return w.Path == path })
}

// planWrite says what the file holds, what it will hold, and what is to be kept of it.
func planWrite(file toolFile, before *connection) (w writtenFile, data, content []byte, err error) {
	w = writtenFile{Path: realPath(file.path), Format: file.format}
	if data, err = readSettings(w.Path); err != nil {
		return w, nil, nil, err
	}
	if content, err = settings.Apply(file.format, data, file.edits); err != nil {
		return w, nil, nil, errorf("cannot change %s: %w", file.path, err)
	}
	for _, e := range file.edits {
		w.Edits = append(w.Edits, e.Path)
	}
	w.Wrote = digest(content)
	for _, old := range before.Files {
		if old.Path == w.Path {
			w.Backup, w.Mode = old.Backup, old.Mode
			for _, path := range old.Edits { // also of models that are no longer asked for
				if !slices.ContainsFunc(w.Edits, func(p []string) bool { return slices.Equal(p, path) }) {
					w.Edits = append(w.Edits, path)
				}
			}
		}
	}
	if info, err := os.Stat(w.Path); err == nil && !before.knows(w.Path) {
		w.Backup, w.Mode = w.Path+".before-"+ourName, info.Mode().Perm()
	}
	return w, data, content, nil
}

// maskEdits are the edits with the key's mark in the key's place.
func maskEdits(edits []settings.Edit, secret string) []settings.Edit {
	var mask func(v any) any
	mask = func(v any) any {
		switch v := v.(type) {
		case string:
			if v == secret {
				return keyMark
			}
		case map[string]any:
			out := map[string]any{}
			for name, value := range v {
				out[name] = mask(value)
			}
			return out
		}
		return v
	}
	out := make([]settings.Edit, len(edits))
	for i, e := range edits {
		out[i] = settings.Edit{Path: e.Path, Value: mask(e.Value)}
	}
	return out
}

func (a *app) keepConnection(t *tool, c connection) error {
	path := a.connectionFile(t)
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return errorf("cannot keep the connection: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return errorf("cannot make the folder of %s: %w", path, err)
	}
	return writePrivate(path, append(data, '\n'))
}

// realPath follows links, so that a linked file stays one.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// disconnect gives the files back: byte for byte if nobody changed them since, else
// by giving our settings the values they had.
func (a *app) disconnect(t *tool) error {
	c, err := a.readConnection(t)
	if err != nil {
		return err
	}
	if c == nil {
		return &exitError{exitNotFound, &hintError{err: errorf("%s was not connected from here", t.title), next: "ai-gateway connect " + t.name + " --write"}}
	}
	for _, w := range c.Files {
		said, err := giveBack(w)
		if err != nil {
			return err
		}
		a.line("%s", said)
	}
	if err := os.Remove(a.connectionFile(t)); err != nil {
		return errorf("cannot forget the connection: %w", err)
	}
	for _, w := range c.Files {
		if w.Backup != "" {
			_ = os.Remove(w.Backup) // a copy left over harms nobody
		}
	}
	if c.KeyID != "" {
		a.line("Its key %q is still valid. End it with:\n  ai-gateway api-key revoke %s", c.Key, c.KeyID)
	}
	return nil
}

func giveBack(w writtenFile) (locales.Phrase, error) {
	var none locales.Phrase
	data, err := readSettings(w.Path)
	if err != nil {
		return none, err
	}
	var before []byte
	if w.Backup != "" {
		if before, err = os.ReadFile(w.Backup); err != nil {
			return none, errorf("cannot read the copy of %s: %w", w.Path, err)
		}
	}
	untouched := digest(data) == w.Wrote
	said := phrase("%s is as it was", w.Path)
	if !untouched {
		edits := make([]settings.Edit, len(w.Edits))
		for i, path := range w.Edits {
			edits[i].Path = path
		}
		back, err := settings.Apply(w.Format, data, settings.Inverse(w.Format, before, edits))
		if err != nil {
			return none, &hintError{err: errorf("cannot change %s, which was changed since: %w", w.Path, err), hint: phrase("As it was before:"), next: "cp " + quoteArg(w.Backup) + " " + quoteArg(w.Path)}
		}
		before, said = back, phrase("%s has its settings of before; what was changed since is kept", w.Path)
	}
	if untouched && w.Backup == "" {
		if err := os.Remove(w.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return none, errorf("cannot remove %s: %w", w.Path, err)
		}
		return phrase("%s is removed, as it was not there before", w.Path), nil
	}
	if err := writePrivate(w.Path, before); err != nil {
		return none, err
	}
	if w.Mode != 0 {
		if err := os.Chmod(w.Path, w.Mode); err != nil {
			return none, errorf("cannot give %s its rights back: %w", w.Path, err)
		}
	}
	return said, nil
}
