//go:build ignore

// Command generate writes models.tsv from public price facts:
//
//	python providers/catalog/genai_facts.py > genai-prices.json
//	go run providers/catalog/generate.go providers/catalog/generate_litellm.go -genai genai-prices.json -litellm model_prices_and_context_window_backup.json > providers/catalog/models.tsv
//
// The first file is the data of the PyPI package genai-prices, the second is in the
// PyPI package litellm. Facts are taken from the first; the second adds models, output
// limits, and the rates the first lacks. Where the two disagree the first is taken
// (what xAI itself says it charged in recorded answers agrees with it), and the row
// says what the other one says.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

type vendor struct{ name, genai, litellm, prefix string }

// vendors maps our provider names to the names the two files use. prefix is what
// litellm puts before a model's name.
var vendors = []vendor{
	{"openai", "openai", "openai", ""},
	{"anthropic", "anthropic", "anthropic", ""},
	{"gemini", "google", "gemini", "gemini/"},
	{"deepseek", "deepseek", "deepseek", "deepseek/"},
	{"qwen", "", "dashscope", "dashscope/"},
	{"moonshot", "moonshotai", "moonshot", "moonshot/"},
	{"zhipu", "zhipuai", "", ""},
	{"zai", "zai", "zai", "zai/"},
	{"minimax", "minimax", "minimax", "minimax/"},
	{"doubao", "", "volcengine", "volcengine/"},
	{"mistral", "mistral", "mistral", "mistral/"},
	{"groq", "groq", "groq", "groq/"},
	{"xai", "x-ai", "xai", "xai/"},
	{"together", "together", "together_ai", "together_ai/"},
	{"fireworks", "fireworks", "fireworks_ai", "fireworks_ai/"},
	{"openrouter", "openrouter", "", ""},
	{"perplexity", "perplexity", "perplexity", "perplexity/"},
	{"cohere", "cohere", "cohere_chat cohere", ""},
	{"cerebras", "cerebras", "cerebras", "cerebras/"},
	{"vercel", "", "vercel_ai_gateway", "vercel_ai_gateway/"},
	{"azure", "azure", "", ""},
	{"bedrock", "aws", "", ""},
	{"avian", "avian", "", ""},
	{"novita", "novita", "", ""},
	{"voyage", "voyageai", "", ""},
	{"ovhcloud", "ovhcloud", "", ""},
	{"baseten", "baseten", "", ""},
	{"arcee", "arcee", "", ""},
	{"doubleword", "doubleword", "", ""},
	{"meta", "meta", "", ""},
}

type rates map[string]float64 // USD per million units, by the letters of models.tsv

type row struct {
	vendor, id, op, title, source string
	context, output               int64
	base                          rates
	tiers                         []tier
	variants                      map[string][]tier // the first of each holds from 0 on
	names, match                  []string
}

type tier struct {
	above int64
	rates rates
}

func main() {
	log.SetFlags(0)
	genai := flag.String("genai", "../shared/prices/genai-prices.json", "data of genai-prices")
	other := flag.String("litellm", "", "data of litellm")
	facts := flag.String("date", "2026-11-25", "date of the genai-prices data; prices announced for later are not facts")
	read := flag.String("read", "2026-11-25", "date of reading the litellm data")
	flag.Parse()
	var providers []genaiProvider
	load(*genai, &providers)
	entries := map[string]json.RawMessage{}
	load(*other, &entries)

	rows := append(fromGenai(providers, *facts), byHand()...)
	rows = judge(rows, fromLitellm(entries))
	slices.SortStableFunc(rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.vendor, b.vendor), cmp.Compare(a.id, b.id))
	})
	write(os.Stdout, rows, *facts, *read)
}

