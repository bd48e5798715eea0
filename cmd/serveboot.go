package cmd

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
)

const (
	localFile    = "local.json"      // how the CLI on this machine finds the gateway
	firstKeyFile = "first-admin-key" // the first admin key, where no terminal could show it
)

// makeDataDir makes the data directory, open to its owner only.
func makeDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return errorf("cannot make the data directory: %w", err)
	}
	return nil
}

// successorWait is how long a process that took over sockets waits for the one
// before it to let the store go.
const successorWait = 60 * time.Second

// openStore opens the store. A successor waits until the process before it lets it
// go; its callers wait in the queue of the sockets meanwhile.
func openStore(ctx context.Context, dir string, successor bool, log *slog.Logger) (*bolt.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, successorWait)
	defer cancel()
	for told := false; ; told = true {
		st, err := bolt.Open(ctx, dir, bolt.Options{Log: log})
		if !successor || !errors.Is(err, store.ErrLocked) || ctx.Err() != nil {
			return st, err
		}
		if !told {
			log.Info("waiting for the process before this one to let the store go")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func storeError(dir string, err error) error {
	switch {
	case errors.Is(err, store.ErrLocked):
		return errorf("the data directory %s is in use by another ai-gateway: stop it, or give --data-dir another one", dir)
	case errors.Is(err, store.ErrNewer):
		return &exitError{exitConfig, errorf("%w: start the version that wrote %s, or restore its copy", err, dir)}
	}
	return errorf("cannot open the store in %s: %w", dir, err)
}

// openSealer finds the master key and makes sure that it is the one the stored
// secrets were sealed with.
func openSealer(ctx context.Context, cfg *config.Config, st store.Store, snap *store.Snapshot, log *slog.Logger) (*store.Sealer, error) {
	check := snap.Meta[store.MetaMasterKeyCheck]
	sealed := slices.ContainsFunc(snap.Accounts, func(a *store.Account) bool {
		return len(a.Private) > 0 || slices.ContainsFunc(a.Secrets, func(s store.Secret) bool { return len(s.Sealed) > 0 })
	})
	shared := cfg.DatabaseURL != "" // by gateways that must agree on the key
	key, source, created, err := store.LoadMasterKey(cfg.MasterKeyFile, cfg.MasterKey.Reveal(), cfg.DataDir, !sealed && !(shared && len(check) > 0))
	if err != nil {
		if shared && errors.Is(err, store.ErrNoMasterKey) {
			return nil, errorf("%w: gateways on one database share master key %s. Copy it from another one to %s, or set AI_GATEWAY_MASTER_KEY on all", err, snap.Meta[store.MetaMasterKeyID], source)
		}
		if sealed && errors.Is(err, store.ErrNoMasterKey) {
			return nil, errorf("%w: the provider keys in this store are sealed with master key %s, expected at %s. Put it back there, or set AI_GATEWAY_MASTER_KEY", err, snap.Meta[store.MetaMasterKeyID], source)
		}
		return nil, err
	}
	sealer, err := store.NewSealer(key)
	if err != nil {
		return nil, errorf("cannot use the master key from %s: %w", source, err)
	}
	if len(check) > 0 {
		err := sealer.Verify(check)
		if err == nil {
			return sealer, nil
		}
		if next := rotated(source, check); next != nil { // the rotation was cut short behind its last write
			return next, nil
		}
		if sealed || shared {
			return nil, errorf("the master key from %s is not the one of this store: %w. Put the right one there", source, err)
		}
	}
	if created {
		log.Info("made a master key, which seals provider keys: keep a copy of it apart from backups of the data", "file", source)
	}
	value, err := sealer.CheckValue()
	if err != nil {
		return nil, err
	}
	_, err = st.Apply(ctx, store.Change{Create: shared, Meta: &store.MetaValue{Name: store.MetaMasterKeyCheck, Value: value}},
		store.Change{Meta: &store.MetaValue{Name: store.MetaMasterKeyID, Value: []byte(sealer.KeyID())}})
	if err != nil {
		return nil, errorf("cannot record the master key's id: %w", err)
	}
	return sealer, nil
}

// rotated finishes a rotation of the master key that ended between the store's
// commit and the renaming of the key's file; nil: there was none.
func rotated(path string, check []byte) *store.Sealer {
	key, _, _, err := store.LoadMasterKey(nextMasterKey(path), "", "", false)
	if err != nil {
		return nil
	}
	next, err := store.NewSealer(key)
	if err != nil || next.Verify(check) != nil {
		return nil
	}
	if os.Rename(path, path+".old") != nil || os.Rename(nextMasterKey(path), path) != nil {
		return nil
	}
	return next
}

// A firstKey is the admin key made at the first start; its key is empty later on.
type firstKey struct{ key, file string }

// ensureAdmin mints the first admin key of an empty store. It is kept in a file
// that only the owner can read until it has been shown. rev is the store's revision
// with those keys.
func ensureAdmin(ctx context.Context, cfg *config.Config, st store.Store, rev uint64, keys *store.KeyIndex, newID func() string, now time.Time) (firstKey, error) {
	if !cfg.AdminKey.Empty() || keys.Len() > 0 {
		return firstKey{}, nil
	}
	full, id, hash, err := store.MintKey(rand.Reader)
	if err != nil {
		return firstKey{}, errorf("cannot make the first admin key: %w", err)
	}
	prefix, err := store.ParseKey(full)
	if err != nil {
		return firstKey{}, errorf("BUG: the key just made is not valid: %w", err)
	}
	f := firstKey{key: full, file: filepath.Join(cfg.DataDir, firstKeyFile)}
	if err := writePrivate(f.file, []byte(full+"\n")); err != nil {
		return firstKey{}, err
	}
	k := &store.Key{ID: id, Name: "admin", Hash: hash, Prefix: prefix, Scopes: []string{"admin"}, CreatedAt: now.UTC(), CreatedBy: "first start"}
	_, err = st.Apply(ctx, store.Change{Key: k, Create: true, IfRev: rev, Audit: &store.AuditRow{ID: newID(), Time: now.UTC(), Actor: "serve", Action: "api_key.create", Object: k.ID}})
	if errors.Is(err, store.ErrStale) { // another gateway on the database was first
		snap, lerr := st.Load(ctx)
		if lerr == nil && len(snap.Keys) > 0 {
			keys.Replace(keys.Changes(), snap.Keys)
			return firstKey{}, os.Remove(f.file)
		}
		err = errors.Join(err, lerr)
	}
	if err != nil {
		return firstKey{}, errorf("cannot keep the first admin key: %w", err)
	}
	keys.Put(k)
	return f, nil
}

// A localCredential lets the CLI of the same user on the same machine in. The
// token lives in this process only.
type localCredential struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

func newLocalCredential() (localCredential, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return localCredential{}, errorf("cannot make the local credential: %w", err)
	}
	return localCredential{Token: "local-" + base64.RawURLEncoding.EncodeToString(b)}, nil
}

// publish writes the credential for the CLI; withdraw removes it.
func (c localCredential) publish(dir string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return writePrivate(filepath.Join(dir, localFile), append(b, '\n'))
}

func (c localCredential) withdraw(dir string) {
	var now localCredential
	path := filepath.Join(dir, localFile)
	b, err := os.ReadFile(path)
	if err == nil && json.Unmarshal(b, &now) == nil && now.Token == c.Token { // a successor may have written its own
		_ = os.Remove(path)
	}
}

// writePrivate writes a file whole or not at all, for its owner only.
func writePrivate(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // mode 0600
	if err != nil {
		return errorf("cannot write %s: %w", path, err)
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return errorf("cannot write %s: %w", path, err)
	}
	return nil
}
