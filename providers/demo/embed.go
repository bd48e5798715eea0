package demo

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math"
	"strconv"
	"strings"

	"github.com/your-org/ai-api-gateway/providers/wire"
)

// Bounds of an embeddings request.
const (
	embedDimensions    = 256
	embedMaxDimensions = 4096
	embedMaxInputs     = 2048
)

type embedRequest struct {
	Model          string          `json:"model"`
	Input          json.RawMessage `json:"input"`
	EncodingFormat string          `json:"encoding_format"`
	Dimensions     *int            `json:"dimensions"`
}

// embed answers an embeddings request.
func embed(body []byte) ([]byte, string, *refusal) {
	var q embedRequest
	if r := decode(body, &q); r != nil {
		return nil, "", r
	}
	if q.Model == "" {
		return nil, "", invalid("model", "you must provide a model parameter")
	}
	inputs, n, ok := embedInputs(q.Input)
	switch {
	case !ok || len(inputs) == 0:
		return nil, q.Model, invalid("input", "Invalid type for 'input': expected a string, an array of strings, or arrays of token ids.")
	case len(inputs) > embedMaxInputs:
		return nil, q.Model, invalid("input", "Invalid 'input': array too long. Expected an array with maximum length 2048.")
	}
	size := embedDimensions
	if q.Dimensions != nil {
		if size = *q.Dimensions; size < 1 || size > embedMaxDimensions {
			return nil, q.Model, invalid("dimensions", "Invalid 'dimensions': expected an integer from 1 to 4096.")
		}
	}
	if f := q.EncodingFormat; f != "" && f != "float" && f != "base64" {
		return nil, q.Model, invalid("encoding_format", "Invalid 'encoding_format': expected 'float' or 'base64'.")
	}
	dst := []byte(`{"object":"list","data":[`)
	for i, in := range inputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"object":"embedding","index":`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, `,"embedding":`...)
		dst = append(appendVector(dst, vector(in, size), q.EncodingFormat == "base64"), '}')
	}
	dst = append(dst, `],"model":`...)
	dst = wire.AppendString(dst, q.Model)
	dst = append(dst, `,"usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	dst = append(dst, `,"total_tokens":`...)
	return append(strconv.AppendInt(dst, int64(n), 10), "}}"...), q.Model, nil
}

// embedInputs reads the four forms of input as lists of words, and counts tokens.
func embedInputs(raw json.RawMessage) (inputs [][]string, n int, ok bool) {
	if texts, isText := strings1(raw); isText && len(texts) > 0 {
		for _, t := range texts {
			if t == "" {
				return nil, 0, false
			}
			words := tokens(t)
			inputs, n = append(inputs, words), n+len(words)
		}
		return inputs, n, true
	}
	var lists [][]int64
	var one []int64
	if wire.Unmarshal(raw, &one) == nil {
		lists = [][]int64{one}
	} else if wire.Unmarshal(raw, &lists) != nil {
		return nil, 0, false
	}
	for _, ids := range lists {
		if len(ids) == 0 {
			return nil, 0, false
		}
		var words []string
		for _, id := range ids {
			words = append(words, strconv.FormatInt(id, 10))
		}
		inputs, n = append(inputs, words), n+len(words)
	}
	return inputs, n, true
}

// vector returns a unit vector that is the same for the same words in any order
// and case, so that texts with words in common lie near each other.
func vector(words []string, size int) []float32 {
	v := make([]float64, size)
	for _, w := range words {
		h := fnv.New64a()
		h.Write([]byte(strings.ToLower(strings.TrimSpace(w))))
		x := h.Sum64()
		for k := range v {
			x ^= x << 13 // xorshift64: a fixed direction for each word
			x ^= x >> 7
			x ^= x << 17
			v[k] += float64(int64(x)) / math.MaxInt64
		}
	}
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	norm := math.Sqrt(sum)
	out := make([]float32, size)
	if norm == 0 {
		out[0] = 1
		return out
	}
	for k, x := range v {
		out[k] = float32(x / norm)
	}
	return out
}

func appendVector(dst []byte, v []float32, b64 bool) []byte {
	if b64 {
		raw := make([]byte, 0, 4*len(v))
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		}
		dst = append(dst, '"')
		return append(base64.StdEncoding.AppendEncode(dst, raw), '"')
	}
	dst = append(dst, '[')
	for k, x := range v {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, float64(x), 'g', -1, 32)
	}
	return append(dst, ']')
}
