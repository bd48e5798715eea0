package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/your-org/ai-api-gateway/store"
)

// mirrorVersion is of the file's form.
const mirrorVersion = 1

// mirrorFile is a snapshot on disk. Secrets of accounts are in it as sealed as in
// the database, keys as their hashes.
type mirrorFile struct {
	Version  int               `json:"version"`
	Rev      uint64            `json:"rev"`
	Keys     []keyRecord       `json:"keys"`
	Accounts []*store.Account  `json:"accounts"`
	Mappings []*store.Mapping  `json:"mappings"`
	Policies []*store.Policy   `json:"policies"`
	Meta     map[string][]byte `json:"meta"`
}

// remember keeps the configuration for times when the database is away.
func (s *Store) remember(snap *store.Snapshot) {
	if last := s.last.Load(); last == nil || last.Rev <= snap.Rev {
		s.last.Store(snap)
	}
	if s.opts.Mirror == "" {
		return
	}
	s.mirror.Lock()
	defer s.mirror.Unlock()
	if s.mirrored > snap.Rev {
		return
	}
	if err := writeMirror(s.opts.Mirror, snap); err != nil {
		s.log.Warn("cannot keep the configuration for a start without the database", "error", err)
		return
	}
	s.mirrored = snap.Rev + 1
}

// writeMirror writes the file whole or not at all, for its owner only.
func writeMirror(path string, snap *store.Snapshot) error {
	f := mirrorFile{Version: mirrorVersion, Rev: snap.Rev, Accounts: snap.Accounts, Mappings: snap.Mappings, Policies: snap.Policies, Meta: snap.Meta}
	for _, k := range snap.Keys {
		f.Keys = append(f.Keys, recordOf(k))
	}
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

// readMirror reads the file; nil: there is none.
func readMirror(path string) (*store.Snapshot, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var f mirrorFile
	if err == nil {
		err = json.Unmarshal(b, &f)
	}
	if err == nil && f.Version != mirrorVersion {
		err = fmt.Errorf("it is of version %d: %w", f.Version, store.ErrNewer)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration seen last from %s: %w", path, err)
	}
	snap := &store.Snapshot{Rev: f.Rev, Accounts: f.Accounts, Mappings: f.Mappings, Policies: f.Policies, Meta: f.Meta}
	if snap.Meta == nil {
		snap.Meta = map[string][]byte{}
	}
	for i := range f.Keys {
		k, err := f.Keys[i].key()
		if err != nil {
			return nil, fmt.Errorf("cannot read the configuration seen last from %s: %w", path, err)
		}
		snap.Keys = append(snap.Keys, k)
	}
	return snap, nil
}
