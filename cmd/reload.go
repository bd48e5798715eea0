package cmd

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/config"
)

// reloadable are the settings that a reload puts into force; a change of another
// one needs a restart. Accounts, mappings, policies and base URLs are always reloaded.
var reloadable = []string{"log.level", "trusted_proxies", "limits.connections_per_address", "notifications.webhook", "notifications.template", "notifications.events", "notifications.repeat"}

// reload reads file and environment anew and puts what they say into force, all of
// it or nothing. Requests under way keep what they began with.
func (g *gateway) reload(ctx context.Context) (api.Reload, error) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	start := time.Now()
	next, err := g.load()
	if err == nil {
		err = g.runtime.Configure(ctx, accountsOf(next), mappingPointers(next.Mappings), policyPointers(next.Policies), next.BaseURLs)
	}
	if err != nil {
		g.log.Error("cannot reload, the configuration before it stays in force", "error", err)
		return api.Reload{}, err
	}
	revision := g.inForce.Load().revision + 1
	out := api.Reload{Revision: revision, RestartNeeded: needRestart(g.cfg, next)}
	g.level.Set(levelOf(next))
	g.server.Trust(next.TrustedProxies)
	g.notify.Configure(notificationsOf(next))
	g.server.CapConnections(next.Limits.PerAddress, next.TrustedProxies)
	if g.doors.tls != nil {
		g.doors.tls.again(time.Now())
	}
	g.inForce.Store(&inForce{next, revision})
	for _, w := range next.Warnings {
		g.log.Warn(w)
	}
	g.log.Info("reloaded", "revision", out.Revision, "accounts", len(next.Accounts), "mappings", len(next.Mappings), "took", time.Since(start).Round(time.Microsecond).String())
	if len(out.RestartNeeded) > 0 {
		g.log.Warn("some settings have changed that need a restart", "settings", strings.Join(out.RestartNeeded, ", "))
	}
	return out, nil
}

// needRestart names the settings that differ and are not reloadable.
func needRestart(old, next *config.Config) []string {
	return slices.DeleteFunc(old.Changed(next), func(path string) bool { return slices.Contains(reloadable, path) })
}
