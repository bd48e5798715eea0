package routing

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/anthropic"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/store"
)

// TestBases: a vendor with an endpoint for each of two dialects is spoken to in the
// caller's, where the account leads to both.
func TestBases(t *testing.T) {
	p := &providers.Provider{
		Name: "v", BaseURL: "https://v.example/v1", Bases: map[providers.Dialect]string{providers.Messages: "https://v.example/anthropic"},
		Speaks: []providers.Egress{openai.ChatEgress(providers.Quirks{}), anthropic.MessagesEgress(providers.Quirks{})},
	}
	f := func(base, option, chat, messages string) {
		t.Helper()
		acc := &Account{Account: &store.Account{BaseURL: base}, Provider: p}
		if option != "" {
			acc.Options = map[string]json.RawMessage{"messages_base_url": json.RawMessage(`"` + option + `"`)}
		}
		if got := acc.BaseFor(providers.Chat); got != chat {
			t.Errorf("%q, option %q: chat at %q, want %q", base, option, got, chat)
		}
		if got := acc.BaseFor(providers.Messages); got != messages {
			t.Errorf("%q, option %q: messages at %q, want %q", base, option, got, messages)
		}
		var speaks []string
		for _, e := range acc.Speaks() {
			speaks = append(speaks, string(e.Dialect()))
		}
		want := strings.Fields(map[bool]string{true: "chat "}[chat != ""] + map[bool]string{true: "messages"}[messages != ""])
		if strings.Join(speaks, " ") != strings.Join(want, " ") {
			t.Errorf("%q, option %q: speaks %v, want %v", base, option, speaks, want)
		}
		if got := pickEgress(acc, "m", providers.Messages).Dialect(); (got == providers.Messages) != (messages != "") {
			t.Errorf("%q, option %q: a messages caller is served in %s", base, option, got)
		}
	}
	f("", "", "https://v.example/v1", "https://v.example/anthropic")
	f("https://v.example/v1/", "", "https://v.example/v1", "https://v.example/anthropic")
	f("https://proxy.example/v1", "", "https://proxy.example/v1", "")
	f("https://proxy.example/v1", "https://proxy.example/a/", "https://proxy.example/v1", "https://proxy.example/a")
	f("https://v.example/anthropic", "", "", "https://v.example/anthropic")
}
