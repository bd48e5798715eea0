package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
)

func (a *app) storeCommand() *cobra.Command {
	c := newGroup("store", "Back up, restore, compact and move the store")
	var b, r, p offline
	var force bool
	backup := &cobra.Command{
		Use: "backup FILE", Short: "Write the store to a file, while the gateway runs or not", Args: cobra.ExactArgs(1),
		Long: `Write the store, as it is at one moment, to a tar file ('-' is standard output). A
running gateway is asked for it and goes on; all that it had answered before is in
the file. With --data-dir or --config, while none runs, the files are read here.
The master key is never in a backup: keep a copy of it apart.`,
		Example: "  ai-gateway store backup gateway.tar\n  ai-gateway store backup - | zstd > gateway.tar.zst",
		RunE:    func(_ *cobra.Command, args []string) error { return a.backup(&b, args[0], force) },
	}
	backup.Flags().BoolVar(&force, "force", false, "write over a file that exists")
	b.add(backup)
	restore := &cobra.Command{
		Use: "restore FILE", Short: "Put a backup into an empty data folder, and verify it", Args: cobra.ExactArgs(1),
		Long: `Put a backup ('-' reads standard input) into a data folder that holds no store, and
verify its ledger. Move an old store away first: gateway.db, usage and wal.`,
		Example: "  ai-gateway store restore gateway.tar --data-dir /var/lib/ai-gateway",
		RunE:    func(_ *cobra.Command, args []string) error { return a.restore(&r, args[0]) },
	}
	r.add(restore)
	compact := &cobra.Command{
		Use: "compact", Short: "Give unused room in the files back, while no gateway runs", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.compact(&p) },
	}
	p.add(compact)
	c.AddCommand(backup, restore, compact, a.storeMigrateCommand())
	return c
}

// backup writes beside the file and renames, so that a file that is there is whole.
func (a *app) backup(o *offline, file string, force bool) error {
	if file == "-" {
		return a.backupTo(o, a.stdout)
	}
	if _, err := os.Stat(file); err == nil && !force {
		return wrongUsage("ai-gateway store backup "+quoteArg(file)+" --force", "%s exists", file)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".backup-*") // mode 0600
	if err != nil {
		return errorf("cannot write the backup: %w", err)
	}
	err = errors.Join(a.backupTo(o, tmp), tmp.Sync())
	if err == nil {
		if _, err = tmp.Seek(0, io.SeekStart); err == nil {
			err = bolt.CheckBackup(a.ctx, tmp) // a stream can end early
		}
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	return a.did(struct {
		File  string `json:"file"`
		Bytes int64  `json:"bytes"`
	}{file, info.Size()}, phrase("wrote %s, %s", file, megabytes(info.Size())))
}

func (a *app) backupTo(o *offline, w io.Writer) error {
	p := a.progress("backing up", w)
	defer p.done()
	w = &counted{p: p, w: w}
	if o.dataDir == "" && o.config == "" {
		client, err := a.client()
		if err != nil {
			return err
		}
		return client.Backup(a.ctx, w)
	}
	if err := o.embedded(a, "pg_dump writes a database to a file"); err != nil {
		return err
	}
	st, closeStore, err := a.openBooks(o)
	if err != nil {
		return err
	}
	return errors.Join(st.(*bolt.Store).Backup(a.ctx, w, a.now()), closeStore())
}

func (a *app) restore(o *offline, file string) error {
	if err := o.embedded(a, "pg_restore and psql fill a database from a file"); err != nil {
		return err
	}
	dir, err := o.dir(a)
	if err != nil {
		return err
	}
	in := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return errorf("cannot read the backup: %w", err)
		}
		defer f.Close()
		in = f
	}
	_, err = os.Stat(filepath.Join(dir, "gateway.db"))
	if logs, _ := filepath.Glob(filepath.Join(dir, "wal", "*")); err != nil && len(logs) > 0 {
		return errorf("%s holds the log of another store: move it away first", filepath.Join(dir, "wal"))
	}
	p := a.progress("restoring", nil)
	at, err := bolt.Restore(a.ctx, &counted{p: p, r: in}, dir)
	p.done()
	if errors.Is(err, store.ErrConflict) {
		return &hintError{err: err, hint: phrase("Move the old store away first: gateway.db, usage and wal.")}
	}
	if err != nil {
		return err
	}
	a.line("restored the store of %s into %s", at.Local().Format(time.DateTime), dir)
	return a.verifyLedger(&offline{config: o.config, dataDir: dir})
}

func (a *app) compact(o *offline) error {
	if err := o.embedded(a, "a database gives room back by itself (autovacuum, and partitions that are dropped)"); err != nil {
		return err
	}
	st, closeStore, err := a.openBooks(o) // applies what a crash left, and checks the files
	if err != nil {
		return err
	}
	_ = st
	if err := closeStore(); err != nil {
		return err
	}
	dir, err := o.dir(a)
	if err != nil {
		return err
	}
	p := a.progress("compacting", nil)
	before, after, err := bolt.Compact(a.ctx, dir)
	p.done()
	if err != nil {
		return storeError(dir, err)
	}
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(map[string]int64{"bytes_before": before, "bytes_after": after})
	}
	_, err = a.out("%s became %s\n", megabytes(before), megabytes(after))
	return err
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
