package relay

import (
	"errors"
	"io"
	"slices"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
	"github.com/your-org/ai-api-gateway/server/routing"
)

// An Upload is a form that is sent on as it comes. Job.Body is what was read of it
// to find the model, with the model's value at Peek.ModelSpan (without quotes) and
// the gateway's own parts at Peek.Own. Its methods take a nil Upload for none.
type Upload struct {
	Rest     io.Reader // what follows; nil: Body is the whole form
	Length   int64     // of Rest; negative: not known
	Boundary string
	Prompt   []byte // the prompt, if it was among what was read

	read  int64
	begun bool // some of Rest is gone: the form cannot be sent again
	err   *providers.Error
}

// Read reads Rest. An *Error of it is what the caller is told.
func (u *Upload) Read(p []byte) (int, error) {
	n, err := u.Rest.Read(p)
	u.read += int64(n)
	u.begun = true
	if err != nil && err != io.EOF {
		if !errors.As(err, &u.err) {
			u.err = &providers.Error{Kind: providers.KindInvalidRequest, Code: "bad_body", Message: "the request body could not be read", NoRetry: true}
		}
	}
	return n, err
}

func (u *Upload) length() int64 {
	if u == nil || u.Rest == nil {
		return 0
	}
	return u.Length
}

// size returns what is known of Rest's length.
func (u *Upload) size() int64 {
	if u == nil {
		return 0
	}
	return max(u.read, u.Length)
}

// again reports whether the form can be sent to another target.
func (u *Upload) again() bool { return u == nil || !u.begun }

// fault returns why the caller's body could not be read; nil: it could.
func (u *Upload) fault() *providers.Error {
	if u == nil {
		return nil
	}
	return u.err
}

// rest returns what follows the body that buildCall makes.
func (x *exchange) rest() io.Reader {
	if x.job.Upload == nil || x.job.Upload.Rest == nil {
		return nil
	}
	return x.job.Upload
}

// form makes the begin of the form for t: with t's name of the model, and without
// the gateway's own parts.
func (x *exchange) form(t *routing.Target) []byte {
	body, p := x.job.Body, &x.job.Peek
	var edits []wire.Edit
	if p.ModelSpan.Found() {
		edits = append(edits, wire.Edit{Start: p.ModelSpan.Start, End: p.ModelSpan.End, New: []byte(t.Model)})
	} else {
		part := "--" + x.job.Upload.Boundary + "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n" + t.Model + "\r\n"
		edits = append(edits, wire.Edit{New: []byte(part)})
	}
	for _, own := range p.Own {
		edits = append(edits, wire.Edit{Start: own.Cut.Start, End: own.Cut.End})
	}
	slices.SortStableFunc(edits, func(a, b wire.Edit) int { return a.Start - b.Start })
	return wire.Splice(make([]byte, 0, len(body)+256), body, edits)
}
