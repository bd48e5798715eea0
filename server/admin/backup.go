package admin

import (
	"bufio"
	"context"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/store"
)

// backupTimeout bounds a backup: a caller that reads slowly holds its files' space.
const backupTimeout = 6 * time.Hour

// backup answers the store at one moment as an archive. Under a stream the answer
// ends early if something fails: only an archive with its manifest is whole.
func (a *Admin) backup(c *Call) error {
	if _, err := c.params(); err != nil {
		return err
	}
	if a.d.Backup == nil {
		return &api.Error{Status: 501, Code: "not_supported", Message: "the store is a Postgres database, which has tools of its own for this: pg_dump --format=custom --file=gateway.dump DATABASE_URL"}
	}
	if !a.long.TryLock() {
		return conflict("busy", "a verification or a backup runs already: wait for its end")
	}
	ctx, cancel := context.WithTimeout(context.Background(), backupTimeout)
	undo := func() {
		cancel()
		a.long.Unlock()
	}
	if err := a.d.Sync(ctx); err != nil {
		undo()
		return err
	}
	if err := a.change(ctx, c, "store.backup", "store", nil, nil, store.Change{}); err != nil {
		undo()
		return err
	}
	at := c.Now
	c.Ctx.Response.Header.SetContentType("application/x-tar")
	c.Ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer undo()
		defer func() {
			if v := recover(); v != nil { // fasthttp would let it end the process
				a.d.Log.Error("backup panicked", "panic", v)
			}
		}()
		if err := a.d.Backup(ctx, flushed{w}, at); err != nil {
			a.d.Log.Error("backup failed, its reader has a part", "error", err)
		}
	})
	return nil
}

// flushed hands on what is written, so that a reader that has gone is seen.
type flushed struct{ w *bufio.Writer }

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		return n, err
	}
	return n, f.w.Flush()
}
