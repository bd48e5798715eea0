//go:build unix

package postgres

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/postgres/postgrestest"
	"github.com/your-org/ai-api-gateway/store/storetest"
)

// shared is the server that tests share which do not harm it; nil: none is here.
var shared *postgrestest.Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if shared, err = postgrestest.Launch(); shared == nil {
			if os.Getenv("CI") != "" {
				fmt.Fprintln(os.Stderr, "postgres is missing: apt-get install postgresql-15")
				return 1
			}
			fmt.Fprintln(os.Stderr, "SKIPPED: postgres is missing: apt-get install postgresql-15")
			return 0
		}
		defer shared.Remove()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func open(t testing.TB, url string, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s := open(t, shared.Database(t), Options{})
		t.Cleanup(func() { // whatever was written adds up
			if v, err := s.Verify(context.Background()); err != nil || v.Fault != "" {
				t.Errorf("%+v, %v", v, err)
			}
		})
		return s
	})
}
