package relay

import (
	"context"
	"fmt"
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/server/media"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// inline puts the bytes in place of the addresses of media that the target takes
// as bytes only. req is the attempt's own; the messages it shares with the decoded
// request are copied where they change.
func (x *exchange) inline(t *routing.Target, req *providers.Request) *providers.Error {
	in, ok := t.Egress.(providers.Inliner)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), media.MaxTime)
	defer cancel()
	start := x.r.o.Now()
	defer func() { x.waited += x.r.o.Now().Sub(start) }()
	w := &inliner{x: x, ctx: ctx, in: in}
	owned := false
	for i := range req.Messages {
		blocks, changed := w.blocks(req.Messages[i].Blocks)
		if !changed {
			continue
		}
		if !owned {
			req.Messages, owned = slices.Clone(req.Messages), true
		}
		req.Messages[i].Blocks = blocks
	}
	return w.err
}

type inliner struct {
	x   *exchange
	ctx context.Context
	in  providers.Inliner
	err *providers.Error
}

// blocks returns list with bytes in place of addresses: list itself where nothing changed.
func (w *inliner) blocks(list []providers.Block) (out []providers.Block, changed bool) {
	out = list
	for i := range list {
		b := list[i]
		switch {
		case w.err != nil:
			return out, changed
		case (b.Kind == providers.KindImage || b.Kind == providers.KindFile) && b.URL != "" && w.in.Inlines(&list[i]):
			f := w.fetch(&b)
			b.MediaType, b.Data, b.URL, b.Raw = f.Type, f.Data, "", nil
		case b.Kind == providers.KindToolResult:
			result, inner := w.blocks(b.Result)
			if !inner {
				continue
			}
			b.Result, b.Raw = result, nil
		default:
			continue
		}
		if !changed {
			out, changed = slices.Clone(list), true
		}
		out[i] = b
	}
	return out, changed
}

// fetch returns the file behind b's address, once for all attempts of the exchange.
func (w *inliner) fetch(b *providers.Block) media.File {
	x := w.x
	if f, ok := x.fetched[b.URL]; ok {
		return f
	}
	var f media.File
	var err error
	switch {
	case x.r.o.Media == nil:
		err = fmt.Errorf("this model takes media as bytes only, and this gateway fetches none (media.fetch): send the content as base64")
	case len(x.fetched) >= media.MaxItems:
		err = fmt.Errorf("more than %d files would have to be fetched: send the content as base64", media.MaxItems)
	default:
		f, err = x.r.o.Media.Fetch(w.ctx, b.URL)
	}
	if err != nil {
		w.err = &providers.Error{Kind: providers.KindInvalidRequest, Code: "invalid_media_url", Param: "messages",
			Message: "cannot fetch " + media.Shown(b.URL) + ": " + err.Error()}
		return f
	}
	if x.fetched == nil {
		x.fetched = map[string]media.File{}
	}
	x.fetched[b.URL] = f
	return f
}
