package locales

import (
	"fmt"
	"regexp"
	"strings"
)

// A Phrase is a sentence with what stands in it, not yet in a language: its English
// form, which is a format of package fmt, and the arguments.
type Phrase struct {
	Format string
	Args   []any
}

// String is the phrase in English.
func (p Phrase) String() string { return fmt.Sprintf(p.Format, p.Args...) }

// MarshalText is the phrase in English, so that programs read the same everywhere.
func (p Phrase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// An Error is an error that can be told in every language. What it wraps is found by
// errors.Is and errors.As.
type Error struct {
	Phrase
	err error
}

// Errorf is fmt.Errorf for errors that people read.
func Errorf(format string, args ...any) error {
	return &Error{Phrase{format, args}, fmt.Errorf(format, args...)}
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the error of fmt.Errorf, which wraps what was given for %w.
func (e *Error) Unwrap() error { return e.err }

// A Teller is an error that holds another one, and says nothing itself.
type Teller interface {
	error
	Told() error
}

// Say returns the sentence of format, the English form, in the catalogue's language.
// Arguments that are phrases or errors of this package are told in it, too. Sentences
// without a translation stay English.
func (c *Catalogue) Say(format string, args ...any) string {
	if c.Lang == Languages[0] {
		return fmt.Sprintf(format, args...)
	}
	own, ok := c.text[SayKey(format)]
	if !ok {
		own = format
	}
	said := make([]any, len(args))
	for i, arg := range args {
		said[i] = c.said(arg)
	}
	return fmt.Sprintf(strings.ReplaceAll(own, "%w", "%v"), said...)
}

// Tell returns what an error says, in the catalogue's language as far as it is known.
func (c *Catalogue) Tell(err error) string { return fmt.Sprint(c.said(err)) }

func (c *Catalogue) said(v any) any {
	switch v := v.(type) {
	case Phrase:
		return c.Say(v.Format, v.Args...)
	case *Error:
		return c.Say(strings.ReplaceAll(v.Format, "%w", "%v"), v.Args...)
	case Teller:
		return c.said(v.Told())
	case error:
		return v.Error()
	}
	return v
}

var (
	verbs  = regexp.MustCompile(`%[-+# 0]*(\[\d+\])?[\d.*]*[a-zA-Z]`)
	others = regexp.MustCompile(`[^a-z0-9]+`)
)

// SayKey is the key of a sentence by its English form: its words, joined, an x for
// what is put into it. It is "" for a form without words, which every language shares.
func SayKey(format string) string {
	const most = 72
	words := strings.Trim(others.ReplaceAllString(strings.ToLower(verbs.ReplaceAllString(format, " x ")), "_"), "_")
	if strings.Trim(words, "x_") == "" {
		return ""
	}
	if len(words) > most {
		words = words[:most]
	}
	return "cli.say." + words
}

// Verbs returns the verbs of a format, in their order.
func Verbs(format string) []string {
	return verbs.FindAllString(strings.ReplaceAll(format, "%%", ""), -1)
}
