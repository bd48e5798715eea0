//go:build ignore

// Command generate writes models.tsv from public price facts:
//
//	go run providers/catalog/generate.go -genai genai-prices.json -litellm model_prices_and_context_window_backup.json > providers/catalog/models.tsv
//
// The first file is the data of pydantic/genai-prices, the second is in the PyPI
// package litellm. Facts are taken from the first; the second adds models, output
// limits, and the rates the first lacks. Where the two disagree the rules of
// judge.newer decide, and the row says what the other one says.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// vendors maps our provider names to the names the two files use. prefix is what
// litellm puts before a model's name.
var vendors = []struct{ name, genai, litellm, prefix string }{
	{"openai", "openai", "openai", ""},
	{"anthropic", "anthropic", "anthropic", ""},
	{"gemini", "google", "gemini", "gemini/"},
	{"deepseek", "deepseek", "deepseek", "deepseek/"},
	{"qwen", "", "dashscope", "dashscope/"},
	{"moonshot", "moonshotai", "moonshot", "moonshot/"},
	{"zhipu", "zhipuai", "", ""},
	{"zai", "", "zai", "zai/"},
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
}

// newer lists the vendors for which litellm's rate is taken where the two differ:
// its file is the later one by months, and for these its entries cite the vendors'
// own pages. (Checked: DeepSeek's peak rates since 2026-08-16 stand in litellm alone.)
var newer = map[string]bool{"openai": true, "anthropic": true, "gemini": true, "deepseek": true, "mistral": true, "xai": true}

type rates map[string]float64 // USD per million units, by the letters of models.tsv

type row struct {
	vendor, id, op, title, source string
	context, output               int64
	base                          rates
	tiers                         []tier
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
	facts := flag.String("date", "2026-08-21", "date of the genai-prices data; prices announced for later are not facts")
	read := flag.String("read", "2026-11-23", "date of reading the litellm data")
	flag.Parse()
	var providers []genaiProvider
	load(*genai, &providers)
	entries := map[string]json.RawMessage{}
	load(*other, &entries)

	rows := fromGenai(providers, *facts)
	rows = judge(rows, fromLitellm(entries))
	slices.SortStableFunc(rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.vendor, b.vendor), cmp.Compare(a.id, b.id))
	})
	write(os.Stdout, rows, *facts, *read)
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

type genaiProvider struct {
	ID     string `json:"id"`
	Models []struct {
		ID      string          `json:"id"`
		Name    string          `json:"name"`
		Match   json.RawMessage `json:"match"`
		Context int64           `json:"context_window"`
		Prices  json.RawMessage `json:"prices"`
		Comment string          `json:"price_comments"`
	} `json:"models"`
}

var genaiLetters = map[string]string{
	"input_mtok": "i", "output_mtok": "o", "cache_read_mtok": "r", "cache_write_mtok": "w",
	"input_audio_mtok": "I", "output_audio_mtok": "O", "requests_kcount": "q",
}

