package cmd

import (
	"runtime"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/config"
	"github.com/your-org/ai-api-gateway/server/ledger"
)

// settingsView tells of the settings in force where they come from.
func settingsView(cfg *config.Config, revision int) api.SettingsReply {
	out := api.SettingsReply{Data: []api.Setting{}, Revision: revision, File: cfg.Path}
	rows := config.Rows()
	for i, f := range cfg.Settings() {
		out.Data = append(out.Data, api.Setting{Name: f.Path, Value: f.Value, Default: rows[i].Default, Origin: f.Origin, Where: f.Where,
			Env: rows[i].Env, Flag: "--" + rows[i].Flag, Description: rows[i].Doc, Restart: !slices.Contains(reloadable, f.Path)})
	}
	return out
}

// status tells how the gateway itself is.
func (g *gateway) status(boot string, started time.Time) api.Status {
	out := api.Status{Version: Version, GoVersion: runtime.Version(), StartedAt: started.UTC(), BootID: boot, Revision: g.inForce.Load().revision,
		InFlight: g.relay.InFlight(), Goroutines: runtime.NumGoroutine()}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	out.HeapBytes, out.SysBytes = m.HeapAlloc, m.Sys
	size := g.store.Size()
	out.Store.Kind, out.Store.Bytes, out.Store.DayFiles, out.Store.OldestDay = size.Kind, size.Bytes, size.Days, size.OldestDay
	s := g.ledger.Stats()
	out.Ledger.Committed, out.Ledger.Lag, out.Ledger.OpenHolds, out.Ledger.Error, out.Ledger.DiskIsFull = s.Committed, s.ApplierLag, s.OpenHolds, s.ApplyError, s.NoSpace
	out.Ledger.SyncP99Ms = syncP99(&s)
	out.OTel = g.otelStatus()
	return out
}

// syncP99 is the upper bound of the bucket that 99 of 100 commits fit in, in
// milliseconds; nil: there was none, or it is slower than all bounds.
func syncP99(s *ledger.Stats) *float64 {
	var seen uint64
	for i, n := range s.SyncBuckets {
		if seen += n; s.Commits > 0 && seen*100 >= s.Commits*99 && i < len(ledger.SyncBounds) {
			ms := ledger.SyncBounds[i] * 1000
			return &ms
		}
	}
	return nil
}
