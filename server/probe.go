package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/api"
	"github.com/your-org/ai-api-gateway/server/routing"
	"github.com/your-org/ai-api-gateway/server/upstream"
)

const (
	probePatience = 30 * time.Second
	probeBody     = 4 << 20
	maxListed     = 5000 // models of one account
)

// RefreshModels asks the upstream of a for the models it serves.
func (r *Runtime) RefreshModels(ctx context.Context, a *routing.Account) ([]string, error) {
	if !slices.Contains(a.Provider.Ops, providers.OpModels) {
		return nil, errNoListing
	}
	call := &providers.Call{Op: providers.OpModels, Base: a.Base(), Path: "models", Options: a.Options}
	if len(a.Secrets) > 0 {
		call.Secret = a.Secrets[0].Reveal()
	}
	status, body, err := r.Fetch(ctx, a, "GET", call)
	if err != nil {
		return nil, err
	}
	if status != 200 {
		return nil, fmt.Errorf("the upstream answered %d", status)
	}
	var reply struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return nil, fmt.Errorf("cannot read the listing: %w", err)
	}
	out := make([]string, 0, len(reply.Data))
	for _, m := range reply.Data {
		if m.ID != "" && len(m.ID) <= 256 && len(out) < maxListed {
			out = append(out, m.ID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Test makes one call of one token through a. An empty model is chosen from what a serves.
func (r *Runtime) Test(ctx context.Context, a *routing.Account, model string) api.TestResult {
	if model == "" {
		model = r.testModel(a)
	}
	res := api.TestResult{Model: model}
	start := r.Now()
	f, err := r.tryChat(ctx, a, model)
	res.LatencyMs = r.Now().Sub(start).Milliseconds()
	res.Status = f.status
	if date, err := http.ParseTime(f.date); err == nil {
		ahead := int64(f.at.Sub(date) / time.Second)
		res.ClockAheadS = &ahead
	}
	if err != nil {
		res.Error = err.Error()
		return res
	}
	res.OK = true
	return res
}

// testModel picks what to test a with: its own list, what the upstream lists, or the catalogue.
func (r *Runtime) testModel(a *routing.Account) string {
	for _, m := range a.Models {
		if m.Upstream != "" {
			return m.Upstream
		}
		if m.Name != "*" {
			return m.Name
		}
	}
	for _, id := range append(slices.Clone(a.Listed), r.Catalogue.Known(a.Provider.Name)...) {
		if m, ok := r.Catalogue.Find(a.Provider.Name, id); ok && m.Op == providers.OpChat {
			return id
		}
	}
	if len(a.Listed) > 0 {
		return a.Listed[0]
	}
	return "test"
}

func (r *Runtime) tryChat(ctx context.Context, a *routing.Account, model string) (f fetched, err error) {
	speaks := slices.DeleteFunc(slices.Clone(a.Speaks()), func(e providers.Egress) bool { return !a.Provider.Serves(model, e.Dialect()) })
	if len(speaks) == 0 {
		return f, errors.New("the provider serves no chat")
	}
	one := int64(1)
	eg := speaks[0]
	body, _, err := eg.AppendRequest(nil, &providers.Request{Model: model, MaxTokens: &one,
		Messages: []providers.Message{{Role: providers.RoleUser, Blocks: []providers.Block{{Kind: providers.KindText, Text: "ping"}}}}})
	if err != nil {
		return f, err
	}
	call := &providers.Call{Op: providers.OpChat, Dialect: eg.Dialect(), Model: model, Base: a.BaseFor(eg.Dialect()), Options: a.Options, Body: body}
	if len(a.Secrets) > 0 {
		call.Secret = a.Secrets[0].Reveal()
	}
	call.Set("Content-Type", "application/json")
	if f, err = r.fetch(ctx, a, "POST", call); err != nil {
		return f, err
	}
	if f.status < 200 || f.status > 299 {
		e := eg.DecodeError(f.status, f.body)
		return f, fmt.Errorf("%d: %s", f.status, a.Scrub(e.Message))
	}
	if r, ok := eg.(providers.AnswerReader); ok {
		if _, e := r.ReadAnswer(f.body, new(providers.Usage)); e != nil {
			told := *e
			told.Message = a.Scrub(e.Message) // an error sent with status 200 may repeat the key
			return f, fmt.Errorf("the answer is malformed: %w", &told)
		}
	}
	if _, err := eg.DecodeResponse(f.body); err != nil {
		return f, fmt.Errorf("the answer is malformed: %w", err)
	}
	return f, nil
}

// Fetch does one buffered exchange with an account.
func (r *Runtime) Fetch(ctx context.Context, a *routing.Account, method string, call *providers.Call) (int, []byte, error) {
	f, err := r.fetch(ctx, a, method, call)
	return f.status, f.body, err
}

// A fetched is a whole answer of an upstream.
type fetched struct {
	status int
	body   []byte
	date   string    // its Date header
	at     time.Time // when that came
}

func (r *Runtime) fetch(ctx context.Context, a *routing.Account, method string, call *providers.Call) (f fetched, err error) {
	for name, value := range a.Headers {
		call.Set(name, value)
	}
	if a.Provider.Shape != nil {
		if err := a.Provider.Shape(call); err != nil {
			return f, err
		}
	}
	if a.Provider.URL != nil {
		call.URL = a.Provider.URL(call)
	} else {
		call.URL = providers.DefaultURL(call)
	}
	sign := a.Provider.Sign
	if sign == nil {
		sign = providers.DefaultSign
	}
	if err := sign(call); err != nil {
		return f, err
	}
	until := r.Now().Add(probePatience)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	x, err := r.Upstream.Start(&upstream.Request{Method: method, URL: call.URL, Header: call.Header, Body: call.Body, Timeouts: upstream.Defaults, Proxy: a.Proxy})
	if err != nil {
		return f, err
	}
	defer x.Close()
	defer context.AfterFunc(ctx, x.Cancel)()
	if err := x.Header(until); err != nil {
		return f, err
	}
	f.date, f.at = x.ResponseHeader("Date"), r.Now()
	buf := make([]byte, 16<<10)
	for {
		n, err := x.Read(buf, until)
		f.body = append(f.body, buf[:n]...)
		switch {
		case len(f.body) > probeBody:
			return f, errors.New("the answer is too large")
		case errors.Is(err, io.EOF):
			f.status = x.Status()
			return f, nil
		case err != nil:
			return f, err
		}
	}
}
