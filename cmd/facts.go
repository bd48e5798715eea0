package cmd

import (
	"fmt"
	"strings"
	"time"
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
	for _, r := range rows {
		if r[1] != "" {
			widest = max(widest, width(r[0]))
		}
	}
	for _, r := range rows {
		if r[1] == "" {
			continue
		}
		pad := strings.Repeat(" ", widest-width(r[0]))
		if _, err := fmt.Fprintf(a.stdout, "%s%s%s%s\n", a.paint(a.stdout, dim, r[0]), pad, gap, cleanText(r[1])); err != nil {
			return fmt.Errorf("cannot write the output: %w", err)
		}
	}
	return nil
}

func joinOr(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

func orNever(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
