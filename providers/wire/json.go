// Package wire holds what every dialect needs of bytes: JSON (a top-level field
// finder with splice for the relay, one choice of library for translation), SSE,
// and AWS event-stream framing. It imports nothing of the project.
package wire

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Why these: µs of one CPU a KB of a chat request of 1 to 100 KB (BenchmarkJSON):
// the field finder 0.8; decoding into structs 3.0-4.0 with go-json-experiment, 6.5-8.8
// with encoding/json (5.2-6.7 into a map of raw values); encoding 2.3-2.5 against 4.1-4.3.

// The translate path reads what others wrote: it accepts duplicate names and
// lone surrogates deep inside a body (they become U+FFFD), as the vendors do;
// members that are acted on are checked by the field finder.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// Unmarshal decodes one JSON value into v. Member names match exactly; unknown members are ignored.
func Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v, lenient) }

// Marshal encodes v. A nil slice is [] and a nil map {}; use omitempty or omitzero for members to leave out.
func Marshal(v any) ([]byte, error) { return json.Marshal(v, lenient) }
