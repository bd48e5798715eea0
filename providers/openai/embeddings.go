package openai

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Refit writes the vectors of an embeddings answer in the form the request asked
// for, where the upstream has not: base64 of little-endian float32, which OpenAI's
// own Node SDK asks for by itself, or numbers. It returns answer itself if nothing
// is to be done.
func (e relayEgress) Refit(request, answer []byte) ([]byte, *providers.Error) {
	if e.op != providers.OpEmbeddings {
		return answer, nil
	}
	var wants byte
	switch textAt(request, "encoding_format") {
	case "base64":
		wants = '"'
	case "float":
		wants = '['
	default:
		return answer, nil
	}
	start, end, ok := wire.Path(answer, "data")
	if !ok || answer[start] != '[' {
		return answer, nil
	}
	var edits []wire.Edit
	var bad *providers.Error
	wire.EachElement(answer[start:end], func(elem []byte) bool {
		s, e, ok := wire.Path(elem, "embedding")
		if !ok || elem[s] == wants || elem[s] != '"' && elem[s] != '[' {
			return true
		}
		v, err := otherForm(elem[s:e])
		if err != "" {
			bad = malformed(err)
			return false
		}
		at := start + offset(answer[start:end], elem) + s
		edits = append(edits, wire.Edit{Start: at, End: at + e - s, New: v})
		return true
	})
	if bad != nil || len(edits) == 0 {
		return answer, bad
	}
	return wire.Splice(make([]byte, 0, len(answer)), answer, edits), nil
}

// offset returns where part, a slice of whole, begins in it.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// otherForm turns a list of numbers into base64, or base64 into a list of numbers.
func otherForm(v []byte) (out []byte, fault string) {
	if v[0] == '"' {
		text, _ := wire.String(v)
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw)%4 != 0 {
			return nil, "an embedding is no base64 of float32 numbers"
		}
		out = append(out, '[')
		for i := 0; i < len(raw); i += 4 {
			f := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[i:])))
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, "an embedding holds a number that JSON has not"
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = strconv.AppendFloat(out, f, 'g', -1, 32)
		}
		return append(out, ']'), ""
	}
	raw := make([]byte, 0, len(v)/3)
	wire.EachElement(v, func(n []byte) bool {
		f, err := strconv.ParseFloat(string(n), 64)
		if err != nil {
			fault = "an embedding holds what is no number"
			return false
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
		return true
	})
	if fault != "" {
		return nil, fault
	}
	out = append(make([]byte, 0, base64.StdEncoding.EncodedLen(len(raw))+2), '"')
	return append(base64.StdEncoding.AppendEncode(out, raw), '"'), ""
}
