package routing

import (
	"fmt"
	"strings"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// facts is a catalogue of "provider/model" lines.
type facts []string

func (f facts) Find(provider, model string) (*providers.Model, bool) {
	for _, l := range f {
		if l == provider+"/"+model {
			return &providers.Model{ID: model, Provider: provider}, true
		}
	}
	return nil, false
}

func (f facts) Providers(model string) (out []string) {
	for _, l := range f {
		if p, m, _ := strings.Cut(l, "/"); m == model {
			out = append(out, p)
		}
	}
	return out
}

func (f facts) Known(provider string) (out []string) {
	for _, l := range f {
		if p, m, _ := strings.Cut(l, "/"); p == provider {
			out = append(out, m)
		}
	}
	return out
}
func (f facts) Dearest(string) providers.Price { return providers.Price{} }
func (f facts) Version() string                { return "test" }

// speaks is an egress of which only the dialect matters here.
type speaks struct {
	providers.Egress
	d providers.Dialect
}

func (s speaks) Dialect() providers.Dialect { return s.d }

func table(t *testing.T, mappings ...*store.Mapping) *Table {
	t.Helper()
	chat, messages := speaks{d: providers.Chat}, speaks{d: providers.Messages}
	openai := &providers.Provider{Name: "openai", BaseURL: "https://o", Speaks: []providers.Egress{chat}, Models: []string{"gpt-*"}, Ops: []providers.Op{providers.OpEmbeddings}}
	anthropic := &providers.Provider{Name: "anthropic", Aliases: []string{"claude"}, BaseURL: "https://a", Speaks: []providers.Egress{messages}, Models: []string{"claude-*"}}
	local := &providers.Provider{Name: "ollama", BaseURL: "http://l", Local: true, Speaks: []providers.Egress{chat, messages}}
	idle := &providers.Provider{Name: "groq", BaseURL: "https://g", Speaks: []providers.Egress{chat}}
	acc := func(p *providers.Provider, name string, change func(*store.Account)) *Account {
		a := &Account{Account: &store.Account{ID: "id-" + name, Name: name, Provider: p.Name, Enabled: true}, Provider: p, Secrets: []store.SecretString{store.NewSecret("k")}}
		if change != nil {
			change(a.Account)
		}
		return a
	}
	keyless := acc(openai, "keyless", func(a *store.Account) { a.Models = []store.AccountModel{{Name: "needs-key"}} })
	keyless.Secrets = nil
	lists := acc(local, "lists", nil)
	lists.Listed = []string{"qwen3:8b"}
	tab, err := Build(Source{
		Providers: []*providers.Provider{openai, anthropic, local, idle},
		Catalogue: facts{"openai/gpt-4", "anthropic/claude-3-opus", "openai/shared", "anthropic/shared"},
		Accounts: []*Account{
			acc(openai, "openai", nil), acc(openai, "eu", func(a *store.Account) { a.Priority = 5 }),
			acc(anthropic, "anthropic", nil), lists,
			acc(local, "box", func(a *store.Account) { a.Models = []store.AccountModel{{Name: "*"}} }),
			acc(openai, "azureish", func(a *store.Account) {
				a.Models = []store.AccountModel{{Name: "gpt-4o", Upstream: "my-deploy"}, {Name: "anthropic/listed"}}
			}),
			acc(openai, "off", func(a *store.Account) { a.Enabled = false; a.Models = []store.AccountModel{{Name: "only-off"}} }),
			keyless,
		},
		Mappings: mappings,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestPlan(t *testing.T) {
	tab := table(t,
		&store.Mapping{Alias: "fast", Targets: []store.MappingTarget{{Provider: "claude", Model: "claude-3-opus", Priority: 2}, {Account: "openai", Model: "gpt-4", Priority: 1}}},
		&store.Mapping{Alias: "chain", Targets: []store.MappingTarget{{Model: "fast"}}},
		&store.Mapping{Alias: "loop-a", Targets: []store.MappingTarget{{Model: "loop-b"}}},
		&store.Mapping{Alias: "loop-b", Targets: []store.MappingTarget{{Model: "loop-a"}}},
		&store.Mapping{Alias: "my-*", Targets: []store.MappingTarget{{Account: "eu", Model: "gpt-4"}}},
		&store.Mapping{Alias: "gpt-4-here", Targets: []store.MappingTarget{{Model: "gpt-4-here"}}},
	)
	f := func(a Ask, want string) {
		t.Helper()
		if a.Op == "" {
			a.Op = providers.OpChat
		}
		if a.Dialect == "" {
			a.Dialect = providers.Chat
		}
		p, err := tab.Plan(a)
		got := ""
		if err != nil {
			got = fmt.Sprintf("%d %s", err.HTTPStatus(), err.Code)
		} else {
			for _, x := range p.Targets {
				got += x.Account.Name + "/" + x.Model
				if x.Egress != nil {
					got += ":" + string(x.Egress.Dialect())
				}
				got += " "
			}
			got += p.Rule
		}
		if got != want {
			t.Errorf("%+v:\ngot  %s\nwant %s", a, got, want)
		}
	}
	f(Ask{Model: "gpt-4"}, "openai/gpt-4:chat eu/gpt-4:chat catalogue")
	f(Ask{Model: "gpt-4", Provider: "eu"}, "eu/gpt-4:chat catalogue")
	f(Ask{Model: "eu/gpt-4"}, "eu/gpt-4:chat catalogue")
	f(Ask{Model: "gpt-9-tomorrow"}, "openai/gpt-9-tomorrow:chat eu/gpt-9-tomorrow:chat pattern")
	f(Ask{Model: "claude-3-opus"}, "anthropic/claude-3-opus:messages catalogue")
	f(Ask{Model: "claude-3-opus", Provider: "claude"}, "anthropic/claude-3-opus:messages catalogue")
	f(Ask{Model: "groq/llama"}, "box/groq/llama:chat any")
	f(Ask{Model: "anthropic/listed"}, "azureish/anthropic/listed:chat account")
	f(Ask{Model: "gpt-4o"}, "azureish/my-deploy:chat account")
	f(Ask{Model: "qwen3:8b"}, "lists/qwen3:8b:chat listed")
	f(Ask{Model: "qwen3:8b", Dialect: providers.Messages}, "lists/qwen3:8b:messages listed")
	f(Ask{Model: "whatever"}, "box/whatever:chat any")
	f(Ask{Model: "meta/llama"}, "box/meta/llama:chat any")
	f(Ask{Model: "odd-name", Provider: "openai"}, "openai/odd-name:chat eu/odd-name:chat any")
	f(Ask{Model: "gpt-4", Provider: "nobody"}, "400 unknown_provider")
	f(Ask{Model: "x", Provider: "groq"}, "400 no_account")
	f(Ask{Model: "fast"}, "openai/gpt-4:chat anthropic/claude-3-opus:messages alias")
	f(Ask{Model: "chain"}, "openai/gpt-4:chat anthropic/claude-3-opus:messages alias")
	f(Ask{Model: "loop-a"}, "404 model_not_found")
	f(Ask{Model: "my-thing"}, "eu/gpt-4:chat alias")
	f(Ask{Model: "gpt-4-here"}, "openai/gpt-4-here:chat eu/gpt-4-here:chat alias")
	f(Ask{Model: "gpt-4", Fallback: []string{"anthropic/claude-3-opus", "nowhere/x"}}, "openai/gpt-4:chat eu/gpt-4:chat anthropic/claude-3-opus:messages box/nowhere/x:chat catalogue")
	f(Ask{Model: "only-off", Provider: "off"}, "404 model_not_found")
	f(Ask{Model: "needs-key", Provider: "keyless"}, "404 model_not_found")
	f(Ask{Model: "gpt-4", Op: providers.OpEmbeddings}, "openai/gpt-4 eu/gpt-4 catalogue")
	f(Ask{Model: "claude-3-opus", Op: providers.OpEmbeddings}, "404 model_not_found")
	only := func(m string) bool { return m == "gpt-4" }
	f(Ask{Model: "claude-3-opus", Allow: only}, "403 model_not_allowed")
	f(Ask{Model: "openai/gpt-4", Allow: only}, "403 model_not_allowed")
	f(Ask{Model: "gpt-4", Fallback: []string{"claude-3-opus"}, Allow: only}, "403 model_not_allowed")
}

func TestErrorsNameTheRemedy(t *testing.T) {
	tab := table(t)
	f := func(a Ask, want string) {
		t.Helper()
		a.Op, a.Dialect = providers.OpChat, providers.Chat
		if _, err := tab.Plan(a); err == nil || !strings.Contains(err.Message, want) {
			t.Errorf("%+v: %v does not say %q", a, err, want)
		}
	}
	f(Ask{Model: "only-off", Provider: "off"}, "ai-gateway providers enable off")
	f(Ask{Model: "gpt-4", Provider: "nobody"}, "known here: anthropic")
	f(Ask{Model: "zzz", Provider: "anthropic", Allow: func(string) bool { return false }}, "whoami")
}

func TestModels(t *testing.T) {
	tab := table(t, &store.Mapping{Alias: "fast", Targets: []store.MappingTarget{{Model: "gpt-4"}}}, &store.Mapping{Alias: "w-*", Targets: []store.MappingTarget{{Model: "gpt-4"}}})
	var got []string
	for _, m := range tab.Models(func(m string) bool { return m != "shared" }) {
		got = append(got, m.ID)
	}
	want := "fast anthropic/listed claude-3-opus gpt-4 gpt-4o qwen3:8b"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

func BenchmarkPlan(b *testing.B) {
	tab := table(&testing.T{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tab.Plan(Ask{Op: providers.OpChat, Dialect: providers.Chat, Model: "gpt-4"}); err != nil {
			b.Fatal(err)
		}
	}
}
