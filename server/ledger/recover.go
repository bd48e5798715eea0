package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/store"
)

// What a crash leaves is settled by these rules.
//
// Every whole entry of a dead boot that is above the store's applied position is
// appended. Then each hold that neither a settle nor a void ended becomes a row:
// end_reason crash_recovered, usage_source none, status 0, FlagCrashRecovered, the
// hold's time, and the cost of the attempts that had told what they used before others
// followed, mostly none: what the upstream did last is not known. Under
// charge_reserved the row keeps ReservedNano and the tokens that were reserved, and
// budgets count them, unconfirmed and shown apart, until `ledger resolve`; under
// charge_input it keeps as much of either as the input is, under release nothing.
//
// These rows have the seqs that follow the log's last, in the order of their
// holds, and the time of their holds. So a recovery that is cut short and run
// again gives the same entries the same keys, and the store skips what it has:
// also when power was lost and the log is shorter at the second run, for it then
// holds as many fewer ends as it holds fewer entries.

const (
	doneDir    = ".done-"   // recovered, being removed
	draftDir   = ".new-"    // being made, see claim
	damagedDir = "damaged-" // recovered as far as it could be read; kept for people
)

// errAlive says that the process of a boot lives.
var errAlive = errors.New("its process lives")

// recoverAll recovers all other boots and notes those that have to wait.
func (l *Ledger) recoverAll(ctx context.Context) error {
	list, err := os.ReadDir(l.o.Dir)
	if err != nil {
		return fmt.Errorf("cannot list logs: %w", err)
	}
	for _, d := range list {
		name := d.Name()
		path := filepath.Join(l.o.Dir, name)
		switch {
		case !d.IsDir() || name == l.o.Boot:
		case strings.HasPrefix(name, doneDir):
			_ = os.RemoveAll(path)
		case strings.HasPrefix(name, draftDir):
			if info, err := d.Info(); err == nil && l.o.Now().Sub(info.ModTime()) > time.Minute {
				_ = os.RemoveAll(path)
			}
		case len(name) == bootLen:
			l.foreign = append(l.foreign, name)
		}
	}
	l.recoverForeign(ctx)
	return ctx.Err()
}

// recoverForeign tries to recover the boots in l.foreign and keeps those that must wait.
func (l *Ledger) recoverForeign(ctx context.Context) {
	l.foreign = slices.DeleteFunc(l.foreign, func(boot string) bool {
		err := l.recoverBoot(ctx, boot)
		if err != nil && !errors.Is(err, errAlive) && ctx.Err() == nil {
			l.mu.Lock()
			was := l.stats.ApplyError
			l.stats.ApplyError = err.Error()
			l.mu.Unlock()
			if was != err.Error() {
				l.o.Log.Error("ledger cannot recover a log yet, trying on", "boot", boot, "error", err)
			}
		}
		return err == nil
	})
	l.mu.Lock()
	l.stats.ForeignBoots = len(l.foreign)
	l.mu.Unlock()
}

// recoverBoot brings the log of a dead boot into the store and removes it.
func (l *Ledger) recoverBoot(ctx context.Context, boot string) error {
	dir := filepath.Join(l.o.Dir, boot)
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil // somebody else has recovered it
	}
	if err != nil {
		return fmt.Errorf("cannot open lock of boot %s: %w", boot, err)
	}
	defer lock.Close()
	if ok, err := lockFile(lock); err != nil {
		return err
	} else if !ok {
		return errAlive
	}
	applied, err := l.o.Store.Applied(ctx)
	if err != nil {
		return fmt.Errorf("cannot read applied positions: %w", err)
	}
	r := recovery{l: l, boot: boot, applied: applied[boot], open: map[string]*store.Entry{}}
	if err := r.read(ctx, dir); err != nil {
		return fmt.Errorf("cannot recover boot %s: %w", boot, err)
	}
	crashed, err := r.end(ctx)
	if err != nil {
		return fmt.Errorf("cannot recover boot %s: %w", boot, err)
	}
	l.mu.Lock()
	l.stats.Crashed += uint64(crashed)
	l.mu.Unlock()
	if r.last > 0 {
		l.o.Log.Info("ledger recovered a log", "boot", boot, "entries", r.last, "crashed", crashed, "damaged", r.damaged)
	}
	_ = lock.Close() // before the renaming, for Windows
	return l.retire(dir, boot, r.damaged)
}

// retire removes a boot's directory; one that is damaged is kept under another name.
func (l *Ledger) retire(dir, boot string, damaged bool) error {
	if damaged {
		if err := os.Rename(dir, filepath.Join(l.o.Dir, damagedDir+boot)); err != nil {
			return fmt.Errorf("cannot put damaged log aside: %w", err)
		}
		return syncDir(l.o.Dir)
	}
	gone := filepath.Join(l.o.Dir, doneDir+boot)
	if err := os.Rename(dir, gone); err != nil {
		return fmt.Errorf("cannot retire log: %w", err)
	}
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("cannot remove log: %w", err)
	}
	return syncDir(l.o.Dir)
}

// A recovery reads one dead boot.
type recovery struct {
	l       *Ledger
	boot    string
	applied uint64                  // position of the store at the start
	last    uint64                  // seq of the last entry read
	open    map[string]*store.Entry // holds without an end, by request id
	batch   []store.Entry
	bytes   int
	cut     bool // the segment before ended in a frame that is not whole
	damaged bool
}

