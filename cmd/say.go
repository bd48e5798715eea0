package cmd

import (
	"fmt"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// Sentences stand in the code in English. The catalogue has each in every language,
// by the key that locales.SayKey makes of the English one; TestSentences holds the
// two together. They are put into the language of messages where they are shown, so
// that what programs read (-o json, jsonl, csv) stays English.

// errorf is fmt.Errorf for errors that people read.
func errorf(format string, args ...any) error { return locales.Errorf(format, args...) }

// phrase is a sentence that is shown later.
func phrase(format string, args ...any) locales.Phrase {
	return locales.Phrase{Format: format, Args: args}
}

// catalogue is that of the language of messages.
func (a *app) catalogue() *locales.Catalogue {
	if a.words == nil {
		a.words = locales.Load(locales.Languages[0])
	}
	return a.words
}

// say is a sentence in the language of messages.
func (a *app) say(format string, args ...any) string { return a.catalogue().Say(format, args...) }

// word is say for values of tables, which stay English for programs.
func (a *app) word(format string, args ...any) string {
	if a.output != "table" {
		return phrase(format, args...).String()
	}
	return a.say(format, args...)
}

// head is a name in the language of messages: of a column, a fact, a check, a state.
// For programs it stays English.
func (a *app) head(name string) string {
	key, c := headKey(name), a.catalogue()
	if a.output == "table" && c.Lang != locales.Languages[0] && c.Has(key) {
		return c.T(key)
	}
	return name
}

// headKey is the key of a column's or a fact's name.
func headKey(name string) string {
	return "cli.head." + locales.SayKey(name)[min(len("cli.say."), len(locales.SayKey(name))):]
}

// out writes a sentence to standard output.
func (a *app) out(format string, args ...any) (int, error) {
	return fmt.Fprint(a.stdout, a.say(format, args...))
}
