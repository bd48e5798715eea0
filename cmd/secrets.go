package cmd

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
)

func (a *app) secretsCommand() *cobra.Command {
	c := newGroup("secrets", "Change or give up the master key, while no gateway runs")
	c.Long = `The master key seals the provider keys in the store. These verbs work on the data
folder itself, while no gateway runs.`
	var o offline
	var to string
	var yes bool
	o.add(c)
	rotate := &cobra.Command{
		Use: "rotate", Short: "Make a new master key and seal everything with it", Args: cobra.NoArgs,
		Long: `Make a new master key and seal with it all provider keys, captured bodies, answers
kept for repeated requests and what is remembered of conversations. The key before it
is kept beside the new one until you delete it: backups made before need it.`,
		RunE: func(*cobra.Command, []string) error { return a.rotateSecrets(&o, to) },
	}
	rotate.Flags().StringVar(&to, "to", "", "write the new key to this file; needed where the key is not the data folder's own")
	forget := &cobra.Command{
		Use: "forget", Short: "Drop the sealed provider keys, when their master key is lost", Args: cobra.NoArgs,
		Long: `Drop the provider keys that nobody can open any more, and the headers, options and
proxies of their accounts, which are sealed with them. The accounts stay: give each
its key again with "ai-gateway providers edit NAME --api-key -".`,
		RunE: func(*cobra.Command, []string) error { return a.forgetSecrets(&o, yes) },
	}
	asksFirst(forget, &yes)
	c.AddCommand(rotate, forget)
	return c
}

// openOffline opens the store that serve would use, which no gateway may be using.
func (a *app) openOffline(o *offline) (books, *config.Config, error) {
	cfg, err := o.load(a)
	if err != nil {
		return nil, nil, err
	}
	if cfg.DatabaseURL != "" {
		st, err := a.openDatabase(cfg)
		return st, cfg, err
	}
	found, _, err := bolt.Inspect(cfg.DataDir)
	if errors.Is(err, store.ErrLocked) {
		return nil, nil, errorf("a gateway is running on %s: stop it first (%w)", cfg.DataDir, store.ErrLocked)
	}
	if err != nil {
		return nil, nil, err
	}
	if found == 0 {
		return nil, nil, &exitError{exitNotFound, &hintError{err: errorf("there is no store in %s; the first start makes it", cfg.DataDir), next: "ai-gateway serve"}}
	}
	st, err := bolt.Open(a.ctx, cfg.DataDir, bolt.Options{})
	if err != nil {
		return nil, nil, storeError(cfg.DataDir, err)
	}
	return st, cfg, nil
}

// unused opens the store as openOffline does, and sees that no gateway uses it: one
// that runs on holds the key before, and seals with it what nobody could open. An
// embedded store's lock says so; a database is asked.
func (a *app) unused(o *offline) (books, *config.Config, error) {
	st, cfg, err := a.openOffline(o)
	if err != nil {
		return nil, nil, err
	}
	db, ok := st.(interface {
		Alive(context.Context) (int, error)
	})
	if !ok {
		return st, cfg, nil
	}
	n, err := db.Alive(a.ctx)
	if err == nil {
		err = noneOf(n)
	}
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return st, cfg, nil
}

// noneOf is an error if gateways run on a database.
func noneOf(n int) error {
	if n == 0 {
		return nil
	}
	return errorf("gateways run on this database (%d): stop all of them first; one that was killed counts for 15 seconds", n)
}

// nextMasterKey is where the key to be waits until everything is sealed with it.
func nextMasterKey(path string) string { return path + ".new" }

