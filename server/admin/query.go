package admin

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/your-org/ai-api-gateway/server/api"
)

// params returns a query's values after a check that all its names are known, so
// that a filter that is misspelt does not select everything.
func (c *Call) params(known ...string) (func(name string) string, error) {
	args := c.Ctx.QueryArgs()
	seen := map[string]bool{}
	var err error
	for k, v := range args.All() {
		name := string(k)
		switch {
		case err != nil:
		case !slices.Contains(known, name):
			err = &api.Error{Status: 400, Code: "unknown_parameter", Param: clip(name),
				Message: "unknown query parameter " + clip(name) + "; known here: " + strings.Join(known, ", ")}
		case seen[name]:
			err = &api.Error{Status: 400, Code: "duplicate_parameter", Param: name, Message: "query parameter " + name + " is given twice"}
		case len(v) > 512 && name != "cursor" || len(v) > 2048 || !utf8.Valid(v) || strings.ContainsFunc(string(v), unicode.IsControl):
			err = invalid(name, "is too long or holds characters it may not")
		}
		seen[name] = true
	}
	return func(name string) string { return string(args.Peek(name)) }, err
}

// limitOf reads a page's length: 100 unless told, at most 1000.
func limitOf(s string) (int, error) {
	if s == "" {
		return 100, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1000 {
		return 0, invalid("limit", "must be a whole number from 1 to 1000, not %q", clip(s))
	}
	return n, nil
}

// span reads a length of time: "90d", "2w", "12h", "1h30m", or several together.
func span(s string) (time.Duration, bool) {
	const longest = 100 * 365 * 24 * time.Hour
	var days time.Duration
	rest := s
	for _, u := range []struct {
		unit string
		one  time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		if n, tail, ok := strings.Cut(rest, u.unit); ok {
			k, err := strconv.Atoi(n)
			if err != nil || k < 0 || k > int(longest/u.one) || n[0] == '+' {
				return 0, false
			}
			days += time.Duration(k) * u.one
			if rest = tail; rest == "" {
				return days, days > 0 && days <= longest
			}
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > longest || days > longest-d {
		return 0, false
	}
	return days + d, days+d > 0
}

// moment reads an RFC 3339 time; empty gives the zero time.
func moment(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 2000 || t.Year() > 9000 {
		return time.Time{}, invalid(name, "must be a time such as 2026-11-01T15:04:05Z, of the years 2000 to 9000; not %q", clip(s))
	}
	return t.UTC(), nil
}

// page cuts one page out of list, which is called so and sorted by key: what comes after cursor.
func page[T any](name string, list []T, limit int, cursor string, key func(T) string) (out []T, next string, err error) {
	after, err := placeIn(name, cursor)
	if err != nil {
		return nil, "", err
	}
	start, found := 0, true
	if cursor != "" {
		start, found = slices.BinarySearchFunc(list, after, func(e T, k string) int { return strings.Compare(key(e), k) })
		if found {
			start++
		}
	}
	list = list[start:]
	if len(list) <= limit {
		return list, "", nil
	}
	return list[:limit], cursorIn(name, key(list[limit-1])), nil
}

// cursorVersion begins every cursor of a list.
const cursorVersion = "1"

// cursorIn is the cursor that leads on behind place, which is not empty, in the list of that name.
func cursorIn(list, place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorVersion + list + " " + place))
}

// placeIn reads a cursor: one that is forged, cut or of another list would lead to some
// page, or an empty one, and so is refused.
func placeIn(list, cursor string) (place string, err error) {
	if cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	place, ours := strings.CutPrefix(string(b), cursorVersion+list+" ")
	if err != nil || !ours || place == "" || !utf8.Valid(b) || strings.ContainsFunc(place, unicode.IsControl) {
		return "", &api.Error{Status: 400, Code: "invalid_query", Param: "cursor",
			Message: "cursor " + strconv.Quote(clip(cursor)) + " is none of this list: give next_cursor of the page before, as it is"}
	}
	return place, nil
}

// listed puts words of a kind into a sentence.
func listed[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}

// printable reports whether s is valid text of at most most characters, none of them a control.
func printable(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// timePtr returns nil for the zero time, so that it is null in JSON.
func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
