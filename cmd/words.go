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
	return a.catalogue().T(key, args...)
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

// helpWords are those of cobra's own in a page of help.
var helpWords = []locales.Phrase{
	phrase("Usage:"), phrase("Aliases:"), phrase("Examples:"), phrase("Available Commands:"), phrase("Additional Commands:"),
	phrase("Global Flags:"), phrase("Flags:"), phrase("Additional help topics:"), phrase("for more information about a command."),
}

// translateHelp puts the headings of help into the language of messages.
func (a *app) translateHelp(root *cobra.Command) {
	if a.catalogue().Lang == locales.Languages[0] {
		return
	}
	page := root.UsageTemplate()
	for _, w := range helpWords {
		page = strings.ReplaceAll(page, w.Format, a.say("%v", w))
	}
	root.SetUsageTemplate(strings.ReplaceAll(page, "Use \"", "\""))
}

// wordsKey is the key of a command's short text: cli.short.api_key.create.
func wordsKey(c *cobra.Command) string {
	_, path, _ := strings.Cut(c.CommandPath(), " ")
	return "cli.short." + strings.NewReplacer(" ", ".", "-", "_").Replace(path)
}
