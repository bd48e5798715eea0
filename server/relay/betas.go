package relay

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/routing"
)

const betaHeader = "Anthropic-Beta"

// filterBetas takes from a call the flags its account's provider would refuse, and
// reports them. Flags are never added, and their order stays.
func (x *exchange) filterBetas(c *providers.Call, a *routing.Account) {
	i := slices.IndexFunc(c.Header, func(h providers.Header) bool { return h.Name == betaHeader })
	if i < 0 {
		return
	}
	takes, own := a.Provider.Betas, []string(nil)
	if raw, ok := a.Options["anthropic_betas"]; ok && json.Unmarshal(raw, &own) == nil {
		takes = own
	} else if takes == nil {
		return
	}
	if slices.Contains(takes, "*") {
		return
	}
	var kept []string
	for flag := range strings.SplitSeq(c.Header[i].Value, ",") {
		flag = strings.TrimSpace(flag)
		switch {
		case flag == "":
		case slices.Contains(takes, flag):
			kept = append(kept, flag)
		default:
			x.dropped = append(x.dropped, "anthropic-beta: "+flag)
		}
	}
	if len(kept) == 0 {
		c.Header = slices.Delete(c.Header, i, i+1)
		return
	}
	c.Header[i].Value = strings.Join(kept, ",")
}
