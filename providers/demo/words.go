package demo

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const longestWord = 16 // letters in one token

// tokens cuts text into the engine's tokens: a word (at most 16 letters or
// digits) or a Han, kana or hangul character or a mark, each with the white space
// before it. Joined they are the text. The rule is the engine's measure for what
// it reads and for what it writes, so that counts agree.
func tokens(text string) []string {
	var list []string
	start, letters := 0, 0 // of the token being read: white space, then letters
	cut := func(at int) {
		list = append(list, text[start:at])
		start, letters = at, 0
	}
	for i, r := range text {
		word := (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '\'') && !ideograph(r)
		if letters > 0 && (!word || letters == longestWord) {
			cut(i)
		}
		switch {
		case word:
			letters++
		case !unicode.IsSpace(r):
			_, n := utf8.DecodeRuneInString(text[i:])
			cut(i + n)
		}
	}
	if start < len(text) {
		list = append(list, text[start:])
	}
	return list
}

func count(text string) int { return len(tokens(text)) }

func ideograph(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

// chinese reports whether text is to be answered in Chinese: a fifth or more of
// its letters are Han and there is no kana.
func chinese(text string) bool {
	han, letters := 0, 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Hiragana, unicode.Katakana):
			return false
		case unicode.Is(unicode.Han, r):
			han++
			letters++
		case unicode.IsLetter(r):
			letters++
		}
	}
	return han > 0 && han*5 >= letters
}

// quote returns at most n characters of text on one line.
func quote(text string, n int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n]) + "…"
}
