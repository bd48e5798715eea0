package store

import (
	"strings"
	"testing"
)

func TestCheckDatabaseURL(t *testing.T) {
	f := func(text, problem string) {
		t.Helper()
		err := CheckDatabaseURL(text)
		if (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "hun") {
			t.Errorf("the password is shown: %v", err)
		}
	}
	f("postgres://gw:p%40ss%3Aw%2Fo%25rd@127.0.0.1:5432/gw?sslmode=disable", "")
	f("postgresql://gw@a:1,b:2/odd%20name?passfile=/x", "")
	f("postgres:///gw?host=/run/postgresql", "")
	f("postgres://gw:hun@ter2@127.0.0.1/gw", "written %40")
	f("postgres://gw:hun/ter2@127.0.0.1/gw", "written %40")
	f("postgres://gw:hun%ter2@127.0.0.1/gw", "written %40")
	f("postgres://gw:hun:ter#2@127.0.0.1/gw", "%23")
	f("postgres://gw@127.0.0.1/gw?password=hunter2", "before the host")
	f("mysql://gw:hunter2@127.0.0.1/gw", "postgres://")
	f("host=127.0.0.1 user=gw password=hunter2", "postgres://")
	f("", "postgres://")
}
