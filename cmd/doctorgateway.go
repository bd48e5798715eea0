package cmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/web/locales"
)

// accounts looks at every account: how it has fared, and with --online how it answers.
func (p *patient) accounts() {
	ctx, cancel := p.within()
	accounts, err := allAccounts(ctx, p.client)
	cancel()
	if err != nil {
		p.tell("accounts", stateProblem, "", "%s", err)
		return
	}
	own := 0
	for i := range accounts {
		acc := &accounts[i]
		if acc.Provider == demoModel {
			continue
		}
		own++
		switch {
		case !acc.Enabled:
			p.tell("account", stateSkipped, "", "%s is disabled", acc.Name)
		case p.online:
			p.testAccount(acc)
		default:
			p.fared(acc)
		}
	}
	if own == 0 {
		p.tell("accounts", stateWarning, "ai-gateway providers add openai", "there is none: only the built-in model %q answers", demoModel)
	} else if !p.online {
		p.tell("online", stateSkipped, "ai-gateway doctor --online", "no provider was asked, and no clock compared")
	}
}

// fared judges an account by its real traffic.
func (p *patient) fared(acc *api.Account) {
	h := acc.Health
	switch {
	case h == nil || h.State == "ok":
		p.tell("account", stateOK, "", "%s (%s) enabled", acc.Name, acc.Provider)
	case h.State == "parked":
		p.tell("account", stateProblem, p.newSecret(acc), "%s: its key is refused: %s", acc.Name, h.LastError)
	case !h.Serving:
		p.tell("account", stateProblem, "ai-gateway providers test "+quoteArg(acc.Name), "%s is not asked for now (%s): %s", acc.Name, h.State, h.LastError)
	default:
		p.tell("account", stateWarning, "ai-gateway providers test "+quoteArg(acc.Name), "%s has failed lately (%s): %s", acc.Name, h.State, h.LastError)
	}
}

func (p *patient) testAccount(acc *api.Account) {
	r, err := p.client.TestAccount(p.ctx, acc.Name, "")
	switch {
	case err != nil:
		p.tell("account", stateProblem, "", "%s cannot be tested: %s", acc.Name, err)
		return
	case r.OK:
		p.tell("account", stateOK, "", "%s answers: %s in %s", acc.Name, r.Model, millis(float64(r.LatencyMs)).text)
	case r.Status == 401 || r.Status == 403:
		p.tell("account", stateProblem, p.newSecret(acc), "%s: its key is refused: %s", acc.Name, r.Error)
	case r.Status == 429:
		p.tell("account", stateWarning, "ai-gateway providers edit "+quoteArg(acc.Name)+" --priority 10", "%s is over its vendor's limit: %s", acc.Name, r.Error)
	case r.Status == 0 && strings.Contains(r.Error, "credentials"):
		p.tell("account", stateProblem, p.newSecret(acc), "%s has no credentials: %s", acc.Name, r.Error)
	case r.Status == 0:
		p.tell("account", stateProblem, p.newAddress(acc), "%s does not answer at %s: %s", acc.Name, acc.BaseURL, r.Error)
	case r.Status == 404 || r.Status == 400:
		p.tell("account", stateWarning, "ai-gateway providers test "+quoteArg(acc.Name)+" --model <model>", "%s refuses the model %q: %s", acc.Name, r.Model, r.Error)
	default:
		p.tell("account", stateProblem, "ai-gateway providers test "+quoteArg(acc.Name), "%s fails: %s", acc.Name, r.Error)
	}
	if r.ClockAheadS != nil {
		p.judgeClock(phrase("the gateway's clock"), acc.BaseURL, time.Duration(*r.ClockAheadS)*time.Second)
	}
}

// newSecret is how an account gets another key, where it is kept.
func (p *patient) newSecret(acc *api.Account) string {
	switch acc.Origin {
	case "env":
		name := strings.ToUpper(acc.Provider) + "_API_KEY"
		if all, err := p.client.Providers(p.ctx); err == nil {
			for _, info := range all.Data {
				if info.Name == acc.Provider && len(info.EnvKeys) > 0 {
					name = info.EnvKeys[0]
				}
			}
		}
		return "export " + name + "=…; ai-gateway serve"
	case "file":
		return "edit api_key in gateway.yaml, then: ai-gateway config server reload"
	}
	return "ai-gateway providers edit " + quoteArg(acc.Name) + " --api-key -"
}

func (p *patient) newAddress(acc *api.Account) string {
	switch acc.Origin {
	case "env":
		return "export AI_GATEWAY_PROVIDER_" + strings.ToUpper(strings.ReplaceAll(acc.Provider, "-", "_")) + "_BASE_URL=https://…; ai-gateway serve"
	case "file":
		return "edit base_url in gateway.yaml, then: ai-gateway config server reload"
	}
	return "ai-gateway providers edit " + quoteArg(acc.Name) + " --base-url https://…"
}

// mostNamed bounds how many things of one kind are told one by one.
const mostNamed = 5

