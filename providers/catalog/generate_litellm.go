//go:build ignore

package main

import (
	"cmp"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var litellmLetters = map[string]string{
	"input_cost_per_token": "i", "output_cost_per_token": "o", "cache_read_input_token_cost": "r",
	"cache_creation_input_token_cost": "w", "cache_creation_input_token_cost_above_1hr": "h",
	"input_cost_per_audio_token": "I", "output_cost_per_audio_token": "O",
	"input_cost_per_image_token": "m", "output_cost_per_image_token": "M", "output_cost_per_reasoning_token": "n",
}

// litellmUnits are prices of other units, by the operations they are of. The factor
// makes them what models.tsv holds.
var litellmUnits = map[string]map[string]struct {
	letter string
	factor float64
}{
	"images": {"output_cost_per_image": {"p", 1}, "input_cost_per_image": {"p", 1}},
	"audio":  {"input_cost_per_second": {"a", 1e3}, "input_cost_per_character": {"c", 1e6}},
	"rerank": {"input_cost_per_query": {"s", 1e3}},
}

// picture splits the name of a picture's price: "hd/1024-x-1792/dall-e-3".
var picture = regexp.MustCompile(`^(?:(low|medium|high|standard|hd)/)?(\d+)-x-(\d+)/([^/]+)$`)

func fromLitellm(entries map[string]json.RawMessage) []*row {
	var rows, pictures []*row
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
		op := map[string]string{"chat": "chat", "responses": "chat", "embedding": "embeddings", "completion": "completions", "image_generation": "images",
			"audio_transcription": "audio", "audio_speech": "audio", "rerank": "rerank"}[e.Mode]
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
			r.base, r.tiers = litellmPrices(raw, op)
			if p := picture.FindStringSubmatch(r.id); p != nil {
				r.id = p[4] // priced by what is asked for
				kind := p[2] + "x" + p[3]
				if p[1] != "" {
					kind = p[1] + "/" + kind
				}
				r.variants = map[string][]tier{kind: {{0, rates{"p": r.base["p"]}}}}
				if r.base["p"] > 0 {
					pictures = append(pictures, r)
				}
				continue
			}
			if op == "images" && strings.Contains(r.id, "/") && v.name != "together" && v.name != "fireworks" {
				continue
			}
			if r.base["i"] == 0 && r.base["o"] == 0 && r.base["p"] == 0 && r.base["a"] == 0 && r.base["c"] == 0 && r.base["s"] == 0 && !strings.Contains(r.id, "free") && !(v.name == "zai" && strings.Contains(r.id, "flash")) {
				r.base, r.tiers = rates{}, nil // not told rather than free
			}
			if op == "embeddings" && r.base["i"] > 10 {
				r.base = rates{} // a slip of a thousand: no vendor asks that
			}
			rows = append(rows, r)
		}
	}
	for _, p := range pictures {
		i := slices.IndexFunc(rows, func(r *row) bool { return r.vendor == p.vendor && r.id == p.id })
		if i < 0 {
			p.source, p.base = "l", rates{}
			rows, i = append(rows, p), len(rows)
		}
		rows[i].picture(p.variants)
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.vendor+"\t"+a.id, b.vendor+"\t"+b.id) })
	return slices.CompactFunc(rows, func(a, b *row) bool { return a.vendor == b.vendor && a.id == b.id })
}

// picture adds the price of a kind of picture. A model that is priced by tokens,
// as its answers report them, is not priced by the picture as well; of the others
// the dearest kind is the price of what is not told.
func (r *row) picture(kinds map[string][]tier) {
	if r.base["M"] > 0 {
		return
	}
	if r.variants == nil {
		r.variants = map[string][]tier{}
	}
	for kind, tiers := range kinds {
		r.variants[kind] = tiers
		r.base["p"] = max(r.base["p"], tiers[0].rates["p"])
	}
}

func litellmPrices(raw json.RawMessage, op string) (rates, []tier) {
	var members map[string]any
	_ = json.Unmarshal(raw, &members)
	base, steps := rates{}, map[int64]rates{}
	add := func(into rates, letter string, v any) {
		if f, ok := v.(float64); ok && (f > 0 || letter == "i" || letter == "o") {
			into[letter] = math.Round(f*1e15) / 1e9 // USD per million; the file has per token
		}
	}
	for name, v := range members {
		if unit, ok := litellmUnits[op][name]; ok {
			if f, _ := v.(float64); f > 0 {
				base[unit.letter] = round(f * unit.factor)
			}
			continue
		}
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
			alias[key].take(l)
			continue
		}
		if plain, moving := strings.CutSuffix(l.id, "-latest"); g == nil && moving {
			if base := cmp.Or(at[l.vendor+"\t"+plain], alias[l.vendor+"\t"+plain]); base != nil {
				base.take(l)
				continue
			}
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
