package cmd

import (
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
)

// showFlight shows a request that has not ended, for which there is no row yet, by its
// id or the last 8 characters. found is what looking for the row came to: it is
// returned, with the gateways that do not answer named, where none is in flight.
func (a *app) showFlight(client *api.Client, id string, found error) error {
	missing := withNext(found, exitNotFound, "ai-gateway logs")
	if exitCode(found) != exitNotFound {
		return missing
	}
	r, err := client.InFlight(a.ctx)
	if err != nil {
		return missing // what was asked for is known; this was a try
	}
	for i := range r.Data {
		if e := &r.Data[i]; e.RequestID == id || len(id) == 8 && strings.HasSuffix(e.RequestID, id) {
			return a.showEvent(e)
		}
	}
	for _, n := range r.Unreachable {
		a.line("The gateway %s does not answer (%s): what is in flight there is not known.", cleanText(n.Node), cleanText(n.Error))
	}
	return missing
}

func (a *app) showEvent(e *api.LiveEvent) error {
	if a.output == "json" || a.output == "jsonl" {
		return a.writeJSON(e)
	}
	ttft := ""
	if e.TTFTMs != nil {
		ttft = millis(*e.TTFTMs).text
	}
	err := a.facts([][2]string{
		{"request", e.RequestID}, {"time", moment(e.Accepted).text}, {"key", strings.TrimSpace(e.KeyName + " " + parens(e.KeyID))}, {"operation", e.Operation + " " + parens(e.Dialect)},
		{"model", modelPath(&api.LogRow{Model: e.Model, UpstreamModel: e.UpstreamModel})}, {"served by", strings.Trim(e.Provider+" / "+e.Account, " /")}, {"node", e.Node}, {"first token", ttft},
	})
	if err != nil {
		return err
	}
	a.line("It is in flight for %s: what it cost is known when it has ended.", took(a.now().Sub(e.Accepted).Round(time.Millisecond)))
	return nil
}
