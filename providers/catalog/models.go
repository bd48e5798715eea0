package catalog

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/your-org/ai-api-gateway/providers"
)

// models.tsv holds one model a line, written by generate.go: about 130 KB.
//
//go:embed models.tsv
var table string

var decoded = sync.OnceValues(func() ([]providers.Model, string) {
	list, version, err := decode(table)
	if err != nil {
		panic("BUG: models.tsv: " + err.Error()) // it is part of the program, and its test decodes it
	}
	return list, version
})

// Models returns the facts of all models. The list is shared: do not change it.
func Models() []providers.Model {
	list, _ := decoded()
	return list
}

// Version names the state of the facts: the later of their dates.
func Version() string {
	_, version := decoded()
	return version
}

const columns = 11

type source struct{ text, date string }

func decode(text string) (list []providers.Model, version string, err error) {
	sources := map[string]source{}
	list = make([]providers.Model, 0, strings.Count(text, "\n"))
	for n, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if f[0] == "@source" && len(f) == 4 {
			sources[f[1]] = source{f[2], f[3]}
			version = max(version, f[3])
			continue
		}
		m, err := decodeRow(f, sources)
		if err != nil {
			return nil, "", fmt.Errorf("cannot read line %d: %w", n+1, err)
		}
		list = append(list, m)
	}
	return list, version, nil
}

func decodeRow(f []string, sources map[string]source) (m providers.Model, err error) {
	if len(f) != columns {
		return m, fmt.Errorf("%d columns instead of %d", len(f), columns)
	}
	m = providers.Model{Provider: f[0], ID: f[1], Op: providers.Op(f[2]), Title: f[10]}
	if m.Context, err = strconv.ParseInt(f[3], 10, 64); err != nil {
		return m, err
	}
	if m.MaxOutput, err = strconv.ParseInt(f[4], 10, 64); err != nil {
		return m, err
	}
	m.Priced = f[5] != ""
	if m.Price, err = decodePrice(f[5]); err != nil {
		return m, err
	}
	for t := range strings.SplitSeq(f[6], ";") {
		if t == "" {
			continue
		}
		if err = decodeTier(&m, t); err != nil {
			return m, err
		}
	}
	m.Aliases = strings.Fields(f[7])
	m.Match = strings.Fields(f[8])
	key, note, _ := strings.Cut(f[9], ";")
	src, known := sources[key]
	if !known {
		return m, fmt.Errorf("source %q is not declared", key)
	}
	m.Source, m.AsOf = src.text, src.date
	if note != "" {
		m.Source += " (" + note + ")"
	}
	return m, nil
}

// decodeTier reads "200000:i6 o22", "batch:i1 o5" or "batch>200000:i2 o9".
func decodeTier(m *providers.Model, text string) error {
	key, rates, _ := strings.Cut(text, ":")
	price, err := decodePrice(rates)
	if err != nil {
		return err
	}
	tiers := &m.Tiers
	kind, above, tiered := strings.Cut(key, ">")
	switch {
	case key == "":
		return fmt.Errorf("tier %q has no name", text)
	case strings.Trim(key, "0123456789") == "":
		above = key
	case !tiered:
		m.Variants = append(m.Variants, providers.Variant{Kind: kind, Price: price})
		return nil
	case len(m.Variants) == 0 || m.Variants[len(m.Variants)-1].Kind != kind:
		return fmt.Errorf("tier %q follows no price of its kind", text)
	default:
		tiers = &m.Variants[len(m.Variants)-1].Tiers
	}
	n, err := strconv.ParseInt(above, 10, 64)
	if err != nil {
		return err
	}
	*tiers = append(*tiers, providers.Tier{Above: n, Price: price})
	return nil
}

// decodePrice reads rates and completes them: what a vendor does not price apart
// costs what it is a part of, so that no token is free because a fact is missing.
func decodePrice(text string) (p providers.Price, err error) {
	var given [128]bool
	for one := range strings.FieldsSeq(text) {
		nano, err := parseUSD(one[1:])
		if err != nil {
			return p, err
		}
		given[one[0]&127] = true
		switch one[0] {
		case 'i':
			p.Input = nano
		case 'o':
			p.Output = nano
		case 'r':
			p.CacheRead = nano
		case 'w':
			p.CacheWrite5m = nano
		case 'h':
			p.CacheWrite1h = nano
		case 'I':
			p.InputAudio = nano
		case 'O':
			p.OutputAudio = nano
		case 'm':
			p.InputImage = nano
		case 'M':
			p.OutputImage = nano
		case 'n':
			p.Reasoning = nano
		case 'a':
			p.AudioMs = nano
		case 'c':
			p.Character = nano
		case 'p':
			p.Image = nano * 1_000_000 // given for one
		case 's':
			p.Search = nano * 1000 // given for a thousand
		case 'q':
			p.Request = nano * 1000 // given for a thousand
		default:
			return p, fmt.Errorf("rate %q is of no kind", one)
		}
	}
	complete := func(letter byte, to *providers.Rate, from providers.Rate) {
		if !given[letter] {
			*to = from
		}
	}
	complete('r', &p.CacheRead, p.Input)
	complete('w', &p.CacheWrite5m, p.Input)
	complete('h', &p.CacheWrite1h, p.CacheWrite5m)
	complete('I', &p.InputAudio, p.Input)
	complete('m', &p.InputImage, p.Input)
	complete('n', &p.Reasoning, p.Output)
	complete('O', &p.OutputAudio, p.Output)
	complete('M', &p.OutputImage, p.Output)
	return p, nil
}

// parseUSD reads a decimal amount of USD as nano-USD, exactly: digits beyond the ninth are an error.
func parseUSD(s string) (providers.Rate, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if whole == "" || strings.Trim(whole+frac, "0123456789") != "" {
		return 0, fmt.Errorf("amount %q is no price", s)
	}
	if len(frac) > 9 {
		return 0, fmt.Errorf("amount %q is finer than a nano-USD", s)
	}
	n, err := strconv.ParseInt(whole+frac+"000000000"[len(frac):], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("amount %q is no price", s)
	}
	return providers.Rate(n), nil
}
