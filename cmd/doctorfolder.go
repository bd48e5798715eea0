package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/your-org/ai-api-gateway/server/ledger"
	"github.com/your-org/ai-api-gateway/store"
	"github.com/your-org/ai-api-gateway/store/bolt"
)

// folder looks at configuration, data folder and master key on this machine: what
// a gateway that does not start would complain of.
func (p *patient) folder(up bool) {
	if !p.here {
		return
	}
	o := &offline{}
	cfg, err := o.load(p.app)
	if err != nil {
		_, next := p.remedy(err)
		p.tell("config", stateProblem, next, "%s", err)
		return
	}
	p.tell("config", stateOK, "", "valid")
	if p.data == "" {
		p.data = cfg.DataDir
	}
	if _, err := os.Stat(p.data); isMissing(err) {
		p.tell("data", stateSkipped, "", "%s: the first start makes it", p.data)
		return
	}
	p.disk()
	if up {
		return // the gateway has the store, and has checked its key
	}
	found, current, err := bolt.Inspect(p.data)
	switch {
	case errors.Is(err, store.ErrLocked):
		p.tell("store", stateProblem, "ai-gateway health --gateway-url http://…", "a gateway runs on %s, but does not answer here: ask it where it listens", p.data)
		return
	case err != nil:
		p.tell("store", stateProblem, "ai-gateway store restore BACKUP", "%s", err)
		return
	case found == 0:
		p.tell("store", stateSkipped, "", "%s holds none yet", p.data)
		return
	case found > current:
		p.tell("store", stateProblem, "ai-gateway version", "%s was written by a newer version: schema %d, this one knows %d", p.data, found, current)
		return
	case found < current:
		p.tell("store", stateOK, "", "schema %d; the next start brings it to %d", found, current)
		return
	}
	st, err := bolt.Open(p.ctx, p.data, bolt.Options{})
	if err != nil {
		p.tell("store", stateProblem, "ai-gateway store restore BACKUP", "%s", err)
		return
	}
	defer func() { _ = st.Close() }()
	snap, err := st.Load(p.ctx)
	if err != nil {
		p.tell("store", stateProblem, "ai-gateway store restore BACKUP", "%s", err)
		return
	}
	p.tell("store", stateOK, "", "%s, schema %d", p.data, found)
	p.masterKey(snap, cfg.MasterKeyFile, cfg.MasterKey.Reveal())
}

const (
	diskFull = 64 << 20 // the ledger keeps as much in reserve
	diskLow  = 1 << 30
)

func (p *patient) disk() {
	free, err := ledger.FreeBytes(p.data)
	switch {
	case err != nil:
		p.tell("disk", stateProblem, "", "%s", err)
	case free < diskFull:
		p.tell("disk", stateProblem, p.freeSpace(), "%s free for %s: requests are refused when nothing can be recorded", bytesText(free), p.data)
	case free < diskLow:
		p.tell("disk", stateWarning, p.freeSpace(), "only %s free for %s; how long rows are kept: retention.rows", bytesText(free), p.data)
	default:
		p.tell("disk", stateOK, "", "%s free for %s", bytesText(free), p.data)
	}
}

func bytesText(n int64) string {
	if n < 1<<30 {
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
}

// masterKey makes sure that what is sealed can be opened, and makes no key.
func (p *patient) masterKey(snap *store.Snapshot, file, value string) {
	sealed := slices.ContainsFunc(snap.Accounts, func(a *store.Account) bool {
		return len(a.Private) > 0 || slices.ContainsFunc(a.Secrets, func(s store.Secret) bool { return len(s.Sealed) > 0 })
	})
	if !sealed {
		p.tell("secrets", stateOK, "", "nothing is sealed")
		return
	}
	key, source, _, err := store.LoadMasterKey(file, value, p.data, false)
	id := snap.Meta[store.MetaMasterKeyID]
	if err != nil {
		if source == "" {
			source = filepath.Join(p.data, store.MasterKeyFile)
		}
		p.tell("secrets", stateProblem, "cp BACKUP-OF-master.key "+quoteArg(source)+"    # if it is lost: ai-gateway secrets forget",
			"the master key %s is missing at %s: the provider keys cannot be opened", id, source)
		return
	}
	sealer, err := store.NewSealer(key)
	if err == nil {
		err = sealer.Verify(snap.Meta[store.MetaMasterKeyCheck])
	}
	if err != nil {
		p.tell("secrets", stateProblem, "cp BACKUP-OF-master.key "+quoteArg(source)+"    # if it is lost: ai-gateway secrets forget",
			"the master key at %s is not the one that sealed the provider keys (%s)", source, id)
		return
	}
	p.tell("secrets", stateOK, "", "the master key %s opens them", id)
}