// byHand returns models that are still asked for and that neither file holds any
// more, as their vendor's price list had them.
func byHand() []*row {
	kinds := func(prices map[string]float64) map[string][]tier {
		out := map[string][]tier{}
		for kind, usd := range prices {
			out[kind] = []tier{{0, rates{"p": usd}}}
		}
		return out
	}
	return []*row{
		{vendor: "openai", id: "dall-e-2", op: "images", title: "DALL·E 2", source: "o", base: rates{"p": 0.02},
			variants: kinds(map[string]float64{"256x256": 0.016, "512x512": 0.018, "1024x1024": 0.02})},
		{vendor: "openai", id: "dall-e-3", op: "images", title: "DALL·E 3", source: "o", base: rates{"p": 0.12},
			variants: kinds(map[string]float64{"1024x1024": 0.04, "1024x1792": 0.08, "1792x1024": 0.08,
				"standard/1024x1024": 0.04, "standard/1024x1792": 0.08, "standard/1792x1024": 0.08,
				"hd/1024x1024": 0.08, "hd/1024x1792": 0.12, "hd/1792x1024": 0.12})},
	}
}

func load(path string, v any) {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		log.Fatalf("cannot load %s: %v", path, err)
	}
}

// huggingface returns the hosts behind Hugging Face's router, which its callers name
// after the model: "Qwen/Qwen3-32B:groq".
func huggingface(list []genaiProvider) []vendor {
	var out []vendor
	for _, p := range list {
		if strings.HasPrefix(p.ID, "huggingface_") {
			out = append(out, vendor{"huggingface", p.ID, "", ""})
		}
	}
	return out
}

type genaiProvider struct {
	ID     string `json:"id"`
	Models []struct {
		ID       string          `json:"id"`
		Name     string          `json:"name"`
		Match    json.RawMessage `json:"match"`
		Context  int64           `json:"context_window"`
		Prices   json.RawMessage `json:"prices"`
		Comment  string          `json:"price_comments"`
		Variants []struct {
			When       map[string]string `json:"when"`
			Constraint struct {
				Start string `json:"start_date"`
			} `json:"constraint"`
			Prices json.RawMessage `json:"prices"`
		} `json:"price_variants"`
	} `json:"models"`
}

var genaiLetters = map[string]string{
	"input_mtok": "i", "output_mtok": "o", "cache_read_mtok": "r", "cache_write_mtok": "w", "cache_write_1h_mtok": "h",
	"input_audio_mtok": "I", "output_audio_mtok": "O", "input_image_mtok": "m", "output_image_mtok": "M", "output_reasoning_mtok": "n",
	"requests_kcount": "q", "web_searches_kcount": "s", "audio_hours": "a", "input_audio_hours": "a", "input_mchars": "c",
}

