package cmd

import (
	"net/url"

	"github.com/your-org/ai-api-gateway/store/postgres"
)

// migrateDatabase is the verbs of migrate for a database: up, down or status.
func (a *app) migrateDatabase(address, verb string, yes bool) error {
	s := schemaState{Database: databaseName(address)}
	found, current, err := postgres.Inspect(a.ctx, address)
	if err != nil {
		return databaseError(err)
	}
	s.Schema, s.Current = uint64(found), uint64(current)
	switch {
	case verb == "status" && found == 0:
		s.Done = phrase("no store yet; serve or migrate up makes it")
	case found > current:
		s.Done = phrase("schema %d, written by a newer version; this one knows %d", found, current)
		if verb != "status" {
			return &exitError{exitConfig, errorf("the database has %s", s.Done)}
		}
	case verb == "status" && found == current:
		s.Done = phrase("schema %d, up to date", found)
	case verb == "status":
		s.Done = phrase("schema %d; migrate up brings it to %d", found, current)
	case verb == "up" && found == current:
		s.Done = phrase("nothing to do: schema %d is the newest", found)
	case verb == "up":
		if err := postgres.MigrateUp(a.ctx, address); err != nil {
			return databaseError(err)
		}
		s.Done = phrase("migrated from schema %d to %d", found, current)
		s.Schema = s.Current
	case found == 0:
		s.Done = phrase("nothing to do: there is no older schema")
	default:
		if err := a.confirm(yes, phrase("Take schema %d back? What only it holds is lost for good: keep a copy first (pg_dump), and stop all gateways on it.", found)); err != nil {
			return err
		}
		n, err := postgres.Running(a.ctx, address)
		if err == nil {
			err = noneOf(n)
		}
		if err != nil {
			return databaseError(err)
		}
		if err := postgres.MigrateDown(a.ctx, address); err != nil {
			return databaseError(err)
		}
		s.Schema--
		s.Done = phrase("took schema %d back", found)
	}
	return a.saySchema(s)
}

// databaseName is where a database is, without how to get in.
func databaseName(address string) string {
	u, err := url.Parse(address)
	if err != nil { // checked by config
		return "the database"
	}
	return u.Host + u.Path
}
