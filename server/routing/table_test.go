package routing

import (
	"fmt"
	"testing"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/store"
)

// TestPlansAreKept: the same question gets the same plan, another one its own, and no
// caller can make the table keep more than its bounds.
func TestPlansAreKept(t *testing.T) {
	vendor := &providers.Provider{Name: "v", BaseURL: "https://v", Ops: []providers.Op{providers.OpEmbeddings, providers.OpRerank}}
	acc := &Account{Account: &store.Account{ID: "id", Name: "acc", Enabled: true, Models: []store.AccountModel{{Name: "*"}}}, Provider: vendor, Secrets: []store.SecretString{store.NewSecret("sk-of-the-vendor")}}
	table, err := Build(Source{Providers: []*providers.Provider{vendor}, Catalogue: facts{}, Accounts: []*Account{acc}})
	if err != nil {
		t.Fatal(err)
	}
	plan := func(a Ask) *Plan {
		t.Helper()
		p, err := table.Plan(a)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	asks := []Ask{{Op: providers.OpEmbeddings, Model: "m"}, {Op: providers.OpRerank, Model: "m"}, {Op: providers.OpEmbeddings, Model: "n"},
		{Op: providers.OpEmbeddings, Model: "m", Provider: "v"}, {Op: providers.OpEmbeddings, Model: "m", Fallback: []string{"n"}}}
	seen := map[*Plan]bool{}
	for _, a := range asks {
		p := plan(a)
		if p != plan(a) || seen[p] || p.Model != a.Model {
			t.Errorf("%+v: a plan of another question, or a new one each time", a)
		}
		seen[p] = true
	}
	for i := range maxPlans + 100 {
		plan(Ask{Op: providers.OpEmbeddings, Model: "m", Fallback: []string{fmt.Sprint("n", i)}})
		if n := len(table.plans["m"]); n > maxPlansOfModel {
			t.Fatalf("%d plans of a model are kept", n)
		}
	}
	for i := range maxPlans + 100 {
		plan(Ask{Op: providers.OpEmbeddings, Model: fmt.Sprint("m", i)})
		if i%100 != 0 {
			continue
		}
		n := 0
		for _, list := range table.plans {
			n += len(list)
		}
		if n != table.kept || n > maxPlans {
			t.Fatalf("%d plans are kept, %d counted", n, table.kept)
		}
	}
}

// TestBearer: what is remembered is what DefaultSign makes of the key, and nothing where
// it refuses one.
func TestBearer(t *testing.T) {
	a := &Account{Account: &store.Account{}, Secrets: []store.SecretString{store.NewSecret("sk-1"), store.NewSecret("sk\n2"), store.NewSecret(""), store.NewSecret("sk-3")}}
	for i, s := range append(a.Secrets, store.NewSecret("")) { // one more than there are
		c := providers.Call{Secret: s.Reveal()}
		want := ""
		if err := providers.DefaultSign(&c); err == nil && c.Secret != "" {
			want = c.Header[0].Value
		}
		if got := a.Bearer(i); got != want {
			t.Errorf("key %d: got %q, want %q", i, got, want)
		}
	}
	if got := fmt.Sprintf("%+v", a.bearers); got != "[[redacted] [redacted] [redacted] [redacted]]" {
		t.Errorf("they print as %s", got)
	}
}
