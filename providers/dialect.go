package providers

import "encoding/json"

// A Span is the byte range [Start, End) of a value inside a body; the zero Span is "absent".
type Span struct{ Start, End int }

// Found reports whether the span names a value.
func (s Span) Found() bool { return s.End > s.Start }

// A Peek is what the gateway needs of a request body without decoding it: found
// in one pass, by byte ranges, so that the relay can splice instead of re-encode.
type Peek struct {
	Model     string
	ModelSpan Span // the model's value with its quotes; absent where the model is in the path (Gemini)
	Stream    bool

	IncludeUsage   bool // chat: stream_options.include_usage is true
	StreamOptions  Span // chat: the value of stream_options
	MaxTokens      int64
	MaxTokensSpan  Span
	N              int64
	User           string
	Provider       string   // the gateway's own member: provider or account name
	ProviderObject bool     // provider is an object (OpenRouter's routing preferences)
	Fallbacks      []string // the gateway's own member
	// Own holds, for every member of the gateway's own, the range to cut so that
	// the body stays valid JSON (comma included).
	Own []OwnMember
	// ModelTails are further places in the body that say the model's name, without
	// their quotes and collections ("models/"): they are to say the target's.
	ModelTails []Span
	// InPath: the model is in the request's address (Gemini), not in the body.
	InPath bool
	// Messages and Tools count the elements of those arrays.
	Messages, Tools int
	ASCII           bool // the body was seen to be ASCII alone
}

// An OwnMember is a top-level member that is the gateway's, not the vendor's.
type OwnMember struct {
	Name string
	Cut  Span // with one adjoining comma
}

// Ingress is a dialect that callers may speak. Implementations hold no state and do no I/O.
type Ingress interface {
	Dialect() Dialect
	// Peek finds in body what routing needs. Its error is an *Error with the byte
	// offset in the message: bad JSON, a duplicate or case-variant of a member
	// that is acted on, too many messages or tools, an unsupported member.
	Peek(body []byte) (Peek, error)
	// DecodeRequest reads a whole request that Peek has taken: whether it is well-formed
	// is not asked again. Its error is an *Error naming the member.
	DecodeRequest(body []byte) (*Request, error)
	// AppendResponse writes a whole answer.
	AppendResponse(dst []byte, r *Response) ([]byte, error)
	// AppendError writes an error body in this dialect's shape.
	AppendError(dst []byte, e *Error) []byte
	// NewEncoder returns the encoder of one streamed answer.
	NewEncoder(o EncodeOptions) Encoder
	// AppendStreamError writes the error event that ends a failed stream (no terminal event follows).
	AppendStreamError(dst []byte, e *Error) []byte
	// AppendPing writes a heartbeat that clients of this dialect ignore; nothing where there is none.
	AppendPing(dst []byte) []byte
}

// Mixed is an Ingress whose requests may replay content that only another vendor
// takes back (thinking it has not signed), so that even an upstream of the same
// dialect cannot be given the bytes as they are.
type Mixed interface {
	// Mixed reports whether body may hold such content, by a search of its bytes.
	Mixed(body []byte) bool
}

// Bound is an Ingress whose requests may lean on what only their own vendor
// keeps (a stored prompt, a conversation), so that no other can serve them.
type Bound interface {
	// Unbound returns the error for a request that cannot leave its vendor; nil: it can.
	Unbound(body []byte) *Error
}

// Framed is an Ingress whose streamed answers need not be server-sent events.
type Framed interface {
	// StreamType is the media type of a streamed answer.
	StreamType() string
	// AppendRestError writes what AppendStreamError does, for a stream of which
	// something has been sent.
	AppendRestError(dst []byte, e *Error) []byte
}

// Numbered is an Ingress whose streams number their events, so that an error behind
// events that were relayed has to go on from them.
type Numbered interface {
	// Follow notes how far a relayed stream has come, by the next of its events.
	Follow(f *Followed, data []byte)
	// AppendFollowingError writes what AppendStreamError does, behind those events.
	AppendFollowingError(dst []byte, e *Error, f *Followed) []byte
}

// Followed is how far a relayed stream has come. The zero value is its beginning.
type Followed struct {
	Next int64  // the number of the next event
	ID   string // of the answer; "": not told
}

// EncodeOptions are what an encoder must know of the request.
type EncodeOptions struct {
	Model        string // the model name the caller is to see; empty: the upstream's
	IncludeUsage bool   // chat: send the usage chunk
	RequestID    string // seeds ids the format requires where the upstream gave none
	Created      int64  // unix seconds, for formats that require it
	InputTokens  int64  // an estimate of the prompt, for formats that tell it first (Anthropic); 0: none
	// Asked is the caller's request, for formats whose answers repeat parts of it; nil: not told.
	Asked json.RawMessage
}

// An Encoder writes one streamed answer as wire bytes (SSE frames). It is used by one goroutine.
type Encoder interface {
	// Append writes what ev becomes: none, one or several frames.
	Append(dst []byte, ev *Event) []byte
	// End writes what completes the stream: held blocks, finish, usage, terminal event.
	End(dst []byte) []byte
	// Fail writes the error event that ends the stream instead.
	Fail(dst []byte, e *Error) []byte
}