func fromGenai(list []genaiProvider, date string) []*row {
	var rows []*row
	for _, v := range vendors {
		for _, p := range list {
			if v.genai == "" || p.ID != v.genai {
				continue
			}
			for _, m := range p.Models {
				if v.name != "openrouter" && (strings.Contains(m.Comment, "OpenRouter") || strings.HasSuffix(m.ID, ":free")) ||
					v.name == "gemini" && strings.HasPrefix(m.ID, "claude") {
					continue // what OpenRouter says of another's model; what Vertex serves besides
				}
				r := &row{vendor: v.name, id: m.ID, title: m.Name, context: m.Context, source: "g", op: operation(m.ID)}
				r.names, r.match = matches(m.Match)
				if v.name == "fireworks" && len(r.names) > 0 { // the file's ids are short, the names callers use long
					r.id, r.names = r.names[0], append(r.names[1:], m.ID)
				}
				r.base, r.tiers = genaiPrices(m.Prices, date)
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
		base[letter] = tiered.Base
		for _, t := range tiered.Tiers {
			if steps[t.Start] == nil {
				steps[t.Start] = rates{}
			}
			steps[t.Start][letter] = t.Price
		}
	}
	return base, ordered(base, steps)
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
	case has("gpt-image", "dall-e", "imagen"):
		return "images"
	case slices.Contains([]string{"ada", "babbage", "curie", "davinci"}, id), has("davinci-00", "babbage-00", "turbo-instruct"):
		return "completions"
	}
	return "chat"
}

var litellmLetters = map[string]string{
	"input_cost_per_token": "i", "output_cost_per_token": "o", "cache_read_input_token_cost": "r",
	"cache_creation_input_token_cost": "w", "cache_creation_input_token_cost_above_1hr": "h",
	"input_cost_per_audio_token": "I", "output_cost_per_audio_token": "O",
	"input_cost_per_image_token": "m", "output_cost_per_image_token": "M", "output_cost_per_reasoning_token": "n",
}

func fromLitellm(entries map[string]json.RawMessage) []*row {
	var rows []*row
	for key, raw := range entries {
		var e struct {
			Provider  string  `json:"litellm_provider"`
			Mode      string  `json:"mode"`
			MaxInput  float64 `json:"max_input_tokens"`
			MaxOutput float64 `json:"max_output_tokens"`
			Tiered    []struct {
				Range []float64 `json:"range"`
			} `json:"tiered_pricing"`
		}
		if json.Unmarshal(raw, &e) != nil {
			continue // the sample entry
		}
		op := map[string]string{"chat": "chat", "responses": "chat", "embedding": "embeddings", "completion": "completions"}[e.Mode]
		if e.Provider == "perplexity" && e.Mode == "responses" {
			continue // other vendors' models by way of its agents, at their prices
		}
		for _, v := range vendors {
			if op == "" || v.litellm == "" || !slices.Contains(strings.Fields(v.litellm), e.Provider) {
				continue
			}
			r := &row{vendor: v.name, id: strings.TrimPrefix(key, v.prefix), op: op, source: "l", context: int64(e.MaxInput), output: int64(e.MaxOutput)}
			r.id = strings.TrimPrefix(r.id, "cohere/")
			if op == "embeddings" {
				r.output = 0
			}
			if strings.HasPrefix(r.id, "ft:") || strings.Contains(r.id, "realtime") || strings.HasPrefix(r.id, "us/") || strings.HasPrefix(r.id, "eu/") || strings.HasPrefix(r.id, "fast/") || strings.Contains(r.id, "container") {
				continue
			}
			r.base, r.tiers = litellmPrices(raw)
			if r.base["i"] == 0 && r.base["o"] == 0 && !strings.Contains(r.id, "free") && !(v.name == "zai" && strings.Contains(r.id, "flash")) {
				r.base, r.tiers = rates{}, nil // not told rather than free
			}
			if op == "embeddings" && r.base["i"] > 10 {
				r.base = rates{} // a slip of a thousand: no vendor asks that
			}
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.vendor+"\t"+a.id, b.vendor+"\t"+b.id) })
	return slices.CompactFunc(rows, func(a, b *row) bool { return a.vendor == b.vendor && a.id == b.id })
}

