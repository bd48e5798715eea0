package wire

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
)

// The writers below append one member to the object that dst is in the middle
// of. A value never ends in an opening bracket, so the last byte tells whether a
// comma is due.

// Comma appends the comma that is due before another member or element.
func Comma(dst []byte) []byte {
	if c := dst[len(dst)-1]; c != '{' && c != '[' {
		dst = append(dst, ',')
	}
	return dst
}

// Key appends a member's name, which must need no escapes.
func Key(dst []byte, name string) []byte {
	dst = append(Comma(dst), '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// PutString appends a member that is a string.
func PutString(dst []byte, name, v string) []byte { return AppendString(Key(dst, name), v) }

// PutInt appends a member that is a whole number.
func PutInt(dst []byte, name string, v int64) []byte {
	return strconv.AppendInt(Key(dst, name), v, 10)
}

// PutBool appends a member that is true or false.
func PutBool(dst []byte, name string, v bool) []byte { return strconv.AppendBool(Key(dst, name), v) }

// PutFloat appends the shortest number that reads back as v. NaN and infinities,
// which JSON cannot say and decoders never produce, are left out.
func PutFloat(dst []byte, name string, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dst
	}
	format := byte('f')
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(Key(dst, name), v, format, -1, 64)
}

// PutBase64 appends a member that is a string of base64.
func PutBase64(dst []byte, name string, v []byte) []byte {
	dst = append(Key(dst, name), '"')
	return append(base64.StdEncoding.AppendEncode(dst, v), '"')
}

// PutRaw appends a member with a JSON value as it is; see AppendRaw.
func PutRaw[T ~[]byte](dst []byte, name string, v T) []byte { return AppendRaw(Key(dst, name), v) }

// PutMember appends a member whose name may need escapes.
func PutMember[T ~[]byte](dst []byte, name string, v T) []byte {
	dst = AppendString(Comma(dst), name)
	return AppendRaw(append(dst, ':'), v)
}

// AppendRaw appends a JSON value on one line, as an event stream needs it: a
// line end inside JSON is white space between tokens. Nothing is null.
func AppendRaw[T ~[]byte](dst []byte, v T) []byte {
	if len(v) == 0 {
		return append(dst, "null"...)
	}
	start := len(dst)
	dst = append(dst, v...)
	if bytes.IndexByte(v, '\n') >= 0 || bytes.IndexByte(v, '\r') >= 0 {
		for i, c := range dst[start:] {
			if c == '\n' || c == '\r' {
				dst[start+i] = ' '
			}
		}
	}
	return dst
}

// IsObject and IsArray tell the kind of a JSON value by its first byte.
func IsObject(v []byte) bool { return len(v) > 0 && v[0] == '{' }

// IsArray is described at IsObject.
func IsArray(v []byte) bool { return len(v) > 0 && v[0] == '[' }

// ValidObject reports whether v is one well-formed JSON object.
func ValidObject(v []byte) bool {
	if !IsObject(bytes.TrimSpace(v)) {
		return false
	}
	_, err := Fields(v, nil, nil)
	return err == nil
}

// Inert reports whether v is a value of a member that changes nothing, so that
// leaving the member out is no loss.
func Inert[T ~[]byte](v T) bool {
	switch string(v) {
	case "", "null", "false", "0", "0.0", `""`:
		return true
	}
	return (v[0] == '[' || v[0] == '{') && skipSpace(v, 1) == len(v)-1
}
