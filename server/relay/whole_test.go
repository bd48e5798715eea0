package relay

import (
	"net"
	"testing"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/openai"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/telemetry"
	"github.com/your-org/ai-api-gateway/server/upstream"
	"github.com/your-org/ai-api-gateway/store"
)

type nothingKnown struct{}

func (nothingKnown) Find(string, string) (*providers.Model, bool) { return nil, false }
func (nothingKnown) Providers(string) []string                    { return nil }
func (nothingKnown) Known(string) []string                        { return nil }
func (nothingKnown) Dearest(string) providers.Price               { return providers.Price{} }
func (nothingKnown) Version() string                              { return "" }

// deaf is a connection that takes all and answers nothing.
type deaf struct{ net.Conn }

func (deaf) Write(p []byte) (int, error)      { return len(p), nil }
func (deaf) SetWriteDeadline(time.Time) error { return nil }
func (deaf) Close() error                     { return nil }

// The first target of a request for which nothing was waited is chosen at the time it was
// accepted; all other choices, and the beginning of each attempt, are at their own.
func TestClockOfChoices(t *testing.T) {
	f := func(whole bool, first int) {
		t.Helper()
		accepted, reads := time.Now(), 0
		client := upstream.New(upstream.Options{Dial: map[string]func() (net.Conn, error){
			"http://vendor": func() (net.Conn, error) { return deaf{}, nil },
		}})
		defer client.Close()
		r := New(Options{Upstream: client, Metrics: telemetry.NewMetrics("test"), Timeouts: func(bool) upstream.Timeouts { return upstream.Defaults }, Now: func() time.Time {
			reads++
			return accepted.Add(time.Duration(reads) * time.Millisecond)
		}})
		defer r.Close()
		p := &providers.Provider{Name: "p", BaseURL: "http://vendor", Speaks: []providers.Egress{openai.ChatEgress(providers.Quirks{})}}
		table, err := routing.Build(routing.Source{Catalogue: nothingKnown{}, Accounts: []*routing.Account{
			{Account: &store.Account{ID: "a", Name: "a", Enabled: true, Models: []store.AccountModel{{Name: "m"}}}, Provider: p, Secrets: []store.SecretString{store.NewSecret("sk-one"), store.NewSecret("sk-two")}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		plan, e := table.Plan(routing.Ask{Op: providers.OpChat, Dialect: providers.Chat, Model: "m"})
		if e != nil {
			t.Fatal(e)
		}
		body := []byte(`{"model":"m","messages":[]}`)
		in := openai.ChatIngress()
		peek, err := in.Peek(body)
		if err != nil {
			t.Fatal(err)
		}
		x := new(exchange)
		x.begin(r, &Job{ID: "1", Op: providers.OpChat, In: in, Peek: peek, Body: body, Plan: plan, Accepted: accepted, Whole: whole})
		if err := x.nextTarget(farFuture); err != nil || reads != first || !x.started.Equal(accepted.Add(time.Duration(first)*time.Millisecond)) {
			t.Errorf("whole %v: %v, %v, the clock was read %d times, want %d; sent at %v", whole, err, x.fail, reads, first, x.started.Sub(accepted))
		}
		x.endAttempt("auth", 0, routing.Failure{Fault: routing.FaultAuth})
		before := reads
		if err := x.nextTarget(farFuture); err != nil || reads != before+2 {
			t.Errorf("whole %v: %v, %v, then it was read %d times, want 2", whole, err, x.fail, reads-before)
		}
		x.closeUpstream()
	}
	f(true, 1)
	f(false, 2)
}
