package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/server/api"
)

// accountState says whether an account is used, and if so how it fares.
func accountState(acc *api.Account) cell {
	if !acc.Enabled {
		return cell{text: "‖ disabled", raw: "disabled", sgr: yellow}
	}
	h := acc.Health
	if h == nil || h.State == "ok" {
		return cell{text: "● enabled", raw: "enabled", sgr: green}
	}
	text := h.State
	if h.Serving && h.CooldownUntil != nil {
		text = "in part " + text
	}
	if h.CooldownUntil != nil {
		text += " until " + moment(*h.CooldownUntil).text
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
		said := "Nothing held %s back.\n"
		if r.Reset {
			said = "%s is asked again.\n"
		}
		_, err = fmt.Fprintf(a.stdout, said, cleanText(r.Account.Name))
		return err
	})
}
