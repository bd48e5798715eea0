// Package providers says what a chat is and what an upstream is: the neutral
// types every dialect translates to and from, the contracts a dialect fulfils,
// and the description of a provider. It does no I/O and names no vendor.
package providers

import "encoding/json"

// A Dialect names one wire format.
type Dialect string

// The dialects of chat traffic.
const (
	Chat      Dialect = "chat"      // OpenAI chat completions
	Responses Dialect = "responses" // OpenAI Responses
	Messages  Dialect = "messages"  // Anthropic messages
	Gemini    Dialect = "gemini"    // Gemini generateContent
	Converse  Dialect = "converse"  // Bedrock Converse
)

// A Role says who speaks a message.
type Role string

// Roles. A RoleTool message holds only tool results; RoleSystem among the
// messages is a system turn in the middle of a conversation (leading ones are
// in Request.System).
const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleSystem    Role = "system"
	RoleTool      Role = "tool"
)

// A Request is one chat request in no vendor's format.
type Request struct {
	Origin   Dialect // the format it was decoded from
	Model    string
	System   []Block // leading system text, in order
	Messages []Message

	Tools         []Tool
	ToolChoice    ToolChoice
	ParallelTools *bool // nil: not said

	MaxTokens *int64 // nil: not said; Anthropic allows 0
	// DefaultMaxTokens bounds the output where the target's format requires a bound and the
	// caller gave none: the model's maximum. 0: not known, the dialect chooses.
	DefaultMaxTokens int64
	Temperature      *float64
	TopP             *float64
	TopK             *int64
	Stop             []string
	N                int64 // candidates asked for; 0: not said
	Seed             *int64

	Stream       bool
	IncludeUsage bool // chat: the caller asked for the usage chunk

	Reasoning   *Reasoning
	Format      *Format
	User        string // the caller's end user
	ServiceTier string
	// Cache is a cache mark on the request as a whole (Anthropic top-level cache_control), raw.
	Cache json.RawMessage
	// Extra holds members that have no neutral field, in the order they came,
	// by their name in the origin's format. An encoder of the same dialect
	// writes them back; another one carries, or reports as dropped, each name.
	Extra []Member
}

// A Member is one named raw JSON value.
type Member struct {
	Name  string
	Value json.RawMessage
}

// A Message is one turn.
type Message struct {
	Role   Role
	Name   string // the speaker's name, where the format has one
	Blocks []Block
	Extra  []Member // members of the message without a neutral field
	// Continues: it stood in one turn with the message before, which holds the tool
	// results of that turn.
	Continues bool
}

// A BlockKind says what a block holds and so which of its fields mean something.
type BlockKind uint8

// Block kinds.
const (
	KindText       BlockKind = iota + 1 // Text, Citations
	KindImage                           // MediaType + Data, or URL, or FileID
	KindAudio                           // MediaType + Data; Text is the transcript
	KindFile                            // MediaType + Data, or URL, or FileID; Filename; Text for plain-text documents
	KindThinking                        // Text, Signature; Text may be empty while Signature is not
	KindRedacted                        // Data: opaque thinking of the origin
	KindToolCall                        // ID, ToolName, Args (or Text when Custom)
	KindToolResult                      // ID of the call it answers, ToolName where known, Result, IsError
	KindRefusal                         // Text: the model declined, in its words
	KindOpaque                          // Raw: a block only its origin understands (server tool use, ...)
)

// A Block is one piece of content: a flat superset of what the formats hold.
type Block struct {
	Kind      BlockKind
	Text      string
	ID        string // tool call id; item id where the format has one
	MediaType string // IANA media type
	URL       string
	FileID    string // a file stored at the origin's vendor
	Filename  string
	Detail    string // image detail (OpenAI)
	Data      []byte // decoded bytes of media; the opaque payload of KindRedacted

	ToolName string
	Args     json.RawMessage // arguments as raw JSON text: precision and key order are kept; never empty ("{}")
	Custom   bool            // a free-form tool call: its input is Text, not Args
	Result   []Block         // content of a tool result
	IsError  bool

	Signature string // proof of thinking, opaque; may sit on text and tool calls (Gemini)
	// SignatureOrigin names the dialect that issued Signature or Data; foreign encoders must not send it on.
	SignatureOrigin Dialect

	Citations json.RawMessage // in the origin's shape
	Cache     json.RawMessage // cache mark in Anthropic's shape: {"type":"ephemeral","ttl":"5m"}
	Raw       json.RawMessage // KindOpaque: the block itself; else the origin's block when it holds more than the fields here
	Origin    Dialect         // whose shape Raw and Citations have
	Extra     []Member
}

