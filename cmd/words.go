package cmd

import (
	"cmp"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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

// translate gives every command its texts and flags their meaning in the language of
// messages. The English ones stand in the code, and in the catalogue for those who
// translate.
func (a *app) translate(c *cobra.Command) {
	if a.words == nil || a.words.Lang == locales.Languages[0] {
		return
	}
	own := func(key, text string) string {
		if text != "" && a.words.Has(key) {
			return a.words.T(key)
		}
		return text
	}
	c.Short, c.Long = own(wordsKey("short", c), c.Short), own(wordsKey("long", c), c.Long)
	c.InitDefaultHelpFlag()
	if help := c.Flags().Lookup("help"); help != nil {
		help.Usage = a.say("help for %s", c.Name())
	}
	flags := func(f *pflag.Flag) { f.Usage = own(flagKey(c, f), f.Usage) }
	c.Flags().VisitAll(flags)
	c.PersistentFlags().VisitAll(flags)
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
	english := root.UsageFunc()
	root.SetUsageFunc(func(c *cobra.Command) error {
		var page strings.Builder
		to, out := c.OutOrStderr(), c.OutOrStdout()
		c.SetOut(&page)
		err := english(c)
		c.SetOut(out)
		if err == nil {
			_, err = io.WriteString(to, a.translatePage(page.String()))
		}
		return err
	})
}

// translatePage translates the lines of a page of help that are cobra's own. A
// template would do, too, but would keep every method of every type in the program,
// since templates find them by name: a tenth of its size.
func (a *app) translatePage(page string) string {
	lines := strings.Split(page, "\n")
	for i, line := range lines {
		if flag, def, ok := strings.Cut(line, " (default "); ok && strings.HasPrefix(strings.TrimLeft(line, " "), "-") && strings.HasSuffix(def, ")") {
			lines[i] = flag + a.say(" (default %s)", strings.TrimSuffix(def, ")"))
		}
		for _, w := range helpWords {
			if line == w.Format {
				lines[i] = a.say("%v", w)
			} else if before, ok := strings.CutSuffix(line, w.Format); ok && strings.HasPrefix(before, "Use \"") {
				lines[i] = strings.TrimPrefix(before, "Use ") + a.say("%v", w)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// settingMark names, in a flag's annotations, the setting that the flag sets.
const settingMark = "setting"

// wordsKey is the key of a command's text of that kind: cli.short.api_key.create.
func wordsKey(kind string, c *cobra.Command) string {
	_, path, _ := strings.Cut(c.CommandPath(), " ")
	return "cli." + kind + "." + strings.NewReplacer(" ", ".", "-", "_").Replace(cmp.Or(path, "root"))
}

// flagKey is the key of what a flag means: of a setting that serve takes by name, of
// others by their English words, since many verbs share them.
func flagKey(c *cobra.Command, f *pflag.Flag) string {
	if path := f.Annotations[settingMark]; len(path) == 1 {
		return "web.setting." + path[0] // which the page shows, too
	}
	return "cli.flag." + strings.TrimPrefix(locales.SayKey(f.Usage), "cli.say.")
}
