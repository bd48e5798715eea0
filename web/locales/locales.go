// Package locales holds what people read in each language, one JSON file a
// language with flat dotted keys (tui.…, web.…, common.…), and how numbers, money
// and times are written. The terminal and the page share it.
package locales

import (
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

//go:embed *.json
var files embed.FS

// Languages are those there is a catalogue of; the first is what all others fall back to.
var Languages = []string{"en", "zh-CN"}

// A Catalogue is the texts of one language.
type Catalogue struct {
	Lang string
	text map[string]string
	base map[string]string // English, for texts not yet translated
}

// Pick returns the language of Languages that the first non-empty tag asks for: a
// BCP 47 tag or a locale's name (zh, zh-Hans-CN, zh_CN.UTF-8). Others are English.
func Pick(tags ...string) string {
	for _, tag := range tags {
		if tag == "" {
			continue
		}
		if tag = strings.ToLower(tag); tag == "zh" || strings.HasPrefix(tag, "zh-") || strings.HasPrefix(tag, "zh_") {
			return "zh-CN"
		}
		return "en"
	}
	return "en"
}

// Load returns the catalogue of a language of Languages; another one panics, since
// Pick returns no other.
func Load(lang string) *Catalogue {
	c := &Catalogue{Lang: lang, text: read(lang)}
	c.base = c.text
	if lang != Languages[0] {
		c.base = read(Languages[0])
	}
	return c
}

func read(lang string) map[string]string {
	b, err := files.ReadFile(lang + ".json")
	m := map[string]string{}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		panic(fmt.Sprintf("BUG: no catalogue of %q: %v", lang, err))
	}
	return m
}

// T returns the text of key with args in the places of {0}, {1}, …; the key itself
// where no language has it.
func (c *Catalogue) T(key string, args ...any) string {
	s, ok := c.text[key]
	if !ok {
		if s, ok = c.base[key]; !ok {
			s = key
		}
	}
	if len(args) == 0 {
		return s
	}
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", fmt.Sprint(a))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// Has reports whether the language itself has the key.
func (c *Catalogue) Has(key string) bool { _, ok := c.text[key]; return ok }

// Keys returns all keys of the language, in no order.
func (c *Catalogue) Keys() []string {
	out := make([]string, 0, len(c.text))
	for k := range c.text {
		out = append(out, k)
	}
	return out
}
