package gemini

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/providers"
	"github.com/your-org/ai-api-gateway/providers/wire"
)

// annotations turns groundingMetadata into OpenAI's url_citation list, which the
// other formats' encoders read. Segments count bytes of UTF-8, annotations characters.
func annotations(grounding json.RawMessage, text string) json.RawMessage {
	var pages [][]byte
	wire.EachElement(at(grounding, "groundingChunks"), func(elem []byte) bool {
		pages = append(pages, at(elem, "web"))
		return true
	})
	if len(pages) == 0 {
		return nil
	}
	out := []byte{'['}
	wire.EachElement(at(grounding, "groundingSupports"), func(support []byte) bool {
		segment := at(support, "segment")
		from, to := characters(text, at(segment, "startIndex")), characters(text, at(segment, "endIndex"))
		wire.EachElement(at(support, "groundingChunkIndices"), func(elem []byte) bool {
			n, ok := wire.Int(elem)
			if !ok || n < 0 || n >= int64(len(pages)) || stringAt(pages[n], "uri") == "" {
				return true
			}
			out = append(wire.Comma(out), `{"type":"url_citation","url_citation":{`...)
			out = wire.PutInt(wire.PutInt(out, "start_index", from), "end_index", max(from, to))
			out = wire.PutString(out, "url", stringAt(pages[n], "uri"))
			out = append(wire.PutString(out, "title", stringAt(pages[n], "title")), "}}"...)
			return true
		})
		return true
	})
	if len(out) == 1 {
		return nil
	}
	return append(out, ']')
}

// characters counts the characters before a byte of text.
func characters(text string, v []byte) int64 {
	n, _ := wire.Int(v)
	return int64(utf8.RuneCountInString(text[:max(0, min(n, int64(len(text))))]))
}

// grounding turns the citations of an answer into groundingMetadata: OpenAI's
// url_citation annotations and Anthropic's citations of pages.
func grounding(blocks []providers.Block) json.RawMessage {
	chunks, supports := []byte{'['}, []byte{'['}
	n, before := 0, 0
	for i := range blocks {
		b := &blocks[i]
		if b.Kind != providers.KindText {
			continue
		}
		wire.EachElement(b.Citations, func(c []byte) bool {
			page := c
			if inner := at(c, "urlCitation"); inner != nil {
				page = inner
			}
			url := stringAt(page, "url")
			if url == "" {
				return true
			}
			from, to := before, before+len(b.Text)
			if start, end := at(page, "startIndex"), at(page, "endIndex"); start != nil && end != nil {
				from, to = before+bytesBefore(b.Text, start), before+bytesBefore(b.Text, end)
			}
			chunks = append(wire.Comma(chunks), `{"web":{`...)
			chunks = append(wire.PutString(wire.PutString(chunks, "uri", url), "title", stringAt(page, "title")), "}}"...)
			supports = append(wire.Comma(supports), `{"segment":{`...)
			supports = wire.PutInt(wire.PutInt(supports, "startIndex", int64(from)), "endIndex", int64(max(from, to)))
			supports = append(supports, `},"groundingChunkIndices":[`...)
			supports = append(strconv.AppendInt(supports, int64(n), 10), "]}"...)
			n++
			return true
		})
		before += len(b.Text)
	}
	if n == 0 {
		return nil
	}
	out := append([]byte(`{"groundingChunks":`), chunks...)
	out = append(append(out, `],"groundingSupports":`...), supports...)
	return append(out, "]}"...)
}

// bytesBefore tells at which byte of text a character begins.
func bytesBefore(text string, v []byte) int {
	n, _ := wire.Int(v)
	for i := range text {
		if n <= 0 {
			return i
		}
		n--
	}
	return len(text)
}
