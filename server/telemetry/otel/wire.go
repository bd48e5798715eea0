package otel

import (
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// What is here writes the messages of opentelemetry-proto (v1): a span or a data point
// is a dozen fields, for which the generated code and its SDK would be megabytes.

// message appends what fill appends as the message in field num.
func message(b []byte, num protowire.Number, fill func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	at := len(b)
	b = fill(b)
	n := len(b) - at
	size := protowire.SizeVarint(uint64(n))
	b = append(b, make([]byte, size)...)
	copy(b[at+size:], b[at:at+n])
	protowire.AppendVarint(b[:at], uint64(n))
	return b
}

func text(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

func octets(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func varint(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func fixed64(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), v)
}

func fixed32(b []byte, num protowire.Number, v uint32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), v)
}

func double(b []byte, num protowire.Number, v float64) []byte {
	return fixed64(b, num, math.Float64bits(v))
}

// packed appends numbers of eight bytes as one field.
func packed[T uint64 | float64](b []byte, num protowire.Number, list []T) []byte {
	if len(list) == 0 {
		return b
	}
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(8*len(list)))
	for _, v := range list {
		switch v := any(v).(type) {
		case uint64:
			b = protowire.AppendFixed64(b, v)
		case float64:
			b = protowire.AppendFixed64(b, math.Float64bits(v))
		}
	}
	return b
}

// attributes appends KeyValue messages to field num of the message they belong to.
type attributes struct {
	b   []byte
	num protowire.Number
}

func (a *attributes) value(name string, fill func([]byte) []byte) {
	a.b = message(a.b, a.num, func(b []byte) []byte {
		return message(text(b, 1, name), 2, fill)
	})
}

// text leaves an attribute out that is empty, and cuts one that is long.
func (a *attributes) text(name, v string) {
	if v != "" {
		a.value(name, func(b []byte) []byte { return text(b, 1, fit(v)) })
	}
}

func (a *attributes) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	a.value(name, func(b []byte) []byte {
		return message(b, 5, func(b []byte) []byte {
			for _, v := range list {
				b = message(b, 1, func(b []byte) []byte { return text(b, 1, fit(v)) })
			}
			return b
		})
	})
}

func (a *attributes) truth(name string, v bool) {
	a.value(name, func(b []byte) []byte { return varint(b, 2, protowire.EncodeBool(v)) })
}

func (a *attributes) number(name string, v int64) {
	a.value(name, func(b []byte) []byte { return varint(b, 3, uint64(v)) })
}

func (a *attributes) double(name string, v float64) {
	a.value(name, func(b []byte) []byte { return double(b, 4, v) })
}

// fit makes s valid and no longer than an attribute may be.
func fit(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "")
}
