package cmd

import (
	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// accountState says whether an account is used, and if so how it fares.
func (a *app) accountState(acc *api.Account) cell {
	if !acc.Enabled {
		return cell{text: "‖ " + a.head("disabled"), raw: "disabled", sgr: yellow}
	}
	h := acc.Health
	if h == nil || h.State == "ok" {
		return cell{text: "● " + a.head("enabled"), raw: "enabled", sgr: green}
	}
	text := a.head(h.State)
	if h.Serving && h.CooldownUntil != nil {
		text = a.word("in part %s", text)
	}
	if h.CooldownUntil != nil {
		text = a.word("%s until %s", text, moment(*h.CooldownUntil).text)
	}
	sgr := yellow
	if !h.Serving {
		sgr = red
	}
	return cell{text: "▲ " + text, raw: h.State, sgr: sgr}
}

// providersReset lifts what holds an account back.
func (a *app) providersReset() *cobra.Command {
	return a.onAccount("reset", "Ask an account again at once: lift its cooldowns, breakers and pauses", func(client *api.Client, name string) error {
		r, err := client.ResetAccount(a.ctx, name)
		if err != nil {
			return err
		}
		if a.output == "json" || a.output == "jsonl" {
			return a.writeJSON(r)
		}
		said := phrase("Nothing held %s back.", cleanText(r.Account.Name))
		if r.Reset {
			said = phrase("%s is asked again.", cleanText(r.Account.Name))
		}
		_, err = a.out("%s\n", said)
		return err
	})
}
