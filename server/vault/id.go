package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// An id is where an entry is kept: a hash of the API key, the call's id, the
// tool's name and the arguments, so that a call replayed with other arguments,
// or by another key, finds nothing.
type id [sha256.Size]byte

// place binds a sealed entry to its id: moved to another one it does not open.
func (i id) place() string { return Place(i[:]) }

// Place is what the entry of an id is sealed for.
func Place(id []byte) string { return "vault/" + string(id) }

// identify computes the id of a call of one key.
func identify(keyID, callID, toolName string, args []byte) id {
	buf := make([]byte, 0, 256)
	for _, part := range [...]string{keyID, callID, toolName} {
		buf = binary.AppendUvarint(buf, uint64(len(part))) // so that no two triples read alike
		buf = append(buf, part...)
	}
	return sha256.Sum256(Canonical(buf, args))
}

// sameArguments undoes the liberties SDKs take when they parse arguments and
// write them again: white space, the order of members, escapes in strings.
// Numbers stay as they are written: making them equal would lose digits.
var sameArguments = json.JoinOptions(
	jsontext.ReorderRawObjects(true), jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false),
	jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true),
)

// Canonical appends args, the arguments of a call, in the one layout they are
// compared in. No arguments are {}; what is no JSON (a model's call cut short) is
// compared byte by byte.
func Canonical(dst, args []byte) []byte {
	args = bytes.TrimSpace(args)
	if len(args) == 0 {
		return append(dst, "{}"...)
	}
	dst, _ = jsontext.AppendFormat(dst, args, sameArguments) // on an error it appends args as they are
	return dst
}
