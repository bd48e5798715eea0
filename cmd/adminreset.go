package cmd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/store"
)

func (a *app) adminCommand() *cobra.Command {
	c := newGroup("admin", "Get back in when the admin key is lost")
	var o offline
	var name string
	var keep bool
	reset := &cobra.Command{
		Use: "reset-key", Short: "Make a new admin key while no gateway runs, and end the one it replaces", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.resetAdmin(&o, name, keep) },
	}
	o.add(c)
	reset.Flags().StringVar(&name, "name", "admin", "the key's name; admin keys of this name end")
	reset.Flags().BoolVar(&keep, "keep", false, "do not end the admin keys of this name")
	c.AddCommand(reset)
	return c
}

func (a *app) resetAdmin(o *offline, name string, keep bool) (err error) {
	if name == "" || name != cleanText(name) {
		return wrongUsage("ai-gateway admin reset-key", "--name must be a printable name")
	}
	st, _, err := a.openOffline(o)
	if errors.Is(err, store.ErrLocked) {
		return &hintError{err: err, hint: phrase("Or make a key through it:"), next: "ai-gateway api-key create " + quoteArg(name) + " --scopes admin"}
	}
	if err != nil {
		return err
	}
	defer func() {
		if cerr := st.Close(); err == nil && cerr != nil {
			err = errorf("cannot close the store: %w", cerr)
		}
	}()
	full, ended, err := a.replaceAdmin(a.ctx, st, name, keep)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(a.stdout, full); err != nil {
		return errorf("cannot write the output: %w", err)
	}
	a.line("The admin key %q is shown this once: keep it. %d older ended.", name, ended)
	return nil
}

// replaceAdmin mints the key and revokes those it replaces, in one transaction.
func (a *app) replaceAdmin(ctx context.Context, st store.Store, name string, keep bool) (full string, ended int, err error) {
	snap, err := st.Load(ctx)
	if err != nil {
		return "", 0, errorf("cannot load the keys: %w", err)
	}
	full, id, hash, err := store.MintKey(rand.Reader)
	if err != nil {
		return "", 0, err
	}
	prefix, err := store.ParseKey(full)
	if err != nil {
		return "", 0, errorf("BUG: the key just made is not valid: %w", err)
	}
	now := a.now().UTC()
	newID := func() string { return ulid.MustNew(ulid.Timestamp(now), rand.Reader).String() }
	audit := func(action, object string) *store.AuditRow {
		return &store.AuditRow{ID: newID(), Time: now, Actor: "cli", Action: action, Object: object}
	}
	k := &store.Key{ID: id, Name: name, Hash: hash, Prefix: prefix, Scopes: []string{"admin"}, CreatedAt: now, CreatedBy: "admin reset-key"}
	changes := []store.Change{{Key: k, Create: true, Audit: audit("api_key.create", k.ID)}}
	for _, old := range snap.Keys {
		if keep || old.Name != name || !slices.Contains(old.Scopes, "admin") || !old.RevokedAt.IsZero() {
			continue
		}
		gone := *old
		gone.RevokedAt = now
		changes = append(changes, store.Change{Key: &gone, Audit: audit("api_key.revoke", old.ID)})
	}
	if _, err := st.Apply(ctx, changes...); err != nil {
		return "", 0, errorf("cannot keep the new key: %w", err)
	}
	return full, len(changes) - 1, nil
}