// FrameInfo says what one stream event of an upstream means to the relay.
type FrameInfo uint8

// Frame properties; several may hold at once.
const (
	// FrameDelta: content (text, thinking, signature, tool fragment, refusal). The first one commits the answer.
	FrameDelta FrameInfo = 1 << iota
	// FrameUsage: may hold usage; ask Usage.
	FrameUsage
	// FrameFinish: the model has stopped; what follows is usage and the terminal event.
	FrameFinish
	// FrameTerminal: the stream is whole with this event.
	FrameTerminal
	// FrameError: the event is an error report; ask DecodeError with status 0.
	FrameError
	// FrameUsageOnly: the event exists only to report usage (chat: empty choices), so it is cut if the caller did not ask.
	FrameUsageOnly
	// FrameModel: names the model; ask ModelSpan.
	FrameModel
	// FrameClosing: the model has stopped, in a format whose streams are whole with the
	// end of their input: this event and all behind it are held until then.
	FrameClosing
)

// Egress is a dialect that upstreams speak. Implementations hold no state and do no I/O.
type Egress interface {
	Dialect() Dialect
	// AppendRequest writes r for an upstream and returns the names of what it
	// could not carry. Its error is an *Error naming the member that cannot be served.
	AppendRequest(dst []byte, r *Request) (out []byte, dropped []string, err error)
	// DecodeResponse reads a whole answer, one that ReadAnswer has taken where there is an
	// AnswerReader: whether it is well-formed is not asked again.
	DecodeResponse(body []byte) (*Response, error)
	// DecodeError reads an error body; status 0: an error event inside a stream that had status 200.
	DecodeError(status int, body []byte) *Error
	// NewDecoder returns the decoder of one streamed answer.
	NewDecoder() Decoder

	// Frame classifies one stream event by cheap byte searches; event is its SSE name, data its payload.
	Frame(event string, data []byte) FrameInfo
	// Usage reads the usage that data (a stream event's payload or a whole answer)
	// reports, by path from the root. Counts present replace those in u, absent ones stay.
	// It reports whether any was there.
	Usage(data []byte, u *Usage) bool
	// ModelSpan finds the model's name (value with quotes) in a stream event's payload or a whole answer.
	ModelSpan(data []byte) Span
}

// A Decoder turns the bytes of one streamed answer into events. It is used by one goroutine.
type Decoder interface {
	// Feed takes the next bytes, cut anywhere. The slice may be reused afterwards.
	Feed(p []byte)
	// Next stores the next event and reports whether there was one. What ev refers
	// to is valid until the next call of Feed or Next.
	Next(ev *Event) bool
	// End tells that the input has ended; it returns io.ErrUnexpectedEOF when the
	// terminal event is missing, or the error that broke decoding.
	End() error
}

// An Answer is what the relay must know of a whole answer.
type Answer struct {
	HasUsage bool
	Model    Span // the model's name, with quotes
}

// A Refitter is an Egress of a relayed operation whose upstreams may answer in
// another form than the request asked for.
type Refitter interface {
	// Refit returns the answer in the form the request asked for; answer itself where it is.
	Refit(request, answer []byte) ([]byte, *Error)
}

// An AnswerReader is an Egress that reads all of that in one pass over the body.
type AnswerReader interface {
	// ReadAnswer checks that body is a whole answer of the dialect and reads its
	// usage into u. Its error is the one the body reports, or says that it is malformed.
	ReadAnswer(body []byte, u *Usage) (Answer, *Error)
}

// An Inliner is an Egress whose upstream takes some media as bytes only: what lies
// behind their addresses is fetched before AppendRequest, which then sees MediaType
// and Data in place of URL.
type Inliner interface {
	// Inlines reports whether b, an image or a file with a URL, must be sent as its bytes.
	Inlines(b *Block) bool
}

// An ErrorTyper is an Egress whose upstream names the type of an error in a header.
type ErrorTyper interface {
	// ErrorTypeHeader returns the header's name, in lower case.
	ErrorTypeHeader() string
	// DecodeTypedError reads an error body as DecodeError does, knowing the header's value.
	DecodeTypedError(status int, typ string, body []byte) *Error
}

// A Describer is an Egress that reads what an answer says of itself, for those who trace.
type Describer interface {
	// Describe notes what data (a stream event's payload or a whole answer) says; what
	// it does not say stays.
	Describe(data []byte, d *Description)
}

// A Description is what an answer says of itself.
type Description struct {
	ID, Model string
	Finish    []string // why it ended, in the upstream's words; one for each choice
}

// maxFinish bounds the reasons of one answer, which come from an upstream.
const maxFinish = 16

// Ended notes why a choice ended: the upstream's word, or the neutral one where it has none.
func (d *Description) Ended(raw string, neutral Finish) {
	if raw == "" {
		raw = string(neutral)
	}
	if raw != "" && len(d.Finish) < maxFinish {
		d.Finish = append(d.Finish, raw)
	}
}

// Name notes the answer's id and model, where they are told.
func (d *Description) Name(id, model string) {
	if id != "" {
		d.ID = id
	}
	if model != "" {
		d.Model = model
	}
}