func litellmPrices(raw json.RawMessage) (rates, []tier) {
	var members map[string]any
	_ = json.Unmarshal(raw, &members)
	base, steps := rates{}, map[int64]rates{}
	add := func(into rates, letter string, v any) {
		if f, ok := v.(float64); ok && (f > 0 || letter == "i" || letter == "o") {
			into[letter] = math.Round(f*1e15) / 1e9 // USD per million; the file has per token
		}
	}
	for name, v := range members {
		if letter, ok := litellmLetters[name]; ok {
			add(base, letter, v)
			continue
		}
		name, above, ok := strings.Cut(name, "_above_")
		k, isTokens := strings.CutSuffix(above, "k_tokens")
		n, err := strconv.ParseInt(k, 10, 64)
		if letter, known := litellmLetters[name]; ok && isTokens && known && err == nil {
			if steps[n*1000] == nil {
				steps[n*1000] = rates{}
			}
			add(steps[n*1000], letter, v)
		}
	}
	if list, ok := members["tiered_pricing"].([]any); ok {
		for i, one := range list {
			m, _ := one.(map[string]any)
			span, _ := m["range"].([]any)
			into := base
			if i > 0 && len(span) == 2 {
				from, _ := span[0].(float64)
				into = rates{}
				steps[int64(from)] = into
			}
			for name, letter := range litellmLetters {
				if v, ok := m[name]; ok {
					add(into, letter, v)
				}
			}
		}
	}
	return base, ordered(base, steps)
}

// judge merges the second source into the first.
func judge(rows, second []*row) []*row {
	at := map[string]*row{}
	for _, r := range rows {
		at[r.vendor+"\t"+r.id] = r
	}
	alias := map[string]*row{}
	for _, r := range rows {
		for _, n := range r.names {
			alias[r.vendor+"\t"+n] = r
		}
	}
	for _, l := range second {
		key := l.vendor + "\t" + l.id
		g := at[key]
		if g == nil && alias[key] != nil {
			if a := alias[key]; same(a, l) || len(l.base) == 0 || l.base["o"] == 0 && l.op == "chat" {
				a.take(l)
				continue
			}
			l.source = "l;" + said("genai-prices", alias[key]) // a name that is priced apart: a row of its own
			a := alias[key]
			a.names = slices.DeleteFunc(a.names, func(n string) bool { return n == l.id })
		}
		if undated := date.ReplaceAllString(l.id, ""); g == nil && undated != l.id {
			base := cmp.Or(at[l.vendor+"\t"+undated], alias[l.vendor+"\t"+undated])
			if base != nil && same(base, l) {
				base.names = append(base.names, l.id)
				base.take(l)
				continue
			}
		}
		if g == nil && l.vendor == "fireworks" {
			continue // mostly rates by size class, and models of long ago
		}
		if g == nil {
			rows = append(rows, l)
			at[key] = l
			continue
		}
		switch {
		case len(g.base) == 0 && l.base["i"] > 0:
			g.base, g.tiers, g.source = l.base, l.tiers, "l"
		case same(g, l) || l.base["i"] == 0:
		case newer[g.vendor] && !strings.Contains(g.id, "image"):
			g.source = "l;" + said("genai-prices", g)
			g.base, g.tiers = l.base, l.tiers
		default:
			g.source += ";" + said("litellm", l)
		}
		g.take(l)
	}
	for _, r := range rows {
		if w, ok := r.base["w"]; r.vendor == "anthropic" && ok && w > 0 {
			r.base["h"] = round(2 * r.base["i"]) // platform.claude.com/docs/en/about-claude/pricing: 1 h writes are twice the input
			for i := range r.tiers {
				r.tiers[i].rates["h"] = round(2 * r.tiers[i].rates["i"])
			}
		}
	}
	return slices.DeleteFunc(rows, func(r *row) bool { return r.op == "" })
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
	fmt.Fprintf(w, "# rates in USD per million: i input, o output, r cache read, w 5 min write, h 1 h write, I/O audio, m/M image, n reasoning; q per 1,000 requests\n")
	fmt.Fprintf(w, "@source\tg\tgenai-prices 47df840a\t%s\n", facts)
	fmt.Fprintf(w, "@source\tl\tlitellm 1.109.1\t%s\n", read)
	for _, r := range rows {
		var tiers []string
		for _, t := range r.tiers {
			tiers = append(tiers, fmt.Sprintf("%d:%s", t.above, t.rates))
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
	for _, k := range strings.Split("iorwhIOmMnq", "") {
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
