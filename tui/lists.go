package tui

import (
	"context"

	"github.com/your-org/ai-api-gateway/server/api"
)

// maxListed bounds how much of a list is read.
const maxListed = 5000

// whole reads all pages of a list, up to maxListed.
func whole[T any](ctx context.Context, read func(context.Context, api.Page) ([]T, string, error)) ([]T, error) {
	var out []T
	p := api.Page{Limit: 1000}
	for {
		items, next, err := read(ctx, p)
		if err != nil {
			return nil, err
		}
		if out = append(out, items...); next == "" || len(out) >= maxListed {
			return out, nil
		}
		p.Cursor = next
	}
}

func (a *App) accounts(ctx context.Context) ([]api.Account, error) {
	return whole(ctx, func(ctx context.Context, p api.Page) ([]api.Account, string, error) {
		r, err := a.o.Client.Accounts(ctx, p)
		if err != nil {
			return nil, "", err
		}
		return r.Data, r.NextCursor, nil
	})
}

func (a *App) apiKeys(ctx context.Context) ([]api.Key, error) {
	return whole(ctx, func(ctx context.Context, p api.Page) ([]api.Key, string, error) {
		r, err := a.o.Client.Keys(ctx, p)
		if err != nil {
			return nil, "", err
		}
		return r.Data, r.NextCursor, nil
	})
}

func (a *App) policies(ctx context.Context) ([]api.Policy, error) {
	return whole(ctx, func(ctx context.Context, p api.Page) ([]api.Policy, string, error) {
		r, err := a.o.Client.Policies(ctx, api.PoliciesAsk{Page: p})
		if err != nil {
			return nil, "", err
		}
		return r.Data, r.NextCursor, nil
	})
}

func (a *App) mappings(ctx context.Context) ([]api.Mapping, error) {
	return whole(ctx, func(ctx context.Context, p api.Page) ([]api.Mapping, string, error) {
		r, err := a.o.Client.Mappings(ctx, p)
		if err != nil {
			return nil, "", err
		}
		return r.Data, r.NextCursor, nil
	})
}