// read appends what the store has not seen and collects the open holds.
func (r *recovery) read(ctx context.Context, dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	type numbered struct {
		n    uint64
		path string
	}
	var segs []numbered
	for _, d := range list {
		base, ok := strings.CutSuffix(d.Name(), ".seg")
		n, err := strconv.ParseUint(base, 10, 64)
		if ok && err == nil {
			segs = append(segs, numbered{n, filepath.Join(dir, d.Name())})
		}
	}
	slices.SortFunc(segs, func(a, b numbered) int { return cmp.Compare(a.n, b.n) })
	for _, s := range segs {
		if err := r.segment(ctx, s.path, s.n); err != nil {
			return err
		}
	}
	return r.flush(ctx)
}

// segment reads one segment. It is synced first: the dead process may have
// written what it could not sync, and what is read must not vanish afterwards.
func (r *recovery) segment(ctx context.Context, path string, number uint64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, headerSize)
	n, err := f.ReadAt(head, 0)
	if n < len(head) && info.Size() >= headerSize {
		return err
	}
	h, err := parseHeader(head[:n])
	switch {
	case errors.Is(err, errBlank):
		return nil
	case errors.Is(err, errHeader):
		// The first write to a segment, torn: nothing in it was acknowledged. If
		// later segments were used it was whole once.
		r.cut = true
		return nil
	case err != nil:
		return err
	}
	if r.cut || h.boot != r.boot || h.number != number || r.last > 0 && h.first != r.last+1 {
		r.damage(path, r.last+1)
		if h.boot != r.boot || h.first <= r.last {
			return nil
		}
	}
	r.cut = false
	r.last = h.first - 1
	rd := frames{src: f, off: headerSize, end: info.Size(), salt: h.salt}
	for {
		payload, err := rd.next()
		switch {
		case errors.Is(err, errEnd):
			return nil
		case errors.Is(err, errTorn):
			r.cut = true
			return nil
		case err != nil:
			return err
		}
		if err := r.entry(ctx, payload); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
	}
}

// damage notes that entries from seq on are missing.
func (r *recovery) damage(path string, seq uint64) {
	r.cut, r.damaged = false, true
	r.l.o.Log.Error("ledger log is damaged, entries are missing; it is kept aside", "boot", r.boot, "before", path, "from_seq", seq)
}

func (r *recovery) entry(ctx context.Context, payload []byte) error {
	var e store.Entry
	if err := store.DecodeEntry(payload, &e); err != nil {
		return err
	}
	if e.Seq != r.last+1 || e.Boot != r.boot {
		return fmt.Errorf("entry %s/%d stands where %s/%d should: %w", e.Boot, e.Seq, r.boot, r.last+1, store.ErrCorrupt)
	}
	r.last = e.Seq
	switch e.Kind {
	case store.EntryHold:
		r.open[e.RequestID] = &e
	case store.EntrySettle, store.EntryVoid:
		delete(r.open, e.RequestID)
	}
	if e.Seq <= r.applied {
		return nil
	}
	r.batch = append(r.batch, e)
	if r.bytes += len(payload); len(r.batch) < applyBatch && r.bytes < applyBytes {
		return nil
	}
	return r.flush(ctx)
}

func (r *recovery) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	if err := r.l.appendStore(ctx, r.batch); err != nil {
		return fmt.Errorf("cannot apply: %w", err)
	}
	clear(r.batch)
	r.batch, r.bytes = r.batch[:0], 0
	return nil
}

// end writes the rows of the open holds.
func (r *recovery) end(ctx context.Context) (crashed int, err error) {
	holds := make([]*store.Entry, 0, len(r.open))
	for _, e := range r.open {
		if e.Hold != nil {
			holds = append(holds, e)
		}
	}
	slices.SortFunc(holds, func(a, b *store.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	for i, h := range holds {
		if r.damaged { // its end may have been among what is missing, and applied long ago
			page, err := r.l.o.Store.Usage(ctx, store.UsageQuery{RequestID: h.RequestID, Limit: 1})
			if err != nil {
				return crashed, fmt.Errorf("cannot look for a row: %w", err)
			}
			if len(page.Rows) > 0 {
				continue
			}
		}
		r.batch = append(r.batch, store.Entry{
			Boot: r.boot, Seq: r.last + 1 + uint64(i), Kind: store.EntrySettle,
			Time: h.Time, RequestID: h.RequestID, Row: crashRow(h, r.l.o.OnCrash),
		})
		crashed++
		if len(r.batch) == applyBatch {
			if err := r.flush(ctx); err != nil {
				return crashed, err
			}
		}
	}
	return crashed, r.flush(ctx)
}

// crashRow is the row of a hold that a crash left open.
func crashRow(e *store.Entry, rule string) *store.UsageRow {
	h := e.Hold
	row := &store.UsageRow{
		RequestID: e.RequestID, Time: e.Time,
		KeyID: h.KeyID, KeyName: h.KeyName, Group: h.Group,
		Operation: h.Operation, Model: h.Model, Stream: h.Stream,
		Provider: h.Provider, Account: h.Account, AccountID: h.AccountID, UpstreamModel: h.UpstreamModel,
		EndReason: store.EndCrash, UsageSource: store.SourceNone, Flags: store.FlagCrashRecovered,
		ReservedNano: h.ReservedNano, UnconfirmedTokens: h.ReservedTokens, Attempts: h.Attempts,
	}
	for i := range h.Attempts {
		row.CostNano = store.AddNano(row.CostNano, h.Attempts[i].CostNano)
		if s := h.Attempts[i].Spent; s != nil {
			row.MarkupNano = store.AddNano(row.MarkupNano, s.MarkupNano)
		}
	}
	switch rule {
	case CrashChargeInput:
		row.ReservedNano, row.UnconfirmedTokens = h.InputNano, h.InputTokens
	case CrashRelease:
		row.ReservedNano, row.UnconfirmedTokens = 0, 0
	}
	return row
}
