package cmd

import (
	"errors"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// wrongUsage is a mistake in how a command was called.
func wrongUsage(next, msg string, args ...any) error {
	return &exitError{exitUsage, &hintError{err: errorf(msg, args...), next: next}}
}

// usageOf makes what cobra says of flags and arguments an error of usage.
func usageOf(c *cobra.Command, err error) error {
	var e *exitError
	if errors.As(err, &e) {
		return err
	}
	h := &hintError{err: err, next: c.CommandPath() + " --help"}
	var told *locales.Error
	if !errors.As(err, &told) {
		text := strings.SplitN(err.Error(), "\n", 2)[0]
		h.err = cobraSaid(text)
		if flag, ok := strings.CutPrefix(text, "unknown flag: --"); ok {
			if near := nearest(flag, flagNames(c)); near != "" {
				h.err = errorf("%s, did you mean %q?", h.err, "--"+near)
			}
		} else if strings.Contains(text, " arg(s), ") {
			h.hint = phrase("Usage: %s", c.UseLine())
		}
	}
	return &exitError{exitUsage, h}
}

// cobraSays are what cobra and pflag say of wrong usage, with places for what they name.
var cobraSays = []struct {
	said *regexp.Regexp
	form string
}{
	{regexp.MustCompile(`^unknown flag: (.+)$`), "unknown flag: %s"},
	{regexp.MustCompile(`^unknown shorthand flag: (.+) in (.+)$`), "unknown shorthand flag: %s in %s"},
	{regexp.MustCompile(`^flag needs an argument: (.+)$`), "flag needs an argument: %s"},
	{regexp.MustCompile(`^invalid argument (".*") for (".*") flag: (.+)$`), "invalid argument %s for %s flag: %s"},
	{regexp.MustCompile(`^accepts (\d+) arg\(s\), received (\d+)$`), "accepts %s arg(s), received %s"},
	{regexp.MustCompile(`^accepts at most (\d+) arg\(s\), received (\d+)$`), "accepts at most %s arg(s), received %s"},
	{regexp.MustCompile(`^requires at least (\d+) arg\(s\), only received (\d+)$`), "requires at least %s arg(s), only received %s"},
	{regexp.MustCompile(`^required flag\(s\) (.+) not set$`), "required flag(s) %s not set"},
}

// goSays are how Go's parsers of flags begin, and what they mean.
var goSays = []struct {
	begin string
	means locales.Phrase
}{
	{"strconv.ParseInt", phrase("it must be a whole number")},
	{"strconv.ParseUint", phrase("it must be a whole number")},
	{"strconv.Atoi", phrase("it must be a whole number")},
	{"strconv.ParseFloat", phrase("it must be a number")},
	{"strconv.ParseBool", phrase("it must be true or false")},
	{"time: ", phrase("it must be a length of time such as 30s or 5m")},
}

// cobraSaid is a sentence of cobra's as one that can be told in every language.
func cobraSaid(text string) error {
	for _, c := range cobraSays {
		if m := c.said.FindStringSubmatch(text); m != nil {
			args := make([]any, len(m)-1)
			for i, arg := range m[1:] {
				args[i] = arg
				for _, g := range goSays {
					if strings.HasPrefix(arg, g.begin) {
						args[i] = g.means
					}
				}
			}
			return locales.Errorf(c.form, args...)
		}
	}
	return errors.New(text)
}

// nearest returns which of names is meant by a misspelt one; "" if none is near.
func nearest(name string, names []string) string {
	if name == "" {
		return ""
	}
	var c cobra.Command // cobra knows how far words are apart
	for _, n := range names {
		c.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	for c.SuggestionsMinimumDistance = 1; c.SuggestionsMinimumDistance <= 2; c.SuggestionsMinimumDistance++ { // the nearest first
		if near := c.SuggestionsFor(name); len(near) > 0 {
			return near[0]
		}
	}
	return ""
}

func flagNames(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// group makes c a command that only holds others: alone it shows its help.
func group(c *cobra.Command) *cobra.Command {
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		msg := phrase("unknown command %q for %q", args[0], c.CommandPath())
		var names []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				names = append(append(names, sub.Name()), sub.Aliases...)
			}
		}
		if near := nearest(args[0], names); near != "" {
			return errorf("%s, did you mean %q?", msg, near)
		}
		return errorf("%s", msg)
	}
	c.Run, c.RunE = nil, func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

// groupMark is the annotation of commands that only hold others.
const groupMark = "group"

func newGroup(use, short string, aliases ...string) *cobra.Command {
	return group(&cobra.Command{Use: use, Short: short, Aliases: aliases, Annotations: map[string]string{groupMark: "yes"}})
}

// strictHelp lets help fail for commands that do not exist, as calling them does:
// `ai-gateway nosuch --help`, `ai-gateway help nosuch`.
func (a *app) strictHelp(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if rest := c.Flags().Args(); c.HasSubCommands() && c.Args != nil && len(rest) > 0 {
			a.stray = usageOf(c, c.Args(c, rest))
			return
		}
		help(c, args)
	})
	for _, c := range root.Commands() {
		if c.Name() != "help" {
			continue
		}
		c.Run, c.RunE = nil, func(_ *cobra.Command, args []string) error {
			of, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 && of.HasSubCommands() && of.Args != nil {
				err = of.Args(of, rest)
			}
			if err != nil {
				return usageOf(of, err)
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		}
	}
}
