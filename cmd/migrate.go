package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// offline are the flags of verbs that work on the data folder itself.
type offline struct{ config, dataDir, database string }

func (o *offline) add(c *cobra.Command) {
	c.PersistentFlags().StringVarP(&o.config, "config", "c", "", "configuration file that names the data folder")
	c.PersistentFlags().StringVar(&o.dataDir, "data-dir", "", "data folder (default: the one serve would use)")
	c.PersistentFlags().StringVar(&o.database, "database-url", "", "Postgres that holds the store (default: the one serve would use)")
}

// load returns the configuration that serve would use.
func (o *offline) load(a *app) (*config.Config, error) {
	flags := map[string]string{}
	if o.dataDir != "" {
		flags["data_dir"] = o.dataDir
	}
	if o.database != "" {
		flags["database_url"] = o.database
	}
	cfg, err := loadConfig(o.config, a.environ, flags)
	if err != nil {
		return nil, wrongConfig(err, o.config)
	}
	return cfg, nil
}

// embedded is an error where the store is in a database, which has a way of its own.
func (o *offline) embedded(a *app, way string) error {
	cfg, err := o.load(a)
	if err == nil && cfg.DatabaseURL != "" {
		err = wrongUsage("ai-gateway migrate status", "the store is in a database: %s", way)
	}
	return err
}

// dir returns the data folder that serve would use.
func (o *offline) dir(a *app) (string, error) {
	cfg, err := o.load(a)
	if err != nil {
		return "", err
	}
	return cfg.DataDir, nil
}

func (a *app) migrateCommand() *cobra.Command {
	c := newGroup("migrate", "Bring the store to this version's schema")
	c.Long = `Bring the store in the data folder, or the database that database_url names, to this
version's schema. serve does the same when it starts; these verbs do it ahead. Of
several that migrate a database at once, one does it and the others wait.`
	var o offline
	var yes bool
	o.add(c)
	verb := func(name, short string, embedded func(*offline) error) *cobra.Command {
		return &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
			cfg, err := o.load(a)
			if err != nil {
				return err
			}
			if cfg.DatabaseURL != "" {
				return a.migrateDatabase(cfg.DatabaseURL, name, yes)
			}
			return embedded(&o)
		}}
	}
	down := verb("down", "Take the last schema of a database back, or tell how to for the embedded store", a.migrateDown)
	asksFirst(down, &yes)
	c.AddCommand(
		verb("up", "Migrate to the newest schema", a.migrateUp),
		down,
		verb("status", "Show the schema", a.migrateStatus),
	)
	return c
}

// schemaState is the JSON of migrate.
type schemaState struct {
	Dir      string         `json:"data_dir,omitempty"`
	Database string         `json:"database,omitempty"` // its host and name
	Schema   uint64         `json:"schema"`             // 0: there is no store yet
	Current  uint64         `json:"current"`
	InUse    bool           `json:"in_use,omitempty"`
	Done     locales.Phrase `json:"done"`
}

// inspect reads the schema; a store in use is no error.
func (a *app) inspect(o *offline) (schemaState, error) {
	dir, err := o.dir(a)
	if err != nil {
		return schemaState{}, err
	}
	s := schemaState{Dir: dir}
	s.Schema, s.Current, err = bolt.Inspect(dir)
	if errors.Is(err, store.ErrLocked) {
		s.InUse = true
		s.Done = phrase("nothing to do: a gateway is running on it, and migrates when it starts")
		return s, nil
	}
	return s, err
}

func (a *app) saySchema(s schemaState) error {
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(s)
	}
	_, err := a.out("%s: %s\n", s.Dir+s.Database, s.Done) // one of them is empty
	return err
}

func (a *app) migrateStatus(o *offline) error {
	s, err := a.inspect(o)
	if err != nil {
		return err
	}
	switch {
	case s.InUse:
	case s.Schema == 0:
		s.Done = phrase("no store yet; serve or migrate up makes it")
	case s.Schema == s.Current:
		s.Done = phrase("schema %d, up to date", s.Schema)
	case s.Schema > s.Current:
		s.Done = phrase("schema %d, written by a newer version; this one knows %d", s.Schema, s.Current)
	default:
		s.Done = phrase("schema %d; migrate up brings it to %d", s.Schema, s.Current)
	}
	return a.saySchema(s)
}

func (a *app) migrateUp(o *offline) error {
	s, err := a.inspect(o)
	if err != nil {
		return err
	}
	if s.InUse {
		return a.saySchema(s)
	}
	if err := makeDataDir(s.Dir); err != nil {
		return err
	}
	st, err := bolt.Open(a.ctx, s.Dir, bolt.Options{})
	if err != nil {
		return storeError(s.Dir, err)
	}
	if err := st.Close(); err != nil {
		return errorf("cannot close the store: %w", err)
	}
	switch s.Schema {
	case 0:
		s.Done = phrase("made the store, schema %d", s.Current)
	case s.Current:
		s.Done = phrase("nothing to do: schema %d is the newest", s.Current)
	default:
		s.Done = phrase("migrated from schema %d to %d; the store from before is gateway.db.bak-v%d", s.Schema, s.Current, s.Schema)
	}
	s.Schema = s.Current
	return a.saySchema(s)
}

// migrateDown never rewrites data: the way back is the copy that migrate up made.
func (a *app) migrateDown(o *offline) error {
	s, err := a.inspect(o)
	if err != nil {
		return err
	}
	switch {
	case s.InUse:
		return &hintError{err: errorf("a gateway is running on %s: stop it first", s.Dir), next: "ai-gateway migrate status"}
	case s.Schema <= 1:
		s.Done = phrase("nothing to do: there is no older schema")
		return a.saySchema(s)
	case !exists(fmt.Sprintf("%s/gateway.db.bak-v%d", s.Dir, s.Schema-1)):
		s.Done = phrase("nothing to do: the store was made with schema %d, there is none from before", s.Schema)
		return a.saySchema(s)
	}
	return &hintError{
		err:  errorf("schema %d is not taken back in place: changes made since would be lost unseen", s.Schema),
		hint: phrase("The store from before schema %d is kept. Put it back with:", s.Schema),
		next: fmt.Sprintf("cp %s %s", quoteArg(fmt.Sprintf("%s/gateway.db.bak-v%d", s.Dir, s.Schema-1)), quoteArg(s.Dir+"/gateway.db")),
	}
}