// A Tool is one tool the model may call.
type Tool struct {
	Name        string
	Description string
	Schema      json.RawMessage // JSON Schema of the arguments; nil: none given
	Strict      *bool
	Custom      bool            // free-form input; Raw holds the format
	Group       json.RawMessage // the origin's definition of the group it stands in, where tools come in groups; Name is unique over all
	Cache       json.RawMessage // as Block.Cache
	Raw         json.RawMessage // a vendor's own tool (web search, ...): the whole definition
	Origin      Dialect         // whose shape Raw has
	Extra       []Member
}

// ToolMode says how free the model is to call tools.
type ToolMode string

// Tool modes; the empty mode is "not said".
const (
	ToolAuto     ToolMode = "auto"
	ToolNone     ToolMode = "none"
	ToolRequired ToolMode = "required"
	ToolNamed    ToolMode = "named"   // exactly the tool Name
	ToolAllowed  ToolMode = "allowed" // one of Allowed; Required says whether one must be called
)

// A ToolChoice steers tool use.
type ToolChoice struct {
	Mode     ToolMode
	Name     string
	Allowed  []string
	Required bool            // with ToolAllowed
	Raw      json.RawMessage // the origin's value, written back by the same dialect
}

// Reasoning is what the caller asked of the model's thinking.
type Reasoning struct {
	Mode    string // "", "enabled", "adaptive", "disabled"
	Effort  string // "", none, minimal, low, medium, high, xhigh, max
	Budget  *int64 // thinking tokens
	Summary string // "", auto, concise, detailed (OpenAI); summarized, omitted (Anthropic display)
	Include bool   // the caller wants the encrypted reasoning back
	Raw     json.RawMessage
}

// Format is the output format asked for.
type Format struct {
	Kind        string // "text", "json_object", "json_schema"
	Name        string
	Description string
	Schema      json.RawMessage
	Strict      *bool
}

// Finish says why the model stopped.
type Finish string

// Finish reasons.
const (
	FinishStop          Finish = "stop"
	FinishStopSequence  Finish = "stop_sequence"
	FinishLength        Finish = "length"
	FinishContext       Finish = "context_window" // the context window, not max tokens, ended it
	FinishToolCalls     Finish = "tool_calls"
	FinishContentFilter Finish = "content_filter" // also refusal
	FinishRefusal       Finish = "refusal"
	FinishPause         Finish = "pause" // Anthropic pause_turn
	FinishOther         Finish = "other"
)

// A Response is one whole answer.
type Response struct {
	ID          string
	Model       string
	Created     int64 // unix seconds; 0: unknown
	Choices     []Choice
	Usage       Usage
	HasUsage    bool
	ServiceTier string
	Fingerprint string
	Origin      Dialect
	Extra       []Member
	// Asked is the body of the request, for formats whose answers repeat parts of it; nil: not told.
	Asked json.RawMessage
}

// A Choice is one candidate answer.
type Choice struct {
	Index        int
	Blocks       []Block
	Finish       Finish
	RawFinish    string          // the origin's word
	StopSequence string          // which sequence matched, where the format tells
	Logprobs     json.RawMessage // raw, OpenAI's shape
	Extra        []Member
}

// EventKind says what a stream event reports.
type EventKind uint8

// Event kinds. A well-formed stream is Start, then blocks (each Start, Delta…,
// Stop, by index; several may be open at once), Usage at any time, Finish per
// choice, then End. Formats without a terminal event (Gemini) send no End; the
// end of input is theirs.
const (
	EventStart      EventKind = iota + 1 // ID, Model, Created, Usage if known
	EventBlockStart                      // Index, Choice, Block: kind, ID, ToolName; no content yet
	EventBlockDelta                      // Index, Choice, Block: Text, Args fragment (in Text for KindToolCall), Signature, Data, Citations
	EventBlockStop                       // Index, Choice
	EventUsage                           // Usage replaces what was known
	EventFinish                          // Choice, Finish, RawFinish, StopSequence
	EventError                           // Err: the upstream failed in mid-stream
	EventPing                            // nothing but a sign of life
	EventEnd                             // the terminal event was seen; nothing follows
)

// An Event is one step of a streamed answer.
//
// In EventBlockDelta of a tool call the fragment of the arguments (or of the
// custom input) is in Block.Text.
type Event struct {
	Kind         EventKind
	Index        int // block index, 0.. by order of first appearance over the whole stream
	Choice       int
	Block        Block
	ID           string
	Model        string
	Created      int64
	ServiceTier  string
	Fingerprint  string
	Usage        Usage
	Finish       Finish
	RawFinish    string
	StopSequence string
	Logprobs     json.RawMessage
	Err          *Error
	Extra        []Member
	Origin       Dialect // whose shape Extra, RawFinish and Logprobs have; empty: not told
}