// prices looks for models that are served without a price of their own: they are
// billed at the vendor's dearest rate.
func (p *patient) prices() {
	ctx, cancel := p.within()
	defer cancel()
	models, err := p.client.CatalogueModels(ctx, false)
	if err != nil {
		p.tell("prices", stateProblem, "", "%s", err)
		return
	}
	type model struct{ provider, id string }
	var unknown []model
	priced := 0
	for _, m := range models.Data {
		switch {
		case m.Alias || m.Provider == demoModel || strings.Contains(m.ID, "*"):
		case m.Priced:
			priced++
		default:
			unknown = append(unknown, model{m.Provider, m.ID})
		}
	}
	if r, err := p.client.Logs(ctx, api.LogsAsk{Last: "7d", Limit: 200}); err == nil { // also those that no list names
		for _, row := range r.Data {
			m := model{row.Provider, row.UpstreamModel}
			if row.PriceSource == "fallback" && !slices.Contains(unknown, m) {
				unknown = append(unknown, m)
			}
		}
	}
	for i, m := range unknown {
		if i == mostNamed {
			p.tell("prices", stateWarning, "ai-gateway models list", "%d more models have no known price", len(unknown)-mostNamed)
			break
		}
		p.tell("prices", stateWarning, fmt.Sprintf("ai-gateway models price set %s --provider %s --input USD --output USD", quoteArg(m.id), m.provider),
			"%s of %s has no known price: it is billed as the policy unknown_price says", m.id, m.provider)
	}
	switch {
	case len(unknown) == 0 && priced == 0:
		p.tell("prices", stateSkipped, "", "no model of a provider is served")
	case len(unknown) == 0:
		p.tell("prices", stateOK, "", "all of %d models have one (catalogue %s)", priced, models.Version)
	}
}

// soon is when the end of a key is worth a word.
const soon = 7 * 24 * time.Hour

// keys looks for keys that can be guessed or end soon.
func (p *patient) keys() {
	ctx, cancel := p.within()
	defer cancel()
	keys, err := allKeys(ctx, p.client, "")
	if err != nil {
		p.tell("keys", stateProblem, "", "%s", err)
		return
	}
	said, live := 0, 0
	for _, k := range keys {
		if k.Status != api.KeyActive {
			continue
		}
		live++
		if said >= mostNamed {
			continue
		}
		switch {
		case k.Weak:
			said++
			p.tell("keys", stateWarning, "ai-gateway api-key rotate "+quoteArg(k.Name), "%q was imported and is short enough to be guessed", k.Name)
		case k.ExpiresAt != nil && k.ExpiresAt.Sub(p.now()) < soon:
			said++
			p.tell("keys", stateWarning, "ai-gateway api-key update "+quoteArg(k.Name)+" --expires 90d", "%q ends at %s", k.Name, moment(*k.ExpiresAt).text)
		}
	}
	if said == 0 {
		p.tell("keys", stateOK, "", "%s in use", plural(live, "1 key", "%d keys"))
	}
}

// collector looks whether an OpenTelemetry collector takes what it is told, if there is one.
func (p *patient) collector() {
	ctx, cancel := p.within()
	defer cancel()
	s, err := p.client.Status(ctx)
	if err != nil || s.OTel == nil { // what is wrong with the gateway is told elsewhere
		return
	}
	const show = "ai-gateway config server show --origin"
	for _, signal := range [...]struct {
		name  locales.Phrase
		state *api.OTelSignal
	}{{phrase("traces"), &s.OTel.Traces}, {phrase("metrics"), &s.OTel.Metrics}} {
		switch at := signal.state; {
		case at.To == "":
		case at.LastError != "":
			p.tell("collector", stateWarning, show, "%s do not reach the OpenTelemetry collector at %s: %s", signal.name, at.To, at.LastError)
		case at.Dropped+at.Rejected > 0:
			p.tell("collector", stateWarning, show, "%s: %d were more than the OpenTelemetry collector at %s could be told, and it rejected %d", signal.name, at.Dropped, at.To, at.Rejected)
		case at.LastSent == nil:
			p.tell("collector", stateSkipped, "", "%s: nothing was told yet to %s", signal.name, at.To)
		default:
			p.tell("collector", stateOK, "", "%s are told to %s", signal.name, at.To)
		}
	}
}

// open looks for requests that a crash left without their cost.
func (p *patient) open() {
	ctx, cancel := p.within()
	defer cancel()
	r, err := p.client.Logs(ctx, api.LogsAsk{EndReason: "crash_recovered", Limit: 200})
	if err != nil {
		p.tell("ledger", stateProblem, "", "%s", err)
		return
	}
	n := 0
	for _, row := range r.Data {
		if row.UnconfirmedUSD > 0 {
			n++
		}
	}
	if n > 0 {
		p.tell("ledger", stateWarning, "ai-gateway ledger resolve", "%s cut by a crash still charged with what was reserved", requests(n))
		return
	}
	p.tell("ledger", stateOK, "", "no request is open")
}

// nodes looks whether all gateways on the database answer each other.
func (p *patient) nodes() {
	ctx, cancel := p.within()
	defer cancel()
	r, err := p.client.InFlight(ctx)
	if err != nil {
		p.tell("nodes", stateProblem, "", "%s", err)
		return
	}
	for _, n := range r.Unreachable {
		p.tell("node", stateWarning, "ai-gateway serve --advertise-url http://…", "%s does not answer the other gateways (%s): what runs there is missing in Live; there, advertise_url must say where they reach it", strings.TrimSpace(n.Node+" "+n.URL), n.Error)
	}
}

func requests(n int) locales.Phrase {
	if n == 1 {
		return phrase("1 request")
	}
	return phrase("%s requests", thousands(int64(n)))
}
