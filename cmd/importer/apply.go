package importer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/your-org/ai-api-gateway/server/api"
)

// A Step is one thing that a plan makes, beside what the gateway has.
type Step struct {
	Kind   string `json:"kind"` // account, mapping, policy, key
	Name   string `json:"name"`
	Detail string `json:"detail,omitempty"`
	State  string `json:"state"`           // new, present, and after the import made or failed
	Here   string `json:"here,omitempty"`  // of one that is present: the limits it has here, where they are others
	Error  string `json:"error,omitempty"` // why it failed
	do     func(context.Context) error
}

// States of a step.
const (
	New     = "new"
	Present = "present" // left as it is
	Made    = "made"
	Failed  = "failed"
	Untried = "untried" // the import was cut short before it
)

// Steps lays a plan beside what the gateway has: what has the same name, or for keys
// the same origin, is there already and stays as it is. So an import that broke off
// is simply run again.
func Steps(ctx context.Context, c *api.Client, p *Plan) ([]Step, error) {
	have, err := standingOf(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []Step
	add := func(kind, title, detail string, do func(context.Context) error) {
		s := Step{Kind: kind, Name: title, Detail: detail, State: New, do: do}
		if have.ids[kind+" "+title] != "" {
			s.State = Present
		}
		out = append(out, s)
	}
	for _, a := range p.Accounts {
		add("account", a.Name, accountDetail(a), func(ctx context.Context) error { return second(c.CreateAccount(ctx, a)) })
	}
	for _, m := range p.Mappings {
		add("mapping", m.Alias, fmt.Sprintf("%d targets", len(m.Targets)), func(ctx context.Context) error { return second(c.CreateMapping(ctx, m)) })
	}
	unlimited := map[string]error{} // groups whose budget could not be made
	for _, q := range p.Policies {
		add("policy", q.Name, strings.Join(limitsDetail(q.Limits), ", "), func(ctx context.Context) error {
			_, err := c.CreatePolicy(ctx, q)
			if err != nil && q.Scope.Group != "" {
				unlimited[q.Scope.Group] = err
			}
			return err
		})
		out[len(out)-1].compare(have, q.Name, q.Limits)
	}
	for _, k := range p.Keys {
		s := Step{Kind: "key", Name: k.Create.Name, Detail: strings.Join(append([]string{k.Create.Import.Hint}, limitsDetail(k.Limits)...), ", "), State: New}
		id := have.ids["origin "+k.Origin]
		if id != "" && (len(k.Limits) == 0 || have.ids["policy "+k.policy()] != "") {
			s.State = Present
			s.compare(have, k.policy(), k.Limits)
		}
		s.do = func(ctx context.Context) error {
			if err := unlimited[k.Create.Group]; err != nil {
				return fmt.Errorf("the limits of its group %q could not be made: %w", k.Create.Group, err)
			}
			return makeKey(ctx, c, k, id)
		}
		out = append(out, s)
	}
	return out, nil
}

// compare notes what limits a step that is present has here, where the source has come
// to others since: they stay as they are.
func (s *Step) compare(have *standing, policy string, limits []api.PolicyLimit) {
	if here, ok := have.limits[policy]; ok && s.State == Present && !slices.Equal(limitsDetail(here), limitsDetail(limits)) {
		s.Here = strings.Join(limitsDetail(here), ", ")
	}
}

func second[T any](_ T, err error) error { return err }

// policy is the name of the quota policy of the key.
func (k Key) policy() string { return name(k.Origin, "") }

// makeKey makes a key and then its limits: a key that cannot be limited is not left.
func makeKey(ctx context.Context, c *api.Client, k Key, id string) error {
	fresh := id == ""
	if fresh {
		made, err := c.CreateKey(ctx, k.Create)
		if err != nil {
			return err
		}
		id = made.ID
	}
	if len(k.Limits) == 0 {
		return nil
	}
	_, err := c.CreatePolicy(ctx, api.PolicyCreate{Name: k.policy(), Scope: api.PolicyScope{APIKey: id}, Limits: k.Limits})
	if err != nil && fresh {
		err = errors.Join(err, c.DeleteKey(context.WithoutCancel(ctx), id))
	}
	return err
}

// A standing is what the gateway has.
type standing struct {
	ids    map[string]string            // by kind and name, and by "origin O" of imported keys
	limits map[string][]api.PolicyLimit // of policies, by name
}

func standingOf(ctx context.Context, c *api.Client) (*standing, error) {
	out, limits := map[string]string{}, map[string][]api.PolicyLimit{}
	pages := func(read func(api.Page) (next string, err error)) error {
		for p := (api.Page{Limit: 200}); ; {
			next, err := read(p)
			if err != nil || next == "" {
				return err
			}
			p.Cursor = next
		}
	}
	err := pages(func(p api.Page) (string, error) {
		r, err := c.Accounts(ctx, p)
		if err != nil {
			return "", err
		}
		for _, a := range r.Data {
			out["account "+a.Name] = a.ID
		}
		return r.NextCursor, nil
	})
	if err == nil {
		err = pages(func(p api.Page) (string, error) {
			r, err := c.Mappings(ctx, p)
			if err != nil {
				return "", err
			}
			for _, m := range r.Data {
				out["mapping "+m.Alias] = m.ID
			}
			return r.NextCursor, nil
		})
	}
	if err == nil {
		err = pages(func(p api.Page) (string, error) {
			r, err := c.Policies(ctx, api.PoliciesAsk{Page: p})
			if err != nil {
				return "", err
			}
			for _, q := range r.Data {
				out["policy "+q.Name], limits[q.Name] = q.ID, q.Limits
			}
			return r.NextCursor, nil
		})
	}
	if err == nil {
		err = pages(func(p api.Page) (string, error) {
			r, err := c.Keys(ctx, p)
			if err != nil {
				return "", err
			}
			for _, k := range r.Data {
				if from := k.Metadata[originMember]; from != "" {
					out["origin "+from] = k.ID
				}
			}
			return r.NextCursor, nil
		})
	}
	return &standing{out, limits}, err
}

// Apply makes what is new, in order, and goes on after a failure, but not when ctx
// ends: the steps say what came of each. failed counts those that were not made.
func Apply(ctx context.Context, steps []Step, each func(Step)) (failed int) {
	for i := range steps {
		s := &steps[i]
		if s.State != New {
			continue
		}
		if err := s.do(ctx); err != nil {
			s.State, s.Error = Failed, err.Error()
			failed++
		} else {
			s.State = Made
		}
		each(*s)
		if ctx.Err() != nil {
			break
		}
	}
	for i := range steps {
		if steps[i].State == New {
			steps[i].State = Untried
			failed++
		}
	}
	return failed
}

// Line is a step as a line of a diff.
func (s Step) Line() string {
	sign := map[string]string{New: "+", Made: "+", Present: "=", Failed: "!", Untried: "·"}[s.State]
	line := fmt.Sprintf("%s %-7s %s", sign, s.Kind, s.Name)
	if s.Detail != "" {
		line += "  (" + s.Detail + ")"
	}
	switch s.State {
	case Present:
		line += "  is here already"
		if s.Here != "" {
			line += ", with " + s.Here + ": left as it is"
		}
	case Untried:
		line += "  was not tried"
	case Failed:
		line += "  failed: " + s.Error
	}
	return line
}

func accountDetail(a api.AccountCreate) string {
	keys := len(a.APIKeys)
	if a.APIKey != "" {
		keys = 1
	}
	text := fmt.Sprintf("%s, keys: %d, models: %d", a.Provider, keys, len(a.Models))
	if a.BaseURL != "" {
		text += ", at " + shownAddress(a.BaseURL)
	}
	if len(a.Prices) > 0 {
		text += fmt.Sprintf(", prices: %d", len(a.Prices))
	}
	if a.Enabled != nil && !*a.Enabled {
		text += ", switched off"
	}
	return text
}

func limitsDetail(limits []api.PolicyLimit) (out []string) {
	for _, l := range limits {
		text := string(l.Limit) + " " + l.Kind
		if l.Kind == "cost_usd" {
			text = string(l.Limit) + " USD"
		}
		switch l.Window {
		case "":
		case "total":
			text += " left"
		default:
			text += " a " + l.Window
		}
		out = append(out, text)
	}
	return out
}
