package store

import (
	"errors"
	"net/url"
	"strings"
)

// CheckDatabaseURL tells what is wrong with the address of a database, in words that
// follow "it". They show nothing of it: a password that is written wrongly may stand
// anywhere in it.
func CheckDatabaseURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("must be a URL such as postgres://user@host/database; in a password @ : / ? # % are written %40 %3A %2F %3F %23 %25")
	}
	_, rest, _ := strings.Cut(text, "://")
	authority, _, _ := strings.Cut(rest, "/")
	switch {
	case strings.Count(authority, "@") > 1:
		return errors.New("must have one @, before the host: in a user or password it is written %40")
	case u.Query().Has("password"):
		return errors.New("must have the password before the host: postgres://user:password@host/database")
	}
	return nil
}
