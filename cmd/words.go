package cmd

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// language is the language of messages: of --lang, the profile, the environment. It
// is needed before flags are parsed, since help is written while they are.
func (a *app) language(args []string) string {
	asked := ""
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--lang="); ok {
			asked = value
		} else if arg == "--lang" && i+1 < len(args) {
			asked = args[i+1]
		} else if arg == "--" {
			break
		}
	}
	prof, _ := a.loadProfile() // what is wrong with it is told by who uses it
	return locales.Pick(asked, prof.Lang, a.env["LC_ALL"], a.env["LC_MESSAGES"], a.env["LANG"])
}

// t is the text of key in the language of messages.
func (a *app) t(key string, args ...any) string {
	if a.words == nil {
		a.words = locales.Load(locales.Languages[0])
	}
	return a.words.T(key, args...)
}

// translate gives every command its short text in the language of messages. The
// English one stands in the code, and in the catalogue for those who translate.
func (a *app) translate(c *cobra.Command) {
	if a.words == nil || a.words.Lang == locales.Languages[0] {
		return
	}
	if key := wordsKey(c); a.words.Has(key) {
		c.Short = a.words.T(key)
	}
	for _, sub := range c.Commands() {
		a.translate(sub)
	}
}

// wordsKey is the key of a command's short text: cli.short.api_key.create.
func wordsKey(c *cobra.Command) string {
	_, path, _ := strings.Cut(c.CommandPath(), " ")
	return "cli.short." + strings.NewReplacer(" ", ".", "-", "_").Replace(path)
}
