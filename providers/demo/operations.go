package demo

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"mime"
	"mime/multipart"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxPictures, maxSpoken and maxRanked bound the operations' requests.
const (
	maxPictures = 10
	maxSpoken   = 4096 // characters
	maxRanked   = 1000 // documents
)

// reply answers an operation with a value in JSON, unless the model's name asks for an error.
func (v *visit) reply(model string, value any, r *refusal) {
	if r == nil && model == "" {
		r = invalid("model", "you must provide a model parameter")
	}
	if r != nil {
		v.refuse(r)
		return
	}
	b, ok := v.script(model)
	if !ok || v.broken(b, false) {
		return
	}
	body, err := json.Marshal(value)
	if err != nil {
		panic("BUG: cannot encode an answer: " + err.Error())
	}
	v.json(200, body, v.s.o.Latency)
}

type object map[string]any

// images answers with pictures of one colour, which the prompt decides.
func (v *visit) images(prompt, model string, n int) {
	if n < 1 || n > maxPictures {
		v.reply(model, nil, invalid("n", "Invalid 'n': expected an integer from 1 to 10."))
		return
	}
	m := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	dir := vector(tokens(prompt), 3)
	shade := func(x float32) uint8 { return uint8(128 + 127*x) }
	for i := range 256 {
		m.SetNRGBA(i%16, i/16, color.NRGBA{shade(dir[0]), shade(dir[1]), shade(dir[2]), 255})
	}
	var file bytes.Buffer
	if err := png.Encode(&file, m); err != nil {
		panic("BUG: cannot encode a picture: " + err.Error())
	}
	var data []object
	for range n {
		data = append(data, object{"b64_json": base64.StdEncoding.EncodeToString(file.Bytes())})
	}
	in, out := count(prompt), 16*n
	v.reply(model, object{"created": v.s.o.Now().Unix(), "data": data, "usage": object{
		"input_tokens": in, "output_tokens": out, "total_tokens": in + out, "input_tokens_details": object{"text_tokens": in, "image_tokens": 0},
	}}, nil)
}

func (v *visit) generate() {
	var q struct {
		Model  string `json:"model"`
		Prompt string `json:"prompt"`
		N      *int   `json:"n"`
	}
	if r := decode(v.ctx.PostBody(), &q); r != nil {
		v.refuse(r)
		return
	}
	n := 1
	if q.N != nil {
		n = *q.N
	}
	v.images(q.Prompt, q.Model, n)
}

// speak answers with a WAV of a quiet tone, 50 ms a character.
func (v *visit) speak() {
	var q struct {
		Model string `json:"model"`
		Input string `json:"input"`
	}
	if r := decode(v.ctx.PostBody(), &q); r != nil {
		v.refuse(r)
		return
	}
	chars := utf8.RuneCountInString(q.Input)
	if q.Model == "" || chars == 0 || chars > maxSpoken {
		v.refuse(invalid("input", "Invalid 'input': expected a model and a text of 1 to 4096 characters."))
		return
	}
	if b, ok := v.script(q.Model); !ok || v.broken(b, false) {
		return
	}
	const rate = 8000
	size := chars * rate / 20
	wav := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(36+size))...)
	wav = append(wav, "WAVEfmt "...)
	for _, n := range []uint32{16, 1 | 1<<16, rate, rate, 1 | 8<<16} { // PCM, one channel of 8 bits
		wav = binary.LittleEndian.AppendUint32(wav, n)
	}
	wav = binary.LittleEndian.AppendUint32(append(wav, "data"...), uint32(size))
	for i := range size {
		wav = append(wav, byte(128+16*math.Sin(float64(i)*2*math.Pi*440/rate)))
	}
	pause(v.s.o.Latency)
	v.header(200, "audio/wav")
	v.ctx.SetBody(wav)
}

// moderate flags what holds the word "violence".
func (v *visit) moderate() {
	var q struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"`
	}
	if r := decode(v.ctx.PostBody(), &q); r != nil {
		v.refuse(r)
		return
	}
	texts, ok := strings1(q.Input)
	if !ok || len(texts) == 0 {
		v.refuse(invalid("input", "Invalid type for 'input': expected a string or an array of strings."))
		return
	}
	var results []object
	for _, t := range texts {
		bad, score := bytes.Contains(bytes.ToLower([]byte(t)), []byte("violence")), 0.01
		if bad {
			score = 0.99
		}
		results = append(results, object{"flagged": bad, "categories": object{"violence": bad}, "category_scores": object{"violence": score}})
	}
	v.reply(q.Model, object{"id": "modr-" + v.id, "model": q.Model, "results": results}, nil)
}

// rerank orders documents by what they have in common with the query.
func (v *visit) rerank() {
	var q struct {
		Model     string   `json:"model"`
		Query     string   `json:"query"`
		Documents []string `json:"documents"`
		TopN      *int     `json:"top_n"`
	}
	if r := decode(v.ctx.PostBody(), &q); r != nil {
		v.refuse(r)
		return
	}
	if len(q.Documents) == 0 || len(q.Documents) > maxRanked {
		v.refuse(invalid("documents", "Invalid 'documents': expected an array of 1 to 1000 strings."))
		return
	}
	type ranked struct {
		Index int     `json:"index"`
		Score float64 `json:"relevance_score"`
	}
	var results []ranked
	asked := vector(tokens(q.Query), embedDimensions)
	for i, d := range q.Documents {
		sum := 0.0
		for k, x := range vector(tokens(d), embedDimensions) {
			sum += float64(x) * float64(asked[k])
		}
		results = append(results, ranked{i, max(0, sum)})
	}
	slices.SortStableFunc(results, func(a, b ranked) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	if q.TopN != nil && *q.TopN > 0 && *q.TopN < len(results) {
		results = results[:*q.TopN]
	}
	v.reply(q.Model, object{"id": v.id, "results": results, "meta": object{"billed_units": object{"search_units": 1}}}, nil)
}

// form answers what is sent as a form: pictures to change, and sound to hear, of
// which the engine tells no more than its size.
func (v *visit) form(path string) {
	_, params, err := mime.ParseMediaType(string(v.ctx.Request.Header.ContentType()))
	if err != nil || params["boundary"] == "" {
		v.generate() // or its refusal: pictures may be named in JSON
		return
	}
	f, err := multipart.NewReader(bytes.NewReader(v.ctx.PostBody()), params["boundary"]).ReadForm(maxBody)
	if err != nil {
		v.refuse(invalid("", "We could not parse your form: "+err.Error()))
		return
	}
	value := func(name string) string {
		if l := f.Value[name]; len(l) > 0 {
			return l[0]
		}
		return ""
	}
	var size int64
	for _, files := range f.File {
		for _, h := range files {
			size += h.Size
		}
	}
	if path == "/images/edits" || path == "/images/variations" {
		n, err := strconv.Atoi(value("n"))
		if err != nil {
			n = 1
		}
		v.images(value("prompt"), value("model"), n)
		return
	}
	v.reply(value("model"), object{"text": "I heard " + strconv.FormatInt(size, 10) + " bytes.", "usage": object{"type": "duration", "seconds": (size + 15_999) / 16_000}}, nil)
}
