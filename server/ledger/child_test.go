package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
)

// The durability tests run this test binary again as a child that settles
// requests under 64-way load and prints the id of each whose settle has returned,
// until it is killed. These variables tell it how.
const (
	childDir    = "LEDGER_TEST_CHILD"  // data directory
	childMount  = "LEDGER_TEST_MOUNT"  // where segments live; "": in the data directory, with a bolt store
	childNoSync = "LEDGER_TEST_NOSYNC" // "1": fdatasync is switched off
	childWays   = 64
)

// child runs the child's part if this process is one.
func child() bool {
	dir := os.Getenv(childDir)
	if dir == "" {
		return false
	}
	if err := load(dir, os.Getenv(childMount), os.Getenv(childNoSync) == "1"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func load(dir, mount string, noSync bool) error {
	o := options(filepath.Join(dir, "wal"), nil)
	o.SegmentBytes = 256 << 10 // many rotations
	if mount == "" {
		s, err := bolt.Open(context.Background(), filepath.Join(dir, "store"), bolt.Options{})
		if err != nil {
			return err
		}
		o.Store = s
	} else { // the log alone must keep everything
		s := newMemStore()
		s.setDown(errDown)
		o.Store, o.disk = s, mountedDisk(mount)
	}
	if noSync {
		if o.disk == nil {
			o.disk = realDisk()
		}
		o.disk.datasync = func(*os.File) error { return nil }
	}
	l, err := Open(context.Background(), o)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for w := range childWays {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", o.Boot, w, i)
				if err := l.Hold(id, hold(5), time.Now()); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				row := usageRow(id, 3)
				if rand.IntN(8) == 0 { // an attempt has told what it used, another follows
					spent := spentAttempt()
					l.Attempt(id, &spent)
					row.Attempts, row.CostNano = append([]store.Attempt{spent}, row.Attempts...), 3+spent.CostNano
				}
				if rand.IntN(8) == 0 {
					time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
				}
				if err := l.Settle(row); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				_, _ = os.Stdout.WriteString(id + "\n") // one write: whole or not at all
			}
		})
	}
	wg.Wait()
	return nil
}

// mountedDisk keeps segments in mount, a file system without directories, with
// links to them where the ledger wants them.
func mountedDisk(mount string) *disk {
	d := realDisk()
	d.create = func(path string) (*os.File, error) {
		there := filepath.Join(mount, filepath.Base(filepath.Dir(path))+"-"+filepath.Base(path))
		f, err := os.OpenFile(there, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		return f, os.Symlink(there, path)
	}
	return d
}