func fromGenai(list []genaiProvider, date string) []*row {
	var rows []*row
	for _, v := range append(vendors, huggingface(list)...) {
		for _, p := range list {
			if v.genai == "" || p.ID != v.genai {
				continue
			}
			for _, m := range p.Models {
				if v.name == "huggingface" {
					m.ID += ":" + strings.TrimPrefix(v.genai, "huggingface_")
					m.Match = nil
				}
				if v.name != "openrouter" && (strings.Contains(m.Comment, "OpenRouter") || strings.HasSuffix(m.ID, ":free")) ||
					v.name == "gemini" && strings.HasPrefix(m.ID, "claude") {
					continue // what OpenRouter says of another's model; what Vertex serves besides
				}
				r := &row{vendor: v.name, id: m.ID, title: m.Name, context: m.Context, source: "g", op: operation(m.ID)}
				r.names, r.match = matches(m.Match)
				if v.name == "fireworks" && len(r.names) > 0 { // the file's ids are short, the names callers use long
					r.id, r.names = r.names[0], append(r.names[1:], m.ID)
				}
				if low := strings.ToLower(r.id); (v.name == "zai" || v.name == "zhipu") && slices.Contains(r.names, low) {
					r.id, r.names = low, append(r.names, r.id) // as their interfaces spell it
				}
				r.base, r.tiers = genaiPrices(m.Prices, date)
				for _, v := range m.Variants {
					kind := cmp.Or(v.When["processing"], v.When["service_tier"])
					if len(v.When) != 1 || kind == "" || kind == "default" || kind == "fast" || v.Constraint.Start > date {
						continue
					}
					r.variant(kind, v.Prices, date)
				}
				if r.op == "moderations" && len(r.base) == 0 {
					r.base = rates{"i": 0} // free of charge: platform.openai.com/docs/guides/moderation
				}
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// matches reads the rule that tells a model's names. A prefix is taken as a name:
// what may follow it (dates, -latest) the catalogue knows by vendor, and a model of
// the next generation must not be taken for it.
func matches(raw json.RawMessage) (names, patterns []string) {
	var rule map[string]json.RawMessage
	_ = json.Unmarshal(raw, &rule)
	for kind, v := range rule {
		var list []json.RawMessage
		var s string
		_ = json.Unmarshal(v, &s)
		switch kind {
		case "or":
			_ = json.Unmarshal(v, &list)
			for _, one := range list {
				n, p := matches(one)
				names, patterns = append(names, n...), append(patterns, p...)
			}
		case "equals":
			names = append(names, s)
		case "starts_with":
			if strings.HasSuffix(s, "-") || strings.HasPrefix(s, "ft:") {
				patterns = append(patterns, s+"*")
				break
			}
			names = append(names, s)
		case "contains":
			patterns = append(patterns, "*"+s+"*")
		case "ends_with":
			patterns = append(patterns, "*"+s)
		}
	}
	return names, patterns
}

func genaiPrices(raw json.RawMessage, date string) (rates, []tier) {
	var dated []struct {
		Constraint struct {
			Start string `json:"start_date"`
		} `json:"constraint"`
		Prices json.RawMessage `json:"prices"`
	}
	if json.Unmarshal(raw, &dated) == nil {
		for _, d := range dated { // the last that holds; of two times of day that is the dearer one
			if d.Constraint.Start <= date {
				raw = d.Prices
			}
		}
	}
	var units map[string]json.RawMessage
	if err := json.Unmarshal(raw, &units); err != nil {
		log.Fatalf("cannot read prices %s: %v", raw, err)
	}
	base, steps := rates{}, map[int64]rates{}
	for unit, v := range units {
		letter, known := genaiLetters[unit]
		var tiered struct {
			Base  float64 `json:"base"`
			Tiers []struct {
				Start int64   `json:"start"`
				Price float64 `json:"price"`
			} `json:"tiers"`
		}
		if !known {
			continue
		}
		if json.Unmarshal(v, &tiered.Base) != nil {
			_ = json.Unmarshal(v, &tiered)
		}
		scale := 1.0
		if letter == "a" {
			scale = 1 / 3.6 // an hour has 3.6 million milliseconds
		}
		base[letter] = tiered.Base * scale
		for _, t := range tiered.Tiers {
			if steps[t.Start] == nil {
				steps[t.Start] = rates{}
			}
			steps[t.Start][letter] = t.Price * scale
		}
	}
	return base, ordered(base, steps)
}

// variant notes what calls of a kind that is priced apart cost. What they do not
// change they share with the others.
func (r *row) variant(kind string, raw json.RawMessage, date string) {
	base, tiers := genaiPrices(raw, date)
	if r.variants == nil {
		r.variants = map[string][]tier{}
	}
	full := rates{}
	for k, v := range r.base {
		full[k] = v
	}
	for k, v := range base {
		full[k] = v
	}
	r.variants[kind] = append([]tier{{0, full}}, tiers...)
}

// ordered completes the tiers with the rates they do not change.
func ordered(base rates, steps map[int64]rates) []tier {
	var list []tier
	for above := range steps {
		list = append(list, tier{above: above})
	}
	slices.SortFunc(list, func(a, b tier) int { return cmp.Compare(a.above, b.above) })
	last := base
	for i := range list {
		full := rates{}
		for k, v := range last {
			full[k] = v
		}
		for k, v := range steps[list[i].above] {
			full[k] = v
		}
		list[i].rates, last = full, full
	}
	return list
}

func operation(id string) string {
	id = strings.ToLower(id)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(id, w) })
	}
	switch {
	case has("realtime"):
		return ""
	case has("rerank"):
		return "rerank"
	case has("embed"):
		return "embeddings"
	case has("moderation"):
		return "moderations"
	case has("transcribe", "tts", "whisper", "playai"):
		return "audio"
	case has("gpt-image", "dall-e", "imagen", "grok-imagine"):
		return "images"
	case slices.Contains([]string{"ada", "babbage", "curie", "davinci"}, id), has("davinci-00", "babbage-00", "turbo-instruct"):
		return "completions"
	}
	return "chat"
}

// date is the ending of a dated name.
var date = regexp.MustCompile(`[-@]20\d{2}-?\d{2}-?\d{2}$`)

func round(f float64) float64 { return math.Round(f*1e9) / 1e9 }

func same(a, b *row) bool { return a.base["i"] == b.base["i"] && a.base["o"] == b.base["o"] }

// take fills what a row lacks from another of the same model.
func (r *row) take(l *row) {
	r.output = cmp.Or(r.output, l.output)
	r.context = cmp.Or(r.context, l.context)
	if !same(r, l) {
		return
	}
	for k, v := range l.base {
		if _, has := r.base[k]; !has && v > 0 {
			r.base[k] = v
			for i := range r.tiers {
				r.tiers[i].rates[k] = v
			}
		}
	}
}

func said(who string, r *row) string {
	return fmt.Sprintf("%s says %s/%s", who, decimal(r.base["i"]), decimal(r.base["o"]))
}

// decimal writes an amount to the nano-USD.
func decimal(f float64) string { return strconv.FormatFloat(round(f), 'f', -1, 64) }

func write(w io.Writer, rows []*row, facts, read string) {
	fmt.Fprintf(w, "# Models and prices: generated by generate.go, do not edit.\n")
	fmt.Fprintf(w, "# provider, id, operation, context, max output, rates, tiers, other names, patterns, source, title\n")
	fmt.Fprintf(w, "# rates in USD per million: i input, o output, r cache read, w 5 min write, h 1 h write, I/O audio, m/M image, n reasoning, a million ms of sound, c characters; p a picture, s 1,000 searches, q 1,000 requests\n# tiers: above so many tokens, or by kind of call: a service tier, or quality/size of a picture, \">\" and tokens\n")
	fmt.Fprintf(w, "@source\tg\tgenai-prices 0.2.3\t%s\n", facts)
	fmt.Fprintf(w, "@source\tl\tlitellm 1.109.1\t%s\n", read)
	fmt.Fprintf(w, "@source\to\tplatform.openai.com/docs/pricing\t2025-06-10\n")
	for _, r := range rows {
		var tiers []string
		for _, t := range r.tiers {
			tiers = append(tiers, fmt.Sprintf("%d:%s", t.above, t.rates))
		}
		for _, kind := range slices.Sorted(maps.Keys(r.variants)) {
			for _, t := range r.variants[kind] {
				name := kind
				if t.above > 0 {
					name = fmt.Sprintf("%s>%d", kind, t.above)
				}
				tiers = append(tiers, name+":"+t.rates.String())
			}
		}
		line := []string{
			r.vendor, r.id, r.op, strconv.FormatInt(r.context, 10), strconv.FormatInt(r.output, 10),
			r.base.String(), strings.Join(tiers, ";"), unique(r.names, r.id), unique(r.match, ""), r.source, strings.Join(strings.Fields(r.title), " "),
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
}

func (r rates) String() string {
	var list []string
	for _, k := range strings.Split("iorwhIOmMnpacsq", "") {
		if v, ok := r[k]; ok {
			list = append(list, k+decimal(v))
		}
	}
	return strings.Join(list, " ")
}

func unique(list []string, but string) string {
	slices.Sort(list)
	list = slices.Compact(list)
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == but }), " ")
}
