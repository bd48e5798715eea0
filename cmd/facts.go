package cmd

import (
	"fmt"
	"strings"
	"time"

	"github.com/your-org/ai-api-gateway/web/locales"
)

// facts writes names and values of one thing, leaving out what is empty.
func (a *app) facts(rows [][2]string) error {
	if a.output == "csv" {
		t := table{columns: []column{{head: "NAME"}, {head: "VALUE"}}}
		for _, r := range rows {
			if r[1] != "" {
				t.rows = append(t.rows, []cell{str(r[0]), str(r[1])})
			}
		}
		return t.csv(a.stdout)
	}
	widest := 0
	for i, r := range rows {
		rows[i][0] = a.head(r[0])
		if r[1] != "" {
			widest = max(widest, width(rows[i][0]))
		}
	}
	for _, r := range rows {
		if r[1] == "" {
			continue
		}
		pad := strings.Repeat(" ", widest-width(r[0]))
		if _, err := fmt.Fprintf(a.stdout, "%s%s%s%s\n", a.paint(a.stdout, dim, r[0]), pad, gap, cleanText(r[1])); err != nil {
			return errorf("cannot write the output: %w", err)
		}
	}
	return nil
}

// orAll is joinOr for sentences.
func orAll(list []string, none locales.Phrase) any {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

func joinOr(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

func (a *app) orNever(t *time.Time) string {
	if t == nil || t.IsZero() {
		return a.word("never")
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