func (a *app) rotateSecrets(o *offline, to string) (err error) {
	st, cfg, err := a.unused(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	snap, err := st.Load(a.ctx)
	if err != nil {
		return errorf("cannot load the accounts: %w", err)
	}
	key, source, _, err := store.LoadMasterKey(cfg.MasterKeyFile, cfg.MasterKey.Reveal(), cfg.DataDir, false)
	if err != nil {
		return &hintError{err: err, hint: phrase("If it is lost:"), next: "ai-gateway secrets forget"}
	}
	old, err := store.NewSealer(key)
	if err != nil {
		return err
	}
	if check := snap.Meta[store.MetaMasterKeyCheck]; len(check) > 0 {
		if err := old.Verify(check); err != nil {
			return errorf("the master key from %s is not the one of this store: %w", source, err)
		}
	}
	own := filepath.Join(cfg.DataDir, store.MasterKeyFile)
	target := to
	if target == "" {
		if source != own {
			return wrongUsage("ai-gateway secrets rotate --to NEW-FILE", "the master key comes from %s, which this command cannot change: name a file for the new one with --to", source)
		}
		target = nextMasterKey(own)
	}
	fresh, err := store.MakeMasterKey(target)
	if err != nil {
		return err
	}
	next, err := store.NewSealer(fresh)
	if err != nil {
		return err
	}
	changes, n, err := a.resealed(snap, old, next)
	if err != nil {
		return err
	}
	if _, err := st.Apply(a.ctx, changes...); err != nil {
		return errorf("cannot keep what was sealed anew: %w", err)
	}
	if err := resealSides(cfg.DataDir, old, next); err != nil {
		a.line("%s Some of what is kept of conversations, bodies and answers is still sealed with the key before it, and will not be found: %v", a.paint(a.stderr, yellow, a.say("warning:")), err)
	}
	if to == "" {
		kept := own + ".old-" + old.KeyID()
		if err := os.Rename(own, kept); err != nil {
			return errorf("cannot put the old master key aside: %w", err)
		}
		if err := os.Rename(target, own); err != nil {
			return errorf("cannot put the new master key in place: %w. Rename %s to %s", err, target, own)
		}
		a.line("%d provider keys are sealed with master key %s. The one before it is kept in %s: delete it when no backup needs it.", n, next.KeyID(), kept)
		return nil
	}
	a.line("%d provider keys are sealed with master key %s, in %s: start the gateway with that one.", n, next.KeyID(), target)
	return nil
}

// resealed returns the changes that seal every provider key with next, and its check value.
func (a *app) resealed(snap *store.Snapshot, old, next *store.Sealer) (changes []store.Change, n int, err error) {
	for _, acc := range snap.Accounts {
		open, err := old.OpenAccount(acc)
		if err != nil {
			return nil, 0, err
		}
		c := *open
		c.Secrets = append([]store.Secret(nil), acc.Secrets...)
		touched := len(acc.Private) > 0
		for i, s := range c.Secrets {
			if len(s.Sealed) == 0 {
				continue
			}
			aad := store.SecretAAD(c.ID, i)
			plain, err := old.Open(s.Sealed, aad)
			if err != nil {
				return nil, 0, errorf("account %q: %w", c.Name, err)
			}
			if c.Secrets[i].Sealed, err = next.Seal(plain, aad); err != nil {
				return nil, 0, err
			}
			touched = true
			n++
		}
		if touched {
			sealed, err := next.SealAccount(&c)
			if err != nil {
				return nil, 0, err
			}
			changes = append(changes, store.Change{Account: sealed})
		}
	}
	check, err := next.CheckValue()
	if err != nil {
		return nil, 0, err
	}
	now := a.now().UTC()
	row := &store.AuditRow{ID: ulid.Make().String(), Time: now, Actor: "cli", Action: "secrets.rotate", Object: "master_key"}
	changes = append(changes,
		store.Change{Meta: &store.MetaValue{Name: store.MetaMasterKeyCheck, Value: check}, Audit: row},
		store.Change{Meta: &store.MetaValue{Name: store.MetaMasterKeyID, Value: []byte(next.KeyID())}})
	return changes, n, nil
}

func (a *app) forgetSecrets(o *offline, yes bool) (err error) {
	st, _, err := a.unused(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	snap, err := st.Load(a.ctx)
	if err != nil {
		return errorf("cannot load the accounts: %w", err)
	}
	var changes []store.Change
	n := 0
	now := a.now().UTC()
	for _, acc := range snap.Accounts {
		c := *acc
		c.Secrets, c.Private = nil, nil
		for _, s := range acc.Secrets {
			if len(s.Sealed) > 0 {
				n++
				continue
			}
			c.Secrets = append(c.Secrets, s)
		}
		if len(acc.Private) > 0 {
			n++
		}
		if len(c.Secrets) != len(acc.Secrets) || len(acc.Private) > 0 {
			changes = append(changes, store.Change{Account: &c, Audit: &store.AuditRow{ID: ulid.Make().String(), Time: now, Actor: "cli", Action: "secrets.forget", Object: c.ID}})
		}
	}
	if n == 0 {
		a.line("No provider key is sealed in this store: there is nothing to forget.")
		return nil
	}
	if err := a.confirm(yes, phrase("Drop %d provider keys and settings of %d accounts for good?", n, len(changes))); err != nil {
		return err
	}
	if _, err := st.Apply(a.ctx, changes...); err != nil {
		return errorf("cannot drop the keys: %w", err)
	}
	a.line("Dropped %d provider keys and settings of %d accounts. Give each a new one: ai-gateway providers edit NAME --api-key -", n, len(changes))
	return nil
}
